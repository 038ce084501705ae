//! The caller's own steps on frames and packets.

use super::*;

/// What a test wants done to frames.
pub(super) struct Step<F> {
    format: Option<&'static str>,
    step: F,
}

impl<F> Processor<Frame> for Step<F>
where
    F: FnMut(Frame, &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> + Send,
{
    fn format(&self) -> Option<&str> {
        self.format
    }

    fn process(&mut self, frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        (self.step)(frame, next)
    }
}

pub(super) fn step<F>(format: Option<&'static str>, step: F) -> Step<F>
where
    F: FnMut(Frame, &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> + Send,
{
    Step { format, step }
}

#[test]
fn a_processors_panic_is_a_bug_and_its_error_is_the_jobs() {
    let media = open(&common::fixture("h264-aac").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let settings = Transcode::new().format("mp4").video(quick());
    let sink = || Sink::file(folder.path().join("out.mp4"));
    let fails = |is_sound: bool, panics: bool| {
        let mut count = 0;
        let failing = step(None, move |frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
            count += 1;
            match count {
                8 if panics => panic!("a processor's bug, wanted by the test"),
                8 => Err(Error::new(ErrorKind::NotFound, "the logo is not there")),
                _ => next(frame),
            }
        });
        let transcoder = Transcoder::new(&media, &settings);
        let transcoder = if is_sound { transcoder.audio(failing) } else { transcoder.video(failing) };
        transcoder.run_to(sink(), &Control::default()).unwrap_err()
    };
    for is_sound in [false, true] {
        let error = fails(is_sound, true);
        assert_eq!(error.kind(), ErrorKind::Bug, "{error}");
        let error = fails(is_sound, false);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("the logo is not there"), "{error}");
        assert_eq!(common::entries(folder.path()), [""; 0]);
    }
}

#[test]
fn processors_see_what_they_ask_for_and_their_pixels_are_in_the_result() {
    oracle!("processors");
    let source = pictures();
    let folder = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str, seen: &Arc<Mutex<Vec<(&'static str, String)>>>| {
        let seen = Arc::clone(seen);
        move |frame: &Frame| {
            let entry = (name, frame.format());
            let mut seen = seen.lock().unwrap();
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
    };
    let (first, second, third) = (note("first", &seen), note("second", &seen), note("third", &seen));
    let media = open(&source);
    let settings =
        Transcode::new().format("mkv").video(video(VideoCodec::Ffv1).size(128, 72).pixel_format("bgr0"));
    let clip = Transcoder::new(&media, &settings)
        .video(step(Some("rgba"), move |mut frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
            first(&frame);
            let stride = frame.stride(0);
            assert_eq!((frame.width(), frame.height()), (128, 72));
            let bytes = frame.plane_mut(0)?;
            for y in 10..30 {
                for x in 20..60 {
                    bytes[y * stride + x * 4..][..4].copy_from_slice(&[200, 40, 90, 255]);
                }
            }
            next(frame)
        }))
        .video(step(None, move |frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
            second(&frame);
            next(frame)
        }))
        .video(step(Some("gbrp"), move |frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
            third(&frame);
            next(frame)
        }))
        .run(&Control::default())
        .unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [("first", "rgba".into()), ("second", "rgba".into()), ("third", "gbrp".into())]);
    let out = save(&clip, folder.path(), "drawn.mkv");
    let arguments = ["-i", out.to_str().unwrap(), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
    let (pixels, _) = ffmpeg(&arguments);
    let size = 128 * 72 * 3;
    assert_eq!(pixels.len(), 50 * size);
    for (i, picture) in pixels.chunks_exact(size).enumerate() {
        for (x, y) in [(20, 10), (59, 29), (40, 20)] {
            assert_eq!(picture[(y * 128 + x) * 3..][..3], [200, 40, 90], "picture {i} at {x},{y}");
        }
    }
    let plain = made(&source, &settings, folder.path(), "plain.mkv");
    let (plain, _) = ffmpeg(&["-i", plain.to_str().unwrap(), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    let outside = (40 * 128 + 100) * 3;
    assert_eq!(pixels[outside..size], plain[outside..size], "what was not drawn on");
}

/// Holds everything back until the end.
struct Backward(Vec<Frame>);

impl Processor<Frame> for Backward {
    fn process(&mut self, frame: Frame, _: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        self.0.push(frame);
        Ok(())
    }

    fn finish(&mut self, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        let times: Vec<_> = self.0.iter().map(Frame::time).collect();
        for (frame, time) in std::mem::take(&mut self.0).into_iter().rev().zip(times) {
            let mut frame = frame;
            frame.set_time(time.unwrap());
            next(frame)?;
        }
        Ok(())
    }
}

#[test]
fn processors_may_hold_back_drop_and_add() {
    oracle!("processors that hold back");
    let (source, folder) = (pictures(), tempfile::tempdir().unwrap());
    let media = open(&source);
    let settings = Transcode::new().format("mkv").video(video(VideoCodec::Ffv1));
    let hashes = |path: &Path| common::frames(path, "0:v").into_iter().map(|f| f.hash).collect::<Vec<_>>();
    let plain = hashes(&made(&source, &settings, folder.path(), "plain.mkv"));
    let clip =
        Transcoder::new(&media, &settings).video(Backward(Vec::new())).run(&Control::default()).unwrap();
    let backward = hashes(&save(&clip, folder.path(), "backward.mkv"));
    assert_eq!(backward, plain.iter().rev().cloned().collect::<Vec<_>>());
    let mut count = 0;
    let every_other = step(None, move |frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
        count += 1;
        if count % 2 == 1 { next(frame) } else { Ok(()) }
    });
    let clip = Transcoder::new(&media, &settings).video(every_other).run(&Control::default()).unwrap();
    let half = hashes(&save(&clip, folder.path(), "half.mkv"));
    assert_eq!(half, plain.iter().step_by(2).cloned().collect::<Vec<_>>());
    // Two of each at one time: the second is left out, and that is said.
    let twice = step(None, |frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
        next(frame.try_clone()?)?;
        next(frame)
    });
    let clip = Transcoder::new(&media, &settings).video(twice).run(&Control::default()).unwrap();
    assert_eq!(hashes(&save(&clip, folder.path(), "twice.mkv")), plain);
    assert!(clip.report.warnings.iter().any(|w| w.contains("left out")), "{:?}", clip.report);
    let all = step(None, |_, _: &mut dyn FnMut(Frame) -> Result<()>| Ok(()));
    let error = Transcoder::new(&media, &settings).video(all).run(&Control::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

#[test]
fn sound_goes_through_processors() {
    let source = sound(48_000, "stereo");
    let media = open(&source);
    let settings = Transcode::new().format("wav").audio(audio(AudioCodec::Pcm));
    let formats = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&formats);
    let quieter = step(Some("fltp"), move |mut frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
        seen.lock().unwrap().push((frame.format(), frame.planes(), frame.channels()));
        for plane in 0..frame.planes() {
            for sample in frame.plane_mut(plane)?.chunks_exact_mut(4) {
                let value = f32::from_le_bytes(sample.try_into().unwrap()) / 2.0;
                sample.copy_from_slice(&value.to_le_bytes());
            }
        }
        next(frame)
    });
    let clip = Transcoder::new(&media, &settings).audio(quieter).run(&Control::default()).unwrap();
    assert!(formats.lock().unwrap().iter().all(|f| *f == ("fltp".into(), 2, 2)));
    let samples = |bytes: &[u8]| -> Vec<i16> {
        let data = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
        bytes[data..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    };
    let (whole, half) = (samples(&std::fs::read(&source).unwrap()), samples(&clip.rope.to_bytes().unwrap()));
    assert_eq!(whole.len(), half.len());
    // Rounded to a sixteen-bit step.
    let far =
        whole.iter().zip(&half).filter(|(w, h)| (i32::from(**w) - 2 * i32::from(**h)).abs() > 1).count();
    assert_eq!(far, 0);
}

/// Counts packets, and leaves the sound out.
struct Mute(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Processor<avrope::transcode::Packet> for Mute {
    fn process(
        &mut self,
        packet: avrope::transcode::Packet,
        next: &mut dyn FnMut(avrope::transcode::Packet) -> avrope::Result<()>,
    ) -> avrope::Result<()> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(
            !packet.data().is_empty() && packet.time().is_some() && packet.duration().as_secs_f64() < 1.0
        );
        if packet.kind() == avrope::media::StreamKind::Video { next(packet) } else { Ok(()) }
    }
}

#[test]
fn packets_go_through_processors_without_being_encoded() {
    let source = Media::open(Source::open(tiny("mp4")).unwrap()).unwrap();
    let count = std::sync::Arc::default();
    let settings = Transcode::new().format("mkv");
    let job = Transcoder::new(&source, &settings).packets(Mute(std::sync::Arc::clone(&count)));
    let clip = job.run(&Control::default()).unwrap();
    assert_eq!(clip.report.frames_encoded, 0);
    let seen = count.load(std::sync::atomic::Ordering::Relaxed) as u64;
    assert!(clip.report.packets > 10 && clip.report.packets < seen, "{} of {seen}", clip.report.packets);
}

/// SVT-AV1 lets the thread that opens it, and all that this one makes, run in front of everything else, where it may
/// (root may, and so does this test say more there).
#[test]
#[cfg(target_os = "linux")]
fn no_encoder_raises_the_process() {
    oracle!("SVT-AV1's threads");
    /// Field 41 of proc_pid_stat(5): the policy by which a thread is scheduled; 0 is SCHED_OTHER.
    fn policies() -> Vec<u32> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
        let policy = |stat: String| stat.rsplit_once(')').unwrap().1.split(' ').nth(39).unwrap().parse();
        stats.map(|stat| policy(stat).unwrap()).collect()
    }
    // SAFETY: it asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("NOT TESTED: only root's threads may be raised");
    }
    let media = open(&common::fixture("h264-aac").unwrap());
    let mut count = 0;
    let looking = step(None, move |frame, next: &mut dyn FnMut(Frame) -> Result<()>| {
        count += 1;
        if count % 8 == 0 {
            assert_eq!(policies().iter().max(), Some(&0));
        }
        next(frame)
    });
    let settings = Transcode::new()
        .format("mp4")
        .video(VideoSettings::new().codec(VideoCodec::Av1).option("preset", "12"));
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::file(folder.path().join("out.mp4"));
    Transcoder::new(&media, &settings).video(looking).run_to(sink, &Control::default()).unwrap();
    assert_eq!(policies().iter().max(), Some(&0));
}
