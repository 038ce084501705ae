//! Damage at the beginning of a range. What lies in front of it is decoded for what refers to it, and may
//! itself refer to what is not read (an open GOP): that is forgiven, since none of it is shown. What is shown
//! counts, from the first picture on.

use std::collections::VecDeque;

/// Pictures that are awaited: more than any decoder holds back, with all of its threads.
const AWAITED: usize = 256;

/// What is not known yet of a decoder that has shown nothing: it says that a packet was damaged, and not
/// which one.
#[derive(Default)]
pub(crate) struct Lead {
    /// Damaged packets.
    unknown: u64,
    /// The times of packets that are shown, and of which no picture has come.
    awaited: VecDeque<i64>,
    /// Earlier ones, whose pictures do not come any more.
    lost: usize,
}

impl Lead {
    /// A packet of a picture that is shown goes to the decoder.
    pub(crate) fn wait_for(&mut self, pts: i64) {
        if self.awaited.len() >= AWAITED {
            self.awaited.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.awaited.push_back(pts);
    }

    /// Some packet was damaged.
    pub(crate) fn damaged(&mut self) {
        self.unknown = self.unknown.saturating_add(1);
    }

    /// A picture came. They come in the order that they are shown in: how many of those that should have come
    /// before it are lost by damage.
    pub(crate) fn came(&mut self, pts: i64) -> u64 {
        let waiting = self.awaited.len();
        self.awaited.retain(|awaited| *awaited >= pts);
        let passed = waiting.saturating_sub(self.awaited.len());
        let lost = std::mem::take(&mut self.lost).saturating_add(passed);
        self.awaited.retain(|awaited| *awaited != pts);
        self.take(lost)
    }

    /// No further picture comes: how much of the damage was in what is shown; all of it, where nothing was.
    pub(crate) fn end(&mut self, shown: bool) -> u64 {
        let awaited = std::mem::take(&mut self.awaited).len();
        let lost = std::mem::take(&mut self.lost).saturating_add(awaited);
        if shown { self.take(lost) } else { std::mem::take(&mut self.unknown) }
    }

    fn take(&mut self, lost: usize) -> u64 {
        let counted = self.unknown.min(lost as u64);
        self.unknown = self.unknown.saturating_sub(counted);
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_of_what_is_shown_and_does_not_come() {
        let mut lead = Lead::default();
        // In the order of decoding: I, P and two B-frames, of which the first and the P-frame are damaged;
        // and two packets that refer to what was not read.
        [0, 3, 1, 2].into_iter().for_each(|pts| lead.wait_for(pts));
        (0..4).for_each(|_| lead.damaged());
        assert_eq!([0, 2, 4].map(|pts| lead.came(pts)), [0, 1, 1]);
        assert_eq!((lead.end(true), lead.end(false)), (0, 2));
    }

    #[test]
    fn few_are_awaited_however_many_do_not_come() {
        let mut lead = Lead::default();
        for pts in 0..100_000 {
            lead.wait_for(pts);
            lead.damaged();
        }
        assert_eq!(lead.awaited.len(), AWAITED);
        // All but the one that comes, and the one behind it.
        assert_eq!(lead.came(99_998), 99_998);
        assert_eq!((lead.end(true), lead.end(false)), (1, 1));
    }
}
