//! What libav's parsers hold of packets that have not ended.
//!
//! Between two packets of one stream any number of another's may come out (sound, where a picture never ends), so
//! what is read for a packet does not tell. A parser knows how many bytes it was given behind its last packet's end.

use crate::{Control, Result};
use ffmpeg_sys_next as ff;
use std::ptr::NonNull;

/// The parsers of an opened context's streams.
pub(super) struct Parsers(NonNull<ff::AVFormatContext>);

impl Parsers {
    /// # Safety
    ///
    /// The context is open, and stays so for as long as this is asked; it is asked by the thread that uses it: by
    /// libav's own call of the context's callback, or outside of its functions.
    pub(super) unsafe fn of(context: NonNull<ff::AVFormatContext>) -> Self {
        Self(context)
    }

    /// Whether each may hold what it holds.
    pub(super) fn hold(&self, control: &Control) -> Result<()> {
        // SAFETY: `of` says that it is live; libav reads neither while it changes the list of its streams nor while
        // it opens or closes a parser.
        let (streams, count) = unsafe { ((*self.0.as_ptr()).streams, (*self.0.as_ptr()).nb_streams) };
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: there are so many live streams; a stream's parser is live or NULL, and its offsets are public.
            let held = unsafe {
                match ff::av_stream_get_parser(*streams.add(index)).as_ref() {
                    Some(parser) => parser.cur_offset.saturating_sub(parser.next_frame_offset),
                    None => continue,
                }
            };
            let what = |most| format!("a packet that does not end within {most} bytes");
            let held = u64::try_from(held).unwrap_or(0);
            control.get_limits().hold_packets(held, 1, what).map_err(|e| e.in_stream(index))?;
        }
        Ok(())
    }
}
