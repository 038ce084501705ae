//! AV1: units of metadata (its specification, 5.8).

use crate::bitstream::obus::{Obu, obus};
use std::sync::Arc;

/// What a temporal unit carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    own: Vec<Unit>,
    lasting: Vec<Unit>,
}

/// What a unit of metadata says, which all pictures share that it holds for.
type Unit = Arc<[u8]>;

#[derive(Clone, Debug, Default)]
pub(super) struct Av1 {
    lasting: Vec<Unit>,
}

/// Kinds of metadata: light, the display of mastering, layers, what users registered (captions, HDR10+), a time code.
const LIGHT: u8 = 1;
const DISPLAY: u8 = 2;
const LAYERS: u8 = 3;

/// The kind, of which all have one byte.
fn kind(payload: &[u8]) -> Option<u8> {
    payload.first().copied()
}

fn is_lasting(payload: &[u8]) -> bool {
    matches!(kind(payload), Some(LIGHT | DISPLAY))
}

impl Av1 {
    pub(super) fn take(&mut self, packet: &[u8]) -> Carried {
        let mut own: Vec<Unit> = Vec::new();
        for unit in obus(packet) {
            match unit.kind {
                // A sequence begins.
                Obu::SEQUENCE_HEADER => self.lasting.clear(),
                Obu::METADATA if kind(unit.payload) != Some(LAYERS) => {
                    let said = Unit::from(unit.payload);
                    if is_lasting(&said) {
                        self.lasting.retain(|known| kind(known) != kind(&said));
                        self.lasting.push(Unit::clone(&said));
                    }
                    own.push(said);
                }
                _ => {}
            }
        }
        Carried { own, lasting: self.lasting.clone() }
    }
}

impl Carried {
    /// How many bytes it has of its own; those that last are shared.
    pub(super) fn memory(&self) -> usize {
        let shared = self.own.iter().chain(&self.lasting).map(|_| size_of::<Unit>()).sum::<usize>();
        self.own.iter().map(|payload| payload.len()).sum::<usize>().saturating_add(shared)
    }

    /// A temporal unit with what is carried in front of its first frame, in place of what the encoder says of the same.
    pub(super) fn put(&self, packet: &[u8], is_key: bool) -> Option<Vec<u8>> {
        let is_own = |payload: &[u8]| self.own.iter().any(|own| kind(own) == kind(payload));
        let lasting = self.lasting.iter().filter(|own| is_key && !is_own(own));
        let said: Vec<&Unit> = lasting.chain(&self.own).collect();
        if said.is_empty() {
            return None;
        }
        let mut bytes = Vec::with_capacity(packet.len().saturating_add(64));
        let mut is_put = false;
        for unit in obus(packet) {
            let is_same = || said.iter().any(|own| kind(own) == kind(unit.payload));
            if unit.kind == Obu::METADATA && is_same() {
                continue;
            }
            if unit.is_of_frame() && !is_put {
                is_put = true;
                let all = said.iter().map(|payload| Obu { kind: Obu::METADATA, layer: 0, payload });
                bytes.extend(all.flat_map(Obu::to_bytes));
            }
            bytes.extend(unit.to_bytes());
        }
        is_put.then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_goes_in_front_of_the_first_frame() {
        let unit = |kind: u8, payload: &[u8]| Obu { kind, layer: 0, payload }.to_bytes();
        let (light, captions) = (unit(5, &[1, 9]), unit(5, &[4, 0xB5, 7]));
        let mut reading = Av1::default();
        let first = [unit(2, &[]), unit(1, &[3]), light.clone(), unit(6, &[8])].concat();
        reading.take(&first);
        let carried = reading.take(&[captions.clone(), unit(6, &[4])].concat());
        // The encoder's own captions go.
        let made = [unit(1, &[5]), unit(5, &[4, 1]), unit(6, &[6, 6])].concat();
        let with = |parts: &[&[u8]]| Some([&unit(1, &[5])[..], &parts.concat(), &unit(6, &[6, 6])].concat());
        assert_eq!(carried.put(&made, false), with(&[&captions]));
        assert_eq!(carried.put(&made, true), with(&[&light, &captions]));
        assert_eq!(Carried::default().put(&made, true), None);
    }
}
