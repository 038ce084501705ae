//! The settings' filters in libavfilter's words. It imports `settings`, and knows nothing of the graphs that
//! are made of these words.

pub(crate) mod loudness;
mod overlay;
pub(crate) mod pictures;
pub(crate) mod sounds;

use crate::{TimeRange, Timestamp};
use std::time::Duration;

fn fade(filter: &str, way: &str, from: Timestamp, duration: Duration) -> String {
    format!("{filter}=t={way}:st={:.6}:d={:.6}", from.secs(), duration.as_secs_f64())
}

/// `kind` is `a` for sound. The range's beginning becomes 0, not the first frame's time: of two streams with
/// one range the other one need not have a frame there.
fn trim(kind: &str, TimeRange { from, to }: TimeRange) -> String {
    let end = if to == Timestamp::MAX { String::new() } else { format!(":end={:.6}", to.secs()) };
    let from = from.secs();
    // Its result is cut to a whole number.
    format!("{kind}trim=start={from:.6}{end},{kind}setpts=round(PTS-{from:.6}/TB)")
}
