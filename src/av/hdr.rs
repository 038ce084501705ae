//! What is said of pictures' light: the display that they were mastered on (SMPTE ST 2086) and how bright
//! they get (CTA-861.3). H.264, HEVC and AV1 say it beside their pictures, containers beside the stream.

use super::frame::Frame;
use ffmpeg_sys_next as ff;

/// As side data of a stream: the same structs as beside a picture.
pub(super) type Said = (ff::AVPacketSideDataType, Vec<u8>);

const KINDS: [(ff::AVFrameSideDataType, ff::AVPacketSideDataType); 2] = [
    (
        ff::AVFrameSideDataType::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
        ff::AVPacketSideDataType::AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
    ),
    (
        ff::AVFrameSideDataType::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
        ff::AVPacketSideDataType::AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
    ),
];

/// What is said beside a picture.
pub(super) fn beside(picture: &Frame) -> Vec<Said> {
    let said = |(beside, stream)| {
        // SAFETY: the frame is live; the result is NULL or an entry of it, with as many bytes.
        unsafe {
            let entry = ff::av_frame_get_side_data(picture.as_ptr(), beside).as_ref()?;
            Some((stream, std::slice::from_raw_parts(entry.data, entry.size).to_vec()))
        }
    };
    KINDS.into_iter().filter_map(said).collect()
}

/// Tells an encoder that is not open yet what is said beside a picture.
///
/// # Safety
/// `context` is live, and nobody else uses it during the call.
#[cfg(libav_7_0)]
pub(super) unsafe fn tell(context: *mut ff::AVCodecContext, picture: &Frame) -> crate::Result<()> {
    for (kind, _) in KINDS {
        // SAFETY: the frame and the context are live; the entry is one of the frame's, and the context gets a
        // reference.
        let code = unsafe {
            let entry = ff::av_frame_get_side_data(picture.as_ptr(), kind);
            if entry.is_null() {
                continue;
            }
            let (list, count) =
                (&raw mut (*context).decoded_side_data, &raw mut (*context).nb_decoded_side_data);
            ff::av_frame_side_data_clone(list, count, entry, 0)
        };
        super::check(code, "telling an encoder of the light")?;
    }
    Ok(())
}

/// What is said, in the words of an encoder that libav does not tell by itself (before FFmpeg 7.0); what the
/// caller says goes before it.
#[cfg(not(libav_7_0))]
pub(super) fn add_words(encoder: &str, said: &[Said], options: &mut Vec<(String, String)>) {
    let (key, display, level) = match encoder {
        "libx264" => ("x264-params", "mastering-display", "cll"),
        "libx265" => ("x265-params", "master-display", "max-cll"),
        "libsvtav1" => ("svtav1-params", "mastering-display", "content-light"),
        _ => return,
    };
    let mut words = options.iter().find(|(own, _)| own == key).map_or_else(String::new, |(_, v)| v.clone());
    for (kind, bytes) in said {
        let numbers: Vec<i32> = bytes
            .chunks_exact(4)
            .filter_map(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)))
            .collect();
        let is_display = *kind == ff::AVPacketSideDataType::AV_PKT_DATA_MASTERING_DISPLAY_METADATA;
        let (word, value) =
            if is_display { (display, mastering(&numbers, encoder)) } else { (level, light(&numbers)) };
        if let Some(value) = value
            && !words.contains(word)
        {
            let colon = if words.is_empty() { "" } else { ":" };
            words += &format!("{colon}{word}={value}");
        }
    }
    if !words.is_empty() {
        options.retain(|(own, _)| own != key);
        options.push((key.to_owned(), words));
    }
}

/// AVMasteringDisplayMetadata: x and y of red, green, blue and white, the least and most luminance, and which
/// of them is there.
#[cfg(not(libav_7_0))]
fn mastering(numbers: &[i32], encoder: &str) -> Option<String> {
    let (ratios, there) = numbers.get(..22)?.split_at(20);
    if there.contains(&0) {
        return None;
    }
    // SVT-AV1 takes the values themselves; the others count in steps of H.264 and HEVC (D.2.28).
    let plain = encoder == "libsvtav1";
    let ratio = |pair: &[i32], steps: f64| match pair {
        [num, den] if *den != 0 => {
            let value = f64::from(*num) / f64::from(*den);
            Some(if plain { format!("{value:.4}") } else { format!("{:.0}", value * steps) })
        }
        _ => None,
    };
    let chroma: Option<Vec<String>> =
        ratios.get(..16)?.chunks_exact(2).map(|pair| ratio(pair, 50_000.0)).collect();
    let [rx, ry, gx, gy, bx, by, wx, wy] = <[String; 8]>::try_from(chroma?).ok()?;
    let (least, most) = (ratio(ratios.get(16..18)?, 10_000.0)?, ratio(ratios.get(18..20)?, 10_000.0)?);
    Some(format!("G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})"))
}

/// AVContentLightMetadata: the brightest pixel, and the brightest mean of a picture.
#[cfg(not(libav_7_0))]
fn light(numbers: &[i32]) -> Option<String> {
    match numbers {
        [pixel, mean, ..] => Some(format!("{pixel},{mean}")),
        _ => None,
    }
}
