//! What the benches stand on: media, measuring, the machine's own tools, and the table.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod measure;
pub mod media;
pub mod system;
pub mod table;

/// What goes wrong in a bench is said aloud in the table, and the other rows go on.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
