//! Edit lists (ISO/IEC 14496-12, 8.6.6): which stretches of a track's media are shown, one behind the other.

use crate::{
    Error, ErrorKind, Result, Timestamp,
    mp4::boxes::{Place, Read},
    time::Rational,
};

/// Larger edit lists than this are taken for an attack.
const EDITS: usize = 1 << 16;

/// One entry of an edit list (8.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// In ticks of the movie; 0 in a fragmented file for all that follows.
    pub duration: u64,
    /// Composition time in ticks of the media; None for an empty edit.
    pub media: Option<i64>,
    /// Played at its own speed: media_rate is 1.
    pub plain: bool,
}

/// The time of the media, in its ticks, that an edit list shows at a time of the movie, in whose ticks it counts; None
/// where it shows nothing then. Behind an entry that says no length comes the rest of the media.
pub(crate) fn media_at(edits: &[Edit], movie: Rational, media: Rational, time: Timestamp) -> Option<i64> {
    let mut begins: u64 = 0;
    for (i, edit) in edits.iter().enumerate() {
        let ends = begins.saturating_add(edit.duration);
        let at = |ticks: u64| Timestamp::from_ticks(i64::try_from(ticks).unwrap_or(i64::MAX), movie);
        let is_open = edit.duration == 0 && i.saturating_add(1) == edits.len();
        if time >= at(begins) && (is_open || time < at(ends)) {
            return edit.media.map(|from| from.saturating_add(time.minus(at(begins)).ticks(media)));
        }
        begins = ends;
    }
    None
}

pub(in crate::mp4) fn edit_list(read: &mut Read<'_>, place: Place) -> Result<Vec<Edit>> {
    let size = place.end.saturating_sub(place.content);
    if size > (EDITS as u64).saturating_mul(20).saturating_add(8) {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("an edit list of more than {EDITS} entries"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    read(place.content, &mut bytes)?;
    let Some((head, entries)) = bytes.split_first_chunk::<8>() else {
        return Ok(Vec::new());
    };
    let [version, _, _, _, count @ ..] = *head;
    let count = usize::try_from(u32::from_be_bytes(count)).unwrap_or(usize::MAX);
    let edits = if version == 1 {
        let parse = |entry: &[u8; 20]| {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, rate @ ..] = *entry;
            Edit {
                duration: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
                media: Some(i64::from_be_bytes([i, j, k, l, m, n, o, p])).filter(|media| *media >= 0),
                plain: rate == [0, 1, 0, 0],
            }
        };
        entries.as_chunks::<20>().0.iter().take(count).map(parse).collect()
    } else {
        let parse = |entry: &[u8; 12]| {
            let [a, b, c, d, e, f, g, h, rate @ ..] = *entry;
            Edit {
                duration: u32::from_be_bytes([a, b, c, d]).into(),
                media: Some(i64::from(i32::from_be_bytes([e, f, g, h]))).filter(|media| *media >= 0),
                plain: rate == [0, 1, 0, 0],
            }
        };
        entries.as_chunks::<12>().0.iter().take(count).map(parse).collect()
    };
    Ok(edits)
}
