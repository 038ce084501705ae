//! A live stream: a fragmented MP4 into a channel, a fragment for each frame, as a server would send it on.
//!
//!     cargo run --release --example live_fmp4 -- talk.mp4

use avrope::{
    Control, Media, Sink, Source, Transcode, synth,
    transcode::{AudioCodec, AudioSettings, Fragment, VideoCodec, VideoSettings},
    transcode_to,
};
use std::{error::Error, path::PathBuf, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    avrope::log::capture();
    let folder = tempfile::tempdir()?;
    let path = if let Some(path) = std::env::args_os().nth(1) {
        PathBuf::from(path)
    } else {
        let path = folder.path().join("clip.mp4");
        synth::to_file(&synth::Spec::default(), &path)?;
        path
    };

    let begun = Instant::now();
    // Bounded: when nobody takes the chunks, the encoder waits.
    let (sender, chunks) = avrope::io::channel(8);
    let job = std::thread::spawn(move || {
        let media = Media::open(Source::open(path)?)?;
        let settings = Transcode::new()
            .format("mp4")
            .fragment(Fragment::Frame)
            .video(
                VideoSettings::new().codec(VideoCodec::H264).encoder_preset("veryfast").tune("zerolatency"),
            )
            .audio(AudioSettings::new().codec(AudioCodec::Aac));
        transcode_to(&media, &settings, Sink::channel(sender), &Control::default())
    });
    let (mut count, mut bytes) = (0, 0);
    // The last one is an error where the job failed: it says why itself.
    for chunk in chunks.map_while(Result::ok) {
        if count == 0 {
            println!("the first chunk came after {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
        }
        count += 1;
        bytes += chunk.len();
    }
    let report = job.join().map_err(|_| "the job panicked")??;
    println!("{count} chunks, {bytes} bytes, {} s of media", report.duration.as_secs_f64());
    for warning in report.warnings {
        println!("note: {warning}");
    }
    Ok(())
}
