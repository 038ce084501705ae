//! FFV1 (RFC 9043): how all pictures of a stream are coded, as its configuration record (4.2) says or, up to version 1,
//! each keyframe does.

/// Parameters of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub version: u32,
    /// 0 for Golomb-Rice codes, 1 for the range coder, 2 for one with a table of its own.
    pub coder: u32,
    /// How many slices lie beside each other and over each other.
    pub slices: (u32, u32),
    /// Slices have sums to find damage by.
    pub has_sums: bool,
    /// Each picture stands alone.
    pub is_intra: bool,
    /// What else is told, in its order.
    others: Vec<i64>,
}

impl Parameters {
    /// By a configuration record, which begins with version 3 at the earliest (2 never became one).
    pub(crate) fn of_record(record: &[u8]) -> Option<Self> {
        Self::read(&mut Coded::of(record)?, true)
    }

    /// By a keyframe of a stream that has no configuration record.
    pub(crate) fn of_keyframe(packet: &[u8]) -> Option<Self> {
        let mut coded = Coded::of(packet)?;
        coded.bit(&mut 128)?.then_some(())?;
        Self::read(&mut coded, false)
    }

    fn read(coded: &mut Coded<'_>, is_record: bool) -> Option<Self> {
        let mut others = Vec::new();
        let mut state = [128; STATES];
        let version = coded.number(&mut state)?;
        if is_record != (version > 2) {
            return None;
        }
        if is_record {
            others.push(coded.number(&mut state)?.into());
        }
        let coder = coded.number(&mut state)?;
        if coder > 1 {
            for _ in 1..256 {
                others.push(coded.signed(&mut state)?);
            }
        }
        others.push(coded.number(&mut state)?.into());
        if version > 0 {
            others.push(coded.number(&mut state)?.into());
        }
        others.push(coded.flag(&mut state)?.into());
        others.push(coded.number(&mut state)?.into());
        others.push(coded.number(&mut state)?.into());
        others.push(coded.flag(&mut state)?.into());
        let (mut slices, mut tables) = ((1, 1), 1);
        if is_record {
            let across = coded.number(&mut state)?.checked_add(1)?;
            slices = (across, coded.number(&mut state)?.checked_add(1)?);
            tables = coded.number(&mut state).filter(|tables| *tables <= 8)?;
        }
        for _ in 0..tables {
            coded.table(&mut others)?;
        }
        let (mut has_sums, mut is_intra) = (false, false);
        if is_record {
            for _ in 0..tables {
                // States to begin with, which only an encoder makes that sees all pictures twice.
                (!coded.flag(&mut state)?).then_some(())?;
            }
            has_sums = coded.number(&mut state)? > 0;
            is_intra = coded.number(&mut state)? > 0;
        }
        Some(Self { version, coder, slices, has_sums, is_intra, others })
    }
}

/// As many states as a number has (3.8.1.2).
const STATES: usize = 32;

/// What a range coder made (3.8.1).
struct Coded<'a> {
    bytes: std::slice::Iter<'a, u8>,
    low: u32,
    range: u32,
    /// The state behind a bit that is set.
    next: [u8; 256],
}

impl<'a> Coded<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (low, rest) = bytes.split_first_chunk()?;
        let low = u16::from_be_bytes(*low).into();
        Some(Self { bytes: rest.iter(), low, range: 0xFF00, next: transitions() })
    }

    fn bit(&mut self, state: &mut u8) -> Option<bool> {
        let upper = self.range.checked_mul((*state).into())? >> 8;
        let lower = self.range.checked_sub(upper)?;
        let is_set = self.low >= lower;
        let after = |state: u8| self.next.get(usize::from(state)).copied().unwrap_or_default();
        if is_set {
            (self.low, self.range) = (self.low.checked_sub(lower)?, upper);
            *state = after(*state);
        } else {
            self.range = lower;
            *state = after(state.wrapping_neg()).wrapping_neg();
        }
        if self.range < 0x100 {
            self.range <<= 8;
            self.low = self.low << 8 | u32::from(*self.bytes.next().unwrap_or(&0));
        }
        Some(is_set)
    }

    fn flag(&mut self, states: &mut [u8; STATES]) -> Option<bool> {
        self.bit(states.first_mut()?)
    }

    fn number(&mut self, states: &mut [u8; STATES]) -> Option<u32> {
        u32::try_from(self.symbol(states, false)?).ok()
    }

    fn signed(&mut self, states: &mut [u8; STATES]) -> Option<i64> {
        self.symbol(states, true)
    }

    fn symbol(&mut self, states: &mut [u8; STATES], is_signed: bool) -> Option<i64> {
        if self.flag(states)? {
            return Some(0);
        }
        let mut size: usize = 0;
        while self.bit(states.get_mut(size.min(9).checked_add(1)?)?)? {
            size = Some(size).filter(|size| *size < 31)?.saturating_add(1);
        }
        let mut number: i64 = 1;
        for i in (0..size).rev() {
            number = number << 1 | i64::from(self.bit(states.get_mut(i.min(9).checked_add(22)?)?)?);
        }
        let is_negative = is_signed && self.bit(states.get_mut(size.min(10).checked_add(11)?)?)?;
        Some(if is_negative { number.saturating_neg() } else { number })
    }

    /// A set of five tables (4.9), each as how often its values are.
    fn table(&mut self, to: &mut Vec<i64>) -> Option<()> {
        for _ in 0..5 {
            let (mut state, mut told) = ([128; STATES], 0_u32);
            while told < 128 {
                let many = self.number(&mut state)?.checked_add(1)?;
                told = told.checked_add(many)?;
                to.push(many.into());
            }
        }
        Some(())
    }
}

/// The default ones (3.8.1.3), as they are worked out: by a twentieth of what is left, and at least by one.
#[expect(clippy::arithmetic_side_effects, reason = "states have 8 bits, and odds 32: no product has 64")]
fn transitions() -> [u8; 256] {
    const ONE: u64 = 1 << 32;
    const FACTOR: u64 = ONE / 20;
    const MOST: u64 = 256 - 8;
    let mut next = [0_u8; 256];
    let mut set = |state: u64, to: u64| {
        let place = usize::try_from(state).ok().and_then(|state| next.get_mut(state));
        if let (Some(place), Ok(to)) = (place, u8::try_from(to))
            && *place == 0
        {
            *place = to;
        }
    };
    let nearer = |p: u64| p.saturating_add((ONE.saturating_sub(p) * FACTOR + ONE / 2) >> 32);
    let rounded = |p: u64| (256 * p + ONE / 2) >> 32;
    let (mut p, mut last) = (ONE / 2, 0_u64);
    for _ in 0..128 {
        let state = rounded(p).max(last + 1);
        if last > 0 && last < 256 && state <= MOST {
            set(last, state);
        }
        (p, last) = (nearer(p), state);
    }
    for state in 256 - MOST..=MOST {
        let to = rounded(nearer((state * ONE + 128) >> 8)).max(state + 1).min(MOST);
        set(state, to);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_ffmpeg_wrote() {
        let record =
            bytes("562b84d19c052f413c6026e95c376f5d1b76979d3ac9c420431e8b9f5520512f4ef8a1683b9b17137c03");
        let found = Parameters::of_record(&record).unwrap();
        // Version 3.4, in four slices with sums; colours in YCbCr of 8 bits, 4:2:0.
        assert_eq!((found.version, found.coder, found.slices), (3, 0, (2, 2)));
        assert_eq!((found.has_sums, found.is_intra), (true, false));
        assert_eq!(found.others[..7], [4, 0, 8, 1, 1, 1, 0]);
        assert_eq!(Parameters::of_keyframe(&record), None);
        let picture = bytes(
            "9aec87309a496df656689957fd954a819b52a51600066c53f76659dfb41dfc3aa4aabee94a935777dd52a957d4aaf5f5\
             55525242219f2f884cc000500004c0005d3e97d5d75d55555244043000120001c0018079d1022aabf98306182001800\
             088060988112d92db65b25934fbbab66660001c0c000be00050a0061ef9275fef",
        );
        let found = Parameters::of_keyframe(&picture).unwrap();
        assert_eq!((found.version, found.coder, found.slices), (1, 0, (1, 1)));
        assert_eq!(found.others[..6], [0, 8, 1, 1, 1, 0]);
        assert_eq!(Parameters::of_record(&picture), None);
        assert_eq!(Parameters::of_record(&record[..1]), None);
        assert_eq!(Parameters::of_record(&[0xFF; 9]), None);
    }
}
