//! [`Transition`]: how one source goes over into the next.

use crate::{Error, Result, Timestamp, av::option::words_of_filter};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How one source goes over into the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub(crate) name: String,
    #[serde(with = "crate::time::seconds")]
    pub(crate) duration: Duration,
}

impl Transition {
    /// One of libavfilter's `xfade` transitions, such as `fade`, `wipeleft`, `dissolve` or `circleopen`, and
    /// how long both sources are seen at once. Sound is faded over in the same time.
    pub fn new(name: impl Into<String>, duration: Duration) -> Self {
        Self { name: name.into(), duration }
    }

    /// How long both sources are seen at once, as a distance on the clock.
    pub(crate) fn length(&self) -> Timestamp {
        self.duration.into()
    }

    /// The name goes into a filter graph: nothing but a word of libavfilter's gets there.
    pub(crate) fn check(&self) -> Result<()> {
        if self.duration.is_zero() {
            return Err(Error::invalid("a transition takes more than no time"));
        }
        let mut names = words_of_filter("xfade", "transition");
        // It wants an expression as well.
        names.retain(|name| name != "custom");
        if names.contains(&self.name) {
            return Ok(());
        }
        if names.is_empty() {
            return Err(Error::unsupported("this libav has no filter xfade"));
        }
        Err(Error::invalid(format!("there is no transition '{}'", self.name))
            .with_setting("transition.name")
            .advise(format!("choose one of {}", names.join(", "))))
    }
}
