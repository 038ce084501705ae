//! H.264 and HEVC: messages (SEI; ITU-T H.264, annex D; H.265, annex D).

use super::timing::Timing;
use crate::bitstream::{
    configuration::Avc,
    h264::{self, Pps, Slice, Sps},
    hevc,
    sei::{self, Message, messages},
    units::{Framing, unescaped},
};
use std::{collections::BTreeSet, sync::Arc};

/// A message: its kind and its payload, which all pictures share that it holds for.
type Said = (u32, Arc<[u8]>);

/// What a picture carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    is_hevc: bool,
    /// What its own packet says.
    own: Vec<Said>,
    /// What holds from an earlier picture on.
    lasting: Vec<Said>,
    /// H.264's: how it is shown, and at which time codes.
    timing: Option<Timing>,
}

#[derive(Clone, Debug)]
pub(super) struct Nal {
    is_hevc: bool,
    framing: Framing,
    sps: Vec<Sps>,
    pps: Vec<Pps>,
    lasting: Vec<Said>,
}

/// What becomes of a kind of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is said of one picture.
    Own,
    /// It holds until it is said anew, or a sequence begins.
    Lasting,
    /// It is of how the source was coded: an encoder's pictures have their own.
    OfCoding,
    Timing,
    Other,
}

/// What a user's message begins with that says nothing but which encoder it was: x264's, x265's.
const ENCODERS: [[u8; 16]; 2] = [
    [0xDC, 0x45, 0xE9, 0xBD, 0xE6, 0xD9, 0x48, 0xB7, 0x96, 0x2C, 0xD8, 0x20, 0xD9, 0x23, 0xEE, 0xEF],
    [0x2C, 0xA2, 0xDE, 0x09, 0xB5, 0x17, 0x47, 0xDB, 0xBB, 0x55, 0xA4, 0xFE, 0x7F, 0xC2, 0xFC, 0x4E],
];

/// User data, registered (captions, HDR10+) and not.
const REGISTERED: u32 = 4;
const UNREGISTERED: u32 = 5;
const PICTURE_TIMING: u32 = 1;

fn kind_of(is_hevc: bool, kind: u32, payload: &[u8]) -> Kind {
    match kind {
        UNREGISTERED if ENCODERS.iter().any(|own| payload.starts_with(own)) => Kind::OfCoding,
        REGISTERED | UNREGISTERED => Kind::Own,
        // HEVC's time code.
        136 if is_hevc => Kind::Own,
        PICTURE_TIMING if is_hevc => Kind::OfCoding,
        PICTURE_TIMING => Kind::Timing,
        // Pan and scan, film grain, tone mapping, how frames are packed, how the display is turned, the display of
        // mastering, light, another transfer, the surroundings, the volume of colours, and what is all around (360
        // degrees).
        2 | 19 | 23 | 45 | 47 | 137 | 144 | 147..=149 | 150..=156 => Kind::Lasting,
        // Buffers, filler, recovery, what references are marked, spare pictures, sub-sequences; HEVC's active sets,
        // decoding units, layers, sums.
        0 | 3 | 6 | 7 | 8 | 10..=12 => Kind::OfCoding,
        128..=134 if is_hevc => Kind::OfCoding,
        _ => Kind::Other,
    }
}

impl Nal {
    pub(super) fn of(codec: &str, extradata: &[u8]) -> Self {
        let is_hevc = codec == "hevc";
        let framing = Framing::of(codec, extradata);
        let mut nal = Self { is_hevc, framing, sps: Vec::new(), pps: Vec::new(), lasting: Vec::new() };
        if let Some(avc) = Avc::of(extradata).ok().filter(|_| !is_hevc) {
            avc.sps.iter().chain(&avc.pps).for_each(|set| nal.note(set));
        }
        nal
    }

    /// Takes in a parameter set of H.264.
    fn note(&mut self, unit: &[u8]) {
        if let Some(set) = Sps::read(unit).filter(|_| h264::kind(unit) == Some(h264::SPS)) {
            self.sps.retain(|known| known.id != set.id);
            self.sps.push(set);
        }
        if let Some(set) = Pps::read(unit).filter(|_| h264::kind(unit) == Some(h264::PPS)) {
            self.pps.retain(|known| known.id != set.id);
            self.pps.push(set);
        }
    }

    pub(super) fn take(&mut self, packet: &[u8], lost: &mut BTreeSet<String>) -> Carried {
        let mut said: Vec<Said> = Vec::new();
        let (mut first, mut begins) = (None, false);
        for unit in self.framing.units(packet) {
            match class(self.is_hevc, unit) {
                Class::Messages(header) => {
                    let bytes = unescaped(unit);
                    said.extend(messages(&bytes, header).map(|one| (one.kind, one.payload.into())));
                }
                Class::Slice if first.is_none() => {
                    first = Some(unit);
                    begins = match self.is_hevc {
                        true => hevc::kind(unit).is_some_and(hevc::is_random_access),
                        false => h264::kind(unit) == Some(h264::IDR),
                    };
                }
                _ if !self.is_hevc => self.note(unit),
                _ => {}
            }
        }
        if begins {
            self.lasting.clear();
        }
        let sps = first.and_then(|unit| self.sps_of(unit));
        let mut carried = Carried { is_hevc: self.is_hevc, ..Carried::default() };
        for (kind, payload) in said {
            match kind_of(self.is_hevc, kind, &payload) {
                Kind::Own => carried.own.push((kind, payload)),
                Kind::Lasting => {
                    self.lasting.retain(|(known, _)| *known != kind);
                    self.lasting.push((kind, Arc::clone(&payload)));
                    carried.own.push((kind, payload));
                }
                Kind::Timing => {
                    let timing = sps.as_ref().and_then(|sps| Timing::read(&payload, sps));
                    Timing::join(&mut carried.timing, timing);
                }
                Kind::OfCoding => {}
                Kind::Other => {
                    lost.insert(format!("SEI messages of type {kind}"));
                }
            }
        }
        carried.lasting = self.lasting.clone();
        carried
    }

    pub(super) fn tells_fields(&self) -> bool {
        let tells = |sps: &Sps| sps.vui.as_ref().is_some_and(|vui| vui.has_pic_struct);
        self.sps.iter().any(|sps| !sps.is_frames_only && tells(sps))
    }

    fn sps_of(&self, slice: &[u8]) -> Option<Sps> {
        let pps = Slice::read(slice).filter(|_| !self.is_hevc)?.pps;
        let sps = self.pps.iter().find(|set| set.id == pps)?.sps;
        self.sps.iter().find(|set| set.id == sps).cloned()
    }
}

/// What a unit is.
enum Class {
    Slice,
    /// Messages behind a header of so many bytes.
    Messages(usize),
    Other,
}

fn class(is_hevc: bool, unit: &[u8]) -> Class {
    if is_hevc {
        return match hevc::kind(unit).filter(|_| hevc::layer(unit) == Some(0)) {
            Some(kind) if hevc::SEI.contains(&kind) => Class::Messages(2),
            Some(kind) if hevc::is_slice(kind) => Class::Slice,
            _ => Class::Other,
        };
    }
    match h264::kind(unit) {
        Some(h264::SEI) => Class::Messages(1),
        Some(h264::SLICE | h264::PARTITION_A | h264::IDR) => Class::Slice,
        _ => Class::Other,
    }
}

impl Carried {
    /// Takes in what the second field carries.
    pub(super) fn join(&mut self, second: Self) {
        self.own.extend(second.own);
        Timing::join(&mut self.timing, second.timing);
    }

    /// How many bytes it has of its own; those that last are shared.
    pub(super) fn memory(&self) -> usize {
        let said = self.own.iter().chain(&self.lasting);
        let shared = said.map(|_| size_of::<Said>()).sum::<usize>();
        self.own.iter().map(|(_, payload)| payload.len()).sum::<usize>().saturating_add(shared)
    }

    /// A packet behind start codes with what is carried in front of its first slice, in place of what the encoder says
    /// of the same.
    pub(super) fn put(&self, packet: &[u8], is_key: bool, extradata: &[u8]) -> Option<Vec<u8>> {
        let mut said: Vec<Said> = Vec::new();
        let timing = self.timing.as_ref().filter(|_| has_timing(extradata));
        said.extend(timing.map(|timing| (PICTURE_TIMING, timing.to_bytes().into())));
        let is_said = |kind: u32| self.own.iter().any(|(own, _)| *own == kind);
        let lasting = self.lasting.iter().filter(|(kind, _)| is_key && !is_said(*kind));
        said.extend(lasting.chain(&self.own).cloned());
        if said.is_empty() {
            return None;
        }
        let (header, size): (&[u8], usize) = if self.is_hevc { (&[39 << 1, 1], 2) } else { (&[6], 1) };
        let framing = Framing::StartCodes;
        let mut bytes = Vec::with_capacity(packet.len().saturating_add(64));
        let mut is_put = false;
        for unit in framing.units(packet) {
            match class(self.is_hevc, unit) {
                Class::Messages(_) => {
                    let whole = unescaped(unit);
                    let is_kept = |message: &Message| {
                        let is_encoders = ENCODERS.iter().any(|own| message.payload.starts_with(own));
                        is_encoders || !said.iter().any(|(kind, _)| *kind == message.kind)
                    };
                    let kept: Vec<_> = messages(&whole, size).filter(is_kept).collect();
                    if !kept.is_empty() {
                        let own = unit.get(..size).unwrap_or(header);
                        let all = kept.iter().map(|message| (message.kind, message.payload));
                        framing.put(&sei::unit(own, all), &mut bytes)?;
                    }
                    continue;
                }
                Class::Slice if !is_put => {
                    is_put = true;
                    let all = said.iter().map(|(kind, payload)| (*kind, &payload[..]));
                    framing.put(&sei::unit(header, all), &mut bytes)?;
                }
                _ => {}
            }
            framing.put(unit, &mut bytes)?;
        }
        is_put.then_some(bytes)
    }
}

/// Whether an encoder's pictures may say how they are shown.
fn has_timing(extradata: &[u8]) -> bool {
    let Ok(avc) = Avc::of(extradata) else { return false };
    let sets = avc.sps.iter().filter_map(|set| Sps::read(set));
    sets.filter_map(|set| set.vui).any(|vui| {
        // Without the sizes of buffers, there is nothing else in such a message.
        vui.has_pic_struct && vui.nal_hrd.is_none() && vui.vcl_hrd.is_none()
    })
}
