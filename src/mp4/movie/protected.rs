//! Whether copies of a track's samples can be played: where they lie, and what it takes to decrypt them (ISO/IEC
//! 23001-7).

use super::Track;
use crate::mp4::sample_tables::{Auxiliary, Description};

impl Track {
    /// Whether its tables say all of its samples, which lie in this file and are not encrypted.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_told() && !self.is_encrypted()
    }

    /// The same, where what is encrypted can be decrypted from copies of its samples as well: what that takes is
    /// told of beside them.
    pub(crate) fn can_be_copied(&self) -> bool {
        const SCHEMES: [&[u8; 4]; 4] = [b"cenc", b"cens", b"cbc1", b"cbcs"];
        const PROTECTED: [&[u8; 4]; 4] = [b"encv", b"enca", b"enct", b"encs"];
        let extras = &self.extras;
        let is_known = |own: &Description| PROTECTED.contains(&&own.kind) || !is_encrypted(own);
        let tells = |own: &Auxiliary| {
            own.about.is_none_or(|(kind, _)| SCHEMES.contains(&&kind))
                && extras.encryption.is_none_or(|bytes| bytes == own.bytes())
        };
        // Groups may have keys of their own (seig).
        let is_of_groups = |kind: &[u8; 4]| matches!(kind, b"sbgp" | b"csgp" | b"sgpd");
        let is_clear = || {
            self.descriptions.iter().all(is_known)
                && !extras.has_own
                && !extras.others.iter().any(is_of_groups)
                && extras.auxiliary.iter().any(tells)
        };
        self.is_told() && (!self.is_encrypted() || is_clear())
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.descriptions.iter().any(is_encrypted)
    }

    fn is_told(&self) -> bool {
        self.samples.is_ok() && self.is_whole && self.has_one_table
    }

    /// Whether all that its samples have besides lies in this file of so many bytes.
    pub(in crate::mp4) fn has_auxiliary(&self, len: u64) -> bool {
        let fits = |own: &Auxiliary| self.samples.as_ref().is_ok_and(|samples| own.fits(samples, len));
        !self.extras.has_lost && self.extras.auxiliary.iter().all(fits)
    }
}

/// Whether samples of a description are encrypted (8.12; Apple's).
fn is_encrypted(description: &Description) -> bool {
    const ENCRYPTED: [&[u8; 4]; 8] = [b"encv", b"enca", b"enct", b"encs", b"enc3", b"drms", b"drmi", b"p608"];
    ENCRYPTED.contains(&&description.kind)
}
