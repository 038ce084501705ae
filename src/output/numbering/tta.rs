//! TTA: its decoders know its last frame by how many samples there are in all (tta.c), and Matroska has no
//! place for that but the length of the whole file, which libav's muxer says in milliseconds.

use crate::time::{Rational, Timestamp, convert};

const MILLIS: Rational = Rational { num: 1, den: 1000 };

/// How long a file of Matroska has to be so that readers find the last frame of this stream; None where no
/// number of milliseconds tells them how many samples there are. `head`: "TTA1", two bytes each of format,
/// channels and bits, four of the rate, four of the samples.
pub(super) fn length(head: &[u8]) -> Option<Timestamp> {
    let field = |at: std::ops::Range<usize>| Some(u32::from_le_bytes(head.get(at)?.try_into().ok()?));
    let rate = field(10..14).filter(|_| head.starts_with(b"TTA1"))?;
    let sample = Rational::new(1, i32::try_from(rate).ok()?)?;
    let samples = i64::from(field(14..18)?);
    let millis = convert(samples, sample, MILLIS);
    (convert(millis, MILLIS, sample) == samples).then(|| Timestamp::from_ticks(millis, MILLIS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_where_milliseconds_tell_it() {
        let head = |rate: u32, samples: u32| {
            [&b"TTA1\x01\0\x02\0\x10\0"[..], &rate.to_le_bytes(), &samples.to_le_bytes()].concat()
        };
        let millis = |n| Some(Timestamp::from_ticks(n, MILLIS));
        assert_eq!(length(&head(44_100, 3 * 44_100)), millis(3000));
        assert_eq!(length(&head(48_000, 48)), millis(1));
        assert_eq!(length(&head(48_000, 49)), None);
        // As Matroska's readers count 2.346 s, and what that was made of.
        assert_eq!((length(&head(44_100, 103_459)), length(&head(44_100, 103_441))), (millis(2346), None));
        assert_eq!(length(&head(0, 1)), None);
        assert_eq!(length(b"TTA1"), None);
    }
}
