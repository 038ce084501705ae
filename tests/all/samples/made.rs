//! MP4s of all kinds: ffmpeg's, whose tables are then said in other ways.

use crate::common::*;
use std::path::{Path, PathBuf};

/// How the tables of a file are said otherwise.
pub const WAYS: [&str; 12] = [
    "stz2",
    "co64",
    "wide boxes",
    "a chunk a sample",
    "one chunk",
    "split runs",
    "two descriptions",
    "an empty track",
    "no edit list",
    "other offsets",
    "partial sync",
    "random access groups",
];

const SCALES: [&str; 3] = ["600", "12800", "90000"];

/// Files by ffmpeg, all with their moov at the end.
pub fn sources() -> Vec<(String, PathBuf)> {
    let picture = |rate: &str| format!("testsrc2=s=64x48:r={rate}:d=3");
    let mut all = Vec::new();
    let mut add = |name: String, args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        all.push((name.clone(), made_by_ffmpeg(&name, &args)));
    };
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let lavfi = |graph: &str| vec!["-f".to_owned(), "lavfi".into(), "-i".into(), graph.to_owned()];
    let sine = "sine=440:r=48000:d=3";
    for (i, (coding, rate)) in [
        ("-c:v libx264 -bf 0 -g 12", "25"),
        ("-c:v libx264 -bf 3 -g 30", "30000/1001"),
        ("-c:v libx264 -bf 2 -x264-params open-gop=1 -g 24", "24"),
        ("-c:v libx265 -x265-params log-level=none:bframes=3 -g 20", "25"),
        ("-c:v mpeg4 -bf 2", "25"),
        ("-c:v mjpeg", "10"),
    ]
    .into_iter()
    .enumerate()
    {
        let scale = format!("-video_track_timescale {}", SCALES[i % 3]);
        let sound = "-c:a aac -map 0 -map 1";
        let args = [lavfi(&picture(rate)), lavfi(sine), words(coding), words(sound), words(&scale)].concat();
        add(format!("tables-{i}.mp4"), args);
    }
    for (name, coding) in [
        ("alac.m4a", "-c:a alac"),
        ("opus.mp4", "-c:a libopus -strict -2"),
        ("pcm.mov", "-c:a pcm_s16le -ac 2"),
        ("pcm24.mov", "-c:a pcm_s24be"),
        ("adpcm.mov", "-c:a adpcm_ima_qt"),
        ("ac3.mp4", "-c:a ac3"),
        ("mp3.mp4", "-c:a libmp3lame"),
    ] {
        add(format!("tables-{name}"), [lavfi(sine), words(coding)].concat());
    }
    for (name, flags) in [
        ("frag", "+frag_keyframe"),
        ("frag-moof", "+frag_keyframe+default_base_moof"),
        ("frag-each", "+frag_every_frame+empty_moov"),
        ("frag-sidx", "+frag_keyframe+default_base_moof+empty_moov+global_sidx"),
        ("frag-dash", "+dash+cmaf+empty_moov+negative_cts_offsets"),
        ("negative", "+negative_cts_offsets"),
    ] {
        let coding = words("-c:v libx264 -bf 3 -g 12 -c:a aac -map 0 -map 1 -movflags");
        let args = [lavfi(&picture("25")), lavfi(sine), coding, vec![flags.to_owned()]].concat();
        add(format!("tables-{name}.mp4"), args);
    }
    all
}

/// One of the sources in ways that its number tells.
pub fn file(number: u64, sources: &[(String, PathBuf)], folder: &Path) -> (PathBuf, String) {
    let mut random = XorShift(number * 0x9e37_79b9 + 77);
    random.next();
    let (name, source) = &sources[number as usize % sources.len()];
    let mut bytes = std::fs::read(source).unwrap();
    let mut what = vec![name.clone()];
    let mut ways: Vec<&str> = WAYS.to_vec();
    // Two of them in turn, and others by chance, in any order.
    let mut chosen = vec![ways.remove(number as usize % WAYS.len())];
    for _ in 0..1 + random.below(4) {
        chosen.push(ways.remove(random.below(ways.len())));
    }
    // Boxes in wide ones are not put in place of others.
    chosen.sort_by_key(|way| *way == "wide boxes");
    for way in chosen {
        if let Some(new) = said(&bytes, source, way, &mut random) {
            bytes = new;
            what.push(way.to_owned());
        }
    }
    let path = folder.join(format!("{number}-{name}"));
    std::fs::write(&path, bytes).unwrap();
    (path, what.join(", "))
}

/// Whether samples of the track lie in the chunks of one tick each: their packets are not their samples.
fn is_packed(bytes: &[u8], trak: usize) -> bool {
    let stts = table(bytes, trak, "stts");
    let hdlr = &find_all(bytes, "moov/trak/mdia/hdlr")[trak];
    let handler = &bytes[hdlr.content() + 8..hdlr.content() + 12];
    handler == b"soun" && stts.len() == 16 && stts[12..16] == [0, 0, 0, 1]
}

fn tracks(bytes: &[u8]) -> usize {
    find_all(bytes, "moov/trak").len()
}

fn path_of(kind: &str) -> String {
    format!("moov/trak/mdia/minf/stbl/{kind}")
}

/// The content of a table of a track; empty if it has none.
pub fn table(bytes: &[u8], trak: usize, kind: &str) -> Vec<u8> {
    let holder = &find_all(bytes, "moov/trak")[trak];
    let of = find_all(bytes, &path_of(kind)).into_iter();
    let mut within = of.filter(|b| b.start > holder.start && b.end() <= holder.end());
    within.next().map(|b| bytes[b.content()..b.end()].to_vec()).unwrap_or_default()
}

pub fn replace(bytes: &[u8], trak: usize, kind: &str, new: &[u8]) -> Vec<u8> {
    let holder = &find_all(bytes, "moov/trak")[trak];
    let all = find_all(bytes, &path_of(kind));
    let nth = all.iter().position(|b| b.start > holder.start && b.end() <= holder.end());
    replace_box(bytes, &path_of(kind), nth.expect(kind), new)
}

pub fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_be_bytes(four.try_into().unwrap())).collect()
}

pub fn full(kind: &[u8; 4], content: &[u32]) -> Vec<u8> {
    let content: Vec<u8> =
        std::iter::once(&0).chain(content).flat_map(|number| number.to_be_bytes()).collect();
    make_box(kind, &content)
}

/// Sizes of a track's samples, one by one.
fn sizes(bytes: &[u8], trak: usize) -> Vec<u32> {
    let stsz = numbers(&table(bytes, trak, "stsz"));
    match stsz[..] {
        [_, 0, _, ref each @ ..] => each.to_vec(),
        [_, size, count, ..] => vec![size; count as usize],
        _ => Vec::new(),
    }
}

/// Where the samples of a track lie, by ffprobe's word on the file as ffmpeg wrote it.
fn places(source: &Path, trak: usize) -> Vec<u64> {
    let select = trak.to_string();
    let args = ["-fflags", "+noparse+nofillin", "-ignore_editlist", "1", "-select_streams", &select];
    let json = ffprobe(source, &[&args[..], &["-show_entries", "packet=pos"]].concat());
    let of = |packet: &serde_json::Value| packet["pos"].as_str().unwrap().parse().unwrap();
    json["packets"].as_array().unwrap().iter().map(of).collect()
}

/// The same file, its tables said in this way; none where it can't be.
fn said(bytes: &[u8], source: &Path, way: &str, random: &mut XorShift) -> Option<Vec<u8>> {
    let trak = random.below(tracks(bytes));
    let count = sizes(bytes, trak).len();
    // In fragmented files the moov has few samples or none.
    let whole = count > 1 && !is_packed(bytes, trak) && find(bytes, "moov/mvex").is_none();
    match way {
        "stz2" if whole && find_all(bytes, &path_of("stz2")).is_empty() => {
            let sizes = sizes(bytes, trak);
            let most = *sizes.iter().max().unwrap();
            let bits: u32 = match most {
                0..16 => 4,
                16..256 => 8,
                256..0x1_0000 => 16,
                _ => return None,
            };
            let mut content = [0_u32, bits, sizes.len() as u32].map(u32::to_be_bytes).concat();
            match bits {
                4 => content.extend(sizes.chunks(2).map(|p| (p[0] << 4 | p.get(1).unwrap_or(&0)) as u8)),
                8 => content.extend(sizes.iter().map(|size| *size as u8)),
                _ => content.extend(sizes.iter().flat_map(|size| (*size as u16).to_be_bytes())),
            }
            Some(replace(bytes, trak, "stsz", &make_box(b"stz2", &content)))
        }
        "co64" if !table(bytes, trak, "stco").is_empty() => {
            let stco = numbers(&table(bytes, trak, "stco"));
            let wide: Vec<u32> = stco[2..].iter().flat_map(|place| [0, *place]).collect();
            Some(replace(bytes, trak, "stco", &full(b"co64", &[&stco[1..2], &wide].concat())))
        }
        // Inside the moov: the payload stays where it is.
        "wide boxes" => {
            let stbl = find_all(bytes, "moov/trak/mdia/minf/stbl").swap_remove(trak);
            let content = &bytes[stbl.content()..stbl.end()];
            let header = [&[0, 0, 0, 1][..], b"stbl", &(content.len() as u64 + 16).to_be_bytes()].concat();
            Some(replace_box(bytes, "moov/trak/mdia/minf/stbl", trak, &[&header, content].concat()))
        }
        "a chunk a sample" if whole && !table(bytes, trak, "stco").is_empty() => {
            let places = places(source, trak);
            let stco: Vec<u32> = places.iter().map(|place| *place as u32).collect();
            let new =
                replace(bytes, trak, "stco", &full(b"stco", &[&[stco.len() as u32][..], &stco].concat()));
            Some(replace(&new, trak, "stsc", &full(b"stsc", &[1, 1, 1, 1])))
        }
        // All that lie behind each other; others stay as they are.
        "one chunk" if whole && !table(bytes, trak, "stco").is_empty() => {
            let (places, sizes) = (places(source, trak), sizes(bytes, trak));
            let mut chunks: Vec<(u32, u32)> = Vec::new();
            let mut end = 0;
            for (place, size) in places.iter().zip(&sizes) {
                match chunks.last_mut().filter(|_| end == *place) {
                    Some((_, samples)) => *samples += 1,
                    None => chunks.push((*place as u32, 1)),
                }
                end = place + u64::from(*size);
            }
            let stco: Vec<u32> = chunks.iter().map(|(place, _)| *place).collect();
            let stsc: Vec<u32> =
                chunks.iter().enumerate().flat_map(|(i, (_, samples))| [i as u32 + 1, *samples, 1]).collect();
            let counted = |all: &[u32], width: usize| [&[(all.len() / width) as u32][..], all].concat();
            let new = replace(bytes, trak, "stco", &full(b"stco", &counted(&stco, 1)));
            Some(replace(&new, trak, "stsc", &full(b"stsc", &counted(&stsc, 3))))
        }
        "split runs" if whole => {
            let stts = numbers(&table(bytes, trak, "stts"));
            let mut runs = Vec::new();
            for run in stts[2..].chunks_exact(2) {
                let mut left = run[0];
                while left > 0 {
                    let some = 1 + random.below(left as usize) as u32;
                    runs.extend([some, run[1]]);
                    left -= some;
                }
            }
            let count = (runs.len() / 2) as u32;
            Some(replace(bytes, trak, "stts", &full(b"stts", &[&[count][..], &runs].concat())))
        }
        // The second is the first once more.
        "two descriptions" if whole => {
            let stsd = table(bytes, trak, "stsd");
            let two = [&[0, 0, 0, 0, 0, 0, 0, 2], &stsd[8..], &stsd[8..]].concat();
            let new = replace(bytes, trak, "stsd", &make_box(b"stsd", &two));
            let stsc = numbers(&table(bytes, trak, "stsc"));
            let other = stsc[2..].chunks_exact(3).enumerate();
            let runs: Vec<u32> = other.flat_map(|(i, run)| [run[0], run[1], 1 + (i % 2) as u32]).collect();
            Some(replace(&new, trak, "stsc", &full(b"stsc", &[&stsc[1..2], &runs].concat())))
        }
        "an empty track" => {
            let last = find_all(bytes, "moov/trak").pop().unwrap();
            let mut copy = bytes[last.start..last.end()].to_vec();
            for (kind, content) in [
                ("stts", vec![0]),
                ("stsc", vec![0]),
                ("stsz", vec![0, 0]),
                ("stco", vec![0]),
                ("co64", vec![0]),
                ("stz2", vec![8, 0]),
                ("ctts", vec![0]),
                ("stss", vec![]),
            ] {
                let path = format!("trak/mdia/minf/stbl/{kind}");
                if find(&copy, &path).is_some() && !content.is_empty() {
                    copy = replace_box(&copy, &path, 0, &full(kind.as_bytes().try_into().unwrap(), &content));
                } else if find(&copy, &path).is_some() {
                    copy = replace_box(&copy, &path, 0, &[]);
                }
            }
            let tkhd = find(&copy, "trak/tkhd").unwrap();
            let at = tkhd.content() + if copy[tkhd.content()] == 1 { 20 } else { 12 };
            copy[at..at + 4].copy_from_slice(&99_u32.to_be_bytes());
            let nth = tracks(bytes) - 1;
            Some(replace_box(bytes, "moov/trak", nth, &[&bytes[last.start..last.end()], &copy].concat()))
        }
        // QuickTime's second table of sync samples: every other one goes there.
        "partial sync" if whole && !table(bytes, trak, "stss").is_empty() => {
            let stss = numbers(&table(bytes, trak, "stss"));
            let of = |rest: usize| stss[2..].iter().skip(rest).step_by(2).copied().collect::<Vec<u32>>();
            let (full_sync, partial) = (of(0), of(1));
            let counted = |all: &[u32]| [&[all.len() as u32][..], all].concat();
            let both = [full(b"stss", &counted(&full_sync)), full(b"stps", &counted(&partial))].concat();
            (!partial.is_empty()).then(|| replace(bytes, trak, "stss", &both))
        }
        "random access groups" if whole && !table(bytes, trak, "stss").is_empty() => {
            let mut runs = Vec::new();
            let mut left = count as u32;
            while left > 0 {
                let some = 1 + random.below(9.min(left as usize)) as u32;
                runs.extend([some, random.below(2) as u32]);
                left -= some;
            }
            let rap = u32::from_be_bytes(*b"rap ");
            let groups = full(b"sbgp", &[&[rap, (runs.len() / 2) as u32][..], &runs].concat());
            let stsc = make_box(b"stsc", &table(bytes, trak, "stsc"));
            Some(replace(bytes, trak, "stsc", &[stsc, groups].concat()))
        }
        "no edit list" => {
            let edts = find_all(bytes, "moov/trak/edts");
            (!edts.is_empty()).then(|| replace_box(bytes, "moov/trak/edts", random.below(edts.len()), &[]))
        }
        // Composed out of order, before they are decoded too.
        "other offsets" if whole && !table(bytes, trak, "ctts").is_empty() => {
            let step = numbers(&table(bytes, trak, "stts"))[3];
            let runs: Vec<u32> = (0..count)
                .flat_map(|_| {
                    [1, (random.below(5) as u32 * step).wrapping_sub(random.below(2) as u32 * step)]
                })
                .collect();
            Some(replace(bytes, trak, "ctts", &full(b"ctts", &[&[count as u32][..], &runs].concat())))
        }
        _ => None,
    }
}
