//! Lengths, to the sample and to the picture.

use super::*;

/// A click every 9600 samples, the first at 2400: where sound lies can be told to the sample.
fn clicks(rate: u32, samples: usize) -> PathBuf {
    let source = format!(
        "aevalsrc='if(eq(mod(n,9600),2400),0.9)|if(eq(mod(n,9600),2400),0.9)':s={rate},atrim=end_sample={samples}"
    );
    drawn(&format!("clicks-{rate}-{samples}.wav"), &source, &["-c:a", "pcm_s16le"])
}

/// The presented samples by the edit list's arithmetic, in the track's rate.
pub(super) fn presented(path: &Path) -> (u64, i64) {
    let movie = Movie::read(path);
    let track = movie.track("soun");
    let [(length, media)] = track.edits[..] else { panic!("one entry is due: {:?}", track.edits) };
    let samples = u128::from(length) * u128::from(track.scale);
    assert_eq!(samples % u128::from(movie.scale), 0, "{length} of {} is no whole sample", movie.scale);
    (u64::try_from(samples / u128::from(movie.scale)).unwrap(), media)
}

/// The sound as this library presents it: the first channel.
fn heard(path: &Path, folder: &Path) -> Vec<i16> {
    let wav = made(path, &Transcode::new().audio(audio(AudioCodec::Pcm)), folder, "heard.wav");
    let bytes = std::fs::read(wav).unwrap();
    let data = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
    bytes[data..].chunks_exact(4).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Where each click's peak is.
fn peaks(samples: &[i16], first: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = first;
    while at < samples.len() {
        let window = at.saturating_sub(400)..(at + 400).min(samples.len());
        found.push(window.max_by_key(|i| samples[*i].unsigned_abs()).unwrap());
        at += 9600;
    }
    found
}

#[test]
fn sound_is_as_long_as_its_source_to_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, name, priming) in [(AudioCodec::Aac, "aac", 1024), (AudioCodec::Opus, "opus", 312)] {
        // Shorter than a frame, on a frame's edge, one more, one less, and any.
        for samples in [700, 48 * 1024, 48 * 1024 + 1, 48 * 1024 - 1, 100_003] {
            let source = clicks(48_000, samples);
            let settings = Transcode::new().audio(audio(codec.clone()));
            let out = made(&source, &settings, folder.path(), &format!("{name}.mp4"));
            assert_eq!(presented(&out), (samples as u64, priming), "{name}, {samples}");
            let heard = heard(&out, folder.path());
            assert_eq!(heard.len(), samples, "{name}, {samples}: heard");
            let due = peaks(&heard, 2400);
            for (i, peak) in due.iter().enumerate() {
                assert_eq!(*peak, 2400 + 9600 * i, "{name}, {samples}: click {i}");
            }
        }
    }
    // Another rate: Opus counts in 48 kHz whatever goes in, AAC in its own.
    let source = clicks(44_100, 44_100);
    let aac = made(&source, &Transcode::new().audio(audio(AudioCodec::Aac)), folder.path(), "44.m4a");
    assert_eq!(presented(&aac).0, 44_100);
    let opus = made(&source, &Transcode::new().audio(audio(AudioCodec::Opus)), folder.path(), "44.mp4");
    // The resampler may round the last sample up.
    assert!((47_999..=48_001).contains(&presented(&opus).0), "{:?}", presented(&opus));
}

#[test]
fn ranges_are_exact_to_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let source = clicks(48_000, 100_003);
    for codec in [AudioCodec::Aac, AudioCodec::Opus] {
        let keep = |ranges: &[(u64, u64)]| {
            let settings = Transcode::new().audio(audio(codec.clone()));
            let nanos = |sample: u64| {
                avrope::Timestamp::from_nanos(((sample * 1_000_000_000 + 24_000) / 48_000) as i64)
            };
            ranges
                .iter()
                .fold(settings, |s, (from, to)| s.keep(TimeRange { from: nanos(*from), to: nanos(*to) }))
        };
        let out = made(&source, &keep(&[(1201, 60_002)]), folder.path(), "one.mp4");
        assert_eq!(presented(&out).0, 60_002 - 1201, "{codec:?}, one range");
        let samples = heard(&out, folder.path());
        assert_eq!(peaks(&samples, 1199)[..5], [1199, 10_799, 20_399, 29_999, 39_599], "{codec:?}");
        // Twice through an encoder, which begins anew for neither part.
        let out = made(&source, &keep(&[(4800, 24_001), (50_003, 70_000)]), folder.path(), "two.mp4");
        assert_eq!(presented(&out).0, 19_201 + 19_997, "{codec:?}, two ranges");
        let samples = heard(&out, folder.path());
        assert_eq!(peaks(&samples[..19_201], 7200), [7200, 16_800], "{codec:?}");
        let second = 19_201 + (50_400 - 50_003);
        assert_eq!(peaks(&samples, second)[0], second, "{codec:?}, second range");
    }
}

#[test]
fn a_cut_that_encodes_is_exact_in_every_container() {
    oracle!("cut, mode encode");
    let media = Media::open(Source::open(flash_clip("mp4", (25, 1), 0.4)).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv", "ts"] {
        let cut = avrope::Cut::new()
            .keep(TimeRange::secs(0.4, 2.0).unwrap())
            .mode(avrope::CutMode::Encode)
            .format(container);
        let out = folder.path().join(format!("out.{container}"));
        let report = avrope::cut_to(&media, &cut, Sink::file(&out), &Control::default()).unwrap();
        assert_eq!((report.operation.as_str(), report.mode.as_deref()), ("cut", Some("encode")));
        assert_eq!(report.frames_encoded > 40, report.payload_shared == 0);
        assert!(
            (report.duration.as_secs_f64() - 1.6).abs() < 1e-6,
            "{container}: {}",
            report.duration.as_secs_f64()
        );
        assert_eq!(common::frames(&out, "0:v").len(), 40, "{container}");
    }
}
