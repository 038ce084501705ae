//! What a result is not to tell of its source.

use crate::common::*;
use avrope::{
    Clip, Control, Cut, CutMode, Join, Remux, Road, Source, Strip, TimeRange, Transcode, cut, join, remux,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use std::path::{Path, PathBuf};

/// What tells where a source was recorded, and what it is called.
const PLACE: &str = "+48.8577+002.2950/";
const TITLE: &str = "A day at the tower";

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

/// Files that tell it in all known ways, with a track of telemetry: as phones and cameras write them.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let srt = folder.join("told.srt");
    std::fs::write(&srt, format!("1\n00:00:00,000 --> 00:00:02,000\nat {PLACE}\n\n")).unwrap();
    let mut all = Vec::new();
    for (name, own) in [
        ("phone.mp4", vec![]),
        ("apple.mov", vec!["-movflags", "use_metadata_tags"]),
        ("android.mov", vec![]),
    ] {
        let path = folder.join(name);
        let pictures = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=3", "-f", "lavfi", "-i", "sine=d=3"];
        let text = ["-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-map", "2"];
        let coded = ["-g", "25", "-c:v", "libx264", "-c:a", "aac", "-c:s", "mov_text"];
        let (place, title) = (format!("location={PLACE}"), format!("title={TITLE}"));
        let apple = format!("com.apple.quicktime.location.ISO6709={PLACE}");
        let mut tags = vec!["-metadata", &title, "-metadata", "date=2026-05-01", "-metadata", "make=Maker"];
        tags.extend(["-metadata", if name == "apple.mov" { &apple } else { &place }]);
        let named = ["-metadata:s:v", "handler_name=Maker AVC", "-metadata:s:a", "language=deu"];
        ffmpeg(&[&pictures[..], &text, &coded, &tags, &named, &own, &[path.to_str().unwrap()]].concat());
        let mut bytes = std::fs::read(&path).unwrap();
        assert!(name != "apple.mov" || has(&bytes, PLACE.as_bytes()), "{name} has no place");
        // The track of text is one of telemetry.
        let hdlr = find_all(&bytes, "moov/trak/mdia/hdlr").last().unwrap().content() + 8;
        let stsd = find_all(&bytes, "moov/trak/mdia/minf/stbl/stsd").last().unwrap().content() + 12;
        bytes[hdlr..hdlr + 4].copy_from_slice(b"meta");
        bytes[stsd..stsd + 4].copy_from_slice(b"gpmd");
        // What a maker and a program add of their own.
        let udta = find(&bytes, "moov/udta").map(|udta| bytes[udta.content()..udta.end()].to_vec());
        let own = make_box(b"SDLN", PLACE.as_bytes());
        match udta {
            Some(tags) => {
                bytes = replace_box(&bytes, "moov/udta", 0, &make_box(b"udta", &[&own[..], &tags].concat()))
            }
            None => {
                let mvhd = find(&bytes, "moov/mvhd").unwrap();
                let mvhd = bytes[mvhd.start..mvhd.end()].to_vec();
                bytes = replace_box(&bytes, "moov/mvhd", 0, &[mvhd, make_box(b"udta", &own)].concat());
            }
        }
        bytes.extend(make_box(b"uuid", &[&[7; 16], PLACE.as_bytes()].concat()));
        std::fs::write(&path, bytes).unwrap();
        all.push(path);
    }
    all
}

/// Whether a stream says that it is in German.
fn is_german(path: &Path) -> bool {
    let found = ffprobe(path, &["-show_streams"]);
    let language = |stream: &serde_json::Value| stream["tags"]["language"].clone();
    found["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(language)
        .any(|language| language == "deu" || language == "ger")
}

/// All that copies and encodes.
fn results(path: &Path, strip: Strip) -> Vec<(&'static str, Clip)> {
    let (media, control) = (open(path), Control::new());
    let keep = TimeRange::secs(0.5, 2.5).unwrap();
    let cutting = |mode| Cut::new().keep(keep).mode(mode).strip(strip);
    let encode = Transcode::new().strip(strip);
    let copied = encode
        .clone()
        .video(VideoSettings::new().codec(VideoCodec::Copy))
        .audio(AudioSettings::new().codec(AudioCodec::Aac));
    let twice = [Source::open(path).unwrap(), Source::open(path).unwrap()];
    let matroska = Remux::new().strip(strip).format("mkv");
    vec![
        ("remux", remux(&media, &Remux::new().strip(strip), &control).unwrap()),
        ("remux by libav", remux(&media, &Remux::new().strip(strip).road(Road::Libav), &control).unwrap()),
        ("remux into mkv", remux(&media, &matroska, &control).unwrap()),
        ("cut", cut(&media, &cutting(CutMode::Edit), &control).unwrap()),
        ("cut by libav", cut(&media, &cutting(CutMode::Edit).road(Road::Libav), &control).unwrap()),
        ("cut by encoding", cut(&media, &cutting(CutMode::Encode), &control).unwrap()),
        ("join", join(&twice, &Join::new().strip(strip), &control).unwrap()),
        ("transcode", avrope::transcode(&media, &encode, &control).unwrap()),
        ("transcode of the sound", avrope::transcode(&media, &copied, &control).unwrap()),
    ]
}

#[test]
fn places_and_descriptions_are_left_out_where_they_are_not_to_be_told() {
    oracle!("stripping");
    let folder = tempfile::tempdir().unwrap();
    for path in sources(folder.path()) {
        let before = frames(&path, "0:v:0");
        for strip in [Strip::Nothing, Strip::Location, Strip::Metadata] {
            for (name, clip) in results(&path, strip) {
                let what = format!("{}: {name}, {strip:?}", path.display());
                let bytes = clip.rope.to_bytes().unwrap();
                let by_tables = clip.report.road == Some(Road::Tables);
                let tells =
                    [PLACE.as_bytes(), b"loci", b"\xa9xyz", b"SDLN"].iter().any(|place| has(&bytes, place));
                assert!(!tells || strip == Strip::Nothing, "{what}: it tells the place");
                assert!(tells || strip != Strip::Nothing || !by_tables, "{what}: the place is lost");
                assert_eq!(has(&bytes, TITLE.as_bytes()), strip != Strip::Metadata, "{what}: title");
                let named = [&b"2026-05-01"[..], b"Maker"].iter().any(|name| has(&bytes, name));
                assert!(!named || strip != Strip::Metadata, "{what}: it tells date or maker");
                let told = clip.report.warnings.iter().any(|warning| warning.contains("gpmd"));
                assert_eq!(told, strip == Strip::Location && by_tables, "{what}: {:?}", clip.report.warnings);
                let ending = if name.ends_with("mkv") { "mkv" } else { ending(&path) };
                let out = save(&clip, folder.path(), &format!("out.{ending}"));
                assert_eq!(is_german(&out), is_german(&path), "{what}: language");
                if name == "remux" {
                    assert!(by_tables, "{what}");
                    assert_eq!(frames(&out, "0:v:0"), before, "{what}");
                }
            }
        }
    }
}

#[test]
fn chapters_stay_and_covers_go_with_what_describes_it() {
    oracle!("stripping");
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told.txt");
    let chapters = ";FFMETADATA1\ntitle=A title\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n";
    std::fs::write(&told, chapters).unwrap();
    let (cover, path) = (folder.path().join("cover.png"), folder.path().join("told.m4a"));
    ffmpeg(&["-f", "lavfi", "-i", "color=s=32x32:d=1", "-frames:v", "1", cover.to_str().unwrap()]);
    let inputs =
        ["-f", "lavfi", "-i", "sine=d=2", "-i", told.to_str().unwrap(), "-i", cover.to_str().unwrap()];
    let rest = ["-map", "0", "-map", "2", "-map_metadata", "1", "-c:a", "aac", "-c:v", "copy"];
    let disposition = ["-disposition:v", "attached_pic", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &rest, &disposition].concat());
    for road in [Road::Tables, Road::Libav] {
        for (strip, due) in [(Strip::Nothing, 2), (Strip::Location, 2), (Strip::Metadata, 1)] {
            let clip = remux(&open(&path), &Remux::new().strip(strip).road(road), &Control::new()).unwrap();
            let out = save(&clip, folder.path(), "out.m4a");
            let found = ffprobe(&out, &["-show_streams", "-show_chapters"]);
            let played = found["streams"].as_array().unwrap().iter().filter(|s| s["codec_type"] != "data");
            assert_eq!(played.count(), due, "{road:?} {strip:?}");
            assert_eq!(found["chapters"][0]["tags"]["title"], "One", "{road:?} {strip:?}");
            assert_eq!(has(&clip.rope.to_bytes().unwrap(), b"A title"), due == 2, "{road:?} {strip:?}");
        }
    }
}

/// A clip whose boxes have these behind what they hold.
fn with_boxes(folder: &Path, paths: &[&str], boxes: &[u8]) -> PathBuf {
    let path = folder.join("more.mp4");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x48:r=25:d=2",
        "-g",
        "25",
        "-c:v",
        "libx264",
        path.to_str().unwrap(),
    ]);
    let mut bytes = std::fs::read(&path).unwrap();
    for path in paths {
        let found = find(&bytes, path).unwrap();
        let kind = path.rsplit('/').next().unwrap().as_bytes().first_chunk::<4>().unwrap();
        let content = [&bytes[found.content()..found.end()], boxes].concat();
        bytes = replace_box(&bytes, path, 0, &make_box(kind, &content));
    }
    bytes.extend(boxes);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn tags(all: &[u8]) -> Vec<u8> {
    let hdlr = make_box(b"hdlr", &[&[0; 8][..], b"mdir", &[0; 13]].concat());
    make_box(b"meta", &[&[0; 4][..], &hdlr, all].concat())
}

fn own_tag(name: &str, value: &str) -> Vec<u8> {
    let mean = make_box(b"mean", b"\0\0\0\0com.apple.iTunes");
    let name = make_box(b"name", &[&[0; 4], name.as_bytes()].concat());
    let data = make_box(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], value.as_bytes()].concat());
    make_box(b"----", &[mean, name, data].concat())
}

#[test]
fn what_nobody_knows_tells_no_place_wherever_it_lies() {
    oracle!("stripping");
    let folder = tempfile::tempdir().unwrap();
    let place = PLACE.as_bytes();
    let list = make_box(b"ilst", &own_tag("XMP", PLACE));
    let boxes = [
        make_box(b"gps ", place),
        make_box(b"SEFT", place),
        make_box(b"free", place),
        make_box(b"uuid", &[&[7; 16], place].concat()),
        make_box(b"udta", &[make_box(b"XMP_", place), make_box(b"skip", place)].concat()),
        tags(&[list, make_box(b"xml ", &[&[0; 4], place].concat()), make_box(b"uuid", place)].concat()),
    ];
    let paths = ["moov", "moov/trak", "moov/trak/mdia", "moov/trak/mdia/minf", "moov/trak/mdia/minf/stbl"];
    let path = with_boxes(folder.path(), &paths, &boxes.concat());
    let before = frames(&path, "0:v:0");
    for strip in [Strip::Location, Strip::Metadata] {
        for (name, clip) in [
            ("remux", remux(&open(&path), &Remux::new().strip(strip), &Control::new()).unwrap()),
            (
                "cut",
                cut(&open(&path), &Cut::new().keep(TimeRange::ALL).strip(strip), &Control::new()).unwrap(),
            ),
        ] {
            assert_eq!(clip.report.road, Some(Road::Tables), "{name} {strip:?}");
            assert!(!has(&clip.rope.to_bytes().unwrap(), place), "{name} {strip:?}: it tells the place");
            assert_eq!(frames(&save(&clip, folder.path(), "out.mp4"), "0:v:0"), before, "{name} {strip:?}");
        }
    }
}

#[test]
fn what_tells_no_place_stays_where_places_go() {
    oracle!("stripping");
    let folder = tempfile::tempdir().unwrap();
    let sphere = b"\xff\xcc\x82\x63\xf8\x55\x4a\x93\x88\x14\x58\x7a\x02\x52\x1f\xdd<rdf:SphericalVideo/>";
    // What a tag of a name of its own says is not its name.
    let list = make_box(b"ilst", &own_tag("PRODUCER", "George Martin"));
    let boxes = [make_box(b"uuid", sphere), tags(&list)].concat();
    let path = with_boxes(folder.path(), &["moov/trak"], &boxes);
    let clip = remux(&open(&path), &Remux::new().strip(Strip::Location), &Control::new()).unwrap();
    let bytes = clip.rope.to_bytes().unwrap();
    assert!(has(&bytes, sphere) && has(&bytes, b"George Martin"));
}

#[test]
fn boxes_within_each_other_however_deep_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    const DEEP: u32 = 200_000;
    let chain: Vec<u8> =
        (1..=DEEP).rev().flat_map(|left| [(8 * left).to_be_bytes(), *b"trak"]).flatten().collect();
    let path = with_boxes(folder.path(), &["moov/trak"], &chain);
    for strip in [Strip::Location, Strip::Metadata] {
        let clip = remux(&open(&path), &Remux::new().strip(strip), &Control::new()).unwrap();
        assert_eq!(clip.report.road, Some(Road::Tables));
        assert!(clip.rope.len() < u64::from(DEEP), "{strip:?}");
    }
}

#[test]
fn chapters_keep_their_titles_and_not_their_places() {
    oracle!("stripping");
    let folder = tempfile::tempdir().unwrap();
    let (told, path) = (folder.path().join("told.txt"), folder.path().join("told.mkv"));
    let chapter = "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\ncomment=A remark\n";
    std::fs::write(&told, format!(";FFMETADATA1\n{chapter}location={PLACE}\nGPSPosition={PLACE}\n")).unwrap();
    let inputs = ["-f", "lavfi", "-i", "sine=d=2", "-i", told.to_str().unwrap(), "-map_chapters", "1"];
    ffmpeg(&[&inputs[..], &["-map", "0", "-c:a", "aac", path.to_str().unwrap()]].concat());
    for strip in [Strip::Nothing, Strip::Location, Strip::Metadata] {
        let clip = remux(&open(&path), &Remux::new().strip(strip).format("mkv"), &Control::new()).unwrap();
        let bytes = clip.rope.to_bytes().unwrap();
        assert_eq!(has(&bytes, PLACE.as_bytes()), strip == Strip::Nothing, "{strip:?}");
        assert_eq!(has(&bytes, b"A remark"), strip != Strip::Metadata, "{strip:?}");
        let found = ffprobe(&save(&clip, folder.path(), "out.mkv"), &["-show_chapters"]);
        assert_eq!(found["chapters"][0]["tags"]["title"], "One", "{strip:?}");
    }
}
