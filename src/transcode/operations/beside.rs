//! Sound of one source beside what is made of another.

use crate::{
    Media,
    time::Timestamp,
    transcode::{flow::messages::PlacedRange, settings::Transcode},
};

/// Sound that is encoded of another source.
pub(crate) struct Beside {
    pub media: Media,
    /// What of it goes, one behind the other.
    pub ranges: Vec<(Timestamp, Timestamp)>,
    pub sounds: Vec<BesideSound>,
    /// How much later than the sound of the first range what it lies beside begins; less than 0: earlier.
    pub later: Timestamp,
}

/// A stream of it.
pub(crate) struct BesideSound {
    pub stream: usize,
    /// How it is encoded, if not as what it lies beside.
    pub settings: Option<Transcode>,
    /// Which track it becomes, if not the last.
    pub place: Option<usize>,
}

impl Beside {
    /// A source's first stream, all of it.
    pub(crate) fn whole(media: Media) -> Self {
        let sounds = vec![BesideSound { stream: 0, settings: None, place: None }];
        Self { media, ranges: vec![(Timestamp::ZERO, Timestamp::MAX)], sounds, later: Timestamp::ZERO }
    }

    /// Its ranges in which something is heard, with a stream for each track.
    pub(super) fn parts(&self, streams: &[Option<usize>]) -> Vec<PlacedRange> {
        let is_heard = |part: &PlacedRange| {
            let (from, to) = part.on_source();
            let mut lines = streams.iter().flatten().filter_map(|stream| self.media.timeline(*stream));
            lines.any(|line| !line.clip(from, to).is_empty())
        };
        let all = PlacedRange::in_a_row(&self.media, &self.ranges, streams).into_iter();
        all.filter(is_heard).map(|part| PlacedRange { is_beside: true, ..part }).collect()
    }
}
