//! With what the pictures of a seam are encoded: the source's own codec, as near to how the source is coded as that is
//! of use, at a quality that nobody tells from it, each codec on its own scale.

use crate::{
    Error, Result,
    av::{encoder::EncoderKind, stream::Stream},
    bitstream::{Avc, ffv1, h264},
};

/// libav's FF_QP2LAMBDA: what `global_quality` counts quantisers by.
const LAMBDA: u32 = 118;

/// Of so few pictures, nobody asks for how many bits they take.
const SHORT: usize = 600;

/// How well a codec's encoder is told to work, and better where that was not enough.
enum Scale {
    /// Constant rate factors.
    Crf([f32; 4]),
    /// x264's: constant quantisers for few pictures. There, half a quantiser's step is the error of nearly all that
    /// there is, so that the first one is better than the least by its nature; it costs no look ahead, and its other
    /// ways are the quickest. Rate factors for many.
    X264([u32; 4], [f32; 4]),
    /// Quantisers.
    Quantiser([u32; 3]),
    /// Constant rate factors, and no quantiser above them.
    Constant([u32; 3]),
    /// Nothing is lost, by options that are told.
    Exact,
    /// Nothing is lost.
    Lossless,
}

/// An encoder for the seams of a stream.
pub(super) struct Coder {
    kind: EncoderKind,
    codec: String,
    scale: Scale,
    options: Vec<(&'static str, String)>,
}

impl Coder {
    /// For a stream of pictures.
    ///
    /// Errors: Unsupported where this libav has no encoder that makes what the stream is.
    pub(super) fn of(stream: &Stream) -> Result<Self> {
        let codec = stream.codec();
        let mut options: Vec<(&'static str, String)> = Vec::new();
        let mut set = |key, value: &str| options.push((key, value.to_owned()));
        let (names, scale): (&[&str], Scale) = match codec.as_str() {
            "h264" => {
                let sets = Avc::of(stream.extradata())?.sps;
                let sets: Vec<_> = sets.iter().filter_map(|set| h264::Sps::read(set)).collect();
                // FFmpeg's decoder takes what follows for lossy, once it was: what may be coded without loss has only
                // such beside it.
                let is_exact = sets.iter().any(|set| set.is_lossless);
                // A picture is shown when it is decoded: so it has room wherever the source's had.
                set("bf", "0");
                if let Some(profile) = sets.first().and_then(profile_of_h264) {
                    set("profile", profile);
                }
                // Each picture of the source may say how it is shown, and at which time code.
                if sets.iter().filter_map(|set| set.vui.as_ref()).any(|vui| vui.has_pic_struct) {
                    set("x264-params", "pic-struct=1");
                }
                if is_exact {
                    set("preset", "veryfast");
                    set("qp", "0");
                }
                // Of more bits, quantisers count from where those of as many have no loss left.
                let bits = sets.first().map_or(8, |set| set.luma_bits);
                let more = bits.saturating_sub(8).saturating_mul(6);
                let quantisers = [22_u32, 17, 12, 4].map(|step| step.saturating_add(more));
                let lossy = Scale::X264(quantisers, [18.0, 13.0, 8.0, 2.0]);
                (&["libx264"], if is_exact { Scale::Exact } else { lossy })
            }
            "hevc" => {
                set("preset", "veryfast");
                set("x265-params", "bframes=0:open-gop=0:info=0:log-level=error");
                (&["libx265"], Scale::Crf([20.0, 15.0, 9.0, 3.0]))
            }
            "vp9" => {
                ["lag-in-frames", "auto-alt-ref"].into_iter().for_each(|key| set(key, "0"));
                [("row-mt", "1"), ("cpu-used", "5"), ("deadline", "good"), ("b", "0")]
                    .into_iter()
                    .for_each(|(key, value)| set(key, value));
                (&["libvpx-vp9"], Scale::Crf([24.0, 15.0, 8.0, 2.0]))
            }
            "vp8" => {
                ["lag-in-frames", "auto-alt-ref"].into_iter().for_each(|key| set(key, "0"));
                // More than any picture needs: by less, those behind a keyframe would pay for it.
                [("deadline", "good"), ("cpu-used", "4"), ("qmin", "0"), ("b", "400M")]
                    .into_iter()
                    .for_each(|(key, value)| set(key, value));
                (&["libvpx"], Scale::Constant([10, 5, 2]))
            }
            "av1" => {
                set("preset", "8");
                // Pictures are shown as they are decoded.
                set("svtav1-params", "pred-struct=1");
                (&["libsvtav1"], Scale::Crf([24.0, 15.0, 8.0, 2.0]))
            }
            "mpeg1video" | "mpeg2video" => {
                set("bf", "0");
                set("qmin", "1");
                (&[codec.as_str()], Scale::Quantiser([3, 2, 1]))
            }
            "mpeg4" | "msmpeg4v2" | "wmv1" | "wmv2" | "h263" => {
                set("qmin", "1");
                (&[codec.as_str()], Scale::Quantiser([3, 2, 1]))
            }
            "msmpeg4v3" => {
                set("qmin", "1");
                (&["msmpeg4"], Scale::Quantiser([3, 2, 1]))
            }
            "flv1" => {
                set("qmin", "1");
                (&["flv"], Scale::Quantiser([3, 2, 1]))
            }
            _ => (&[codec.as_str()], Scale::Lossless),
        };
        let Some(kind) = names.iter().find_map(|name| EncoderKind::find(name)) else {
            return Err(Error::unsupported(format!("this libav has no encoder that makes {codec}")));
        };
        if matches!(scale, Scale::Lossless) && !kind.is_lossless() {
            return Err(Error::unsupported(format!("single pictures of {codec} can't be encoded anew")));
        }
        let coder = Self { kind, codec, scale, options };
        if let Some(format) = stream.pixel_format() {
            coder.check(&format)?;
        }
        Ok(coder)
    }

    /// An error for pictures of a format that the encoder does not make.
    pub(super) fn check(&self, format: &str) -> Result<()> {
        let formats = self.kind.pixel_formats();
        if formats.is_empty() || formats.iter().any(|own| own == format) {
            return Ok(());
        }
        Err(Error::unsupported(format!("the encoder {} makes no pictures of {format}", self.name())))
    }

    pub(super) fn kind(&self) -> EncoderKind {
        self.kind
    }

    pub(super) fn name(&self) -> String {
        self.kind.name()
    }

    /// Whether nothing is lost, so that nothing has to be measured.
    pub(super) fn loses_nothing(&self) -> bool {
        matches!(self.scale, Scale::Lossless)
    }

    /// Whether parameter sets come beside the packets: then it is ours to say where they go.
    pub(super) fn has_global_header(&self) -> bool {
        matches!(self.codec.as_str(), "h264" | "hevc" | "ffv1")
    }

    /// By libav's names, for the first attempt at so many pictures and for better ones; None where there is no better
    /// one.
    pub(super) fn options(&self, attempt: u32, pictures: usize) -> Option<Vec<(String, String)>> {
        let attempt = usize::try_from(attempt).ok()?;
        let mut options: Vec<(String, String)> =
            self.options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut set = |key: &str, value: String| options.push((key.to_owned(), value));
        match &self.scale {
            Scale::Crf(factors) => set("crf", factors.get(attempt)?.to_string()),
            Scale::Constant(factors) => {
                let factor = factors.get(attempt)?.to_string();
                set("crf", factor.clone());
                set("qmax", factor);
            }
            Scale::X264(quantisers, _) if pictures <= SHORT => {
                set("qp", quantisers.get(attempt)?.to_string());
                set("preset", "ultrafast".into());
                set("8x8dct", "1".into());
                set("partitions", "i8x8".into());
                // It says its own error, and warns of those that are for the eye.
                set("psy", "0".into());
                set("flags", "+psnr".into());
            }
            Scale::X264(_, factors) => {
                set("crf", factors.get(attempt)?.to_string());
                set("preset", "veryfast".into());
            }
            Scale::Quantiser(quantisers) => {
                set("flags", "+qscale".into());
                set("global_quality", quantisers.get(attempt)?.saturating_mul(LAMBDA).to_string());
            }
            Scale::Exact | Scale::Lossless if attempt == 0 => {}
            Scale::Exact | Scale::Lossless => return None,
        }
        Some(options)
    }

    /// Whether pictures may be of fields, and what the stream says of how all are coded (`told`).
    pub(super) fn tell(
        &self,
        has_fields: bool,
        told: Option<&ffv1::Parameters>,
        options: &mut Vec<(String, String)>,
    ) {
        if let Some(told) = told {
            let (across, down) = told.slices;
            let mut set = |key: &str, value: String| options.push((key.to_owned(), value));
            set("level", told.version.to_string());
            set(
                "coder",
                ["rice", "range_def", "range_tab"].get(told.coder as usize).copied().unwrap_or("rice").into(),
            );
            set("slices", across.saturating_mul(down).to_string());
            set("slicecrc", u32::from(told.has_sums).to_string());
            if told.is_intra {
                set("g", "1".into());
            }
        }
        let takes_fields = matches!(self.codec.as_str(), "h264" | "mpeg2video" | "mpeg4");
        if !has_fields || !takes_fields {
            return;
        }
        const FIELDS: &str = "+ildct+ilme";
        match options.iter_mut().find(|(key, _)| key == "flags") {
            Some((_, flags)) => flags.push_str(FIELDS),
            None => options.push(("flags".into(), FIELDS.into())),
        }
    }
}

/// The profile that the seam is to have, where decoders of the source's could not take what x264 makes by itself.
fn profile_of_h264(set: &h264::Sps) -> Option<&'static str> {
    match set.profile {
        66 => Some("baseline"),
        77 => Some("main"),
        _ => None,
    }
}
