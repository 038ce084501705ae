//! MPEG audio (ISO/IEC 11172-3, 13818-3): a frame's header says how long it is, and a reader of a raw stream
//! finds the next one there.

/// Samples that a file's header (Info, by LAME) can have left out at its beginning: 12 bits, and what each
/// decoder is late (libav's mp3enc.c and mp3dec.c).
pub(super) const MOST_SKIPPED: i64 = 4095 + 528 + 1;

/// Kilobits a second, by version and layer and the header's index from 1.
const RATES: [[u16; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// The bytes that a frame has by its header; None for a free bit rate, and for what is no frame.
pub(super) fn frame_len(frame: &[u8]) -> Option<usize> {
    let [0xFF, version, rates, _] = *frame.first_chunk::<4>()? else { return None };
    // Half and a quarter of MPEG-1's sample rates are MPEG-2's and 2.5's.
    let shift = match version >> 3 & 3 {
        _ if version >> 5 != 7 => return None,
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    let layer = 4_u8.checked_sub(version >> 1 & 3).filter(|layer| *layer < 4)?;
    let row = match (shift, layer) {
        (0, layer) => layer.checked_sub(1)?,
        (_, 1) => 3,
        _ => 4,
    };
    let rate = u32::from(*RATES.get(usize::from(row))?.get(usize::from((rates >> 4).checked_sub(1)?))?);
    let hertz = [44_100_u32, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? >> shift;
    let padding = u32::from(rates >> 1 & 1);
    let bits = rate.checked_mul(1000)?;
    let len = match layer {
        1 => bits.checked_mul(12)?.checked_div(hertz)?.checked_add(padding)?.checked_mul(4)?,
        3 if shift > 0 => bits.checked_mul(72)?.checked_div(hertz)?.checked_add(padding)?,
        _ => bits.checked_mul(144)?.checked_div(hertz)?.checked_add(padding)?,
    };
    usize::try_from(len).ok()
}

/// The whole of a frame that was cut short: a reader would take what follows for its rest, and lose that.
pub(super) fn completed(frame: &[u8]) -> Option<Vec<u8>> {
    let len = frame_len(frame).filter(|len| *len > frame.len())?;
    let mut whole = frame.to_vec();
    whole.resize(len, 0);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_their_header_says() {
        // MPEG-1 layer III: 128 kb/s at 44.1 kHz without and with padding; at 48 kHz.
        assert_eq!(frame_len(&[0xFF, 0xFB, 0x90, 0]), Some(417));
        assert_eq!(frame_len(&[0xFF, 0xFB, 0x92, 0]), Some(418));
        assert_eq!(frame_len(&[0xFF, 0xFB, 0x94, 0]), Some(384));
        // MPEG-2 layer III of 64 kb/s at 24 kHz, MPEG-2.5 of 32 at 8 kHz.
        assert_eq!(frame_len(&[0xFF, 0xF3, 0x84, 0]), Some(192));
        assert_eq!(frame_len(&[0xFF, 0xE3, 0x48, 0]), Some(288));
        // Layer II of 192 kb/s at 48 kHz, layer I of 384 at 32 kHz.
        assert_eq!(frame_len(&[0xFF, 0xFD, 0xA4, 0]), Some(576));
        assert_eq!(frame_len(&[0xFF, 0xFF, 0xC8, 0]), Some(576));
        for no in
            [&[][..], &[0xFF, 0xFB], &[0, 0, 0, 0], &[0xFF, 0xFB, 0xF0, 0], &[0xFF, 0xFB, 0, 0], &[0xFF; 4]]
        {
            assert_eq!(frame_len(no), None, "{no:x?}");
        }
    }

    #[test]
    fn what_was_cut_short_is_filled_with_zeros() {
        let frame = [&[0xFF, 0xFB, 0x90, 0x64][..], &[7; 100]].concat();
        let whole = completed(&frame).unwrap();
        assert_eq!((whole.len(), &whole[..104], &whole[104..]), (417, &frame[..], &[0; 313][..]));
        assert_eq!(completed(&whole), None);
    }
}
