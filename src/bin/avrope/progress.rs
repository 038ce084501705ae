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
        control.clone().progress(move |Progress { stage, done, total, .. }| match stage {
            // What comes after the last packet (an index, perhaps moved to the front) does not say how far it is,
            // nor does the end of saving.
            _ if total > 0 && done >= total => handle.spin("finishing"),
            Stage::Save => handle.show("saving", done, total, true),
            Stage::Measure => handle.show("measuring", done, total, false),
            _ => handle.show(copying, done, total, false),
        })
    }
}

impl Handle {
    /// Work that does not say how far it is.
    pub fn spin(&self, what: &'static str) {
        self.show(what, 0, 0, false);
    }

    pub fn show(&self, what: &'static str, done: u64, total: u64, bytes: bool) {
        if let Some(state) = &self.0 {
            let look = Look { what, total, bytes };
            state.lock().unwrap_or_else(PoisonError::into_inner).show(look, done);
        }
    }
}

impl State {
    fn show(&mut self, look: Look, done: u64) {
        if self.ended || self.begun.elapsed() < PATIENCE {
            return;
        }
        if self.now != Some(look)
            && let Some(old) = self.bar.take()
        {
            old.finish_and_clear();
        }
        self.now = Some(look);
        self.bar.get_or_insert_with(|| look.bar()).set_position(done);
    }
}

impl Look {
    fn bar(self) -> ProgressBar {
        let total = (self.total > 0).then_some(self.total);
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match (total, self.bytes) {
            (None, _) => "{spinner} {msg} {elapsed}",
            (_, false) => "{msg} [{bar:30}] {percent:>3} %, {eta} left",
            (_, true) => "{msg} [{bar:30}] {percent:>3} %, {decimal_bytes_per_sec}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(self.what);
        bar.enable_steady_tick(TICK);
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
