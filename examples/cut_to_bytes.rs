//! Cuts two seconds out of a file, into memory: no temporary file, no other process.
//!
//!     cargo run --example cut_to_bytes -- talk.mp4
//!
//! Without a file it makes a small clip first.

use avrope::{Control, Cut, Media, Source, TimeRange, cut, synth};
use std::{error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // This process is ours: libav's words go into errors, not to stderr.
    avrope::log::capture();
    let folder = tempfile::tempdir()?;
    let path = if let Some(path) = std::env::args_os().nth(1) {
        PathBuf::from(path)
    } else {
        let path = folder.path().join("clip.mp4");
        synth::to_file(&synth::Spec::default(), &path)?;
        path
    };

    // Opening is paid once; many cuts may follow, also from many threads.
    let media = Media::open(Source::open(&path)?)?;
    let settings = Cut::new().keep(TimeRange::secs(1.0, 3.0)?).format("mp4");
    let clip = cut(&media, &settings, &Control::default())?;
    println!(
        "{} s in {:.2} ms: {} bytes, {} of them slices of the file, in {} segments",
        clip.report.duration.as_secs_f64(),
        clip.report.wall.as_secs_f64(),
        clip.rope.len(),
        clip.report.payload_shared,
        clip.report.slices
    );

    // Only here are the file's bytes read: for a response, an object store, a database…
    let bytes = clip.rope.to_bytes()?;
    println!("in memory: {} bytes of MP4", bytes.len());
    Ok(())
}
