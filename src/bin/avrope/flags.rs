//! The library's settings, as the command line calls them.

/// What an error says, and the flag of the setting that would change the outcome.
pub fn told(error: &avrope::Error) -> String {
    match error.setting().and_then(flag) {
        Some(flag) => format!("{error} ({flag})"),
        None => error.to_string(),
    }
}

fn flag(setting: &str) -> Option<String> {
    if let Some(limit) = setting.strip_prefix("limits.") {
        return Some(format!("--limit {limit}=…"));
    }
    let flag = match setting {
        "allow_drops" => "--allow-drops",
        "allow_options_that_touch_files" => "--allow-options-that-touch-files",
        "audio" => "--audio exact",
        "audio.bit_rate" => "--audio-bitrate",
        "audio.channels" => "--channels",
        "audio.codec" => "--audio-codec",
        "audio.filter" => "--audio-filter",
        "audio.sample_rate" => "--sample-rate",
        "encode_unlike" => "--unlike encode",
        "format" => "--format, such as --format mp4",
        "black.picture" => "--black-ratio",
        "black.pixel" => "--black-threshold",
        "fragment" => "--fragment",
        "hardware" => "--hardware",
        "keep" => "--keep",
        "max_decode_errors" => "--max-decode-errors",
        "mode" => "--mode",
        "overwrite" => "--force",
        "preset" | "video.encoder_preset" => "--preset",
        "remove" => "--remove",
        "speed" => "--speed",
        "scenes.threshold" => "--scene-threshold",
        "silence.threshold" => "--silence-threshold",
        "split" => "--split-at",
        "target_size" => "--target-size",
        "threads" => "--threads",
        "transition.name" => "--transition",
        "video.autorotate" => "--rotate",
        "video.bit_rate" => "--video-bitrate",
        "video.codec" => "--video-codec",
        "video.crf" => "--crf",
        "video.filter" => "--filter",
        "video.frame_rate" => "--fps",
        "video.gop" => "--gop",
        "video.pixel_format" => "--pixel-format",
        "video.size" => "--size",
        "video.tune" => "--tune",
        _ => return None,
    };
    Some(flag.to_owned())
}
