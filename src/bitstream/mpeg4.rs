//! MPEG-4 part 2: whether a layer's pictures are shown as they are decoded (ISO/IEC 14496-2, 6.2.3).

use super::Bits;

/// Start codes of layers (table 6-3).
const LAYERS: std::ops::RangeInclusive<u8> = 0x20..=0x2F;

/// The place of low_delay in the headers of a layer, in bits from the first byte on. None where they don't say it: then
/// B-pictures may come.
fn low_delay_at(bytes: &[u8]) -> Option<usize> {
    const EXTENDED: u32 = 15;
    let code = bytes.windows(4).position(|four| matches!(four, [0, 0, 1, kind] if LAYERS.contains(kind)))?;
    let begins = code.checked_add(4)?;
    let mut bits = Bits::of(bytes.get(begins..)?);
    // random_accessible_vol, video_object_type_indication.
    bits.take(9)?;
    if bits.flag()? {
        // Its version and priority.
        bits.take(7)?;
    }
    if bits.take(4)? == EXTENDED {
        bits.take(16)?;
    }
    if !bits.flag()? {
        return None;
    }
    // chroma_format.
    bits.take(2)?;
    begins.checked_mul(8)?.checked_add(bits.position())
}

/// Whether headers say that pictures are shown as they are decoded.
pub(crate) fn is_low_delay(headers: &[u8]) -> bool {
    let bit = |at: usize| Some(headers.get(at / 8)? >> (7_usize.saturating_sub(at % 8)) & 1 == 1);
    low_delay_at(headers).and_then(bit).unwrap_or(false)
}

/// The same packet with headers that let pictures be shown later than they are decoded, as those of another layer do: a
/// decoder that goes from one to the other keeps its delay. None where nothing has to change.
pub(crate) fn with_delay(packet: &[u8]) -> Option<Vec<u8>> {
    if !is_low_delay(packet) {
        return None;
    }
    let at = low_delay_at(packet)?;
    let mut changed = packet.to_vec();
    *changed.get_mut(at / 8)? &= !(0x80 >> (at % 8));
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_says_whether_pictures_wait() {
        let of = |low: u8| {
            let mut bits = vec![0, 0, 1, 0x20];
            // No random access, simple; no identifier; square pixels; control parameters, 4:2:0.
            let value: u32 = 0b0_0000_0001_0000_1101 << 1 | u32::from(low);
            bits.extend((value << 14).to_be_bytes());
            bits
        };
        assert!(is_low_delay(&of(1)) && !is_low_delay(&of(0)));
        let changed = with_delay(&of(1)).unwrap();
        assert_eq!(changed, of(0));
        assert_eq!(with_delay(&of(0)), None);
        assert_eq!(with_delay(&[0, 0, 1, 0xB6, 1]), None);
    }
}
