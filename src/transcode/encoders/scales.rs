//! The scales that speed and quality are told on.

/// x264's presets, from fast to slow: what those of other encoders are measured by.
pub(crate) const SPEEDS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

/// The place of a preset in them.
pub(crate) fn rank(speed: &str) -> Option<usize> {
    SPEEDS.iter().position(|known| known.eq_ignore_ascii_case(speed))
}

/// The worst of an encoder's constant rate factors; the best is 0.
pub(crate) fn worst_crf(encoder: &str) -> f32 {
    match encoder {
        "libsvtav1" | "libvpx-vp9" | "libvpx" | "libaom-av1" => 63.0,
        _ => 51.0,
    }
}
