//! Where sounds begin: the instants of a stream that an ear holds against the picture.

use std::collections::VecDeque;

/// An onset is this many times louder, in energy, than all that came shortly before it.
const RISE: f32 = 3.0;
/// Mean energy of a block below which nothing is heard: -60 dB of full scale.
const FLOOR: f32 = 1e-6;
/// The share of an onset's highest energy at which it has begun: 16 dB below.
const BEGUN: f32 = 0.025;

/// Finds onsets in a stream of energies, one a sample.
pub(crate) struct Onsets {
    block: usize,
    /// Of two that are closer to each other than this, the stronger one counts: a lossy codec's echo precedes
    /// its onset.
    apart: i64,
    /// How many samples are kept, to find the one that an onset begins with.
    kept: usize,
    /// How many blocks an onset is compared with.
    compared: usize,
    samples: VecDeque<f32>,
    blocks: VecDeque<f32>,
    /// Samples that have come.
    count: i64,
    in_block: usize,
    sum: f32,
    /// The last one, and by how much it rises: a stronger one may follow.
    last: Option<(i64, f32)>,
    found: VecDeque<i64>,
}

impl Onsets {
    /// `apart`: in samples.
    pub(crate) fn new(rate: u32, apart: i64) -> Self {
        let samples = |ms: f64| ((f64::from(rate) * ms / 1e3).round() as usize).max(1);
        let block = samples(4.0 / 3.0);
        Self {
            block,
            apart,
            kept: samples(5.0).saturating_add(block.saturating_mul(2)),
            compared: samples(25.0).div_ceil(block),
            samples: VecDeque::new(),
            blocks: VecDeque::new(),
            count: 0,
            in_block: 0,
            sum: 0.0,
            last: None,
            found: VecDeque::new(),
        }
    }

    /// Takes the next sample's energy.
    pub(crate) fn push(&mut self, energy: f32) {
        if self.samples.len() >= self.kept {
            self.samples.pop_front();
        }
        self.samples.push_back(energy);
        self.count = self.count.saturating_add(1);
        self.in_block = self.in_block.saturating_add(1);
        self.sum += energy;
        if self.in_block >= self.block {
            // The block before the last, the one in question and its next are beside those that it is
            // compared with.
            if self.blocks.len() >= self.compared.saturating_add(3) {
                self.blocks.pop_front();
            }
            self.blocks.push_back(self.sum / self.block as f32);
            (self.in_block, self.sum) = (0, 0.0);
            self.judge();
        }
    }

    /// No more will come: all that is known is known now.
    pub(crate) fn finish(&mut self) {
        for _ in 0..self.block.saturating_mul(2) {
            self.push(0.0);
        }
        self.found.extend(self.last.take().map(|(at, _)| at));
    }

    /// The first onset that was not taken yet.
    pub(crate) fn first(&self) -> Option<i64> {
        self.found.front().copied()
    }

    pub(crate) fn take(&mut self) {
        self.found.pop_front();
    }

    /// The sample up to which no other onset will be found.
    pub(crate) fn known(&self) -> i64 {
        let kept = i64::try_from(self.kept.saturating_add(self.block)).unwrap_or(i64::MAX);
        self.last.map_or(self.count.saturating_sub(kept), |(at, _)| at)
    }

    /// Whether the block before the last one begins a sound.
    fn judge(&mut self) {
        let block = i64::try_from(self.block).unwrap_or(1);
        let ready = self.count.saturating_sub(block.saturating_mul(2)).saturating_sub(self.apart);
        if let Some((at, _)) = self.last.filter(|(at, _)| *at < ready) {
            self.found.push_back(at);
            self.last = None;
        }
        let mut before = self.blocks.iter().rev().copied().skip(1);
        let Some(now) = before.next() else { return };
        // An attack may begin at the end of the block in front.
        let loud = before.skip(1).fold(0.0, f32::max);
        if now < FLOOR || now < loud * RISE {
            return;
        }
        let peak = self.samples.iter().copied().fold(0.0, f32::max);
        let least = (peak * BEGUN).max(loud * 4.0).min(peak / 2.0);
        let into = self.samples.iter().position(|energy| *energy >= least).unwrap_or(0);
        let from = self.samples.len().saturating_sub(into);
        let at = self.count.saturating_sub(i64::try_from(from).unwrap_or(0));
        let rise = now - loud;
        if self.last.is_none_or(|(_, before)| rise > before) {
            self.last = Some((at, rise));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATE: u32 = 48_000;

    fn found(samples: &[f64]) -> Vec<i64> {
        let mut onsets = Onsets::new(RATE, 1200);
        let mut all = Vec::new();
        let mut known = 0;
        let mut take = |onsets: &mut Onsets| {
            while let Some(at) = onsets.first() {
                assert!(at >= known, "{at} comes after all up to {known} were known");
                all.push(at);
                onsets.take();
            }
            known = onsets.known();
        };
        for sample in samples {
            onsets.push((sample * sample) as f32);
            take(&mut onsets);
        }
        onsets.finish();
        take(&mut onsets);
        all
    }

    fn tone(hz: f64, height: f64, samples: usize) -> impl Iterator<Item = f64> {
        (0..samples).map(move |i| height * (TAU * hz * i as f64 / f64::from(RATE)).sin())
    }

    #[test]
    fn a_steady_sound_begins_once() {
        for hz in [25.0, 50.0, 110.0, 440.0, 3000.0, 15_000.0] {
            let sound: Vec<f64> = std::iter::repeat_n(0.0, 5000).chain(tone(hz, 0.7, 96_000)).collect();
            let all = found(&sound);
            assert_eq!(all.len(), 1, "{hz} Hz: {all:?}");
            // An eighth of a period at most: where a sine has risen so far.
            let late = f64::from(RATE) / hz / 8.0 + 1.0;
            assert!((5000.0..=5000.0 + late).contains(&(all[0] as f64)), "{hz} Hz: {all:?}");
        }
        // A deep voice: 80 pulses a second that ring.
        let pulses: Vec<f64> = (0..96_000)
            .map(|i| f64::from(i % 600) / f64::from(RATE))
            .map(|t| 0.7 * (-300.0 * t).exp() * (TAU * 700.0 * t).cos())
            .collect();
        assert_eq!(found(&pulses), [0]);
    }

    #[test]
    fn the_echo_in_front_of_an_onset_is_none() {
        let echo = std::iter::repeat_n(0.0, 10_000).chain(tone(900.0, 0.02, 800));
        let sound: Vec<f64> = echo.chain(tone(1000.0, 0.8, 4000)).chain(tone(1.0, 0.0, 5000)).collect();
        let all = found(&sound);
        assert!(all.len() == 1 && (10_800..10_810).contains(&all[0]), "{all:?}");
    }

    #[test]
    fn silence_and_soft_noise_have_no_onsets() {
        assert!(found(&vec![0.0; 20_000]).is_empty());
        assert!(found(&tone(997.0, 0.0005, 20_000).collect::<Vec<_>>()).is_empty());
        assert!(found(&[]).is_empty());
    }
}
