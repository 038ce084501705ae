//! Pictures that a decoder refuses since they are larger than a limit lets them be.

use crate::{
    Error, Frame, Result,
    av::{decoder::Decoder, packet::Packet},
};

/// So many in a row are no accident: damage spoils the size of a picture here and there, and a limit is not
/// reached by that.
const MANY: u32 = 8;

/// What was refused since the last picture came.
#[derive(Default)]
pub(crate) struct TooLarge {
    /// What came to nothing from the first that was refused on: that may be the one that says what the others
    /// are (AV1).
    lost: u32,
    first: Option<Error>,
    /// The time of the packet that the decoder got last.
    given: Option<i64>,
    /// The same as of the last refusal: pictures of packets before it may yet come.
    refused: Option<i64>,
}

impl TooLarge {
    /// The decoder gets a packet.
    pub(crate) fn give(&mut self, packet: &Packet) {
        self.given = packet.pts();
    }

    /// The decoder has said that what it got is damaged: an error where it has refused many for their size.
    pub(crate) fn note(&mut self, decoder: &Decoder) -> Result<()> {
        if let Some(error) = decoder.too_large() {
            self.first.get_or_insert(error);
            self.refused = self.given;
        }
        self.lost = self.lost.saturating_add(self.first.is_some().into());
        if self.lost < MANY { Ok(()) } else { self.end() }
    }

    /// A picture came.
    pub(crate) fn came(&mut self, picture: &Frame) {
        let is_older = || picture.best_pts().zip(self.refused).is_some_and(|(pts, refused)| pts <= refused);
        if self.first.is_some() && !is_older() {
            *self = Self::default();
        }
    }

    /// No more comes: an error where the last pictures were refused.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.first.take().map_or(Ok(()), Err)
    }
}
