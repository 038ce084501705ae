//! Samples of movie fragments (ISO/IEC 14496-12, 8.8): what a moof says of them, sample by sample where they
//! lie, with its defaults.

use crate::{
    Result,
    mp4::{
        boxes::{
            Place, children,
            fields::{Fields, wrong},
        },
        sample::{MOST_OFFSET, Sample, Totals},
        sample_tables::Table,
    },
};
use bytes::Bytes;

/// A sum is noted in front of each so many samples.
const STEP: usize = 64;

/// Which fields a tfhd or a trun has, and what its flags say (8.8.7, 8.8.8).
mod flags {
    pub(crate) const BASE: u32 = 0x1;
    pub(crate) const DESCRIPTION: u32 = 0x2;
    pub(crate) const DURATION: u32 = 0x8;
    pub(crate) const SIZE: u32 = 0x10;
    pub(crate) const FLAGS: u32 = 0x20;
    pub(crate) const BASE_IS_MOOF: u32 = 0x2_0000;

    pub(crate) const RUN_PLACE: u32 = 0x1;
    pub(crate) const RUN_FIRST: u32 = 0x4;
    pub(crate) const RUN_DURATIONS: u32 = 0x100;
    pub(crate) const RUN_SIZES: u32 = 0x200;
    pub(crate) const RUN_FLAGS: u32 = 0x400;
    pub(crate) const RUN_OFFSETS: u32 = 0x800;

    /// A sample that decoding can't begin at, or that depends on others (8.8.3.1).
    pub(crate) const NOT_SYNC: u32 = 0x101_0000;
}

/// Other boxes of a fragment that are told of, at most.
const OTHERS: usize = 64;

/// What a track's samples have, where a fragment does not say it (trex, tfhd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub track: u32,
    /// Counted from 1.
    pub description: u32,
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
}

impl Defaults {
    /// A trex.
    pub(crate) fn read(kind: [u8; 4], content: Bytes) -> Result<Self> {
        let (mut fields, ..) = Fields::of_full(kind, content)?;
        Ok(Self {
            track: fields.u32()?,
            description: fields.u32()?,
            duration: fields.u32()?,
            size: fields.u32()?,
            flags: fields.u32()?,
        })
    }
}

/// One run of samples of a track (trun).
#[derive(Clone, Debug)]
pub(crate) struct FragmentRun {
    count: u32,
    /// Of its first sample.
    pub decode: i64,
    pub place: u64,
    flags: u32,
    defaults: Defaults,
    first_flags: Option<u32>,
    table: Table,
    /// Bytes and ticks in front of each [`STEP`]-th sample.
    marks: Vec<(u64, u64)>,
    bytes: u64,
    ticks: u64,
    /// Each sample is one that decoding can begin at.
    is_sound: bool,
    /// The least and the largest offset from decode to composition times.
    pub offsets: (i32, i32),
    /// The number of its first sample among all of its track, and of the last one up to its end that decoding
    /// can begin at.
    pub first: u64,
    pub last_sync: Option<u64>,
}

/// The runs of one track in a moof (traf).
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackFragment {
    pub track: u32,
    pub runs: Vec<FragmentRun>,
    /// It says when it begins to be decoded.
    pub is_timed: bool,
    /// What else it has.
    pub others: Vec<[u8; 4]>,
}

/// What is known of a track in front of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub defaults: Defaults,
    /// When the fragment begins to be decoded, if it does not say so itself.
    pub decode: i64,
    pub is_sound: bool,
}

/// How many runs a moof has, by its content.
pub(crate) fn count_runs(content: &Bytes) -> usize {
    let tracks = children(content).filter(|(kind, _)| kind == b"traf");
    tracks.flat_map(|(_, content)| children(&content)).filter(|(kind, _)| kind == b"trun").count()
}

/// Reads a moof that lies at a place of the file; `content` is what is in it. Tracks that are not expected
/// are left out, as libav does it.
pub(crate) fn read_moof(
    place: Place,
    content: &Bytes,
    expected: &mut dyn FnMut(u32) -> Option<Expected>,
) -> Result<Vec<TrackFragment>> {
    let mut all: Vec<TrackFragment> = Vec::new();
    // Data of a track lies behind that of the one before, where nothing else is said.
    let mut data_end = place.start;
    for (kind, content) in children(content) {
        if kind == *b"traf" {
            // A track may have several: each goes on where the one before it ends.
            let ends = |id: u32| {
                all.iter().rev().find(|before| before.track == id)?.runs.last().map(FragmentRun::decoded)
            };
            let mut known = |id: u32| {
                expected(id).map(|known| Expected { decode: ends(id).unwrap_or(known.decode), ..known })
            };
            let fragment = read_traf(place.start, &content, &mut data_end, &mut known)?;
            all.extend(fragment);
        }
    }
    Ok(all)
}

fn read_traf(
    moof: u64,
    content: &Bytes,
    data_end: &mut u64,
    expected: &mut dyn FnMut(u32) -> Option<Expected>,
) -> Result<Option<TrackFragment>> {
    let find = |wanted: &[u8; 4]| children(content).find(|(kind, _)| kind == wanted);
    let Some((kind, header)) = find(b"tfhd") else {
        return Err(wrong(*b"traf", "it has no tfhd"));
    };
    let (mut fields, _, head) = Fields::of_full(kind, header)?;
    let track = fields.u32()?;
    let Some(known) = expected(track) else { return Ok(None) };
    let base = if head & flags::BASE != 0 { Some(fields.u64()?) } else { None };
    let mut defaults = known.defaults;
    let mut told = |flag: u32, to: &mut u32| -> Result<()> {
        if head & flag != 0 {
            *to = fields.u32()?;
        }
        Ok(())
    };
    told(flags::DESCRIPTION, &mut defaults.description)?;
    told(flags::DURATION, &mut defaults.duration)?;
    told(flags::SIZE, &mut defaults.size)?;
    told(flags::FLAGS, &mut defaults.flags)?;
    let base = base.unwrap_or(if head & flags::BASE_IS_MOOF != 0 { moof } else { *data_end });

    let stated = find(b"tfdt").map(|(kind, content)| {
        let (mut fields, version, _) = Fields::of_full(kind, content)?;
        fields.wide(version)
    });
    let stated = stated.transpose()?;
    let begins = match stated {
        Some(time) => i64::try_from(time).map_err(|_| wrong(*b"tfdt", "a time of more than 2^63 ticks"))?,
        None => known.decode,
    };
    const READ: [&[u8; 4]; 5] = [b"tfhd", b"tfdt", b"trun", b"free", b"skip"];
    let others = children(content).map(|(kind, _)| kind).filter(|kind| !READ.contains(&kind));
    let others = others.take(OTHERS).collect();
    let mut fragment = TrackFragment { track, runs: Vec::new(), is_timed: stated.is_some(), others };
    let (mut decode, mut place) = (begins, base);
    for (kind, content) in children(content).filter(|(kind, _)| kind == b"trun") {
        let run = FragmentRun::read(kind, content, (base, place), decode, defaults, known.is_sound)?;
        let after = i64::try_from(run.ticks).ok().and_then(|ticks| decode.checked_add(ticks));
        decode = after.ok_or_else(|| wrong(kind, "its samples last longer than 2^63 ticks"))?;
        place = run.place.saturating_add(run.bytes);
        fragment.runs.push(run);
    }
    *data_end = place;
    Ok(Some(fragment))
}

impl FragmentRun {
    /// `base`: what its place is counted from; and where it lies if it does not say so.
    fn read(
        kind: [u8; 4],
        content: Bytes,
        (base, behind): (u64, u64),
        decode: i64,
        defaults: Defaults,
        is_sound: bool,
    ) -> Result<Self> {
        let (mut fields, _, head) = Fields::of_full(kind, content)?;
        let count = fields.u32()?;
        let place = match head & flags::RUN_PLACE {
            0 => Some(behind),
            _ => base.checked_add_signed(i64::from(fields.u32()?.cast_signed())),
        };
        let place = place.ok_or_else(|| wrong(kind, "its data lie in front of the file"))?;
        let first_flags = if head & flags::RUN_FIRST != 0 { Some(fields.u32()?) } else { None };
        let each = [flags::RUN_DURATIONS, flags::RUN_SIZES, flags::RUN_FLAGS, flags::RUN_OFFSETS];
        let width = each.iter().filter(|flag| head & **flag != 0).count().saturating_mul(4);
        let table = if width == 0 { Table::default() } else { Table::read(kind, fields, count, width)? };
        let mut run = Self {
            count,
            decode,
            place,
            flags: head,
            defaults,
            first_flags,
            table,
            marks: Vec::new(),
            bytes: 0,
            ticks: 0,
            is_sound,
            offsets: (0, 0),
            first: 0,
            last_sync: None,
        };
        run.sum();
        if head & flags::RUN_OFFSETS != 0 {
            for sample in 0..count {
                let offset = run.offset(sample);
                run.offsets = (run.offsets.0.min(offset), run.offsets.1.max(offset));
            }
        }
        if run.offsets.0.unsigned_abs().max(run.offsets.1.unsigned_abs()) > MOST_OFFSET {
            return Err(wrong(kind, format!("a sample is composed more than {MOST_OFFSET} ticks away")));
        }
        Ok(run)
    }

    /// Puts it behind so many samples of its track, the last of which that decoding can begin at is this one.
    pub(crate) fn follow(&mut self, samples: u64, last_sync: Option<u64>) {
        self.first = samples;
        self.last_sync = match self.sync_at_or_before(self.count.saturating_sub(1)) {
            Some(sample) if self.count > 0 => Some(samples.saturating_add(sample.into())),
            _ => last_sync,
        };
    }

    fn is_sync(&self, sample: u32) -> bool {
        self.is_sound || self.flags(sample) & flags::NOT_SYNC == 0
    }

    /// The last of its samples at or before one that decoding can begin at.
    pub(crate) fn sync_at_or_before(&self, sample: u32) -> Option<u32> {
        if self.flags & flags::RUN_FLAGS == 0 {
            // All but the first are as the defaults say.
            let rest = self.is_sound || self.defaults.flags & flags::NOT_SYNC == 0;
            return if rest && sample > 0 {
                Some(sample)
            } else {
                Some(0).filter(|first| self.is_sync(*first))
            };
        }
        (0..=sample).rev().find(|sample| self.is_sync(*sample))
    }

    /// The first of its samples at or behind one that decoding can begin at.
    pub(crate) fn sync_at_or_behind(&self, sample: u32) -> Option<u32> {
        if self.flags & flags::RUN_FLAGS == 0 && sample > 0 {
            return Some(sample).filter(|sample| *sample < self.count && self.is_sync(*sample));
        }
        let rest = if self.flags & flags::RUN_FLAGS == 0 { self.count.min(2) } else { self.count };
        (sample..rest).find(|sample| self.is_sync(*sample))
    }

    /// The last of its samples that is decoded at or before a time.
    pub(crate) fn decoded_at(&self, time: i64) -> Option<u32> {
        let since = u64::try_from(time.checked_sub(self.decode)?).ok()?;
        let last = self.count.checked_sub(1)?;
        if self.marks.is_empty() {
            let sample = since.checked_div(self.defaults.duration.into()).unwrap_or(u64::MAX);
            return Some(u32::try_from(sample).unwrap_or(last).min(last));
        }
        let mark = self.marks.partition_point(|(_, ticks)| *ticks <= since).checked_sub(1)?;
        let mut sample = u32::try_from(mark.saturating_mul(STEP)).ok()?;
        let mut ticks = self.marks.get(mark)?.1;
        while sample < last {
            ticks = ticks.saturating_add(self.duration(sample).into());
            if ticks > since {
                break;
            }
            sample = sample.saturating_add(1);
        }
        Some(sample)
    }

    /// Adds up what its samples have.
    fn sum(&mut self) {
        let all = |value: u32| u64::from(self.count).saturating_mul(value.into());
        if self.flags & (flags::RUN_DURATIONS | flags::RUN_SIZES) == 0 {
            (self.bytes, self.ticks) = (all(self.defaults.size), all(self.defaults.duration));
            return;
        }
        // As many entries as the box has room for: memory is a part of what was read.
        for sample in 0..self.count {
            if (sample as usize).is_multiple_of(STEP) {
                self.marks.push((self.bytes, self.ticks));
            }
            self.bytes = self.bytes.saturating_add(self.size(sample).into());
            self.ticks = self.ticks.saturating_add(self.duration(sample).into());
        }
    }

    /// A field of a sample: the fields in front of it are there or not.
    fn field(&self, sample: u32, flag: u32) -> Option<u32> {
        if self.flags & flag == 0 {
            return None;
        }
        let before = (self.flags & 0xf00 & flag.saturating_sub(1)).count_ones();
        self.table.u32(sample as usize, before.saturating_mul(4) as usize)
    }

    fn size(&self, sample: u32) -> u32 {
        self.field(sample, flags::RUN_SIZES).unwrap_or(self.defaults.size)
    }

    fn duration(&self, sample: u32) -> u32 {
        self.field(sample, flags::RUN_DURATIONS).unwrap_or(self.defaults.duration)
    }

    fn offset(&self, sample: u32) -> i32 {
        self.field(sample, flags::RUN_OFFSETS).unwrap_or(0).cast_signed()
    }

    fn flags(&self, sample: u32) -> u32 {
        let first = self.first_flags.filter(|_| sample == 0);
        first.or_else(|| self.field(sample, flags::RUN_FLAGS)).unwrap_or(self.defaults.flags)
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn totals(&self) -> Totals {
        let sync = if self.is_sound {
            self.count
        } else if self.flags & flags::RUN_FLAGS != 0 {
            let sync = (0..self.count).filter(|sample| self.is_sync(*sample)).count();
            u32::try_from(sync).unwrap_or(u32::MAX)
        } else {
            // All but the first are as the defaults say.
            let rest = if self.count > 1 && self.is_sync(1) { self.count.saturating_sub(1) } else { 0 };
            rest.saturating_add((self.count > 0 && self.is_sync(0)).into())
        };
        Totals {
            sync: sync.into(),
            bytes: self.bytes,
            ticks: self.ticks,
            end: self.place.saturating_add(self.bytes),
        }
    }

    /// The end of its last sample's decoding.
    pub(crate) fn decoded(&self) -> i64 {
        self.decode.saturating_add(i64::try_from(self.ticks).unwrap_or(i64::MAX))
    }

    /// Bytes and ticks of its samples in front of one.
    fn before(&self, sample: u32) -> (u64, u64) {
        let all = |value: u32| u64::from(sample).saturating_mul(value.into());
        let mark = sample as usize / STEP;
        let Some(&(bytes, ticks)) = self.marks.get(mark) else {
            return (all(self.defaults.size), all(self.defaults.duration));
        };
        let first = u32::try_from(mark.saturating_mul(STEP)).unwrap_or(sample);
        let mut sums = (bytes, ticks);
        for sample in first..sample {
            sums.0 = sums.0.saturating_add(self.size(sample).into());
            sums.1 = sums.1.saturating_add(self.duration(sample).into());
        }
        sums
    }

    /// Its samples in the order of decoding, from one on.
    pub(crate) fn samples(&self, from: u32) -> impl Iterator<Item = Sample> + use<'_> {
        let (bytes, ticks) = self.before(from);
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
        let mut so_far = (self.place.saturating_add(bytes), self.decode.saturating_add(ticks));
        (from..self.count).map(move |sample| {
            let (place, decode) = so_far;
            let (size, duration) = (self.size(sample), self.duration(sample));
            so_far = (place.saturating_add(size.into()), decode.saturating_add(duration.into()));
            Sample {
                decode,
                composition: decode.saturating_add(self.offset(sample).into()),
                duration,
                place,
                size,
                is_sync: self.is_sync(sample),
                description: self.defaults.description,
            }
        })
    }
}
