//! What browsers call a codec in `codecs="…"` (RFC 6381): the name of MP4's sample entry, and what of its
//! parameters decides whether it can be played.

mod av1;

use crate::{
    av::stream::Stream,
    bitstream::{Bits, Framing, unescaped},
    time::Rational,
};
use std::fmt::Write;

/// None where there is no such word, or too little is known of the stream.
pub(super) fn codec_string(stream: &Stream) -> Option<String> {
    let data = stream.extradata();
    let tag = stream.tag().unwrap_or_default();
    match stream.codec().as_str() {
        "h264" | "hevc" | "av1" if matches!(tag.as_str(), "dva1" | "dvav" | "dvh1" | "dvhe" | "dav1") => {
            // "Dolby Vision Streams Within the ISO Base Media File Format", 7 (Codecs parameter string).
            stream.dolby_vision().map(|[profile, level]| format!("{tag}.{profile:02}.{level:02}"))
        }
        "h264" => avc(data, if tag == "avc3" { "avc3" } else { "avc1" }),
        "hevc" => hevc(data, if tag == "hev1" { "hev1" } else { "hvc1" }),
        "av1" => av1(data, stream.color_numbers()),
        "vp9" => vp(stream, "vp09"),
        "vp8" if tag == "vp08" => vp(stream, "vp08"),
        "vp8" => Some("vp8".into()),
        "aac" => aac(data, stream.profile_number()),
        codec if tag == "mp4a" => {
            object_type(codec, stream.sample_rate()?).map(|kind| format!("mp4a.{kind}"))
        }
        "mpeg4" => mpeg4(data),
        "ac3" => Some("ac-3".into()),
        "eac3" => Some("ec-3".into()),
        "flac" => Some(if tag == "fLaC" { "fLaC" } else { "flac" }.into()),
        "dts" => Some(if tag.starts_with("dts") { tag } else { "dtsc".into() }),
        word @ ("opus" | "vorbis" | "mp3" | "alac") => Some(word.into()),
        // Subtitles, by their sample entries.
        _ if matches!(tag.as_str(), "wvtt" | "stpp" | "tx3g") => Some(tag),
        _ => None,
    }
}

/// The number among object types of what is not MPEG-4's own in an entry `mp4a` (mp4ra.org; RFC 6381, 3.3).
/// ffmpeg calls MP3 there `mp4a.40.34`, which is an audio object of MPEG-4, and not what the file says.
fn object_type(codec: &str, rate: u32) -> Option<&'static str> {
    match codec {
        // ISO/IEC 11172-3 has 32, 44.1 and 48 kHz; lower ones are ISO/IEC 13818-3.
        "mp3" | "mp2" => Some(if rate >= 32_000 { "6B" } else { "69" }),
        "ac3" => Some("A5"),
        "eac3" => Some("A6"),
        "dts" => Some("A9"),
        _ => None,
    }
}

/// Profile, constraints and level, as avcC and a sequence parameter set have them (ISO/IEC 14496-15, 5.3.3.1;
/// RFC 6381, 3.3).
fn avc(data: &[u8], name: &str) -> Option<String> {
    let [profile, constraints, level] = match data {
        [1, profile, constraints, level, ..] => [*profile, *constraints, *level],
        _ => *nal_unit(data, |header| header & 31 == 7)?.get(1..)?.first_chunk()?,
    };
    Some(format!("{name}.{profile:02x}{constraints:02x}{level:02x}"))
}

/// Profile, what it is compatible with, tier, level and constraints (ISO/IEC 14496-15, E.3).
fn hevc(data: &[u8], name: &str) -> Option<String> {
    let own;
    let told: &[u8; 12] = match data {
        [1, told @ ..] => told.first_chunk()?,
        _ => {
            let unit = nal_unit(data, |header| header >> 1 & 63 == 33)?;
            own = unescaped(unit.get(..32).unwrap_or(unit));
            // Behind the header of two bytes, and one of numbers.
            own.get(3..)?.first_chunk()?
        }
    };
    let [profile, a, b, c, d, constraints @ .., level] = *told;
    let space = ["", "A", "B", "C"].get(usize::from(profile >> 6))?;
    let compatible = u32::from_be_bytes([a, b, c, d]).reverse_bits();
    let tier = if profile & 32 == 0 { 'L' } else { 'H' };
    let mut word = format!("{name}.{space}{}.{compatible:X}.{tier}{level}", profile & 31);
    let last = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    for byte in constraints.iter().take(last) {
        let _ = write!(word, ".{byte:X}");
    }
    Some(word)
}

/// Profile, level, tier and bits, by an av1C (AV1 Codec ISO Media File Format Binding, 2.3 and 5). What
/// follows is all there or nothing of it: it is left out where it is as it would be taken for.
fn av1(data: &[u8], (color, full): ([i32; 3], bool)) -> Option<String> {
    let [first, second] = match *data {
        [0x81, first, second, ..] => [first, second],
        _ => av1::configuration(data)?,
    };
    let (profile, level) = (first >> 5, first & 31);
    let tier = if second & 0x80 == 0 { 'M' } else { 'H' };
    let bits = match (profile, second & 0x40 != 0, second & 0x20 != 0) {
        (2, true, true) => 12,
        (_, true, _) => 10,
        _ => 8,
    };
    let word = format!("av01.{profile}.{level:02}{tier}.{bits:02}");
    let (mono, x, y, place) = (second >> 4 & 1, second >> 3 & 1, second >> 2 & 1, second & 3);
    // Where colours are not told, they are taken for those of BT.709 (2 is "not told").
    let color = color.map(|number| if (0..256).contains(&number) && number != 2 { number } else { 1 });
    let place = if x == 1 && y == 1 { place } else { 0 };
    if (mono, x, y, color, full) == (0, 1, 1, [1, 1, 1], false) {
        return Some(word);
    }
    let [primaries, transfer, matrix] = color;
    let full = u8::from(full);
    Some(format!("{word}.{mono}.{x}{y}{place}.{primaries:02}.{transfer:02}.{matrix:02}.{full}"))
}

/// Pixels a second, and in a picture, up to which a level goes (WebM project, VP9 levels).
const VP9_LEVELS: [(u64, u64, u8); 14] = [
    (829_440, 36_864, 10),
    (2_764_800, 73_728, 11),
    (4_608_000, 122_880, 20),
    (9_216_000, 245_760, 21),
    (20_736_000, 552_960, 30),
    (36_864_000, 983_040, 31),
    (83_558_400, 2_228_224, 40),
    (160_432_128, 2_228_224, 41),
    (311_951_360, 8_912_896, 50),
    (588_251_136, 8_912_896, 51),
    (1_176_502_272, 8_912_896, 52),
    (1_176_502_272, 35_651_584, 60),
    (2_353_004_544, 35_651_584, 61),
    (4_706_009_088, 35_651_584, 62),
];

/// Profile, level and bits (VP Codec ISO Media File Format Binding). A stream does not say its level: it
/// follows from its size and rate.
fn vp(stream: &Stream, name: &str) -> Option<String> {
    let profile = stream.profile_number()?;
    let format = stream.pixel_format();
    let bits = match (profile, format) {
        (0 | 1, _) => 8,
        _ if name == "vp08" => 8,
        (2 | 3, Some(format)) if format.contains("12") => 12,
        (2 | 3, Some(_)) => 10,
        _ => return None,
    };
    let stated = stream.level().and_then(|level| u8::try_from(level).ok());
    let level = stated.or_else(|| vp9_level(stream.size()?, stream.frame_rate()))?;
    Some(format!("{name}.{profile:02}.{level:02}.{bits:02}"))
}

fn vp9_level((width, height): (u32, u32), rate: Option<Rational>) -> Option<u8> {
    let pixels = u64::from(width).saturating_mul(height.into());
    let a_second = rate.map_or(0.0, |rate| pixels as f64 * rate.value());
    let holds = |(rate, size, _): &&(u64, u64, u8)| a_second <= *rate as f64 && pixels <= *size;
    VP9_LEVELS.iter().find(holds).map(|(.., level)| *level)
}

/// By the kind of audio object (ISO/IEC 14496-3, 1.6.2.1), or by ADTS' profile, which is one less.
fn aac(data: &[u8], profile: Option<u8>) -> Option<String> {
    let mut bits = Bits::of(data);
    let told =
        audio_object(&mut bits).map(|kind| if kind == 2 { behind_lc(bits).unwrap_or(2) } else { kind });
    let decoded = profile.filter(|profile| *profile < 60).map(|profile| u32::from(profile).saturating_add(1));
    // HE-AAC may be told by nothing but the sound: a decoder finds out.
    let kind = told.filter(|kind| *kind > 2).or(decoded).or(told).filter(|kind| *kind > 0)?;
    Some(format!("mp4a.40.{kind}"))
}

/// GetAudioObjectType() of ISO/IEC 14496-3, 1.6.2.1.
fn audio_object(bits: &mut Bits) -> Option<u32> {
    match bits.take(5)? {
        31 => bits.take(6).map(|kind| kind.saturating_add(32)),
        kind => Some(kind),
    }
}

/// Skips a rate's index, or the rate itself.
fn skip_rate(bits: &mut Bits) -> Option<u32> {
    if bits.take(4)? == 15 { bits.take(24) } else { Some(0) }
}

/// HE-AAC (5), or its second version (29), told behind what old decoders read as AAC-LC (ISO/IEC 14496-3,
/// 1.6.5.2).
fn behind_lc(mut bits: Bits) -> Option<u32> {
    skip_rate(&mut bits)?;
    // 0 has a list of channels behind it, in which none of the known encoders tells HE-AAC this way.
    Some(bits.take(4)?).filter(|channels| *channels != 0)?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        bits.take(14)?;
    }
    bits.take(1)?;
    let sbr = bits.take(11)? == 0x2b7 && audio_object(&mut bits)? == 5 && bits.take(1)? == 1;
    if !sbr {
        return None;
    }
    let ps = skip_rate(&mut bits).is_some() && bits.take(11) == Some(0x548) && bits.take(1) == Some(1);
    Some(if ps { 29 } else { 5 })
}

/// Profile and level of a visual object sequence (ISO/IEC 14496-2, 6.2.2), in decimal.
fn mpeg4(data: &[u8]) -> Option<String> {
    let at = data.windows(4).position(|code| code == [0, 0, 1, 0xb0])?;
    Some(format!("mp4v.20.{}", data.get(at.saturating_add(4))?))
}

/// The first NAL unit of a kind behind a start code, from its header on.
fn nal_unit(data: &[u8], is_it: impl Fn(u8) -> bool) -> Option<&[u8]> {
    Framing::StartCodes.units(data).find(|unit| unit.first().is_some_and(|header| is_it(*header)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_specifications() {
        // ISO/IEC 14496-15, E.3, has hvc1.1.6.L93.B0: Main, level 3.1, progressive and not packed.
        let main = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(hevc(&main, "hvc1").unwrap(), "hvc1.1.6.L93.B0");
        let space = [1, 0x80 | 32 | 4, 0x10, 0, 0, 0, 0xb0, 0x23, 0, 0, 0, 0, 120];
        assert_eq!(hevc(&space, "hev1").unwrap(), "hev1.B4.8.H120.B0.23");
        // The same behind a start code, with emulation prevention in its zeros.
        let unit = [0, 0, 0, 1, 0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0xb0, 0, 0, 3, 0, 0, 3, 0, 93];
        assert_eq!(hevc(&unit, "hvc1").unwrap(), "hvc1.1.6.L93.B0");
        assert_eq!(avc(&[1, 0x64, 0, 0x1f, 0xff], "avc1").unwrap(), "avc1.64001f");
        assert_eq!(
            avc(&[0, 0, 0, 1, 9, 0x10, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1e], "avc1").unwrap(),
            "avc1.42e01e"
        );
        // The binding of AV1 has both of these.
        let bt709 = ([1, 1, 1], false);
        assert_eq!(av1(&[0x81, 0x04, 0x4c], bt709).unwrap(), "av01.0.04M.10");
        let pq = ([9, 16, 9], false);
        assert_eq!(av1(&[0x81, 0x04, 0x4e], pq).unwrap(), "av01.0.04M.10.0.112.09.16.09.0");
        // 4:4:4 of the high profile, and one of grey only: not what is taken for granted.
        assert_eq!(av1(&[0x81, 0x28, 0x80], bt709).unwrap(), "av01.1.08H.08.0.000.01.01.01.0");
        assert_eq!(av1(&[0x81, 0x00, 0x1c], bt709).unwrap(), "av01.0.00M.08.1.110.01.01.01.0");
        assert_eq!(aac(&[0x12, 0x10], Some(1)).unwrap(), "mp4a.40.2");
        assert_eq!(aac(&[0x12, 0x10], Some(4)).unwrap(), "mp4a.40.5");
        assert_eq!(aac(&[0x2b, 0x11, 0x88, 0], None).unwrap(), "mp4a.40.5");
        assert_eq!(aac(&[0xf9, 0x40], None).unwrap(), "mp4a.40.42");
        // HE-AAC and its second version behind AAC-LC, as two encoders write them.
        assert_eq!(aac(&[0x13, 0x90, 0x56, 0xe5, 0xa0], Some(1)).unwrap(), "mp4a.40.5");
        assert_eq!(aac(&[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80], None).unwrap(), "mp4a.40.29");
        assert_eq!(aac(&[0x12, 0x10, 0x56, 0xe5, 0], Some(1)).unwrap(), "mp4a.40.2");
        assert_eq!(aac(&[0xeb, 0x8a, 0x08, 0], None).unwrap(), "mp4a.40.29");
        assert_eq!((object_type("mp3", 44_100), object_type("mp3", 24_000)), (Some("6B"), Some("69")));
        assert_eq!(aac(&[], Some(1)).unwrap(), "mp4a.40.2");
        assert_eq!(mpeg4(&[0, 0, 1, 0xb0, 9, 0, 0, 1]).unwrap(), "mp4v.20.9");
        assert_eq!(vp9_level((1920, 1080), Rational::new(30, 1)), Some(40));
        assert_eq!(vp9_level((64, 64), None), Some(10));
        assert_eq!(vp9_level((1 << 20, 1 << 20), None), None);
    }

    #[test]
    fn what_breaks_off_is_no_harm() {
        let whole = [0, 0, 0, 1, 0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0xb0, 0, 0, 3, 0, 0, 3, 0, 93];
        for bytes in [
            &whole[..],
            &[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80],
            &[0x0a, 11, 0, 0, 0, 0x24, 0xcf, 0x7f],
            &[0x0f; 20],
            &[0x0a; 40],
            &[1; 20],
            &[0x81; 4],
            &[0xff; 5],
            &[0, 0, 1],
            &[0, 0, 1, 0xb0],
            &[0, 0, 1, 0x67],
        ] {
            for len in 0..=bytes.len() {
                let some = &bytes[..len];
                let _ =
                    (avc(some, ""), hevc(some, ""), av1(some, ([-1; 3], true)), mpeg4(some), aac(some, None));
            }
        }
    }
}
