//! What a join's later inputs say of themselves and the result does not: it is described as the first one is.

use crate::{
    Control, Media, Report, Result, Strip, TimeRange,
    av::stream::Stream,
    edit::copy::Feed,
    media::is_of_writing,
    mp4::{self, Movie},
};
use bytes::Bytes;
use std::collections::{BTreeSet, HashSet};

/// Names that are told of, at most.
const TOLD: usize = 64;

/// Boxes of a moov that are compared, at most: nobody writes so many.
const COMPARED: usize = 1 << 12;

/// A box by its type, what is in it, and how long it is.
type Word = (String, Bytes, u64);

/// What an MP4 says in boxes of its index, and in those beside it, which aren't read.
fn words(movie: &Movie) -> impl Iterator<Item = Word> {
    let beside = movie.others.iter().map(|place| {
        let len = place.end.saturating_sub(place.content);
        (mp4::name(place.kind), Bytes::new(), len)
    });
    let within = movie.own_words(COMPARED).into_iter().map(|(kind, content)| (kind, content, 0));
    beside.chain(within).take(COMPARED)
}

/// The names of what is lost.
pub(crate) struct Lost {
    first: Media,
    strip: Strip,
    all: BTreeSet<String>,
    /// Whose it is: the first input's name, and the last one's of them.
    of: Option<(String, String)>,
    /// There are more names.
    more: bool,
    /// What the first one says in boxes, once it was looked for: a moov may hold a million of them.
    words: Option<HashSet<Word>>,
}

impl Lost {
    pub(crate) fn new(first: &Media, strip: Strip) -> Self {
        Self { first: first.clone(), strip, all: BTreeSet::new(), of: None, more: false, words: None }
    }

    /// Looks at what another input says of itself as a whole.
    pub(crate) fn note_tags(&mut self, other: &Media) {
        let found = self.tags(self.first.metadata(), other.metadata());
        found.into_iter().for_each(|tag| self.add(tag, other));
    }

    /// The same, and of its streams and in covers. `kept`: the first one's stream of each track.
    pub(in crate::edit) fn note(&mut self, kept: &[usize], other: &Media, feeds: &[Feed]) {
        if self.strip == Strip::Metadata {
            return;
        }
        self.note_tags(other);
        let first = &self.first;
        let mut found = Vec::new();
        for Feed { stream, track } in feeds {
            let own = kept.get(*track).and_then(|own| first.streams().get(*own));
            let Some((own, theirs)) = own.zip(other.streams().get(*stream)) else { continue };
            // MP4's is in a track, which goes on.
            let goes_on = |tag: &String| tag == "timecode" && other.demuxer().is_mov();
            let tags = self.tags(&own.metadata, &theirs.metadata).into_iter().filter(|tag| !goes_on(tag));
            found.extend(tags.map(|tag| format!("{tag} of stream {stream}")));
        }
        let mut covers = other.streams().iter().filter_map(Stream::cover);
        let is_known = |cover| first.streams().iter().any(|own| own.cover() == Some(cover));
        if covers.any(|cover| !is_known(cover)) {
            found.push("cover".into());
        }
        found.into_iter().for_each(|what| self.add(what, other));
    }

    /// Looks at what an MP4 says in boxes beside tags. Those of a file that are in none of its index aren't read: one
    /// that is as long as one of the first file is taken for the same.
    pub(crate) fn note_boxes(&mut self, other: &Media, movie: &Movie, control: &Control) -> Result<()> {
        if self.strip != Strip::Nothing {
            return Ok(());
        }
        let own = match self.words.take() {
            Some(own) => own,
            None => {
                let first = self.first.movie(TimeRange::ALL, &mut Report::default(), control)?;
                first.map(|movie| words(&movie).collect()).unwrap_or_default()
            }
        };
        let lost: Vec<String> =
            words(movie).filter(|word| !own.contains(word)).map(|(kind, ..)| kind).collect();
        lost.into_iter().for_each(|kind| self.add(format!("box {kind}"), other));
        self.words = Some(own);
        control.check()
    }

    /// Warns of all that was noted.
    pub(crate) fn tell(self, report: &mut Report) {
        let Some((from, to)) = &self.of else { return };
        let (all, first) =
            (self.all.iter().map(String::as_str).collect::<Vec<_>>(), self.first.source().name());
        report.warn(format!(
            "the result is described as {first} is; what is left out of {from}{}: {}{}",
            if from == to { String::new() } else { format!(" to {to}") },
            all.join(", "),
            if self.more { ", and more" } else { "" }
        ));
    }

    /// The tags that another input has, and the first one has not, or not so.
    fn tags(&self, own: &[(String, String)], theirs: &[(String, String)]) -> Vec<String> {
        let is_lost = |(tag, value): &&(String, String)| {
            let goes_over = self.strip != Strip::Metadata && self.strip.keeps(tag) && !is_of_writing(tag);
            goes_over && !own.iter().any(|(known, has)| known == tag && has == value)
        };
        theirs.iter().filter(is_lost).map(|(tag, _)| tag.clone()).collect()
    }

    fn add(&mut self, what: String, other: &Media) {
        let name = other.source().name();
        match &mut self.of {
            Some((_, last)) if last == name => {}
            Some((_, last)) => name.clone_into(last),
            None => self.of = Some((name.to_owned(), name.to_owned())),
        }
        if self.all.len() < TOLD || self.all.contains(&what) {
            self.all.insert(what);
        } else {
            self.more = true;
        }
    }
}
