//! Sound against picture.

use super::*;

/// When flashes and beeps begin, in seconds of the file's clock, as a player shows them.
fn flashes_and_beeps(path: &Path) -> (Vec<f64>, Vec<f64>) {
    let input = ["-copyts", "-i", path.to_str().unwrap()];
    let scaled = ["-map", "0:v", "-vf", "scale=1:1:flags=area,format=gray", "-fps_mode", "passthrough"];
    let (luma, _) = ffmpeg(&[&input[..], &scaled, &["-f", "rawvideo", "-"]].concat());
    let times: Vec<f64> = if common::ending(path) == "ts" {
        // Where MPEG-TS begins near 0, the command moves its first pictures to 0, sound as it is: its packets
        // count.
        let packets = common::packets(path).into_iter().filter(|p| p.stream == 0);
        let mut times: Vec<f64> = packets.map(|p| p.pts.unwrap() as f64 / 90_000.0).collect();
        times.sort_by(f64::total_cmp);
        times
    } else {
        common::frames(path, "0:v").iter().map(|frame| frame.time).collect()
    };
    assert_eq!(luma.len(), times.len());
    let begins = |i: &usize| luma[*i] > 128 && (*i == 0 || luma[i - 1] <= 128);
    let flashes = (0..luma.len()).filter(begins).map(|i| times[i]).collect();
    // aresample puts sound where its timestamps say, as a player does, without stretching it.
    let filter = "aresample=async=1:min_hard_comp=0.001:first_pts=0,pan=mono|c0=c0";
    let sound = ["-map", "0:a:0", "-af", filter, "-f", "s16le", "-ar", "48000", "-"];
    let (pcm, _) = ffmpeg(&[&input[..], &sound].concat());
    let samples: Vec<i16> = pcm.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let mut beeps = Vec::new();
    let mut quiet = usize::MAX / 2;
    for (i, sample) in samples.iter().enumerate() {
        // A fifth of the beep's height: what lossy codecs smear in front of it is lower.
        if sample.unsigned_abs() > 5000 {
            // Silence is longer than this in all clips, also at four times the speed.
            if quiet > 48 * 60 {
                beeps.push(i as f64 / 48_000.0);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    (flashes, beeps)
}

/// Every flash has its beep within 5 ms, and there are as many as are due. `grid`: how far the new frame rate
/// moves a flash by itself, in seconds: half a frame where the old instants do not lie on the new grid.
fn in_sync(name: &str, source: &Path, settings: &Transcode, container: &str, due: usize, grid: f64) {
    let folder = tempfile::tempdir().unwrap();
    let out = made(source, settings, folder.path(), &format!("out.{container}"));
    let (flashes, beeps) = flashes_and_beeps(&out);
    assert_eq!((flashes.len(), beeps.len()), (due, due), "{name}: {flashes:.3?} {beeps:.3?}");
    let off: Vec<f64> = flashes.iter().zip(&beeps).map(|(flash, beep)| (beep - flash) * 1e3).collect();
    let worst = off.iter().fold(0.0_f64, |worst, off| worst.max(off.abs()));
    println!("{name}: {due} flashes, worst {worst:.1} ms");
    assert!(worst <= 5.0 + grid * 1e3, "{name}: beeps are off by {off:.1?} ms");
}

#[test]
fn frame_rates_keep_sound_with_its_picture() {
    oracle!("frame rates and sync");
    let to = |num, den| Transcode::new().video(quick().frame_rate(rate(num, den)));
    let pal = flash_clip("mp4", (25, 1), 0.4);
    in_sync("25 to 30", &pal, &to(30, 1), "mp4", 10, 0.0);
    in_sync("25 to 50", &pal, &to(50, 1), "mkv", 10, 0.0);
    in_sync("25 to 60000/1001", &pal, &to(60_000, 1001), "mp4", 10, 1001.0 / 120_000.0);
    in_sync("30 to 24", &flash_clip("mp4", (30, 1), 0.5), &to(24, 1), "mp4", 8, 0.0);
    let ntsc = flash_clip("mp4", (30_000, 1001), 0.5);
    in_sync("30000/1001 to 60000/1001", &ntsc, &to(60_000, 1001), "mp4", 8, 0.0);
}

#[test]
fn speed_keeps_sound_with_its_picture() {
    oracle!("speed and sync");
    let clip = flash_clip("mp4", (25, 1), 0.4);
    for speed in [0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 4.0] {
        let settings = Transcode::new().video(quick()).speed(speed);
        in_sync(&format!("speed {speed}"), &clip, &settings, "mp4", 10, 0.0);
    }
    let ntsc = flash_clip("mkv", (30_000, 1001), 0.5);
    for (container, codec) in [("mp4", AudioCodec::Opus), ("mkv", AudioCodec::Mp3), ("ts", AudioCodec::Aac)] {
        let settings = Transcode::new().video(quick()).audio(audio(codec)).speed(1.5);
        in_sync(&format!("speed 1.5 in {container}"), &ntsc, &settings, container, 8, 0.0);
    }
    let ranges = |t: Transcode, (from, to)| t.keep(TimeRange::secs(from, to).unwrap());
    let two = [(0.3, 1.1), (1.9, 3.13)].into_iter().fold(Transcode::new().video(quick()), ranges);
    for speed in [0.7, 2.0] {
        in_sync(&format!("two ranges, speed {speed}"), &clip, &two.clone().speed(speed), "mp4", 5, 0.0);
    }
}

#[test]
fn ranges_keep_sound_with_their_picture() {
    oracle!("ranges and sync");
    let clip = flash_clip("mp4", (25, 1), 0.4);
    let keep = |ranges: &[(f64, f64)]| {
        let settings = Transcode::new().video(quick());
        ranges.iter().fold(settings, |s, (from, to)| s.keep(TimeRange::secs(*from, *to).unwrap()))
    };
    for container in ["mp4", "mkv", "ts"] {
        in_sync(&format!("one range, {container}"), &clip, &keep(&[(0.6, 2.9)]), container, 6, 0.0);
        let two = keep(&[(0.3, 1.1), (1.9, 3.13)]);
        in_sync(&format!("two ranges, {container}"), &clip, &two, container, 5, 0.0);
        // Backward, and on no frame's edge.
        let odd = keep(&[(2.111, 3.013), (0.317, 1.019)]);
        in_sync(&format!("odd ranges, {container}"), &clip, &odd, container, 4, 0.02);
    }
}

#[test]
fn containers_and_codecs_keep_sound_with_its_picture() {
    oracle!("containers and sync");
    for from in ["mp4", "mkv", "ts"] {
        let clip = flash_clip(from, (25, 1), 0.4);
        for to in ["mp4", "mkv", "ts"] {
            let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Aac));
            in_sync(&format!("{from} to {to}"), &clip, &settings, to, 10, 0.0);
            // The sound alone is encoded, the picture is copied.
            let settings = Transcode::new().audio(audio(AudioCodec::Aac));
            in_sync(&format!("{from} to {to}, picture copied"), &clip, &settings, to, 10, 0.0);
        }
    }
    let clip = flash_clip("mp4", (25, 1), 0.4);
    for (codec, containers) in [
        (AudioCodec::Opus, &["mp4", "mkv"][..]),
        (AudioCodec::Mp3, &["mp4", "mkv", "ts"]),
        (AudioCodec::Flac, &["mkv"]),
    ] {
        for container in containers {
            let settings = Transcode::new().video(quick()).audio(audio(codec.clone()));
            // In 5.1 libav's muxer states Opus' priming in Matroska (6.5 ms) and shifts all by it as well;
            // the command's file is the same.
            let more = if codec == AudioCodec::Opus && *container == "mkv" { 0.0025 } else { 0.0 };
            in_sync(&format!("{codec:?} in {container}"), &clip, &settings, container, 10, more);
            // The picture's copy has B-frames, and the sound another clock.
            let settings = Transcode::new().audio(audio(codec.clone()).sample_rate(48_000));
            in_sync(
                &format!("{codec:?} beside a copy in {container}"),
                &clip,
                &settings,
                container,
                10,
                more,
            );
        }
    }
}

/// The durations of all packets of sound, in samples, but the last one's.
fn frame_lengths(path: &Path) -> Vec<i64> {
    let sound = common::packets(path).into_iter().filter(|packet| packet.stream == 1);
    let times: Vec<i64> = sound.map(|packet| packet.pts.unwrap()).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn sound_that_changes_its_rate_stays_with_its_picture() {
    oracle!("sound of another rate");
    let clip = flash_clip("mp4", (25, 1), 0.4);
    let folder = tempfile::tempdir().unwrap();
    let mut whole = Vec::new();
    for (i, rate) in ["44100", "48000", "44100"].into_iter().enumerate() {
        let part = folder.path().join(format!("{i}.ts"));
        let offset = (1.0 + i as f64 * 4.0).to_string();
        let arguments = ["-c:v", "copy", "-c:a", "aac", "-ar", rate, "-output_ts_offset", &offset];
        let ends = ["-muxdelay", "0", "-muxpreload", "0", part.to_str().unwrap()];
        ffmpeg(&[&["-i", clip.to_str().unwrap()], &arguments[..], &ends].concat());
        whole.extend(std::fs::read(part).unwrap());
    }
    let source = folder.path().join("whole.ts");
    std::fs::write(&source, whole).unwrap();
    let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Aac));
    in_sync("a changing rate", &source, &settings, "mp4", 30, 0.0);
    // A frame cut short at a seam would make all that comes behind it early in players that go by samples.
    let lengths = frame_lengths(&made(&source, &settings, folder.path(), "out.mp4"));
    let odd: Vec<_> = lengths.iter().enumerate().filter(|(_, length)| **length != 1024).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

#[test]
fn transitions_keep_sound_with_its_picture() {
    oracle!("transitions and sync");
    let clip = flash_clip("mp4", (25, 1), 0.4);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mp4");
    let sources = [(); 3].map(|()| Source::open(&clip).unwrap());
    let fade = avrope::transcode::Transition::new("fade", std::time::Duration::from_secs_f64(0.48));
    let settings = Transcode::new().video(quick());
    let control = Control::default();
    let report =
        avrope::join_with_transition_to(&sources, &fade, &settings, Sink::file(&out), &control).unwrap();
    let length = Media::open(Source::open(&clip).unwrap()).unwrap().duration().unwrap().as_secs_f64();
    assert!(
        (report.duration.as_secs_f64() - (3.0 * length - 0.96)).abs() < 1e-6,
        "{} of {length}",
        report.duration.as_secs_f64()
    );
    let (flashes, beeps) = flashes_and_beeps(&out);
    // Before the first and behind the last transition each flash has its beep; inside, both are half as
    // strong.
    let whole = |time: &&f64| **time < length - 0.53 || **time > 2.0 * length - 0.43;
    let clear = |times: &[f64]| times.iter().filter(whole).copied().collect::<Vec<_>>();
    let (flashes, beeps) = (clear(&flashes), clear(&beeps));
    assert!(flashes.len() > 10 && flashes.len() == beeps.len(), "{flashes:.3?} {beeps:.3?}");
    let worst = flashes.iter().zip(&beeps).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= 0.005, "{worst} s, {flashes:.3?} {beeps:.3?}");
    assert!(frame_lengths(&out).iter().all(|length| *length == 1024));
    let one = avrope::join_with_transition(&sources[..1], &fade, &settings, &control).unwrap_err();
    assert_eq!(one.kind(), ErrorKind::InvalidArgument);
    let unknown = avrope::transcode::Transition::new("no_such", std::time::Duration::from_secs_f64(0.5));
    assert!(avrope::join_with_transition(&sources, &unknown, &settings, &control).is_err());
    let long = avrope::transcode::Transition::new("fade", std::time::Duration::from_secs_f64(9.0));
    assert_eq!(
        avrope::join_with_transition(&sources, &long, &settings, &control).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}
