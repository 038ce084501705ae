//! An encoder's parameter sets and pictures under ids that the source does not use, so that one sample entry has the
//! sets of both. An id is an Exp-Golomb code near the front of sets, slices and some messages, and what follows that of
//! a picture parameter set in a slice begins at a whole byte (arithmetic coding): the new code is as long as the old
//! one or longer by whole bytes (0 is one bit, 15 to 30 are nine). Other ids lie in sets and messages alone; where
//! there is no such code for one, it gets another.

use super::{
    bits::{BitWriter, Bits},
    configuration::{Avc, Hevc},
    h264, hevc,
    sei::{self, Message},
    units::{Framing, escaped, unescaped, without_zeros},
};
use crate::{Error, Result};
use std::borrow::Cow;

/// Of which codec the units are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    H264,
    Hevc,
}

/// How ids of one kind are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// In slices as well.
    InSlices,
    InSets,
    /// So many bits, whatever the id.
    Fixed,
}

/// Ids of one kind of sets, as they are and as they are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ids(Vec<(u32, u32)>);

impl Ids {
    /// Ids for an encoder's `own` that are not `taken`, up to the largest that there may be.
    fn apart(own: &[u32], taken: &[u32], most: u32, code: Code, what: &str) -> Result<Self> {
        let length = |id: u32| if code == Code::Fixed { 0 } else { code_length(id) };
        let mut ids = Self::default();
        for id in own {
            if ids.of(*id).is_some() {
                continue;
            }
            let is_used = |new: u32| taken.contains(&new) || ids.0.iter().any(|(_, used)| *used == new);
            let new = if is_used(*id) {
                let free = (0..=most).filter(|new| !is_used(*new) && !own.contains(new));
                let apart = |new: &u32| length(*new).abs_diff(length(*id));
                let is_whole = |new: &u32| apart(new).is_multiple_of(8);
                let fits = free.filter(|new| code == Code::InSets || is_whole(new));
                fits.min_by_key(|new| (!is_whole(new), apart(new))).ok_or_else(|| {
                    Error::unsupported(format!(
                        "the encoder's {what} parameter set {id} can't get an id of its own: the source uses \
                         all that could be written in its place"
                    ))
                })?
            } else {
                *id
            };
            ids.0.push((*id, new));
        }
        Ok(ids)
    }

    fn of(&self, id: u32) -> Option<u32> {
        self.0.iter().find(|(old, _)| *old == id).map(|(_, new)| *new)
    }

    /// Whether all codes are longer by whole bytes, if at all.
    fn keep_bytes(&self) -> bool {
        self.0.iter().all(|(old, new)| code_length(*old).abs_diff(code_length(*new)).is_multiple_of(8))
    }
}

/// How many bits ue(v) has for a number.
fn code_length(number: u32) -> u32 {
    number.saturating_add(1).checked_ilog2().unwrap_or(0).saturating_mul(2).saturating_add(1)
}

/// A unit that is written anew up to the last of its ids.
struct Rewriting<'a> {
    bits: Bits<'a>,
    writer: BitWriter,
}

impl<'a> Rewriting<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bits: Bits::of(bytes), writer: BitWriter::default() }
    }

    fn keep(&mut self, bits: usize) -> Option<u32> {
        let value = self.bits.clone().take(bits)?;
        self.writer.put_from(&mut self.bits, bits)?;
        Some(value)
    }

    fn keep_code(&mut self) -> Option<u32> {
        let value = self.bits.exp_golomb()?;
        self.writer.put_exp_golomb(value);
        Some(value)
    }

    fn change(&mut self, ids: &Ids) -> Option<()> {
        let new = ids.of(self.bits.exp_golomb()?)?;
        self.writer.put_exp_golomb(new);
        Some(())
    }

    fn change_fixed(&mut self, ids: &Ids, bits: u32) -> Option<()> {
        let new = ids.of(self.bits.take(usize::try_from(bits).ok()?)?)?;
        self.writer.put(new, bits);
        Some(())
    }

    fn end(mut self) -> Vec<u8> {
        self.writer.put_rest(self.bits);
        self.writer.into_bytes()
    }
}

/// How much of a unit has to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It names no sets.
    Nothing,
    /// The header of a slice.
    Front,
    All,
}

/// Gives an encoder's sets and pictures other ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renumber {
    codec: Codec,
    framing: Framing,
    /// HEVC's alone.
    vps: Ids,
    sps: Ids,
    pps: Ids,
}

impl Renumber {
    /// For the stream that `own` is of, beside one that uses these ids.
    pub(crate) fn h264(taken_sps: &[u32], taken_pps: &[u32], own: &Avc) -> Result<Self> {
        Ok(Self {
            codec: Codec::H264,
            framing: own.framing(),
            vps: Ids::default(),
            sps: Ids::apart(&own.sps_ids(), taken_sps, 31, Code::InSets, "sequence")?,
            pps: Ids::apart(&own.pps_ids(), taken_pps, 255, Code::InSlices, "picture")?,
        })
    }

    /// For the stream that `own` is of, beside one that uses these ids of video, sequence and picture parameter sets.
    pub(crate) fn hevc([vps, sps, pps]: [&[u32]; 3], own: &Hevc) -> Result<Self> {
        let [own_vps, own_sps, own_pps] = own.ids();
        Ok(Self {
            codec: Codec::Hevc,
            framing: own.framing(),
            vps: Ids::apart(&own_vps, vps, 15, Code::Fixed, "video")?,
            sps: Ids::apart(&own_sps, sps, 15, Code::InSets, "sequence")?,
            pps: Ids::apart(&own_pps, pps, 63, Code::InSlices, "picture")?,
        })
    }

    /// Whether all stays as it is.
    pub(crate) fn is_identity(&self) -> bool {
        [&self.vps, &self.sps, &self.pps].into_iter().all(|ids| ids.0.iter().all(|(old, new)| old == new))
    }

    /// The encoder's configuration, with these ids.
    pub(crate) fn avc(&self, own: &Avc) -> Result<Avc> {
        let mut avc = own.clone();
        for set in avc.sps.iter_mut().chain(&mut avc.pps) {
            *set = self.parameter_set(set)?.into();
        }
        Ok(avc)
    }

    /// The encoder's configuration, with these ids.
    pub(crate) fn hvcc(&self, own: &Hevc) -> Result<Hevc> {
        let mut hevc = own.clone();
        for set in hevc.arrays.iter_mut().flat_map(|array| &mut array.units) {
            *set = self.parameter_set(set)?.into();
        }
        Ok(hevc)
    }

    /// A parameter set as it lies in a stream, from its header on.
    pub(crate) fn parameter_set(&self, unit: &[u8]) -> Result<Vec<u8>> {
        // Behind an id that is longer by some bits, there may be no more than zeros in the last byte.
        self.unit(unit).map(|unit| without_zeros(&unit).to_vec())
    }

    /// A packet of the encoder's stream, in the same framing as its configuration says.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn sample(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.reframed(bytes, self.framing, self.framing)
    }

    /// A packet of the encoder's stream, which comes in one framing and goes into another.
    pub(crate) fn reframed(&self, bytes: &[u8], from: Framing, to: Framing) -> Result<Vec<u8>> {
        let mut packet = Vec::with_capacity(bytes.len().saturating_add(64));
        for unit in from.units(bytes) {
            let unit = self.unit(unit)?;
            to.put(&unit, &mut packet).ok_or_else(|| {
                Error::unsupported(format!(
                    "a unit of {} bytes is longer than lengths here can say",
                    unit.len()
                ))
            })?;
        }
        Ok(packet)
    }

    /// How much of a unit that begins with these two bytes is to be shown, so that its ids can be changed.
    pub(crate) fn asks_for(&self, begins: &[u8]) -> Asked {
        let (is_slice, names_none) = match self.codec {
            Codec::H264 => {
                const SLICES: [u8; 4] = [h264::SLICE, h264::PARTITION_A, h264::IDR, h264::AUXILIARY];
                let kind = h264::kind(begins).unwrap_or(0);
                // Other partitions of a slice, and from delimiters to filler data.
                (SLICES.contains(&kind), matches!(kind, 3 | 4 | 9..=12))
            }
            Codec::Hevc => {
                let kind = hevc::kind(begins).filter(|_| hevc::layer(begins) == Some(0)).unwrap_or(u8::MAX);
                // From delimiters to filler data.
                (hevc::is_slice(kind), matches!(kind, 35..=38))
            }
        };
        match (is_slice, names_none) {
            (true, _) => Asked::Front,
            (_, true) => Asked::Nothing,
            _ => Asked::All,
        }
    }

    /// A unit with these ids, of which at least so much is shown as [`asks_for`](Self::asks_for) says: what lies behind
    /// goes on as it was. A front ends with a byte of more than 3: none that keeps start codes out follows on such a
    /// one.
    pub(crate) fn unit<'a>(&self, unit: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        if self.is_identity() {
            return Ok(unit.into());
        }
        match self.codec {
            Codec::H264 => self.h264_unit(unit),
            Codec::Hevc => self.hevc_unit(unit),
        }
    }

    fn h264_unit<'a>(&self, unit: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let kind = h264::kind(unit).unwrap_or(0);
        let change: fn(&Self, &mut Rewriting) -> Option<()> = match kind {
            h264::SLICE | h264::PARTITION_A | h264::IDR | h264::AUXILIARY => |own, bytes| {
                bytes.keep(8)?;
                bytes.keep_code()?;
                bytes.keep_code()?;
                bytes.change(&own.pps)
            },
            h264::SPS => |own, bytes| {
                bytes.keep(32)?;
                bytes.change(&own.sps)
            },
            h264::SPS_EXTENSION => |own, bytes| {
                bytes.keep(8)?;
                bytes.change(&own.sps)
            },
            h264::PPS => |own, bytes| {
                bytes.keep(8)?;
                bytes.change(&own.pps)?;
                bytes.change(&own.sps)
            },
            h264::SEI => return self.messages(unit, 1),
            h264::SUBSET_SPS | h264::EXTENSION | h264::DEPTH_EXTENSION => {
                return Err(Error::unsupported("parameter sets of several layers or views keep their ids"));
            }
            _ => return Ok(unit.into()),
        };
        self.changed(unit, change).map(Cow::Owned)
    }

    fn hevc_unit<'a>(&self, unit: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let kind = hevc::kind(unit).unwrap_or(0);
        if hevc::layer(unit) != Some(0) {
            return Err(Error::unsupported(
                "pictures of several layers keep the ids of their parameter sets",
            ));
        }
        let change: fn(&Self, &mut Rewriting) -> Option<()> = match kind {
            hevc::VPS => |own, bytes| {
                bytes.keep(16)?;
                bytes.change_fixed(&own.vps, 4)
            },
            hevc::SPS => |own, bytes| {
                bytes.keep(16)?;
                bytes.change_fixed(&own.vps, 4)?;
                let sub_layers = usize::try_from(bytes.keep(3)?).ok()?;
                bytes.keep(1)?;
                let profile = hevc::profile_bits(bytes.bits.clone(), sub_layers)?;
                bytes.keep(profile)?;
                bytes.change(&own.sps)
            },
            hevc::PPS => |own, bytes| {
                bytes.keep(16)?;
                bytes.change(&own.pps)?;
                bytes.change(&own.sps)
            },
            kind if hevc::is_random_access(kind) => |own, bytes| {
                bytes.keep(16 + 2)?;
                bytes.change(&own.pps)
            },
            kind if hevc::is_slice(kind) => |own, bytes| {
                bytes.keep(16 + 1)?;
                bytes.change(&own.pps)
            },
            kind if hevc::SEI.contains(&kind) => return self.messages(unit, 2),
            _ => return Ok(unit.into()),
        };
        self.changed(unit, change).map(Cow::Owned)
    }

    fn changed(&self, unit: &[u8], change: fn(&Self, &mut Rewriting) -> Option<()>) -> Result<Vec<u8>> {
        let bytes = unescaped(unit);
        let mut rewriting = Rewriting::of(&bytes);
        change(self, &mut rewriting)
            .ok_or_else(|| Error::corrupt("a unit of the encoder names no parameter set that it has"))?;
        Ok(escaped(&rewriting.end()))
    }

    /// D.2.21 of H.265: the sets that are in use.
    fn active(&self, payload: &mut Rewriting) -> Option<()> {
        payload.change_fixed(&self.vps, 4)?;
        payload.keep(2)?;
        for _ in 0..=payload.keep_code().filter(|more| *more < 16)? {
            payload.change(&self.sps)?;
        }
        Some(())
    }

    /// Messages that name sets; all others as they are.
    fn messages<'a>(&self, unit: &'a [u8], header: usize) -> Result<Cow<'a, [u8]>> {
        let bytes = unescaped(unit);
        let mut is_changed = false;
        let mut all = Vec::new();
        for message in sei::messages(&bytes, header) {
            let mut payload = Rewriting::of(message.payload);
            let named = match message.kind {
                Message::BUFFERING_PERIOD => payload.change(&self.sps),
                Message::ACTIVE_PARAMETER_SETS if self.codec == Codec::Hevc => self.active(&mut payload),
                _ => {
                    all.push((message.kind, Cow::Borrowed(message.payload)));
                    continue;
                }
            };
            named.ok_or_else(|| Error::corrupt("a message names no parameter set that the encoder has"))?;
            if !self.sps.keep_bytes() {
                return Err(Error::unsupported("a message whose ids would be longer by some bits"));
            }
            is_changed = true;
            let payload = payload.end().into();
            all.push((message.kind, payload));
        }
        if !is_changed {
            return Ok(unit.into());
        }
        let header = bytes.get(..header).unwrap_or_default();
        Ok(sei::unit(header, all.iter().map(|(kind, payload)| (*kind, &**payload))).into())
    }
}
