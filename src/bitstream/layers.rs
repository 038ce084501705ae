//! What lies in packets beside pictures and belongs to them, and no encoder here makes: other layers and views, Dolby
//! Vision; and pictures that none makes (HEVC's single fields).

use super::{
    configuration::Hevc,
    h264, hevc,
    obus::{Obu, obus},
    units::Framing,
};

/// Units that nobody specified, which Dolby Vision has for what it says of a picture, and for another layer ("Dolby
/// Vision Streams Within the MPEG-2 Transport Stream Format", 2).
const RPU: u8 = 62;
const LAYER_OF_DOLBY: u8 = 63;

const DOLBY: &str = "Dolby Vision";

/// Looks for it in the packets of a stream.
pub(crate) struct Layers {
    codec: String,
    framing: Framing,
    /// By a parameter set of HEVC so far, each picture is a single field.
    has_fields: bool,
}

impl Layers {
    /// Of a codec by libav's name.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Self {
        let framing = Framing::of(codec, extradata);
        let mut layers = Self { codec: codec.to_owned(), framing, has_fields: false };
        if let Some(sets) = Hevc::of(extradata).ok().filter(|_| codec == "hevc") {
            sets.sets(hevc::SPS).for_each(|set| layers.note(set));
        }
        layers
    }

    fn note(&mut self, set: &[u8]) {
        self.has_fields |= hevc::Vui::read(set).is_some_and(|vui| vui.is_of_fields);
    }

    /// What the next packet has of the kind, in words.
    pub(crate) fn of_packet(&mut self, packet: &[u8]) -> Option<&'static str> {
        let mut units = self.framing.units(packet);
        match self.codec.as_str() {
            "h264" => units.find_map(|unit| match h264::kind(unit)? {
                h264::PREFIX | h264::SUBSET_SPS | h264::EXTENSION | h264::DEPTH_EXTENSION => {
                    Some("layers or views of H.264 (SVC, MVC)")
                }
                h264::AUXILIARY => Some("auxiliary pictures of H.264 (alpha)"),
                _ => None,
            }),
            "hevc" => {
                let mut found = None;
                for unit in units {
                    let (Some(kind), Some(layer)) = (hevc::kind(unit), hevc::layer(unit)) else { continue };
                    match (kind, layer) {
                        (RPU | LAYER_OF_DOLBY, _) => found = found.or(Some(DOLBY)),
                        (hevc::SPS, 0) => self.note(unit),
                        (_, 0) => {}
                        _ => found = found.or(Some("layers or views of HEVC")),
                    }
                }
                found.or(Some("pictures that are single fields of HEVC").filter(|_| self.has_fields))
            }
            "av1" => obus(packet).find_map(|unit| match unit.payload {
                _ if unit.layer > 0 => Some("layers of AV1"),
                // Registered by Dolby in the United States, with what it says of a picture.
                [4, 0xB5, 0, 0x3B, 0, 0, 8, 0, ..] if unit.kind == Obu::METADATA => Some(DOLBY),
                _ => None,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_pictures_is_named() {
        let of = |codec, units: &[&[u8]]| {
            let packet: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect();
            Layers::of(codec, &[]).of_packet(&packet)
        };
        assert_eq!(of("h264", &[&[9, 16], &[6, 1], &[0x65, 8]]), None);
        for kind in [14, 15, 20, 21] {
            assert!(of("h264", &[&[0x65, 8], &[0x60 | kind, 1]]).is_some_and(|what| what.contains("MVC")));
        }
        assert_eq!(of("hevc", &[&[40, 1, 5], &[80, 1, 5]]), None);
        assert_eq!(of("hevc", &[&[40, 1, 5], &[124, 1, 5]]), Some(DOLBY));
        assert!(of("hevc", &[&[40, 1, 5], &[40, 9, 5]]).is_some_and(|what| what.contains("layers")));
        let dolby = Obu { kind: Obu::METADATA, layer: 0, payload: &[4, 0xB5, 0, 0x3B, 0, 0, 8, 0, 7] };
        assert_eq!(Layers::of("av1", &[]).of_packet(&dolby.to_bytes()), Some(DOLBY));
        // An extended header with another spatial layer.
        assert_eq!(Layers::of("av1", &[]).of_packet(&[0x36, 0x08, 1, 0]), Some("layers of AV1"));
        assert_eq!(Layers::of("av1", &[]).of_packet(&[0x36, 0x20, 1, 0]), None);
        assert_eq!(Layers::of("vp9", &[]).of_packet(&[0; 9]), None);
    }
}
