//! How long a file says that it is. Most demuxers take an early end for the end, so a file that was cut short
//! shows here alone.

use crate::av::demuxer::Demuxer;

/// What a container's first bytes say about its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// At least so many bytes.
    Bytes(u64),
    /// Packets of so many bytes each.
    Packets(u64),
}

impl Promise {
    /// Reads it from the first bytes of a file.
    pub(super) fn of(demuxer: Demuxer, head: &[u8]) -> Option<Self> {
        let name = demuxer.name();
        match name.split(',').next()? {
            "matroska" => matroska(head).map(Self::Bytes),
            "avi" | "wav" => riff(head).map(Self::Bytes),
            "mpegts" => [188, 192, 204]
                .into_iter()
                .find(|size| is_ts(head, *size))
                .map(|size| Self::Packets(size as u64)),
            _ => None,
        }
    }

    /// What is wrong with a file of this length.
    pub(super) fn broken_by(self, len: u64) -> Option<String> {
        match self {
            Self::Bytes(due) if len < due => Some(format!(
                "the file was cut short: its header says {due} bytes, and there are {len}; what is there is used"
            )),
            Self::Packets(size) if len.checked_rem(size) != Some(0) => Some(
                "the file was cut short: it ends in the middle of a transport packet; what is there is used"
                    .into(),
            ),
            _ => None,
        }
    }
}

fn is_ts(head: &[u8], size: usize) -> bool {
    // Four bytes of time come before each packet of 192.
    let first = if size == 192 { 4 } else { 0 };
    let mut starts = head.iter().skip(first).step_by(size);
    head.len() > size.saturating_mul(4) && starts.all(|byte| *byte == 0x47)
}

/// The end of the segment (RFC 8794, RFC 9559); None where it is unknown, as in what was written to a pipe.
fn matroska(head: &[u8]) -> Option<u64> {
    const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let rest = head.strip_prefix(&EBML)?;
    let (size, after) = ebml_size(rest)?;
    let rest = after.get(usize::try_from(size).ok()?..)?.strip_prefix(&SEGMENT)?;
    let (size, content) = ebml_size(rest)?;
    let start = head.len().checked_sub(content.len())?;
    size.checked_add(start as u64)
}

/// A size of 1 to 8 bytes, and what follows it.
fn ebml_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let more = first.leading_zeros();
    let (tail, rest) = bytes.get(1..)?.split_at_checked(usize::try_from(more).ok()?)?;
    // The marker's bit is not part of the number.
    let mask = 0x7f_u8.checked_shr(more)?;
    let size = tail.iter().fold(u64::from(first & mask), |sum, byte| sum << 8 | u64::from(*byte));
    // All ones: unknown.
    let unknown = first & mask == mask && tail.iter().all(|byte| *byte == 0xff);
    (more < 8 && !unknown).then_some((size, rest))
}

/// The end of the first chunk; None for the sizes that writers leave in a pipe.
fn riff(head: &[u8]) -> Option<u64> {
    let (size, _) = head.strip_prefix(b"RIFF")?.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size);
    (size != 0 && size != u32::MAX).then(|| u64::from(size).saturating_add(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_matroska_segments() {
        let file =
            |size: &[u8]| [&[0x1a, 0x45, 0xdf, 0xa3, 0x82, 1, 2, 0x18, 0x53, 0x80, 0x67], size].concat();
        assert_eq!(matroska(&file(&[0x83])), Some(12 + 3));
        assert_eq!(matroska(&file(&[0x41, 0x00])), Some(13 + 256));
        assert_eq!(matroska(&file(&[1, 0, 0, 0, 0, 0, 1, 0])), Some(19 + 256));
        assert_eq!(matroska(&file(&[1, 255, 255, 255, 255, 255, 255, 255])), None);
        assert_eq!(matroska(&file(&[0xff])), None);
        assert_eq!(matroska(&file(&[0])), None);
        assert_eq!(matroska(&file(&[])), None);
        assert_eq!(matroska(b"\x1a\x45\xdf\xa3\xff"), None);
    }

    #[test]
    fn sizes_of_riff_files() {
        assert_eq!(riff(b"RIFF\x10\0\0\0WAVE"), Some(24));
        assert_eq!(riff(b"RIFF\xff\xff\xff\xffWAVE"), None);
        assert_eq!(riff(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(riff(b"RIF"), None);
    }
}
