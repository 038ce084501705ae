//! Speech as MP3 bytes to M4A bytes, in one call: no file, no other process.
//!
//!     cargo run --release --example mp3_to_m4a -- speech.mp3

use avrope::{Control, Media, Source, Transcode, synth, transcode};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    avrope::log::capture();
    let mp3 = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("speech.mp3");
            let audio = vec![synth::Audio { encoder: "libmp3lame".into(), ..synth::Audio::default() }];
            synth::to_file(&synth::Spec { video: None, audio, ..synth::Spec::default() }, &path)?;
            std::fs::read(path)?
        }
    };

    let media = Media::open(Source::from_bytes(mp3))?;
    let clip = transcode(&media, &Transcode::new().format("m4a"), &Control::default())?;
    let m4a = clip.rope.to_bytes()?;
    println!(
        "{} s of sound: {} bytes of M4A in {:.1} ms",
        clip.report.duration.as_secs_f64(),
        m4a.len(),
        clip.report.wall.as_secs_f64()
    );
    Ok(())
}
