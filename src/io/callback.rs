//! What callbacks of the caller's share: a panic in one is an error, and so is a length that can't be.

use crate::{Error, ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code of the caller's: its panic is an error.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|panic| Error::panicked("a callback of the source or sink", panic))
}

/// A source that ended before its end.
pub(super) fn shorter(at: u64, len: u64) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "the source ended at byte {at}, though it is {len} bytes long: it was cut short while it was read"
        ),
    )
}

pub(super) fn forged(read: usize, room: usize) -> Error {
    Error::new(ErrorKind::Bug, format!("the source says that it read {read} bytes into a buffer of {room}"))
}
