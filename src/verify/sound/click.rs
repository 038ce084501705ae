//! Clicks where ranges meet: steps that neither side has.

use super::align::Excerpt;

/// Parts of a second that are as long as a click is: 1 ms.
const BLOCK: i64 = 1000;
/// Parts of a second around a seam that are looked at, beside half a frame: 5 ms.
const AROUND: i64 = 200;
/// And what is compared with them: 100 ms on each side.
const BESIDE: i64 = 10;
/// What is less rough than this is not heard: a step of 0.005 of full scale.
const HEARD: f64 = 1e-6;
/// As many times as rough as all around is a click: 10 dB.
const CLICK: f64 = 10.0;

/// How rough sound is where a range begins: the mean power of its second difference in the roughest millisecond.
pub(super) struct Seam {
    /// The number of the range that begins there.
    pub range: usize,
    pub at: i64,
    /// In the output, at the seam.
    here: f64,
    /// In the source on either side of it, and in the output a little away from it.
    beside: f64,
    /// Of the source's ranges put behind each other to the sample.
    joint: f64,
}

impl Seam {
    /// Looks at a seam, where the source's ranges lie behind each other in one excerpt. The output comes so many
    /// samples later, and has frames of so many.
    pub(super) fn look(
        (range, at): (usize, i64),
        (source, output): (Excerpt<'_>, Excerpt<'_>),
        (lag, frame): (i64, i64),
        rate: i64,
    ) -> Self {
        let block = (rate / BLOCK).max(8);
        let (near, far) = ((frame / 2).saturating_add(rate / AROUND), rate / BESIDE);
        let there = at.saturating_add(lag);
        let of = |sound: Excerpt<'_>, from: i64, to: i64| roughest(sound.between(from, to.max(from)), block);
        let (before, behind) = (at.saturating_sub(near.max(far)), at.saturating_add(near.max(far)));
        let own = of(source, before, at).max(of(source, at, behind));
        let reach = near.saturating_add(far);
        let left = of(output, there.saturating_sub(reach), there.saturating_sub(near));
        let right = of(output, there.saturating_add(near), there.saturating_add(reach));
        Self {
            range,
            at,
            here: of(output, there.saturating_sub(near), there.saturating_add(near)),
            beside: own.max(left).max(right),
            joint: of(source, at.saturating_sub(near), at.saturating_add(near)),
        }
    }

    /// By how many decibels it is rougher than what lies beside it; None where nothing is heard.
    pub(super) fn decibels(&self) -> Option<f64> {
        let over = self.here / self.beside.max(HEARD);
        (self.here >= HEARD).then(|| 10.0 * over.log10())
    }

    /// Whether that is a click. `is_joint`: nothing lies between the ranges, and nothing is left out, so that the step
    /// of the source's own samples is what was asked for.
    pub(super) fn is_click(&self, is_joint: bool) -> bool {
        let allowed = if is_joint { self.beside.max(self.joint) } else { self.beside };
        self.here >= HEARD && self.here > allowed * CLICK
    }
}

fn second_difference(three: &[f32]) -> f64 {
    match three {
        [a, b, c] => f64::from(a - 2.0 * b + c),
        _ => 0.0,
    }
}

/// The mean power of the second difference, of the roughest block and channel.
fn roughest(sound: Excerpt<'_>, block: i64) -> f64 {
    let block = usize::try_from(block).unwrap_or(8).max(2);
    let channels = sound.channels.max(1);
    let mut most: f64 = 0.0;
    for channel in 0..channels {
        let one: Vec<f32> = sound.samples.iter().skip(channel).step_by(channels).copied().collect();
        let squares: Vec<f64> = one.windows(3).map(|of| second_difference(of).powi(2)).collect();
        for part in squares.windows(block).step_by((block / 2).max(1)) {
            most = most.max(part.iter().sum::<f64>() / part.len().max(1) as f64);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: i64, count: i64) -> Vec<f32> {
        (from..from + count).map(|n| 0.3 * (n as f32 * 0.05).sin()).collect()
    }

    /// Two ranges of a tone, of which the second begins so much further, and what an output has there.
    fn look(further: i64, change: impl Fn(&mut [f32])) -> Seam {
        let source = [tone(0, 8000), tone(8000 + further, 8000)].concat();
        let mut output = source.clone();
        change(&mut output);
        let excerpt = |samples| Excerpt { at: 0, channels: 1, samples };
        Seam::look((1, 8000), (excerpt(&source), excerpt(&output)), (0, 1024), 48_000)
    }

    #[test]
    fn a_step_that_nobody_asked_for_is_a_click() {
        // Half a period on, rising becomes falling.
        let butt = look(63, |_| ());
        assert!(butt.is_click(false) && !butt.is_click(true));
        assert!(butt.decibels().unwrap() > 20.0);
        let none = look(0, |_| ());
        assert!(!none.is_click(false) && none.decibels().is_none_or(|over| over < 3.0));
        let spiked = look(0, |output| output[7990] += 0.1);
        assert!(spiked.is_click(true));
        // Faded into each other, over 4 ms.
        let faded = look(63, |output| {
            let (a, b) = (tone(7900, 200), tone(7900 + 63, 200));
            for (i, to) in output[7900..8100].iter_mut().enumerate() {
                let part = i as f32 / 200.0;
                *to = a[i] * (1.0 - part) + b[i] * part;
            }
        });
        assert!(!faded.is_click(false));
        // A step where neither side is heard.
        assert!(!look(0, |output| output.iter_mut().for_each(|s| *s *= 1e-3)).is_click(false));
    }
}
