//! Debian's Chromium plays what avrope made, to the end, with sound and picture: a cut and a join (full tier), and
//! smart cuts.

mod joins;
mod pictures;
mod smart;

use avrope::{Control, Cut, Join, Media, Rope, Source, TimeRange, cut, join, synth};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const PAGE: &str = r#"<!doctype html><video id="v" muted src="/clip"></video><script>
const v = document.getElementById('v');
const tell = what => fetch('/result', { method: 'POST', body: what });
v.onerror = () => tell('error ' + (v.error && v.error.message));
v.onended = () => {
  const q = v.getVideoPlaybackQuality();
  tell(['ended', v.duration, v.currentTime, v.videoWidth, q.totalVideoFrames, v.webkitAudioDecodedByteCount].join(' '));
};
v.playbackRate = 4;
v.play().catch(e => tell('error ' + e));
</script>"#;

/// A page, and the clip that it plays.
#[derive(Clone)]
struct Site {
    page: String,
    clip: Rope,
    kind: &'static str,
}

/// Serves the page and the clip, with ranges, and hands on what the page tells.
fn serve(site: Site, results: mpsc::Sender<String>) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (site, results) = (site.clone(), results.clone());
            thread::spawn(move || answer(stream, &site, &results));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, site: &Site, results: &mpsc::Sender<String>) -> Option<()> {
    let Site { page, clip, kind } = site;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let (mut from, mut to, mut ranged, mut length) = (0, clip.len(), false, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            let (a, b) = range.split_once('-')?;
            from = a.parse().ok()?;
            to = b.parse::<u64>().map_or(clip.len(), |last| last + 1);
            ranged = true;
        } else if let Some(n) = line.strip_prefix("content-length: ") {
            length = n.parse().ok()?;
        } else if line.is_empty() {
            break;
        }
    }
    let head = |code: &str, kind: &str, len: u64, more: &str| {
        format!(
            "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nAccept-Ranges: bytes\r\n{more}Connection: close\r\n\r\n"
        )
    };
    if request.starts_with("POST /result") {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        results.send(String::from_utf8_lossy(&body).into_owned()).ok()?;
        stream.write_all(head("204 No Content", "text/plain", 0, "").as_bytes()).ok()
    } else if request.starts_with("GET /clip ") {
        let (code, more) = if ranged {
            ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{}\r\n", to - 1, clip.len()))
        } else {
            ("200 OK", String::new())
        };
        stream.write_all(head(code, kind, to - from, &more).as_bytes()).ok()?;
        clip.slice(from..to).ok()?.write_to(stream).ok()
    } else if request.starts_with("GET / ") {
        stream.write_all(head("200 OK", "text/html", page.len() as u64, "").as_bytes()).ok()?;
        stream.write_all(page.as_bytes()).ok()
    } else {
        stream.write_all(head("404 Not Found", "text/plain", 0, "").as_bytes()).ok()
    }
}

/// Ends the browser, whatever becomes of the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the page of a clip tells. None if there is no browser.
fn visit(site: Site) -> Option<String> {
    let (sender, results) = mpsc::channel();
    let port = serve(site, sender).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let browser = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--autoplay-policy=no-user-gesture-required",
            "--mute-audio",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--remote-debugging-port=0")
        .arg(format!("http://127.0.0.1:{port}/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(browser) = browser else {
        eprintln!("SKIPPED: no chromium on the path (sh vendor-notes/setup.sh --with-test-tools)");
        return None;
    };
    let _browser = Browser(browser);
    // A limit against hanging, not a measurement.
    Some(results.recv_timeout(Duration::from_secs(120)).expect("the page tells how it went"))
}

/// What the page told: duration, frames and decoded bytes of sound. None if there is no browser.
fn play(clip: Rope) -> Option<(f64, u64, u64)> {
    let told = visit(Site { page: PAGE.to_owned(), clip, kind: "video/mp4" })?;
    let fields: Vec<&str> = told.split(' ').collect();
    assert_eq!(fields[0], "ended", "{told}");
    assert_eq!(fields[3], "320", "{told}");
    let number = |i: usize| fields[i].parse::<f64>().unwrap();
    assert!((number(1) - number(2)).abs() < 0.1, "it plays to the end: {told}");
    Some((number(1), number(4) as u64, number(5) as u64))
}

fn clip(dir: &std::path::Path, seconds: f64) -> Source {
    let path = dir.join("source.mp4");
    let spec = synth::Spec {
        duration: seconds,
        video: Some(synth::Video::default()),
        audio: vec![synth::Audio::default()],
        ..synth::Spec::default()
    };
    synth::to_file(&spec, &path).unwrap();
    Source::open(path).unwrap()
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn chromium_plays_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let media = Media::open(clip(dir.path(), 12.0)).unwrap();
    let ranges = Cut::new().keep(TimeRange::secs(1.4, 4.4).unwrap()).keep(TimeRange::secs(7.0, 9.5).unwrap());
    let made = cut(&media, &ranges, &Control::default()).unwrap();
    let Some((duration, frames, sound)) = play(made.rope) else { return };
    // Chromium takes the last packet for the end, also one that the edit list hides: up to five frames of 30
    // a second.
    assert!((5.5..5.67).contains(&duration), "{duration} s");
    assert!(frames > 100 && sound > 0, "{frames} frames, {sound} bytes of sound");
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn chromium_plays_a_join() {
    let dir = tempfile::tempdir().unwrap();
    let source = clip(dir.path(), 2.5);
    let made = join(&[source.clone(), source.clone(), source], &Join::new(), &Control::default()).unwrap();
    let Some((duration, frames, sound)) = play(made.rope) else { return };
    assert!((duration - 7.5).abs() < 0.05, "{duration} s");
    assert!(frames > 150 && sound > 0, "{frames} frames, {sound} bytes of sound");
}
