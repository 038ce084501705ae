//! Smart cuts: the browser is sent to pictures on both sides of each seam and to copied ones, forth and back, and shows
//! those of the source; then it plays over all seams.

use super::{Site, visit};
use crate::common::{ffmpeg, made_by_ffmpeg, open, shared};
use avrope::{Control, Cut, CutMode, TimeRange, cut};
use std::path::Path;

/// Draws the picture at each of TIMES, small and gray, and plays then.
const PAGE: &str = r#"<!doctype html><video id="v" muted preload="auto" src="/clip"></video><script>
const v = document.getElementById('v'), times = TIMES, drawn = [], passed = [];
const tell = what => fetch('/result', { method: 'POST', body: what });
const canvas = document.createElement('canvas');
[canvas.width, canvas.height] = [16, 9];
const c = canvas.getContext('2d', { willReadFrequently: true });
v.onerror = () => tell('error ' + (v.error && v.error.message));
const seek = time => new Promise(done => {
  v.onseeked = () => v.requestVideoFrameCallback ? setTimeout(done, 50) : done();
  v.currentTime = time;
});
v.onloadeddata = async () => {
  v.onloadeddata = null;
  for (const time of times) {
    await seek(time);
    c.drawImage(v, 0, 0, 16, 9);
    const p = c.getImageData(0, 0, 16, 9).data;
    const gray = [];
    for (let i = 0; i < p.length; i += 4) gray.push(Math.round((p[i] + p[i + 1] + p[i + 2]) / 3));
    drawn.push(gray.join(','));
  }
  await seek(0);
  v.ontimeupdate = () => passed.push(v.currentTime);
  v.onended = () => tell(['ended', v.duration, Math.max(...passed), drawn.join(';')].join(' '));
  v.playbackRate = 2;
  v.play().catch(e => tell('error ' + e));
};
</script>"#;

/// The source's pictures, as the page draws them.
fn drawn(path: &Path) -> Vec<Vec<u8>> {
    let filter = "scale=16:9:flags=area,format=rgb24";
    let (bytes, _) =
        ffmpeg(&["-i", path.to_str().unwrap(), "-map", "0:v:0", "-vf", filter, "-f", "rawvideo", "-"]);
    let gray = |p: &[u8]| ((u16::from(p[0]) + u16::from(p[1]) + u16::from(p[2])) / 3) as u8;
    bytes.chunks_exact(16 * 9 * 3).map(|picture| picture.chunks_exact(3).map(gray).collect()).collect()
}

/// How far two pictures are apart, on average.
fn apart(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

fn check(name: &str, kind: &'static str, coding: &[&str]) {
    let world = shared("world.mp4").map(|path| path.to_str().unwrap().to_owned());
    // Made pictures change as much from one to the next.
    let input = match &world {
        Some(world) => ["-t", "8", "-i", world],
        None => ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8"],
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
    let times: Vec<String> = seams.iter().map(|i| format!("{:.3}", all[*i].0)).collect();
    let page = PAGE.replace("TIMES", &format!("[{}]", times.join(",")));
    let Some(told) = visit(Site { page, clip: clip.rope, kind }) else { return };
    let fields: Vec<&str> = told.split(' ').collect();
    assert_eq!(fields[0], "ended", "{name}: {told}");
    let number = |i: usize| fields[i].parse::<f64>().unwrap();
    assert!((number(1) - at).abs() < 0.1 && number(2) > at - 0.2, "{name}: {} of {at}", &told[..60]);
    let own = drawn(&path);
    for (place, picture) in seams.iter().zip(fields[3].split(';')) {
        let found: Vec<u8> = picture.split(',').map(|gray| gray.parse().unwrap()).collect();
        let off: Vec<f64> = own.iter().map(|own| apart(&found, own)).collect();
        let (_, due) = all[*place];
        // A browser scales and converts otherwise. It is the one that is most like it, or as good as that where little
        // moves.
        let nearest = off.iter().copied().fold(f64::INFINITY, f64::min);
        let is_it = off[due] < nearest + 0.3 && off[due] < 8.0;
        assert!(
            is_it,
            "{name}: picture {place} is not the source's {due}: {} apart, others {nearest}",
            off[due]
        );
    }
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
