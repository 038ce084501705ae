//! A processor of one's own: draws a bar that grows with time onto every picture, in process.
//!
//!     cargo run --release --example draw_on_frames -- talk.mp4 out.mp4
//!
//! Without files it makes a small clip first, and leaves the result in memory.

use avrope::{
    Control, Media, Result, Sink, Source, Transcode,
    frames::Frame,
    synth,
    transcode::{Processor, Transcoder},
};
use std::{error::Error, time::Duration};

/// Paints the lowest lines of the picture white, from the left to how far the clip has come.
struct Bar {
    length: Duration,
}

impl Processor<Frame> for Bar {
    // Whatever the source has, pictures come as RGB with one byte for each of red, green and blue, in one
    // plane.
    fn format(&self) -> Option<&str> {
        Some("rgb24")
    }

    fn process(&mut self, mut frame: Frame, next: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        let done = frame.time().unwrap_or_default().secs() / self.length.as_secs_f64();
        let (width, height, stride) = (frame.width() as usize, frame.height() as usize, frame.stride(0));
        let filled = (width as f64 * done.clamp(0.0, 1.0)) as usize;
        // Copied first if anybody else refers to these bytes.
        let plane = frame.plane_mut(0)?;
        for line in plane.chunks_mut(stride).skip(height - height / 20) {
            line[..filled * 3].fill(255);
        }
        next(frame)
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    avrope::log::capture();
    let folder = tempfile::tempdir()?;
    let mut arguments = std::env::args_os().skip(1);
    let (input, output) = match (arguments.next(), arguments.next()) {
        (Some(input), output) => (input.into(), output),
        _ => {
            let path = folder.path().join("clip.mp4");
            synth::to_file(&synth::Spec::default(), &path)?;
            (path, None)
        }
    };

    let media = Media::open(Source::open(input)?)?;
    let bar = Bar { length: media.duration().ok_or("its length is not known")? };
    let settings = Transcode::new().format("mp4");
    let job = Transcoder::new(&media, &settings).video(bar);
    let report = match output {
        Some(path) => job.run_to(Sink::file(path), &Control::default())?,
        None => job.run(&Control::default())?.report,
    };
    println!(
        "{} pictures in {:.0} ms, {} bytes",
        report.frames_encoded,
        report.wall.as_secs_f64(),
        report.output_bytes
    );
    Ok(())
}
