//! What runs: demux, decode, process, encode and mux, with bounded queues between them. It imports
//! `settings`, `filters` and `encoders`; what is to run is told by a plan, of which it knows nothing.
//!
//! Packets and frames go one way: [`demux`] → [`decode`] → [`process`] → [`encode`] → [`mux`]; [`pipeline`]
//! puts the stages together.

mod avc;
pub(crate) mod decode;
pub(crate) mod demux;
pub(crate) mod encode;
pub(crate) mod look;
pub(crate) mod measure;
pub(crate) mod messages;
mod mux;
pub(crate) mod pipeline;
pub(crate) mod process;
mod queue;
