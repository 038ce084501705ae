//! What of the matrix is as it is, and why. An entry that no longer applies fails the test.

/// Which codecs are copied into which containers. What is not here is refused: by nature, because the
/// container has no name for the codec, or because what libav writes there its own reader does not find
/// again.
pub const HOLDS: &[(&str, &str)] = &[
    ("h264", "mp4 mov mkv ts m2ts flv wmv 3gp nut"),
    ("h264-no-b", "mp4 mov mkv ts m2ts flv wmv 3gp nut"),
    ("hevc", "mp4 mov mkv ts m2ts nut"),
    ("mpeg4", "mp4 mov mkv ts m2ts avi mpg wmv 3gp nut"),
    ("mpeg4-b", "mp4 mov mkv ts m2ts avi mpg wmv 3gp nut"),
    ("mpeg2video", "mp4 mov mkv ts m2ts avi mpg mxf wmv nut"),
    ("mpeg1video", "mp4 mov mkv ts m2ts avi mpg wmv nut"),
    ("vp8", "mkv webm avi ogv wmv nut"),
    ("vp9", "mp4 mkv webm avi wmv nut"),
    ("av1", "mp4 mkv webm avi wmv nut"),
    ("mjpeg", "mp4 mov mkv avi wmv nut"),
    ("prores", "mov mkv avi mxf nut"),
    ("ffv1", "mov mkv avi wmv nut"),
    ("h263", "mov mkv avi wmv 3gp nut"),
    ("flv1", "mov mkv flv avi wmv nut"),
    ("wmv2", "mov mkv avi wmv nut"),
    ("theora", "mov mkv avi ogv wmv nut"),
    ("dnxhd", "mov mkv avi mxf nut"),
    ("gif", "mov nut"),
    ("aac", "mp4 mov mkv ts flv avi wmv nut m4a aac 3gp"),
    ("mp3", "mp4 mov mkv ts flv avi wmv nut wav caf mp3"),
    ("mp2", "mp4 mov mkv ts avi wmv nut wav caf"),
    ("ac3", "mp4 mov mkv ts avi wmv nut m4a wav caf"),
    ("eac3", "mp4 mov mkv ts avi wmv nut wav"),
    ("opus", "mp4 mkv webm ts nut ogg"),
    ("vorbis", "mp4 mkv webm avi wmv nut ogg"),
    ("flac", "mp4 mkv avi wmv nut ogg wav"),
    ("alac", "mp4 mov mkv m4a caf"),
    ("pcm_s16le", "mov mkv avi wmv nut wav caf"),
    ("pcm_s24le", "mov mkv avi wmv nut wav caf"),
    ("speex", "mov mkv flv avi wmv nut ogg"),
    ("wmav2", "mkv avi wmv wav"),
    ("dts", "mp4 mov mkv ts avi wmv nut wav"),
    ("tta", "mkv"),
    ("adpcm_ima_wav", "mkv avi wmv nut wav caf"),
    ("adpcm_ms", "mkv avi wmv nut wav caf"),
    ("amr_nb", "mov mkv avi wmv nut wav caf 3gp"),
    ("amr_wb", "mov mkv avi wmv nut wav 3gp"),
];

/// Cases in which something is not shown that the source shows: codec, from, into (`*` is any), and why.
pub const LOSES: &[(&str, &str, &str, &str)] =
    &[("adpcm_ima_wav", "nut", "*", NO_BLOCKS), ("adpcm_ms", "nut", "*", NO_BLOCKS)];

const NO_BLOCKS: &str =
    "NUT does not say how long a block is, and other containers have to: it is refused by name";

/// What ffmpeg writes, and shows nothing of again: codec, the containers, and why. There is nothing to lose,
/// and what is copied from there is data. The list is of FFmpeg 5.1.
pub const UNREAD: &[(&str, &str, &str)] = &[
    ("adpcm_ima_wav", "ts", AS_DATA),
    ("adpcm_ms", "ts", AS_DATA),
    ("alac", "ts", AS_DATA),
    ("amr_nb", "ts", AS_DATA),
    ("amr_wb", "ts", AS_DATA),
    ("av1", "ts m2ts", AS_DATA),
    ("av1", "mpg", AS_MPEG),
    ("dnxhd", "ts m2ts", AS_DATA),
    ("dnxhd", "avi", "its reader finds no size"),
    ("dnxhd", "mpg", AS_MPEG),
    ("ffv1", "ts m2ts", AS_DATA),
    ("flac", "ts", AS_DATA),
    ("flac", "caf", "its reader finds no STREAMINFO"),
    ("flv1", "ts m2ts", AS_DATA),
    ("flv1", "mpg", AS_MPEG),
    ("gif", "ts m2ts", AS_DATA),
    ("gif", "avi", "its reader finds no head"),
    ("gif", "mpg", AS_MPEG),
    ("h263", "ts m2ts", AS_DATA),
    ("h263", "mpg", AS_MPEG),
    ("hevc", "avi", "AVI has no name for it"),
    ("mjpeg", "ts m2ts", AS_DATA),
    ("mjpeg", "mpg", AS_MPEG),
    ("pcm_s16le", "ts", AS_DATA),
    ("pcm_s24le", "ts", AS_DATA),
    ("prores", "ts m2ts", AS_DATA),
    ("prores", "mpg", AS_MPEG),
    ("prores", "wmv", "its reader takes it for another codec"),
    ("speex", "ts", AS_DATA),
    ("theora", "ts m2ts", AS_DATA),
    ("theora", "mpg", AS_MPEG),
    ("tta", "ts", AS_DATA),
    ("vorbis", "ts", AS_DATA),
    ("vorbis", "wav", "its heads are not written"),
    ("vp8", "ts m2ts", AS_DATA),
    ("vp8", "mpg", AS_MPEG),
    ("vp9", "ts m2ts", AS_DATA),
    ("vp9", "mpg", AS_MPEG),
    ("wmav2", "ts", AS_DATA),
    ("wmav2", "mov nut", "its configuration is not written"),
    ("wmv2", "ts m2ts", AS_DATA),
    ("wmv2", "mpg", AS_MPEG),
];

/// FFmpeg 7.1 opens no ADPCM out of NUT, which it or we wrote: its demuxer tells no channel layout.
pub fn is_unread_here(codec: &str, from: &str) -> bool {
    avrope::libav_version().starts_with("61.") && codec.starts_with("adpcm_") && from == "nut"
}

const AS_DATA: &str = "MPEG-TS has no number for it: libav writes private data, and finds data (bin_data)";
const AS_MPEG: &str = "MPEG-PS has no number for it: all is taken for MPEG's";

/// What ffmpeg writes and hardly reads again: codec, container, and why. A remux is as good, and warns where
/// much is missing; a cut from the middle is an error.
pub const UNREADABLE: &[(&str, &str, &str)] = &[
    (
        "aac",
        "wav",
        "frames without ADTS' headers stand one behind the other, and nothing says where one ends: 16 of 95 decode",
    ),
    ("speex", "wav", "nothing says where a frame ends: of 100, the first decodes"),
    ("ffv1", "mpg", "MPEG-PS has no number for it: the stream is taken for MP3, of which nothing decodes"),
];
