//! Two sounds beside each other: by how much one is later, and how near they are then.

/// Samples a second at which a lag is looked for at first, and where that is not enough.
const COARSE: [usize; 2] = [4000, 16_000];
/// Samples around what was found that are tried one by one.
const FINE: i64 = 8;
/// Power below this is silence: -70 dB.
pub(super) const SILENCE: f64 = 1e-7;

/// Some samples of a sound, the channels' beside each other, from a sample of the output's clock on.
#[derive(Clone, Copy)]
pub(super) struct Excerpt<'a> {
    pub at: i64,
    pub channels: usize,
    pub samples: &'a [f32],
}

impl<'a> Excerpt<'a> {
    fn end(&self) -> i64 {
        let count = self.samples.len().checked_div(self.channels).unwrap_or(0);
        self.at.saturating_add(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// What lies between two samples; less where there is less.
    pub(super) fn between(&self, from: i64, to: i64) -> Excerpt<'a> {
        let index = |at: i64| {
            let at = usize::try_from(at.saturating_sub(self.at)).unwrap_or(0);
            at.saturating_mul(self.channels).min(self.samples.len())
        };
        let (begins, ends) = (index(from), index(to));
        let samples = self.samples.get(begins..ends).unwrap_or_default();
        Excerpt { at: from.max(self.at), samples, ..*self }
    }

    pub(super) fn power(&self) -> f64 {
        dot(self.samples, self.samples) / self.samples.len().max(1) as f64
    }

    /// One channel of the means of so many samples each.
    fn coarse(&self, step: usize) -> Vec<f32> {
        let each = step.saturating_mul(self.channels).max(1);
        self.samples.chunks_exact(each).map(|part| part.iter().sum::<f32>() / each as f32).collect()
    }
}

/// The sum of products, in sums that do not wait for each other.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    let mut all = 0.0;
    for (a, b) in a.chunks(4096).zip(b.chunks(4096)) {
        let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
        for (a, b) in a.0.iter().zip(b.0) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        all += a.1.iter().zip(b.1).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        all += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        sums = [0.0; 16];
    }
    all
}

/// The pieces of two sounds that are heard at once if the second comes so many samples late.
fn overlap<'a>(source: Excerpt<'a>, output: Excerpt<'a>, lag: i64) -> (Excerpt<'a>, Excerpt<'a>) {
    let from = output.at.max(source.at.saturating_add(lag));
    let to = output.end().min(source.end().saturating_add(lag));
    (
        source.between(from.saturating_sub(lag), to.saturating_sub(lag).max(from.saturating_sub(lag))),
        output.between(from, to.max(from)),
    )
}

/// Whether all samples are equal, of as many as both have at once.
pub(super) fn are_equal(source: Excerpt<'_>, output: Excerpt<'_>, lag: i64) -> bool {
    let (a, b) = overlap(source, output, lag);
    !a.samples.is_empty() && a.samples == b.samples
}

/// The SI-SDR of all that single precision can tell apart.
const ALL: f64 = 120.0;

/// How much of the output is the source, whatever its loudness, in decibels (SI-SDR): [`ALL`] at the most.
pub(super) fn si_sdr(source: Excerpt<'_>, output: Excerpt<'_>, lag: i64) -> f64 {
    let (a, b) = overlap(source, output, lag);
    let (own, both, other) =
        (dot(a.samples, a.samples), dot(a.samples, b.samples), dot(b.samples, b.samples));
    if own <= 0.0 || other <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let explained = both * both / own;
    let rest = other - explained;
    if rest <= other * 1e-12 { ALL } else { 10.0 * (explained / rest).log10() }
}

/// How much later an output is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lag {
    pub samples: i64,
    /// The SI-SDR then.
    pub si_sdr: f64,
    /// No other lag fits nearly as well, as it does of a tone.
    pub is_sure: bool,
}

/// As much as this a lag has to fit better than another, in decibels.
const BETTER: f64 = 1.0;
/// A lag that fits like this is the one.
const SURELY: f64 = 20.0;
/// Where the means are less alike than those at another lag by no more than this, it may be that they lie across the
/// sound's waves: so many of these lags are tried, too.
const ALIKE: f64 = 0.2;
const PEAKS: usize = 6;

/// How much later the output is. `likely` is tried first, and no more if it fits `enough`: how sure that is was known
/// before.
pub(super) fn lag(
    source: Excerpt<'_>,
    output: Excerpt<'_>,
    (rate, reach): (u32, i64),
    (likely, was_sure): (i64, bool),
    enough: f64,
) -> Lag {
    let near = |around: i64| {
        let tried = (around.saturating_sub(FINE)..=around.saturating_add(FINE))
            .map(|lag| (lag, si_sdr(source, output, lag)));
        // Of those that are alike, the one that was likely.
        let best = tried.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((around, f64::NEG_INFINITY));
        let own = si_sdr(source, output, around);
        if own >= best.1 { (around, own) } else { best }
    };
    let first = near(likely);
    if first.1 >= enough {
        return Lag { samples: first.0, si_sdr: first.1, is_sure: was_sure };
    }
    let mut found = first;
    let (mut ticks, mut peaks) = (1, Vec::new());
    // A voice is found by the lower of its tones, and noise by all that it has.
    for coarse in COARSE {
        let step = usize::try_from(rate).unwrap_or(coarse).checked_div(coarse).unwrap_or(1).max(1);
        ticks = i64::try_from(step).unwrap_or(1);
        let coarse = coarsely(source, output, step, reach.checked_div(ticks).unwrap_or(0));
        peaks = coarse.windows(3).filter_map(peak_of).collect();
        peaks.sort_by(|a, b| b.1.total_cmp(&a.1));
        // What fits where it is likely is there, even if more of a tone fits elsewhere.
        if first.1 > SURELY {
            break;
        }
        let best =
            coarse.iter().max_by(|a, b| a.1.total_cmp(&b.1)).copied().unwrap_or((0, f64::NEG_INFINITY));
        let others = peaks.iter().filter(|peak| peak.0 != best.0 && peak.1 > best.1 - ALIKE).take(PEAKS);
        // The means are as long as a few of the steps of a search by samples.
        let steps = (ticks / FINE).saturating_add(1);
        for (peak, _) in std::iter::once(&best).chain(others) {
            let around = peak.saturating_mul(ticks).saturating_sub(steps.saturating_mul(FINE));
            for step in 0..=steps.saturating_mul(2) {
                let here = near(around.saturating_add(step.saturating_mul(FINE)));
                if here.1 > found.1 + BETTER || (here.1 > found.1 && found.0 != likely) {
                    found = here;
                }
            }
            if found.1 > SURELY {
                break;
            }
        }
        if found.1 > SURELY {
            break;
        }
    }
    let apart =
        |lag: i64| lag.saturating_mul(ticks).abs_diff(found.0).saturating_mul(1000) > u64::from(rate) / 2;
    let other = peaks.into_iter().find(|peak| apart(peak.0));
    let fits_too = |(lag, _): (i64, f64)| near(lag.saturating_mul(ticks)).1 > found.1 - BETTER;
    let is_sure = !other.is_some_and(fits_too);
    Lag { samples: found.0, si_sdr: found.1, is_sure }
}

/// The lag in the middle of three, if what is beside it fits less.
fn peak_of(three: &[(i64, f64)]) -> Option<(i64, f64)> {
    match three {
        [a, peak, c] if peak.1 > a.1 && peak.1 >= c.1 => Some(*peak),
        _ => None,
    }
}

/// How much alike the means of so many samples are, at each lag of a reach.
fn coarsely(source: Excerpt<'_>, output: Excerpt<'_>, step: usize, reach: i64) -> Vec<(i64, f64)> {
    let ticks = i64::try_from(step).unwrap_or(1);
    // Both in steps of one grid.
    let rest = source.at.saturating_sub(output.at).rem_euclid(ticks.max(1));
    let output = output.between(output.at.saturating_add(rest), i64::MAX);
    let (a, b) = (source.coarse(step), output.coarse(step));
    let offset = output.at.saturating_sub(source.at).checked_div(ticks).unwrap_or(0);
    let alike = |lag: i64| {
        // Sample i of the output lies beside this one of the source.
        let shift = offset.saturating_sub(lag);
        let (skip_a, skip_b) =
            (usize::try_from(shift).unwrap_or(0), usize::try_from(shift.saturating_neg()).unwrap_or(0));
        let (a, b) = (a.get(skip_a..).unwrap_or_default(), b.get(skip_b..).unwrap_or_default());
        let count = a.len().min(b.len());
        let (a, b) = (a.get(..count).unwrap_or_default(), b.get(..count).unwrap_or_default());
        let norm = (dot(a, a) * dot(b, b)).sqrt();
        (lag, if norm > 0.0 { dot(a, b) / norm } else { f64::NEG_INFINITY })
    };
    (reach.saturating_neg()..=reach).map(alike).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 24) as f32) - 0.5
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn a_lag_is_found_to_the_sample() {
        let all = noise(60_000);
        for late in [0_i64, 1, -1, 7, 300, -1441, 4000] {
            let source = Excerpt { at: 10_000, channels: 2, samples: &all[..] };
            let at = 16_000;
            let begins = usize::try_from((at - 10_000 - late) * 2).unwrap();
            let output = Excerpt { at, channels: 2, samples: &all[begins..begins + 20_000] };
            let found = lag(source, output, (24_000, 4800), (0, true), 10.0);
            assert_eq!(found, Lag { samples: late, si_sdr: ALL, is_sure: true });
            assert!(are_equal(source, output, late) && !are_equal(source, output, late + 1));
        }
    }

    #[test]
    fn waves_that_are_shorter_than_the_means_are_found() {
        // A voice's overtones, which come again sooner than its means tell apart, between noise.
        let noise = noise(60_000);
        let mut all = noise.clone();
        for (n, sample) in (0_u16..).zip(&mut all) {
            let t = f32::from(n) / 48_000.0;
            *sample = 0.02 * *sample + 0.2 * (t * 3100.0 + (t * 9.0).sin()).sin() * (t * 23_000.0).sin();
        }
        let output = Excerpt { at: 20_000, channels: 1, samples: &all[18_527..34_527] };
        let of = |samples| Excerpt { at: 0, channels: 1, samples };
        assert_eq!(lag(of(&all), output, (48_000, 4800), (0, true), f64::INFINITY).samples, 1473);
        // And nothing but noise.
        let output = Excerpt { at: 20_000, channels: 1, samples: &noise[18_527..22_527] };
        assert_eq!(lag(of(&noise), output, (48_000, 4800), (0, true), f64::INFINITY).samples, 1473);
    }

    #[test]
    fn nobody_can_tell_how_late_a_tone_is() {
        let tone = |gain: f32, noise: &[f32]| -> Vec<f32> {
            let wave = (0_i16..20_000).map(|n| (f32::from(n) * std::f32::consts::TAU / 24.0).sin() * gain);
            wave.zip(noise).map(|(tone, noise)| tone + 1e-3 * noise).collect()
        };
        let (noise, other) = (noise(40_000), noise(60_000));
        let source = tone(0.5, &noise);
        // From the middle on, at a place where the tone begins anew.
        let output = tone(0.5, &other[40_000..]);
        let of = |at, samples| Excerpt { at, channels: 1, samples };
        let found =
            lag(of(0, &source), of(6000, &output[6000..14_000]), (24_000, 4800), (0, true), f64::INFINITY);
        assert!(found.samples == 0 && !found.is_sure, "{found:?}");
        // Where it begins, all can tell.
        let late = [vec![0.0; 2400], source.clone()].concat();
        let before = [vec![0.0; 4800], tone(0.5, &noise)].concat();
        let found = lag(of(-4800, &before), of(0, &late[..12_000]), (24_000, 4800), (0, true), f64::INFINITY);
        assert!(found.samples == 2400 && found.si_sdr > 30.0, "{found:?}");
    }

    #[test]
    fn nearness_does_not_depend_on_loudness() {
        let all = noise(8000);
        let other: Vec<f32> =
            all.iter().zip(noise(8100)[100..].iter()).map(|(a, b)| 0.5 * a + 0.05 * b).collect();
        let excerpt = |samples| Excerpt { at: 0, channels: 1, samples };
        let sdr = si_sdr(excerpt(&all), excerpt(&other), 0);
        assert!((sdr - 20.0).abs() < 0.5, "{sdr}");
    }
}
