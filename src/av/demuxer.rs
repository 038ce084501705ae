//! Which container the bytes are: AVInputFormat, by what they look like, from a list.

use super::{c_string, string};
use crate::{Error, Result};
use ffmpeg_sys_next as ff;
use std::{
    ffi::{CStr, c_int},
    ptr::{self, NonNull},
    sync::OnceLock,
};

/// The demuxers that avrope opens, by libav's names. Not among them: what names other files or hosts (concat,
/// hls, dash, sdp, rtsp, sap, imf, vobsub), what reads a pattern of files or a device (image2, lavfi), and
/// single images.
const DEMUXERS: &[&str] = &[
    "3g2",
    "3gp",
    "aac",
    "ac3",
    "aiff",
    "alp",
    "amr",
    "amrnb",
    "amrwb",
    "ape",
    "apm",
    "aptx",
    "asf",
    "ast",
    "au",
    "av1",
    "avi",
    "caf",
    "cavsvideo",
    "dfpwm",
    "dirac",
    "dnxhd",
    "dsf",
    "dts",
    "dtshd",
    "dv",
    "eac3",
    "evc",
    "f4v",
    "flac",
    "flv",
    "g722",
    "g723_1",
    "g729",
    "gxf",
    "h261",
    "h263",
    "h264",
    "hevc",
    "iff",
    "ilbc",
    "ircam",
    "ivf",
    "kux",
    "live_flv",
    "loas",
    "m4a",
    "m4v",
    "matroska",
    "mj2",
    "mjpeg",
    "mlp",
    "mov",
    "mp3",
    "mp4",
    "mpc",
    "mpc8",
    "mpeg",
    "mpegts",
    "mpegvideo",
    "mxf",
    "nsv",
    "nut",
    "obu",
    "ogg",
    "oma",
    "rm",
    "roq",
    "rso",
    "sbc",
    "sox",
    "swf",
    "tak",
    "truehd",
    "tta",
    "usm",
    "vc1",
    "vc1test",
    "voc",
    "vvc",
    "w64",
    "wav",
    "webm",
    "wtv",
    "wv",
    "xwma",
    "yuv4mpegpipe",
];

/// libav's own limits for probing (AVPROBE_PADDING_SIZE, PROBE_BUF_MIN and PROBE_BUF_MAX).
const PADDING: usize = 32;
const FIRST_PROBE: usize = 2048;
const LAST_PROBE: usize = 1 << 20;

/// A score of less is not believed while there may be more bytes (AVPROBE_SCORE_RETRY).
const GOOD: c_int = ff::AVPROBE_SCORE_MAX / 4;

/// What libav's demuxers make of these first bytes of a file of this name, if one is surer of it than this. Behind them
/// are [`PADDING`] zeros.
fn by_libav(name: &CStr, bytes: &mut [u8], filled: usize, over: c_int) -> Option<NonNull<ff::AVInputFormat>> {
    let size = filled.min(bytes.len().saturating_sub(PADDING));
    let data = ff::AVProbeData {
        filename: name.as_ptr(),
        buf: bytes.as_mut_ptr(),
        buf_size: c_int::try_from(size).unwrap_or(0),
        mime_type: ptr::null(),
    };
    let mut score = 0;
    // SAFETY: the name is a C string and the buffer has PADDING zeros behind its size; both live during the call.
    let found = unsafe { ff::av_probe_input_format3(&raw const data, 1, &raw mut score) };
    NonNull::new(found.cast_mut()).filter(|_| score > over)
}

/// Whether these are the first bytes of an MP4 that libav takes for nothing else, once it has asked its 300 demuxers
/// (mov.c: mov_probe): it begins with its brands, which are not those of a still picture, and no track is seen of
/// QuickTime's that holds a program stream.
fn is_mp4(head: &[u8]) -> bool {
    let [a, b, c, d, b'f', b't', b'y', b'p', brand @ ..] = head else { return false };
    let size = u32::from_be_bytes([*a, *b, *c, *d]);
    let is_whole = size >= 16 && usize::try_from(size).is_ok_and(|size| size <= head.len());
    is_whole && !(brand.starts_with(b"jp") || brand.starts_with(b"jxl")) && !has_program_stream(head)
}

/// Whether a moov among these first boxes of a file says that a track of it is one.
fn has_program_stream(mut head: &[u8]) -> bool {
    while let Some([a, b, c, d, kind @ ..]) = head.first_chunk::<8>() {
        let size = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        if kind == b"moov" {
            return head.windows(8).any(|kinds| kinds == b"mhlrMPEG");
        }
        // Longer ones and the last one end behind what is here.
        head = head.get(size..).filter(|_| size >= 8).unwrap_or_default();
    }
    false
}

/// A demuxer that the list allows.
#[derive(Clone, Copy)]
pub(crate) struct Demuxer {
    format: NonNull<ff::AVInputFormat>,
    /// Only the source's name speaks for it.
    pub(super) by_name: bool,
    /// MP4, MOV and their kin. Asked for each packet.
    is_mov: bool,
}

// SAFETY: a static, immutable description inside libavformat.
unsafe impl Send for Demuxer {}
// SAFETY: as above.
unsafe impl Sync for Demuxer {}

impl Demuxer {
    fn of(format: NonNull<ff::AVInputFormat>, by_name: bool) -> Self {
        let it = Self { format, by_name, is_mov: false };
        Self { is_mov: it.name().split(',').any(|name| name == "mp4"), ..it }
    }

    /// Finds out what the bytes are, whether that is [`allowed`](Self::allowed) or not. `read` fills its
    /// buffer from the source's start and returns how much there was.
    pub(crate) fn probe(file_name: &str, mut read: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<Self> {
        // A name decides between formats that look alike (raw streams); one with a NUL can't be told to
        // libav.
        let name = c_string(file_name).unwrap_or_default();
        let mut size = FIRST_PROBE;
        loop {
            let mut bytes = vec![0; size.saturating_add(PADDING)];
            let filled = read(bytes.get_mut(..size).unwrap_or_default())?.min(size);
            if filled == 0 {
                return Err(Error::corrupt("the source is empty"));
            }
            if is_mp4(bytes.get(..filled).unwrap_or_default()) {
                return Self::mov();
            }
            let last = filled < size || size >= LAST_PROBE;
            if let Some(found) = by_libav(&name, &mut bytes, filled, if last { 0 } else { GOOD }) {
                let bare = by_libav(c"", &mut bytes, filled, -1);
                return Ok(Self::of(found, bare.is_none()));
            }
            if last {
                return Err(Error::corrupt("this is not media that libav knows")
                    .advise("check that it is an audio or video file"));
            }
            size = size.saturating_mul(4);
        }
    }

    /// The demuxer for a still picture with these bytes: by its signature alone, and none that could open a
    /// second file.
    pub(crate) fn for_picture(bytes: &[u8]) -> Result<Self> {
        let name = match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => c"png_pipe",
            [0xff, 0xd8, 0xff, ..] => c"jpeg_pipe",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => c"webp_pipe",
            [b'B', b'M', ..] => c"bmp_pipe",
            _ => {
                return Err(Error::unsupported("this is no picture that avrope opens")
                    .advise("make a PNG, JPEG, WebP or BMP of it"));
            }
        };
        Self::named(name)
    }

    fn mov() -> Result<Self> {
        static MOV: OnceLock<Demuxer> = OnceLock::new();
        match MOV.get() {
            Some(mov) => Ok(*mov),
            None => Self::named(c"mov").map(|mov| *MOV.get_or_init(|| mov)),
        }
    }

    fn named(name: &CStr) -> Result<Self> {
        // SAFETY: a C string; the result is static or NULL.
        let found = unsafe { ff::av_find_input_format(name.as_ptr()) };
        NonNull::new(found.cast_mut()).map(|format| Self::of(format, false)).ok_or_else(|| {
            Error::unsupported(format!("this libav has no demuxer {}", name.to_string_lossy()))
        })
    }

    /// Whether this is for pictures that move in an image's file: GIF and APNG. They are media only where a
    /// picture is asked for.
    pub(crate) fn is_animation(self) -> bool {
        matches!(self.name().as_str(), "gif" | "apng")
    }

    /// Whether this is for a still image.
    pub(crate) fn is_still(self) -> bool {
        let name = self.name();
        name.ends_with("_pipe") || name.starts_with("image2")
    }

    pub(crate) fn allowed(self) -> Result<Self> {
        let name = self.name();
        if name.split(',').any(|name| DEMUXERS.contains(&name)) {
            return Ok(self);
        }
        let format = name.strip_suffix("_pipe").unwrap_or(&name);
        if self.is_still() || matches!(format, "gif" | "apng" | "ico") {
            let kind = if name.starts_with("image2") { "still".into() } else { format.to_uppercase() };
            return Err(Error::unsupported(format!("this is a {kind} image, not audio or video")));
        }
        let long = self.long_name();
        Err(Error::unsupported(format!(
            "this is {long} ({name}): avrope does not open it: it is no self-contained audio or video file, or can name other files and hosts"
        )))
    }

    pub(super) fn as_ptr(self) -> *mut ff::AVInputFormat {
        self.format.as_ptr()
    }

    /// libav's short names, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub(crate) fn name(self) -> String {
        // SAFETY: static strings of a static description.
        unsafe { string(self.format.as_ref().name) }
    }

    pub(crate) fn long_name(self) -> String {
        // SAFETY: as in `name`.
        unsafe { string(self.format.as_ref().long_name) }
    }

    /// Whether its timestamps may break off and begin anew (AVFMT_TS_DISCONT).
    pub(crate) fn may_jump(self) -> bool {
        // SAFETY: a static description.
        unsafe { self.format.as_ref() }.flags & ff::AVFMT_TS_DISCONT != 0
    }

    /// Whether its packets say when their pictures are shown: those of raw video do not, which libav counts
    /// at best in the order that they are decoded in.
    pub(crate) fn has_times(self) -> bool {
        const RAW: [&str; 10] =
            ["avs2", "cavsvideo", "evc", "h264", "hevc", "m4v", "mpegvideo", "vc1", "vvc", "dirac"];
        !RAW.contains(&self.name().as_str())
    }

    /// Whether libav finds out when pictures are shown that a raw stream has: by their types, which its
    /// parsers of MPEG-1, -2 and -4 tell. Pictures of H.264 and of what came after it may refer to any
    /// others.
    pub(crate) fn finds_times(self) -> bool {
        self.has_times() || matches!(self.name().as_str(), "m4v" | "mpegvideo")
    }

    /// Whether libav puts packets together from pieces that lie between those of other streams.
    pub(crate) fn gathers(self) -> bool {
        matches!(self.name().as_str(), "mpegts" | "mpeg" | "ogg")
    }

    /// Whether it has neither a header nor an index: libav looks into its first megabytes and into its end,
    /// and a time is searched for.
    pub(crate) fn is_searched(self) -> bool {
        self.name() == "mpegts"
    }

    /// Whether its packets have one time each, at which they are decoded.
    pub(crate) fn has_one_time(self) -> bool {
        self.name() == "avi"
    }

    /// Whether this is libav's `matroska` demuxer: Matroska and WebM.
    pub(crate) fn is_matroska(self) -> bool {
        self.name().split(',').any(|name| name == "matroska")
    }

    /// Whether this is libav's `mov` demuxer: MP4, MOV and their kin.
    pub(crate) fn is_mov(self) -> bool {
        self.is_mov
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_for_an_mp4_is_one_to_libav() {
        let head = |brand: &[u8; 4], rest: &[u8]| {
            let brands = [&24_u32.to_be_bytes()[..], b"ftyp", brand, &[0; 4], b"isomiso2"].concat();
            [brands, rest.to_vec()].concat()
        };
        let by_libav = |bytes: &[u8]| {
            let mut padded = [bytes, &[0; PADDING]].concat();
            super::by_libav(c"", &mut padded, bytes.len(), GOOD).map(|found| Demuxer::of(found, false).name())
        };
        let track =
            [&60_u32.to_be_bytes()[..], b"moov", &52_u32.to_be_bytes(), b"hdlr", &[0; 4], b"mhlrMPEG"];
        let program_stream = [track.concat(), vec![0; 32]].concat();
        for (brand, rest) in [
            (b"isom", &[][..]),
            (b"qt  ", &[]),
            (b"M4A ", &[]),
            (b"avif", &[]),
            (b"\xff\xfb\x90\x44", &[0xff, 0xfb, 0x90, 0x44].repeat(400)),
            (b"mp42", &[0x47; 1900]),
            (b"mp42", &[0, 0, 1, 0xba].repeat(100)),
        ] {
            let bytes = head(brand, rest);
            assert!(is_mp4(&bytes), "{brand:?}");
            assert_eq!(by_libav(&bytes).unwrap_or_default(), "mov,mp4,m4a,3gp,3g2,mj2", "{brand:?}");
        }
        for (brand, rest) in [(b"jp2 ", &[][..]), (b"jpx ", &[]), (b"qt  ", &program_stream)] {
            let bytes = head(brand, rest);
            assert!(!is_mp4(&bytes) && by_libav(&bytes).is_none(), "{brand:?}: {:?}", by_libav(&bytes));
        }
        for bytes in [&b"\0\0\0\x0cftypisom"[..], b"\0\0\x10\0ftypisom\0\0\0\0isom", b"\0\0\0\x18moovisom"] {
            assert!(!is_mp4(bytes));
        }
    }
}
