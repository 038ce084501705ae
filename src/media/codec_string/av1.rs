//! What an av1C box would say, where there are only AV1's units (IVF, OBU files, MPEG-TS).

use crate::bitstream::{Bits, Obu, obus};

/// Bytes 1 and 2 of an av1C (AV1 Codec ISO Media File Format Binding, 2.3), by the first sequence header.
pub(super) fn configuration(units: &[u8]) -> Option<[u8; 2]> {
    let header = obus(units).find(|unit| unit.kind == Obu::SEQUENCE_HEADER)?;
    read(&mut Bits::of(header.payload))
}

/// A sequence header, as far as its colours go (AV1 specification, 5.5.1 and 5.5.2).
fn read(bits: &mut Bits) -> Option<[u8; 2]> {
    let profile = bits.take(3)?;
    bits.take(1)?;
    let reduced = bits.take(1)? == 1;
    let (level, tier) = if reduced { (bits.take(5)?, 0) } else { operating_points(bits)? };
    let (width, height) = (bits.number(4)?, bits.number(4)?);
    bits.take(width.saturating_add(1))?;
    bits.take(height.saturating_add(1))?;
    if !reduced && bits.take(1)? == 1 {
        bits.take(7)?;
    }
    bits.take(3)?;
    if !reduced {
        bits.take(4)?;
        let order_hints = bits.take(1)? == 1;
        if order_hints {
            bits.take(2)?;
        }
        let screen_content = bits.take(1)? == 1 || bits.take(1)? == 1;
        if screen_content && bits.take(1)? == 0 {
            bits.take(1)?;
        }
        if order_hints {
            bits.take(3)?;
        }
    }
    bits.take(3)?;
    let high = bits.take(1)?;
    let twelve = if profile == 2 && high == 1 { bits.take(1)? } else { 0 };
    let mono = if profile == 1 { 0 } else { bits.take(1)? };
    let color = if bits.take(1)? == 1 { bits.take(24)? } else { 0 };
    let (x, y, place) = if mono == 1 {
        (1, 1, 0)
    } else if color == 0x01_0d_00 {
        // sRGB is 4:4:4.
        (0, 0, 0)
    } else {
        bits.take(1)?;
        let (x, y) = match profile {
            0 => (1, 1),
            1 => (0, 0),
            _ if twelve == 0 => (1, 0),
            _ => match bits.take(1)? {
                0 => (0, 0),
                x => (x, bits.take(1)?),
            },
        };
        (x, y, if (x, y) == (1, 1) { bits.take(2)? } else { 0 })
    };
    let first = profile << 5 | level;
    let second = tier << 7 | high << 6 | twelve << 5 | mono << 4 | x << 3 | y << 2 | place;
    Some([u8::try_from(first).ok()?, u8::try_from(second).ok()?])
}

/// Level and tier of the first point, which is the whole stream's.
fn operating_points(bits: &mut Bits) -> Option<(u32, u32)> {
    let mut delay = None;
    if bits.take(1)? == 1 {
        bits.take(64)?;
        if bits.take(1)? == 1 {
            bits.exp_golomb()?;
        }
        if bits.take(1)? == 1 {
            // Two delays of so many bits, and a flag, are in each point.
            delay = Some(bits.number(5)?.saturating_add(1).saturating_mul(2).saturating_add(1));
            bits.take(42)?;
        }
    }
    let display = bits.take(1)? == 1;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        let level = bits.take(5)?;
        let tier = if level > 7 { bits.take(1)? } else { 0 };
        first = first.or(Some((level, tier)));
        if let Some(delay) = delay
            && bits.take(1)? == 1
        {
            bits.take(delay)?;
        }
        if display && bits.take(1)? == 1 {
            bits.take(4)?;
        }
    }
    first
}
