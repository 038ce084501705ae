//! A stream that an encoder makes out of another.

use super::{Parameters, SideDataType, Stream};
use crate::{Result, av::check, time::Rational};
use ffmpeg_sys_next as ff;

/// Whether a tag is what a stream's encoder and container said of it as it was written: that can't be meant of another
/// one.
pub(crate) fn is_of_encoding(tag: &str) -> bool {
    const OWN: [&str; 7] =
        ["encoder", "handler_name", "vendor_id", "BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"];
    // Matroska names the language with it.
    let is_own =
        |own: &str| tag.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    tag.starts_with("_STATISTICS") || OWN.into_iter().any(is_own)
}

impl Stream {
    /// Adds what is not known of it yet: what the first picture said beside itself belongs to the track as
    /// well, where players look for it.
    pub(in crate::av) fn complete(&mut self, said: &[(SideDataType, Vec<u8>)]) -> Result<()> {
        for (kind, bytes) in said {
            if self.side_data_of(*kind).is_none() {
                self.add_side_data(*kind, bytes)?;
            }
        }
        Ok(())
    }

    #[cfg(not(libav_6_1))]
    fn add_side_data(&mut self, kind: SideDataType, bytes: &[u8]) -> Result<()> {
        self.side_data.push((kind, bytes.to_vec()));
        Ok(())
    }

    #[cfg(libav_6_1)]
    fn add_side_data(&mut self, kind: SideDataType, bytes: &[u8]) -> Result<()> {
        self.parameters.add_side_data(kind, bytes)
    }

    /// What a muxer is told of a stream that is copied with its codec's configuration in front of it.
    pub(crate) fn configured(source: &Self, extradata: &[u8]) -> Result<Self> {
        let stream = Self { picture: None, ..source.again()? };
        let padding = usize::try_from(ff::AV_INPUT_BUFFER_PADDING_SIZE).unwrap_or(64);
        // SAFETY: the parameters are live and ours; the new configuration is libav's allocation, zeros behind
        // its bytes, which is freed with them, as the old one is now.
        unsafe {
            let to = &mut *stream.parameters.0.as_ptr();
            let new = ff::av_mallocz(extradata.len().saturating_add(padding)).cast::<u8>();
            if new.is_null() {
                return Err(crate::Error::new(
                    crate::ErrorKind::LimitExceeded,
                    "no memory for a configuration",
                ));
            }
            std::ptr::copy_nonoverlapping(extradata.as_ptr(), new, extradata.len());
            ff::av_free(to.extradata.cast());
            to.extradata = new;
            to.extradata_size = i32::try_from(extradata.len()).unwrap_or(0);
        }
        Ok(stream)
    }

    /// The same stream with the codec that it has, where its container says AC-3 of E-AC-3.
    pub(crate) fn as_eac3(source: &Self) -> Result<Self> {
        let stream = Self::configured(source, source.extradata())?;
        // SAFETY: the parameters are live and ours, and have not been shared.
        unsafe {
            let to = &mut *stream.parameters.0.as_ptr();
            (to.codec_id, to.codec_tag) = (ff::AVCodecID::AV_CODEC_ID_EAC3, 0);
        }
        Ok(stream)
    }

    /// How many samples at its beginning are not to be heard.
    pub(crate) fn set_initial_padding(&mut self, samples: i32) {
        // SAFETY: the parameters are live and ours, and this has not been shared: it is borrowed mutably.
        unsafe { (*self.parameters.0.as_ptr()).initial_padding = samples };
    }

    /// What a muxer is told of an encoder's stream that takes the place of `source`: language, disposition
    /// and metadata survive, and so do HDR metadata and, unless the picture was `turned`, the display matrix.
    ///
    /// # Safety
    /// `context` is live and open, and nobody else uses it during the call.
    pub(in crate::av) unsafe fn from_context(
        context: *mut ff::AVCodecContext,
        time_base: Rational,
        source: &Self,
        turned: bool,
    ) -> Result<Self> {
        #[cfg_attr(not(libav_6_1), allow(unused_mut))]
        let mut new = Parameters::copy_of(source.parameters.0.as_ptr())?;
        // SAFETY: both are live; what was in the parameters is freed first.
        let code = unsafe { ff::avcodec_parameters_from_context(new.0.as_ptr(), context) };
        check(code, "describing an encoder's stream")?;
        #[cfg(libav_6_1)]
        // SAFETY: the source's parameters are live, and have as many entries of as many bytes.
        unsafe {
            let from = source.get();
            for i in 0..usize::try_from(from.nb_coded_side_data).unwrap_or(0) {
                let entry = &*from.coded_side_data.add(i);
                if !survives(entry.type_, turned) {
                    continue;
                }
                let bytes = std::slice::from_raw_parts(entry.data, entry.size);
                new.add_side_data(entry.type_, bytes)?;
            }
        }
        #[cfg(not(libav_6_1))]
        let side_data = {
            // SAFETY: the open context has as many entries.
            let own = unsafe {
                let count = usize::try_from((*context).nb_coded_side_data).unwrap_or(0);
                (0..count)
                    .map(|i| &*(*context).coded_side_data.add(i))
                    .map(|entry| (entry.type_, std::slice::from_raw_parts(entry.data, entry.size).to_vec()))
            };
            let kept = source.side_data.iter().filter(|(kind, _)| survives(*kind, turned)).cloned();
            own.chain(kept).collect()
        };
        // SAFETY: live and not changed meanwhile.
        let (aspect, rate) = unsafe { ((*context).sample_aspect_ratio, (*context).framerate) };
        let metadata = source.metadata.iter().filter(|(tag, _)| !is_of_encoding(tag));
        Ok(Self {
            parameters: new,
            #[cfg(not(libav_6_1))]
            side_data,
            disposition: source.disposition & !ff::AV_DISPOSITION_ATTACHED_PIC,
            aspect,
            frame_rate: rate,
            real_frame_rate: rate,
            time_base,
            tick: 1,
            id: source.id,
            start: None,
            duration: None,
            frames: 0,
            hidden: false,
            metadata: metadata.cloned().collect(),
            picture: None,
        })
    }
}

#[cfg(libav_6_1)]
impl Parameters {
    fn add_side_data(&mut self, kind: SideDataType, bytes: &[u8]) -> Result<()> {
        // SAFETY: the parameters are live and ours; the new side data has as many bytes as are copied into
        // it.
        unsafe {
            let to = &mut *self.0.as_ptr();
            let made = ff::av_packet_side_data_new(
                &raw mut to.coded_side_data,
                &raw mut to.nb_coded_side_data,
                kind,
                bytes.len(),
                0,
            );
            if made.is_null() {
                return Err(crate::Error::new(crate::ErrorKind::LimitExceeded, "no memory for side data"));
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*made).data, bytes.len());
        }
        Ok(())
    }
}

/// Whether a stream's side data is about the picture, and not about how it was coded.
fn survives(kind: SideDataType, turned: bool) -> bool {
    use ff::AVPacketSideDataType::{
        AV_PKT_DATA_CONTENT_LIGHT_LEVEL, AV_PKT_DATA_DISPLAYMATRIX, AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
        AV_PKT_DATA_SPHERICAL, AV_PKT_DATA_STEREO3D,
    };
    match kind {
        AV_PKT_DATA_DISPLAYMATRIX => !turned,
        AV_PKT_DATA_MASTERING_DISPLAY_METADATA
        | AV_PKT_DATA_CONTENT_LIGHT_LEVEL
        | AV_PKT_DATA_SPHERICAL
        | AV_PKT_DATA_STEREO3D => true,
        _ => false,
    }
}
