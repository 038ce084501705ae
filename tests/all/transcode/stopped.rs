//! Jobs that are stopped.

use super::*;

/// A minute, which takes many seconds to encode with the settings of `slow`.
fn minute() -> PathBuf {
    let mut picture = common::video("mpeg4", 0);
    picture.size = (640, 360);
    common::generated("minute.mp4", &Spec { duration: 60.0, video: Some(picture), ..Spec::default() })
}

fn slow() -> Transcode {
    Transcode::new().format("mp4").video(video(VideoCodec::H264).encoder_preset("veryslow"))
}

#[test]
fn a_cancelled_job_ends_and_leaves_nothing() {
    let (media, folder) = (open(&minute()), tempfile::tempdir().unwrap());
    let token = CancelToken::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (cancel, tell) = (token.clone(), Arc::clone(&told));
    let control = Control::new().cancel_token(token).progress(move |progress| {
        cancel.cancel();
        tell.lock().unwrap().push(progress.done);
    });
    let sink = Sink::file(folder.path().join("out.mp4"));
    let error = transcode_to(&media, &slow(), sink, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    // What was in the stages may still pass; of the minute most was not begun.
    let told = told.lock().unwrap();
    let (first, last) = (told.first().expect("progress was told"), told.last().unwrap());
    assert!(last - first < 10_000_000_000, "from {first} to {last} ns after it was cancelled");
    assert_eq!(common::entries(folder.path()), [""; 0]);
}

#[test]
fn a_late_job_ends_and_leaves_nothing() {
    let (media, folder) = (open(&minute()), tempfile::tempdir().unwrap());
    let sink = Sink::file(folder.path().join("out.mp4"));
    let deadline = Instant::now() + Duration::from_millis(700);
    let error = transcode_to(&media, &slow(), sink, &Control::new().deadline(deadline)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert_eq!(common::entries(folder.path()), [""; 0]);
}
