//! What a result's moov is made of: tracks of other moovs, with tables and edit lists of their own.

use crate::{
    Error, ErrorKind, Result,
    av::input::RawChapter,
    mp4::{self, Chapter, Draft, Edit, Movie, MoviePlan, TrackPlan},
    output::edits::{TrackEdits, entries, movie_scale},
    time::{Rational, convert},
};

/// A track of the result.
pub(super) struct Made<'a> {
    /// The one that it is made of.
    pub source: &'a mp4::Track,
    pub draft: &'a Draft,
    /// What of it is shown when; none: as in the source.
    pub edits: Option<TrackEdits<'a>>,
}

/// The plan of a moov that has a movie's boxes around these tracks of it. `chapters` are on the result's clock; none:
/// those of the movie.
pub(super) fn plan<'a>(
    movie: &'a Movie,
    tracks: &[Made<'a>],
    chapters: Option<&[RawChapter]>,
) -> Result<MoviePlan<'a>> {
    let scale = movie_scale(tracks.iter().filter_map(|track| track.edits.as_ref()));
    let ticks = Rational::new(1, i32::try_from(scale).unwrap_or(1000));
    let ticks = ticks.ok_or_else(|| Error::new(ErrorKind::Bug, "a movie without ticks"))?;
    let tracks: Vec<TrackPlan<'a>> = tracks
        .iter()
        .map(|track| match &track.edits {
            Some(edits) => shown_by(track, edits, ticks),
            None => as_it_was(track, movie.scale, scale),
        })
        .collect();
    let shown = tracks.iter().map(|track| track.shown).max().unwrap_or(0);
    Ok(MoviePlan { source: movie, scale, shown, tracks, chapters: chapters.map(listed) })
}

fn shown_by<'a>(track: &Made<'a>, edits: &TrackEdits<'_>, ticks: Rational) -> TrackPlan<'a> {
    // What is shown begins at or behind 0 of the media.
    let first = edits.shown.iter().map(|shown| shown.media).min().unwrap_or(0);
    let lift = u32::try_from(first.saturating_neg().max(0)).unwrap_or(0);
    let (list, shown) = entries(edits, ticks, lift.into());
    let of = |(duration, media): &(u64, i64)| Edit {
        duration: *duration,
        media: Some(*media).filter(|media| *media >= 0),
        plain: true,
    };
    let list: Vec<Edit> = list.iter().map(of).collect();
    TrackPlan {
        source: track.source,
        draft: track.draft,
        scale: u32::try_from(edits.base.den).unwrap_or(track.source.scale),
        lift,
        edits: Some(list).filter(|list| !list.is_empty()),
        shown,
    }
}

/// A track that libav's muxer made by itself: chapters, a time code.
fn as_it_was<'a>(track: &Made<'a>, was: u32, scale: u32) -> TrackPlan<'a> {
    let (source, draft) = (track.source, track.draft);
    let rescaled = |ticks: u64, of: u32| {
        let product = u128::from(ticks).saturating_mul(scale.into());
        product.checked_div(of.into()).and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(ticks)
    };
    let of = |edit: &Edit| Edit { duration: rescaled(edit.duration, was), ..*edit };
    let edits: Option<Vec<Edit>> = source.edits.as_ref().map(|edits| edits.iter().map(of).collect());
    let shown = match &edits {
        Some(edits) => edits.iter().map(|edit| edit.duration).fold(0, u64::saturating_add),
        None => rescaled(draft.decoded(), source.scale),
    };
    TrackPlan { source, draft, scale: source.scale, lift: 0, edits, shown }
}

fn listed(chapters: &[RawChapter]) -> Vec<Chapter> {
    let base = Rational { num: 1, den: 10_000_000 };
    let title = |chapter: &RawChapter| {
        let found = chapter.metadata.iter().find(|(key, _)| key == "title");
        found.map_or_else(String::new, |(_, title)| title.clone())
    };
    let of = |chapter: &RawChapter| Chapter {
        start: u64::try_from(convert(chapter.start, chapter.base, base)).unwrap_or(0),
        title: title(chapter),
    };
    chapters.iter().map(of).collect()
}
