//! Jobs that are stopped.

use super::*;

/// A minute, which takes many seconds to encode with the settings of `slow`.
fn minute() -> PathBuf {
    let mut picture = common::video("mpeg4", 0);
    picture.size = (640, 360);
    common::generated("minute.mp4", &Spec { duration: 60.0, video: Some(picture), ..Spec::default() })
}

fn slow() -> Transcode {
    Transcode::new().format("mp4").video(video(VideoCodec::H264).speed("veryslow"))
}

#[test]
fn a_cancelled_job_ends_soon_and_leaves_nothing() {
    let (media, folder) = (open(&minute()), tempfile::tempdir().unwrap());
    let token = CancelToken::new();
    let at = Arc::new(Mutex::new(None));
    let (cancel, when) = (token.clone(), Arc::clone(&at));
    let control = Control::new().cancel(token).progress(move |_| {
        cancel.cancel();
        when.lock().unwrap().get_or_insert_with(Instant::now);
    });
    let sink = Sink::file(folder.path().join("out.mp4"));
    let error = transcode_to(&media, &slow(), sink, &control).unwrap_err();
    let took = at.lock().unwrap().expect("progress was told").elapsed();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    // Stages look every 50 ms, one call of a codec aside; the rest is for a machine that has other things to do.
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(common::entries(folder.path()), [""; 0]);
}

#[test]
fn a_late_job_ends_soon_and_leaves_nothing() {
    let (media, folder) = (open(&minute()), tempfile::tempdir().unwrap());
    let sink = Sink::file(folder.path().join("out.mp4"));
    let deadline = Instant::now() + Duration::from_millis(700);
    let error = transcode_to(&media, &slow(), sink, &Control::new().deadline(deadline)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    // As above.
    assert!(deadline.elapsed() < Duration::from_secs(1), "{:?}", deadline.elapsed());
    assert_eq!(common::entries(folder.path()), [""; 0]);
}
