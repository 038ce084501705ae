//! Pictures of inputs that have not the first one's parameter sets, in MP4: all sets lie beside each other in the one
//! description that a track has, those of later inputs under ids of their own. A description of each input's would say
//! the same, and their pictures could stay as they are, but few players know it: Chromium (156) stops where the second
//! one begins, and FFmpeg's parser complains there.

use crate::{
    Control, Error, ErrorKind, Media, Report, Result, Source, StreamKind, TimeRange,
    bitstream::{Framing, Look, Renumber, Sets},
    edit::copy::{Feed, Renumbered},
    mp4::{Description, Movie},
    output::target::Target,
};
use bytes::Bytes;

/// Of the tracks that can have several.
pub(super) struct Together {
    tracks: Vec<Track>,
    /// What samples under other ids hold in memory so far.
    held: u64,
}

/// Streams of an input that go on under the first one's description, and why others do not.
#[derive(Default)]
pub(super) struct Taken {
    pub renumbered: Vec<Renumbered>,
    pub apart: Vec<(usize, String)>,
}

struct Track {
    track: usize,
    codec: String,
    /// What the first input's pictures are described by, there and in the result.
    source: Description,
    first: Description,
    framing: Framing,
    all: Sets,
    /// Configurations of others, and how their ids are changed; None where those have ids of their own.
    known: Vec<(Bytes, Option<Renumber>)>,
    /// Inputs whose samples were made, by their tracks' numbers: they may come again.
    made: Vec<(Source, usize, Renumbered)>,
}

impl Together {
    pub(super) fn of(first: &Media, target: &Target, report: &mut Report, control: &Control) -> Result<Self> {
        let movie = if target.takes_samples() { first.movie(TimeRange::ALL, report, control)? } else { None };
        let of = |(track, stream): (usize, &usize)| {
            let it = first.streams().get(*stream)?;
            let codec = it.codec();
            let has_sets = it.kind() == StreamKind::Video && matches!(codec.as_str(), "h264" | "hevc");
            let described = target.description(track).filter(|_| has_sets)?;
            let configuration = described.configuration()?;
            let movie = movie.as_ref()?;
            let [source] = movie.tracks.get(movie.number_of(it.id())?)?.descriptions.as_slice() else {
                return None;
            };
            let framing = Framing::of(&codec, &configuration);
            let all = Sets::of(&codec, &configuration).ok()?;
            let (source, known, made) = (source.clone(), Vec::new(), Vec::new());
            Some(Track { track, codec, source, first: described, framing, all, known, made })
        };
        Ok(Self { tracks: target.templates.iter().enumerate().filter_map(of).collect(), held: 0 })
    }

    /// Those of another input's streams that go on under the one description. All others have their own.
    pub(super) fn take(
        &mut self,
        media: &Media,
        movie: &Movie,
        feeds: &[Feed],
        (report, control): (&mut Report, &Control),
    ) -> Result<Taken> {
        let mut taken = Taken::default();
        for feed in feeds {
            let Some(own) = self.tracks.iter_mut().find(|own| own.track == feed.track) else { continue };
            let Some(stream) = media.streams().get(feed.stream) else { continue };
            let Some(number) = movie.number_of(stream.id()) else { continue };
            match own.take(media, (movie, number), feed.stream, &mut self.held, (report, control)) {
                Ok(renumbered) => taken.renumbered.extend(renumbered),
                Err(error) => match error.kind() {
                    // Ids that can't be changed stay as they are, under a description of their own.
                    ErrorKind::Unsupported | ErrorKind::Corrupt | ErrorKind::LimitExceeded => {
                        taken.apart.push((feed.stream, error.to_string()));
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(taken)
    }

    /// Lets the descriptions have all sets.
    pub(super) fn tell(&self, target: &mut Target) -> Result<()> {
        for own in self.tracks.iter().filter(|own| !own.known.is_empty()) {
            let mut all = own.all.clone();
            all.promise_alike()?;
            let described = own.first.with_configuration(&all.to_bytes()?);
            target.redescribe(own.track, &own.first, described);
        }
        Ok(())
    }
}

impl Track {
    /// None where nothing has to be done; an error says why a stream has a description of its own.
    fn take(
        &mut self,
        media: &Media,
        (movie, number): (&Movie, usize),
        stream: usize,
        held: &mut u64,
        (report, control): (&mut Report, &Control),
    ) -> Result<Option<Renumbered>> {
        let Some(track) = movie.tracks.get(number) else { return Ok(None) };
        let [described] = track.descriptions.as_slice() else {
            return Err(Error::unsupported("it has several"));
        };
        if track.is_encrypted() {
            let is_like = *described == self.source;
            return if is_like { Ok(None) } else { Err(Error::unsupported("it is encrypted")) };
        }
        let says = |configuration: &[u8], kind: &[u8; 4], content: &[u8]| {
            is_said(&self.codec, configuration, kind, content)
        };
        if let Some(what) = described.difference_beside_sets(&self.source, says) {
            return Err(Error::unsupported(format!("{what} is not that of the first input")));
        }
        let Some(theirs) = described.configuration() else { return Ok(None) };
        let sets = Sets::of(&self.codec, &theirs)?;
        if self.all.have(&sets) && self.framing == Framing::of(&self.codec, &theirs) {
            return Ok(Some(Renumbered::as_it_is(stream, self.first.clone())));
        }
        if self.framing != Framing::of(&self.codec, &theirs) {
            return Err(Error::unsupported("lengths in its samples have other sizes"));
        }
        if track.extras.parts.is_some() {
            return Err(Error::unsupported("sizes of parts of its samples (subs) would be others"));
        }
        let source = media.source();
        let is_it = |(known, of, _): &&(Source, usize, Renumbered)| *of == number && known.is_again(source);
        if let Some((.., made)) = self.made.iter().find(is_it) {
            return made.again(held, control).map(Some);
        }
        let known = self.known.iter().find(|(known, _)| *known == theirs);
        let (renumber, all) = match known {
            Some((_, renumber)) => (renumber.clone(), None),
            None => {
                let (renumber, own) = self.all.beside(&sets)?;
                (Some(renumber).filter(|own| !own.is_identity()), Some(self.all.with(&own)?))
            }
        };
        let first = self.first.clone();
        let renumbered = match &renumber {
            None => Renumbered::as_it_is(stream, first),
            Some(renumber) => {
                let (of, told) = ((renumber, self.framing), (report, control));
                let made = Renumbered::of((stream, first), source, (movie, number), of, held, told)?;
                self.made.push((source.clone(), number, made.clone()));
                made
            }
        };
        if let Some(all) = all {
            self.all = all;
            self.known.push((theirs, renumber));
        }
        Ok(Some(renumbered))
    }
}

/// Whether parameter sets say what a box of colours or fields does that another description has.
fn is_said(codec: &str, configuration: &[u8], kind: &[u8; 4], content: &[u8]) -> bool {
    let Ok(sets) = Sets::of(codec, configuration) else { return false };
    let looks = sets.looks();
    let are_all = |is_it: &dyn Fn(&Look) -> bool| !looks.is_empty() && looks.iter().all(is_it);
    match (kind, content) {
        // ISO/IEC 14496-12, 12.1.5; QuickTime's has no range.
        (b"colr", [b'n', b'c', b'l', b'x' | b'c', colors @ ..]) => {
            let [0, primaries, 0, transfer, 0, matrix, range @ ..] = colors else { return false };
            let is_full = range.first().map(|range| range & 0x80 != 0);
            let own = [*primaries, *transfer, *matrix].map(u32::from);
            are_all(&|look| look.color == Some(own) && is_full.is_none_or(|full| look.is_full_range == full))
        }
        (b"fiel", [1, ..]) => are_all(&|look| look.is_progressive),
        _ => false,
    }
}
