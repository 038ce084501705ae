//! MPEG-4 part 2 (ISO/IEC 14496-2, 6.2).

use super::{Entry, Headers, Leading, Picture};
use crate::bitstream::{bits::Bits, units::Framing};

const GROUP: u8 = 0xB3;
const VOP: u8 = 0xB6;

#[derive(Clone, Debug)]
pub(super) struct Mpeg4 {
    headers: Headers,
    /// How many bits a picture's time has, by the layer.
    time_bits: Option<usize>,
    leading: Leading,
    is_packed: bool,
}

impl Mpeg4 {
    pub(super) fn of(extradata: &[u8]) -> Self {
        let mut headers = Headers::default();
        headers.note(extradata, is_layer, ends_header);
        let time_bits = time_bits(headers.bytes());
        Self { headers, time_bits, leading: Leading::No, is_packed: is_told_packed(extradata) }
    }

    pub(super) fn headers(&self) -> &[u8] {
        self.headers.bytes()
    }

    /// Packets have a picture and the B-picture that is shown before it, and others nothing.
    pub(super) fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// One that is not is the picture before once more, or holds the place of one that was packed (vop_coded).
    fn is_coded(&self, header: &[u8]) -> bool {
        let Some(time_bits) = self.time_bits else { return !header.is_empty() };
        let coded = || {
            let mut bits = Bits::of(header);
            bits.take(2)?;
            while bits.flag()? {}
            bits.take(time_bits.saturating_add(2))?;
            bits.flag()
        };
        coded() == Some(true)
    }

    pub(super) fn picture(&mut self, packet: &[u8]) -> Picture {
        let mut picture =
            Picture { has_headers: self.headers.note(packet, is_layer, ends_header), ..Picture::default() };
        if picture.has_headers {
            self.is_packed |= is_told_packed(packet);
            self.time_bits = time_bits(self.headers.bytes());
        }
        let (mut is_closed, mut kind, mut has_b_behind) = (false, None, false);
        for unit in Framing::StartCodes.units(packet) {
            match unit {
                // The time code has 18 bits, then closed_gov.
                [GROUP, _, _, bits, ..] => is_closed = bits & 0x20 != 0,
                [VOP, picture_header @ ..] if self.is_coded(picture_header) => {
                    picture.count = picture.count.saturating_add(1);
                    let this = picture_header.first().map_or(0, |bits| bits >> 6);
                    has_b_behind |= kind.is_some() && this == 2;
                    kind = kind.or(Some(this));
                }
                _ => {}
            }
        }
        self.is_packed |= picture.count > 1;
        match kind {
            Some(0) => {
                (picture.is_reference, picture.is_intra) = (true, true);
                self.leading = if is_closed { Leading::Decodable } else { Leading::Skipped };
                picture.entry = match is_closed {
                    true => Some(Entry::Anywhere),
                    // What had to be left out is in the same packet.
                    false if has_b_behind => None,
                    false => Some(Entry::WithoutLeading),
                };
            }
            Some(2) => picture.leading = self.leading,
            // P, and S that a sprite or all of a picture before it moves.
            Some(_) => {
                picture.is_reference = true;
                self.leading = Leading::No;
            }
            None => {}
        }
        picture
    }
}

/// By vop_time_increment_resolution (6.2.3): so many as a number below it has.
fn time_bits(headers: &[u8]) -> Option<usize> {
    const EXTENDED: u32 = 15;
    let layer =
        Framing::StartCodes.units(headers).find(|unit| unit.first().is_some_and(|code| is_layer(*code)))?;
    let mut bits = Bits::of(layer.get(1..)?);
    bits.take(1 + 8)?;
    let mut version = 1;
    if bits.flag()? {
        version = bits.take(4)?;
        bits.take(3)?;
    }
    if bits.take(4)? == EXTENDED {
        bits.take(16)?;
    }
    // Chroma, delay and, if told, 79 bits of its buffer.
    if bits.flag()? {
        bits.take(3)?;
        if bits.flag()? {
            bits.take(79)?;
        }
    }
    if bits.take(2)? == 3 && version != 1 {
        bits.take(4)?;
    }
    bits.take(1)?;
    let resolution = bits.take(16)?;
    let last = resolution.saturating_sub(1).checked_ilog2().map_or(0, |log| log.saturating_add(1));
    usize::try_from(last.max(1)).ok()
}

/// video_object_layer_start_code
fn is_layer(code: u8) -> bool {
    (0x20..=0x2F).contains(&code)
}

fn ends_header(code: u8) -> bool {
    matches!(code, GROUP | VOP)
}

/// DivX says so at the end of its name, as in `DivX503b1393p`.
fn is_told_packed(bytes: &[u8]) -> bool {
    const USER_DATA: u8 = 0xB2;
    Framing::StartCodes.units(bytes).take_while(|unit| unit.first() != Some(&VOP)).any(|unit| {
        unit.first() == Some(&USER_DATA) && unit.get(1..5) == Some(b"DivX") && unit.ends_with(b"p")
    })
}
