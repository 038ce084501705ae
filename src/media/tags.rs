//! Tags, counted on their way to libav. Its dictionaries take the square of their entries in time
//! (av_dict_set), and of some containers it fills them in one go, with no read in between in which a limit or
//! a deadline could end it: of the tags of Matroska, of comments in FLAC and Ogg, of private frames in ID3.
//! What it adds one by one is counted in its own dictionaries (`av/gathered.rs`), and MP4's tables are
//! weighed (`mp4`).

mod id3;
mod matroska;
mod ogg;
#[cfg(test)]
mod tests;
mod vorbis;
mod walk;

use crate::{
    Control, Limits, Result,
    av::{avio::ReadDevice, demuxer::Demuxer},
};
use id3::Id3;
use matroska::Matroska;
use ogg::Ogg;
use vorbis::Comments;

/// A device whose tags are counted as they are read.
pub(super) struct Tagged<D> {
    device: D,
    /// libav looks for it in front of most containers.
    id3: Option<Id3>,
    own: Own,
    demuxer: Demuxer,
}

/// What a container has of its own.
enum Own {
    Nothing,
    Matroska(Matroska),
    Flac(Comments),
    Ogg(Ogg),
}

impl<D: ReadDevice> Tagged<D> {
    pub(super) fn new(device: D, demuxer: Demuxer, limits: &Limits) -> Self {
        let counts = limits.metadata < u64::MAX && !demuxer.is_mov();
        let own = match demuxer.name().as_str() {
            _ if !counts => Own::Nothing,
            "flac" => Own::Flac(Comments::of_flac()),
            "ogg" => Own::Ogg(Ogg::default()),
            _ if demuxer.is_matroska() => Own::Matroska(Matroska::default()),
            _ => Own::Nothing,
        };
        Self { device, id3: counts.then(Id3::default), own, demuxer }
    }
}

impl<D: ReadDevice> ReadDevice for Tagged<D> {
    fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        let read = self.device.read(at, into, control)?;
        let bytes = into.get(..read).unwrap_or_default();
        let own = match &mut self.own {
            Own::Nothing => 0,
            Own::Matroska(own) => own.see(at, bytes),
            Own::Flac(own) => own.see(at, bytes),
            Own::Ogg(own) => own.see(at, bytes),
        };
        let named = own.max(self.id3.as_mut().map_or(0, |id3| id3.see(at, bytes)));
        let most = control.get_limits().metadata;
        Limits::hold(named, most, "metadata", || format!("more than {most} entries of metadata"))?;
        Ok(read)
    }

    fn len(&self) -> Option<u64> {
        self.device.len()
    }

    fn opened(&mut self) {
        // Between frames of ADTS there may be more of it (aacdec.c).
        if self.demuxer.name() != "aac" {
            self.id3 = None;
        }
        // And streams of Ogg that follow others have comments of their own.
        if !matches!(self.own, Own::Ogg(_)) {
            self.own = Own::Nothing;
        }
        self.device.opened();
    }
}
