//! The units of AV1 (its specification, 5.3).

/// One unit without its header and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Obu<'a> {
    pub(crate) kind: u8,
    /// spatial_id: 0 is the picture, others improve it.
    pub(crate) layer: u8,
    pub(crate) payload: &'a [u8],
}

impl Obu<'_> {
    pub(crate) const SEQUENCE_HEADER: u8 = 1;
    pub(crate) const FRAME_HEADER: u8 = 3;
    pub(crate) const TILE_GROUP: u8 = 4;
    pub(crate) const METADATA: u8 = 5;
    pub(crate) const FRAME: u8 = 6;
    /// A frame header once more, bit by bit.
    pub(crate) const REDUNDANT_FRAME_HEADER: u8 = 7;

    /// Headers of frames, frames and tiles.
    pub(crate) fn is_of_frame(&self) -> bool {
        matches!(
            self.kind,
            Self::FRAME_HEADER | Self::TILE_GROUP | Self::FRAME | Self::REDUNDANT_FRAME_HEADER
        )
    }
}

impl Obu<'_> {
    /// With a header of one byte, and a length; of a picture's first layer.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.kind << 3 | 2];
        let mut size = self.payload.len();
        loop {
            let [low, ..] = size.to_le_bytes();
            size >>= 7;
            bytes.push(if size == 0 { low & 127 } else { low | 128 });
            if size == 0 {
                break;
            }
        }
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// The units of a packet; one without a length is the last. What breaks off is left out.
pub(crate) fn obus(mut packet: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let (header, rest) = packet.split_first()?;
        let (kind, is_extended, has_size) = (header >> 3 & 0x0F, header & 4 != 0, header & 2 != 0);
        let layer = if is_extended { rest.first()? >> 3 & 3 } else { 0 };
        let rest = rest.get(usize::from(is_extended)..)?;
        let (payload, next) = if has_size { sized(rest)? } else { (rest, &[][..]) };
        packet = next;
        Some(Obu { kind, layer, payload })
    })
}

/// A payload behind its size in LEB128 (4.10.5), and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let last = bytes.iter().take(8).position(|byte| byte & 128 == 0)?;
    let (size, rest) = bytes.split_at_checked(last.saturating_add(1))?;
    let size = size.iter().rev().fold(0_u64, |size, byte| size << 7 | u64::from(byte & 127));
    rest.split_at_checked(usize::try_from(size).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_a_packet() {
        // A temporal delimiter; a sequence header; an extended frame; one without a length.
        let packet = [0x12, 0, 0x0A, 1, 5, 0x36, 0, 2, 8, 9, 0x30, 7, 7];
        let found: Vec<_> = obus(&packet).map(|obu| (obu.kind, obu.payload.to_vec())).collect();
        assert_eq!(found, [(2, vec![]), (1, vec![5]), (6, vec![8, 9]), (6, vec![7, 7])]);
        let long = [&[0x32, 0x81, 0x01][..], &[4; 129]].concat();
        assert_eq!(obus(&long).next().unwrap().to_bytes(), long);
        assert_eq!(obus(&long).next().map(|obu| obu.payload.len()), Some(129));
        for broken in [&[][..], &[0x32, 0x80], &[0x32, 0xFF, 0xFF, 0xFF, 0xFF], &[0x36], &[0x32; 1]] {
            assert_eq!(obus(broken).next(), None, "{broken:?}");
        }
    }
}
