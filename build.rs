//! Reads which libav ffmpeg-sys-next found (`DEP_FFMPEG_*`) into the cfgs that `src/av/` selects by.
//!
//! `libav_6_0`, `libav_7_0`, … mean "this release or newer". That libav and libclang are there at all is
//! checked by `vendor-notes/preflight`, which cargo mostly, but not always, builds before ffmpeg-sys-next.

use std::env;

/// The releases whose differences `src/av/` knows, as ffmpeg-sys-next names them in `DEP_FFMPEG_FFMPEG_x_y`.
const RELEASES: [(&str, &str); 7] = [
    ("6_0", "libav_6_0"),
    ("6_1", "libav_6_1"),
    ("7_0", "libav_7_0"),
    ("7_1", "libav_7_1"),
    ("8_0", "libav_8_0"),
    ("8_1", "libav_8_1"),
    ("9_0", "libav_9_0"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for (release, cfg) in RELEASES {
        println!("cargo:rustc-check-cfg=cfg({cfg})");
        if found(release) {
            println!("cargo:rustc-cfg={cfg}");
        }
    }
    assert!(
        found("5_1"),
        "\n\navrope needs FFmpeg's libraries in version 5.1 or newer; the ones found are older.\n\
         Mend it with:  sh vendor-notes/setup.sh\n\
         or name a newer build with FFMPEG_DIR=/path/to/ffmpeg (see vendor-notes/README.md).\n"
    );
}

fn found(release: &str) -> bool {
    env::var(format!("DEP_FFMPEG_FFMPEG_{release}")).is_ok_and(|v| v == "true" || v == "1")
}
