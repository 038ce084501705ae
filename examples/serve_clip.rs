//! Serves a cut from memory over HTTP, with Range requests: what a player needs to seek in it.
//!
//!     cargo run --example serve_clip -- talk.mp4
//!
//! Without a file it makes a small clip first. It asks itself once, then prints the address and serves until
//! Ctrl-C.

use avrope::{Control, Cut, Media, Rope, Source, TimeRange, cut, synth};
use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

fn main() -> Result<(), Box<dyn Error>> {
    // This process is ours: libav's words go into errors, not to stderr.
    avrope::log::capture();
    let folder = tempfile::tempdir()?;
    let path = if let Some(path) = std::env::args_os().nth(1) {
        PathBuf::from(path)
    } else {
        let path = folder.path().join("clip.mp4");
        synth::to_file(&synth::Spec::default(), &path)?;
        path
    };
    let media = Media::open(Source::open(&path)?)?;
    let settings = Cut::new().keep(TimeRange::secs(1.0, 4.0)?).format("mp4");
    let clip = cut(&media, &settings, &Control::default())?.rope;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A rope is cheap to clone: every connection has its own.
            let clip = clip.clone();
            std::thread::spawn(move || stream.map(|stream| serve(stream, &clip)));
        }
    });

    let mut request = TcpStream::connect(address)?;
    write!(request, "GET /clip.mp4 HTTP/1.1\r\nHost: {address}\r\nRange: bytes=0-31\r\n\r\n")?;
    let mut answer = Vec::new();
    request.read_to_end(&mut answer)?;
    println!("{}", String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap_or_default());
    println!("\nplay http://{address}/clip.mp4 (Ctrl-C ends)");
    server.join().map_err(|_| "the server panicked")?;
    Ok(())
}

/// Answers one request and closes.
fn serve(mut stream: TcpStream, clip: &Rope) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut range = None;
    let head = BufReader::new(stream.try_clone()?).take(16 << 10);
    for line in head.lines() {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(asked) = line.strip_prefix("range: bytes=") {
            range = Some(parse(asked, clip.len()));
        }
    }
    let (status, part) = match range.clone() {
        None => ("200 OK", Some(0..clip.len())),
        Some(Some(part)) => ("206 Partial Content", Some(part)),
        Some(None) => ("416 Range Not Satisfiable", None),
    };
    let total = clip.len();
    let body = part.clone().map_or_else(|| Ok(Rope::default()), |part| clip.slice(part))?;
    let place = match (range, part) {
        (None, _) => String::new(),
        (_, None) => format!("Content-Range: bytes */{total}\r\n"),
        (_, Some(part)) => format!("Content-Range: bytes {}-{}/{total}\r\n", part.start, part.end - 1),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nAccept-Ranges: bytes\r\n{place}\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    // The file's bytes go from the kernel's cache to the socket; they never come here.
    body.write_to_fd(&stream, &Control::default())?;
    Ok(())
}

/// `0-31`, `32-` or `-16` (the last 16 bytes); None if it is nothing that can be given.
fn parse(asked: &str, len: u64) -> Option<std::ops::Range<u64>> {
    let (from, to) = asked.trim().split_once('-')?;
    let (from, to) = match (from, to) {
        ("", last) => (len.saturating_sub(last.parse().ok()?), len),
        (from, "") => (from.parse().ok()?, len),
        (from, last) => (from.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(len)),
    };
    (from < to).then_some(from..to)
}
