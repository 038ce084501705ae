//! Measuring: ours and the reference in turn, so that the machine's noise hits both; medians.

use super::Outcome;
use criterion::{Criterion, SamplingMode};
use std::time::{Duration, Instant};

/// One timed run, in which only what counts is timed.
pub type Run<'a> = &'a mut dyn FnMut() -> Outcome<Duration>;

/// Seconds of each run.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// The median; None if nothing was measured.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// Adds a run.
    pub fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64());
    }
}

/// How long a work takes.
pub fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Duration)> {
    let begun = Instant::now();
    let made = work()?;
    Ok((made, begun.elapsed()))
}

/// Criterion measures ours, ten samples of `often` runs each; before each sample the reference runs once. The
/// medians of both, in seconds; None for a reference that is not there.
pub fn duel(
    criterion: &mut Criterion,
    (group, name): (&str, &str),
    often: u32,
    ours: Run<'_>,
    mut theirs: Option<Run<'_>>,
) -> Outcome<(f64, Option<f64>)> {
    let (mut our_times, mut their_times) = (Times::default(), Times::default());
    let mut failed = None;
    // Not counted: caches fill. Criterion counts a sample by its whole time, the reference's included.
    let mut one = ours()?;
    if let Some(theirs) = theirs.as_mut() {
        one += theirs()?;
    }
    let mut group = criterion.benchmark_group(group);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.measurement_time(one * 10 * often).warm_up_time(Duration::from_millis(1));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let mut sample = || -> Outcome<Duration> {
                if let Some(theirs) = theirs.as_mut() {
                    their_times.push(theirs()?);
                }
                let mut sum = Duration::ZERO;
                for _ in 0..times {
                    let took = ours()?;
                    our_times.push(took);
                    sum += took;
                }
                Ok(sum)
            };
            if failed.is_none() {
                match sample() {
                    Ok(sum) => return sum,
                    Err(error) => failed = Some(error),
                }
            }
            // Criterion has no way to stop and wants more than nothing.
            Duration::from_millis(1)
        });
    });
    group.finish();
    match (failed, our_times.median()) {
        (Some(error), _) => Err(error),
        (None, Some(median)) => Ok((median, their_times.median())),
        (None, None) => Err("left out by the filter on the command line".into()),
    }
}

/// Medians in seconds of works that are done in turn, `rounds` times each; once before, not counted.
pub fn in_turn<const N: usize>(rounds: usize, mut works: [Run<'_>; N]) -> Outcome<[f64; N]> {
    let mut times: [Times; N] = std::array::from_fn(|_| Times::default());
    for round in 0..=rounds {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let took = work()?;
            if round > 0 {
                times.push(took);
            }
        }
    }
    Ok(times.map(|times| times.median().unwrap_or(f64::NAN)))
}
