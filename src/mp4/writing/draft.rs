//! The tables of a track in the making: stretches of other tables, one behind the other.

use super::{
    composed::Composed,
    extras::DraftExtras,
    put,
    runs::{Runs, backfilled, push},
};
use crate::{
    Error, ErrorKind, Result,
    mp4::{
        movie::Track,
        sample_tables::{About, Description, Samples},
    },
};
use bytes::Bytes;

/// A sample lasts no longer, and is composed no further away: readers take both for numbers with a sign.
const LONGEST: u64 = i32::MAX.cast_unsigned() as u64;

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
    /// Where each chunk lies, from where the payload begins.
    places: Vec<u64>,
    /// The first of some chunks that have as many samples of one description, counted from 1 as that is.
    chunks: Vec<[u32; 3]>,
    /// What else is said of its samples.
    extras: DraftExtras,
    /// The source's own box of what it takes to decrypt them is right for it.
    has_encryption: bool,
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

    /// Composes all samples so far so many ticks later. False, and they stay as they are, if that is too far.
    pub(crate) fn delay(&mut self, by: u32) -> bool {
        let most = self.offsets.iter().flatten().map(|(_, offset)| offset.unsigned_abs()).max().unwrap_or(0);
        if u64::from(most).saturating_add(by.into()) > LONGEST {
            return false;
        }
        let before = self.count;
        for (_, offset) in self.offsets.get_or_insert_with(|| backfilled(before, 0)) {
            *offset = offset.saturating_add(by.cast_signed());
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

    /// The same, and behind it where what its samples have besides lies, by its kinds.
    pub(crate) fn with_besides(&self) -> impl Iterator<Item = &[u64]> {
        std::iter::once(self.places()).chain(self.extras.auxiliary.iter().map(|own| &own.place[..]))
    }

    /// Of those what is in the tables of places that it writes.
    pub(crate) fn all_places(&self) -> impl Iterator<Item = &[u64]> {
        let auxiliary = self.extras.auxiliary.iter().filter(|own| own.is_any());
        std::iter::once(self.places()).chain(auxiliary.map(|own| &own.place[..]))
    }

    /// Bytes that are held for it.
    pub(crate) fn held(&self) -> usize {
        let runs = self.durations.len().saturating_add(self.offsets.as_ref().map_or(0, Vec::len));
        let sync =
            [&self.sync, &self.partial].into_iter().flatten().map(Vec::len).fold(0, usize::saturating_add);
        let sync = sync.saturating_mul(4);
        let chunks = self.chunks.len().saturating_mul(12).saturating_add(self.places.len().saturating_mul(8));
        [self.sizes.len, runs.saturating_mul(8), sync, chunks, self.extras.held()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// The same with so many samples of a track behind its own: a few bytes may state what is listed of each of
    /// millions.
    pub(crate) fn would_hold(&self, track: &Track, added: u32) -> usize {
        self.held().saturating_add(self.extras.would_hold(&track.extras, self.count, added))
    }

    /// The number of a sample description among its own; one that says something else of a codec is added.
    pub(crate) fn describe(&mut self, description: &Description) -> u32 {
        let place = self.descriptions.iter().position(|own| own.is_like(description)).unwrap_or_else(|| {
            self.descriptions.push(description.clone());
            self.descriptions.len().saturating_sub(1)
        });
        u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Puts a sample description in the place of one.
    pub(crate) fn redescribe(&mut self, known: &Description, by: Description) {
        if let Some(own) = self.descriptions.iter_mut().find(|own| own.is_like(known)) {
            *own = by;
        }
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
        self.tells_composition |= track.extras.composition.is_some();
        let before = self.count;
        self.extras.append(track, from..to, before).into_iter().for_each(|what| self.warn(what));
        self.count = count;
        Ok(())
    }

    /// Where tables say something of each sample, billions that a number states would take gigabytes.
    fn check_lists(&self, samples: &Samples, track: &Track, count: u32) -> Result<()> {
        const MOST: u32 = 1 << 28;
        let sync = self.sync.is_some() || samples.sync.count().is_some();
        let sizes = samples.sizes.equal().is_none()
            || self.sizes.equal.is_some_and(|own| Some(own) != samples.sizes.equal());
        let others = self.extras.lists() || DraftExtras::would_list(&track.extras);
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

    /// Gives one of its samples, counted from 0, so many bytes more. An error where that is more than 2^32 have.
    pub(crate) fn enlarge(&mut self, sample: u32, by: usize) -> Result<()> {
        if by == 0 {
            return Ok(());
        }
        if let Some(size) = self.sizes.equal.take() {
            self.sizes.push(size.to_be_bytes().repeat(usize::try_from(self.count).unwrap_or(0)).into());
        }
        let mut at = usize::try_from(sample).unwrap_or(usize::MAX).saturating_mul(4);
        for piece in &mut self.sizes.each {
            if at >= piece.len() {
                at = at.saturating_sub(piece.len());
                continue;
            }
            let mut own = piece.to_vec();
            if let Some(size) = own.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
                let larger = u32::try_from(by).ok().and_then(|by| u32::from_be_bytes(*size).checked_add(by));
                let larger = larger
                    .ok_or_else(|| Error::unsupported("a sample of MP4 has no more than 2^32 bytes"))?;
                *size = larger.to_be_bytes();
            }
            *piece = own.into();
            break;
        }
        Ok(())
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

    /// Which of its own it is that samples have besides; it is added where it is not there yet.
    pub(crate) fn auxiliary_of(&mut self, about: About) -> usize {
        self.extras.auxiliary_of(about)
    }

    /// The same, of all samples of a track whose tables themselves have what it takes to decrypt them (senc), and
    /// which does not say where else that lies.
    pub(crate) fn without_auxiliary(self) -> Self {
        Self { extras: self.extras.without_auxiliary(), has_encryption: true, ..self }
    }

    /// Whether what it takes to decrypt the samples is in the tables of its source.
    pub(super) fn has_encryption(&self) -> bool {
        self.has_encryption
    }

    /// Tells where what samples have besides lies in the payload, in the order of [`auxiliary_of`](Self::auxiliary_of).
    pub(crate) fn besides_at(&mut self, number: usize, place: u64) {
        if let Some(own) = self.extras.auxiliary.get_mut(number) {
            own.place = [place];
        }
    }

    /// Puts all samples into the groups that another track's first sample is in, where none of these kinds are known.
    pub(crate) fn group_like(&mut self, other: &Track) {
        self.extras.group_like(&other.extras, self.count);
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
    /// where the entries of [`all_places`](Self::all_places) are, as zeros: of 64 bits where `wide`.
    pub(super) fn write(&self, to: &mut Vec<u8>, lift: u32, wide: bool) -> Vec<usize> {
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
        self.extras.write_each(to);
        put::versioned(to, *b"stsc", 0, |to| {
            put::count(to, self.chunks.len());
            self.chunks.iter().flatten().for_each(|number| put::u32(to, *number));
        });
        put::versioned(to, *b"stsz", 0, |to| {
            put::u32(to, self.sizes.equal.unwrap_or(0));
            put::u32(to, self.count);
            self.sizes.each.iter().for_each(|bytes| to.extend_from_slice(bytes));
        });
        let mut places = vec![put::places(to, self.places.len(), wide)];
        let auxiliary = self.extras.auxiliary.iter().filter(|own| own.is_any());
        places.extend(auxiliary.map(|own| own.write(to, wide)));
        self.extras.write_groups(to);
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

fn too_many() -> Error {
    Error::new(ErrorKind::LimitExceeded, "a track of MP4 has no more than 2^32 samples")
}
