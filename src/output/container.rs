//! Which container an output is of: by what was asked for, by a file's name, or as the source is.

use crate::{Error, Media, Result, av::muxer::Muxer};
use std::path::Path;

/// Whether a container of this name is one of MP4's kin.
pub(crate) fn is_mov(format: &str) -> bool {
    Muxer::find(format).is_ok_and(Muxer::is_mov)
}

/// Whether files of both containers go by one ending: what reads the one reads the other.
pub(crate) fn are_kin(one: &str, other: &str) -> bool {
    let family = |format: &str| {
        let muxer = Muxer::find(format).ok()?;
        let name = muxer.name();
        Some(match name.as_str() {
            _ if muxer.is_mov() => "mov".to_owned(),
            "oga" | "ogv" | "spx" | "opus" => "ogg".to_owned(),
            "vob" | "svcd" | "vcd" | "dvd" => "mpeg".to_owned(),
            "mpeg1video" | "mpeg2video" | "m2v" => "mpegvideo".to_owned(),
            "webm" => "matroska".to_owned(),
            _ => name,
        })
    };
    let is_webm = |format: &str| Muxer::find(format).is_ok_and(|muxer| muxer.name() == "webm");
    match (family(one), family(other)) {
        // WebM is the smaller one: not every Matroska is one.
        (Some(a), Some(b)) => a == b && (!is_webm(one) || is_webm(other)),
        _ => true,
    }
}

/// The container for an output file's name.
pub(super) fn format_for(path: &Path) -> Result<String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let muxer = crate::av::muxer_for(&name).ok_or_else(|| {
        Error::invalid("its ending does not say which container is meant")
            .with_setting("format")
            .advise("name the container, or the file with an ending such as .mp4")
    })?;
    // Messages call it as the file does: `m4a`, and not libav's `ipod`.
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let same = |ending: &String| Muxer::find(ending).is_ok_and(|found| found.name() == muxer);
    Ok(ending.filter(same).unwrap_or(muxer))
}

/// The container for a result without a name: the source's own kind.
pub(crate) fn format_like(media: &Media) -> String {
    let demuxer = media.demuxer().name();
    let ending =
        std::path::Path::new(media.source().name()).extension().map(|e| e.to_string_lossy().to_lowercase());
    let audio_only = media.streams().iter().all(|s| s.kind() != crate::StreamKind::Video || s.is_picture());
    let format = match (demuxer.split(',').next().unwrap_or_default(), ending.as_deref()) {
        ("mov", Some("mov" | "qt")) => "mov",
        ("mov", _) if audio_only => "ipod",
        ("mov", _) => "mp4",
        ("matroska", Some("webm")) => "webm",
        ("matroska", _) => "matroska",
        ("mpeg", _) => "vob",
        ("aac", _) => "adts",
        ("mpegvideo", _) => "mpeg2video",
        (other, _) => other,
    };
    if Muxer::find(format).is_ok() { format.into() } else { "mp4".into() }
}
