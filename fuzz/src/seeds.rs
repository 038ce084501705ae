//! What fuzzing begins with: generated clips of half a second, small files of ../shared/media where they are,
//! and texts.

use avrope::synth::{self, Audio, Spec, Video};
use avrope_fuzz::{Seeds, TARGETS};
use std::path::Path;

/// Larger files are too slow to fuzz.
const LARGEST: u64 = 200_000;

pub fn all(kind: Seeds) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match kind {
        Seeds::Media => [clips(&|_| true), footage(&|_| true)].concat(),
        Seeds::Mp4 => [clips(&is_mp4), footage(&is_mp4)].concat(),
        Seeds::Moov => {
            [clips(&is_mp4), footage(&is_mp4)].concat().iter().filter_map(|file| index(file)).collect()
        }
        Seeds::Adts => {
            [clips(&|name| name.ends_with(".aac")), footage(&|name| name.ends_with(".aac"))].concat()
        }
        // The first character chooses: text or colour.
        Seeds::Filters => texts(&[
            " plain",
            " it's 100%: [a];b,c\\n",
            " %{pts\\:hms}",
            " ':x=1:y=2,movie=/etc/passwd'",
            " \u{6f22}\u{5b57}\n\u{e4}",
            "!black",
            "!#ff00ff@0.5",
        ]),
        Seeds::Settings => texts(&[
            r#"{"format":"mp4","keep":[{"from":0,"to":1500000000}],"speed":2.0,"threads":1,"target_size":1000000}"#,
            r#"{"video":{"codec":"h264","crf":23.0,"size":[640,360],"fit":"pad","frame_rate":"30000/1001"}}"#,
            r#"{"video":{"filters":[{"crop":{"x":0,"y":2,"width":16,"height":16}},{"graph":"hflip"}]}}"#,
            r#"{"audio":{"codec":"aac","bit_rate":96000,"channels":2,"filters":[{"volume":{"db":-3.5}}]}}"#,
            r#"{"keep":[{"from":"1:02.5","to":"1:00:00"}],"mode":"edit","format":"mkv"}"#,
            r#"{"text":{"text":"a","x":-1,"y":2,"size":8,"color":"white@0.5","font":null}}"#,
        ]),
        Seeds::Words => texts(&[
            "10..20",
            "1:05..",
            "..30.25",
            "1:02:03.004",
            "-5",
            "1e9",
            "128k",
            "2.5M",
            "1280x720",
            "30000/1001",
            "29.97",
            "key=value",
            "inf",
            "0x10",
            "packets=64M",
            "memory=unlimited",
        ]),
    }
}

fn is_mp4(name: &str) -> bool {
    name.ends_with(".mp4") || name.ends_with(".mov") || name.ends_with(".m4a")
}

/// A clip for each container, and some for MP4's layouts.
fn clips(wanted: &dyn Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let picture = || Some(Video { size: (64, 48), gop: 6, ..Video::default() });
    let sound = |encoder: &str| vec![Audio { encoder: encoder.into(), ..Audio::default() }];
    let movie =
        |encoder: &str| Spec { duration: 0.6, video: picture(), audio: sound(encoder), ..Spec::default() };
    let alone = |encoder: &str| Spec { duration: 0.6, video: None, audio: sound(encoder), ..Spec::default() };
    let flags = |flags: &str| Spec { muxer_options: vec![("movflags".into(), flags.into())], ..movie("aac") };
    let table = [
        ("plain.mp4", movie("aac")),
        ("front.mp4", flags("+faststart")),
        ("fragments.mp4", flags("+frag_keyframe+empty_moov+default_base_moof")),
        ("movie.mov", movie("pcm_s16le")),
        ("movie.mkv", movie("aac")),
        ("movie.ts", movie("aac")),
        ("movie.flv", movie("aac")),
        ("movie.avi", movie("libmp3lame")),
        ("movie.mpg", movie("mp2")),
        ("sound.m4a", alone("aac")),
        ("sound.aac", alone("aac")),
        ("sound.mp3", alone("libmp3lame")),
        ("sound.flac", alone("flac")),
        ("sound.ogg", alone("libopus")),
        ("sound.wav", alone("pcm_s16le")),
        ("sound.aiff", alone("pcm_s16be")),
    ];
    let folder = std::env::temp_dir().join(format!("avrope-fuzz-clips-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for clips");
    let mut all = Vec::new();
    for (name, spec) in table.iter().filter(|(name, _)| wanted(name)) {
        let path = folder.join(name);
        match synth::to_file(spec, &path) {
            Ok(_) => all.push(std::fs::read(&path).expect("a clip")),
            Err(error) => eprintln!("{name} can't be made: {error}"),
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder of clips");
    all
}

fn footage(wanted: &dyn Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for folder in ["../../shared/media", "../../shared/media/cases"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST);
            if small && wanted(&entry.file_name().to_string_lossy()) {
                all.extend(std::fs::read(entry.path()).ok());
            }
        }
    }
    all
}

/// The `moov` of an MP4.
fn index(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file;
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (this, next) = rest.split_at_checked(size.max(8))?;
        if head.ends_with(b"moov") {
            return Some(this.to_vec());
        }
        rest = next;
    }
    None
}

/// Each target's seeds as files, for an engine.
pub fn write(folder: &Path) {
    for (name, _, kind) in TARGETS {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder for seeds");
        for (i, seed) in all(kind).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i}")), seed).expect("a seed");
        }
    }
}
