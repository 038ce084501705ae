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
    /// Refusals since then.
    refusals: u32,
    /// What can't be decoded after one counts as refused, too (AV1).
    takes_others: bool,
    first: Option<Error>,
    /// Pictures came at all: a refusal that is not one of many is damage then.
    has_pictures: bool,
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
    /// What it says of others is not counted: a single picture of a spoiled size takes those along that refer
    /// to it.
    pub(crate) fn note(&mut self, decoder: &Decoder) -> Result<()> {
        match decoder.too_large() {
            Some(error) => {
                self.first.get_or_insert(error);
                self.refused = self.given;
                self.takes_others |= decoder.refuses_all_that_refer();
            }
            None if !self.takes_others => return Ok(()),
            None => {}
        }
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals < MANY { Ok(()) } else { self.first.take().map_or(Ok(()), Err) }
    }

    /// A picture came.
    pub(crate) fn came(&mut self, picture: &Frame) {
        self.has_pictures = true;
        let is_older = || picture.best_pts().zip(self.refused).is_some_and(|(pts, refused)| pts <= refused);
        if self.first.is_some() && !is_older() {
            self.forget();
        }
    }

    /// No more comes: an error where all pictures were refused.
    pub(crate) fn end(&mut self) -> Result<()> {
        let error = self.forget().filter(|_| !self.has_pictures);
        error.map_or(Ok(()), Err)
    }

    fn forget(&mut self) -> Option<Error> {
        (self.refusals, self.takes_others) = (0, false);
        self.first.take()
    }
}
