//! Smart cuts: the browser is sent to pictures on both sides of each seam and to copied ones, forth and back, and shows
//! those of the source; then it plays over all seams.

use super::{
    Site,
    pictures::{drawn, shows},
};
use crate::common::{made_by_ffmpeg, open, shared};
use avrope::{Control, Cut, CutMode, TimeRange, cut};

fn check(name: &str, kind: &'static str, coding: &[&str]) {
    let world = shared("world.mp4").map(|path| path.to_str().unwrap().to_owned());
    // Made pictures change as much from one to the next; of strong colours, browsers have others than FFmpeg.
    let input = match &world {
        Some(world) => ["-t", "8", "-i", world],
        None => ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8,rotate=t,hue=s=0"],
    };
    let form = ["-an", "-vf", "scale=320:180,fps=25", "-pix_fmt", "yuv420p"];
    let path = made_by_ffmpeg(&format!("browser-{name}"), &[&input[..], &form, coding].concat());
    let ranges = [(0.52, 2.6), (3.4, 4.2), (5.12, 7.48)];
    let asked = ranges.iter().fold(Cut::new().mode(CutMode::Smart), |asked, (from, to)| {
        asked.keep(TimeRange::secs(*from, *to).unwrap())
    });
    let clip = cut(&open(&path), &asked, &Control::new()).unwrap();
    assert!(clip.report.frames_encoded > 0);
    // The middle of each picture's time, and which one of the source's it is.
    let (mut at, mut all) = (0.0, Vec::new());
    for (from, to) in ranges {
        let count = ((to - from) * 25.0_f64).round() as usize;
        let first = (from * 25.0_f64).round() as usize;
        all.extend((0..count).map(|i| (at + (i as f64 + 0.5) / 25.0, first + i)));
        at += to - from;
    }
    // Forth and back: about the seams, and elsewhere.
    let mut seams: Vec<usize> = vec![51, 52, 53, 10, 72, 71, 40, 73, 0, 100, all.len() - 1, 20, 64];
    seams.extend([12, 52, 12, 72, 90]);
    shows(name, Site { page: String::new(), clip: clip.rope, kind }, &drawn(&path), &all, &seams, at);
}

#[test]
fn chromium_plays_smart_cuts() {
    oracle!("smart cuts in a browser");
    let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "40"];
    check("h264.mp4", "video/mp4", &h264);
    let vp9 = ["-c:v", "libvpx-vp9", "-b:v", "600k", "-g", "40", "-deadline", "realtime", "-cpu-used", "8"];
    check("vp9.webm", "video/webm", &vp9);
    check("av1.mp4", "video/mp4", &["-c:v", "libsvtav1", "-preset", "12", "-g", "40"]);
}
