//! What an error tells a program: its parts, the setting that would help, and what it goes back to.

use crate::common::*;
use avrope::{
    Control, Cut, CutMode, Error, ErrorKind, Media, Remux, Result, Sink, Source, TimeRange, Transcode,
    control::Limits,
    cut, cut_to,
    io::{Hints, ReadAt, SaveOptions},
    join, remux, transcode,
    transcode::{VideoCodec, VideoSettings},
    transcode_to,
};
use std::{
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A store that answers until it is told to refuse, and then with an error of its own.
struct Store {
    bytes: Vec<u8>,
    refuses: Arc<AtomicBool>,
}

impl ReadAt for Store {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(std::io::Error::other(Throttled { seconds: 7 }));
        }
        (&self.bytes[(offset as usize).min(self.bytes.len())..]).read(buf)
    }

    /// So that what was read once is not all that there is.
    fn hints(&self) -> Hints {
        Hints::new().block(4 << 10).read_ahead(4 << 10).cache(16 << 10)
    }
}

fn store(path: &Path, refuses: bool) -> (Source, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(refuses));
    let bytes = std::fs::read(path).unwrap();
    let store = Store { bytes, refuses: refuses.clone() };
    (Source::from_read_at(store, "store").named("remote"), refuses)
}

#[test]
fn a_typed_error_of_read_at_comes_out_of_every_road() {
    type Road = fn(&Media, &Path) -> Result<()>;
    fn rope(media: &Media) -> avrope::Rope {
        media.source().slice(..).unwrap()
    }
    let roads: [(&str, Road); 11] = [
        ("probe", |media, _| media.probe(&none()).map(drop)),
        ("cut", |media, _| {
            let cut_of = Cut::new().keep(TimeRange::secs(0.4, 0.9)?).format("mkv");
            cut(media, &cut_of, &none())?.rope.to_bytes().map(drop)
        }),
        ("cut to a file", |media, path| {
            let cut_of = Cut::new().keep(TimeRange::secs(0.4, 0.9)?);
            cut_to(media, &cut_of, Sink::file(path), &none()).map(drop)
        }),
        ("join", |media, _| {
            let sources = [media.source().clone(), media.source().clone()];
            join(&sources, &avrope::Join::new(), &none())?.rope.to_bytes().map(drop)
        }),
        ("remux", |media, _| remux(media, &Remux::new().format("ts"), &none())?.rope.to_bytes().map(drop)),
        ("transcode", |media, _| {
            let settings =
                Transcode::new().format("mp4").video(VideoSettings::new().codec(VideoCodec::Mpeg4));
            transcode(media, &settings, &none()).map(drop)
        }),
        ("transcode to a file", |media, path| {
            let settings = Transcode::new().video(VideoSettings::new().codec(VideoCodec::Mpeg4));
            transcode_to(media, &settings, Sink::file(path), &none()).map(drop)
        }),
        ("to_bytes", |media, _| rope(media).to_bytes().map(drop)),
        ("reader", |media, _| Ok(rope(media).reader().read_to_end(&mut Vec::new()).map(drop)?)),
        ("chunks", |media, _| rope(media).chunks().try_for_each(|chunk| chunk.map(drop))),
        ("save", |media, path| rope(media).save(path, SaveOptions::new(), &none())),
    ];
    let folder = tempfile::tempdir().unwrap();
    for kind in ["mp4", "mkv"] {
        let error = refused(Media::open(store(&clip_in(kind), true).0), &[ErrorKind::Io], "open");
        assert_eq!(own(&error), Some(&Throttled { seconds: 7 }), "{kind}: {error:?}");
        for (name, road) in roads {
            let (source, refuses) = store(&clip_in(kind), false);
            let media = Media::open(source).unwrap();
            refuses.store(true, Ordering::SeqCst);
            let error = road(&media, &folder.path().join("out.mp4")).expect_err(name);
            assert_eq!(own(&error), Some(&Throttled { seconds: 7 }), "{name} of {kind}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Io, "{name} of {kind}: {error}");
            assert!(error.to_string().contains("come back in 7 s"), "{name} of {kind}: {error}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn an_error_has_its_parts_apart() {
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    let settings = Remux::new().format("adts");
    let error = refused(remux(&media, &settings, &none()), &[ErrorKind::Unsupported], "video in mp3");
    assert_eq!(error.setting(), Some("allow_drops"));
    let (message, advice) = (error.message(), error.advice().unwrap());
    let name = error.source_name().unwrap();
    assert_eq!(error.to_string(), format!("{name}: {message}; {advice}"));
    assert!(!message.contains(name) && !advice.contains("--"), "{error}");
    // Also behind std's error, and inside another of ours.
    let back = Error::from(std::io::Error::from(error));
    assert_eq!(back.setting(), Some("allow_drops"));
    struct Reader(Option<Error>);
    impl Read for Reader {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(self.0.take().unwrap().into())
        }
    }
    let (words, advice) = (back.message().to_owned(), back.advice().map(str::to_owned));
    let outer = refused(Source::spool(Reader(Some(back)), 10, "stream"), &[ErrorKind::Unsupported], "inside");
    assert!(outer.message().ends_with(&words), "{outer}");
    assert_eq!((outer.setting(), outer.advice()), (Some("allow_drops"), advice.as_deref()), "{outer}");
}

#[test]
fn errors_name_the_setting_that_would_help() {
    let media = || Media::open(Source::open(clip()).unwrap()).unwrap();
    let setting = |settings: &Transcode| {
        transcode(&media(), settings, &none()).map(drop).unwrap_err().setting().map(str::to_owned)
    };
    let video = VideoSettings::new;
    for (settings, name) in [
        (Transcode::new().format("nonsense"), "format"),
        (Transcode::new().speed(0.0), "speed"),
        (Transcode::new().video(video().crf(-1.0)), "video.crf"),
        (Transcode::new().video(video().codec(VideoCodec::H264).tune("nonsense")), "video.tune"),
        (Transcode::new().video(video().codec(VideoCodec::H264).option("b:v", "1")), "video.bit_rate"),
        (Transcode::new().muxer_option("movflags", "faststart"), "fragment"),
        (Transcode::new().muxer_option("frag_duration", "1000"), "fragment"),
    ] {
        assert_eq!(setting(&settings).as_deref(), Some(name));
    }
    let mut limits = Limits::default();
    limits.memory = 1000;
    let small = Control::new().limits(limits);
    let error = refused(
        transcode(&media(), &Transcode::new().video(video().codec(VideoCodec::Mpeg4)), &small),
        &[ErrorKind::LimitExceeded],
        "memory",
    );
    assert_eq!(error.setting(), Some("limits.memory"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    std::fs::write(&path, "mine").unwrap();
    let there = avrope::Rope::from_bytes("new").save(&path, SaveOptions::new(), &none());
    assert_eq!(refused(there, &[ErrorKind::InvalidArgument], "there").setting(), Some("overwrite"));
}

/// Programs in other languages know kinds by their numbers: none changes, and none is given twice.
/// All packets were copied into the length of the range, at another speed.
#[test]
fn no_range_of_a_stream_without_times_is_copied() {
    oracle!("ranges of raw streams");
    for (encoder, raw) in [("libx264", "h264"), ("libx265", "hevc")] {
        let args = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-c:v", encoder];
        let media = Media::open(Source::open(made_by_ffmpeg(&format!("raw.{raw}"), &args)).unwrap()).unwrap();
        for mode in [CutMode::Keyframe, CutMode::Edit] {
            let settings = Cut::new().keep(TimeRange::secs(0.5, 1.0).unwrap()).mode(mode).format("mp4");
            let error = cut(&media, &settings, &Control::new()).unwrap_err();
            assert_eq!((error.kind(), error.setting()), (ErrorKind::Unsupported, Some("mode")), "{error}");
        }
        // All of it is.
        let all = cut(&media, &Cut::new().keep(TimeRange::ALL).format("mp4"), &Control::new()).unwrap();
        assert_eq!(all.report.packets, 50, "{raw}");
        let settings =
            Cut::new().keep(TimeRange::secs(0.5, 1.0).unwrap()).mode(CutMode::Encode).format("mp4");
        let encoded = cut(&media, &settings, &Control::new()).unwrap();
        assert!((12..=13).contains(&encoded.report.packets), "{raw}: {:?}", encoded.report);
    }
}

#[test]
fn a_range_of_raw_mpeg_shows_its_pictures() {
    oracle!("a_range_of_raw_mpeg_shows_its_pictures");
    let dir = tempfile::tempdir().unwrap();
    let sources =
        ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=8", "-sc_threshold", "1000000000", "-g", "24"];
    // A picture that others inside refer to comes with them. Libav takes a picture of MPEG-2 to
    // be shown one later than it is decoded, since others may come before it.
    for (encoder, raw, reordered, last) in [
        ("mpeg1video", "mpeg1video", "2", 142),
        ("mpeg2video", "mpeg2video", "2", 142),
        ("mpeg2video", "mpeg2video", "0", 142),
        ("mpeg4", "m4v", "2", 143),
        ("mpeg4", "m4v", "0", 143),
    ] {
        let args = ["-c:v", encoder, "-bf", reordered, "-f", raw];
        let path = made_by_ffmpeg(&format!("pictures-{reordered}.{raw}"), &[&sources[..], &args].concat());
        let all: Vec<String> = frames(&path, "v").into_iter().map(|frame| frame.hash).collect();
        let media = Media::open(Source::open(&path).unwrap()).unwrap();
        let cut_of = Cut::new().keep(TimeRange::secs(4.0, 5.76).unwrap());
        let clip = cut(&media, &cut_of.mode(CutMode::Keyframe).format("mkv"), &Control::new()).unwrap();
        let out = save(&clip, dir.path(), &format!("{encoder}-{reordered}.mkv"));
        let place = |frame: Frame| all.iter().position(|hash| *hash == frame.hash).unwrap();
        let places: Vec<usize> = frames(&out, "v").into_iter().map(place).collect();
        let ahead = (reordered != "0").then_some(144);
        let expected: Vec<usize> = (96..=last).chain(ahead).collect();
        assert_eq!(places, expected, "{encoder} {reordered}");
    }
}

#[test]
fn kinds_keep_their_numbers() {
    use ErrorKind::*;
    let kinds = [
        (InvalidArgument, 1),
        (NotFound, 2),
        (Unsupported, 3),
        (Corrupt, 4),
        (Io, 5),
        (Cancelled, 6),
        (DeadlineExceeded, 7),
        (LimitExceeded, 8),
        (Busy, 9),
        (Hardware, 10),
        (Bug, 11),
    ];
    for (kind, number) in kinds {
        assert_eq!(kind.code(), number, "{kind:?}");
    }
}

/// Whoever embeds the library has no flags, and the command line puts its own behind the setting's name.
#[test]
fn the_library_speaks_of_no_flags() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("bin") {
                look(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let is_flag = |line: &str| {
                    line.match_indices("--").any(|(at, _)| {
                        let before = line[..at].chars().next_back();
                        let after = line[at + 2..].chars().next();
                        before.is_none_or(|c| " ('\"".contains(c))
                            && after.is_some_and(|c| c.is_ascii_lowercase())
                    })
                };
                found.extend(lines.filter(|line| is_flag(line)).map(str::to_owned));
            }
        }
    }
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}
