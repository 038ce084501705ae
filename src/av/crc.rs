//! Checksums, by libavutil's tables.

use ffmpeg_sys_next as ff;

/// x^8 + x^2 + x + 1 from 0, of a FLAC frame's header.
pub(crate) fn crc8(bytes: &[u8]) -> u8 {
    crc(ff::AVCRCId::AV_CRC_8_ATM, bytes).to_le_bytes()[0]
}

/// x^16 + x^15 + x^2 + 1 from 0, of a whole FLAC frame.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    let [low, high, ..] = crc(ff::AVCRCId::AV_CRC_16_ANSI, bytes).to_le_bytes();
    // libav keeps the most significant byte first.
    u16::from_be_bytes([low, high])
}

/// x^32 + x^26 + x^23 and so on from 0, not reflected, of an Ogg page that comes in parts.
pub(crate) fn crc32(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |so_far, part| go_on(ff::AVCRCId::AV_CRC_32_IEEE, so_far, part)).swap_bytes()
}

fn crc(kind: ff::AVCRCId, bytes: &[u8]) -> u32 {
    go_on(kind, 0, bytes)
}

fn go_on(kind: ff::AVCRCId, so_far: u32, bytes: &[u8]) -> u32 {
    // SAFETY: the table of a known kind is static, and made on the first call; the bytes live during the
    // call.
    unsafe { ff::av_crc(ff::av_crc_get_table(kind), so_far, bytes.as_ptr(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksums_are_the_ones_of_their_catalogue() {
        // CRC-8/SMBUS, CRC-16/UMTS and CRC-32/MPEG-2 from 0, of the digits that such catalogues use.
        assert_eq!(super::crc8(b"123456789"), 0xF4);
        assert_eq!(super::crc16(b"123456789"), 0xFEE8);
        assert_eq!(super::crc32(&[b"1234", b"56789"]), 0x89A1_897F);
    }
}
