//! A bar on stderr for work that takes a while.

use crate::args::Common;
use avrope::{Control, Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Work that is done before this shows no bar.
const PATIENCE: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(100);

/// Goes away, without a trace, when it is dropped.
pub struct Bar(Option<Arc<Mutex<State>>>);

struct State {
    begun: Instant,
    bar: Option<ProgressBar>,
    now: Option<Look>,
}

/// What a bar looks like.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    what: &'static str,
    total: u64,
    bytes: bool,
}

impl Bar {
    pub fn new(common: &Common) -> Self {
        let shown = !common.quiet && !common.json && std::io::stderr().is_terminal();
        Self(shown.then(|| {
            Arc::new(Mutex::new(State {
                begun: Instant::now(),
                bar: None,
                now: None,
            }))
        }))
    }

    /// A control that tells this bar.
    pub fn watch(&self, control: &Control, copying: &'static str) -> Control {
        let Some(state) = self.0.clone() else {
            return control.clone();
        };
        control.clone().progress(move |progress| {
            let Progress { stage, done, total, .. } = progress;
            let look = match stage {
                // What comes after the last packet (an index, perhaps moved to the front) does not say how far it is.
                Stage::Copy if total > 0 && done >= total => Look { what: "finishing", total: 0, bytes: false },
                Stage::Copy => Look { what: copying, total, bytes: false },
                Stage::Save if done >= total => Look { what: "finishing", total: 0, bytes: false },
                _ => Look { what: "saving", total, bytes: true },
            };
            state.lock().unwrap_or_else(PoisonError::into_inner).show(look, done);
        })
    }

    /// How far other work is, from 0 to 1.
    pub fn share(&self, what: &'static str, done: f64) {
        if let Some(state) = &self.0 {
            let look = if done < 1.0 {
                Look { what, total: 1000, bytes: false }
            } else {
                Look { what: "finishing", total: 0, bytes: false }
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            let done = (done * 1000.0) as u64;
            state.lock().unwrap_or_else(PoisonError::into_inner).show(look, done);
        }
    }

    /// Work that does not say how far it is.
    pub fn wait(&self, what: &'static str) {
        if let Some(state) = &self.0 {
            state.lock().unwrap_or_else(PoisonError::into_inner).spin(what);
        }
    }
}

impl State {
    fn spin(&mut self, what: &'static str) {
        let look = Look { what, total: 0, bytes: false };
        // Nobody calls again to show it later, so it waits by itself.
        self.now = Some(look.clone());
        let bar = self.bar.get_or_insert_with(hidden);
        look.dress(bar);
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }

    fn show(&mut self, look: Look, done: u64) {
        if self.begun.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = hidden();
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar
        });
        if self.now.as_ref() != Some(&look) {
            look.dress(bar);
            self.now = Some(look);
        }
        bar.set_position(done);
    }
}

fn hidden() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    bar.enable_steady_tick(TICK);
    bar
}

impl Look {
    fn dress(&self, bar: &ProgressBar) {
        let template = match (self.total, self.bytes) {
            (0, _) => "{spinner} {msg} {elapsed}",
            (_, false) => "{msg} [{bar:30}] {percent:>3} %  {eta} left",
            (_, true) => "{msg} [{bar:30}] {percent:>3} %  {decimal_bytes_per_sec}  {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(self.what);
        if self.total > 0 {
            bar.set_length(self.total);
        } else {
            bar.unset_length();
        }
        bar.reset();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(state) = &self.0
            && let Some(bar) = state.lock().unwrap_or_else(PoisonError::into_inner).bar.take()
        {
            bar.finish_and_clear();
        }
    }
}
