//! What opening an MP4 reads of it, and that it says the same as one that libav reads whole.

use crate::common::*;
use avrope::{
    Control, Cut, CutMode, Media, Road, Source, TimeRange, cut,
    io::{Hints, ReadAt},
};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

type Log = Arc<Mutex<Vec<Range<u64>>>>;

/// A file far away, that notes what is asked of it.
struct Noted(Vec<u8>, Log);

impl ReadAt for Noted {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        self.1.lock().unwrap().push(offset..offset + buf.len() as u64);
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        std::io::Read::read(&mut &self.0[from..], buf)
    }

    fn hints(&self) -> Hints {
        Hints::new().block(4096).read_ahead(4096).gap(0)
    }
}

/// Files of which libav reads samples when it opens them: titles of chapters, time codes.
fn made() -> Vec<(&'static str, PathBuf)> {
    let notes = kept().join("open-chapters.txt");
    std::fs::create_dir_all(kept()).unwrap();
    let chapter = |from: u32, to: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle={title}\n")
    };
    let all = [chapter(0, 700, "Eins"), chapter(700, 2100, "Zwei, länger"), chapter(2100, 4000, "")];
    std::fs::write(&notes, format!(";FFMETADATA1\ntitle=All\n{}", all.concat())).unwrap();
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=4"];
    let chapters = ["-i", notes.to_str().unwrap(), "-map_chapters", "1", "-map", "0"];
    let codec = ["-g", "25", "-c:v", "libx264", "-crf", "2", "-preset", "ultrafast"];
    let codes = ["-timecode", "01:00:00:10"];
    [
        ("open-chapters.mov", [&picture[..], &chapters, &codec].concat()),
        ("open-chapters.mp4", [&picture[..], &chapters, &codec].concat()),
        ("open-code.mov", [&picture[..], &codec, &codes].concat()),
        ("open-code.mp4", [&picture[..], &codec, &codes].concat()),
        ("open-both.mov", [&picture[..], &chapters, &codec, &codes].concat()),
    ]
    .map(|(name, arguments)| (name, made_by_ffmpeg(name, &arguments)))
    .into()
}

fn far(bytes: Vec<u8>) -> (Source, Log) {
    let log = Log::default();
    (Source::from_read_at(Noted(bytes, log.clone()), "far.mov"), log)
}

/// Chapters and time codes of a file, by avrope and by ffprobe.
fn told(path: &Path, media: &Media) -> [String; 2] {
    let of = |tags: &BTreeMap<String, String>| tags.get("timecode").cloned().unwrap_or_default();
    let info = media.info();
    let codes: Vec<_> = info.streams.iter().map(|stream| of(&stream.metadata)).collect();
    let chapters = info.chapters.iter().map(|chapter| {
        let millis = |time: avrope::Timestamp| time.nanos() as f64 / 1e6;
        (
            millis(chapter.start).round(),
            millis(chapter.end).round(),
            chapter.title.clone().unwrap_or_default(),
        )
    });
    let found = format!("{codes:?} {:?}", chapters.collect::<Vec<_>>());
    let probed = ffprobe(path, &["-show_streams", "-show_chapters"]);
    let all = |what: &str| probed[what].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let codes: Vec<_> = all("streams").iter().map(|stream| text(&stream["tags"]["timecode"])).collect();
    let chapters = all("chapters").into_iter().map(|chapter| {
        let millis = |what: &str| (text(&chapter[what]).parse::<f64>().unwrap() * 1000.0).round();
        (millis("start_time"), millis("end_time"), text(&chapter["tags"]["title"]))
    });
    [found, format!("{codes:?} {:?}", chapters.collect::<Vec<_>>())]
}

#[test]
fn titles_of_chapters_and_time_codes_alone_are_read() {
    oracle!("opening");
    for (name, path) in made() {
        let bytes = std::fs::read(&path).unwrap();
        let moov = find(&bytes, "moov").unwrap();
        let of_text = |kind: &[u8; 4]| {
            let traks = find_all(&bytes, "moov/trak").into_iter();
            let traks = traks.map(|trak| bytes[trak.content()..trak.end()].to_vec());
            let trak = traks.filter(|trak| &content(trak, "mdia/hdlr").unwrap()[8..12] == kind);
            trak.count()
        };
        assert!(of_text(b"text") + of_text(b"tmcd") > 0, "{name}");
        let (source, log) = far(bytes.clone());
        let media = Media::open(source).unwrap();
        let [found, due] = told(&path, &media);
        assert_eq!(found, due, "{name}");
        assert!(found.contains("01:00:00:10") || found.contains("länger"), "{found}");
        // Beside the moov no more than the beginning, its header, and a block for each sample.
        let asked = log.lock().unwrap().clone();
        let beside = |range: &&Range<u64>| !(moov.start as u64..moov.end() as u64).contains(&range.start);
        let read: u64 = asked.iter().filter(beside).map(|range| range.end - range.start).sum();
        assert!(bytes.len() > 400_000, "{name}");
        assert!(read < 20 * 4096, "{name}: {read} bytes beside the moov, {asked:?}");
    }
}

#[test]
fn chapters_whose_titles_can_not_be_read_are_libavs_affair() {
    oracle!("opening");
    let (_, path) = made().into_iter().find(|(name, _)| *name == "open-both.mov").unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for (table, change) in [("stco", u32::MAX), ("stsz", 0x3fff_ffff), ("stsz", 1)] {
        let mut changed = bytes.clone();
        for found in find_all(&bytes, &format!("moov/trak/mdia/minf/stbl/{table}")).into_iter().skip(1) {
            let at = found.content() + if table == "stco" { 8 } else { 12 };
            // A size for each where there is none for all.
            let is_equal = bytes[found.content() + 4..found.content() + 8] != [0; 4];
            let at = if table == "stsz" && is_equal { found.content() + 4 } else { at };
            changed[at..at + 4].copy_from_slice(&change.to_be_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("changed.mov");
        std::fs::write(&path, &changed).unwrap();
        let opened = bounded("opening", move || Media::open_with(far(changed).0, &Control::new()));
        let near = Media::open(Source::open(&path).unwrap());
        match (opened, near) {
            (Ok(opened), Ok(near)) => {
                let [found, due] = told(&path, &near);
                assert_eq!(found, due, "{table} {change}");
                assert_eq!(told(&path, &opened)[0], due, "{table} {change}");
            }
            (Err(far), Err(near)) => assert_eq!(far.kind(), near.kind()),
            (far, near) => panic!("{table} {change}: {:?} {:?}", far.err(), near.err()),
        }
    }
}

#[test]
fn chapters_of_a_list_end_where_the_next_ones_begin() {
    oracle!("chapters of a list");
    let (_, path) = made().into_iter().find(|(name, _)| *name == "open-chapters.mp4").unwrap();
    // Without the track of them there is Nero's list alone, which tells when each begins.
    let mut bytes = std::fs::read(&path).unwrap();
    let reference = find(&bytes, "moov/trak/tref").unwrap().start;
    bytes[reference + 4..reference + 8].copy_from_slice(b"free");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.mp4");
    std::fs::write(&path, &bytes).unwrap();
    for source in [Source::open(&path).unwrap(), far(bytes).0] {
        let media = Media::open(source).unwrap();
        let [found, due] = told(&path, &media);
        assert_eq!(found, due);
        assert!(found.contains("(700.0, 2100.0, \"Zwei, länger\"), (2100.0, 4000.0"), "{found}");
        for road in [Road::Tables, Road::Libav] {
            for format in ["mp4", "mov", "mkv"] {
                let settings = Cut::new().keep(TimeRange::secs(1.0, 3.0).unwrap()).mode(CutMode::Edit);
                let settings = if format == "mkv" { settings.mode(CutMode::Keyframe) } else { settings };
                let clip = cut(&media, &settings.road(road).format(format), &Control::new()).unwrap();
                let out = save(&clip, folder.path(), &format!("out.{format}"));
                let [_, due] = told(&out, &open(&out));
                let wanted = "[(0.0, 1100.0, \"Zwei, länger\"), (1100.0, 2000.0, \"\")]";
                assert!(due.ends_with(wanted), "{road:?} {format}: {due}");
            }
        }
    }
}

#[test]
fn a_time_code_in_a_cameras_data_is_read() {
    oracle!("time codes of cameras");
    let (_, path) = made().into_iter().find(|(name, _)| *name == "open-code.mov").unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // The code's track becomes one of Sony's, whose samples have it behind 13 bytes; its sample is of the picture.
    let traks = find_all(&bytes, "moov/trak");
    let code = traks.iter().position(|trak| {
        &content(&bytes[trak.content()..trak.end()], "mdia/hdlr").unwrap()[8..12] == b"tmcd"
    });
    let table = |name: &str, at: usize| {
        find_all(&bytes, &format!("moov/trak/mdia/minf/stbl/{name}"))[code.unwrap()].content() + at
    };
    let chunk = find_all(&bytes, "moov/trak/mdia/minf/stbl/stco")[0].content() + 8;
    let (kind, size, place) = (table("stsd", 12), table("stsz", 4), table("stco", 8));
    let hdlr = find_all(&bytes, "moov/trak/mdia/hdlr")[code.unwrap()].content() + 8;
    bytes[kind..kind + 4].copy_from_slice(b"rtmd");
    bytes[hdlr..hdlr + 4].copy_from_slice(b"meta");
    for len in [1_u32, 17, 18, 400] {
        bytes[size..size + 4].copy_from_slice(&len.to_be_bytes());
        bytes.copy_within(chunk..chunk + 4, place);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("camera.mov");
        std::fs::write(&path, &bytes).unwrap();
        let [found, due] = told(&path, &Media::open(far(bytes.clone()).0).unwrap());
        assert_eq!(found, due, "{len}");
        assert!(found.contains(':'), "{found}");
    }
}

#[test]
fn chapters_of_a_track_are_when_its_edit_list_shows_them() {
    oracle!("edit lists of chapters");
    let (_, path) = made().into_iter().find(|(name, _)| *name == "open-chapters.mov").unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let traks = find_all(&bytes, "moov/trak");
    let handler =
        |trak: &Mp4Box| content(&bytes[trak.content()..trak.end()], "mdia/hdlr").unwrap()[8..12].to_vec();
    let text = traks.iter().position(|trak| handler(trak) == b"text").unwrap();
    let trak = &bytes[traks[text].content()..traks[text].end()];
    let scale = u32::from_be_bytes(content(&bytes, "moov/mvhd").unwrap()[12..16].try_into().unwrap());
    let own = u32::from_be_bytes(content(trak, "mdia/mdhd").unwrap()[12..16].try_into().unwrap());
    let with = |edits: &[(u32, i32)]| {
        // In tenths of a second: how long, and from where in the media.
        let entry = |(lasts, media): &(u32, i32)| {
            let media = if *media < 0 { -1 } else { media * own as i32 / 10 };
            [(lasts * scale / 10).to_be_bytes(), media.to_be_bytes(), (1_u32 << 16).to_be_bytes()].concat()
        };
        let list: Vec<u8> = edits.iter().flat_map(entry).collect();
        let list = [&[0; 4][..], &(edits.len() as u32).to_be_bytes(), &list].concat();
        let boxes = boxes(trak, 0, trak.len());
        let kept = boxes.iter().filter(|own| &own.kind != b"edts");
        let kept: Vec<u8> = kept.flat_map(|own| trak[own.start..own.end()].to_vec()).collect();
        let tkhd = boxes[0].len;
        let edts = make_box(b"edts", &make_box(b"elst", &list));
        let trak = make_box(b"trak", &[&kept[..tkhd], &edts, &kept[tkhd..]].concat());
        replace_box(&bytes, "moov/trak", text, &trak)
    };
    type Case = (&'static [(u32, i32)], &'static [(f64, f64, &'static str)]);
    let cases: [Case; 5] = [
        (
            &[(10, -1), (40, 0)],
            &[(1000.0, 1700.0, "Eins"), (1700.0, 3100.0, "Zwei, länger"), (3100.0, 5000.0, "")],
        ),
        (&[(30, 10)], &[(0.0, 1100.0, "Zwei, länger"), (1100.0, 3000.0, "")]),
        (&[(10, 0)], &[(0.0, 700.0, "Eins"), (700.0, 1000.0, "Zwei, länger")]),
        (&[(15, 0), (5, 30)], &[(0.0, 700.0, "Eins"), (700.0, 1500.0, "Zwei, länger"), (1500.0, 2000.0, "")]),
        (&[(40, 0)], &[(0.0, 700.0, "Eins"), (700.0, 2100.0, "Zwei, länger"), (2100.0, 4000.0, "")]),
    ];
    for (edits, due) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edited.mov");
        let edited = with(edits);
        std::fs::write(&path, &edited).unwrap();
        for source in [Source::open(&path).unwrap(), far(edited).0] {
            let [found, _] = told(&path, &Media::open(source).unwrap());
            assert!(found.ends_with(&format!("] {due:?}")), "{edits:?}: {found}");
        }
        // libav moves all of the media, whatever of it is shown.
        let probed = ffprobe(&path, &["-ignore_editlist", "0", "-show_chapters"]);
        let starts = probed["chapters"].as_array().unwrap().iter().map(|chapter| {
            (chapter["start_time"].as_str().unwrap().parse::<f64>().unwrap() * 1000.0).round()
        });
        if edits.iter().any(|(lasts, _)| *lasts == 40) {
            assert_eq!(starts.collect::<Vec<_>>(), due.iter().map(|(from, ..)| *from).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_track_that_names_a_million_chapters_is_refused() {
    let bytes = std::fs::read(clip()).unwrap();
    let moov = find(&bytes, "moov").unwrap();
    let ids: Vec<u8> = (1000_u32..1_001_000).flat_map(u32::to_be_bytes).collect();
    let tref = make_box(b"tref", &make_box(b"chap", &ids));
    let trak = find(&bytes, "moov/trak").unwrap();
    let content = [&bytes[trak.content()..trak.end()], &tref].concat();
    let at_end = replace_box(&bytes, "moov/trak", 0, &make_box(b"trak", &content));
    assert!(at_end.len() > bytes.len() && moov.len > 0);
    for source in [Source::from_bytes(at_end.clone()), far(at_end).0] {
        let opened = bounded("opening", move || Media::open(source).map(drop));
        assert_eq!(opened.unwrap_err().kind(), avrope::ErrorKind::LimitExceeded);
    }
}

#[test]
fn pictures_of_chapters_that_a_cut_leaves_out_are_told_of() {
    oracle!("pictures of chapters");
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=4", "-map", "0", "-map", "0", "-g", "25"];
    let path = made_by_ffmpeg(
        "open-pictures.mov",
        &[&picture[..], &["-c:v:0", "libx264", "-c:v:1", "mjpeg"]].concat(),
    );
    let bytes = std::fs::read(&path).unwrap();
    let trak = find(&bytes, "moov/trak").unwrap();
    let tref = make_box(b"tref", &make_box(b"chap", &2_u32.to_be_bytes()));
    let trak = make_box(b"trak", &[&bytes[trak.content()..trak.end()], &tref].concat());
    let media = Media::open(Source::from_bytes(replace_box(&bytes, "moov/trak", 0, &trak))).unwrap();
    for road in [Road::Tables, Road::Libav] {
        let settings = Cut::new().keep(TimeRange::secs(1.0, 3.0).unwrap()).format("mov").road(road);
        let clip = cut(&media, &settings, &Control::new()).unwrap();
        assert_eq!(clip.report.road, Some(road));
        let dropped: Vec<_> = clip.report.dropped_streams.iter().map(|dropped| dropped.index).collect();
        assert_eq!(dropped, [1], "{road:?}: {:?}", clip.report.warnings);
    }
}
