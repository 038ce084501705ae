//! Loudness, in one pass and in two.

use super::*;

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
        let (before, _) = loudness_of(path);
        let filters = [AudioFilter::Loudness(Loudness::new(target))];
        let made = transcode(&open(path), &sounding(&filters).format("wav"), &Control::default()).unwrap();
        let out = save(&made, folder.path(), "out.wav");
        let (after, peak) = loudness_of(&out);
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
    let (after, _) = loudness_of(&save(&made, folder.path(), "out.wav"));
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
        let control = Control::new().cancel_token(token).progress(move |p| {
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
