//! Where copies may begin.

use super::{Traced, has_oracle, made, read, shared, traced};
use crate::bitstream::{Entry, Leading, Reading, entry::Picture};
use std::path::Path;

/// Compares all pictures of a file with what the oracle's fields say, and counts entries of each kind.
fn compared(path: &Path, expected: fn(&Traced) -> Option<Entry>) -> Counts {
    let (codec, extradata, packets) = read(path);
    let mut reading = Reading::of(&codec, &extradata).unwrap();
    let traced = &traced(path)[1..];
    assert_eq!(traced.len(), packets.len(), "{}", path.display());
    let mut counts = Counts::default();
    for (number, (packet, traced)) in packets.iter().zip(traced).enumerate() {
        let picture = reading.picture(packet);
        assert_eq!(packet.len(), traced.size);
        assert_eq!(picture.entry, expected(traced), "picture {number} of {}", path.display());
        counts.add(picture);
    }
    counts
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    anywhere: usize,
    without_leading: usize,
    first: usize,
    skipped: usize,
    decodable: usize,
}

impl Counts {
    fn add(&mut self, picture: Picture) {
        match picture.entry {
            Some(Entry::Anywhere) => self.anywhere += 1,
            Some(Entry::WithoutLeading) => self.without_leading += 1,
            Some(Entry::First) => self.first += 1,
            None => {}
        }
        match picture.leading {
            Leading::No => {}
            Leading::Skipped => self.skipped += 1,
            Leading::Decodable => self.decodable += 1,
        }
    }
}

/// By the first slice, and the recovery point in front of it.
fn h264(packet: &Traced) -> Option<Entry> {
    let is_intra = packet.all("slice_type").iter().all(|kind| matches!(kind % 5, 2 | 4));
    let kinds = packet.all("nal_unit_type");
    match kinds.iter().find(|kind| matches!(kind, 1 | 5)) {
        Some(5) => Some(Entry::Anywhere),
        Some(_) if is_intra && packet.first("recovery_frame_cnt") == Some(0) => Some(Entry::First),
        _ => None,
    }
}

/// The slow tier.
const FULL: bool = cfg!(feature = "full-tests");

const X264: &str = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -x264-params";

#[test]
fn entries_of_h264() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let counts = |name: &str, parameters: &str| {
        let clip = made(folder.path(), name, 3, &format!("{X264} {parameters}"));
        let counts = compared(&clip, h264);
        (counts.anywhere, counts.first)
    };
    let endings: &[&str] = if FULL { &["mp4", "ts", "mkv"] } else { &["mp4"] };
    for ending in endings {
        // 75 pictures.
        assert_eq!(counts(&format!("closed.{ending}"), "keyint=25:scenecut=0"), (3, 0));
        assert_eq!(counts(&format!("open.{ending}"), "open-gop=1:keyint=25:scenecut=0:sps-id=3"), (1, 2));
        let refresh = counts(&format!("refresh.{ending}"), "intra-refresh=1:keyint=25:slices=3");
        assert_eq!(refresh, (1, 0));
        let interlaced = counts(
            &format!("fields.{ending}"),
            "interlaced=1:open-gop=1:keyint=25:nal-hrd=vbr:vbv-maxrate=2000:vbv-bufsize=2000",
        );
        assert_eq!(interlaced, (1, 2));
    }
    let names = [
        "two-idr-four-i.mp4",
        "cases/no-key-flags.ts",
        "bikes.mp4",
        "world.mp4",
        "cases/pancake.mkv",
        "cases/rotated-90.mp4",
        "cases/sound-before-picture.mp4",
        "cases/sound-shorter.mp4",
    ];
    for name in &names[..if FULL { names.len() } else { 2 }] {
        if let Some(clip) = shared(name) {
            let counts = compared(&clip, h264);
            // One has neither an IDR picture nor a recovery point.
            let has_any = counts.anywhere + counts.first > 0;
            assert_eq!(has_any, *name != "cases/no-key-flags.ts", "{name}: {counts:?}");
        }
    }
    // The oracle stops at its delimiters, which are against the rules; the container's flags are right.
    if let Some(clip) = shared("test-segment.ts") {
        let (codec, extradata, packets) = read(&clip);
        let mut reading = Reading::of(&codec, &extradata).unwrap();
        let entries: Vec<_> = packets.iter().filter_map(|packet| reading.picture(packet).entry).collect();
        assert_eq!(entries, [Entry::Anywhere; 9]);
    }
}

/// By the kind of the first slice.
fn hevc(packet: &Traced) -> Option<Entry> {
    match packet.all("nal_unit_type").into_iter().find(|kind| *kind < 32) {
        Some(16..=20) => Some(Entry::Anywhere),
        Some(21) => Some(Entry::WithoutLeading),
        _ => None,
    }
}

const X265: &str = "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3:b-adapt=0";

#[test]
fn entries_of_hevc() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let counts = |name: &str, parameters: &str| {
        compared(&made(folder.path(), name, 3, &format!("{X265}:scenecut=0:{parameters}")), hevc)
    };
    let endings: &[&str] = if FULL { &["mp4", "ts", "mkv"] } else { &["mp4"] };
    for ending in endings {
        let closed = counts(&format!("closed.{ending}"), "open-gop=0");
        assert_eq!(closed, Counts { anywhere: 4, ..Counts::default() });
        let open = counts(&format!("open.{ending}"), "open-gop=1");
        assert_eq!((open.anywhere, open.without_leading, open.decodable), (1, 3, 0));
        assert!(open.skipped > 0);
        let radl = counts(&format!("radl.{ending}"), "open-gop=0:radl=2:min-keyint=24");
        assert_eq!((radl.anywhere, radl.skipped), (4, 0));
        assert!(radl.decodable > 0);
    }
    if let Some(clip) = shared("hevc-cra-rasl.mp4") {
        let counts = compared(&clip, hevc);
        assert_eq!((counts.without_leading, counts.skipped), (1, 1));
    }
}

/// By the group's flag and the first picture's type.
fn mpeg2(packet: &Traced) -> Option<Entry> {
    let is_closed = packet.first("closed_gop") == Some(1);
    let entry = if is_closed { Entry::Anywhere } else { Entry::WithoutLeading };
    (packet.first("picture_coding_type") == Some(1)).then_some(entry)
}

#[test]
fn entries_of_mpeg2() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let counts = |name: &str, encoding: &str| {
        compared(&made(folder.path(), name, 2, &format!("-c:v mpeg2video -g 12 -bf 2 {encoding}")), mpeg2)
    };
    let endings: &[&str] = if FULL { &["ts", "mkv", "mp4"] } else { &["ts"] };
    for ending in endings {
        let open = counts(&format!("open.{ending}"), "");
        assert_eq!((open.anywhere + open.without_leading, open.skipped), (5, 8), "{ending}: {open:?}");
        let closed = counts(&format!("closed.{ending}"), "-flags +cgop+ildct+ilme -sc_threshold 1000000000");
        assert_eq!((closed.without_leading, closed.skipped), (0, 0), "{ending}: {closed:?}");
        assert!(closed.anywhere > 3);
    }
    if let Some(clip) = shared("cityCC0.mpg") {
        let counts = compared(&clip, mpeg2);
        assert_eq!((counts.anywhere, counts.without_leading), (1, 16));
        // It has no B-pictures.
        assert_eq!(counts.skipped, 0);
    }
}

/// The first frame that is there.
fn vp9(packet: &Traced) -> Option<Entry> {
    let is_key = packet.first("frame_type") == Some(0) && packet.first("show_existing_frame") == Some(0);
    is_key.then_some(Entry::Anywhere)
}

fn av1(packet: &Traced) -> Option<Entry> {
    vp9(packet).filter(|_| packet.first("show_frame") == Some(1))
}

#[test]
fn entries_of_vp9_and_av1() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let vpx = "-pix_fmt yuv420p -c:v libvpx-vp9 -g 25 -cpu-used 8 -deadline realtime -lag-in-frames 16 -auto-alt-ref 1";
    let clip = made(folder.path(), "vp9.mkv", 2, vpx);
    assert_eq!(compared(&clip, vp9).anywhere, 2);
    let svt = "-pix_fmt yuv420p -c:v libsvtav1 -preset 10 -g 24 -svtav1-params";
    let closed = made(folder.path(), "closed.mp4", 2, &format!("{svt} irefresh-type=2"));
    assert_eq!(compared(&closed, av1).anywhere, 3);
    // Its key pictures are shown before some that are coded behind them.
    let open = made(folder.path(), "open.mkv", 2, &format!("{svt} irefresh-type=1"));
    assert_eq!(compared(&open, av1).anywhere, 1);
    if FULL {
        let aom = "-pix_fmt yuv420p -c:v libaom-av1 -cpu-used 8 -g 25";
        let clip = made(folder.path(), "aom.mp4", 2, aom);
        assert_eq!(compared(&clip, av1).anywhere, 2);
    }
}

#[test]
fn entries_of_mpeg4() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let counted = |clip: &Path| {
        let (codec, extradata, packets) = read(clip);
        let mut reading = Reading::of(&codec, &extradata).unwrap();
        let mut counts = Counts::default();
        let pictures: Vec<_> = packets.iter().map(|packet| reading.picture(packet)).collect();
        pictures.iter().for_each(|picture| counts.add(*picture));
        let intra = pictures.iter().filter(|picture| picture.is_intra).count();
        assert!(!reading.headers().is_empty());
        (counts, intra, pictures.iter().map(|picture| picture.count).sum::<usize>(), reading.is_packed())
    };
    let coded = |name: &str, encoding: &str| counted(&made(folder.path(), name, 2, encoding));
    let (counts, intra, pictures, is_packed) =
        coded("open.mp4", "-c:v mpeg4 -g 12 -bf 2 -sc_threshold 1000000000");
    assert_eq!((counts.anywhere + counts.without_leading, intra, pictures, is_packed), (5, 5, 50, false));
    // Two in front of each key picture but the first.
    assert_eq!(counts.skipped, 8);
    let (counts, ..) = coded("closed.avi", "-c:v mpeg4 -g 12 -bf 2 -flags +cgop -sc_threshold 1000000000");
    assert_eq!((counts.anywhere, counts.without_leading, counts.skipped), (5, 0, 0));
    // Packets of two pictures, and of none: all keys but the first have a picture behind them that is shown before.
    let (counts, intra, pictures, is_packed) = coded("packed.avi", "-c:v libxvid -g 12 -bf 2");
    assert_eq!((counts.without_leading, counts.skipped, intra, is_packed), (1, 4, 5, true));
    assert!(pictures >= 49, "{pictures}");
    if let Some(clip) = shared("cases/mpeg4-ac3.avi") {
        let (counts, intra, _, is_packed) = counted(&clip);
        assert_eq!((counts.without_leading, counts.skipped, intra, is_packed), (5, 0, 5, true));
    }
}

/// What is damaged says something or nothing, and ends.
#[test]
fn what_is_damaged_is_no_harm() {
    let sps = [0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11];
    let packet = [
        &[0, 0, 1][..],
        &sps,
        &[0, 0, 1, 0x68, 0xEE, 0, 0, 1, 6, 6, 1, 0xC4, 0x80, 0, 0, 1, 0x41, 0x88, 0x99],
    ]
    .concat();
    for codec in ["h264", "hevc", "mpeg2video", "mpeg4", "h263", "flv1", "vp8", "vp9", "av1", "ffv1", "mjpeg"]
    {
        for begins in [&packet[..], &[1, 0x64, 0, 30, 0xFF, 0xE1, 0, 12], &[0xFF; 60], &[0; 60], &[1; 60]] {
            for end in 0..=begins.len() {
                let mut reading = Reading::of(codec, &begins[..end]).unwrap();
                for at in 0..packet.len() {
                    let mut damaged = packet.clone();
                    damaged[at] ^= 0xFF;
                    reading.picture(&damaged);
                    reading.picture(&packet[at..]);
                    reading.picture(begins);
                }
            }
        }
    }
    assert!(Reading::of("text", &[]).is_none());
}
