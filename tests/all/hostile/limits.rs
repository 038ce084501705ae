//! Limits: what is over them is an error, what does not count is none.

use super::*;

#[test]
fn a_join_into_a_file_holds_no_payload_whatever_comes_second() {
    let dir = tempfile::tempdir().unwrap();
    let parts = [Source::open(clip()).unwrap(), Source::open(clip_in("mkv")).unwrap()];
    let mut limits = Limits::default();
    limits.memory = 64 << 10;
    let control = Control::new().limits(limits);
    let sink = Sink::file(dir.path().join("both.mp4"));
    let report = join_to(&parts, &Join::new(), sink, &control).unwrap();
    assert!(report.payload_copied > 64 << 10, "{report:?}");
}

#[test]
fn limits_are_errors() {
    let path = clip();
    let source = || Source::open(&path).unwrap();
    let limit = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Control::new().limits(limits)
    };
    refused(Media::open_with(source(), &limit(|l| l.streams = 1)), &[LimitExceeded], "streams, mp4");
    refused(Media::open_with(source(), &limit(|l| l.pixels = 320 * 180 - 1)), &[LimitExceeded], "pixels");
    assert!(Media::open_with(source(), &limit(|l| l.pixels = 320 * 180)).is_ok());
    let media = open(&path).unwrap();
    let few = limit(|l| l.packets = 100);
    refused(cut(&media, &range(0.0, 9.0), &few), &[LimitExceeded], "packets, cut");
    refused(remux(&media, &Remux::new().format("mkv"), &few), &[LimitExceeded], "packets, remux");
    refused(join(&[source(), source()], &Join::new(), &few), &[LimitExceeded], "packets, join");
    let little = limit(|l| l.memory = 10_000);
    refused(remux(&media, &Remux::new().format("mkv"), &little), &[LimitExceeded], "memory, mkv");
    refused(remux(&media, &Remux::new().format("ts"), &little), &[LimitExceeded], "memory, ts");
    refused(
        remux(&open(&clip_in("ts")).unwrap(), &Remux::new().format("mp4"), &little),
        &[LimitExceeded],
        "memory, ts to mp4",
    );
    // Shared slices do not count.
    assert!(cut(&media, &range(1.0, 9.0), &limit(|l| l.memory = 200_000)).is_ok());
    refused(Source::spool(std::io::repeat(0), 1000, "zeros"), &[LimitExceeded], "spool");
}

#[test]
fn the_limit_of_streams_holds_in_every_container() {
    let mut limits = Limits::default();
    limits.streams = 1;
    let mut wrong = Vec::new();
    for ending in ["mp4", "mkv", "ts", "flv", "avi", "mov"] {
        match Media::open_with(Source::open(clip_in(ending)).unwrap(), &Control::new().limits(limits)) {
            Err(error) if error.kind() == LimitExceeded => {}
            Err(error) => wrong.push(format!("{ending}: {:?} {error}", error.kind())),
            Ok(media) => {
                wrong.push(format!("{ending}: opens with {} of its 2 streams", media.info().streams.len()))
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
