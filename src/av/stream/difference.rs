//! What two streams have to have in common.

use super::{Stream, turn};
use ffmpeg_sys_next as ff;

impl Stream {
    /// What differs between two streams that are to be joined in one track, as `property: this against that`.
    /// `goes_on` is asked whether configurations of a codec that are not equal do. `turned`: the other one's pictures
    /// were turned to lie as this one's do, whatever it says.
    pub(crate) fn difference(
        &self,
        other: &Self,
        turned: bool,
        goes_on: impl Fn(&str, &[u8], &[u8]) -> bool,
    ) -> Option<String> {
        let (a, b) = (self.get(), other.get());
        let differs = |what: &str, a: String, b: String| (a != b).then(|| format!("{what}: {a} against {b}"));
        let size = |p: &ff::AVCodecParameters| format!("{}x{}", p.width, p.height);
        differs("codec", self.codec(), other.codec())
            .or_else(|| differs("picture size", size(a), size(b)))
            .or_else(|| {
                let (a, b) = (self.pixel_format()?, other.pixel_format()?);
                // Whether all of the range is used is told beside.
                let format = |name: &str| name.replace("yuvj", "yuv");
                differs("pixel format", format(&a), format(&b))
            })
            .or_else(|| differs("sample rate", a.sample_rate.to_string(), b.sample_rate.to_string()))
            .or_else(|| {
                differs("channels", a.ch_layout.nb_channels.to_string(), b.ch_layout.nb_channels.to_string())
            })
            .or_else(|| {
                let (own, theirs) = (turn::in_words(self.turn()), turn::in_words(other.turn()));
                differs("rotation", own, theirs).filter(|_| !turned)
            })
            .or_else(|| {
                let (a, b) = (self.extradata(), other.extradata());
                (a != b && !goes_on(&self.codec(), a, b)).then(|| {
                    let len = |bytes: &[u8]| format!("{} bytes", bytes.len());
                    let (a, b) = (len(a), len(b));
                    let how =
                        if a == b { "same length, other content".into() } else { format!("{a} against {b}") };
                    format!("codec configuration (the encoder's parameter sets): {how}")
                })
            })
    }
}
