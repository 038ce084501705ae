//! Typed filters, loudness and watermarks: what they do to pixels and samples, as ffmpeg decodes them.

mod common;

use avrope::{
    AtEnd, AudioCodec, AudioFilter, AudioSettings, CancelToken, Control, ErrorKind, Frame, Loudness, Overlay,
    Position, Rational, Source, Stage, TimeRange, Timestamp, Transcode, Transcoder, VideoCodec, VideoFilter,
    VideoSettings, transcode,
};
use common::{ffmpeg, ffprobe, made_by_ffmpeg, open, save};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

const SIZE: (usize, usize) = (160, 96);

/// Two seconds: a green picture with a blue top left quarter, and a tone.
fn clip() -> PathBuf {
    let graph = "color=0x00c000:s=160x96:r=25:d=2,drawbox=0:0:80:48:0x0000f0:fill";
    let sound = "sine=440:d=2:r=48000,volume=0.8";
    let (lavfi, pcm) = (["-f", "lavfi", "-i"], ["-c:v", "ffv1", "-c:a", "pcm_s16le", "-pix_fmt", "yuv444p"]);
    made_by_ffmpeg("blue-corner.mkv", &[&lavfi[..], &[graph], &lavfi, &[sound], &pcm].concat())
}

/// A lossless transcode of the video, through these filters.
fn filtered(filters: &[VideoFilter]) -> Transcode {
    let video = VideoSettings::new().codec(VideoCodec::Ffv1);
    let video = filters.iter().cloned().fold(video, VideoSettings::apply);
    Transcode::new().format("mkv").video(video)
}

fn sounding(filters: &[AudioFilter]) -> Transcode {
    let audio =
        filters.iter().cloned().fold(AudioSettings::new().codec(AudioCodec::Pcm), AudioSettings::apply);
    Transcode::new().format("mkv").audio(audio)
}

/// Decoded pictures, as ffmpeg sees them.
struct Pictures {
    rgb: Vec<u8>,
    size: (usize, usize),
}

impl Pictures {
    fn of(path: &Path, size: (usize, usize)) -> Self {
        let streams = ffprobe(path, &["-select_streams", "v", "-show_entries", "stream=width,height"]);
        let found = |key: &str| streams["streams"][0][key].as_u64().unwrap() as usize;
        assert_eq!((found("width"), found("height")), size);
        let raw = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        let rgb = ffmpeg(&[&["-i", path.to_str().unwrap()], &raw[..]].concat()).0;
        Self { rgb, size }
    }

    fn count(&self) -> usize {
        self.rgb.len() / (self.size.0 * self.size.1 * 3)
    }

    fn picture(&self, n: usize) -> &[u8] {
        let len = self.size.0 * self.size.1 * 3;
        &self.rgb[n * len..(n + 1) * len]
    }

    /// Which colour a pixel mostly is.
    fn at(&self, n: usize, x: usize, y: usize) -> &'static str {
        let pixel = &self.picture(n)[(y * self.size.0 + x) * 3..][..3];
        match [pixel[0], pixel[1], pixel[2]].map(|v| v > 100) {
            [false, false, false] => "black",
            [true, false, false] => "red",
            [false, true, false] => "green",
            [false, false, true] => "blue",
            [true, true, true] => "white",
            _ => "mixed",
        }
    }

    fn corners(&self, n: usize) -> [&'static str; 4] {
        let (w, h) = self.size;
        [self.at(n, 2, 2), self.at(n, w - 3, 2), self.at(n, 2, h - 3), self.at(n, w - 3, h - 3)]
    }
}

/// What a filter makes of the clip.
fn pictures(filters: &[VideoFilter], size: (usize, usize)) -> Pictures {
    let folder = tempfile::tempdir().unwrap();
    let made = transcode(&open(&clip()), &filtered(filters), &Control::default()).unwrap();
    Pictures::of(&save(&made, folder.path(), "out.mkv"), size)
}

/// The first channel's samples.
fn samples(path: &Path) -> Vec<f32> {
    let raw = ["-map", "0:a", "-ac", "1", "-f", "f32le", "-"];
    let bytes = ffmpeg(&[&["-i", path.to_str().unwrap()], &raw[..]].concat()).0;
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, sample| most.max(sample.abs()))
}

fn seconds(s: f64) -> Timestamp {
    Timestamp::from_secs(s).unwrap()
}

fn green() -> Vec<&'static str> {
    vec!["green"; 4]
}

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
    let (early, late, half) = (Timestamp::ZERO, seconds(1.5), seconds(0.5));
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
        // A range that begins between two pictures: the flash stays with its beep. Another filter counts from its beginning.
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

/// Integrated loudness, by ffmpeg's own filter.
fn loudness(path: &Path) -> (f64, f64) {
    let arguments =
        ["-v", "info", "-i", path.to_str().unwrap(), "-af", "ebur128=peak=true", "-f", "null", "-"];
    let (_, log) = ffmpeg(&arguments);
    let summary = log.rsplit("Summary:").next().unwrap();
    let value = |name: &str| -> f64 {
        let line = summary.lines().find_map(|line| line.trim().strip_prefix(name)).expect(name);
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (value("I:"), value("Peak:"))
}

fn noise(name: &str, graph: &str) -> PathBuf {
    made_by_ffmpeg(name, &["-f", "lavfi", "-i", graph, "-c:a", "pcm_s16le", "-ar", "44100"])
}

#[test]
fn loudness_is_met() {
    oracle!("loudness");
    let folder = tempfile::tempdir().unwrap();
    let steady = noise("steady.wav", "anoisesrc=c=pink:seed=3:a=0.1:d=12:r=44100");
    // Soft, then loud: two levels 15 dB apart.
    let stepped = noise(
        "stepped.wav",
        "anoisesrc=c=pink:seed=5:a=0.4:d=16:r=44100,volume='if(lt(t,8),0.18,1)':eval=frame",
    );
    // Peaks far above the rest: one gain would clip them.
    let peaky = noise(
        "peaky.wav",
        "anoisesrc=c=pink:seed=4:a=0.03:d=16:r=44100,volume='if(lt(mod(t,2),0.01),25,1)':eval=frame",
    );
    let tone = noise("tone.wav", "sine=997:d=6:r=44100");
    for (path, target) in [
        (&steady, -23.0),
        (&steady, -16.0),
        (&stepped, -20.0),
        (&peaky, -16.0),
        (&tone, -23.0),
        (&tone, -14.0),
    ] {
        let (before, _) = loudness(path);
        let filters = [AudioFilter::Loudness(Loudness::new(target))];
        let made = transcode(&open(path), &sounding(&filters).format("wav"), &Control::default()).unwrap();
        let out = save(&made, folder.path(), "out.wav");
        let (after, peak) = loudness(&out);
        eprintln!("{}: {before} -> {after} LUFS, peak {peak} (target {target})", path.display());
        assert!((after - target).abs() <= 0.5, "{}: {before} -> {after}, not {target}", path.display());
        assert!(peak <= -0.9, "{}: a peak of {peak}", path.display());
        let info = open(&out).info().clone();
        assert_eq!(info.streams[0].sample_rate, Some(44_100));
        assert_eq!(samples(&out).len(), samples(path).len(), "{}: as long as before", path.display());
    }
}

#[test]
fn what_is_measured_is_what_is_kept() {
    oracle!("loudness of a range");
    let folder = tempfile::tempdir().unwrap();
    let stepped = noise(
        "stepped.wav",
        "anoisesrc=c=pink:seed=5:a=0.4:d=16:r=44100,volume='if(lt(t,8),0.18,1)':eval=frame",
    );
    let audio = AudioSettings::new()
        .codec(AudioCodec::Pcm)
        .channels(2)
        .apply(AudioFilter::Volume { db: -6.0 })
        .apply(AudioFilter::Loudness(Loudness::default()));
    let soft = TimeRange::secs(1.0, 7.5).unwrap();
    let stages = Arc::new(Mutex::new(Vec::new()));
    let told = stages.clone();
    let control = Control::new().progress(move |p| {
        assert!(p.total == 0 || p.done <= p.total);
        told.lock().unwrap().push(p.stage);
    });
    let settings = Transcode::new().format("wav").audio(audio).keep(soft);
    let made = transcode(&open(&stepped), &settings, &control).unwrap();
    let (after, _) = loudness(&save(&made, folder.path(), "out.wav"));
    assert!((after + 23.0).abs() <= 0.5, "{after}");
    let mut stages = stages.lock().unwrap().clone();
    stages.dedup();
    assert_eq!(stages, [Stage::Measure, Stage::Transcode]);
}

#[test]
fn both_passes_can_be_cancelled() {
    oracle!("cancel");
    let path = noise("steady.wav", "anoisesrc=c=pink:seed=3:a=0.1:d=12:r=44100");
    let filters = [AudioFilter::Loudness(Loudness::default())];
    for stage in [Stage::Measure, Stage::Transcode] {
        let token = CancelToken::new();
        let cancel = token.clone();
        let control = Control::new().cancel(token).progress(move |p| {
            if p.stage == stage {
                cancel.cancel();
            }
        });
        let error = transcode(&open(&path), &sounding(&filters), &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{stage:?}: {error}");
    }
    let late = Control::new().timeout(std::time::Duration::from_millis(1));
    let error = transcode(&open(&path), &sounding(&filters), &late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[test]
fn silence_and_streams_have_no_two_passes() {
    oracle!("silence");
    let filters = [AudioFilter::Loudness(Loudness::default())];
    let silent = noise("silent.wav", "anullsrc=r=44100:d=2");
    let made = transcode(&open(&silent), &sounding(&filters), &Control::default()).unwrap();
    assert!(made.report.warnings.iter().any(|w| w.contains("silent")), "{:?}", made.report.warnings);
    let path = noise("steady.wav", "anoisesrc=c=pink:seed=3:a=0.1:d=12:r=44100");
    let stream = Source::from_reader(std::fs::File::open(&path).unwrap(), "pipe.wav");
    let media = avrope::Media::open(stream).unwrap();
    let made = transcode(&media, &sounding(&filters), &Control::default()).unwrap();
    assert!(made.report.warnings.iter().any(|w| w.contains("only once")), "{:?}", made.report.warnings);
}

/// A picture file of one colour.
fn picture(name: &str, color: &str, size: &str) -> PathBuf {
    made_by_ffmpeg(
        name,
        &["-f", "lavfi", "-i", &format!("color={color}:s={size}:d=1,format=rgba"), "-frames:v", "1"],
    )
}

#[test]
fn a_watermark_lies_where_and_when_it_should() {
    oracle!("watermark");
    let folder = tempfile::tempdir().unwrap();
    let logo = Frame::from_picture(Source::open(picture("logo.png", "red", "20x12")).unwrap()).unwrap();
    assert_eq!((logo.width(), logo.height()), (20, 12));
    let media = open(&clip());
    let run = |overlay: Overlay, settings: &Transcode, size| {
        let transcoder = Transcoder::new(&media, settings).watermark(&logo, overlay).unwrap();
        let made = transcoder.run(&Control::default()).unwrap();
        let path = save(&made, folder.path(), "out.mkv");
        assert_eq!(samples(&path).len(), 96_000);
        Pictures::of(&path, size)
    };
    let flat = Overlay::new().margin(0);
    for (position, corner) in [
        (Position::TopLeft, 0),
        (Position::TopRight, 1),
        (Position::BottomLeft, 2),
        (Position::BottomRight, 3),
    ] {
        let seen = run(flat.position(position), &filtered(&[]), SIZE);
        assert_eq!(seen.count(), 50);
        let mut wanted = ["blue", "green", "green", "green"];
        wanted[corner] = "red";
        for n in [0, 24, 49] {
            assert_eq!(seen.corners(n), wanted, "{position:?}, picture {n}");
        }
    }
    let centre = run(Overlay::new().position(Position::Center), &filtered(&[]), SIZE);
    assert_eq!((centre.at(0, 80, 48), centre.at(0, 95, 48)), ("red", "green"));
    let margin = run(Overlay::new().margin(10), &filtered(&[]), SIZE);
    assert_eq!([145, 155].map(|x| margin.at(0, x, 80)), ["red", "green"]);
    let at = run(Overlay::new().position(Position::At { x: 100, y: 60 }), &filtered(&[]), SIZE);
    assert_eq!([99, 100, 119, 120].map(|x| at.at(0, x, 66)), ["green", "red", "red", "green"]);
    // Half of green shines through red.
    let half = run(flat.opacity(0.5), &filtered(&[]), SIZE);
    let pixel = &half.picture(0)[(93 * 160 + 157) * 3..][..3];
    assert!(pixel[0].abs_diff(127) < 12 && pixel[1].abs_diff(96) < 12, "{pixel:?}");
    // From 0.4 s up to 1.2 s, on the clock of what comes out, at the size that comes out.
    let when = flat.during(TimeRange::secs(0.4, 1.2).unwrap());
    let settings = filtered(&[]).video(VideoSettings::new().codec(VideoCodec::Ffv1).size(80, 48));
    let timed = run(when, &settings, (80, 48));
    let seen = [9, 10, 29, 30].map(|n| timed.corners(n)[3]);
    assert_eq!(seen, ["green", "red", "red", "green"]);
    assert_eq!(timed.at(0, 57, 45), "green");
    assert_eq!((timed.at(20, 61, 37), timed.at(20, 58, 34)), ("red", "green"));
}

#[test]
fn watermarks_lie_over_each_other_and_do_not_change_times() {
    oracle!("two watermarks");
    let folder = tempfile::tempdir().unwrap();
    let media = open(&clip());
    let red = Frame::from_picture(Source::open(picture("logo.png", "red", "20x12")).unwrap()).unwrap();
    let white = Frame::from_picture(Source::open(picture("small.png", "white", "8x8")).unwrap()).unwrap();
    let flat = Overlay::new().margin(0);
    let video = VideoSettings::new().codec(VideoCodec::H264).frame_rate(Rational::new(25, 1).unwrap());
    let settings = Transcode::new().format("mp4").video(video).keep(TimeRange::secs(0.5, 1.5).unwrap());
    let transcoder = Transcoder::new(&media, &settings).watermark(&red, flat).unwrap();
    let made = transcoder.watermark(&white, flat).unwrap().run(&Control::default()).unwrap();
    let path = save(&made, folder.path(), "out.mp4");
    let seen = Pictures::of(&path, SIZE);
    assert_eq!((seen.count(), seen.corners(0)[3], seen.at(24, 145, 90)), (25, "white", "red"));
    let times: Vec<i64> =
        common::frames(&path, "0:v").iter().map(|frame| (frame.time * 1000.0).round() as i64).collect();
    assert_eq!(times, (0..25).map(|n| n * 40).collect::<Vec<_>>());
}

/// Two seconds of a moving pattern, at so many pictures a second.
fn pattern(rate: u32) -> PathBuf {
    let graph = format!("testsrc2=s=160x96:r={rate}:d=2,format=yuv420p");
    made_by_ffmpeg(&format!("pattern{rate}.mkv"), &["-f", "lavfi", "-i", &graph, "-c:v", "ffv1"])
}

/// A second source from a graph of libavfilter's.
fn second(name: &str, graph: &str, rest: &[&str]) -> PathBuf {
    made_by_ffmpeg(name, &[&["-f", "lavfi", "-i", graph], rest].concat())
}

fn lossless() -> Transcode {
    Transcode::new().format("mkv").video(VideoSettings::new().codec(VideoCodec::Ffv1)).bit_exact(true)
}

/// What lies over the pattern is what ffmpeg lays there: the same pictures at the same times.
fn lies_as_in_ffmpeg(name: &str, main: &Path, second: &Path, input: &[&str], graph: &str, overlay: Overlay) {
    let folder = tempfile::tempdir().unwrap();
    let media = open(main);
    let settings = lossless();
    let job = Transcoder::new(&media, &settings).watermark(Source::open(second).unwrap(), overlay).unwrap();
    let made = job.run(&Control::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!((made.report.decode_errors, made.report.warnings.len()), (0, 0), "{name}: {:?}", made.report);
    let ours = common::frames(&save(&made, folder.path(), "out.mkv"), "0:v");
    let wanted = folder.path().join("wanted.mkv");
    let graph = format!("sws_flags=bicubic+accurate_rnd+bitexact;{graph}");
    let mut arguments = vec!["-i", main.to_str().unwrap()];
    arguments.extend(input);
    arguments.extend(["-i", second.to_str().unwrap(), "-filter_complex", &graph, "-an"]);
    arguments.extend(["-c:v", "ffv1", "-fps_mode", "passthrough", wanted.to_str().unwrap()]);
    ffmpeg(&arguments);
    let theirs = common::frames(&wanted, "0:v");
    let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    assert_eq!(
        (ours.len(), same),
        (theirs.len(), theirs.len()),
        "{name}: they differ from picture {same} on"
    );
    let plain = common::frames(main, "0:v");
    assert_eq!(ours.len(), plain.len(), "{name}");
    assert!(ours.iter().zip(&plain).any(|(a, b)| a.hash != b.hash), "{name}: it is not seen");
}

#[test]
fn a_second_video_lies_over_the_first_in_time() {
    oracle!("second video");
    let size = "s=48x32";
    let source = |rate: u32, length: f64| format!("testsrc={size}:r={rate}:d={length},format=yuv420p");
    let ffv1 = ["-c:v", "ffv1"];
    let whole = second("whole.mkv", &source(25, 2.0), &ffv1);
    let long = second("long.mkv", &source(25, 5.0), &ffv1);
    let short = second("short.mkv", &source(25, 0.8), &ffv1);
    let fast = second("fast.mkv", &source(60, 1.0), &ffv1);
    let late = second(
        "late.mkv",
        &format!("{},setpts=PTS+0.4/TB[out0];sine=d=2[out1]", source(25, 1.0)),
        &["-c:v", "ffv1", "-c:a", "pcm_s16le", "-copyts"],
    );
    let varied = second(
        "varied.mkv",
        &format!("{},select=not(mod(n\\,3))+eq(mod(n\\,7)\\,1)", source(25, 1.6)),
        &["-c:v", "ffv1", "-fps_mode", "passthrough"],
    );
    let mpeg4 = second("short.avi", &source(25, 0.8), &["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"]);
    let mp4 = second("short.mp4", &source(25, 0.8), &["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"]);
    let (p25, p30) = (pattern(25), pattern(30));
    let at = Overlay::new().position(Position::At { x: 10, y: 8 });
    let lay = |eof: &str| format!("[0:v][1:v]overlay=10:8:format=yuv420:eof_action={eof}");
    let (hold, hide) = (lay("repeat"), lay("pass"));
    let ends = [(AtEnd::Hold, &hold), (AtEnd::Hide, &hide)];
    for (end, graph) in ends {
        let at = at.at_end(end);
        for path in [&whole, &short, &fast, &late, &varied, &mpeg4, &mp4] {
            let name = format!("{} {end:?}", path.display());
            lies_as_in_ffmpeg(&name, &p25, path, &[], graph, at);
        }
    }
    for path in [&whole, &short, &mp4] {
        let name = format!("{} over 30 a second", path.display());
        lies_as_in_ffmpeg(&name, &p30, path, &[], &hold, at);
    }
    let cut = "[0:v][1:v]overlay=10:8:format=yuv420:shortest=1";
    for (name, path, input, at) in [
        ("long", &long, &[][..], at),
        ("repeat", &short, &["-stream_loop", "-1"], at.at_end(AtEnd::Repeat)),
        ("repeat mp4", &mp4, &["-stream_loop", "-1"], at.at_end(AtEnd::Repeat)),
    ] {
        lies_as_in_ffmpeg(name, &p25, path, input, cut, at);
    }
    // Its time 0 is the beginning of the range.
    let during = at.during(TimeRange::secs(0.52, 1.4).unwrap());
    for (path, eof) in [(&long, "endall"), (&short, "repeat")] {
        let timed = format!(
            "[1:v]setpts=PTS+0.52/TB[s];[0:v][s]overlay=10:8:format=yuv420:eof_action={eof}:enable='gte(t,0.52)*lt(t,1.4)'"
        );
        lies_as_in_ffmpeg("during", &p25, path, &[], &timed, during);
    }
    // One that would begin behind the end makes nothing longer, and keeps nothing waiting.
    let folder = tempfile::tempdir().unwrap();
    let (media, settings) = (open(&p25), lossless());
    for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
        let never = at.during(TimeRange::secs(10.0, 20.0).unwrap()).at_end(end);
        let job = Transcoder::new(&media, &settings).watermark(Source::open(&short).unwrap(), never).unwrap();
        let made = save(&job.run(&Control::default()).unwrap(), folder.path(), "never.mkv");
        assert_eq!(common::frames(&made, "0:v"), common::frames(&p25, "0:v"), "{end:?}");
    }
    // Of a part of the width, or so wide; and half of it.
    let flags = "bicubic+accurate_rnd+bitexact";
    let scaled = format!("[1:v]scale=80:53:flags={flags}[s];[0:v][s]overlay=10:8:format=yuv420");
    lies_as_in_ffmpeg("scale", &p25, &whole, &[], &scaled, at.scale(0.5));
    lies_as_in_ffmpeg("width", &p25, &whole, &[], &scaled, at.width(80));
    let half = "[1:v]format=rgba,colorchannelmixer=aa=0.5[s];[0:v][s]overlay=10:8:format=yuv420";
    lies_as_in_ffmpeg("opacity", &p25, &whole, &[], half, at.opacity(0.5));
}

#[test]
fn a_second_videos_transparency_and_rotation_count() {
    oracle!("second video with alpha");
    let disc =
        "testsrc=s=48x32:r=25:d=1,format=yuva444p,geq=lum='p(X,Y)':a='if(lt(hypot(X-24,Y-16),14),255-Y,0)'";
    let (p25, at) = (pattern(25), Overlay::new().position(Position::At { x: 10, y: 8 }));
    let graph = "[0:v][1:v]overlay=10:8:format=yuv420";
    for (name, rest, input) in [
        ("disc.mkv", &["-pix_fmt", "yuva420p", "-c:v", "ffv1"][..], &[][..]),
        ("disc.mov", &["-pix_fmt", "argb", "-c:v", "qtrle"], &[]),
        ("prores.mov", &["-pix_fmt", "yuva444p10le", "-c:v", "prores_ks", "-profile:v", "4444"], &[]),
        (
            "vp9.webm",
            &["-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9", "-b:v", "300k"],
            &["-c:v", "libvpx-vp9"],
        ),
        ("disc.apng", &["-pix_fmt", "rgba", "-c:v", "apng"], &[]),
        ("disc.gif", &[], &[]),
    ] {
        let encoder = rest.iter().skip_while(|r| **r != "-c:v").nth(1);
        if encoder.is_some_and(|encoder| !avrope::synth::has_encoder(encoder)) {
            eprintln!("SKIPPED: {name}: this libav has no such encoder");
            continue;
        }
        lies_as_in_ffmpeg(name, &p25, &second(name, disc, rest), input, graph, at);
    }
    // A GIF and an APNG that are to be repeated, and a picture of one.
    let gif = second("disc.gif", disc, &[]);
    let corners = |path: &Path, overlay: Overlay| {
        let folder = tempfile::tempdir().unwrap();
        let media = open(&clip());
        let settings = filtered(&[]);
        let job = Transcoder::new(&media, &settings).watermark(Source::open(path).unwrap(), overlay).unwrap();
        let made = job.run(&Control::default()).unwrap();
        Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE)
    };
    let seen = corners(&gif, at.at_end(AtEnd::Repeat));
    assert_eq!(seen.picture(5), seen.picture(30), "the second run is like the first");
    assert_ne!(seen.picture(5), seen.picture(24));
    let one = second("one.gif", "color=red:s=20x12:r=25", &["-frames:v", "1"]);
    for end in [AtEnd::Hold, AtEnd::Repeat] {
        let seen = corners(&one, Overlay::new().margin(0).at_end(end));
        assert_eq!([0, 1, 49].map(|n| seen.corners(n)[3]), ["red"; 3], "{end:?}");
    }
    let seen = corners(&one, Overlay::new().margin(0).at_end(AtEnd::Hide));
    assert_eq!((seen.corners(0)[3], seen.corners(49)[3]), ("red", "green"));
    // Red over blue, to be shown turned by a quarter: red is at the right then.
    let flat =
        second("flat.mp4", "color=blue:s=32x24:d=1,drawbox=0:0:32:12:red:fill", &["-pix_fmt", "yuv420p"]);
    let turned = common::turned("turned-flat.mp4", &flat, 270);
    let seen = corners(&turned, Overlay::new().margin(0));
    assert_eq!([(138, 70), (158, 70), (134, 70)].map(|(x, y)| seen.at(0, x, y)), ["blue", "red", "green"]);
}

#[test]
fn a_second_video_goes_on_where_the_first_changes_its_shape() {
    oracle!("second video over two shapes");
    let folder = tempfile::tempdir().unwrap();
    let piece = |name: &str, size: &str| {
        let graph = format!("color=0x00c000:s={size}:r=25:d=1");
        let path = second(name, &graph, &["-c:v", "mpeg2video", "-q:v", "2", "-bf", "0", "-f", "mpegts"]);
        std::fs::read(path).unwrap()
    };
    let both = folder.path().join("both.ts");
    std::fs::write(&both, [piece("large.ts", "160x96"), piece("small.ts", "128x80")].concat()).unwrap();
    let graph = "color=red:s=20x12:r=25:d=1.2[a];color=white:s=20x12:r=25:d=1[b];[a][b]concat";
    let logo = second("red-white.mkv", graph, &["-c:v", "ffv1", "-pix_fmt", "yuv444p"]);
    let (media, settings) = (open(&both), filtered(&[]));
    let plain = transcode(&media, &settings, &Control::default()).unwrap();
    let plain = Pictures::of(&save(&plain, folder.path(), "plain.mkv"), SIZE);
    for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
        let job = Transcoder::new(&media, &settings)
            .watermark(Source::open(&logo).unwrap(), Overlay::new().margin(0).at_end(end))
            .unwrap();
        let made = job.run(&Control::default()).unwrap();
        let path = save(&made, folder.path(), "out.mkv");
        let seen = Pictures::of(&path, SIZE);
        assert_eq!(seen.count(), plain.count());
        for (n, frame) in common::frames(&path, "0:v").iter().enumerate() {
            let due = if frame.time < 1.199 { "red" } else { "white" };
            assert_eq!(seen.corners(n)[3], due, "{end:?}: picture {n} at {} s", frame.time);
        }
    }
    // One that changes its own shape.
    let media = open(&pattern(25));
    let settings = lossless();
    let job =
        Transcoder::new(&media, &settings).watermark(Source::open(&both).unwrap(), Overlay::new()).unwrap();
    let made = job.run(&Control::default()).unwrap();
    assert_eq!(Pictures::of(&save(&made, folder.path(), "shapes.mkv"), SIZE).count(), 50);
}

#[test]
fn a_second_source_that_is_damaged_or_none_at_all() {
    oracle!("damaged second source");
    let (media, settings) = (open(&pattern(25)), lossless());
    let run = |source: Source, overlay: Overlay, control: &Control| {
        Transcoder::new(&media, &settings).watermark(source, overlay).unwrap().run(control)
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [("whole.avi", "mpeg4"), ("whole.ts", "mpeg2video"), ("whole.mkv", "ffv1")] {
        let path =
            second(&format!("damaged-{name}"), "testsrc=s=64x48:r=25:d=2", &["-c:v", codec, "-bf", "0"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let len = bytes.len();
        // Decoders take much for what it is not; that of FFV1 knows its check sums where its encoder wrote them.
        let tells = codec == "mpeg2video";
        for (i, byte) in bytes.iter_mut().enumerate().skip(len / 4).take(len / 2) {
            if i % 97 < 3 {
                *byte ^= 0x5a;
            }
        }
        for end in [AtEnd::Hold, AtEnd::Hide, AtEnd::Repeat] {
            let made =
                run(Source::from_bytes(bytes.clone()), Overlay::new().at_end(end), &Control::default());
            let made = made.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE).count(), 50, "{name}");
            if tells {
                assert!(made.report.decode_errors > 0, "{name}: {:?}", made.report);
            }
        }
        // Cut short anywhere: a result or an error, and no hang.
        for part in [1, 30, len / 50, len / 3, len - 1] {
            let _ = run(Source::from_bytes(bytes[..part].to_vec()), Overlay::new(), &Control::default());
        }
        let strict = lossless().max_decode_errors(0);
        let job =
            Transcoder::new(&media, &strict).watermark(Source::from_bytes(bytes), Overlay::new()).unwrap();
        if tells {
            assert_eq!(job.run(&Control::default()).unwrap_err().kind(), ErrorKind::Corrupt, "{name}");
        }
    }
    for text in [
        "hello\n",
        "#EXTM3U\nfile:///etc/hostname\n",
        "<svg/>",
        "GIF89a",
        "ffconcat version 1.0\n",
        "",
        "\u{feff}1\n",
    ] {
        for name in ["text", "a.gif", "a.png", "a.mp4", "a.txt", "a.srt"] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = run(Source::open(&path).unwrap(), Overlay::new(), &Control::default()).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Corrupt),
                "{text:?} {name}: {error}"
            );
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    let sound = noise("tone.wav", "sine=997:d=6:r=44100");
    let error = run(Source::open(&sound).unwrap(), Overlay::new(), &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("tone.wav"), "{error}");
    // A stream serves, unless it is to be repeated.
    let short = second("short.mkv", "testsrc=s=48x32:r=25:d=0.8,format=yuv420p", &["-c:v", "ffv1"]);
    let stream = || Source::from_reader(std::fs::File::open(&short).unwrap(), "pipe.mkv");
    run(stream(), Overlay::new(), &Control::default()).unwrap();
    let error = run(stream(), Overlay::new().at_end(AtEnd::Repeat), &Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let still = picture("logo.png", "red", "20x12");
    let still = Source::from_reader(std::fs::File::open(still).unwrap(), "logo");
    run(still, Overlay::new().at_end(AtEnd::Hide), &Control::default()).unwrap();
    // Cancel, deadline and limits hold.
    let token = CancelToken::new();
    let cancel = token.clone();
    let control = Control::new().cancel(token).progress(move |_| cancel.cancel());
    let error = run(Source::open(&short).unwrap(), Overlay::new(), &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let late = Control::new().timeout(std::time::Duration::from_millis(1));
    let error = run(Source::open(&short).unwrap(), Overlay::new(), &late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let mut limits = avrope::Limits::default();
    limits.pixels = 160 * 96;
    for (name, rest) in
        [("large.mkv", &["-c:v", "ffv1"][..]), ("large.gif", &[]), ("large.apng", &["-f", "apng"])]
    {
        let large = second(name, "testsrc=s=320x240:r=25:d=0.2", rest);
        let control = Control::new().limits(limits);
        let error = run(Source::open(&large).unwrap(), Overlay::new(), &control).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // The media's own, twice in one picture.
    let overlay = Overlay::new().scale(0.25);
    let job = Transcoder::new(&media, &settings).watermark(&media, overlay).unwrap();
    let job = job.watermark(&media, overlay.position(Position::TopLeft)).unwrap();
    let made = job.run(&Control::default()).unwrap();
    assert_eq!(Pictures::of(&save(&made, folder.path(), "out.mkv"), SIZE).count(), 50);
}

#[test]
fn pictures_are_opened_by_their_content_and_nothing_else_is() {
    oracle!("pictures");
    for name in ["still.png", "still.jpg", "still.bmp", "still.webp"] {
        if name.ends_with("webp") && !avrope::synth::has_encoder("libwebp") {
            eprintln!("SKIPPED: no libwebp");
            continue;
        }
        let path = picture(name, "red", "64x48");
        let bytes = std::fs::read(&path).unwrap();
        let frame = Frame::from_picture(Source::from_bytes(bytes.clone())).unwrap();
        assert_eq!((frame.width(), frame.height()), (64, 48), "{name}");
        // A stream, too.
        let stream = Source::from_reader(std::io::Cursor::new(bytes.clone()), "stream");
        assert_eq!(Frame::from_picture(stream).unwrap().width(), 64, "{name}");
        // Images stay no media.
        let error = avrope::Media::open(Source::open(&path).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        // Cut short or changed: an error or a picture, no crash.
        for len in [0, 3, 8, 20, bytes.len() / 2, bytes.len() - 1] {
            if let Ok(frame) = Frame::from_picture(Source::from_bytes(bytes[..len].to_vec())) {
                assert!(frame.width() <= 64);
            }
        }
        for at in 0..bytes.len().min(200) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let _ = Frame::from_picture(Source::from_bytes(changed));
        }
        let limits = || {
            let mut limits = avrope::Limits::default();
            limits.pixels = 1000;
            limits
        };
        let control = Control::new().limits(limits());
        let error = Frame::from_picture_with(Source::from_bytes(bytes), &control).unwrap_err();
        let kind = if name.ends_with("png") { ErrorKind::LimitExceeded } else { ErrorKind::Corrupt };
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains("1000"), "{name}: {error}");
    }
    for other in
        [&b"#EXTM3U\nfile:///etc/hostname\n"[..], b"<svg/>", b"GIF89a", b"ffconcat version 1.0\n", b""]
    {
        let error = Frame::from_picture(Source::from_bytes(other.to_vec())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let error = Frame::from_picture(Source::open(clip()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_makes_no_sense_is_an_error_before_anything_runs() {
    oracle!("errors");
    let media = open(&clip());
    let refused = |settings: &Transcode| transcode(&media, settings, &Control::default()).unwrap_err().kind();
    let nan = filtered(&[VideoFilter::Rotate { degrees: f64::NAN }]);
    assert_eq!(refused(&nan), ErrorKind::InvalidArgument);
    assert_eq!(refused(&sounding(&[AudioFilter::Volume { db: f64::NAN }])), ErrorKind::InvalidArgument);
    // Larger than the picture.
    let large = VideoFilter::Crop { x: 0, y: 0, width: 1000, height: 1000 };
    assert_eq!(refused(&filtered(&[large])), ErrorKind::InvalidArgument);
    let copied = VideoSettings::new().codec(VideoCodec::Copy).apply(VideoFilter::Flip { horizontal: true });
    assert_eq!(refused(&Transcode::new().video(copied)), ErrorKind::InvalidArgument);
    let logo = Frame::video("rgba", 8, 8).unwrap();
    let settings = Transcode::new();
    for wrong in [
        Overlay::new().opacity(f64::NAN),
        Overlay::new().opacity(2.0),
        Overlay::new().margin(u32::MAX),
        Overlay::new().width(0),
        Overlay::new().scale(f64::NAN),
        Overlay::new().scale(0.0),
        Overlay::new().scale(1.5),
    ] {
        assert!(Transcoder::new(&media, &settings).watermark(&logo, wrong).is_err());
    }
    let copied = Transcode::new().video(VideoSettings::new().codec(VideoCodec::Copy));
    let marked = Transcoder::new(&media, &copied).watermark(&logo, Overlay::new()).unwrap();
    assert_eq!(marked.run(&Control::default()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let sound_only = sounding(&[]).video(VideoSettings::new().codec(VideoCodec::None));
    let marked = Transcoder::new(&media, &sound_only).watermark(&logo, Overlay::new()).unwrap();
    let report = marked.run(&Control::default()).unwrap().report;
    assert!(report.warnings.iter().any(|w| w.contains("watermark")), "{:?}", report.warnings);
    let sound = Frame::audio("s16", "mono", 48_000, 10).unwrap();
    assert!(Transcoder::new(&media, &settings).watermark(&sound, Overlay::new()).is_err());
    // They travel as JSON.
    let all = filtered(&[
        VideoFilter::Flip { horizontal: true },
        VideoFilter::FadeIn { from: Timestamp::ZERO, duration: seconds(1.0) },
    ]);
    let json = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Transcode>(&json).unwrap(), all);
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_has_them() {
    oracle!("command line");
    let folder = tempfile::tempdir().unwrap();
    let (input, logo) = (clip(), picture("logo.png", "red", "20x12"));
    let run = |rest: &[&str]| {
        let out = folder.path().join("out.mkv");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_avrope"));
        command.arg("transcode").arg(&input).arg("-o").arg(&out).args(["--force", "--video-codec", "ffv1"]);
        let output = command.args(["--audio-codec", "pcm"]).args(rest).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), out)
    };
    let logo = logo.to_str().unwrap();
    let corner = ["--watermark", logo, "--watermark-position", "top-right", "--watermark-opacity", "0.9"];
    let (code, log, out) =
        run(&[&corner[..], &["--fade-in", "0.2", "--fade-out", "0.4", "--speed", "2"]].concat());
    assert_eq!(code, Some(0), "{log}");
    let seen = Pictures::of(&out, SIZE);
    // Of one second: the watermark does not fade, its place is 16 pixels from the edges.
    let last = seen.count() - 1;
    assert_eq!(
        (seen.at(0, 130, 22), seen.at(last, 130, 22), seen.at(last / 2, 130, 22)),
        ("red", "red", "red")
    );
    assert_eq!(
        (seen.at(0, 2, 90), seen.at(last, 2, 90), seen.at(last / 2, 2, 90)),
        ("black", "black", "green")
    );
    // A video over itself.
    let face = ["--watermark", input.to_str().unwrap(), "--watermark-width", "40", "--watermark-end", "hide"];
    let (code, log, out) = run(&face);
    assert_eq!(code, Some(0), "{log}");
    let seen = Pictures::of(&out, SIZE);
    assert_eq!([(106, 58), (130, 58)].map(|(x, y)| seen.at(49, x, y)), ["blue", "green"]);
    let (code, log, out) = run(&["--volume", "-12", "--loudness", "-20"]);
    assert_eq!(code, Some(0), "{log}");
    assert!((loudness(&out).0 + 20.0).abs() <= 0.5);
    for wrong in [
        &["--loudness", "3"][..],
        &["--volume", "NaN"],
        &["--watermark", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")],
        &["--watermark", "/nowhere.png"],
        &["--watermark", logo, "--watermark-opacity", "2"],
    ] {
        let (code, log, _) = run(wrong);
        assert_eq!(code, Some(1), "{wrong:?}: {log}");
    }
    assert_eq!(run(&["--watermark-position", "top-left"]).0, Some(2));
}
