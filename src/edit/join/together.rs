//! Pictures of inputs that have not the first one's parameter sets, in MP4: all sets lie beside each other in the one
//! description that a track has, those of later inputs under ids of their own. A description of each input's would say
//! the same, and their pictures could stay as they are, but few players know it: Chromium (156) stops where the second
//! one begins, and FFmpeg's parser complains there.

use crate::{
    Control, ErrorKind, Media, Report, Result, StreamKind, TimeRange,
    bitstream::{Framing, Renumber, Sets},
    edit::copy::{Feed, Renumbered},
    mp4::{Description, Movie},
    output::target::Target,
};
use bytes::Bytes;

/// Of the tracks that can have several.
pub(super) struct Together(Vec<Track>);

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
            let (source, known) = (source.clone(), Vec::new());
            Some(Track { track, codec, source, first: described, framing, all, known })
        };
        Ok(Self(target.templates.iter().enumerate().filter_map(of).collect()))
    }

    /// Those of another input's streams that go on under the one description. All others have their own.
    pub(super) fn take(
        &mut self,
        media: &Media,
        movie: &Movie,
        feeds: &[Feed],
        control: &Control,
    ) -> Result<Vec<Renumbered>> {
        let mut taken = Vec::new();
        for feed in feeds {
            let Some(own) = self.0.iter_mut().find(|own| own.track == feed.track) else { continue };
            let Some(stream) = media.streams().get(feed.stream) else { continue };
            let Some(number) = movie.number_of(stream.id()) else { continue };
            match own.take(media, (movie, number), feed.stream, control) {
                Ok(renumbered) => taken.extend(renumbered),
                Err(error) => match error.kind() {
                    // Ids that can't be changed stay as they are, under a description of their own.
                    ErrorKind::Unsupported | ErrorKind::Corrupt | ErrorKind::LimitExceeded => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(taken)
    }

    /// Lets the descriptions have all sets.
    pub(super) fn tell(&self, target: &mut Target) -> Result<()> {
        for own in self.0.iter().filter(|own| !own.known.is_empty()) {
            let mut all = own.all.clone();
            all.promise_alike();
            let described = own.first.with_configuration(&all.to_bytes()?);
            target.redescribe(own.track, &own.first, described);
        }
        Ok(())
    }
}

impl Track {
    fn take(
        &mut self,
        media: &Media,
        (movie, number): (&Movie, usize),
        stream: usize,
        control: &Control,
    ) -> Result<Option<Renumbered>> {
        let Some(track) = movie.tracks.get(number).filter(|track| !track.is_encrypted()) else {
            return Ok(None);
        };
        let [described] = track.descriptions.as_slice() else { return Ok(None) };
        let configuration = described.configuration();
        let Some(theirs) = configuration.filter(|_| described.differs_in_sets_alone(&self.source)) else {
            return Ok(None);
        };
        // Parts of samples (subs) have sizes of their own.
        if self.framing != Framing::of(&self.codec, &theirs) || track.extras.parts.is_some() {
            return Ok(None);
        }
        let sets = Sets::of(&self.codec, &theirs)?;
        if self.all.have(&sets) {
            return Ok(Some(Renumbered::as_it_is(stream, self.first.clone())));
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
                let of = (renumber, self.framing);
                Renumbered::of((stream, first), media.source(), (movie, number), of, control)?
            }
        };
        if let Some(all) = all {
            self.all = all;
            self.known.push((theirs, renumber));
        }
        Ok(Some(renumbered))
    }
}
