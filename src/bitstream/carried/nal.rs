//! H.264 and HEVC: messages (SEI; ITU-T H.264, annex D; H.265, annex D).

use super::timing::Timing;
use crate::bitstream::{
    bits::Bits,
    configuration::{Avc, Hevc},
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
    /// By a parameter set of HEVC so far, messages of a picture's timing begin with how it is shown.
    tells_structure: bool,
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
/// Types beyond are not told apart.
const LAST: u32 = 255;
/// So many messages hold at once at the most.
const MOST: usize = 64;

fn kind_of(is_hevc: bool, kind: u32, payload: &[u8]) -> Kind {
    match kind {
        UNREGISTERED if ENCODERS.iter().any(|own| payload.starts_with(own)) => Kind::OfCoding,
        REGISTERED | UNREGISTERED => Kind::Own,
        // HEVC's time code.
        136 if is_hevc => Kind::Own,
        PICTURE_TIMING if is_hevc => Kind::OfCoding,
        PICTURE_TIMING => Kind::Timing,
        // Pan and scan, film grain, tone mapping, how frames are packed, how the display is turned, the display of
        // mastering, other colours, light, another transfer, the surroundings, the volume of colours, and what is all
        // around (360 degrees).
        2 | 19 | 23 | 45 | 47 | 137 | 142 | 144 | 147..=156 => Kind::Lasting,
        // Buffers, filler, recovery, what references are marked, spare pictures, sub-sequences; HEVC's active sets,
        // decoding units, layers, sums.
        0 | 3 | 6 | 7 | 8 | 10..=12 => Kind::OfCoding,
        128..=134 if is_hevc => Kind::OfCoding,
        _ => Kind::Other,
    }
}

/// Which of several that hold beside each other a message is, and whether it ends what was said of it; None where it
/// breaks off.
fn lasts(kind: u32, payload: &[u8]) -> Option<(u32, bool)> {
    let mut bits = Bits::of(payload);
    let number = match kind {
        2 | 23 | 45 | 142 => bits.exp_golomb()?,
        156 => bits.take(10)?,
        _ => 0,
    };
    let is_end = match kind {
        2 | 19 | 23 | 45 | 47 | 142 | 149..=156 => bits.flag()?,
        _ => false,
    };
    Some((number, is_end))
}

/// Whether it holds no longer than for its picture, of those kinds that say it in front: the volume of colours, and
/// what is all around; how the display is turned, which H.264 says by how soon it is said again (D.2.27), 0 being
/// never.
fn is_of_one(is_hevc: bool, kind: u32, payload: &[u8]) -> bool {
    let mut bits = Bits::of(payload);
    let mut persists = || match kind {
        149..=151 | 154 | 155 => {
            bits.take(1)?;
            bits.flag()
        }
        47 => {
            bits.take(1 + 2 + 16)?;
            if is_hevc { bits.flag() } else { Some(bits.exp_golomb()? > 0) }
        }
        _ => None,
    };
    persists() == Some(false)
}

/// What is told of a picture of HEVC by its structure (table D.2), and an encoder's does not say.
fn lost_structure(payload: &[u8]) -> Option<&'static str> {
    match payload.first()? >> 4 {
        3..=6 => Some("by which fields pictures are shown"),
        7 | 8 => Some("that pictures are shown for longer"),
        _ => None,
    }
}

impl Nal {
    pub(super) fn of(codec: &str, extradata: &[u8]) -> Self {
        let is_hevc = codec == "hevc";
        let framing = Framing::of(codec, extradata);
        let (sps, pps, lasting) = (Vec::new(), Vec::new(), Vec::new());
        let mut nal = Self { is_hevc, framing, sps, pps, tells_structure: false, lasting };
        if let Some(avc) = Avc::of(extradata).ok().filter(|_| !is_hevc) {
            avc.sps.iter().chain(&avc.pps).for_each(|set| nal.note(set));
        }
        if let Some(hvcc) = Hevc::of(extradata).ok().filter(|_| is_hevc) {
            hvcc.sets(hevc::SPS).for_each(|set| nal.note(set));
        }
        nal
    }

    /// Takes in a parameter set.
    fn note(&mut self, unit: &[u8]) {
        if self.is_hevc {
            if hevc::kind(unit) == Some(hevc::SPS) {
                self.tells_structure |= hevc::Vui::read(unit).is_some_and(|vui| vui.tells_pictures);
            }
            return;
        }
        match h264::kind(unit) {
            Some(h264::SPS) => {
                if let Some(set) = Sps::read(unit) {
                    self.sps.retain(|known| known.id != set.id);
                    self.sps.push(set);
                }
            }
            Some(h264::PPS) => {
                if let Some(set) = Pps::read(unit) {
                    self.pps.retain(|known| known.id != set.id);
                    self.pps.push(set);
                }
            }
            _ => {}
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
                Class::Set => self.note(unit),
                Class::Slice | Class::Other => {}
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
                    if let Some((number, is_end)) = lasts(kind, &payload) {
                        self.lasting.retain(|(known, said)| {
                            *known != kind || lasts(kind, said).is_none_or(|(own, _)| own != number)
                        });
                        if !is_end && !is_of_one(self.is_hevc, kind, &payload) && self.lasting.len() < MOST {
                            self.lasting.push((kind, Arc::clone(&payload)));
                        }
                    }
                    carried.own.push((kind, payload));
                }
                Kind::Timing => {
                    let timing = sps.as_ref().and_then(|sps| Timing::read(&payload, sps));
                    Timing::join(&mut carried.timing, timing);
                }
                Kind::OfCoding if kind == PICTURE_TIMING && self.tells_structure => {
                    lost.extend(lost_structure(&payload).map(str::to_owned));
                }
                Kind::OfCoding => {}
                Kind::Other => {
                    lost.insert(match kind {
                        ..=LAST => format!("SEI messages of type {kind}"),
                        _ => "SEI messages of types that nobody specified".into(),
                    });
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
    /// A parameter set.
    Set,
    Other,
}

fn class(is_hevc: bool, unit: &[u8]) -> Class {
    if is_hevc {
        return match hevc::kind(unit).filter(|_| hevc::layer(unit) == Some(0)) {
            Some(kind) if hevc::SEI.contains(&kind) => Class::Messages(2),
            Some(kind) if hevc::is_slice(kind) => Class::Slice,
            Some(hevc::SPS) => Class::Set,
            _ => Class::Other,
        };
    }
    match h264::kind(unit) {
        Some(h264::SEI) => Class::Messages(1),
        Some(h264::SLICE | h264::PARTITION_A | h264::IDR) => Class::Slice,
        Some(h264::SPS | h264::PPS) => Class::Set,
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
        // What the picture says itself is of the same number.
        let number = |(kind, payload): &Said| (*kind, lasts(*kind, payload).map(|(number, _)| number));
        let is_said = |said: &Said| self.own.iter().any(|own| number(own) == number(said));
        let lasting = self.lasting.iter().filter(|said| is_key && !is_said(said));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::bits::BitWriter;

    /// A packet of HEVC with these messages.
    fn packet(slice: u8, all: &[(u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let unit = sei::unit(&[39 << 1, 1], all.iter().copied());
        Framing::StartCodes.put(&unit, &mut bytes).unwrap();
        Framing::StartCodes.put(&[slice << 1, 1, 0x80], &mut bytes).unwrap();
        bytes
    }

    /// A rectangle to pan to, by its number, or the end of it.
    fn pan(number: u32, is_end: bool) -> Vec<u8> {
        let mut writer = BitWriter::default();
        writer.put_exp_golomb(number);
        writer.put(u32::from(is_end), 1);
        writer.put(1, 1);
        writer.into_bytes()
    }

    #[test]
    fn several_of_a_kind_hold_beside_each_other() {
        let mut nal = Nal::of("hevc", &[]);
        let mut lost = BTreeSet::new();
        let mut take = |packet: &[u8]| nal.take(packet, &mut lost);
        let (first, second, end) = (pan(0, false), pan(5, false), pan(0, true));
        take(&packet(19, &[(2, &first), (2, &second), (144, &[1, 2, 3, 4])]));
        let carried = take(&packet(1, &[]));
        let made = packet(19, &[]);
        assert_eq!(carried.put(&packet(1, &[]), false, &[]), None);
        let with = |carried: &Carried| {
            let put = carried.put(&made, true, &[]).unwrap();
            let units: Vec<Vec<u8>> = Framing::StartCodes.units(&put).map(<[u8]>::to_vec).collect();
            let messages = units.iter().filter(|unit| unit[0] == 39 << 1).flat_map(|unit| {
                let whole = unescaped(unit);
                messages(&whole, 2).map(|one| (one.kind, one.payload.to_vec())).collect::<Vec<_>>()
            });
            messages.collect::<Vec<_>>()
        };
        let light = (144, vec![1, 2, 3, 4]);
        assert_eq!(with(&carried), [(2, first.clone()), (2, second.clone()), light.clone()]);
        // One is said anew by the picture itself; one ended.
        let carried = take(&packet(1, &[(2, &second)]));
        assert_eq!(with(&carried), [(2, first), light.clone(), (2, second.clone())]);
        take(&packet(1, &[(2, &end)]));
        // What holds for one picture is not said of the next.
        take(&packet(1, &[(149, &[0b0010_0000])]));
        assert_eq!(with(&take(&packet(1, &[]))), [light, (2, second)]);
    }

    #[test]
    fn what_is_lost_has_a_bound() {
        let mut nal = Nal::of("hevc", &[]);
        let mut lost = BTreeSet::new();
        for kind in 0..2000 {
            nal.take(&packet(1, &[(kind, &[1])]), &mut lost);
        }
        assert!(lost.len() <= 256, "{}", lost.len());
        // Of timing, a set says whether there is a structure in it.
        nal.take(&packet(1, &[(1, &[0x75])]), &mut lost);
        let is_shown = |lost: &BTreeSet<String>| lost.iter().any(|what| what.contains("shown"));
        assert!(!is_shown(&lost));
        nal.tells_structure = true;
        nal.take(&packet(1, &[(1, &[0x75])]), &mut lost);
        assert!(is_shown(&lost));
    }
}
