//! A cover as a file that its container carries (Matroska's attachments, RFC 9559, section 21).

use super::Stream;
use crate::Result;
use ffmpeg_sys_next as ff;

impl Stream {
    /// This cover as an attachment, in front of which an output has so many others; None of any other stream.
    pub(in crate::av) fn attached(&self, others: u32) -> Result<Option<Self>> {
        let Some(picture) = self.picture.as_ref().filter(|_| self.is_picture()) else { return Ok(None) };
        let mut attached = Self::configured(self, picture.data())?;
        // SAFETY: the parameters are live and ours, and have not been shared.
        unsafe {
            let to = &mut *attached.parameters.0.as_ptr();
            (to.codec_type, to.codec_tag) = (ff::AVMediaType::AVMEDIA_TYPE_ATTACHMENT, 0);
        }
        let codec = self.codec();
        let (ending, mime) = match codec.as_str() {
            "mjpeg" => ("jpg", "image/jpeg".to_owned()),
            other => (other, format!("image/{other}")),
        };
        // Players look for this name.
        let name =
            if others == 0 { "cover".to_owned() } else { format!("cover-{}", others.saturating_add(1)) };
        for (key, value) in [("filename", format!("{name}.{ending}")), ("mimetype", mime)] {
            if !self.metadata.iter().any(|(known, _)| known == key) {
                attached.metadata.push((key.to_owned(), value));
            }
        }
        Ok(Some(attached))
    }
}
