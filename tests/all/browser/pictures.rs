//! What a browser shows of a clip: sent to one picture after the other, it draws them.

use super::{Site, visit};
use crate::common::ffmpeg;
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
pub fn drawn(path: &Path) -> Vec<Vec<u8>> {
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

/// Sends the browser to these places of `all`, in this order, and lets it play to the end then. `all`: the middle of
/// each picture's time, and which one it is of `own`. `lasts`: for how long, in seconds.
pub fn shows(name: &str, site: Site, own: &[Vec<u8>], all: &[(f64, usize)], places: &[usize], lasts: f64) {
    let times: Vec<String> = places.iter().map(|i| format!("{:.3}", all[*i].0)).collect();
    let page = PAGE.replace("TIMES", &format!("[{}]", times.join(",")));
    let Some(told) = visit(Site { page, ..site }) else { return };
    let fields: Vec<&str> = told.split(' ').collect();
    assert_eq!(fields[0], "ended", "{name}: {told}");
    let number = |i: usize| fields[i].parse::<f64>().unwrap();
    assert!((number(1) - lasts).abs() < 0.1 && number(2) > lasts - 0.2, "{name}: {} of {lasts}", &told[..60]);
    for (place, picture) in places.iter().zip(fields[3].split(';')) {
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
