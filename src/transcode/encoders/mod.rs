//! What is known of encoders and of the containers for what they make: which one is chosen, what it is told,
//! and what is refused before anything is read. It imports `settings`, and opens no encoder.

pub(crate) mod choose;
pub(crate) mod faithful;
pub(crate) mod holds;
pub(crate) mod judge;
pub(crate) mod options;
pub(crate) mod parallel;
mod scales;
pub(crate) mod touches;
