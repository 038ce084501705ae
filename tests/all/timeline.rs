//! When what a copy holds is shown: nothing that the source shows is lost, and sound stays with its picture.

use crate::common::{self, Frame, ffmpeg, ffprobe, frames, made_by_ffmpeg, open, payload, save, shared};
use avrope::{Control, Cut, CutMode, Join, Remux, Report, Source, TimeRange, Timestamp, cut, join, remux};
use std::path::{Path, PathBuf};

fn remuxed(source: &Path, folder: &Path, name: &str) -> (PathBuf, Report) {
    let settings = Remux::new().format(common::ending(Path::new(name)));
    let clip = remux(&open(source), &settings, &Control::default())
        .unwrap_or_else(|e| panic!("{}: into {name}: {e}", source.display()));
    (save(&clip, folder, name), clip.report)
}

fn cut_to(
    source: &Path,
    (from, to): (f64, f64),
    mode: CutMode,
    folder: &Path,
    name: &str,
) -> (PathBuf, Report) {
    let to = Timestamp::from_secs(to).unwrap_or(Timestamp::MAX);
    let range = TimeRange { from: Timestamp::from_secs(from).unwrap(), to };
    let settings = Cut::new().keep(range).mode(mode).format(common::ending(Path::new(name)));
    let clip = cut(&open(source), &settings, &Control::default())
        .unwrap_or_else(|e| panic!("{}: {from}..{to} into {name}: {e}", source.display()));
    (save(&clip, folder, name), clip.report)
}

/// Two seconds of H.264 with B-frames and AAC, as ffmpeg makes them with these options of the muxer.
fn h264_and_aac(name: &str, options: &[&str]) -> PathBuf {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=440:d=2"];
    let codecs = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-c:a", "aac"];
    made_by_ffmpeg(name, &[&sources[..], &codecs, options].concat())
}

fn hashes(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.hash.as_str()).collect()
}

/// When the pictures and the sounds of a file are shown. Both are decoded at once: ffmpeg moves the start of
/// a transport stream to the streams that it decodes.
fn pictures_and_sounds(path: &Path) -> (Vec<f64>, Vec<f64>) {
    let both = ["-copyts", "-i", path.to_str().unwrap(), "-map", "0:v:0", "-map", "0:a:0"];
    let rest = ["-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framemd5", "-"];
    let text = String::from_utf8(ffmpeg(&[&both[..], &rest].concat()).0).unwrap();
    let times = |stream: &str| {
        let prefix = format!("#tb {stream}: ");
        let (num, den) = text.lines().find_map(|l| l.strip_prefix(&prefix)?.trim().split_once('/')).unwrap();
        let base = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(&format!("{stream},")));
        lines.map(|line| line.split(',').nth(2).unwrap().trim().parse::<f64>().unwrap() * base).collect()
    };
    (times("0"), times("1"))
}

/// How much later than the first sound the first picture is shown.
fn picture_behind_sound(path: &Path) -> f64 {
    let (pictures, sounds) = pictures_and_sounds(path);
    pictures[0] - sounds[0]
}

/// All pictures of the source are shown, at the same distance from its sound.
fn shows_all(source: &Path, out: &Path, what: &str) {
    let (wanted, found) = (frames(source, "0:v:0"), frames(out, "0:v:0"));
    assert_eq!(hashes(&found), hashes(&wanted), "{what}: pictures");
    let moved = picture_behind_sound(out) - picture_behind_sound(source);
    // Matroska counts in milliseconds and rounds both.
    assert!(moved.abs() < 0.0011, "{what}: the picture moved by {moved} s against the sound");
}

// ---- MP4 without an edit list

/// Changes the numbers of a table of (count, number) in all tracks that have one.
fn with_table(source: &Path, kind: &[u8; 4], folder: &Path, change: impl Fn(i32) -> i32) -> PathBuf {
    let mut bytes = std::fs::read(source).unwrap();
    let at = bytes.windows(4).rposition(|window| window == kind).unwrap();
    let count = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    for i in 0..count {
        let number = &mut bytes[at + 16 + 8 * i..][..4];
        let old = i32::from_be_bytes((&*number).try_into().unwrap());
        number.copy_from_slice(&change(old).to_be_bytes());
    }
    let path = folder.join("changed.mp4");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn without_an_edit_list_the_last_pictures_are_shown() {
    oracle!("without_an_edit_list_the_last_pictures_are_shown");
    let folder = tempfile::tempdir().unwrap();
    // Composition begins at 0.08 s, and the sound's priming is not stated.
    let source = h264_and_aac("no-edits.mp4", &["-use_editlist", "0"]);
    assert!(common::Movie::read(&source).track("vide").edits.is_empty(), "this fixture has no edit list");
    for name in ["all.mp4", "all.mov", "all.mkv", "all.ts", "all.flv"] {
        shows_all(&source, &remuxed(&source, folder.path(), name).0, name);
    }
    let info = open(&source).info().clone();
    // ffprobe's duration of the file: its sound begins at 0, its picture ends 0.08 s behind its decode times.
    assert_eq!(info.duration.map(|d| d.as_secs_f64()), Some(2.08));

    let (out, report) = cut_to(&source, (0.5, f64::MAX), CutMode::Edit, folder.path(), "rest.mp4");
    let all = frames(&source, "0:v:0");
    let wanted: Vec<Frame> = all.into_iter().filter(|frame| frame.time >= 0.5).collect();
    assert_eq!(hashes(&frames(&out, "0:v:0")), hashes(&wanted), "a cut from 0.5 s to the end");
    assert!((report.duration.as_secs_f64() - 1.58).abs() < 1e-6, "{}", report.duration.as_secs_f64());

    let both = [Source::open(&source).unwrap(), Source::open(&source).unwrap()];
    let twice = join(&both, &Join::new(), &Control::default()).unwrap();
    let twice = frames(&save(&twice, folder.path(), "twice.mp4"), "0:v:0");
    assert_eq!(twice.len(), 100, "a join shows all pictures of both");
}

#[test]
fn composition_that_begins_below_zero_is_shown() {
    oracle!("composition_that_begins_below_zero_is_shown");
    let folder = tempfile::tempdir().unwrap();
    let plain = h264_and_aac("no-edits.mp4", &["-use_editlist", "0"]);
    // Two frames of 512 ticks below 0, where it was two above; and the table of other muxers, from 0 on.
    let below = with_table(&plain, b"ctts", folder.path(), |offset| offset - 2048);
    let other = h264_and_aac("negative.mp4", &["-use_editlist", "0", "-movflags", "negative_cts_offsets"]);
    for (source, what) in [(&below, "below 0"), (&other, "negative offsets")] {
        assert_eq!(frames(source, "0:v:0").len(), 50, "{what}: ffmpeg shows all pictures of this fixture");
        for container in ["mp4", "mkv"] {
            let name = format!("out.{container}");
            shows_all(source, &remuxed(source, folder.path(), &name).0, &format!("{what} into {name}"));
        }
    }
}

#[test]
fn an_edit_without_a_length_lasts_to_the_end_of_composition() {
    oracle!("an_edit_without_a_length_lasts_to_the_end_of_composition");
    let folder = tempfile::tempdir().unwrap();
    let source = h264_and_aac("edits.mp4", &[]);
    let mut bytes = std::fs::read(&source).unwrap();
    let lists: Vec<usize> = (0..bytes.len() - 4).filter(|at| &bytes[*at..*at + 4] == b"elst").collect();
    for at in lists {
        bytes[at + 12..at + 16].fill(0);
    }
    let open_end = folder.path().join("open-end.mp4");
    std::fs::write(&open_end, bytes).unwrap();
    let (out, _) = remuxed(&open_end, folder.path(), "out.mp4");
    assert_eq!(hashes(&frames(&out, "0:v:0")), hashes(&frames(&source, "0:v:0")));
}

/// Of two edit lists libav takes the last one (mov.c: mov_read_elst).
#[test]
fn the_last_of_two_edit_lists_counts() {
    oracle!("the_last_of_two_edit_lists_counts");
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(h264_and_aac("edits.mp4", &[])).unwrap();
    let own = crate::common::find(&bytes, "moov/trak/edts/elst").unwrap();
    let mut last = bytes[own.start..own.end()].to_vec();
    // Its first entry lasts half a second, in ticks of 1/1000 s.
    last[16..20].copy_from_slice(&500_u32.to_be_bytes());
    let both = [&bytes[own.start..own.end()], &last].concat();
    let [one, two] = [&last, &both].map(|lists| {
        let path = folder.path().join("edits.mp4");
        std::fs::write(&path, crate::common::replace_box(&bytes, "moov/trak/edts/elst", 0, lists)).unwrap();
        frames(&remuxed(&path, folder.path(), "out.mkv").0, "0:v:0")
    });
    let (one, two) = (hashes(&one), hashes(&two));
    assert!(!one.is_empty() && one == two, "{} and {} pictures", one.len(), two.len());
}

// ---- sound at the beginning

#[test]
fn sound_before_the_first_picture_is_carried_over() {
    oracle!("sound_before_the_first_picture_is_carried_over");
    let folder = tempfile::tempdir().unwrap();
    let whole = h264_and_aac("edits.mp4", &[]);
    let whole = whole.to_str().unwrap();
    let options = ["-map", "0:v", "-map", "1:a", "-c", "copy"];
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    // The picture begins 0.2 s behind the sound, by an edit list; or by the fragments' own times.
    let late = [&["-itsoffset", "0.2", "-i", whole, "-i", whole], &options[..]].concat();
    let mut sources = vec![
        made_by_ffmpeg("late.mp4", &late),
        made_by_ffmpeg("late-fragments.mp4", &[&late[..], &fragments].concat()),
    ];
    sources.extend(shared("cases/sound-before-picture.mp4"));
    for source in &sources {
        let wanted = payload(source);
        for name in ["out.mkv", "out.ts", "out.mp4", "out.flv"] {
            let what = format!("{} into {name}", source.display());
            let (out, report) = remuxed(source, folder.path(), name);
            let found = payload(&out);
            for stream in ["v0", "a0"] {
                assert_eq!(found[stream].len(), wanted[stream].len(), "{what}: packets of {stream}");
            }
            assert!(report.warnings.is_empty(), "{what}: {:?}", report.warnings);
        }
    }
    // A range that begins in the sound, before the picture, too.
    let (out, _) = cut_to(&sources[0], (0.1, 1.5), CutMode::Keyframe, folder.path(), "cut.mkv");
    let sound = frames(&out, "0:a:0");
    let ahead = frames(&out, "0:v:0")[0].time - sound[0].time;
    // A frame of AAC lasts 1024 samples, and a cut takes whole ones; Matroska rounds.
    assert!((ahead - 0.1).abs() <= 1024.0 / 44100.0 + 0.001, "the picture is {ahead} s behind the sound");
}

/// How much earlier than the last sound the first picture is shown.
fn picture_ahead_of_last_sound(path: &Path) -> f64 {
    let (pictures, sounds) = pictures_and_sounds(path);
    sounds.last().unwrap() - pictures[0]
}

/// The last sound tells where all of it lies: what is skipped at the beginning FFmpeg 9 takes from the first
/// frame that it can decode, where the packet that it was said of is none.
#[test]
fn a_first_sound_packet_that_is_no_frame_does_not_move_the_rest() {
    oracle!("a_first_sound_packet_that_is_no_frame_does_not_move_the_rest");
    let folder = tempfile::tempdir().unwrap();
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-f", "lavfi", "-i", "sine=440:d=1"];
    let whole = made_by_ffmpeg("ac3.mkv", &[&sources[..], &["-c:v", "mpeg4", "-c:a", "ac3"]].concat());
    // Without its sync word the first frame is none; Matroska keeps it as a packet.
    let mut bytes = std::fs::read(whole).unwrap();
    let at = bytes.windows(2).position(|window| window == [0x0b, 0x77]).unwrap();
    bytes[at] = 0;
    let broken = folder.path().join("broken.mkv");
    std::fs::write(&broken, bytes).unwrap();
    let mut cases = vec![(broken, 0.0)];
    // AVI says when packets are decoded, and ffmpeg takes a decoder's wait for B-frames for time: a picture
    // of 23.976.
    cases.extend(shared("cases/mpeg4-ac3.avi").map(|avi| (avi, 125.0 / 2997.0)));
    for (source, late) in &cases {
        for name in ["out.mp4", "out.mov", "out.mkv"] {
            let what = format!("{} into {name}", source.display());
            let (out, report) = remuxed(source, folder.path(), name);
            let moved = picture_ahead_of_last_sound(&out) - picture_ahead_of_last_sound(source) - late;
            assert!(moved.abs() < 0.0011, "{what}: the picture moved by {moved} s against the sound");
            let said = report.warnings.iter().any(|warning| warning.contains("no whole frame"));
            assert_eq!(said, name != "out.mkv", "{what}: {:?}", report.warnings);
        }
    }
}

/// libav gives a frame of AC-3 that a packet of MPEG's streams is cut within the next one's time; so does the loss of
/// one.
#[test]
fn a_lost_frame_of_ac3_moves_no_others() {
    oracle!("a lost frame of AC-3");
    let folder = tempfile::tempdir().unwrap();
    for rate in ["448k", "96k"] {
        let path = folder.path().join("lost.ts");
        let sources =
            ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=6", "-f", "lavfi", "-i", "sine=440:r=48000:d=6"];
        let codecs = ["-c:v", "mpeg2video", "-c:a", "ac3", "-b:a", rate, "-bsf:a", "noise=drop='eq(n,80)'"];
        ffmpeg(&[&sources[..], &codecs, &[path.to_str().unwrap()]].concat());
        let (out, _) = remuxed(&path, folder.path(), "out.mkv");
        // In frames of 1536 samples. As ffmpeg has them, but for the one behind the gap, which may be early.
        let [theirs, ours] = [&path, &out].map(|path| {
            let (_, sounds) = pictures_and_sounds(path);
            let place = |time: &f64| ((time - sounds[0]) * 31.25).round();
            sounds.iter().map(place).collect::<Vec<f64>>()
        });
        let moved = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
        assert!(ours.len() == theirs.len() && ours.len() > 180 && moved <= 1, "{rate}: {ours:?}");
    }
}

// ---- joins

/// When the last packet of sound is shown, counted from the first picture.
fn last_sound(path: &Path) -> f64 {
    let json = ffprobe(path, &["-show_entries", "packet=codec_type,pts_time"]);
    let times = |kind: &str| {
        let packets = json["packets"].as_array().unwrap().iter().filter(|p| p["codec_type"] == *kind);
        packets.map(|p| p["pts_time"].as_str().unwrap().parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    times("audio").last().unwrap() - times("video").iter().copied().fold(f64::MAX, f64::min)
}

#[test]
fn the_last_part_of_a_join_keeps_its_last_sound() {
    oracle!("the_last_part_of_a_join_keeps_its_last_sound");
    let folder = tempfile::tempdir().unwrap();
    // Sound that ends 0.13 of a frame behind a frame's border; and 40 ms behind the picture.
    for source in
        [h264_and_aac("edits.mp4", &[]), h264_and_aac("longer.mp4", &["-af", "apad=whole_dur=2.04"])]
    {
        let both = [Source::open(&source).unwrap(), Source::open(&source).unwrap()];
        for container in ["mkv", "ts"] {
            let clip = join(&both, &Join::new().format(container), &Control::default()).unwrap();
            let out = save(&clip, folder.path(), &format!("out.{container}"));
            // ffprobe has no times of MP4's packets as they are shown.
            let (alone, _) = remuxed(&source, folder.path(), &format!("alone.{container}"));
            let (one, two) = (last_sound(&alone), last_sound(&out));
            let moved = two - one - frames(&source, "0:v:0").len() as f64 / 25.0;
            // Sound goes on at the seam to half of its frame; and Matroska's rounding.
            let half = 512.0 / 44100.0 + 0.001;
            assert!(
                moved.abs() < half,
                "{} into {container}: the last sound is {moved} s off",
                source.display()
            );
        }
        let clip = join(&both, &Join::new().format("mp4"), &Control::default()).unwrap();
        let (one, two) =
            (open(&source), avrope::Media::open(Source::from_bytes(clip.rope.to_bytes().unwrap())));
        let end = |media: &avrope::Media| media.info().streams[1].duration.unwrap().as_secs_f64();
        let wanted = end(&one) + frames(&source, "0:v:0").len() as f64 / 25.0;
        assert!((end(&two.unwrap()) - wanted).abs() < 1e-4, "{}: sound ends where it did", source.display());
    }
}

/// Two recordings behind each other, of which the second one's clock begins at 100 s.
fn with_a_gap_of_the_clock() -> (Source, [PathBuf; 2]) {
    let made = ["-c:v", "libx264", "-g", "25", "-c:a", "aac"];
    let part = |name: &str, seconds: &str| {
        let picture = format!("testsrc2=s=160x90:r=25:d={seconds}");
        let sound = format!("sine=440:d={seconds}");
        let begins = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
        let offset = ["-output_ts_offset", if name == "gap-one.ts" { "0" } else { "100" }];
        made_by_ffmpeg(name, &[&begins[..], &made, &offset].concat())
    };
    let parts = [part("gap-one.ts", "3"), part("gap-two.ts", "2")];
    let bytes = parts.each_ref().map(|part| std::fs::read(part).unwrap()).concat();
    (Source::from_bytes(bytes), parts)
}

#[test]
fn a_range_is_found_on_the_sources_clock_whatever_jumps_in_front_of_it() {
    oracle!("a_range_is_found_on_the_sources_clock_whatever_jumps_in_front_of_it");
    let folder = tempfile::tempdir().unwrap();
    let (source, [first, second]) = with_a_gap_of_the_clock();
    let media = avrope::Media::open(source).unwrap();
    let start = |path: &Path, entry: &str| {
        let json = ffprobe(path, &["-show_entries", &format!("{entry}=start_time")]);
        let found = if entry == "format" { &json["format"] } else { &json["streams"][0] };
        found["start_time"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let begins = start(&second, "stream") - start(&first, "format");
    let all = frames(&second, "0:v:0");
    let times = || (0..all.len()).map(|i| begins + i as f64 * 0.04);
    // Into the gap, at its end, and behind it.
    for (from, to) in [(60.0, 100.5), (99.0, 100.5), (100.0, 100.5), (100.7, 101.3)] {
        for (mode, name) in [
            (CutMode::Encode, "out.mp4"),
            (CutMode::Encode, "out.mkv"),
            (CutMode::Edit, "out.mp4"),
            (CutMode::Keyframe, "out.mkv"),
        ] {
            let range = TimeRange::secs(from, to).unwrap();
            let settings = Cut::new().keep(range).mode(mode).format(common::ending(Path::new(name)));
            let clip = cut(&media, &settings, &Control::default());
            let what = format!("{from}..{to}, {mode:?} into {name}");
            let clip = clip.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(clip.report.warnings.iter().all(|w| !w.contains("jump")), "{what}: {:?}", clip.report);
            let found = frames(&save(&clip, folder.path(), name), "0:v:0");
            // A keyframe cut goes back to the keyframe, and may show what its last pictures refer to.
            let keyframe = mode == CutMode::Keyframe;
            let from = if keyframe { begins } else { from };
            let due = times().filter(|time| time + 0.04 > from && *time < to).count();
            // The picture that stands at the beginning may be left out or kept.
            let most = if keyframe { due + 2 } else { due };
            assert!((due - 1..=most).contains(&found.len()), "{what}: {} of {due}", found.len());
            if mode != CutMode::Encode {
                let first = times().position(|time| time + 0.04 > from).unwrap();
                let same = |at: &usize| found[0].hash == all[*at].hash;
                assert!([first, first + 1].iter().any(same), "{what}: it begins with another picture");
            }
        }
    }
}

#[test]
fn a_clock_that_begins_anew_behind_a_ranges_beginning_goes_on() {
    oracle!("a_clock_that_begins_anew_behind_a_ranges_beginning_goes_on");
    let folder = tempfile::tempdir().unwrap();
    let part = |seconds: u32| {
        let picture = format!("testsrc2=s=160x90:r=25:d={seconds}");
        let sound = format!("sine=440:d={seconds}");
        let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
        let codecs = ["-c:v", "libx264", "-g", "25", "-bf", "0", "-c:a", "aac"];
        let part = made_by_ffmpeg(&format!("anew-{seconds}.ts"), &[&inputs[..], &codecs].concat());
        std::fs::read(part).unwrap()
    };
    // Two recordings whose clocks begin alike; the second one's end is what libav takes for the whole's.
    let media = avrope::Media::open(Source::from_bytes([part(3), part(6)].concat())).unwrap();
    let all = 6 * 25;
    for (mode, name, from) in [
        (CutMode::Edit, "out.mp4", 1.0),
        (CutMode::Keyframe, "out.mkv", 1.0),
        (CutMode::Encode, "out.mkv", 1.0),
        (CutMode::Edit, "out.mp4", 2.3),
    ] {
        let range = TimeRange { from: Timestamp::from_secs(from).unwrap(), to: Timestamp::MAX };
        let settings = Cut::new().keep(range).mode(mode).format(common::ending(Path::new(name)));
        let clip = cut(&media, &settings, &Control::default()).unwrap();
        let found = frames(&save(&clip, folder.path(), name), "0:v:0");
        let (what, longest) = (format!("{mode:?} from {from}"), |times: &[f64]| {
            times
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold((f64::MAX, 0f64), |(least, most), step| (least.min(step), most.max(step)))
        });
        let times: Vec<f64> = found.iter().map(|frame| frame.time).collect();
        let (least, most) = longest(&times);
        // An encode begins within a picture; sound of the first recording is longer than its picture.
        assert!(least > 0.01 && most < 0.04 + 0.06, "{what}: pictures stand for {least} to {most} s");
        let due = (f64::from(all) - from * 25.0) as usize;
        // A keyframe cut goes back by up to a second.
        let most = due + if mode == CutMode::Keyframe { 25 } else { 3 };
        assert!((due - 3..=most).contains(&found.len()), "{what}: {} pictures of {due}", found.len());
    }
}

/// Where the clip that goes on to 2 s ends in a container that does not say so.
fn of_unknown_length(name: &str) -> Source {
    let options = ["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-live", "1"];
    let into = if name.ends_with("mp4") { &options[..2] } else { &options[2..] };
    let bytes = std::fs::read(h264_and_aac(name, into)).unwrap();
    let source = Source::from_bytes(bytes);
    assert_eq!(avrope::Media::open(source.clone()).unwrap().duration(), None, "{name} states its length");
    source
}

#[test]
fn a_range_behind_an_end_that_was_not_known_is_judged_all_the_same() {
    oracle!("a_range_behind_an_end_that_was_not_known_is_judged_all_the_same");
    let folder = tempfile::tempdir().unwrap();
    for source in ["unknown.mp4", "unknown.mkv"].map(of_unknown_length) {
        let media = avrope::Media::open(source).unwrap();
        for (mode, into) in [
            (CutMode::Edit, "mp4"),
            (CutMode::Keyframe, "mp4"),
            (CutMode::Keyframe, "mkv"),
            (CutMode::Encode, "mkv"),
            (CutMode::Encode, "mp4"),
        ] {
            let cut = |ranges: &[(f64, f64)]| {
                let range = |(from, to): &(f64, f64)| TimeRange::secs(*from, *to).unwrap();
                let settings = Cut::new().mode(mode).format(into);
                let settings = ranges.iter().map(range).fold(settings, Cut::keep);
                cut(&media, &settings, &Control::default())
            };
            let what = format!("{media:?}, {mode:?} into {into}");
            let error = common::refused(cut(&[(30.0, 40.0)]), &[avrope::ErrorKind::InvalidArgument], &what);
            assert!(error.to_string().contains("the range begins after the end"), "{what}: {error}");
            let open = TimeRange { from: Timestamp::from_secs(5.0).unwrap(), to: Timestamp::MAX };
            let settings = Cut::new().mode(mode).format(into).keep(open);
            let error = avrope::cut(&media, &settings, &Control::default()).unwrap_err();
            assert!(error.to_string().contains("the range begins after the end"), "{what}: {error}");
            // The end of the range between two others is the source's; so is that of an open one.
            let open =
                TimeRange::secs(1.2, 2.0).map(|range| TimeRange { to: Timestamp::MAX, ..range }).unwrap();
            let settings =
                Cut::new().mode(mode).format(into).keep(open).keep(TimeRange::secs(0.0, 1.0).unwrap());
            let report = avrope::cut(&media, &settings, &Control::default()).unwrap().report;
            let length = report.duration.as_secs_f64();
            assert!((1.75..2.15).contains(&length), "{what}: {length} s of an open range, {report:?}");
            let clip = cut(&[(1.0, 1.6), (1.0, 5.0), (0.0, 1.0)]).unwrap();
            let told = clip.report.warnings.iter().filter(|w| w.contains("ends after the source")).count();
            assert_eq!(told, 1, "{what}: {:?}", clip.report.warnings);
            let out = save(&clip, folder.path(), &format!("out.{into}"));
            let times: Vec<f64> = frames(&out, "0:v:0").iter().map(|frame| frame.time).collect();
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
            let shown = times.last().unwrap() + 0.04 - times[0];
            assert!(shown > 2.5, "{what}: {shown} s of 0.6, 1 and 1");
            // A frame, the sound that is longer than the picture, and the 0.08 s that a picture of a
            // fragmented MP4 begins behind its sound.
            assert!(longest < 0.04 + 0.03 + 0.08, "{what}: a picture stands for {longest} s");
        }
    }
}

// ---- keyframes

#[test]
fn keyframes_are_found_in_the_bitstream_where_none_is_flagged() {
    oracle!("keyframes_are_found_in_the_bitstream_where_none_is_flagged");
    let Some(source) = shared("cases/no-key-flags.ts") else { return };
    let folder = tempfile::tempdir().unwrap();
    let keyframes = open(&source).probe(&Control::default()).unwrap().streams[0].keyframes.clone();
    assert_eq!(keyframes, Some(vec![Timestamp::ZERO]), "it begins with its only picture that is all I");
    let all = frames(&source, "0:v:0");
    // 30; from FFmpeg 7.1 on the decoder does not show the two behind the first that refer to what is not
    // there.
    let wanted = all.iter().filter(|frame| frame.time < all[0].time + 1.0 - 0.5 / 30.0).count();
    assert!(wanted >= 28, "{wanted} pictures of the source up to 1 s");
    for name in ["out.ts", "out.mkv", "out.mp4"] {
        let (out, report) = cut_to(&source, (0.5, 1.0), CutMode::Keyframe, folder.path(), name);
        assert_eq!(report.ranges[0].actual_from, Timestamp::ZERO, "{name}");
        let found = frames(&out, "0:v:0");
        assert_eq!(hashes(&found), hashes(&all[..found.len()]), "{name}: decoding begins where it can");
        assert!(found.len() >= wanted, "{name}: {} pictures up to 1 s", found.len());
    }
    // Its packets are decoded later than they are shown, by up to two frames: when they are shown counts, and
    // the dts move.
    let (out, report) = remuxed(&source, folder.path(), "all.ts");
    let shown = |path: &Path| {
        let packets = common::packets(path);
        packets.iter().map(|p| p.pts.unwrap() - packets[0].pts.unwrap()).collect::<Vec<_>>()
    };
    let moved = shown(&source).iter().zip(shown(&out)).map(|(a, b)| (a - b).abs()).max().unwrap();
    assert_eq!(moved, 0, "a picture moved by so many ticks of 90,000");
    assert!(
        report.warnings.iter().any(|warning| warning.contains("behind its pts")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn no_picture_is_lost_at_the_end_of_a_range_where_dts_lie_behind() {
    oracle!("no_picture_is_lost_at_the_end_of_a_range_where_dts_lie_behind");
    let Some(source) = shared("cases/no-key-flags.ts") else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = frames(&source, "0:v:0");
    for to in [0.2, 0.45, 0.6, 0.8] {
        let due = all.iter().filter(|frame| frame.time < all[0].time + to - 0.001).count();
        for mode in [CutMode::Edit, CutMode::Keyframe, CutMode::Encode] {
            for name in ["out.mp4", "out.mkv"] {
                if mode == CutMode::Edit && name == "out.mkv" {
                    continue;
                }
                let (out, report) = cut_to(&source, (0.0, to), mode, folder.path(), name);
                let found = frames(&out, "0:v:0");
                let what = format!("{name}, {mode:?} up to {to}: {:?}", report.warnings);
                if mode == CutMode::Keyframe && name == "out.mkv" {
                    // What lies inside may refer to what is shown behind the end.
                    assert!((due..due + 3).contains(&found.len()), "{what}: {} of {due}", found.len());
                } else {
                    assert_eq!(found.len(), due, "{what}");
                }
                if mode != CutMode::Encode {
                    assert_eq!(hashes(&found[..due]), hashes(&all[..due]), "{what}");
                }
            }
        }
    }
}

#[test]
fn pictures_shown_behind_a_range_are_told_of() {
    oracle!("pictures_shown_behind_a_range_are_told_of");
    let folder = tempfile::tempdir().unwrap();
    let source = h264_and_aac("edits.mp4", &[]);
    let told = |report: &Report| {
        report.warnings.iter().filter(|warning| warning.contains("behind the range's end")).count()
    };
    let frame = 0.04;
    let mut with_more = 0;
    for last in 10..20 {
        let to = f64::from(last) * frame;
        let (out, report) = cut_to(&source, (0.0, to), CutMode::Keyframe, folder.path(), "out.mkv");
        let more = frames(&out, "0:v:0").len() > last as usize;
        assert_eq!(told(&report), usize::from(more), "{to} s: {:?}", report.warnings);
        with_more += usize::from(more);
        let (_, report) = cut_to(&source, (0.0, to), CutMode::Keyframe, folder.path(), "out.mp4");
        assert_eq!(told(&report), 0, "{to} s: an edit list hides them");
    }
    assert!(with_more > 0, "there are ends in the middle of B-frames");
}

// ---- what the container says beside the times

#[test]
fn a_turned_picture_that_a_container_has_no_word_for_is_told_of() {
    oracle!("a_turned_picture_that_a_container_has_no_word_for_is_told_of");
    let folder = tempfile::tempdir().unwrap();
    let source = common::turned("turned.mp4", &h264_and_aac("edits.mp4", &[]), 90);
    for name in ["out.mp4", "out.mov", "out.mkv", "out.ts", "out.flv", "out.wmv", "out.nut"] {
        let (out, report) = remuxed(&source, folder.path(), name);
        let said = report.warnings.iter().any(|warning| warning.contains("players turn its picture"));
        let bytes = std::fs::read(&out).unwrap();
        // Matroska's ProjectionPoseRoll: its id, and eight bytes of degrees.
        let kept = match common::ending(&out) {
            "mp4" | "mov" => {
                open(&out).info().streams[0].rotation == open(&source).info().streams[0].rotation
            }
            "mkv" => bytes[..4096].windows(3).any(|window| window == [0x76, 0x75, 0x88]),
            _ => false,
        };
        assert_eq!(said, !kept, "{name}: {:?}", report.warnings);
        assert!(kept || !matches!(common::ending(&out), "mp4" | "mov"), "{name}");
    }
}

#[test]
fn probe_knows_how_long_fragments_are() {
    oracle!("probe_knows_how_long_fragments_are");
    let whole = h264_and_aac("edits.mp4", &[]);
    let whole = whole.to_str().unwrap();
    let fragments = ["-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let mut sources = vec![made_by_ffmpeg("fragments.mp4", &[&["-i", whole], &fragments[..]].concat())];
    sources.extend(shared("cases/opus-preskip.mp4"));
    for source in sources {
        let info = open(&source).probe(&Control::default()).unwrap();
        let said = ffprobe(&source, &["-show_entries", "format=duration"]);
        let wanted: f64 = said["format"]["duration"].as_str().unwrap().parse().unwrap();
        let found = info.duration.unwrap().as_secs_f64();
        assert!((found - wanted).abs() < 1e-5, "{}: {found} s, and ffprobe says {wanted}", source.display());
        assert_eq!(info.duration_from, Some(avrope::media::DurationFrom::Packets));
    }
    // Here ffprobe adds the picture's beginning to its end. Sound begins at 0, the last picture ends 42/24 s
    // behind the first.
    if let Some(source) = shared("cases/sound-before-picture.mp4") {
        let info = open(&source).probe(&Control::default()).unwrap();
        let times = |i: usize| {
            let stream = &info.streams[i];
            (stream.start_time.unwrap().secs(), stream.duration.unwrap().as_secs_f64())
        };
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 1e-5 && (b - d).abs() < 1e-5;
        assert!(near(times(1), (0.0, 1.764717)), "sound: {:?}", times(1));
        assert!(near(times(0), (0.048333, 1.753333)), "picture: {:?}", times(0));
    }
}

#[test]
fn durations_say_what_they_are_of() {
    oracle!("durations_say_what_they_are_of");
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words.srt");
    std::fs::write(&words, "1\n00:00:00,500 --> 00:00:05,000\nhello\n").unwrap();
    let (whole, words) = (h264_and_aac("edits.mp4", &[]), words.to_str().unwrap().to_owned());
    let titled = folder.path().join("titled.mp4");
    let arguments = ["-i", whole.to_str().unwrap(), "-i", &words, "-c", "copy", "-c:s", "mov_text"];
    ffmpeg(&[&arguments[..], &[titled.to_str().unwrap()]].concat());
    let info = open(&titled).info().clone();
    assert_eq!(
        info.duration.map(|d| d.as_secs_f64()),
        Some(2.0),
        "picture and sound; the subtitle is longer"
    );
    assert_eq!(info.duration_from, Some(avrope::media::DurationFrom::Index));
    assert_eq!(info.streams[2].duration.map(|d| d.as_secs_f64()), Some(5.0), "the subtitle's own");
    for (name, from) in [
        ("out.mkv", avrope::media::DurationFrom::Header),
        ("out.ts", avrope::media::DurationFrom::Timestamps),
        ("out.aac", avrope::media::DurationFrom::BitRate),
    ] {
        let (out, _) = if name == "out.aac" {
            let sound = made_by_ffmpeg("sound.m4a", &["-i", whole.to_str().unwrap(), "-vn", "-c", "copy"]);
            remuxed(&sound, folder.path(), name)
        } else {
            remuxed(&whole, folder.path(), name)
        };
        assert_eq!(open(&out).info().duration_from, Some(from), "{name}");
    }
}

#[test]
fn a_cut_that_begins_at_a_keyframe_has_sound_from_there() {
    oracle!("a_cut_that_begins_at_a_keyframe_has_sound_from_there");
    let folder = tempfile::tempdir().unwrap();
    // In the file all the sound lies in front of the picture, or behind it.
    let whole = h264_and_aac("edits.mp4", &[]);
    let whole = whole.to_str().unwrap();
    let order = |name: &str, maps: [&str; 2]| {
        let maps = ["-i", whole, "-map", maps[0], "-map", maps[1], "-c", "copy"];
        made_by_ffmpeg(name, &[&maps[..], &["-max_interleave_delta", "1", "-movflags", "faststart"]].concat())
    };
    let mut sources =
        vec![order("sound-first.mp4", ["0:a", "0:v"]), order("picture-first.mp4", ["0:v", "0:a"])];
    sources.extend(shared("cases/sound-shorter.mp4"));
    for source in sources {
        let wanted = picture_behind_sound(&source);
        for name in ["out.mp4", "out.mkv"] {
            let (out, report) = cut_to(&source, (0.8, 1.9), CutMode::Keyframe, folder.path(), name);
            assert_eq!(report.ranges[0].actual_from, Timestamp::ZERO, "{}", source.display());
            let moved = picture_behind_sound(&out) - wanted;
            // Where nothing hides the priming it is heard, a frame of it.
            let priming = if name == "out.mkv" { 1024.0 / 44100.0 + 0.001 } else { 1e-6 };
            assert!(moved.abs() <= priming, "{} into {name}: sound {moved} s late", source.display());
        }
    }
}

#[test]
fn opus_stays_with_its_picture_from_matroska_to_matroska() {
    oracle!("opus_stays_with_its_picture_from_matroska_to_matroska");
    let folder = tempfile::tempdir().unwrap();
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", "-f", "lavfi", "-i", "sine=440:d=1"];
    let codecs = ["-c:v", "libx264", "-preset", "veryfast", "-c:a", "libopus"];
    let made = made_by_ffmpeg("opus.mkv", &[&inputs[..], &codecs].concat());
    let mut sources = vec![made];
    sources.extend(shared("cases/pancake.mkv"));
    for source in sources {
        // Again and again: an error of the muxer's would add up.
        let (once, _) = remuxed(&source, folder.path(), "once.mkv");
        let (twice, _) = remuxed(&once, folder.path(), "twice.mkv");
        let distance = picture_behind_sound(&source);
        for out in [once, twice] {
            let moved = picture_behind_sound(&out) - distance;
            assert!(moved.abs() < 1e-6, "{}: the picture moved by {moved} s", source.display());
            assert_eq!(payload(&out), payload(&source), "{}", source.display());
        }
    }
}
