//! MPEG-1 and MPEG-2: user data of pictures (captions, active format), how they are shown, and time codes of groups
//! (ISO/IEC 13818-2, 6.2.2.2, 6.2.2.6 and 6.2.3).

use crate::bitstream::bits::Bits;
use std::{collections::BTreeSet, sync::Arc};

const PICTURE: u8 = 0x00;
/// Slices are from 1 up to this.
const LAST_SLICE: u8 = 0xAF;
const USER: u8 = 0xB2;
const SEQUENCE: u8 = 0xB3;
const EXTENSION: u8 = 0xB5;
const GROUP: u8 = 0xB8;
/// The extension of a picture's coding, that of a sequence, of whose the pictures are, and of what of them is shown.
const OF_PICTURE: u8 = 8;
const OF_SEQUENCE: u8 = 1;
const OF_RIGHTS: u8 = 4;
const OF_DISPLAY: u8 = 7;

/// What a picture carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// Users' data and whose it is, with their start codes.
    user: Vec<u8>,
    /// Users' data of its sequence, which all of its pictures share.
    of_sequence: Arc<[u8]>,
    code: Option<Code>,
    shown: Option<Shown>,
    sequence: Sequence,
}

/// What a sequence says of its pictures.
#[derive(Clone, Copy, Debug, Default)]
struct Sequence {
    /// Pictures may be of fields, or shown for longer by one of them.
    has_fields: bool,
    /// They have as many rows of blocks as those of a sequence without fields.
    has_equal_rows: bool,
    is_420: bool,
}

/// Whether pictures of a sequence of fields have as many rows of blocks as those of another: those have an even number
/// (6.3.3).
pub(crate) fn has_equal_rows(height: u32) -> bool {
    height.div_ceil(16) == height.div_ceil(32).saturating_mul(2)
}

#[derive(Clone, Debug, Default)]
pub(super) struct Mpeg2 {
    /// frame_rate_code
    rate: usize,
    /// Of the last group.
    code: Option<Code>,
    /// The last group has users' data.
    has_data: bool,
    sequence: Sequence,
    of_sequence: Arc<[u8]>,
}

/// What users' data are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Sequence,
    Group,
    Picture,
}

/// A time code (6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code {
    drops: bool,
    /// Hours, minutes, seconds, pictures.
    parts: [u32; 4],
}

/// How many pictures there are in a second of a time code, by frame_rate_code.
const RATES: [u32; 9] = [0, 24, 24, 25, 30, 30, 50, 60, 60];

impl Code {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::of(bytes);
        let drops = bits.flag()?;
        let (hours, minutes) = (bits.take(5)?, bits.take(6)?);
        bits.take(1)?;
        Some(Self { drops, parts: [hours, minutes, bits.take(6)?, bits.take(6)?] })
    }

    /// So many pictures later.
    fn later(self, pictures: u32, rate: u32) -> Option<Self> {
        let [hours, minutes, seconds, frames] = self.parts;
        // Of each minute but every tenth, the first numbers are left out: two of thirty, four of sixty.
        let left_out = if self.drops && rate.checked_rem(30)? == 0 { rate.checked_div(15)? } else { 0 };
        let all = hours.checked_mul(60)?.checked_add(minutes)?;
        let seconds_in_all = all.checked_mul(60)?.checked_add(seconds)?;
        let gone = all.checked_sub(all.checked_div(10)?)?.checked_mul(left_out)?;
        let number = seconds_in_all.checked_mul(rate)?.checked_add(frames)?.checked_sub(gone)?;
        let mut number = number.checked_add(pictures)?;
        // Counted in minutes of which one is whole, and nine are not.
        let minute = rate.checked_mul(60)?;
        let ten = minute.checked_mul(10)?.checked_sub(left_out.checked_mul(9)?)?;
        let (tens, within) = (number.checked_div(ten)?, number.checked_rem(ten)?);
        let behind_first = within.saturating_sub(left_out).checked_div(minute.checked_sub(left_out)?)?;
        let minutes_gone = if within < minute { 0 } else { behind_first };
        let count = tens.checked_mul(9)?.checked_add(minutes_gone)?;
        number = number.checked_add(count.checked_mul(left_out)?)?;
        let (seconds, frames) = (number.checked_div(rate)?, number.checked_rem(rate)?);
        let (minutes, hours) = (seconds / 60, seconds / 3600 % 24);
        Some(Self { drops: self.drops, parts: [hours, minutes % 60, seconds % 60, frames] })
    }

    /// Writes it where another one is.
    fn put(self, at: &mut [u8]) {
        let [hours, minutes, seconds, frames] = self.parts;
        let code =
            u32::from(self.drops) << 24 | hours << 19 | minutes << 13 | 1 << 12 | seconds << 6 | frames;
        if let [first, second, third, fourth, ..] = at {
            let [a, b, c, d] = (code << 7).to_be_bytes();
            (*first, *second, *third, *fourth) = (a, b, c, d | *fourth & 0x7F);
        }
    }
}

/// How a picture is shown (6.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    top_field_first: bool,
    repeat_first_field: bool,
    progressive_frame: bool,
}

/// top_field_first; then frame_pred_frame_dct, whose one is of whole pictures; repeat_first_field; and
/// chroma_420_type and progressive_frame, by the byte behind the number of the extension.
impl Shown {
    /// Of a whole picture, or of the first of its two fields, by what is behind the start code.
    fn read(bytes: &[u8]) -> Option<Self> {
        let [.., third, fourth, fifth] = bytes.first_chunk::<5>()?;
        const FRAME: u8 = 3;
        let is_frame = third & 3 == FRAME;
        Some(Self {
            // Of fields, the first is that which comes first.
            top_field_first: if is_frame { fourth & 0x80 != 0 } else { third & 3 == 1 },
            // What says so of others is not heard.
            repeat_first_field: is_frame && fourth & 0x02 != 0 && fifth & 0x80 != 0,
            progressive_frame: is_frame && fifth & 0x80 != 0,
        })
    }

    /// Says so of a picture, as it is coded.
    fn put(self, at: &mut [u8], sequence: Sequence) {
        let set = |byte: &mut u8, mask: u8, is_set: bool| {
            *byte = if is_set { *byte | mask } else { *byte & !mask };
        };
        if let [_, _, _, fourth, fifth, ..] = at {
            // A picture whose blocks may be of fields is none of one moment (6.3.10).
            let is_whole = self.progressive_frame && *fourth & 0x40 != 0;
            set(fourth, 0x80, self.top_field_first);
            set(fourth, 0x02, self.repeat_first_field && is_whole);
            set(fifth, 0x80, is_whole);
            // chroma_420_type
            set(fourth, 0x01, is_whole && sequence.is_420);
        }
    }
}

/// The places of start codes with their last byte, from the first picture's slices on but one.
fn starts(packet: &[u8]) -> Vec<(usize, u8)> {
    let mut all = Vec::new();
    let mut is_in_slices = false;
    for (at, four) in packet.windows(4).enumerate() {
        let [0, 0, 1, code] = *four else { continue };
        let is_slice = (1..=LAST_SLICE).contains(&code);
        if !is_slice || !is_in_slices {
            all.push((at, code));
        }
        is_in_slices = is_slice;
    }
    all
}

impl Mpeg2 {
    pub(super) fn of(extradata: &[u8]) -> Self {
        let mut own = Self::default();
        own.take(extradata, &mut BTreeSet::new());
        own
    }

    /// Whether pictures have to be coded as those of fields, though they may be none: rows of blocks are as many as in
    /// the source's sequence, or a decoder begins anew and loses pictures.
    pub(super) fn tells_fields(&self) -> bool {
        self.sequence.has_fields && !self.sequence.has_equal_rows
    }

    pub(super) fn take(&mut self, packet: &[u8], lost: &mut BTreeSet<String>) -> Carried {
        let mut carried = Carried::default();
        let starts = starts(packet);
        let ends = starts.iter().map(|(at, _)| *at).skip(1).chain([packet.len()]);
        let (mut place, mut of_sequence) = (Place::Sequence, None::<Vec<u8>>);
        for ((at, code), end) in starts.iter().zip(ends) {
            let Some(unit) = packet.get(*at..end) else { continue };
            let behind = unit.get(4..).unwrap_or_default();
            match *code {
                SEQUENCE => {
                    self.rate = behind.get(3).map_or(0, |byte| usize::from(byte & 15));
                    let height = Bits::of(behind.get(1..).unwrap_or_default()).take(16).unwrap_or(0) & 0xFFF;
                    let has_equal_rows = has_equal_rows(height);
                    self.sequence = Sequence { has_fields: false, has_equal_rows, is_420: true };
                    of_sequence = Some(Vec::new());
                    self.has_data = false;
                    place = Place::Sequence;
                }
                EXTENSION => match behind {
                    [first, second, ..] if first >> 4 == OF_SEQUENCE => {
                        self.sequence.has_fields = second & 8 == 0;
                        self.sequence.is_420 = second >> 1 & 3 == 1;
                    }
                    [first, ..] if first >> 4 == OF_PICTURE && carried.shown.is_none() => {
                        carried.shown = Shown::read(behind);
                    }
                    [first, ..] if first >> 4 == OF_RIGHTS && place == Place::Picture => {
                        carried.user.extend_from_slice(unit);
                    }
                    [first, ..] if first >> 4 == OF_DISPLAY && place == Place::Picture => {
                        lost.insert("pan and scan of pictures".into());
                    }
                    _ => {}
                },
                GROUP => {
                    self.code = Code::read(behind);
                    self.has_data = false;
                    place = Place::Group;
                }
                PICTURE => {
                    place = Place::Picture;
                    // temporal_reference
                    let number = Bits::of(behind).take(10);
                    let rate = RATES.get(self.rate).copied().unwrap_or(0);
                    let code = self.code.zip(number).and_then(|(code, number)| code.later(number, rate));
                    carried.code = carried.code.or(code);
                }
                USER => match place {
                    Place::Picture => carried.user.extend_from_slice(unit),
                    Place::Group => self.has_data = true,
                    Place::Sequence => of_sequence.iter_mut().for_each(|own| own.extend_from_slice(unit)),
                },
                _ => {}
            }
        }
        if let Some(own) = of_sequence {
            self.of_sequence = own.into();
        }
        if self.has_data {
            lost.insert("user data of groups (captions of DVDs)".into());
        }
        if self.tells_fields() && carried.shown.is_some_and(|shown| shown.progressive_frame) {
            lost.insert("that pictures are of one moment, and which fields of them are shown twice".into());
        }
        (carried.sequence, carried.of_sequence) = (self.sequence, Arc::clone(&self.of_sequence));
        carried
    }
}

impl Carried {
    /// Takes in what the second field carries.
    pub(super) fn join(&mut self, second: Self) {
        self.user.extend(second.user);
    }

    /// How many bytes it has of its own.
    pub(super) fn memory(&self) -> usize {
        self.user.len()
    }

    /// An encoder's packet with what is carried, in place of what the encoder says of the same.
    pub(super) fn put(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let starts = starts(packet);
        let ends = starts.iter().map(|(at, _)| *at).skip(1).chain([packet.len()]);
        let mut bytes = packet.get(..starts.first()?.0)?.to_vec();
        bytes.reserve(packet.len().saturating_add(self.user.len()));
        let (mut place, mut is_put) = (Place::Group, false);
        for ((at, code), end) in starts.iter().zip(ends) {
            let unit = packet.get(*at..end)?;
            match *code {
                SEQUENCE => place = Place::Sequence,
                GROUP | PICTURE => {
                    if place == Place::Sequence {
                        bytes.extend_from_slice(&self.of_sequence);
                    }
                    place = if *code == PICTURE { Place::Picture } else { Place::Group };
                }
                USER if place == Place::Picture => continue,
                1..=LAST_SLICE if !is_put => {
                    bytes.extend_from_slice(&self.user);
                    is_put = true;
                }
                _ => {}
            }
            let from = bytes.len().saturating_add(4);
            bytes.extend_from_slice(unit);
            let own = bytes.get_mut(from..).unwrap_or_default();
            match (*code, self.code, self.shown) {
                (GROUP, Some(code), _) => code.put(own),
                // What was coded as whole pictures is so of a sequence that has others.
                (EXTENSION, _, Some(_)) if own.first().is_some_and(|byte| byte >> 4 == OF_SEQUENCE) => {
                    let is_of_fields = self.sequence.has_fields && self.sequence.has_equal_rows;
                    if let Some(second) = own.get_mut(1).filter(|_| is_of_fields) {
                        *second &= !8;
                    }
                }
                (EXTENSION, _, Some(shown)) if own.first().is_some_and(|byte| byte >> 4 == OF_PICTURE) => {
                    shown.put(own, self.sequence);
                }
                _ => {}
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(parts: [u32; 4], drops: bool) -> Code {
        Code { drops, parts }
    }

    #[test]
    fn time_codes_go_on() {
        let plain = code([23, 59, 59, 24], false);
        assert_eq!(plain.later(1, 25), Some(code([0, 0, 0, 0], false)));
        assert_eq!(plain.later(0, 25), Some(plain));
        // SMPTE ST 12-1: of a minute, 0 and 1 are no numbers; but of each tenth they are.
        let drop = code([1, 0, 59, 29], true);
        assert_eq!(drop.later(1, 30), Some(code([1, 1, 0, 2], true)));
        assert_eq!(drop.later(2, 30), Some(code([1, 1, 0, 3], true)));
        assert_eq!(code([1, 9, 59, 29], true).later(1, 30), Some(code([1, 10, 0, 0], true)));
        assert_eq!(code([1, 9, 59, 59], true).later(1, 60), Some(code([1, 10, 0, 0], true)));
        assert_eq!(code([1, 8, 59, 59], true).later(1, 60), Some(code([1, 9, 0, 4], true)));
        // All numbers of half an hour, one behind the other.
        let mut all = code([0, 0, 0, 0], true);
        for number in 1..=30 * 60 * 30 {
            let next = all.later(1, 30).unwrap();
            assert_ne!(next, all);
            let [_, minutes, seconds, frames] = next.parts;
            assert!(minutes % 10 == 0 || seconds > 0 || frames > 1, "{next:?}");
            assert_eq!(code([0, 0, 0, 0], true).later(number, 30), Some(next));
            all = next;
        }
        assert_eq!(code([1, 2, 3, 4], false).later(1, 0), None);
    }

    #[test]
    fn time_codes_are_read_as_they_are_put() {
        let all = code([23, 58, 57, 29], true);
        let mut bytes = [0xFF; 4];
        all.put(&mut bytes);
        assert_eq!((Code::read(&bytes), bytes[3] & 0x7F), (Some(all), 0x7F));
    }

    #[test]
    fn user_data_goes_in_front_of_the_slices() {
        let picture = |user: &[u8]| {
            let coding = [0, 0, 1, EXTENSION, 0x8F, 0xFF, 0xF3, 0xC0, 0x80];
            let header = [0, 0, 1, PICTURE, 0, 0x8F, 0xFF, 0xF8];
            [&header[..], &coding, user, &[0, 0, 1, 1, 9, 9, 0, 0, 1, 2, 7]].concat()
        };
        let user = [&[0, 0, 1, USER][..], b"GA94"].concat();
        let carried = Mpeg2::default().take(&picture(&user), &mut BTreeSet::new());
        assert_eq!(carried.put(&picture(&[])), Some(picture(&user)));
        assert_eq!(carried.put(&picture(&[0, 0, 1, USER, 1])), Some(picture(&user)));
        assert_eq!(Carried::default().put(&[1, 2, 3]), None);
    }
}
