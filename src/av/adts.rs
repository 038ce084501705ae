//! AAC out of ADTS (libav's bitstream filter aac_adtstoasc): what the header of every frame says goes in
//! front of all of them.

use super::{check, log, packet::Packet, stream::Stream};
use crate::{Error, ErrorKind, Result};
use ffmpeg_sys_next as ff;
use std::ptr::{self, NonNull};

/// Takes headers off.
pub(crate) struct AdtsReader(NonNull<ff::AVBSFContext>);

// SAFETY: the context may move between threads, as long as one at a time uses it; `&mut self` sees to that.
unsafe impl Send for AdtsReader {}

impl AdtsReader {
    pub(crate) fn open(source: &Stream) -> Result<Self> {
        log::clear();
        // SAFETY: a C string; the result is static or NULL. The context is ours, and its parameters are a
        // deep copy.
        unsafe {
            let filter = ff::av_bsf_get_by_name(c"aac_adtstoasc".as_ptr());
            if filter.is_null() {
                return Err(Error::unsupported("this libav has no bitstream filter aac_adtstoasc"));
            }
            let mut context = ptr::null_mut();
            check(ff::av_bsf_alloc(filter, &raw mut context), "making a bitstream filter")?;
            let reader = NonNull::new(context)
                .map(Self)
                .ok_or_else(|| Error::new(ErrorKind::LimitExceeded, "no memory for a bitstream filter"))?;
            let base = source.time_base();
            (*context).time_base_in = ff::AVRational { num: base.num, den: base.den };
            check(
                ff::avcodec_parameters_copy((*context).par_in, source.parameters()),
                "describing a stream",
            )?;
            check(ff::av_bsf_init(context), "opening a bitstream filter")?;
            Ok(reader)
        }
    }

    /// Takes the header off a packet. On the first one its [`new_extradata`](Packet::new_extradata) is what
    /// belongs in front of all. A damaged header is an error of kind Corrupt.
    pub(crate) fn strip(&mut self, packet: &mut Packet) -> Result<()> {
        // SAFETY: both are live and ours; the filter takes the packet's content over, and gives it back.
        unsafe {
            check(ff::av_bsf_send_packet(self.0.as_ptr(), packet.as_ptr()), "reading ADTS")?;
            check(ff::av_bsf_receive_packet(self.0.as_ptr(), packet.as_ptr()), "reading ADTS")?;
        }
        Ok(())
    }
}

impl Drop for AdtsReader {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: self owns the context, initialised or not.
        unsafe { ff::av_bsf_free(&raw mut pointer) };
    }
}
