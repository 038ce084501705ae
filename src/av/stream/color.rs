//! What a stream's numbers mean in colours (ITU-T H.273).

use super::{Stream, known};
use crate::av::string;
use ffmpeg_sys_next as ff;
use std::ffi::{c_char, c_int};

// The bindings declare these with Rust enums, which a number from a file need not be.
#[allow(clashing_extern_declarations)]
unsafe extern "C" {
    fn av_color_range_name(range: c_int) -> *const c_char;
    fn av_color_primaries_name(primaries: c_int) -> *const c_char;
    fn av_color_transfer_name(transfer: c_int) -> *const c_char;
    fn av_color_space_name(space: c_int) -> *const c_char;
}

/// How four numbers mean colours: range, primaries, transfer and space.
pub(in crate::av) fn in_words([range, primaries, transfer, space]: [c_int; 4]) -> String {
    // SAFETY: each answers with a static string, or NULL for a number that it does not know.
    let names = unsafe {
        [
            string(av_color_range_name(range)),
            string(av_color_primaries_name(primaries)),
            string(av_color_transfer_name(transfer)),
            string(av_color_space_name(space)),
        ]
    };
    names.map(|name| known(name).unwrap_or_else(|| "unknown".into())).join(", ")
}

impl Stream {
    /// How its numbers mean colours. Demuxers take these numbers from files unchecked, so they must not be
    /// read as the bindings' Rust enums.
    pub(crate) fn color(&self) -> [(&'static str, Option<String>); 4] {
        let p = self.parameters.0.as_ptr();
        // SAFETY: the parameters are live; C's enums are ints, and are read as such. Each function answers
        // with a static string, or NULL for a number that it does not know.
        unsafe {
            let range = av_color_range_name((&raw const (*p).color_range).cast::<c_int>().read());
            let primaries = av_color_primaries_name((&raw const (*p).color_primaries).cast::<c_int>().read());
            let transfer = av_color_transfer_name((&raw const (*p).color_trc).cast::<c_int>().read());
            let space = av_color_space_name((&raw const (*p).color_space).cast::<c_int>().read());
            [
                ("range", known(string(range))),
                ("primaries", known(string(primaries))),
                ("transfer", known(string(transfer))),
                ("space", known(string(space))),
            ]
        }
    }

    /// The numbers of its primaries, transfer and matrix (ITU-T H.273), and whether all of its range is used.
    pub(crate) fn color_numbers(&self) -> ([c_int; 3], bool) {
        let p = self.parameters.0.as_ptr();
        // SAFETY: as in `color`.
        unsafe {
            let numbers = [
                (&raw const (*p).color_primaries).cast::<c_int>().read(),
                (&raw const (*p).color_trc).cast::<c_int>().read(),
                (&raw const (*p).color_space).cast::<c_int>().read(),
            ];
            let range = (&raw const (*p).color_range).cast::<c_int>().read();
            (numbers, range == ff::AVColorRange::AVCOL_RANGE_JPEG as c_int)
        }
    }
}

impl Stream {
    /// Whether its pictures are made of two fields, as far as its container or its first pictures say.
    pub(crate) fn is_interlaced(&self) -> bool {
        // SAFETY: the parameters are live; C's enum is an int, and is read as such.
        let order = unsafe { (&raw const (*self.parameters.0.as_ptr()).field_order).cast::<c_int>().read() };
        order > ff::AVFieldOrder::AV_FIELD_PROGRESSIVE as c_int
    }

    /// The profile and the level of Dolby Vision that a container states (libavutil/dovi_meta.h:
    /// AVDOVIDecoderConfigurationRecord).
    pub(crate) fn dolby_vision(&self) -> Option<[u8; 2]> {
        let record = self.side_data_of(ff::AVPacketSideDataType::AV_PKT_DATA_DOVI_CONF)?;
        // Behind the two bytes of its version.
        record.get(2..)?.first_chunk().copied()
    }
}
