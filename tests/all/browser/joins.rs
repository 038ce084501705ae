//! Joins of pictures with parameter sets of their own: the browser shows those of each input, forth and back over the
//! seams.

use super::{
    Site,
    pictures::{drawn, shows},
};
use crate::common::made_by_ffmpeg;
use avrope::{Control, Join, Source, Transcode, join};
use std::path::PathBuf;

fn made(name: &str, filter: &str, parameters: &str) -> PathBuf {
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-vf", filter, "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-x264-params", parameters];
    made_by_ffmpeg(&format!("browser-{name}"), &[&picture[..], &coding].concat())
}

/// `ending`: what the inputs are in.
fn check(ending: &str) {
    let named = |name: &str| format!("{name}.{ending}");
    // The third one is encoded to match.
    let inputs = [
        made(&named("one"), "null", "ref=1:cabac=0:bframes=0"),
        made(&named("two"), "negate", "ref=4:bframes=3:slices=2"),
        made(&named("three"), "scale=480:270,hue=h=90", "ref=2"),
        made(&named("one"), "null", "ref=1:cabac=0:bframes=0"),
    ];
    let sources: Vec<Source> = inputs.iter().map(|path| Source::open(path).unwrap()).collect();
    let asked = Join::new().format("mp4").encode_unlike(Transcode::new());
    let clip = join(&sources, &asked, &Control::new()).unwrap();
    let warnings = &clip.report.warnings;
    assert!(warnings.iter().all(|warning| !warning.contains("description")), "{ending}: {warnings:?}");
    let own: Vec<Vec<u8>> = inputs.iter().flat_map(|path| drawn(path)).collect();
    assert_eq!(own.len(), 200, "{ending}");
    let all: Vec<(f64, usize)> = (0..200).map(|i| ((i as f64 + 0.5) / 25.0, i)).collect();
    let places = [49, 50, 51, 10, 100, 99, 149, 60, 150, 151, 0, 199, 75, 25, 125, 180];
    let site = Site { page: String::new(), clip: clip.rope, kind: "video/mp4" };
    shows(ending, site, &own, &all, &places, 8.0);
}

#[test]
fn chromium_plays_joins_of_other_parameter_sets() {
    oracle!("joins in a browser");
    check("mp4");
    check("ts");
}
