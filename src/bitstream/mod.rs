//! What the bytes of coded pictures say: where a copy of them may begin, what their parameter sets hold, and how
//! those of two encoders come to lie side by side. No libav: bytes in, facts out.

mod bits;
mod obus;
mod units;

pub(crate) use bits::Bits;
pub(crate) use obus::{Obu, obus};
pub(crate) use units::{Framing, unescaped, without_zeros};
