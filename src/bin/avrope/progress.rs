//! A bar on stderr for work that takes a while.

use crate::{args::Common, text};
use avrope::{
    Control,
    control::{Progress, Stage},
};
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
pub struct Bar(Handle);

/// What the work tells a bar by.
#[derive(Clone)]
pub struct Handle(Option<Arc<Mutex<State>>>);

struct State {
    begun: Instant,
    bar: Option<ProgressBar>,
    now: Option<Look>,
    ended: bool,
}

/// What a bar looks like; a total of 0 is a spinner.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    what: &'static str,
    total: u64,
    bytes: bool,
    /// The work says how fast it is, and how long it takes.
    paced: bool,
}

/// `12.3x, 4 s left`.
fn pace(speed: f64, remaining: Option<Duration>) -> String {
    let left = remaining.map(|left| {
        // What is left of a second is one.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        format!(", {} left", text::time(Duration::from_secs(seconds).into()))
    });
    format!("{speed:.1}x{}", left.unwrap_or_default())
}

impl Bar {
    pub fn new(common: &Common) -> Self {
        let shown = !common.quiet && !common.json && std::io::stderr().is_terminal();
        let state = || State { begun: Instant::now(), bar: None, now: None, ended: false };
        Self(Handle(shown.then(|| Arc::new(Mutex::new(state())))))
    }

    pub fn handle(&self) -> Handle {
        self.0.clone()
    }

    /// A control whose job tells this bar.
    pub fn watch(&self, control: &Control, copying: &'static str) -> Control {
        let handle = self.handle();
        if handle.0.is_none() {
            return control.clone();
        }
        control.clone().progress(move |Progress { stage, done, total, speed, remaining, .. }| {
            let look = |what, bytes| Look { what, total, bytes, paced: speed > 0.0 };
            match stage {
                // What comes after the last packet (an index, perhaps moved to the front) does not say how
                // far it is, nor does the end of saving.
                _ if total > 0 && done >= total => handle.spin("finishing"),
                Stage::Save => handle.show(look("saving", true), done, String::new()),
                Stage::Verify => handle.show(look("comparing", false), done, pace(speed, remaining)),
                Stage::Detect => handle.show(look("looking", false), done, pace(speed, remaining)),
                Stage::Measure => handle.show(look("measuring", false), done, pace(speed, remaining)),
                _ => handle.show(look(copying, false), done, pace(speed, remaining)),
            }
        })
    }
}

impl Bar {
    /// A control whose job does a part of the work: what lies in front of it, of so much, is done.
    pub fn watch_part(&self, control: &Control, what: &'static str, before: u64, total: u64) -> Control {
        let handle = self.handle();
        if handle.0.is_none() {
            return control.clone();
        }
        control.clone().progress(move |Progress { stage, done, .. }| {
            if matches!(stage, Stage::Copy | Stage::Transcode) {
                handle.count(what, before.saturating_add(done).min(total), total);
            }
        })
    }

    /// Says something beside the bar.
    pub fn suspend(&self, say: impl FnOnce()) {
        let state = self.0.0.as_ref().map(|state| state.lock().unwrap_or_else(PoisonError::into_inner));
        match state.as_ref().and_then(|state| state.bar.as_ref()) {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Handle {
    /// Work that does not say how far it is.
    pub fn spin(&self, what: &'static str) {
        self.show(Look { what, total: 0, bytes: false, paced: false }, 0, String::new());
    }

    /// Work that says how far it is, and nothing else.
    pub fn count(&self, what: &'static str, done: u64, total: u64) {
        self.show(Look { what, total, bytes: false, paced: false }, done, String::new());
    }

    fn show(&self, look: Look, done: u64, pace: String) {
        if let Some(state) = &self.0 {
            state.lock().unwrap_or_else(PoisonError::into_inner).show(look, done, pace);
        }
    }
}

impl State {
    fn show(&mut self, look: Look, done: u64, pace: String) {
        if self.ended || self.begun.elapsed() < PATIENCE {
            return;
        }
        if self.now != Some(look)
            && let Some(old) = self.bar.take()
        {
            old.finish_and_clear();
        }
        self.now = Some(look);
        let bar = self.bar.get_or_insert_with(|| look.bar());
        bar.set_prefix(pace);
        bar.set_position(done);
    }
}

impl Look {
    fn bar(self) -> ProgressBar {
        let total = (self.total > 0).then_some(self.total);
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match (total, self.bytes) {
            (None, _) if self.paced => "{spinner} {msg} {elapsed}, {prefix}",
            (None, _) => "{spinner} {msg} {elapsed}",
            _ if self.paced => "{msg} [{bar:30}] {percent:>3} %, {prefix}",
            (_, false) => "{msg} [{bar:30}] {percent:>3} %, {eta} left",
            (_, true) => "{msg} [{bar:30}] {percent:>3} %, {decimal_bytes_per_sec}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(self.what);
        // Not the bar's own steady tick: that panics where a thread can't start. Without one it moves when it
        // is told.
        let ticked = bar.downgrade();
        let tick = move || {
            while let Some(bar) = ticked.upgrade().filter(|bar| !bar.is_finished()) {
                bar.tick();
                drop(bar);
                std::thread::sleep(TICK);
            }
        };
        let _ = std::thread::Builder::new().name("avrope bar".into()).spawn(tick);
        bar
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(state) = &self.0.0 {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.ended = true;
            if let Some(bar) = state.bar.take() {
                bar.finish_and_clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_speed_and_time_left() {
        assert_eq!(pace(12.34, Some(Duration::from_millis(3200))), "12.3x, 4 s left");
        assert_eq!(pace(0.5, Some(Duration::from_secs(75))), "0.5x, 1:15 left");
        assert_eq!(pace(2.0, None), "2.0x");
    }
}
