//! Remuxes a stream that can't seek (anything that is `Read`) to MPEG-TS, into a channel of `Bytes`: bounded
//! memory, however long it goes on.
//!
//!     cat talk.mkv | cargo run --example read_to_channel -- - > talk.ts
//!
//! Without an argument it makes a small clip first, and counts what comes out.

use avrope::{Control, Media, Remux, Sink, Source, remux_to, synth};
use std::{
    error::Error,
    fs::File,
    io::{Read, Write},
};

fn main() -> Result<(), Box<dyn Error>> {
    // This process is ours: libav's words go into errors, not to stderr.
    avrope::log::capture();
    let folder = tempfile::tempdir()?;
    let piped = std::env::args_os().len() > 1;
    let reader: Box<dyn Read + Send> = if piped {
        Box::new(std::io::stdin())
    } else {
        let path = folder.path().join("clip.mkv");
        synth::to_file(&synth::Spec::default(), &path)?;
        Box::new(File::open(path)?)
    };

    let (sender, chunks) = avrope::io::channel(16);
    let worker = std::thread::spawn(move || {
        let media = Media::open(Source::from_reader(reader, "the stream"))?;
        // It waits where the channel is full, and ends with an error where the receiver is gone.
        remux_to(&media, &Remux::new().format("ts"), Sink::channel(sender), &Control::default())
    });

    let mut received = 0;
    for chunk in chunks {
        // An error here is a result that is not complete; the worker says why.
        let Ok(chunk) = chunk else { break };
        received += chunk.len();
        if piped {
            std::io::stdout().write_all(&chunk)?;
        }
    }
    let report = worker.join().map_err(|_| "the worker panicked")??;
    eprintln!("{} s, {} packets, {received} bytes of MPEG-TS", report.duration.as_secs_f64(), report.packets);
    Ok(())
}
