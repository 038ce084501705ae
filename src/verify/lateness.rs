//! How late the pictures of an output are, from where to where: what its sound is held against.

use crate::time::Timestamp;

/// Changes that are noted: 1.6 MB of them.
const MOST: usize = 100_000;
/// What holds for this part of a stretch may be what its sound goes with.
const PART: i64 = 10;

/// How much later than asked pictures are shown, each from where it holds on the output's clock.
#[derive(Default)]
pub(super) struct Lateness(Vec<(Timestamp, Timestamp)>);

impl Lateness {
    /// A picture is shown at this place, so much later than asked.
    pub(super) fn note(&mut self, at: Timestamp, late: Timestamp) {
        let is_new = self.0.last().is_none_or(|(_, last)| *last != late);
        if is_new && self.0.len() < MOST {
            self.0.push((at, late));
        }
    }

    pub(super) fn has_pictures(&self) -> bool {
        !self.0.is_empty()
    }

    /// How much later than its pictures the sound of a stretch is that is `lag` later than asked. Where the pictures
    /// change in it, those count that the sound is nearest to, if they are a good part of it.
    pub(super) fn offset(&self, (from, until): (Timestamp, Timestamp), lag: Timestamp) -> Timestamp {
        let first = self.0.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let mut longest: Option<(i64, Timestamp)> = None;
        let mut nearest: Option<Timestamp> = None;
        let part = until.minus(from).nanos() / PART;
        let nearer = |a: Timestamp, b: Timestamp| if a.nanos().abs() < b.nanos().abs() { a } else { b };
        for (i, (at, late)) in self.0.iter().enumerate().skip(first).take_while(|(_, (at, _))| *at < until) {
            let end = self.0.get(i.saturating_add(1)).map_or(until, |(next, _)| (*next).min(until));
            // The first picture speaks for what is in front of it.
            let begin = if i == 0 { from } else { (*at).max(from) };
            let (holds, offset) = (end.minus(begin).nanos(), lag.minus(*late));
            if longest.is_none_or(|(least, _)| holds > least) {
                longest = Some((holds, offset));
            }
            if holds >= part {
                nearest = Some(nearest.map_or(offset, |other| nearer(offset, other)));
            }
        }
        let before = self.0.first().map_or(lag, |(_, late)| lag.minus(*late));
        nearest.or(longest.map(|(_, offset)| offset)).unwrap_or(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_held_against_the_pictures_that_are_shown_with_it() {
        let millis = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        let mut pictures = Lateness::default();
        assert_eq!(pictures.offset((millis(0), millis(1000)), millis(30)), millis(30));
        for (at, late) in [(100, 5), (500, 5), (2500, 45), (2900, 5), (2940, 45)] {
            pictures.note(millis(at), millis(late));
        }
        let offset = |from, until, lag| {
            pictures.offset((millis(from), millis(until)), millis(lag)).nanos() / 1_000_000
        };
        assert_eq!(offset(0, 50, 5), 0, "in front of the first");
        assert_eq!(offset(0, 1000, 5), 0);
        assert_eq!(offset(4000, 5000, 5), -40);
        // Either will do where they change, but not one that is alone.
        assert_eq!((offset(2000, 3000, 5), offset(2000, 3000, 45)), (0, 0));
        assert_eq!(offset(2510, 3510, 5), -40);
    }
}
