//! A still picture as a frame: the one place where images are opened.

use crate::{
    Control, Error, Frame, Limits, Result, Source,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        demuxer::Demuxer,
        input::{Input, OpenOptions},
        packet::Packet,
        stream::StreamKind,
    },
    io::avio::SharedReader,
};

/// What is read at once.
const CHUNK: usize = 256 << 10;

impl Frame {
    /// Decodes a still picture: PNG, JPEG, WebP or BMP, by its content. Its transparency stays. Of a file
    /// with several, the first.
    ///
    /// ```no_run
    /// use avrope::{Source, frames::Frame};
    /// let logo = Frame::from_picture(Source::open("logo.png")?)?;
    /// println!("{} x {}", logo.width(), logo.height());
    /// # Ok::<(), avrope::Error>(())
    /// ```
    ///
    /// Errors: [`Unsupported`](crate::ErrorKind::Unsupported) for anything else,
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if it can't be decoded, LimitExceeded or Corrupt for one that
    /// is too large, and what the source's reads fail with.
    pub fn from_picture(source: Source) -> Result<Self> {
        Self::from_picture_with(source, &Control::default())
    }

    /// The same, with cancel, deadline and limits.
    ///
    /// Errors: as [`from_picture`](Self::from_picture).
    pub fn from_picture_with(source: Source, control: &Control) -> Result<Self> {
        let name = source.name().to_owned();
        crate::av::log::ours(|| decode(&source, control)).map_err(|e| e.named(&name))
    }
}

fn decode(source: &Source, control: &Control) -> Result<Frame> {
    let bytes = read(source, control)?;
    let demuxer = Demuxer::for_picture(&bytes)?;
    let most = control.get_limits().pixels;
    if let Some((w, h)) =
        stated_size(&bytes).filter(|(w, h)| u64::from(*w).saturating_mul((*h).into()) > most)
    {
        let message = format!("{w}x{h} pixels, and the limit is {most} in all");
        return Err(Limits::reached("pixels", message));
    }
    let reader = SharedReader::new(&Source::from_bytes(bytes));
    let options = OpenOptions { ignore_edit_lists: false, raw: false, weighed: false, max_streams: 1 };
    let mut input = Input::open(Box::new(reader), demuxer, options, control.clone())?;
    // Not find_stream_info: that decodes with no limit of pixels.
    let stream = input.stream(0)?;
    let damaged = || {
        let codec = stream.codec();
        Error::corrupt(format!("this picture ({codec}) can't be decoded, or has more than {most} pixels"))
    };
    if stream.kind() != StreamKind::Video {
        return Err(damaged());
    }
    let options = DecodeOptions {
        device: None,
        threads: 1,
        low_delay: false,
        max_pixels: most,
        memory: control.get_limits().decoder_memory,
        keep_padding: false,
        bit_exact: false,
        alpha: false,
        ear: None,
    };
    let mut decoder = Decoder::open(&stream, &options)?;
    let (mut packet, mut frame) = (Packet::new()?, Frame::new()?);
    let mut more = true;
    while more {
        control.check()?;
        more = input.read(&mut packet)?;
        if decoder.send(more.then_some(&packet))? == Got::Damaged {
            return Err(decoder.too_large().unwrap_or_else(damaged));
        }
        match decoder.receive(&mut frame)? {
            Got::Item if frame.is_damaged() => return Err(damaged()),
            Got::Item => return Ok(frame),
            Got::Again => {}
            Got::Damaged => return Err(decoder.too_large().unwrap_or_else(damaged)),
            Got::End => return Err(damaged()),
        }
    }
    Err(damaged())
}

/// The size, where it stands at the beginning (PNG); the decoder holds to the limit in all others.
fn stated_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: std::ops::Range<usize>| Some(u32::from_be_bytes(bytes.get(at)?.try_into().ok()?));
    bytes.starts_with(b"\x89PNG").then(|| Some((number(16..20)?, number(20..24)?))).flatten()
}

/// All bytes of a source, up to the job's limit.
fn read(source: &Source, control: &Control) -> Result<Vec<u8>> {
    let mut reader = source.reader();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        control.check()?;
        let read = reader.read(bytes.len() as u64, &mut chunk, control)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { return Ok(bytes) };
        bytes.extend_from_slice(part);
        if bytes.len() as u64 > control.get_limits().memory {
            return Err(Limits::reached("memory", "the picture does not fit in the job's memory".into()));
        }
    }
}
