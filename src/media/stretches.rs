//! An MP4 in fragments that is far away: which of them a range needs, by an index of them where there is one, and
//! what was read of them. Of payload nothing is read, but for what comes with it.

use crate::{
    Control, ErrorKind, Limits, Result,
    io::SourceReader,
    mp4::{self, Fragments, Movie, Place, SegmentIndex},
    time::{Rational, Timestamp},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// A fragment's moof is seldom longer.
const HEAD: u64 = 16 << 10;
/// A box's header has no more.
const LARGE: u64 = 16;
/// An index at the file's end is seldom longer.
const TAIL: u64 = 64 << 10;
/// From so many fragments on what lies between their heads is read as well, if that is fewer requests.
const HEADS: usize = 7;
/// Boxes of one segment at most: there may be two for each frame.
const BOXES: usize = 1 << 16;
/// So many heads are held before they are let go.
const AT_MOST: usize = 256;
/// Movies that are kept.
const MOVIES: usize = 8;

/// A stretch of the file with one or more fragments, as an index says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// When it begins, on the file's clock; about.
    pub time: Timestamp,
    place: u64,
    end: u64,
}

/// A moof's place, and what is in it.
type Moof = (Place, Bytes);

/// What is known of the fragments of a file.
pub(super) struct Stretches {
    movie: Movie,
    /// Behind the moov, or where the first fragment begins.
    begins: u64,
    /// The movie with the samples of its first fragment.
    first: Arc<Movie>,
    /// Indices of segments in front of the first fragment.
    indices: Vec<SegmentIndex>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// None as long as nobody has asked for them; empty where there is no index.
    segments: Option<Arc<Vec<Segment>>>,
    /// What was read, by the place of the segment; and without an index, from the first fragment on.
    moofs: BTreeMap<u64, Arc<Vec<Moof>>>,
    walked: Option<Walked>,
    held: u64,
    /// Which of the segments each has.
    movies: VecDeque<(Range<usize>, Arc<Movie>)>,
}

impl Known {
    /// Lets go of what was read of all but these segments.
    fn keep_only(&mut self, wanted: &[Segment]) {
        let is_wanted = |place: u64| wanted.binary_search_by_key(&place, |segment| segment.place).is_ok();
        self.moofs.retain(|place, _| is_wanted(*place));
        let moofs = self.moofs.values().flat_map(|moofs| moofs.iter());
        self.held = moofs.map(|(_, content)| content.len() as u64).fold(0, u64::saturating_add);
    }
}

/// Fragments that follow each other.
struct Walked {
    moofs: Vec<Moof>,
    /// Where the next box begins, and up to where was read.
    next: u64,
    looked: u64,
}

impl Stretches {
    /// Reads a file up to its first fragment. None where copies can't go by its tables.
    pub(super) fn begin(reader: &mut SourceReader, movie: Movie, control: &Control) -> Result<Option<Self>> {
        let (len, limits) = (reader.len().unwrap_or(0), control.get_limits());
        let mut read = reading(reader, control);
        let mut read = movie.in_front_of(&mut read);
        let (mut indices, mut moof, mut sizes) = (Vec::new(), None, 0_u64);
        mp4::boxes_of_file(&mut read, len, |read, place| {
            match &place.kind {
                b"sidx" => {
                    let content = mp4::load(read, place, limits)?;
                    sizes = sizes.saturating_add(content.len() as u64);
                    hold(sizes, limits)?;
                    indices.push(SegmentIndex::read(place.kind, content, place.end)?);
                }
                b"moof" => moof = Some((place, mp4::load(read, place, limits)?)),
                _ => {}
            }
            Ok(moof.is_none())
        })?;
        let Some((place, content)) = moof else { return Ok(None) };
        let mut fragments = Fragments::behind(&movie);
        fragments.add(place, &content, limits)?;
        let first = movie.again(limits)?.with_fragments(&fragments, len, limits)?;
        let (begins, known) = (place.start, Mutex::default());
        drop(read);
        Ok(first.map(|first| Self { movie, begins, first: Arc::new(first), indices, known }))
    }

    /// The movie with the samples of its first fragment.
    pub(super) fn first(&self) -> &Arc<Movie> {
        &self.first
    }

    /// Bytes that are held.
    pub(super) fn memory(&self) -> u64 {
        let known = self.lock();
        let movies = known.movies.iter().map(|(_, movie)| movie.held()).fold(0, usize::saturating_add);
        let walked = known.walked.iter().flat_map(|walked| &walked.moofs);
        let walked = walked.map(|(_, content)| content.len()).fold(0, usize::saturating_add);
        let movies = movies.saturating_add(walked);
        known.held.saturating_add(movies.saturating_add(self.movie.held()) as u64)
    }

    /// Gives up what can be read again.
    pub(super) fn trim(&self) {
        let mut known = self.lock();
        (known.moofs, known.walked, known.held) = (BTreeMap::new(), None, 0);
        known.movies.clear();
    }

    /// Where fragments lie, by the file's index of them; none where it has none that tells of all.
    pub(super) fn segments(&self, reader: &mut SourceReader, control: &Control) -> Result<Arc<Vec<Segment>>> {
        if let Some(segments) = &self.lock().segments {
            return Ok(segments.clone());
        }
        let found = match self.read_segments(reader, control) {
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            found => found.unwrap_or_default(),
        };
        let in_order = found.is_sorted_by(|a, b| a.time <= b.time && a.end == b.place);
        let found = Arc::new(if in_order { found } else { Vec::new() });
        Ok(self.lock().segments.get_or_insert(found).clone())
    }

    fn read_segments(&self, reader: &mut SourceReader, control: &Control) -> Result<Vec<Segment>> {
        let len = reader.len().unwrap_or(0);
        let largest = self.indices.iter().max_by_key(|index| index.len());
        // What lies in front of its first segment it does not tell.
        let largest = largest.filter(|index| index.place <= self.begins);
        let told = largest.map(|index| of_index(index, len)).unwrap_or_default();
        if let Some(last) = told.last() {
            // Segments that were put one behind the other each have an index of their own.
            let mut is_all = true;
            reader.prefetch(std::slice::from_ref(&(last.end..len)), control)?;
            mp4::boxes(&mut reading(reader, control), last.end, len, |_, place| {
                is_all &= &place.kind != b"moof";
                Ok(is_all)
            })?;
            if is_all {
                return Ok(told);
            }
        }
        let tail = len.saturating_sub(TAIL)..len;
        reader.prefetch(std::slice::from_ref(&tail), control)?;
        let mut read = reading(reader, control);
        // Its last box says how long it is (mfro).
        let mut last = [0; 4];
        read(len.saturating_sub(4), &mut last)?;
        let Some(begins) = len.checked_sub(u32::from_be_bytes(last).into()) else { return Ok(Vec::new()) };
        let mut access = Vec::new();
        mp4::boxes(&mut read, begins, len, |read, place| {
            if &place.kind == b"mfra" && place.end == len {
                access = mp4::read_mfra(&mp4::load(read, place, control.get_limits())?)?;
            }
            Ok(false)
        })?;
        let Some(largest) = access.iter().max_by_key(|access| access.places().count()) else {
            return Ok(Vec::new());
        };
        let scale = self.movie.track(largest.track).and_then(|track| i32::try_from(track.scale).ok());
        let Some(base) = scale.and_then(|scale| Rational::new(1, scale)) else { return Ok(Vec::new()) };
        let mut all: Vec<Segment> = Vec::new();
        for access in largest.places().filter(|access| access.moof < begins) {
            let time = Timestamp::from_ticks(i64::try_from(access.time).unwrap_or(i64::MAX), base);
            match all.last_mut() {
                // The first of several samples of it.
                Some(last) if last.place == access.moof => continue,
                Some(last) if last.place < access.moof => last.end = access.moof,
                Some(_) => return Ok(Vec::new()),
                None => {}
            }
            all.push(Segment { time, place: access.moof, end: begins });
        }
        // What lies in front of the first that decoding can begin in is told by none.
        if let Some(first) = all.first_mut() {
            first.place = first.place.min(self.begins);
        }
        Ok(all)
    }

    /// The movie with the samples of these segments. None where tables can't tell them.
    pub(super) fn of_segments(
        &self,
        segments: &[Segment],
        range: Range<usize>,
        reader: &mut SourceReader,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        if let Some((_, movie)) = self.lock().movies.iter().find(|(own, _)| *own == range) {
            return Ok(Some(movie.clone()));
        }
        let wanted = segments.get(range.clone()).unwrap_or_default();
        let missing: Vec<&Segment> = {
            let mut known = self.lock();
            if known.held > control.get_limits().demuxer_memory / 2 {
                known.keep_only(wanted);
            }
            wanted.iter().filter(|segment| !known.moofs.contains_key(&segment.place)).collect()
        };
        let ahead = heads(&missing, reader);
        let at_once = reader.hints().map_or(1, |hints| hints.requests);
        let mut asked = 0;
        for (i, segment) in missing.iter().enumerate() {
            if i.is_multiple_of(AT_MOST) {
                // What was asked for before is read.
                reader.rest();
            }
            // As many as may be on their way at once; what lies between them is not read.
            for head in ahead.iter().skip(asked).take(i.saturating_add(at_once).saturating_sub(asked)) {
                reader.prefetch(std::slice::from_ref(head), control)?;
                asked = asked.saturating_add(1);
            }
            let (moofs, end) = walk((segment.place, segment.end), &mut 0, reader, control, |_| true)?;
            if moofs.is_empty() || end != segment.end {
                // It leads elsewhere.
                return Ok(None);
            }
            self.keep(segment.place, moofs, control.get_limits())?;
        }
        let all: Vec<Arc<Vec<Moof>>> = {
            let known = self.lock();
            wanted.iter().filter_map(|segment| known.moofs.get(&segment.place).cloned()).collect()
        };
        let moofs = all.iter().flat_map(|moofs| moofs.iter());
        let goes_on = range.end < segments.len();
        let movie = self.made_of(moofs, (range.start > 0, goes_on), reader, control)?;
        if let Some(movie) = &movie {
            let mut known = self.lock();
            known.movies.push_back((range, movie.clone()));
            if known.movies.len() > MOVIES {
                known.movies.pop_front();
            }
        }
        Ok(movie)
    }

    /// The movie with the samples of all fragments from the first one on, up to those that are enough. Each one's place
    /// is known only from the one before.
    pub(super) fn walked(
        &self,
        reader: &mut SourceReader,
        control: &Control,
        is_enough: impl Fn(&Fragments) -> bool,
    ) -> Result<Option<Arc<Movie>>> {
        let (len, limits) = (reader.len().unwrap_or(0), control.get_limits());
        let begun = || Walked { moofs: Vec::new(), next: self.begins, looked: 0 };
        let mut walked = self.lock().walked.take().unwrap_or_else(begun);
        let mut fragments = Fragments::behind(&self.movie);
        let mut used = 0_usize;
        let outcome = loop {
            if is_enough(&fragments) {
                break Ok(true);
            }
            if let Some((place, content)) = walked.moofs.get(used) {
                fragments.add(*place, content, limits)?;
                used = used.saturating_add(1);
                continue;
            }
            if walked.next >= len {
                break Ok(false);
            }
            match walk((walked.next, len), &mut walked.looked, reader, control, |count| count < 1) {
                Ok((found, next)) => {
                    walked.moofs.extend(found);
                    walked.next = next;
                }
                Err(error) => break Err(error),
            }
        };
        let goes_on = used < walked.moofs.len() || outcome.as_ref().is_ok_and(|is_enough| *is_enough);
        self.lock().walked = Some(walked);
        outcome?;
        self.of(&fragments, goes_on, reader, control)
    }

    fn made_of<'a>(
        &self,
        moofs: impl Iterator<Item = &'a Moof>,
        (begins_later, goes_on): (bool, bool),
        reader: &SourceReader,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        let limits = control.get_limits();
        let mut fragments = Fragments { begins_later, ..Fragments::behind(&self.movie) };
        for (place, content) in moofs {
            fragments.add(*place, content, limits)?;
        }
        self.of(&fragments, goes_on, reader, control)
    }

    fn of(
        &self,
        fragments: &Fragments,
        goes_on: bool,
        reader: &SourceReader,
        control: &Control,
    ) -> Result<Option<Arc<Movie>>> {
        let (len, limits) = (reader.len().unwrap_or(0), control.get_limits());
        let movie = self.movie.again(limits)?.with_fragments(fragments, len, limits)?;
        Ok(movie.map(|movie| Arc::new(Movie { goes_on, ..movie })))
    }

    fn keep(&self, place: u64, moofs: Vec<Moof>, limits: &Limits) -> Result<()> {
        let size = moofs.iter().map(|(_, content)| content.len() as u64).fold(0, u64::saturating_add);
        let mut known = self.lock();
        known.held = known.held.saturating_add(size);
        hold(known.held, limits)?;
        known.moofs.insert(place, Arc::new(moofs));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hold(held: u64, limits: &Limits) -> Result<()> {
    let most = limits.demuxer_memory;
    Limits::hold(held, most, "demuxer_memory", || {
        format!("its fragments' tables take {held} bytes, and the limit is {most}")
    })
}

fn reading<'a>(
    reader: &'a mut SourceReader,
    control: &'a Control,
) -> impl FnMut(u64, &mut [u8]) -> Result<()> + 'a {
    move |at, into| {
        control.check()?;
        mp4::exactly(|at, into| reader.read(at, into, control), at, into)
    }
}

/// The segments of an index, if it tells of media alone, and of all there is but for an index at the file's end.
fn of_index(index: &SegmentIndex, len: u64) -> Vec<Segment> {
    let base = i32::try_from(index.scale).ok().and_then(|scale| Rational::new(1, scale));
    let Some(base) = base.filter(|_| index.segments().all(|segment| !segment.is_index && segment.size > 0))
    else {
        return Vec::new();
    };
    let of = |segment: mp4::Segment| Segment {
        time: Timestamp::from_ticks(i64::try_from(segment.time).unwrap_or(i64::MAX), base),
        place: segment.place,
        end: segment.place.saturating_add(segment.size.into()),
    };
    let all: Vec<Segment> = index.segments().map(of).collect();
    let end = all.last().map_or(0, |last| last.end);
    if end <= len && len.saturating_sub(end) <= TAIL { all } else { Vec::new() }
}

/// What to ask for before its turn: where each of some segments begins, or all that they have.
fn heads(segments: &[&Segment], reader: &SourceReader) -> Vec<Range<u64>> {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Vec::new() };
    let head = |segment: &&Segment| segment.place..segment.place.saturating_add(HEAD).min(segment.end);
    // The last one's payload is needed by nobody yet.
    let whole = first.place..head(last).end;
    let len = whole.end.saturating_sub(whole.start);
    let is_kept = reader.hints().is_some_and(|hints| {
        let requests = len.div_ceil(hints.read_ahead.max(1) as u64);
        len <= hints.cache as u64 && requests < segments.len() as u64
    });
    if segments.len() > HEADS && is_kept { vec![whole] } else { segments.iter().map(head).collect() }
}

/// The moofs between two places, as long as it goes on with so many; and where the next box begins. `looked`: up to
/// where was read.
fn walk(
    (from, to): (u64, u64),
    looked: &mut u64,
    reader: &mut SourceReader,
    control: &Control,
    goes_on: impl Fn(usize) -> bool,
) -> Result<(Vec<Moof>, u64)> {
    let (mut all, mut at) = (Vec::new(), from);
    let len = reader.len().unwrap_or(0);
    reader.prefetch(&[], control)?;
    for _ in 0..BOXES {
        if at >= to || !goes_on(all.len()) {
            break;
        }
        // A box that begins in the last head has its own header there.
        if at.saturating_add(LARGE) > *looked {
            reader.look(HEAD.min(len.saturating_sub(at)));
            *looked = at.saturating_add(HEAD);
        }
        let mut next = to;
        mp4::boxes(&mut reading(reader, control), at, len, |read, place| {
            if &place.kind == b"moof" {
                all.push((place, mp4::load(read, place, control.get_limits())?));
            }
            next = place.end;
            Ok(false)
        })?;
        at = next.max(at.saturating_add(1));
    }
    Ok((all, at))
}
