//! What a copied stream says of itself (frame numbers, totals, pre-skip, checksums) is true in the output, by
//! the word of each codec's own tools.

use crate::common::{self, made_by_ffmpeg, open, save};
use avrope::{
    Clip, Control, Cut, CutMode, Join, Remux, Source, TimeRange, Transcode, cut, join, remux, transcode,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Runs one of a codec's own tools; says so loudly where it is not there. What it said, and whether it was
/// content.
fn tool(name: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new(name).args(arguments).output() else {
        eprintln!("SKIPPED: there is no {name} (sh vendor-notes/setup.sh installs it)");
        return None;
    };
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Some((output.status.success(), text.concat()))
}

/// Ten seconds in which no two instants sound alike.
const SWEEP: &str = "aevalsrc='0.3*sin(440*2*PI*t*(1+0.1*t))|0.3*sin(660*2*PI*t*(1+0.05*t))':s=48000:d=10";

fn sweep(name: &str, options: &[&str]) -> PathBuf {
    made_by_ffmpeg(name, &[&["-f", "lavfi", "-i", SWEEP], options].concat())
}

/// The sound as 16 bits, by ffmpeg.
fn pcm(path: &Path) -> Vec<i16> {
    let arguments = ["-i", path.to_str().unwrap(), "-f", "s16le", "-c:a", "pcm_s16le", "-"];
    let (bytes, _) = common::ffmpeg(&arguments);
    bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

/// The ranges, in one cut.
fn ranges(path: &Path, ranges: &[(f64, f64)], format: &str) -> Clip {
    let range = |cut: Cut, (from, to): &(f64, f64)| cut.keep(TimeRange::secs(*from, *to).unwrap());
    let settings = ranges.iter().fold(Cut::new().format(format), range);
    cut(&open(path), &settings, &Control::default()).unwrap()
}

fn whole(path: &Path, format: &str) -> Clip {
    remux(&open(path), &Remux::new().format(format), &Control::default()).unwrap()
}

fn joined(paths: &[&Path], format: &str) -> Clip {
    let sources: Vec<Source> = paths.iter().map(|path| Source::open(path).unwrap()).collect();
    join(&sources, &Join::new().format(format), &Control::default()).unwrap()
}

/// The last dts, duration and start that ffprobe finds, in seconds; packets must go forward.
fn extent(path: &Path) -> (f64, f64) {
    let json = common::ffprobe(path, &["-show_entries", "packet=pts_time,duration_time"]);
    let time = |packet: &serde_json::Value, key: &str| packet[key].as_str().unwrap().parse::<f64>().unwrap();
    let packets = json["packets"].as_array().unwrap();
    let times: Vec<f64> = packets.iter().map(|packet| time(packet, "pts_time")).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{}: its times go back", path.display());
    (times[0], times.last().unwrap() + time(packets.last().unwrap(), "duration_time"))
}

// ---- FLAC

/// STREAMINFO, of FLAC's own file.
struct StreamInfo {
    blocks: (u16, u16),
    frames: (u32, u32),
    samples: u64,
    md5: [u8; 16],
}

fn stream_info(path: &Path) -> StreamInfo {
    let file = std::fs::read(path).unwrap();
    assert_eq!(&file[..8], b"fLaC\0\0\0\x22");
    let number = |range: std::ops::Range<usize>| {
        file[8..][range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    StreamInfo {
        blocks: (number(0..2) as u16, number(2..4) as u16),
        frames: (number(4..7) as u32, number(7..10) as u32),
        samples: number(13..18) & ((1 << 36) - 1),
        md5: file[8 + 18..8 + 34].try_into().unwrap(),
    }
}

/// `flac -t` reads every frame, and every checksum. Whether it could hold the sound against an MD5.
fn flac_agrees(path: &Path) -> Option<bool> {
    let ogg = if common::ending(path) == "flac" { vec![] } else { vec!["--ogg"] };
    let (ok, said) = tool("flac", &[&["-s", "-t"], &ogg[..], &[path.to_str().unwrap()]].concat())?;
    assert!(ok, "{}: {said}", path.display());
    Some(!said.contains("cannot check MD5"))
}

/// Samples of a channel and two: the sweep in frames of 4,608, of which the last has 768.
fn flac(name: &str, options: &[&str]) -> PathBuf {
    let fixed = ["-c:a", "flac", "-sample_fmt", "s16", "-frame_size", "4608", "-strict", "experimental"];
    sweep(name, &[&fixed[..], options].concat())
}

#[test]
fn a_flac_cut_counts_from_0_and_states_its_own_length() {
    oracle!("FLAC cut");
    let folder = tempfile::tempdir().unwrap();
    for source in ["flac.flac", "flac.oga", "flac.mkv", "flac.mp4"].map(|name| flac(name, &[])) {
        let all = pcm(&source);
        let name = common::ending(&source);
        let out = save(&ranges(&source, &[(2.0, 7.0)], "flac"), folder.path(), "cut.flac");
        assert!(!flac_agrees(&out).unwrap_or(false), "{name}: the sum of a stretch is not known");
        let (info, sound) = (stream_info(&out), pcm(&out));
        assert_eq!(info.samples, sound.len() as u64 / 2, "{name}");
        assert_eq!((info.blocks, info.md5), ((4608, 4608), [0; 16]), "{name}");
        let at =
            all.windows(64).position(|w| *w == sound[..64]).expect("it begins with a frame of the source");
        assert_eq!(all[at..at + sound.len()], sound, "{name}");
        assert_eq!(extent(&out), (0.0, info.samples as f64 / 48_000.0), "{name}");
        let sizes: Vec<u32> = common::packets(&out).iter().map(|packet| packet.size as u32).collect();
        assert_eq!(info.frames, (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap()), "{name}");
    }
}

#[test]
fn a_flac_join_goes_forward_at_its_seam() {
    oracle!("FLAC join");
    let folder = tempfile::tempdir().unwrap();
    let source = flac("flac.flac", &[]);
    // Another stream, whose STREAMINFO differs in all that may.
    let other = flac("other.flac", &["-af", "atrim=end=3.3,volume=0.5", "-frame_size", "4096"]);
    let (a, b) = (pcm(&source), pcm(&other));
    for (parts, sound) in [([&*source, &*source], [&a[..], &a]), ([&*source, &*other], [&a[..], &b])] {
        for ending in ["flac", "oga", "mkv", "mp4"] {
            let out = save(&joined(&parts, ending), folder.path(), &format!("join.{ending}"));
            assert!(pcm(&out) == sound.concat(), "{ending}: the sound is another");
            let (start, end) = extent(&out);
            let seconds = sound.concat().len() as f64 / 2.0 / 48_000.0;
            // Matroska counts in milliseconds.
            assert!(start == 0.0 && (end - seconds).abs() <= 0.001, "{ending}: {start}..{end}, {seconds} s");
            if matches!(ending, "flac" | "oga") {
                flac_agrees(&out);
            }
            if ending == "flac" {
                let info = stream_info(&out);
                assert_eq!((info.samples, info.md5), (sound.concat().len() as u64 / 2, [0; 16]));
            }
            // What it says can be carried into FLAC's own file by anybody.
            let again = folder.path().join("again.flac");
            common::ffmpeg(&["-i", out.to_str().unwrap(), "-c", "copy", again.to_str().unwrap()]);
            assert_eq!(stream_info(&again).md5, [0; 16], "{ending}: a sum of the first part alone");
        }
    }
}

#[test]
fn a_flac_remux_is_the_source_with_its_md5() {
    oracle!("FLAC remux");
    let folder = tempfile::tempdir().unwrap();
    let source = flac("flac.flac", &[]);
    let out = save(&whole(&source, "flac"), folder.path(), "remux.flac");
    assert_ne!(stream_info(&out).md5, [0; 16]);
    assert!(flac_agrees(&out).unwrap_or(true));
    assert_eq!(common::payload(&out), common::payload(&source));
    // The same of a cut that keeps all, and there and back again.
    let all = save(&ranges(&source, &[(0.0, 10.0)], "flac"), folder.path(), "all.flac");
    assert_eq!(stream_info(&all).md5, stream_info(&source).md5);
    for ending in ["oga", "mkv", "mp4"] {
        let there = save(&whole(&source, ending), folder.path(), &format!("there.{ending}"));
        let back = save(&whole(&there, "flac"), folder.path(), "back.flac");
        assert_eq!(stream_info(&back).md5, stream_info(&source).md5, "{ending}");
        flac_agrees(&back);
    }
}

#[test]
fn flac_of_several_ranges_states_what_it_holds() {
    oracle!("FLAC of several ranges");
    let folder = tempfile::tempdir().unwrap();
    let source = flac("flac.flac", &[]);
    for ending in ["flac", "oga"] {
        let clip = ranges(&source, &[(2.0, 7.0), (9.0, 10.0), (0.0, 2.0)], ending);
        let out = save(&clip, folder.path(), &format!("cuts.{ending}"));
        flac_agrees(&out);
        assert_eq!(extent(&out), (0.0, pcm(&out).len() as f64 / 2.0 / 48_000.0), "{ending}");
        if ending == "flac" {
            // The source's last frame, of 768 samples, lies in the middle.
            assert_eq!(stream_info(&out).blocks, (768, 4608));
        }
    }
}

/// Three ranges that follow each other are all of the source, to the sample, however long a frame is: the
/// second one's sound begins up to half of a frame off, and ended sooner or later by as much, so that the
/// third lacked a frame or had it twice.
#[test]
fn adjacent_ranges_of_flac_have_each_frame_once() {
    oracle!("adjacent ranges of FLAC");
    let folder = tempfile::tempdir().unwrap();
    for size in ["1152", "4608", "16384", "65535"] {
        let source = flac(&format!("flac-of-{size}.flac"), &["-frame_size", size]);
        for (a, b) in [(3.6, 7.2), (2.97, 4.47), (1.0, 8.9)] {
            for ending in ["flac", "oga"] {
                let clip = ranges(&source, &[(0.0, a), (a, b), (b, 10.0)], ending);
                let out = save(&clip, folder.path(), &format!("cuts.{ending}"));
                assert!(pcm(&out) == pcm(&source), "{ending}, frames of {size}, {a}, {b}");
                assert_eq!(clip.report.duration.as_secs_f64(), 10.0, "{ending}, frames of {size}, {a}, {b}");
                let lost = |warning: &&String| warning.contains("left out") || warning.contains("only");
                assert_eq!(
                    clip.report.warnings.iter().find(lost),
                    None,
                    "{ending}, frames of {size}, {a}, {b}"
                );
            }
        }
    }
}

#[test]
fn encoded_flac_in_ogg_ends_with_its_last_sample() {
    oracle!("FLAC in Ogg");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("for-ogg.wav", &["-c:a", "pcm_s16le"]);
    let (media, none) = (open(&source), Control::default());
    // The encoder's last packet has no bytes, only STREAMINFO, and lasts no time.
    let clip = transcode(&media, &Transcode::new().format("oga"), &none).unwrap();
    let out = save(&clip, folder.path(), "whole.oga");
    assert_eq!(granules(&out).last(), Some(&480_000));
    assert!(pcm(&out) == pcm(&source));
    let range = Cut::new().keep(TimeRange::secs(1.983, 2.9).unwrap()).mode(CutMode::Encode).format("oga");
    let out = save(&cut(&media, &range, &none).unwrap(), folder.path(), "cut.oga");
    assert_eq!(granules(&out).last(), Some(&44_016));
}

#[test]
fn a_flac_stream_that_flows_says_only_what_it_knows() {
    oracle!("FLAC into a pipe");
    let source = flac("flac.flac", &[]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("flows.flac");
    let file = std::fs::File::create(&out).unwrap();
    let settings = Cut::new().keep(TimeRange::secs(2.0, 7.0).unwrap()).format("flac");
    avrope::cut_to(&open(&source), &settings, avrope::Sink::writer(file), &Control::default()).unwrap();
    let info = stream_info(&out);
    assert_eq!((info.samples, info.md5, info.frames), (0, [0; 16], (0, 0)));
    flac_agrees(&out);
}

// ---- Opus

/// What opusinfo says, which must be no warning, and how many samples opusdec makes of it.
fn opus_agrees(path: &Path, folder: &Path) -> Option<(String, usize)> {
    let (ok, said) = tool("opusinfo", &[path.to_str().unwrap()])?;
    let lower = said.to_lowercase();
    assert!(ok && !lower.contains("warning") && !lower.contains("error"), "{}: {said}", path.display());
    let wav = folder.join("opusdec.wav");
    let (ok, told) = tool("opusdec", &["--quiet", path.to_str().unwrap(), wav.to_str().unwrap()])?;
    assert!(ok, "{}: {told}", path.display());
    Some((said, pcm(&wav).len() / 2))
}

/// Sets the pre-skip of an Ogg Opus file's header.
fn with_pre_skip(source: &Path, samples: u16) -> Vec<u8> {
    let mut file = std::fs::read(source).unwrap();
    let segments = usize::from(file[26]);
    let head = 27 + segments;
    let end = head + file[27..head].iter().map(|len| usize::from(*len)).sum::<usize>();
    file[head + 10..head + 12].copy_from_slice(&samples.to_le_bytes());
    file[22..26].fill(0);
    // Ogg's CRC (RFC 3533): 0x04c11db7 from 0, most significant bit first.
    let crc = file[..end].iter().fold(0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 1 << 31 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    });
    file[22..26].copy_from_slice(&crc.to_le_bytes());
    file
}

fn opus(name: &str, options: &[&str]) -> PathBuf {
    sweep(name, &[&["-c:a", "libopus", "-b:a", "128k", "-strict", "experimental"], options].concat())
}

/// Where in `all`, near a place, `part` lies; and how far they differ from there on.
fn placed(all: &[i16], part: &[i16], near: usize) -> (i64, i32) {
    let far = |at: usize, from: usize, len: usize| {
        let pair = all[at + from..].iter().zip(&part[from..]).take(len);
        pair.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap_or(i32::MAX)
    };
    // Behind what a decoder needs to settle.
    let (settled, around) = (2 * 9600, 2 * 2000);
    let tries = (near.saturating_sub(around)..=near + around).step_by(2);
    let best = tries.min_by_key(|at| far(*at, settled, 2 * 1000)).unwrap();
    ((best as i64 - near as i64) / 2, far(best, settled, usize::MAX))
}

#[test]
fn an_opus_cut_is_exact_by_its_own_pre_skip() {
    oracle!("Ogg Opus cut");
    let folder = tempfile::tempdir().unwrap();
    let long = opus("long.opus", &["-frame_duration", "120"]);
    let late = folder.path().join("late.opus");
    std::fs::write(&late, with_pre_skip(&opus("opus.opus", &[]), u16::MAX)).unwrap();
    for source in [opus("opus.opus", &[]), long, late, opus("opus.mp4", &[])] {
        let name = source.file_name().unwrap().to_str().unwrap();
        let all = pcm(&source);
        for ending in ["opus", "webm", "mkv"] {
            let clip = ranges(&source, &[(2.0, 7.0)], ending);
            let out = save(&clip, folder.path(), &format!("cut.{ending}"));
            let sound = pcm(&out);
            let (off, differs) = placed(&all, &sound, 2 * 96_000);
            assert_eq!(off, 0, "{name} -> {ending}: it begins so many samples off");
            assert!(differs < 330, "{name} -> {ending}: a hundredth of full scale, and not {differs}");
            if ending == "opus" {
                assert_eq!(sound.len(), 2 * 240_000, "{name}: 5 s to the sample");
                if let Some((said, decoded)) = opus_agrees(&out, folder.path()) {
                    assert_eq!(decoded, 240_000, "{name}");
                    let skip = said.split("Pre-skip:").nth(1).and_then(|rest| rest.split_whitespace().next());
                    let skip: u32 = skip.unwrap().parse().unwrap();
                    // 80 ms for the decoder, and what of a packet lies in front of them.
                    assert!((3840..3840 + 5760).contains(&skip), "{name}: pre-skip {skip}");
                }
            }
        }
    }
}

#[test]
fn an_encode_of_opus_is_exact_whatever_its_pre_skip() {
    oracle!("Ogg Opus encode");
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late.opus");
    std::fs::write(&late, with_pre_skip(&opus("opus.opus", &[]), u16::MAX)).unwrap();
    let all = pcm(&late);
    let seconds = all.len() as f64 / 2.0 / 48_000.0;
    let copied = folder.path().join("late.mkv");
    common::ffmpeg(&["-y", "-i", late.to_str().unwrap(), "-c", "copy", copied.to_str().unwrap()]);
    for source in [late, copied] {
        let name = source.file_name().unwrap().to_str().unwrap();
        // Matroska counts in milliseconds.
        let most = if name.ends_with("mkv") { 48 } else { 0 };
        let media = open(&source);
        let told = media.info().duration.unwrap().as_secs_f64();
        assert!((told - seconds).abs() < 0.0011, "{name}: {told} s, and {seconds} can be heard");
        for (from, to) in [(2.0, 4.0), (0.5, 1.5), (0.02, 1.0), (0.0, 1.0)] {
            let settings =
                Cut::new().keep(TimeRange::secs(from, to).unwrap()).mode(CutMode::Encode).format("wav");
            let clip = cut(&media, &settings, &Control::default()).unwrap();
            let sound = pcm(&save(&clip, folder.path(), "cut.wav"));
            assert_eq!(sound.len() as f64 / 96_000.0, to - from, "{name} {from}..{to}");
            let (off, differs) = placed(&all, &sound, (from * 96_000.0) as usize);
            assert!(off.abs() <= most, "{name} {from}..{to}: it begins {off} samples off");
            assert!(differs < 330, "{name} {from}..{to}: a hundredth of full scale, and not {differs}");
        }
        for ending in ["opus", "mkv"] {
            for clip in [whole(&source, ending), joined(&[&source, &source], ending)] {
                assert_eq!(clip.report.warnings, Vec::<String>::new(), "{name} -> {ending}");
                let parts = (clip.report.duration.as_secs_f64() / seconds).round();
                // A packet, which Matroska's readers do not find cut short at its end.
                let off = clip.report.duration.as_secs_f64() - parts * seconds;
                assert!(
                    off.abs() < 0.0211 * parts,
                    "{name} -> {ending}: {} s",
                    clip.report.duration.as_secs_f64()
                );
            }
        }
    }
}

#[test]
fn opus_goes_from_any_container_into_ogg_and_back() {
    oracle!("Opus between containers");
    let folder = tempfile::tempdir().unwrap();
    let original = opus("opus.opus", &[]);
    let all = pcm(&original);
    for ending in ["opus", "mkv", "webm", "mp4"] {
        let there = save(&whole(&original, ending), folder.path(), &format!("there.{ending}"));
        let made = opus(&format!("opus.{ending}"), &[]);
        for source in [there, made] {
            let back = save(&whole(&source, "opus"), folder.path(), "back.opus");
            assert!(pcm(&back) == all, "{}: another sound", source.display());
            if let Some((said, decoded)) = opus_agrees(&back, folder.path()) {
                assert_eq!(decoded, 480_000, "{}", source.display());
                assert!(said.contains("Pre-skip: 312"), "{}: {said}", source.display());
            }
            let twice = save(&joined(&[&source, &source], "opus"), folder.path(), "twice.opus");
            if let Some((_, decoded)) = opus_agrees(&twice, folder.path()) {
                // At the seam, sound goes on within half a packet of 20 ms.
                assert!(decoded.abs_diff(960_000) <= 960, "{}: {decoded}", source.display());
            }
        }
    }
}

/// What the pages of an Ogg file say that has been decoded at their ends.
fn granules(path: &Path) -> Vec<i64> {
    let (file, mut at, mut found) = (std::fs::read(path).unwrap(), 0, Vec::new());
    while file[at..].starts_with(b"OggS") {
        found.push(i64::from_le_bytes(file[at + 6..at + 14].try_into().unwrap()));
        let segments = usize::from(file[at + 26]);
        let lengths = &file[at + 27..at + 27 + segments];
        at += 27 + segments + lengths.iter().map(|len| usize::from(*len)).sum::<usize>();
    }
    assert_eq!(at, file.len(), "pages follow each other");
    found
}

/// A container may say of each packet that it is shorter than its samples: only the last of all may be.
#[test]
fn no_packet_of_opus_but_the_last_is_shorter_than_its_samples() {
    oracle!("Opus with wrong durations");
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(opus("opus.mp4", &[])).unwrap();
    let table = common::find(&bytes, "moov/trak/mdia/minf/stbl/stts").unwrap().content();
    // Of the packets of 20 ms, all are told to last 18.75.
    assert_eq!(bytes[table + 12..table + 16], 960_u32.to_be_bytes());
    bytes[table + 12..table + 16].copy_from_slice(&900_u32.to_be_bytes());
    let source = folder.path().join("short.mp4");
    std::fs::write(&source, bytes).unwrap();
    for (name, clip) in [
        ("remux", whole(&source, "opus")),
        ("cut", ranges(&source, &[(1.0, 3.0), (5.0, 7.0)], "opus")),
        ("join", joined(&[&source, &source], "opus")),
    ] {
        let out = save(&clip, folder.path(), &format!("{name}.opus"));
        // Two pages are headers.
        let pages = granules(&out)[2..].to_vec();
        let (last, others) = pages.split_last().unwrap();
        let whole = |granule: &i64| (granule - others[0]) % 960 == 0;
        assert!(others.len() > 2 && others.iter().all(whole), "{name}: {pages:?}");
        assert!(!whole(last) && last > others.last().unwrap(), "{name}: {pages:?}");
        opus_agrees(&out, folder.path());
    }
}

#[test]
fn ranges_of_opus_run_on_in_ogg() {
    oracle!("Ogg Opus of several ranges");
    let folder = tempfile::tempdir().unwrap();
    let parts = [(2.0, 7.0), (8.0, 10.0), (0.0, 1.5)];
    for (source, packet) in
        [(opus("opus.opus", &[]), 960), (opus("long.opus", &["-frame_duration", "120"]), 5760)]
    {
        let out = save(&ranges(&source, &parts, "opus"), folder.path(), "cuts.opus");
        if let Some((_, decoded)) = opus_agrees(&out, folder.path()) {
            assert!(decoded.abs_diff(48_000 * 17 / 2) <= packet, "{}: {decoded}", source.display());
        }
    }
}

#[test]
fn sources_of_opus_join_though_they_begin_otherwise() {
    oracle!("join of Opus with other pre-skips");
    let folder = tempfile::tempdir().unwrap();
    let first = opus("opus.opus", &[]);
    let other = folder.path().join("other.opus");
    std::fs::write(&other, with_pre_skip(&first, 960)).unwrap();
    let out = save(&joined(&[&first, &other], "opus"), folder.path(), "both.opus");
    opus_agrees(&out, folder.path());
}

#[test]
fn sound_in_matroska_begins_with_its_picture() {
    oracle!("Opus beside pictures");
    let folder = tempfile::tempdir().unwrap();
    let source = made_by_ffmpeg(
        "picture.mp4",
        &[
            &["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", "-f", "lavfi", "-i", SWEEP, "-t", "6"],
            &["-c:v", "libx264", "-g", "25", "-c:a", "libopus", "-strict", "experimental"][..],
        ]
        .concat(),
    );
    let all = pcm(&source);
    for (from, key) in [(2.3, 2), (0.0, 0)] {
        let out = save(&ranges(&source, &[(from, 5.0)], "mkv"), folder.path(), "cut.mkv");
        let sound = pcm(&out);
        assert_eq!(placed(&all, &sound, key * 96_000).0, 0, "from {from}");
        let first = |stream: &str| {
            let json = common::ffprobe(
                &out,
                &["-select_streams", stream, "-read_intervals", "%+1", "-show_entries", "frame=pts_time"],
            );
            json["frames"][0]["pts_time"].as_str().unwrap().parse::<f64>().unwrap()
        };
        assert_eq!((first("v"), first("a")), (0.0, 0.0), "from {from}: when picture and sound begin");
    }
}

// ---- Vorbis and Speex

#[test]
fn a_vorbis_cut_has_as_many_samples_as_its_pages_count() {
    oracle!("Ogg Vorbis cut");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("vorbis.ogg", &["-c:a", "libvorbis", "-q:a", "6"]);
    let all = pcm(&source);
    for (from, to) in [(2.0, 7.0), (3.33, 4.44)] {
        let clip = ranges(&source, &[(from, to)], "ogg");
        let out = save(&clip, folder.path(), "cut.ogg");
        let range = clip.report.ranges[0];
        assert_eq!(range.actual_to.secs(), to);
        assert!(range.actual_from.secs() <= from && range.actual_from.secs() > from - 0.05, "{range:?}");
        let begin = (range.actual_from.secs() * 48_000.0).round() as usize;
        let due = (to * 48_000.0).round() as usize - begin;
        let sound = pcm(&out);
        assert_eq!(sound.len() / 2, due, "{from}..{to}, by ffmpeg");
        assert!(all[2 * begin..][..sound.len()] == sound, "{from}..{to}: another sound");
        let wav = folder.path().join("oggdec.wav");
        if let Some((ok, said)) = tool("oggdec", &["-Q", "-o", wav.to_str().unwrap(), out.to_str().unwrap()])
        {
            assert!(ok, "{said}");
            assert_eq!(pcm(&wav).len() / 2, due, "{from}..{to}, by oggdec");
        }
    }
}

#[test]
fn speex_keeps_what_its_first_page_leaves_out() {
    oracle!("Ogg Speex remux");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("speex.ogg", &["-c:a", "libspeex", "-ar", "16000", "-ac", "1"]);
    let decoded = |path: &Path| {
        let wav = folder.path().join("speexdec.wav");
        let (ok, said) = tool("speexdec", &[path.to_str().unwrap(), wav.to_str().unwrap()])?;
        assert!(ok, "{said}");
        Some(pcm(&wav))
    };
    let out = save(&whole(&source, "ogg"), folder.path(), "remux.ogg");
    // Its decoder adds noise of its own.
    let samples = |path: &Path| decoded(path).map(|sound| sound.len());
    assert_eq!(samples(&out), samples(&source));
    let clip = ranges(&source, &[(2.0, 7.0)], "ogg");
    let cut = save(&clip, folder.path(), "cut.ogg");
    let range = clip.report.ranges[0];
    assert_eq!(range.actual_to.secs(), 7.0);
    let due = ((7.0 - range.actual_from.secs()) * 16_000.0).round();
    let (start, end) = extent(&cut);
    assert!(start == 0.0 && (end - due / 16_000.0).abs() < 1e-6, "{start}..{end}, {due} samples");
    // Within half a packet of 20 ms at its beginning; speexdec gives up to 80 samples, its filters' delay,
    // more or less.
    assert!((due - 80_000.0).abs() <= 160.0, "{due} samples");
    if let Some(sound) = decoded(&cut) {
        assert!((sound.len() as f64 - due).abs() <= 80.0, "{} samples of {due}", sound.len());
    }
}

// ---- MP3

/// Of the header in an MP3's first frame: its name, the frames it counts, delay and padding.
fn info_header(path: &Path) -> (String, u32, u32, u32) {
    let file = std::fs::read(path).unwrap();
    let at = file.windows(4).position(|four| four == b"Info" || four == b"Xing").expect("a header");
    let number =
        |at: usize, len: usize| file[at..at + len].iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
    let gapless = number(at + 141, 3);
    (
        String::from_utf8_lossy(&file[at..at + 4]).into_owned(),
        number(at + 8, 4),
        gapless >> 12,
        gapless & 0xFFF,
    )
}

/// Audio packets of a file.
fn count(path: &Path) -> u32 {
    common::payload(path)["a0"].len() as u32
}

#[test]
fn an_mp3_header_counts_the_frames_that_are_there() {
    oracle!("MP3 headers");
    let folder = tempfile::tempdir().unwrap();
    for (name, options, kind) in [("cbr.mp3", ["-b:a", "128k"], "Info"), ("vbr.mp3", ["-q:a", "3"], "Xing")] {
        let source = sweep(name, &[&["-c:a", "libmp3lame"][..], &options].concat());
        let (_, _, delay, padding) = info_header(&source);
        let check = |what: &str, clip: Clip, ends: (u32, u32)| {
            let out = save(&clip, folder.path(), "out.mp3");
            assert_eq!(info_header(&out), (kind.to_owned(), count(&out), ends.0, ends.1), "{name}, {what}");
            let file = std::fs::read(&out).unwrap();
            let headers = file.windows(4).filter(|four| *four == kind.as_bytes()).count();
            assert_eq!(headers, 1, "{name}, {what}: a header of the source is left as sound");
        };
        check("remux", whole(&source, "mp3"), (delay, padding));
        check("join", joined(&[&source, &source], "mp3"), (delay, padding));
        // From the first frame on that begins no more than 4095 + 529 samples in front, up to 2 s; at the end
        // nothing is cut off, as 529 of padding are the decoder's own.
        let first = (96_000 - (4095 + 529) + delay + 529_u32).div_ceil(1152) * 1152 - (delay + 529);
        let begins = (96_000 - first - 529, 529);
        check("cut", ranges(&source, &[(2.0, 7.0)], "mp3"), begins);
        // The source's beginning lies in the middle.
        check("ranges", ranges(&source, &[(2.0, 7.0), (0.0, 1.0)], "mp3"), begins);
    }
}

#[test]
fn an_mp3_that_was_cut_short_does_not_swallow_what_follows() {
    oracle!("join of MP3 that was cut short");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("cbr.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]);
    let file = std::fs::read(&source).unwrap();
    let short = folder.path().join("short.mp3");
    std::fs::write(&short, &file[..file.len() / 2 + 100]).unwrap();
    let shared = ["cases/vbri.mp3", "cases/id3v1v2.mp3"].into_iter().filter_map(common::shared);
    for source in [short].into_iter().chain(shared) {
        let clip = joined(&[&source, &source], "mp3");
        assert!(
            clip.report.warnings.iter().any(|warning| warning.contains("cut short")),
            "{:?}",
            clip.report
        );
        let out = save(&clip, folder.path(), "twice.mp3");
        let (once, twice) = (count(&source), count(&out));
        // At the seam, sound may go on a frame earlier or later.
        assert!(twice.abs_diff(2 * once) <= 1, "{}: {twice} frames of {once}", source.display());
        assert_eq!(info_header(&out).1, twice);
    }
}

// ---- WavPack

#[test]
fn wavpack_blocks_say_their_place_in_the_output() {
    oracle!("WavPack");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("wavpack.wv", &["-c:a", "wavpack", "-sample_fmt", "s16p"]);
    let all = pcm(&source);
    let remuxed = save(&whole(&source, "wv"), folder.path(), "remux.wv");
    assert_eq!(common::payload(&remuxed), common::payload(&source));
    let twice = save(&joined(&[&source, &source], "wv"), folder.path(), "join.wv");
    assert_eq!(extent(&twice), (0.0, 20.0));
    assert!(pcm(&twice) == all.repeat(2));
    let cut = save(&ranges(&source, &[(2.0, 7.0)], "wv"), folder.path(), "cut.wv");
    let sound = pcm(&cut);
    assert_eq!(extent(&cut), (0.0, sound.len() as f64 / 2.0 / 48_000.0));
    let stated = std::fs::read(&cut).unwrap()[12..16].try_into().map(u32::from_le_bytes).unwrap();
    assert_eq!(stated as usize, sound.len() / 2, "samples that the first block states");
}

#[test]
fn a_stretch_of_tta_is_refused_for_what_it_is() {
    oracle!("TTA");
    let source = sweep("stretch.tta", &["-c:a", "tta"]);
    let half = Cut::new().keep(TimeRange::secs(1.0, 2.0).unwrap());
    let two = [Source::open(&source).unwrap(), Source::open(&source).unwrap()];
    let none = Control::default();
    let errors =
        [cut(&open(&source), &half, &none).unwrap_err(), join(&two, &Join::new(), &none).unwrap_err()];
    for error in errors {
        let said = error.to_string();
        assert!(
            said.contains("nothing but a whole file can be copied") && !said.contains("can hold none"),
            "{said}"
        );
    }
    assert!(cut(&open(&source), &half.mode(CutMode::Encode), &none).is_ok());
}

#[test]
fn a_cut_to_the_end_has_the_last_packet_of_opus_in_matroska() {
    oracle!("Opus in Matroska");
    let source = sweep("end.mka", &["-c:a", "libopus"]);
    let folder = tempfile::tempdir().unwrap();
    let packets =
        |path: &Path| common::packets(path).into_iter().map(|packet| packet.hash).collect::<Vec<_>>();
    let range = TimeRange { from: avrope::Timestamp::from_secs(1.0).unwrap(), to: avrope::Timestamp::MAX };
    let clip = cut(&open(&source), &Cut::new().keep(range), &Control::default()).unwrap();
    let out = save(&clip, folder.path(), "end.mka");
    assert_eq!(packets(&out).last(), packets(&source).last());
}

#[test]
fn a_cut_keeps_a_long_packet_that_begins_well_inside() {
    oracle!("long packets");
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [("long.mka", "wavpack"), ("long.nut", "flac")] {
        let source = sweep(name, &["-c:a", codec, "-frame_size", "24000"]);
        let cut = |to: f64| {
            let range = TimeRange::secs(0.0, to).unwrap();
            let settings = Cut::new().keep(range).mode(CutMode::Keyframe);
            let clip = cut(&open(&source), &settings, &Control::default()).unwrap();
            pcm(&save(&clip, folder.path(), name)).len()
        };
        // Half a second each: one that begins 200 ms before the end is whole, one of 10 ms is not there.
        assert_eq!([cut(0.7), cut(0.51)].map(|samples| samples / cut(0.5)), [2, 1], "{name}");
    }
}

#[test]
fn raw_files_are_gone_back_in() {
    oracle!("WavPack, TTA and VOC");
    // Their demuxers hold where they are in a block: behind it, they can't go back by bytes.
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = ((1.0, 2.0), (3.0, 4.0));
    let wavpack = sweep("back.wv", &["-c:a", "wavpack"]);
    let tta = sweep("back.tta", &["-c:a", "tta"]);
    let voc = sweep("back.voc", &["-c:a", "pcm_s16le"]);
    let encode = |cut: Cut| cut.format("wav").mode(CutMode::Encode);
    for (source, how, least) in [
        // A copy has whole blocks: at each end it may lack half of one, and it has a tenth of a second.
        (&wavpack, (|cut: Cut| cut.format("wv")) as fn(Cut) -> Cut, 2 * 96_000 - 2 * 9_600),
        (&wavpack, encode, 2 * 96_000),
        (&tta, encode, 2 * 96_000),
        (&voc, encode, 2 * 96_000),
    ] {
        let media = open(source);
        let made = |ranges: &[(f64, f64)]| {
            let range = |cut: Cut, (from, to): &(f64, f64)| cut.keep(TimeRange::secs(*from, *to).unwrap());
            let settings = how(ranges.iter().fold(Cut::new(), range));
            let clip = cut(&media, &settings, &Control::default())
                .unwrap_or_else(|e| panic!("{} {ranges:?}: {e}", source.display()));
            pcm(&save(&clip, folder.path(), "back.out"))
        };
        // Each of these is a job of its own on one media.
        let (both, parts) = (made(&[one, other]), [made(&[one]), made(&[other])].concat());
        assert!(both.len() >= least, "{}: {} samples", source.display(), both.len());
        assert!(both == parts, "{}: ranges of one cut, and cuts of their own", source.display());
    }
}

#[test]
fn a_cut_of_mp3_begins_to_the_sample_with_a_full_reservoir() {
    oracle!("MP3's reservoir");
    let folder = tempfile::tempdir().unwrap();
    // Of 48 kHz, and with half as many samples in a frame.
    for (rate, bits) in [(48_000, "128k"), (22_050, "64k")] {
        let hertz = rate.to_string();
        let coder = ["-c:a", "libmp3lame", "-b:a", bits, "-ar", &hertz];
        let source = sweep(&format!("reservoir-{rate}.mp3"), &coder);
        let due = pcm(&source);
        for (from, to) in [(2.0, 4.0), (3.02, 4.5), (0.0, 2.0)] {
            let out = save(&ranges(&source, &[(from, to)], "mp3"), folder.path(), "cut.mp3");
            let found = pcm(&out);
            let first = (from * f64::from(rate)).round() as usize * 2;
            let seconds = found.len() as f64 / 2.0 / f64::from(rate);
            // It ends with a whole frame.
            assert!((seconds - (to - from)).abs() < 0.027, "{rate}, from {from}: {seconds} s");
            assert!(found == due[first..first + found.len()], "{rate}, from {from}: its samples");
        }
    }
}

#[test]
fn vorbis_says_how_far_a_seam_may_be_off() {
    oracle!("Vorbis' seams");
    let folder = tempfile::tempdir().unwrap();
    let source = sweep("seam.ogg", &["-c:a", "libvorbis"]);
    let told = "stream 0: where parts meet, Vorbis sounds up to 0.042666667 s longer or shorter than its times say: a packet can't be cut short there (transcode it for exact seams)";
    for (what, clip) in [
        ("a join", joined(&[&source, &source], "ogg")),
        ("ranges", ranges(&source, &[(1.0, 2.0), (5.0, 6.0)], "ogg")),
    ] {
        assert!(
            clip.report.warnings.iter().any(|warning| warning == told),
            "{what}: {:?}",
            clip.report.warnings
        );
        let due = clip.report.duration.as_secs_f64() * 48_000.0;
        let found = pcm(&save(&clip, folder.path(), "out.ogg")).len() as f64 / 2.0;
        assert!((found - due).abs() <= 2048.0, "{what}: {found} samples, {due} by the times");
    }
    let one = ranges(&source, &[(1.0, 2.0)], "ogg").report.warnings;
    assert!(!one.iter().any(|warning| warning == told), "{one:?}");
}
