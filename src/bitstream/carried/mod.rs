//! What a picture carries in its packet beside itself, and an encoder would not write of its own: captions, time codes,
//! what is said of light, what users put there. It is taken from a source's packets and put into those that an encoder
//! made of the same pictures, as it is.

mod av1;
mod mpeg2;
mod nal;
mod timing;

use av1::Av1;
use mpeg2::Mpeg2;
pub(crate) use mpeg2::has_equal_rows;
use nal::Nal;
use std::collections::BTreeSet;

/// Reads the packets of a source, in the order of decoding.
#[derive(Clone, Debug)]
pub(crate) struct Carrying(Codec);

#[derive(Clone, Debug)]
enum Codec {
    Nal(Nal),
    Mpeg2(Mpeg2),
    Av1(Av1),
}

/// What one picture carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    of: Of,
    /// What can't be put beside another encoder's picture, in words.
    pub(crate) lost: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
enum Of {
    #[default]
    Nothing,
    Nal(nal::Carried),
    Mpeg2(mpeg2::Carried),
    Av1(av1::Carried),
}

impl Carrying {
    /// None for codecs (by libav's name) whose packets have nothing beside their pictures.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Option<Self> {
        Some(Self(match codec {
            "h264" | "hevc" => Codec::Nal(Nal::of(codec, extradata)),
            "mpeg1video" | "mpeg2video" => Codec::Mpeg2(Mpeg2::of(extradata)),
            "av1" => Codec::Av1(Av1::default()),
            _ => return None,
        }))
    }

    /// Whether a picture may say that it is of fields, or has to be coded so, where the first one of many does not.
    pub(crate) fn tells_fields(&self) -> bool {
        match &self.0 {
            Codec::Nal(of) => of.tells_fields(),
            Codec::Mpeg2(of) => of.tells_fields(),
            Codec::Av1(_) => false,
        }
    }

    /// What the picture of the next packet carries.
    pub(crate) fn take(&mut self, packet: &[u8]) -> Carried {
        let mut carried = Carried::default();
        carried.of = match &mut self.0 {
            Codec::Nal(of) => Of::Nal(of.take(packet, &mut carried.lost)),
            Codec::Mpeg2(of) => Of::Mpeg2(of.take(packet, &mut carried.lost)),
            Codec::Av1(of) => Of::Av1(of.take(packet)),
        };
        carried
    }
}

impl Carried {
    /// Takes in what the second field of the picture carries, where that is a packet of its own.
    pub(crate) fn join(&mut self, second: Self) {
        match (&mut self.of, second.of) {
            (Of::Nal(first), Of::Nal(second)) => first.join(second),
            (Of::Mpeg2(first), Of::Mpeg2(second)) => first.join(second),
            _ => {}
        }
        self.lost.extend(second.lost);
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let of = match &self.of {
            Of::Nothing => 0,
            Of::Nal(of) => of.memory(),
            Of::Mpeg2(of) => of.memory(),
            Of::Av1(of) => of.memory(),
        };
        of.saturating_add(size_of::<Self>()) as u64
    }

    /// An encoder's packet of this picture with what it carries; `extradata` is the encoder's. Units lie behind start
    /// codes.
    pub(crate) fn put(&self, packet: &[u8], is_key: bool, extradata: &[u8]) -> Option<Vec<u8>> {
        match &self.of {
            Of::Nothing => None,
            Of::Nal(of) => of.put(packet, is_key, extradata),
            Of::Mpeg2(of) => of.put(packet),
            Of::Av1(of) => of.put(packet, is_key),
        }
    }
}
