//! Samples of which a table in the making says the same, one behind the other.

/// By their count.
pub(super) type Runs<T> = Vec<(u32, T)>;

/// Samples in front that a table of their own said nothing of.
pub(super) fn backfilled<T>(count: u32, value: T) -> Runs<T> {
    if count > 0 { vec![(count, value)] } else { Vec::new() }
}

/// Says the same of all samples behind those that are told of, up to so many.
pub(super) fn fill(runs: &mut Runs<u32>, count: u32, value: u32) {
    let told = runs.iter().map(|(samples, _)| *samples).fold(0, u32::saturating_add);
    push(runs, count.saturating_sub(told), value);
}

#[inline]
pub(super) fn push<T: PartialEq>(runs: &mut Runs<T>, samples: u32, value: T) {
    match runs.last_mut() {
        _ if samples == 0 => {}
        Some((so_far, last)) if *last == value => *so_far = so_far.saturating_add(samples),
        _ => runs.push((samples, value)),
    }
}
