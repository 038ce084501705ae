//! Faults in outputs of other codecs and containers, and scenes that are hard to tell apart.

use super::{assert_faults, assert_holds, check_middle, range, source, still};
use crate::common::{made_by_ffmpeg, open};
use avrope::{
    Control,
    verify::{FaultKind, Verify},
};
use std::path::PathBuf;

/// Coders with what is good, and what is bad.
const CODERS: [(&str, &[&str], [&str; 2]); 4] = [
    (
        "hevc.mp4",
        &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"],
        ["12", "51"],
    ),
    (
        "vp9.webm",
        &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "0"],
        ["10", "63"],
    ),
    ("av1.mkv", &["-c:v", "libsvtav1", "-preset", "12"], ["10", "63"]),
    ("h264.ts", &["-c:v", "libx264", "-preset", "veryfast"], ["10", "48"]),
];

/// The second and the third second of the source behind a filter.
fn coded(name: &str, filter: &str, coding: &[&str], crf: &str) -> PathBuf {
    let chain = format!("trim=start_frame=25:end_frame=75,setpts=PTS-STARTPTS,{filter}");
    let file = source();
    let input = ["-i", file.to_str().unwrap(), "-an", "-vf", &chain, "-fps_mode", "passthrough"];
    made_by_ffmpeg(&format!("verify-coded-{name}"), &[&input[..], coding, &["-crf", crf]].concat())
}

#[test]
fn faults_are_named_whatever_the_codec() {
    oracle!("verify of codecs");
    for (name, coding, [good, bad]) in CODERS {
        let of = |what: &str, filter: &str, crf: &str| coded(&format!("{what}-{name}"), filter, coding, crf);
        assert_holds(&check_middle(&of("right", "null", good)));
        let found = check_middle(&of("missing", "select='not(between(n,20,21))'", good));
        assert_faults(&found, &["missing"]);
        assert!(matches!(found.faults[0].kind, FaultKind::Missing { pictures: 2, .. }), "{found:?}");
        let found = check_middle(&of("frozen", &still(19, 5), good));
        assert_faults(&found, &["frozen"]);
        assert!(matches!(found.faults[0].kind, FaultKind::Frozen { pictures: 5, head: false }), "{found:?}");
        assert_faults(&check_middle(&of("poor", "null", bad)), &["poor"]);
    }
}

#[test]
fn noise_is_no_fault() {
    oracle!("verify of noise");
    let scenes = [
        ("noisy", "testsrc2=s=192x144:r=25:d=4,noise=alls=60:allf=t:all_seed=3"),
        ("dark", "color=c=0x202020:s=192x144:r=25:d=4,noise=alls=12:allf=t:all_seed=3"),
        ("random", "nullsrc=s=96x72:r=25:d=4,geq=lum='random(1)*255':cb=128:cr=128"),
        (
            "dim",
            "testsrc2=s=192x144:r=25:d=4,lutyuv=y='16+(val-16)/12':u=128:v=128,noise=c0s=6:allf=t:all_seed=3",
        ),
    ];
    for (name, scene) in scenes {
        let x264 = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", "25"];
        let input = ["-f", "lavfi", "-i", scene];
        let of =
            made_by_ffmpeg(&format!("verify-{name}.mp4"), &[&input[..], &x264, &["-crf", "12"]].concat());
        // Of random samples nothing is left at 44.
        for crf in ["20", "32", "44"].into_iter().take(if name == "random" { 2 } else { 3 }) {
            let again = ["-ss", "1", "-i", of.to_str().unwrap(), "-t", "2"];
            let output = made_by_ffmpeg(
                &format!("verify-{name}-{crf}.mp4"),
                &[&again[..], &x264, &["-crf", crf]].concat(),
            );
            // However little is left of it.
            let asked = Verify::new().keep(range(1.0, 3.0)).min_psnr(1.0);
            assert_holds(&asked.check(&open(&of), &open(&output), &Control::new()).unwrap());
        }
    }
}
