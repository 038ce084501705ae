//! What lies in packets beside pictures and belongs to them, and no encoder here makes: other layers and views, Dolby
//! Vision.

use super::{
    h264, hevc,
    obus::{Obu, obus},
    units::Framing,
};

/// Units that nobody specified, which Dolby Vision has for what it says of a picture, and for another layer ("Dolby
/// Vision Streams Within the MPEG-2 Transport Stream Format", 2).
const RPU: u8 = 62;
const LAYER_OF_DOLBY: u8 = 63;

const DOLBY: &str = "Dolby Vision";

/// What a packet of a codec (by libav's name) has of the kind, in words.
pub(crate) fn layers(codec: &str, extradata: &[u8], packet: &[u8]) -> Option<&'static str> {
    let framing = Framing::of(codec, extradata);
    match codec {
        "h264" => framing.units(packet).find_map(|unit| match h264::kind(unit)? {
            h264::PREFIX | h264::SUBSET_SPS | h264::EXTENSION | h264::DEPTH_EXTENSION => {
                Some("layers or views of H.264 (SVC, MVC)")
            }
            h264::AUXILIARY => Some("auxiliary pictures of H.264 (alpha)"),
            _ => None,
        }),
        "hevc" => framing.units(packet).find_map(|unit| match (hevc::kind(unit)?, hevc::layer(unit)?) {
            (RPU | LAYER_OF_DOLBY, _) => Some(DOLBY),
            (_, 0) => None,
            _ => Some("layers or views of HEVC"),
        }),
        "av1" => obus(packet).find_map(|unit| match unit.payload {
            _ if unit.layer > 0 => Some("layers of AV1"),
            // Registered by Dolby in the United States, with what it says of a picture.
            [4, 0xB5, 0, 0x3B, 0, 0, 8, 0, ..] if unit.kind == Obu::METADATA => Some(DOLBY),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_pictures_is_named() {
        let of = |codec, units: &[&[u8]]| {
            let packet: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect();
            layers(codec, &[], &packet)
        };
        assert_eq!(of("h264", &[&[9, 16], &[6, 1], &[0x65, 8]]), None);
        for kind in [14, 15, 20, 21] {
            assert!(of("h264", &[&[0x65, 8], &[0x60 | kind, 1]]).is_some_and(|what| what.contains("MVC")));
        }
        assert_eq!(of("hevc", &[&[40, 1, 5], &[80, 1, 5]]), None);
        assert_eq!(of("hevc", &[&[40, 1, 5], &[124, 1, 5]]), Some(DOLBY));
        assert!(of("hevc", &[&[40, 1, 5], &[40, 9, 5]]).is_some_and(|what| what.contains("layers")));
        let dolby = Obu { kind: Obu::METADATA, layer: 0, payload: &[4, 0xB5, 0, 0x3B, 0, 0, 8, 0, 7] };
        assert_eq!(layers("av1", &[], &dolby.to_bytes()), Some(DOLBY));
        // An extended header with another spatial layer.
        assert_eq!(layers("av1", &[], &[0x36, 0x08, 1, 0]), Some("layers of AV1"));
        assert_eq!(layers("av1", &[], &[0x36, 0x20, 1, 0]), None);
        assert_eq!(layers("vp9", &[], &[0; 9]), None);
    }
}
