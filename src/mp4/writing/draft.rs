//! The tables of a track in the making: stretches of other tables, one behind the other.

use super::{
    composed::Composed,
    parts::{DraftParts, append_parts},
    put,
};
use crate::{
    Error, ErrorKind, Result,
    mp4::{
        movie::Track,
        sample_tables::{Description, GroupDescriptions, Samples},
    },
};
use bytes::Bytes;

/// A sample lasts no longer, and is composed no further away: readers take both for numbers with a sign.
const LONGEST: u64 = i32::MAX.cast_unsigned() as u64;

/// Samples of which a table says the same, by their count.
pub(super) type Runs<T> = Vec<(u32, T)>;

/// Sizes of samples.
#[derive(Debug, Default)]
struct Sizes {
    /// All of them are of this one.
    equal: Option<u32>,
    /// Else as they will be in the file, of 32 bits each.
    each: Vec<Bytes>,
    /// Bytes of those.
    len: usize,
}

impl Sizes {
    fn push(&mut self, bytes: Bytes) {
        self.len = self.len.saturating_add(bytes.len());
        self.each.push(bytes);
    }
}

/// Groups of a kind, and which of them samples are in.
#[derive(Debug)]
struct DraftGroups {
    kind: [u8; 4],
    parameter: Option<u32>,
    /// What a sample is in that a source says nothing of.
    default: u32,
    runs: Runs<u32>,
}

/// The tables of a track in the making (ISO/IEC 14496-12, 8.6 and 8.7). All ticks are its own.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    descriptions: Vec<Description>,
    /// Ticks a second.
    scale: u32,
    count: u32,
    decoded: u64,
    durations: Runs<u32>,
    /// From decode to composition times; none as long as they are the same.
    offsets: Option<Runs<i32>>,
    sizes: Sizes,
    /// A table of it says what is composed when, beside the offsets (cslg).
    tells_composition: bool,
    /// Counted from 1; none as long as each sample is one.
    sync: Option<Vec<u32>>,
    partial: Option<Vec<u32>>,
    dependencies: Option<Vec<u8>>,
    groups: Vec<DraftGroups>,
    group_descriptions: Vec<GroupDescriptions>,
    /// Where each chunk lies, from where the payload begins.
    places: Vec<u64>,
    /// The first of some chunks that have as many samples of one description, counted from 1 as that is.
    chunks: Vec<[u32; 3]>,
    /// Which samples have parts: a box for each version and flags.
    parts: Vec<DraftParts>,
    /// What of the sources' tables is not in it.
    pub warnings: Vec<String>,
}

impl Draft {
    /// Of so many ticks a second.
    pub(crate) fn new(scale: u32) -> Self {
        Self { scale, ..Self::default() }
    }

    /// Makes them so many times as fine. False, and they stay as they are, if a sample would last too long.
    pub(crate) fn refine(&mut self, times: u32) -> bool {
        let durations = self.durations.iter().map(|(_, duration)| *duration);
        let offsets = self.offsets.iter().flatten().map(|(_, offset)| offset.unsigned_abs());
        let most = durations.chain(offsets).max().unwrap_or(0);
        if u64::from(most).saturating_mul(times.into()) > LONGEST {
            return false;
        }
        self.scale = self.scale.saturating_mul(times);
        self.decoded = self.decoded.saturating_mul(times.into());
        for (_, duration) in &mut self.durations {
            *duration = duration.saturating_mul(times);
        }
        for (_, offset) in self.offsets.iter_mut().flatten() {
            *offset = offset.saturating_mul(times.cast_signed());
        }
        true
    }

    /// Samples so far.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// When the last one of them ends, in ticks from the first one's decode time.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Ticks a second.
    pub(crate) fn scale(&self) -> u32 {
        self.scale
    }

    /// Where its chunks lie, from where the payload begins.
    pub(crate) fn places(&self) -> &[u64] {
        &self.places
    }

    /// Bytes that are held for it.
    pub(crate) fn held(&self) -> usize {
        let runs = self.durations.len().saturating_add(self.offsets.as_ref().map_or(0, Vec::len));
        let sync =
            [&self.sync, &self.partial].into_iter().flatten().map(Vec::len).fold(0, usize::saturating_add);
        let sync = sync.saturating_mul(4);
        let groups = self.groups.iter().map(|own| own.runs.len()).fold(0, usize::saturating_add);
        let runs = runs.saturating_add(groups);
        let extras = self.parts.iter().map(DraftParts::held).fold(0, usize::saturating_add);
        let extras = extras.saturating_add(self.dependencies.as_ref().map_or(0, Vec::len));
        let chunks = self.chunks.len().saturating_mul(12).saturating_add(self.places.len().saturating_mul(8));
        [self.sizes.len, runs.saturating_mul(8), sync, chunks, extras]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// The number of a sample description among its own; one that is not there yet is added.
    pub(crate) fn describe(&mut self, description: &Description) -> u32 {
        let same = |own: &Description| own.kind == description.kind && own.content == description.content;
        let place = self.descriptions.iter().position(same).unwrap_or_else(|| {
            self.descriptions.push(description.clone());
            self.descriptions.len().saturating_sub(1)
        });
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Adds a sample description, though it may have it.
    pub(crate) fn add_description(&mut self, description: &Description) {
        self.descriptions.push(description.clone());
    }

    /// Puts the samples between two of a track's behind its own. Where they lie is told by
    /// [`lie_at`](Self::lie_at).
    pub(crate) fn append(&mut self, track: &Track, samples: &Samples, from: u32, to: u32) -> Result<()> {
        let added = to.saturating_sub(from);
        let count = self.count.checked_add(added).ok_or_else(too_many)?;
        if added == 0 {
            return Ok(());
        }
        self.check_lists(samples, track, count)?;
        let times = self.scale.checked_div(track.scale).unwrap_or(1);
        if samples.longest().saturating_mul(times.into()) > LONGEST {
            return Err(Error::unsupported(
                "a sample that lasts longer than MP4 has room for, in ticks as fine",
            ));
        }
        for (samples, duration) in samples.durations.between(from, to) {
            push(&mut self.durations, samples, duration.saturating_mul(times));
        }
        let lasts = samples.decode_of(to).saturating_sub(samples.decode_of(from));
        let lasts = lasts.saturating_mul(times.into());
        self.decoded = self.decoded.saturating_add(u64::try_from(lasts).unwrap_or(0));
        self.append_offsets(samples, from, to, times.cast_signed());
        self.append_sizes(samples, from, to);
        self.append_sync(samples, from, to);
        self.append_extras(track, from, to);
        self.count = count;
        Ok(())
    }

    /// Where tables say something of each sample, billions that a number states would take gigabytes.
    fn check_lists(&self, samples: &Samples, track: &Track, count: u32) -> Result<()> {
        const MOST: u32 = 1 << 28;
        let sync = self.sync.is_some() || samples.sync.count().is_some();
        let sizes = samples.sizes.equal().is_none()
            || self.sizes.equal.is_some_and(|own| Some(own) != samples.sizes.equal());
        let others = self.dependencies.is_some() || track.extras.dependencies.is_some();
        if count > MOST && (sync || sizes || others) {
            let message = format!("a track of {count} samples, of which each is listed: {MOST} are the most");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(())
    }

    /// Samples of nothing behind others of one tick and one size each.
    pub(crate) fn append_silence(&mut self, samples: u32) -> Result<()> {
        let count = self.count.checked_add(samples).ok_or_else(too_many)?;
        push(&mut self.durations, samples, 1);
        self.decoded = self.decoded.saturating_add(samples.into());
        self.count = count;
        Ok(())
    }

    fn append_offsets(&mut self, samples: &Samples, from: u32, to: u32, times: i32) {
        let added = to.saturating_sub(from);
        let Some(theirs) = &samples.offsets else {
            if let Some(own) = &mut self.offsets {
                push(own, added, 0);
            }
            return;
        };
        let before = self.count;
        let own = self.offsets.get_or_insert_with(|| backfilled(before, 0));
        let mut told: u32 = 0;
        for (samples, offset) in theirs.between(from, to) {
            push(own, samples, offset.cast_signed().saturating_mul(times));
            told = told.saturating_add(samples);
        }
        push(own, added.saturating_sub(told), 0);
    }

    fn append_sizes(&mut self, samples: &Samples, from: u32, to: u32) {
        let theirs = &samples.sizes;
        let size = theirs.equal();
        if size.is_some() && (self.count == 0 || self.sizes.equal == size) {
            self.sizes.equal = size;
            return;
        }
        if let Some(size) = self.sizes.equal.take() {
            self.sizes.push(size.to_be_bytes().repeat(usize::try_from(self.count).unwrap_or(0)).into());
        }
        self.sizes.push(theirs.wide_bytes(from, to).unwrap_or_else(|| {
            let count = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
            theirs.walk(from).take(count).flat_map(u32::to_be_bytes).collect::<Vec<u8>>().into()
        }));
    }

    fn append_sync(&mut self, samples: &Samples, from: u32, to: u32) {
        let before = self.count;
        let own = |sample: u32| sample.saturating_sub(from).saturating_add(before).saturating_add(1);
        let added = own(from)..=own(to.saturating_sub(1));
        match samples.sync.listed(from, to) {
            Some(listed) => {
                self.sync.get_or_insert_with(|| (1..=before).collect()).extend(listed.map(own));
            }
            None => {
                if let Some(sync) = &mut self.sync {
                    sync.extend(added);
                }
            }
        }
        if let Some(partial) = samples.sync.partial(from, to) {
            self.partial.get_or_insert_default().extend(partial.map(own));
        }
    }

    fn append_extras(&mut self, track: &Track, from: u32, to: u32) {
        let (before, added) = (self.count, to.saturating_sub(from));
        self.tells_composition |= track.extras.composition.is_some();
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        let theirs = track.extras.dependencies.as_ref().map(|table| table.bytes());
        match theirs.and_then(|bytes| bytes.get(range)) {
            Some(bytes) => {
                let unknown = || vec![0; usize::try_from(before).unwrap_or(0)];
                self.dependencies.get_or_insert_with(unknown).extend_from_slice(bytes);
            }
            None => {
                if let Some(own) = &mut self.dependencies {
                    own.resize(own.len().saturating_add(usize::try_from(added).unwrap_or(0)), 0);
                }
            }
        }
        for kind in &track.extras.others {
            let kind = crate::mp4::name(*kind);
            self.warn(format!("box {kind} is left out: it tells of samples by their numbers"));
        }
        track.extras.subs.iter().for_each(|subs| append_parts(&mut self.parts, subs, from..to, before));
        for theirs in &track.extras.descriptions {
            let own = self.group_descriptions.iter().find(|own| own.kind == theirs.kind);
            if own.is_none() {
                self.group_descriptions.push(theirs.clone());
            }
        }
        for grouping in &track.extras.groupings {
            let described_by = track.extras.descriptions.iter().find(|own| own.kind == grouping.kind);
            let default = described_by.map_or(0, |own| own.default);
            let described = |all: &[GroupDescriptions]| {
                all.iter().find(|own| own.kind == grouping.kind).map(|own| own.content.clone())
            };
            if described(&self.group_descriptions) != described(&track.extras.descriptions) {
                let kind = crate::mp4::name(grouping.kind);
                self.warn(format!(
                    "sample groups {kind} are not those of the parts before: none of these samples is in one"
                ));
                continue;
            }
            let is_same =
                |own: &DraftGroups| own.kind == grouping.kind && own.parameter == grouping.parameter;
            let place = self.groups.iter().position(is_same).unwrap_or_else(|| {
                let (kind, parameter) = (grouping.kind, grouping.parameter);
                self.groups.push(DraftGroups { kind, parameter, default, runs: backfilled(before, default) });
                self.groups.len().saturating_sub(1)
            });
            if let Some(own) = self.groups.get_mut(place) {
                for (samples, group) in grouping.runs.between(from, to) {
                    push(&mut own.runs, samples, group);
                }
            }
        }
        for own in &mut self.groups {
            fill(&mut own.runs, before.saturating_add(added), own.default);
        }
    }

    /// Puts all samples into the groups that another track's first sample is in, where none of these kinds are known.
    pub(crate) fn group_like(&mut self, other: &Track) {
        for described in &other.extras.descriptions {
            let kind = described.kind;
            let group = other.extras.grouping(kind).and_then(|grouping| grouping.runs.between(0, 1).next());
            let is_known = self.groups.iter().any(|own| own.kind == kind)
                || self.group_descriptions.iter().any(|own| own.kind == kind && own.count > 0);
            let Some((_, group)) = group.filter(|(_, group)| *group > 0 && !is_known) else { continue };
            self.group_descriptions.retain(|own| own.kind != kind);
            self.group_descriptions.push(described.clone());
            let runs = backfilled(self.count, group);
            self.groups.push(DraftGroups { kind, parameter: None, default: described.default, runs });
        }
    }

    fn warn(&mut self, what: String) {
        if !self.warnings.contains(&what) {
            self.warnings.push(what);
        }
    }

    /// Lets the last sample last longer, or end sooner; it keeps a tick at least.
    pub(crate) fn change_last(&mut self, by: i64) -> Result<()> {
        let Some((samples, duration)) = self.durations.last_mut().filter(|_| by != 0) else { return Ok(()) };
        let changed = i64::from(*duration).saturating_add(by).max(1);
        let Ok(changed) = i32::try_from(changed).map(i32::cast_unsigned) else {
            return Err(Error::unsupported(format!(
                "between two samples of a track lie {by} ticks, and MP4 has room for 2^31"
            )));
        };
        self.decoded = self.decoded.saturating_sub((*duration).into()).saturating_add(changed.into());
        *samples = samples.saturating_sub(1);
        if *samples == 0 {
            self.durations.pop();
        }
        push(&mut self.durations, 1, changed);
        Ok(())
    }

    /// Where so many of the samples lie that are nowhere yet: a chunk, of one of its own descriptions.
    #[inline]
    pub(crate) fn lie_at(&mut self, place: u64, samples: u32, description: u32) {
        self.places.push(place);
        if self.chunks.last().is_none_or(|[_, last @ ..]| *last != [samples, description]) {
            let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.chunks.push([number, samples, description]);
        }
    }

    /// The samples' tables: all of a stbl that they replace. `lift` is added to all composition times. Returns
    /// where the entries of the chunks' places are, as zeros: of 64 bits where `wide`.
    pub(super) fn write(&self, to: &mut Vec<u8>, lift: u32, wide: bool) -> usize {
        put::versioned(to, *b"stsd", 0, |to| {
            put::count(to, self.descriptions.len());
            self.descriptions.iter().for_each(|own| put::kept(to, own.kind, &own.content));
        });
        put::versioned(to, *b"stts", 0, |to| {
            put::count(to, self.durations.len());
            for (samples, duration) in &self.durations {
                put::u32(to, *samples);
                put::u32(to, *duration);
            }
        });
        self.write_offsets(to, lift);
        if self.tells_composition {
            let none = backfilled(self.count, 0);
            Composed::of(&self.durations, self.offsets.as_ref().unwrap_or(&none), lift).write(to);
        }
        for (kind, listed) in [(*b"stss", &self.sync), (*b"stps", &self.partial)] {
            let Some(listed) = listed else { continue };
            put::versioned(to, kind, 0, |to| {
                put::count(to, listed.len());
                listed.iter().for_each(|sample| put::u32(to, *sample));
            });
        }
        if let Some(dependencies) = &self.dependencies {
            put::versioned(to, *b"sdtp", 0, |to| to.extend_from_slice(dependencies));
        }
        put::versioned(to, *b"stsc", 0, |to| {
            put::count(to, self.chunks.len());
            self.chunks.iter().flatten().for_each(|number| put::u32(to, *number));
        });
        put::versioned(to, *b"stsz", 0, |to| {
            put::u32(to, self.sizes.equal.unwrap_or(0));
            put::u32(to, self.count);
            self.sizes.each.iter().for_each(|bytes| to.extend_from_slice(bytes));
        });
        let places = put::places(to, self.places.len(), wide);
        for own in &self.group_descriptions {
            put::kept(to, *b"sgpd", &own.content);
        }
        self.parts.iter().for_each(|own| own.write(to));
        for own in &self.groups {
            put::versioned(to, *b"sbgp", u8::from(own.parameter.is_some()), |to| {
                to.extend_from_slice(&own.kind);
                if let Some(parameter) = own.parameter {
                    put::u32(to, parameter);
                }
                put::count(to, own.runs.len());
                for (samples, group) in &own.runs {
                    put::u32(to, *samples);
                    put::u32(to, *group);
                }
            });
        }
        places
    }

    fn write_offsets(&self, to: &mut Vec<u8>, lift: u32) {
        let lifted = |offset: i32| i64::from(offset).saturating_add(lift.into());
        let none = || backfilled(self.count, 0);
        let all = match &self.offsets {
            Some(offsets) => offsets,
            None if lift > 0 => &none(),
            None => return,
        };
        let is_signed = all.iter().any(|(_, offset)| lifted(*offset) < 0);
        put::versioned(to, *b"ctts", u8::from(is_signed), |to| {
            put::count(to, all.len());
            for (samples, offset) in all {
                put::u32(to, *samples);
                // Offsets are of 28 bits, and what lifts them is no more than one of them.
                let offset = i32::try_from(lifted(*offset)).unwrap_or(i32::MAX);
                put::u32(to, offset.cast_unsigned());
            }
        });
    }
}

/// Samples in front that a table of their own said nothing of.
fn backfilled<T>(count: u32, value: T) -> Runs<T> {
    if count > 0 { vec![(count, value)] } else { Vec::new() }
}

/// Says the same of all samples behind those that are told of, up to so many.
fn fill(runs: &mut Runs<u32>, count: u32, value: u32) {
    let told = runs.iter().map(|(samples, _)| *samples).fold(0, u32::saturating_add);
    push(runs, count.saturating_sub(told), value);
}

#[inline]
fn push<T: PartialEq>(runs: &mut Runs<T>, samples: u32, value: T) {
    match runs.last_mut() {
        _ if samples == 0 => {}
        Some((so_far, last)) if *last == value => *so_far = so_far.saturating_add(samples),
        _ => runs.push((samples, value)),
    }
}

fn too_many() -> Error {
    Error::new(ErrorKind::LimitExceeded, "a track of MP4 has no more than 2^32 samples")
}
