//! What the bytes of coded pictures say: where a copy of them may begin, what their parameter sets hold, and how
//! those of two encoders come to lie side by side. No libav: bytes in, facts out.

pub(crate) mod aac;
mod bits;
mod carried;
mod configuration;
mod entry;
pub(crate) mod ffv1;
pub(crate) mod h263;
pub(crate) mod h264;
pub(crate) mod hevc;
mod layers;
pub(crate) mod mpeg4;
mod obus;
mod renumber;
mod sei;
mod sets;
mod units;

pub(crate) use bits::Bits;
pub(crate) use carried::{Carried, Carrying, has_equal_rows};
pub(crate) use configuration::{Avc, Hevc};
pub(crate) use entry::{Entry, Leading, Reading};
pub(crate) use layers::Layers;
pub(crate) use obus::{Obu, obus};
pub(crate) use renumber::{Asked, Renumber};
pub(crate) use sets::{Look, Sets};
pub(crate) use units::{Framing, unescaped, without_zeros};

#[cfg(test)]
mod tests;
