//! What fuzzing begins with: generated clips of half a second, small files of ../shared/media where they are,
//! and texts.

use avrope::synth::{self, Audio, Spec, Video};
use avrope_fuzz::{Seeds, TARGETS};
use std::path::Path;

/// Larger files are too slow to fuzz.
const LARGEST: u64 = 200_000;

/// An hvcC of x265, with messages that name its sets, and a packet for it.
const HVCC: &[u8] = &[
    1, 1, 96, 0, 0, 0, 144, 0, 0, 0, 0, 0, 60, 240, 0, 252, 253, 248, 248, 0, 0, 15, 4, 32, 0, 1, 0, 24, 64,
    1, 12, 1, 255, 255, 1, 96, 0, 0, 3, 0, 144, 0, 0, 3, 0, 0, 3, 0, 60, 149, 148, 9, 33, 0, 1, 0, 52, 66, 1,
    1, 1, 96, 0, 0, 3, 0, 144, 0, 0, 3, 0, 0, 3, 0, 60, 160, 32, 131, 22, 89, 89, 82, 147, 11, 192, 90, 2, 0,
    0, 3, 0, 2, 0, 0, 3, 0, 50, 192, 25, 44, 188, 0, 27, 119, 0, 1, 183, 116, 64, 34, 0, 1, 0, 6, 68, 1, 192,
    115, 192, 137, 39, 0, 1, 0, 6, 78, 1, 129, 1, 15, 128,
];
const HEVC: &[u8] = &[
    0, 0, 0, 12, 78, 1, 0, 7, 128, 0, 79, 26, 129, 25, 76, 128, 0, 0, 0, 8, 78, 1, 1, 3, 0, 0, 160, 128, 0,
    0, 0, 16, 40, 1, 172, 118, 160, 230, 4, 138, 31, 0, 218, 67, 231, 149, 79, 180,
];

pub fn all(kind: Seeds) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match kind {
        Seeds::Media => [clips(&|_| true), footage(&|_| true)].concat(),
        Seeds::Mp4 => [clips(&is_mp4), footage(&is_mp4)].concat(),
        Seeds::Moov => {
            [clips(&is_mp4), footage(&is_mp4)].concat().iter().filter_map(|file| index(file)).collect()
        }
        Seeds::Bitstream => {
            let files = [clips(&is_mp4), footage(&is_mp4)].concat();
            let pictures = |number, kind: &[u8; 4]| {
                files.iter().filter_map(|file| packet(file, number, kind)).collect::<Vec<_>>()
            };
            let bare = (2..11).map(|number| vec![number, 0, 4, 0, 0, 1, 0xB3, 0, 8, 0, 0, 1, 0, 0, 8, 0, 0]);
            let hevc = [&[1, 0, HVCC.len() as u8][..], HVCC, &[0, HEVC.len() as u8], HEVC].concat();
            [pictures(0, b"avcC"), vec![hevc], bare.collect()].concat()
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

/// The configuration of a file's pictures, and the beginning of its payload as a packet.
fn packet(file: &[u8], number: u8, kind: &[u8; 4]) -> Option<Vec<u8>> {
    let find = |name: &[u8; 4]| file.windows(4).position(|four| four == name);
    let content = |at: usize| {
        let size = u32::from_be_bytes(*file.get(at.checked_sub(4)?..)?.first_chunk()?);
        file.get(at + 4..at.checked_sub(4)? + size as usize)
    };
    let behind_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let (configuration, payload) = (content(find(kind)?)?, content(find(b"mdat")?)?);
    let payload = &payload[..payload.len().min(4000)];
    Some([&[number][..], &behind_length(configuration), &behind_length(payload)].concat())
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
