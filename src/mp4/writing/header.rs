//! Headers of a movie, a track and its media (mvhd, tkhd, mdhd; ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2), with
//! other lengths than they had.

use super::put;
use crate::{Result, mp4::boxes::fields::Fields};
use bytes::Bytes;

/// What stands between a header's times: a clock's ticks a second, or a track's number, which four reserved
/// bytes follow.
#[derive(Clone, Copy)]
pub(super) enum Own {
    Scale(u32),
    Number,
}

/// A header whose length is another one: of version 1, if that needs it.
pub(super) fn lasting(
    to: &mut Vec<u8>,
    kind: [u8; 4],
    content: &Bytes,
    own: Own,
    duration: u64,
) -> Result<()> {
    let (mut fields, version, flags) = Fields::of_full(kind, content.clone())?;
    let (created, changed) = (fields.wide(version)?, fields.wide(version)?);
    let was = fields.u32()?;
    let (told, reserved) = match own {
        Own::Scale(scale) => (scale, None),
        Own::Number => (was, Some(fields.u32()?)),
    };
    fields.wide(version)?;
    let wide = [created, changed, duration].iter().any(|time| *time >= u32::MAX.into());
    let put_wide = |to: &mut Vec<u8>, number: u64| match u32::try_from(number) {
        Ok(narrow) if !wide => put::u32(to, narrow),
        _ => put::u64(to, number),
    };
    put::boxed(to, kind, |to| {
        put::u32(to, u32::from(wide) << 24 | flags);
        put_wide(to, created);
        put_wide(to, changed);
        put::u32(to, told);
        if let Some(reserved) = reserved {
            put::u32(to, reserved);
        }
        put_wide(to, duration);
        to.extend_from_slice(&fields.rest());
    });
    Ok(())
}

/// A header whose length is 0. False where this is none.
pub(super) fn without_length(to: &mut Vec<u8>, kind: [u8; 4], content: &Bytes) -> bool {
    let is_wide = content.first() == Some(&1);
    // Behind version and flags, two times, and what stands between.
    let at: usize = match (&kind, is_wide) {
        (b"mvhd" | b"mdhd", false) => 16,
        (b"mvhd" | b"mdhd", true) => 24,
        (b"tkhd", false) => 20,
        (b"tkhd", true) => 28,
        _ => return false,
    };
    put::boxed(to, kind, |to| {
        let begins = to.len();
        to.extend_from_slice(content);
        let from = begins.saturating_add(at);
        let behind = from.saturating_add(if is_wide { 8 } else { 4 });
        if let Some(length) = to.get_mut(from..behind) {
            length.fill(0);
        }
    });
    true
}

/// An edit list (elst; 8.6.6): lengths in ticks of the movie, and where each begins in the media.
pub(super) fn edit_list(to: &mut Vec<u8>, edits: &[crate::mp4::Edit]) {
    let is_wide = edits.iter().any(|edit| {
        u32::try_from(edit.duration).is_err() || i32::try_from(edit.media.unwrap_or(-1)).is_err()
    });
    put::versioned(to, *b"elst", u8::from(is_wide), |to| {
        put::count(to, edits.len());
        for edit in edits {
            let media = edit.media.unwrap_or(-1);
            match (u32::try_from(edit.duration), i32::try_from(media)) {
                (Ok(duration), Ok(media)) if !is_wide => {
                    put::u32(to, duration);
                    put::u32(to, media.cast_unsigned());
                }
                _ => {
                    put::u64(to, edit.duration);
                    put::u64(to, media.cast_unsigned());
                }
            }
            // At its own speed.
            put::u32(to, 1 << 16);
        }
    });
}
