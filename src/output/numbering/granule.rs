//! Ogg counts samples: a page says how many have been decoded at its end, and decoders take what does not fit
//! for a fault (RFC 7845, section 4).

/// Where a track's packets lie, in samples.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::output) struct Granules {
    /// The end of what was written.
    at: Option<i64>,
}

impl Granules {
    /// Where a packet begins that says a time and holds so many samples: right behind the one before, unless
    /// the source has a gap that is longer than the packet.
    pub fn next(&mut self, time: i64, samples: i64) -> i64 {
        let begin = match self.at {
            Some(at) if time.saturating_sub(at) <= samples => at,
            _ => time,
        };
        self.at = Some(begin.saturating_add(samples));
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::Granules;

    #[test]
    fn packets_run_on_but_for_gaps() {
        let mut granules = Granules::default();
        let times = [(-312, 960), (650, 960), (1600, 960), (2000, 960), (9000, 480)];
        let placed = times.map(|(time, samples)| granules.next(time, samples));
        assert_eq!(placed, [-312, 648, 1608, 2568, 9000]);
    }
}
