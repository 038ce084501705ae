//! What of a source is let in: its streams, its metadata, its edit lists, and the index of an MP4 that comes
//! as a stream.

use super::{Timeline, header::Header};
use crate::{
    Control, Error, ErrorKind, Limits, Result, av::stream::Stream, io::SourceReader, mp4, time::Timestamp,
};

/// Before its index a stream of MP4 may have this part of what a demuxer may hold: empty space, brands, what
/// somebody put there.
const BEFORE_INDEX: u64 = 16;

/// The streams and the metadata of what is open.
pub(super) fn streams(streams: &[Stream], header: &Header, control: &Control) -> Result<()> {
    let limits = control.get_limits();
    let most = limits.streams;
    Limits::hold(streams.len() as u64, most as u64, "streams", || {
        format!("{} streams, and the limit is {most}", streams.len())
    })?;
    for (i, stream) in streams.iter().enumerate() {
        if let Some((w, h)) = stream.size() {
            let what = || format!("{w}x{h} pixels, and the limit is {} in all", limits.pixels);
            Limits::hold(u64::from(w).saturating_mul(h.into()), limits.pixels, "pixels", what)
                .map_err(|e| e.in_stream(i))?;
        }
    }
    let chapters: usize =
        header.chapters.iter().map(|chapter| chapter.metadata.len().saturating_add(1)).sum();
    let of_streams: usize = streams.iter().map(|stream| stream.metadata.len()).sum();
    let named = header.metadata.len().saturating_add(of_streams).saturating_add(chapters) as u64;
    Limits::hold(named, limits.metadata, "metadata", || {
        format!("{named} entries of metadata and chapters, and the limit is {}", limits.metadata)
    })?;
    if streams.is_empty() {
        return Err(Error::corrupt("there are no streams in it"));
    }
    Ok(())
}

/// How often an edit list shows the media that there is.
/// `last`: when the last of so many samples is decoded.
pub(super) fn repeats(
    index: usize,
    timeline: &Timeline,
    last: Option<i64>,
    samples: u64,
    control: &Control,
) -> Result<()> {
    let most = control.get_limits().repeats;
    // No entry shows more than all of the media.
    if timeline.spans.len() as u64 <= most {
        return Ok(());
    }
    // The samples' own times: what a header says of their length is not asked.
    let Some(last) = last else { return Ok(()) };
    let Some(steps) = i64::try_from(samples).ok().and_then(|samples| samples.checked_sub(1)) else {
        return Ok(());
    };
    let step = last.checked_div(steps).unwrap_or(0).saturating_add(1);
    let media = Timestamp::from_ticks(last.saturating_add(step), timeline.base);
    let shown = |sum: Timestamp, span: &super::Span| sum.plus(span.len.min(media));
    let shown = timeline.spans.iter().fold(Timestamp::ZERO, shown);
    let times = shown.secs() / media.secs().max(f64::MIN_POSITIVE);
    if times <= most as f64 {
        return Ok(());
    }
    let what = format!("its edit list shows {media} of media for {shown}, {times:.0} times as long");
    Err(Limits::reached("repeats", what).in_stream(index))
}

/// Reads on in a stream of MP4 until its index is in `head`, and judges that before libav sees it.
pub(super) fn index_of_stream(
    reader: &mut SourceReader,
    head: &mut Vec<u8>,
    control: &Control,
) -> Result<()> {
    let limits = control.get_limits();
    let mut at: u64 = 0;
    loop {
        if fill(reader, head, at.saturating_add(16), control)? < at.saturating_add(16) {
            return Ok(());
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(([a, b, c, d, kind @ ..], rest)) =
            head.get(start..).and_then(<[u8]>::split_first_chunk::<8>)
        else {
            return Ok(());
        };
        let size = match u32::from_be_bytes([*a, *b, *c, *d]) {
            0 => u64::MAX,
            1 => rest.first_chunk().map_or(0, |size| u64::from_be_bytes(*size)),
            size => size.into(),
        };
        let end = at.saturating_add(size);
        if kind == b"mdat" {
            return Err(Error::unsupported(
                "its index (the moov box) comes behind its media, and a stream can't go back",
            )
            .advise("save it to a file, or read it into memory first"));
        }
        let is_index = kind == b"moov";
        if size < 8 {
            return Ok(());
        }
        let most =
            if is_index { limits.demuxer_memory } else { mp4::part_of(limits.demuxer_memory, BEFORE_INDEX) };
        // What is shorter than it says is no MP4, or cut short: libav has words for that.
        if end > most && fill(reader, head, most, control)? < most {
            return Ok(());
        }
        Limits::hold(end, most, "demuxer_memory", || {
            let what = if is_index { "end" } else { "begin" };
            format!("its index (the moov box) does not {what} within its first {most} bytes")
        })?;
        if is_index {
            fill(reader, head, end, control)?;
            let using = mp4::Use { fragments: true, expands: true };
            let index = end.min(head.len() as u64);
            return mp4::weigh(&mut mp4::in_memory(head, 0), index, limits, using).map(drop);
        }
        at = end;
    }
}

/// Reads until there are so many bytes, or the stream ends.
fn fill(reader: &mut SourceReader, head: &mut Vec<u8>, len: u64, control: &Control) -> Result<u64> {
    while (head.len() as u64) < len {
        control.check()?;
        let missing = usize::try_from(len.saturating_sub(head.len() as u64)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; missing.min(1 << 20)];
        match reader.read(head.len() as u64, &mut chunk, control)? {
            0 => break,
            read if read > chunk.len() => {
                return Err(Error::new(ErrorKind::Bug, "more was read than there is room for"));
            }
            read => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
    Ok(head.len() as u64)
}
