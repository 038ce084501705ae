//! What libav will hold of an MP4's tables, told before it reads them: a few bytes may state an index of
//! millions of samples.
//!
//! libav takes most boxes wherever they are (mov.c: mov_default_parse_table), so this looks into all that may
//! hold others, and not along the paths of the standard.

use super::jumps::{Segments, hold};
use crate::{
    Error, Limits, Result,
    mp4::boxes::{BOXES, Place, Read, at_most, in_memory, number, packed},
};

/// What libav holds for a sample: its entry in the index (24 bytes), its times, and a second index where edit
/// lists are applied.
pub(crate) const SAMPLE: u64 = 60;
/// And for a track, with its codec's context and parser.
const TRACK: u64 = 1 << 20;
/// Samples of sound of one tick each are indexed in runs of so many (mov_build_index).
const RUN: u64 = 1024;
/// libav takes no boxes that lie deeper.
pub(crate) const DEPTH: u32 = 12;
/// Boxes that hold boxes.
pub(crate) const HOLDERS: [&[u8; 4]; 18] = [
    b"dinf", b"edts", b"ilst", b"ipco", b"iprp", b"mdia", b"minf", b"moof", b"moov", b"mvex", b"schi",
    b"sinf", b"stbl", b"strk", b"traf", b"trak", b"tref", b"udta",
];
/// Sample descriptions are read in one piece: they may hold boxes of any kind behind fields of any length.
/// They may have this part of what a demuxer may hold.
const DESCRIPTIONS: u64 = 64;
/// So far in a box of metadata its handler is looked for.
const META: u64 = 16 << 20;
/// Fragments up to this are read in one piece.
const FRAGMENT: u64 = 1 << 20;
/// Boxes that state samples by a number alone.
const COUNTS: [&[u8; 4]; 3] = [b"stsz", b"stz2", b"trun"];

/// libav makes an error of a run of so many samples or more (mov_read_trun; 12 or 16 bytes for each, of
/// 2^32).
pub(crate) const REFUSED: u32 = u32::MAX / 12;

/// How a file is going to be read.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    /// Its fragments are looked at as well.
    pub fragments: bool,
    /// libav applies edit lists: each entry may show all samples once more.
    pub expands: bool,
}

/// An error if the tables of a file of `len` bytes take more than the limits allow. Gives its indices of
/// segments, as far as it was looked at.
pub(crate) fn weigh(read: &mut Read<'_>, len: u64, limits: &Limits, using: Use) -> Result<Vec<Segments>> {
    let mut load = Load::new(limits, using);
    load.look(read, Place { kind: *b"file", start: 0, content: 0, end: len, cut_short: false }, 0)?;
    load.check()?;
    Ok(load.segments)
}

/// A part of a limit, where the limit is not small.
pub(crate) fn part_of(limit: u64, part: u64) -> u64 {
    limit.checked_div(part).unwrap_or(limit).max(limit.min(1 << 20))
}

/// An error if so many samples in fragments take more than the limits allow.
pub(crate) fn weigh_samples(samples: u64, limits: &Limits) -> Result<()> {
    let using = Use { fragments: true, expands: false };
    Load { fragments: samples, ..Load::new(limits, using) }.check()
}

#[derive(Default)]
struct Track {
    samples: u64,
    edits: u64,
    is_sound: bool,
    /// All samples last one tick.
    ticks: Option<bool>,
}

struct Load<'a> {
    limits: &'a Limits,
    using: Use,
    tracks: Vec<Track>,
    /// Samples in fragments.
    fragments: u64,
    /// Entries of metadata.
    named: u64,
    /// Bytes that were unpacked.
    unpacked: u64,
    /// The moov was seen.
    indexed: bool,
    segments: Vec<Segments>,
}

impl<'a> Load<'a> {
    fn new(limits: &'a Limits, using: Use) -> Self {
        let (tracks, segments) = (Vec::new(), Vec::new());
        Self { limits, using, tracks, fragments: 0, named: 0, unpacked: 0, indexed: false, segments }
    }

    fn look(&mut self, read: &mut Read<'_>, within: Place, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Ok(());
        }
        let most = if depth == 0 { usize::MAX } else { BOXES };
        at_most(most, read, within.content, within.end, |read, place| {
            if within.kind == *b"ilst" || within.kind == *b"udta" {
                self.name(1)?;
            }
            match &place.kind {
                // The index may come behind it, wherever it is.
                b"moof" if !self.using.fragments => return Ok(depth > 0 || !self.indexed),
                // There are thousands of them, and they are small.
                b"moof" if place.end.saturating_sub(place.start) <= FRAGMENT => {
                    let mut bytes =
                        vec![0; usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(0)];
                    read(place.start, &mut bytes)?;
                    let within = &mut in_memory(&bytes, place.start);
                    self.look(within, place, depth.saturating_add(1))?;
                }
                // It is parsed as a file of its own (mov_read_cmov).
                b"cmov" => {
                    let most = self.limits.demuxer_memory.saturating_sub(self.unpacked);
                    let bytes = packed::unpack(read, place, most)?;
                    self.unpacked = self.unpacked.saturating_add(bytes.len() as u64);
                    let file =
                        Place { kind: *b"file", start: 0, content: 0, end: bytes.len() as u64, ..place };
                    let known = self.segments.len();
                    self.look(&mut in_memory(&bytes, 0), file, depth.saturating_add(1))?;
                    if self.segments.len() > known {
                        return Err(Error::corrupt(
                            "an index of segments (sidx) in a compressed index (cmov)",
                        ));
                    }
                }
                b"meta" => self.meta(read, place, depth)?,
                b"wave" => self.look(read, place, depth.saturating_add(1))?,
                b"trak" => {
                    self.tracks.push(Track::default());
                    let (count, most) = (self.tracks.len() as u64, self.limits.streams as u64);
                    Limits::hold(count, most, "streams", || {
                        format!("more than {most} streams, which is the limit")
                    })?;
                    self.look(read, place, depth.saturating_add(1))?;
                }
                kind if HOLDERS.contains(&kind) => {
                    self.indexed |= kind == b"moov";
                    if kind == b"tref" {
                        // libav says of each number that it knows no such track.
                        self.name(place.end.saturating_sub(place.content) / 4)?;
                    }
                    self.look(read, place, depth.saturating_add(1))?;
                }
                _ => self.leaf(read, place)?,
            }
            Ok(true)
        })
    }

    /// What lies in a box that holds no others.
    fn leaf(&mut self, read: &mut Read<'_>, place: Place) -> Result<()> {
        let size = place.end.saturating_sub(place.content);
        let at = |by: u64| place.content.saturating_add(by);
        match &place.kind {
            b"stsz" | b"stz2" if size >= 12 => {
                let samples = number(read, at(8))?;
                self.samples(samples.into());
            }
            b"trun" if size >= 8 => {
                let samples = number(read, at(4))?;
                self.fragments = self.fragments.saturating_add(samples.into());
                self.check()?;
            }
            b"sidx" => {
                self.segments.push((place.content, place.end));
                hold(self.segments.len(), "indices of segments", self.limits)?;
            }
            b"hdlr" if size >= 12 => {
                let kind = number(read, at(8))?.to_be_bytes();
                self.with_track(|track| track.is_sound = kind == *b"soun");
            }
            b"stts" if size >= 8 => {
                let entries = number(read, at(4))?;
                let ticks = entries == 1 && size >= 16 && number(read, at(12))? == 1;
                self.with_track(|track| track.ticks = Some(ticks && track.ticks != Some(false)));
            }
            b"elst" if size >= 8 => {
                let edits = number(read, at(4))?;
                self.with_track(|track| track.edits = u64::from(edits).min(size / 12));
            }
            b"keys" if size >= 8 => {
                let keys = number(read, at(4))?;
                self.name(u64::from(keys).min(size / 8))?;
            }
            b"chpl" => self.name(size / 9)?,
            b"stsd" => self.descriptions(read, place)?,
            _ => {}
        }
        Ok(())
    }

    /// The handler comes first, and where it begins differs between MP4 and QuickTime: libav looks for it
    /// (mov_read_meta).
    fn meta(&mut self, read: &mut Read<'_>, place: Place, depth: u32) -> Result<()> {
        let mut at = place.content;
        while place.end.saturating_sub(at) > 8 {
            if number(read, at)? == u32::from_be_bytes(*b"hdlr") {
                let content = at.saturating_sub(4);
                return self.look(read, Place { content, ..place }, depth.saturating_add(1));
            }
            at = at.saturating_add(4);
            if at.saturating_sub(place.content) > META {
                return Err(Error::corrupt("a box of metadata (meta) does not say what it is"));
            }
        }
        Ok(())
    }

    /// Boxes that lie in the descriptions of samples.
    fn descriptions(&mut self, read: &mut Read<'_>, place: Place) -> Result<()> {
        let size = place.end.saturating_sub(place.content);
        let most = part_of(self.limits.demuxer_memory, DESCRIPTIONS);
        Limits::hold(size, most, "demuxer_memory", || {
            format!("{size} bytes of sample descriptions, and the limit is {most}")
        })?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        read(place.content, &mut bytes)?;
        for (i, kind) in bytes.windows(4).enumerate() {
            if COUNTS.iter().any(|count| kind == &count[..]) {
                let content = place.content.saturating_add(i as u64).saturating_add(4);
                let kind = kind.try_into().unwrap_or_default();
                self.leaf(read, Place { kind, content, ..place })?;
            }
        }
        Ok(())
    }

    fn with_track(&mut self, change: impl FnOnce(&mut Track)) {
        // What lies outside of all tracks belongs to the last one, or to none.
        if let Some(track) = self.tracks.last_mut() {
            change(track);
        }
    }

    /// They are judged when all is known: how sound is indexed depends on the box of its times.
    fn samples(&mut self, count: u64) {
        if self.tracks.is_empty() {
            self.tracks.push(Track::default());
        }
        self.with_track(|track| track.samples = track.samples.saturating_add(count));
    }

    fn name(&mut self, count: u64) -> Result<()> {
        self.named = self.named.saturating_add(count);
        let most = self.limits.metadata;
        Limits::hold(self.named, most, "metadata", || format!("more than {most} entries of metadata"))
    }

    fn check(&self) -> Result<()> {
        let of = |track: &Track| {
            let entries = match (track.is_sound, track.ticks) {
                (true, Some(true)) => track.samples.div_ceil(RUN),
                _ => track.samples,
            };
            let times = if self.using.expands { track.edits.max(1) } else { 1 };
            entries.saturating_mul(times).saturating_mul(SAMPLE).saturating_add(TRACK)
        };
        let tracks = self.tracks.iter().map(of).fold(0_u64, u64::saturating_add);
        let sum = self.fragments.saturating_mul(SAMPLE).saturating_add(tracks);
        let most = self.limits.demuxer_memory;
        Limits::hold(sum, most, "demuxer_memory", || {
            let samples =
                self.tracks.iter().map(|track| track.samples).fold(self.fragments, u64::saturating_add);
            format!(
                "its index of {samples} samples takes about {sum} bytes of memory, and the limit is {most}"
            )
        })
    }
}
