//! Where decoding can begin, by what the bitstream says: containers flag too many packets as keys, or none.

mod overflagged;
mod unflagged;

pub(super) use overflagged::{Test, test_of};
pub(crate) use unflagged::begins_decoding;
