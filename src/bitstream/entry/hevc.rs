//! HEVC: the kinds of its units say it (ITU-T H.265, table 7-1).

use super::{Entry, Leading, Picture};
use crate::bitstream::{hevc, units::Framing};

#[derive(Clone, Debug)]
pub(super) struct Hevc {
    framing: Framing,
}

impl Hevc {
    pub(super) fn of(extradata: &[u8]) -> Self {
        Self { framing: Framing::of("hevc", extradata) }
    }

    pub(super) fn with_headers(&self, headers: &[u8], packet: &[u8]) -> Vec<u8> {
        self.framing.with_front(packet, headers, |unit| hevc::kind(unit) == Some(hevc::DELIMITER))
    }

    pub(super) fn picture(&self, packet: &[u8]) -> Picture {
        let mut picture = Picture::default();
        // Messages may be read by a set that lies in front of them.
        let mut has_messages = false;
        for unit in self.framing.units(packet).filter(|unit| hevc::layer(unit) == Some(0)) {
            let Some(kind) = hevc::kind(unit) else { continue };
            if matches!(kind, hevc::VPS | hevc::SPS | hevc::PPS) {
                picture.has_headers |= !has_messages;
            }
            has_messages |= hevc::SEI.contains(&kind);
            if !hevc::is_slice(kind) {
                continue;
            }
            picture.count = 1;
            picture.is_intra = hevc::is_random_access(kind);
            picture.is_reference = picture.is_intra || kind % 2 == 1;
            picture.leading = match kind {
                kind if hevc::RASL.contains(&kind) => Leading::Skipped,
                kind if hevc::RADL.contains(&kind) => Leading::Decodable,
                _ => Leading::No,
            };
            picture.entry = match kind {
                hevc::CRA => Some(Entry::WithoutLeading),
                kind if hevc::IDR.contains(&kind) || hevc::BLA.contains(&kind) => Some(Entry::Anywhere),
                _ => None,
            };
            break;
        }
        picture
    }
}
