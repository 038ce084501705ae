//! What the tests share: the oracle, media, MP4's boxes, and what every test of an operation does.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

#[macro_use]
mod oracle;
mod fixtures;
mod mp4;
mod tools;
mod work;

pub use fixtures::*;
pub use mp4::*;
pub use oracle::*;
pub use tools::*;
pub use work::*;
