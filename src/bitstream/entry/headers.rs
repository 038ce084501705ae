//! What stands in front of pictures, and holds for all until there is another.

use crate::bitstream::units::without_zeros;

/// The headers of a sequence, as they lie in packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers(Vec<u8>);

/// What is longer is none: messages of users may be among them, but no pictures.
const MOST: usize = 1 << 16;

impl Headers {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn set(&mut self, bytes: &[u8]) {
        if bytes.len() <= MOST && self.0 != bytes {
            self.0 = bytes.to_vec();
        }
    }

    /// Looks for headers in front of the first start code that ends them, and keeps them if there is one that is
    /// asked for. Tells whether there was.
    pub(super) fn note(&mut self, packet: &[u8], is_it: fn(u8) -> bool, ends: fn(u8) -> bool) -> bool {
        let codes = packet.windows(4).enumerate().take(MOST);
        let mut codes = codes.filter_map(|(at, four)| match *four {
            [0, 0, 1, code] => Some((at, code)),
            _ => None,
        });
        let Some((begins, mut code)) = codes.next() else { return false };
        let (mut is_there, mut end) = (false, packet.len());
        let mut at = begins;
        loop {
            if ends(code) {
                end = at;
                break;
            }
            is_there |= is_it(code);
            let Some(next) = codes.next() else { break };
            (at, code) = next;
        }
        if is_there {
            self.set(without_zeros(packet.get(begins..end).unwrap_or_default()));
        }
        is_there
    }
}
