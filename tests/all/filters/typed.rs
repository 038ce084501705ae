//! Typed filters.

use super::*;

#[test]
fn shapes_change_as_they_should() {
    oracle!("shapes");
    let plain = ["blue", "green", "green", "green"];
    assert_eq!(pictures(&[], SIZE).corners(0), plain);
    let crop = VideoFilter::Crop { x: 80, y: 48, width: 60, height: 40 };
    assert_eq!(pictures(&[crop], (60, 40)).corners(0), green()[..]);
    let pad = VideoFilter::Pad { width: 200, height: 120, color: "#ff0000".into() };
    let padded = pictures(&[pad], (200, 120));
    assert_eq!((padded.corners(0), padded.at(0, 30, 20)), (["red"; 4], "blue"));
    for (degrees, size, corners) in [
        (90.0, (96, 160), ["green", "blue", "green", "green"]),
        (-90.0, (96, 160), ["green", "green", "blue", "green"]),
        (180.0, SIZE, ["green", "green", "green", "blue"]),
        (45.0, SIZE, ["black"; 4]),
    ] {
        assert_eq!(pictures(&[VideoFilter::Rotate { degrees }], size).corners(0), corners, "{degrees}");
    }
    let across = pictures(&[VideoFilter::Flip { horizontal: true }], SIZE);
    assert_eq!(across.corners(0), ["green", "blue", "green", "green"]);
    // In their order: first flipped, then cropped.
    let down = VideoFilter::Flip { horizontal: false };
    let lower = VideoFilter::Crop { x: 0, y: 48, width: 160, height: 48 };
    assert_eq!(pictures(&[down, lower], (160, 48)).corners(0), ["blue", "green", "blue", "green"]);
    let graph = VideoFilter::Graph("split[a][b];[a]hflip[c];[b][c]hstack".into());
    let twice = pictures(&[graph, VideoFilter::Flip { horizontal: false }], (320, 96));
    assert_eq!(twice.corners(0), ["green", "green", "blue", "blue"]);
}

#[test]
fn pictures_and_sound_fade_and_stay_in_sync() {
    oracle!("fades");
    let (early, late, half) = (Timestamp::ZERO, seconds(1.5), std::time::Duration::from_millis(500));
    let video = [
        VideoFilter::FadeIn { from: early, duration: half },
        VideoFilter::FadeOut { from: late, duration: half },
    ];
    let audio = [
        AudioFilter::FadeIn { from: early, duration: half },
        AudioFilter::FadeOut { from: late, duration: half },
    ];
    let mut settings = filtered(&video);
    settings = settings
        .audio(audio.into_iter().fold(AudioSettings::new().codec(AudioCodec::Pcm), AudioSettings::apply));
    let folder = tempfile::tempdir().unwrap();
    let made = transcode(&open(&clip()), &settings, &Control::default()).unwrap();
    let path = save(&made, folder.path(), "out.mkv");
    let seen = Pictures::of(&path, SIZE);
    assert_eq!(seen.count(), 50);
    assert_eq!([0, 49].map(|n| seen.corners(n)[3]), ["black"; 2]);
    assert_eq!([13, 25, 37].map(|n| seen.corners(n)[3]), ["green"; 3]);
    let heard = samples(&path);
    assert_eq!(heard.len(), 96_000);
    let level = |from: f64, to: f64| loudest(&heard[(from * 48e3) as usize..(to * 48e3) as usize]);
    let full = level(0.9, 1.1);
    assert!(full > 0.05, "{full}");
    assert!(level(0.0, 0.01) < full * 0.05 && level(1.99, 2.0) < full * 0.05);
    assert!((level(0.24, 0.26) / full - 0.5).abs() < 0.1, "half-way in");
    // Times are what they were.
    let times = |path: &Path| -> Vec<i64> {
        common::frames(path, "0:v").iter().map(|frame| (frame.time * 1000.0).round() as i64).collect()
    };
    assert_eq!(times(&path), times(&clip()));
}

#[test]
fn a_trim_closes_up_and_keeps_sync() {
    oracle!("trim");
    let folder = tempfile::tempdir().unwrap();
    // A flash and a beep at 1 s, and pictures that tell their number.
    let graph = "testsrc2=s=160x96:r=25:d=3,drawbox=c=white:t=fill:enable='between(t,1,1.039)'[out0];\
                 sine=1000:d=3:r=48000,volume='between(t,1,1.04)':eval=frame,asetnsamples=480[out1]";
    let rest = ["-c:v", "ffv1", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"];
    let mkv = made_by_ffmpeg("flash.mkv", &[&["-f", "lavfi", "-i", graph], &rest[..]].concat());
    let rest = ["-c:v", "mpeg4", "-q:v", "2", "-bf", "2", "-c:a", "pcm_s16le"];
    let mov = made_by_ffmpeg("flash.mov", &[&["-f", "lavfi", "-i", graph], &rest[..]].concat());
    let run = |path: &Path, video: &[VideoFilter], audio: &[AudioFilter]| {
        let sound =
            audio.iter().cloned().fold(AudioSettings::new().codec(AudioCodec::Pcm), AudioSettings::apply);
        let settings = filtered(video).bit_exact(true).audio(sound);
        let made = transcode(&open(path), &settings, &Control::default()).unwrap();
        assert_eq!(made.report.warnings, Vec::<String>::new());
        save(&made, folder.path(), "out.mkv")
    };
    let wanted = |path: &Path, video: &str, audio: &str| {
        let out = folder.path().join("wanted.mkv");
        let arguments = ["-i", path.to_str().unwrap(), "-vf", video, "-af", audio, "-c:v", "ffv1"];
        let rest = ["-c:a", "pcm_s16le", "-fps_mode", "passthrough", out.to_str().unwrap()];
        ffmpeg(&[&arguments[..], &rest].concat());
        out
    };
    for path in [&mkv, &mov] {
        for (from, to) in [(0.48, 2.0), (0.0, 1.2), (0.96, 1.24)] {
            let range = TimeRange::secs(from, to).unwrap();
            let ours = run(path, &[VideoFilter::Trim(range)], &[AudioFilter::Trim(range)]);
            let trim = |a: &str| format!("{a}trim=start={from}:end={to},{a}setpts=PTS-STARTPTS");
            let theirs = wanted(path, &trim(""), &trim("a"));
            let name = format!("{} {range}", path.display());
            assert_eq!(common::frames(&ours, "0:v"), common::frames(&theirs, "0:v"), "{name}");
            assert_eq!(samples(&ours), samples(&theirs), "{name}");
        }
        // A range that begins between two pictures: the flash stays with its beep. Another filter counts from
        // its beginning.
        let range = TimeRange::secs(0.51, 2.5).unwrap();
        let again = TimeRange { from: seconds(0.21), to: Timestamp::MAX };
        let ours = run(
            path,
            &[VideoFilter::Trim(range), VideoFilter::Trim(again)],
            &[AudioFilter::Trim(range), AudioFilter::Trim(again)],
        );
        let seen = Pictures::of(&ours, SIZE);
        let frames = common::frames(&ours, "0:v");
        let flash = (0..seen.count()).find(|n| seen.corners(*n) == ["white"; 4]).unwrap();
        let heard = samples(&ours);
        let beep = |heard: &[f32]| heard.iter().position(|sample| sample.abs() > 0.02).unwrap() as f64 / 48e3;
        assert!((frames[flash].time - 0.28).abs() < 0.0011, "{}", frames[flash].time);
        assert!((beep(&samples(path)) - beep(&heard) - 0.72).abs() < 1e-4);
        assert_eq!(heard.len(), (1.78 * 48e3) as usize);
    }
    // With nothing in it: an error or a file without pictures, no crash.
    let behind = TimeRange::secs(50.0, 60.0).unwrap();
    let _ = transcode(&open(&mkv), &filtered(&[VideoFilter::Trim(behind)]), &Control::default());
    let json = serde_json::to_string(&filtered(&[VideoFilter::Trim(behind)])).unwrap();
    assert_eq!(serde_json::from_str::<Transcode>(&json).unwrap(), filtered(&[VideoFilter::Trim(behind)]));
}

#[test]
fn a_volume_is_in_decibels() {
    oracle!("volume");
    let folder = tempfile::tempdir().unwrap();
    let made =
        transcode(&open(&clip()), &sounding(&[AudioFilter::Volume { db: -20.0 }]), &Control::default());
    let (before, after) = (samples(&clip()), samples(&save(&made.unwrap(), folder.path(), "out.mkv")));
    assert_eq!(before.len(), after.len());
    assert!((loudest(&before) / loudest(&after) - 10.0).abs() < 0.2);
}

/// The same as a text of its own: pixels change where letters are.
#[test]
fn a_hostile_text_is_shown_and_opens_nothing() {
    oracle!("text");
    let text = |text: &str| VideoFilter::Text {
        text: text.into(),
        x: 4,
        y: 4,
        size: 16,
        color: "white".into(),
        font: None,
    };
    match transcode(&open(&clip()), &filtered(&[text("M")]), &Control::default()) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::Unsupported => return eprintln!("SKIPPED: {e}"),
        Err(e) => panic!("{e}"),
    }
    let plain = pictures(&[], SIZE);
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("made");
    let file = victim.to_str().unwrap();
    let hostile = [
        "' : \\ % { } [ ] ; ,".to_owned(),
        "%{pts} %{expr:1} %%".to_owned(),
        "a\nb".to_owned(),
        "it's 10:30; [in]null[out], 'x'".to_owned(),
        "\\".to_owned(),
        "'".to_owned(),
        "\\'".to_owned(),
        " , ".to_owned() + "M",
        "x:textfile=/etc/hostname".to_owned(),
        format!("x,metadata=print:file={file}"),
        format!("x',metadata=print:file={file},drawtext=text='x"),
        format!("x\\,metadata=print:file={file}"),
        format!("x\\\\,metadata=print:file={file}"),
        format!("[a];[a]metadata=print:file={file}"),
    ];
    let mut shown = Vec::new();
    for text_given in &hostile {
        let seen = pictures(&[text(text_given)], SIZE);
        assert_eq!(seen.count(), 50);
        assert_ne!(seen.picture(0), plain.picture(0), "{text_given:?} is not seen");
        // Nothing in it is put in by libav: a time would change.
        assert_eq!(seen.picture(0), seen.picture(49), "{text_given:?}");
        assert!(!victim.exists(), "{text_given:?} opened a file");
        shown.push(seen.picture(0).to_vec());
    }
    // Each is shown as it is: none lost what sets it apart.
    for (i, one) in shown.iter().enumerate().take(8) {
        assert!(shown.iter().take(i).all(|other| other != one), "{:?}", hostile[i]);
    }
    // As drawtext shows it from a file, which no parser looks into.
    for (i, text_given) in hostile.iter().enumerate() {
        let given = folder.path().join(format!("text{i}"));
        std::fs::write(&given, text_given).unwrap();
        let graph = format!(
            "drawtext=expansion=none:textfile={}:x=4:y=4:fontsize=16:fontcolor=white",
            given.display()
        );
        let wanted = pictures(&[VideoFilter::Graph(graph)], SIZE);
        assert_eq!(wanted.picture(0), shown[i], "{text_given:?}");
    }
}
