//! What libav gathers while it reads, which no read of ours tells of: tags in its dictionaries, whose time is
//! the square of their entries, and bytes in its parsers.
//!
//! Between two packets of one stream any number of another's may come out (sound, where a picture never
//! ends), so what is read for a packet does not tell. A parser knows how many bytes it was given behind its
//! last packet's end.

use crate::{Control, Limits, Result};
use ffmpeg_sys_next as ff;
use std::ptr::NonNull;

/// A context that reads.
#[derive(Clone, Copy)]
pub(super) struct Gathered(NonNull<ff::AVFormatContext>);

impl Gathered {
    /// # Safety
    ///
    /// The context is live for as long as this is asked; it is asked by the thread that uses it, in a call of
    /// the context's callback.
    pub(super) unsafe fn of(context: NonNull<ff::AVFormatContext>) -> Self {
        Self(context)
    }

    /// Whether it may hold what it holds, while its header is read or later.
    pub(super) fn hold(self, control: &Control, is_header: bool) -> Result<()> {
        let (limits, mut named) = (control.get_limits(), self.tags(is_header));
        for (index, stream) in self.streams().enumerate() {
            // SAFETY: the stream is live, and a NULL dictionary has no entries.
            named = named.saturating_add(unsafe { count(stream.as_ref().metadata) });
            // SAFETY: a live stream's parser is live or NULL, and its offsets are public.
            let held = unsafe {
                match ff::av_stream_get_parser(stream.as_ptr()).as_ref() {
                    Some(parser) => parser.cur_offset.saturating_sub(parser.next_frame_offset),
                    None => continue,
                }
            };
            let what = |most| format!("a packet that does not end within {most} bytes");
            let held = u64::try_from(held).unwrap_or(0);
            limits.hold_packets(held, 1, what).map_err(|e| e.in_stream(index))?;
        }
        let most = limits.metadata;
        Limits::hold(named, most, "metadata", || format!("more than {most} entries of metadata"))
    }

    /// Chapters, and tags of the whole; those of chapters as well where the header is read, for there may be
    /// thousands.
    fn tags(self, of_chapters: bool) -> u64 {
        // SAFETY: `of` says that it is live; libav does not read while it changes a dictionary or a list.
        let context = unsafe { self.0.as_ref() };
        // SAFETY: as above.
        let named = unsafe { count(context.metadata) }.saturating_add(context.nb_chapters.into());
        let chapters = if of_chapters { context.nb_chapters } else { 0 };
        (0..usize::try_from(chapters).unwrap_or(0)).fold(named, |named, index| {
            // SAFETY: there are so many live chapters.
            named.saturating_add(unsafe { count((**context.chapters.add(index)).metadata) })
        })
    }

    fn streams(self) -> impl Iterator<Item = NonNull<ff::AVStream>> {
        // SAFETY: as in `tags`.
        let (streams, count) = unsafe { (self.0.as_ref().streams, self.0.as_ref().nb_streams) };
        // SAFETY: there are so many live streams.
        (0..usize::try_from(count).unwrap_or(0))
            .filter_map(move |index| NonNull::new(unsafe { *streams.add(index) }))
    }
}

/// # Safety
/// The dictionary is live or NULL.
unsafe fn count(dict: *const ff::AVDictionary) -> u64 {
    // SAFETY: as the caller vouches.
    u64::try_from(unsafe { ff::av_dict_count(dict) }).unwrap_or(0)
}
