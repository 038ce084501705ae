//! Two media that are decoded beside each other, each on a thread of its own.

use crate::{CancelToken, Control, Error, Result, av::log};
use crossbeam_channel::{Receiver, Sender, bounded};

/// Runs two that send what they decode, of which `waiting` wait at the most, and one that takes it from both. When that
/// is done, or can't go on, they end.
///
/// Errors: what the taker fails with, and where there are no threads.
pub(super) fn beside<T: Send, R>(
    control: &Control,
    waiting: usize,
    source: impl FnOnce(&Control, &Sender<Result<T>>) + Send,
    output: impl FnOnce(&Control, &Sender<Result<T>>) + Send,
    take: impl FnOnce(&Receiver<Result<T>>, &Receiver<Result<T>>) -> Result<R>,
) -> Result<R> {
    let stop = CancelToken::new();
    let stopped = control.clone().and_cancel(stop.clone());
    let (to_source, from_source) = bounded(waiting);
    let (to_output, from_output) = bounded(waiting);
    std::thread::scope(|scope| {
        let stopped = &stopped;
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let source =
            thread("avrope source").spawn_scoped(scope, move || log::ours(|| source(stopped, &to_source)));
        let output =
            thread("avrope output").spawn_scoped(scope, move || log::ours(|| output(stopped, &to_output)));
        let taken = source
            .and(output)
            .map_err(|e| Error::no_thread("decoding", e))
            .and_then(|_| take(&from_source, &from_output));
        // Those who wait to send something see that nobody is there.
        stop.cancel();
        drop((from_source, from_output));
        taken
    })
}
