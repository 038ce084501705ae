//! How a picture of H.264 is shown, and at which time codes (ITU-T H.264, D.1.3 and D.2.3).

use crate::bitstream::{
    bits::{BitWriter, Bits},
    h264::Sps,
};

/// How many bits an offset of a time code has where nothing says it (E.2.2).
const OFFSET: usize = 24;

/// One field.
const TOP: u32 = 1;
const BOTTOM: u32 = 2;
/// Both of them (table D-1).
const TOP_BOTTOM: u32 = 3;
const BOTTOM_TOP: u32 = 4;

/// How many time codes there are for each structure (table D-1).
const CLOCKS: [usize; 9] = [1, 1, 1, 2, 2, 3, 3, 2, 3];

/// What a message of a picture's timing says, but for what is of buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// pic_struct
    structure: u32,
    /// None where a time code is left out.
    clocks: Vec<Option<Clock>>,
}

/// A time code: its fields with how many bits each has, from ct_type on, and the offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clock {
    fields: Vec<(u32, u32)>,
    offset: u32,
}

impl Timing {
    /// Of a message of a picture of this sequence. None where such messages say nothing of the kind.
    pub(super) fn read(payload: &[u8], sps: &Sps) -> Option<Self> {
        let vui = sps.vui.as_ref().filter(|vui| vui.has_pic_struct)?;
        let hrd = vui.nal_hrd.or(vui.vcl_hrd);
        let mut bits = Bits::of(payload);
        if let Some(hrd) = hrd {
            bits.take(hrd.removal_delay_bits)?;
            bits.take(hrd.output_delay_bits)?;
        }
        let offset = hrd.map_or(OFFSET, |hrd| hrd.offset_bits);
        let structure = bits.take(4)?;
        let count = *CLOCKS.get(usize::try_from(structure).ok()?)?;
        let clocks = (0..count).map(|_| Clock::read(&mut bits, offset)).collect::<Option<_>>()?;
        Some(Self { structure, clocks })
    }

    /// Takes in what is said of the second field: of both, a frame.
    pub(super) fn join(first: &mut Option<Self>, second: Option<Self>) {
        match (first, second) {
            (first @ None, second) => *first = second,
            (Some(own), Some(second)) => {
                own.structure = match (own.structure, second.structure) {
                    (TOP, BOTTOM) => TOP_BOTTOM,
                    (BOTTOM, TOP) => BOTTOM_TOP,
                    _ => return,
                };
                own.clocks.extend(second.clocks);
            }
            (Some(_), None) => {}
        }
    }

    /// A message of a sequence that tells of no buffers.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = BitWriter::default();
        writer.put(self.structure, 4);
        for clock in &self.clocks {
            writer.put(u32::from(clock.is_some()), 1);
            if let Some(clock) = clock {
                clock.fields.iter().for_each(|(value, bits)| writer.put(*value, *bits));
                writer.put(clock.offset, 24);
            }
        }
        // Between whole bytes, one bit and zeros.
        if !writer.is_whole() {
            writer.put(1, 1);
        }
        writer.into_bytes()
    }
}

impl Clock {
    /// None for what breaks off.
    fn read(bits: &mut Bits, offset: usize) -> Option<Option<Self>> {
        if !bits.flag()? {
            return Some(None);
        }
        let mut fields = Vec::new();
        let mut take = |bits: &mut Bits, count: u32| {
            let value = bits.take(usize::try_from(count).ok()?)?;
            fields.push((value, count));
            Some(value)
        };
        // ct_type, nuit_field_based_flag, counting_type.
        [2, 1, 5].into_iter().try_for_each(|count| take(bits, count).map(drop))?;
        let is_full = take(bits, 1)? == 1;
        // discontinuity_flag, cnt_dropped_flag, n_frames.
        [1, 1, 8].into_iter().try_for_each(|count| take(bits, count).map(drop))?;
        // Seconds, minutes and hours; each may be left out with what is above it.
        for count in [6, 6, 5] {
            if !is_full && take(bits, 1)? == 0 {
                break;
            }
            take(bits, count)?;
        }
        let value = bits.take(offset)?;
        // It has a sign.
        let unused = 32_u32.saturating_sub(u32::try_from(offset).ok()?);
        let value = match offset {
            0 => 0,
            _ => (value.checked_shl(unused)?.cast_signed() >> unused).cast_unsigned(),
        };
        Some(Some(Self { fields, offset: value }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitstream::h264::{Hrd, Vui};

    fn sps(hrd: Option<Hrd>) -> Sps {
        // Main profile; set 0, numbers of frames, order by decoding, one reference; 16 by 16, whole frames.
        let mut writer = BitWriter::default();
        [0x67, 77, 0, 30].into_iter().for_each(|byte| writer.put(byte, 8));
        [0, 0, 2, 1].into_iter().for_each(|number| writer.put_exp_golomb(number));
        writer.put(0, 1);
        [0, 0].into_iter().for_each(|number| writer.put_exp_golomb(number));
        writer.put(0b11001, 5);
        let mut sps = Sps::read(&writer.into_bytes()).unwrap();
        sps.vui = Some(Vui { has_pic_struct: true, nal_hrd: hrd, ..Vui::default() });
        sps
    }

    #[test]
    fn time_codes_are_told_without_buffers() {
        let hrd = Hrd { initial_delay_bits: 24, removal_delay_bits: 3, output_delay_bits: 5, offset_bits: 5 };
        let mut writer = BitWriter::default();
        // Delays; a frame; a full time code 10:20:30 and 7 frames, off by -3.
        let code = [(0, 2), (1, 1), (4, 5), (1, 1), (0, 1), (0, 1), (7, 8), (30, 6), (20, 6), (10, 5)];
        [(5, 3), (9, 5), (0, 4), (1, 1)].into_iter().chain(code).for_each(|(v, n)| writer.put(v, n));
        writer.put(0b11101, 5);
        let payload = writer.into_bytes();
        let timing = Timing::read(&payload, &sps(Some(hrd))).unwrap();
        assert_eq!(timing.clocks, [Some(Clock { fields: code.to_vec(), offset: -3_i32 as u32 })]);
        assert_eq!(Timing::read(&timing.to_bytes(), &sps(None)), Some(timing));
        assert_eq!(Timing::read(&payload[..3], &sps(Some(hrd))), None);
        let mut silent = sps(None);
        silent.vui = None;
        assert_eq!(Timing::read(&payload, &silent), None);
    }

    #[test]
    fn two_fields_are_a_frame() {
        let of = |structure| Some(Timing { structure, clocks: vec![None] });
        for (one, other, both) in [(TOP, BOTTOM, TOP_BOTTOM), (BOTTOM, TOP, BOTTOM_TOP)] {
            let mut timing = of(one);
            Timing::join(&mut timing, of(other));
            assert_eq!(timing, Some(Timing { structure: both, clocks: vec![None, None] }));
            // A flag for each, behind the structure.
            assert_eq!(timing.unwrap().to_bytes(), [(both as u8) << 4 | 0b10]);
        }
    }
}
