//! Bad input: a clear error, nothing left behind, no crash and no hang.

mod cut_short;
mod held;
mod inputs;
mod interrupted;
mod limits;
mod mutants;
mod outputs;
mod references;
mod requests;
mod tables;

use crate::common::*;
use avrope::{
    Control, Cut, CutMode, ErrorKind, Join, Media, Remux, Result, Road, Sink, Source, TimeRange, Timestamp,
    control::{CancelToken, Limits, Stage},
    cut, cut_to,
    io::SaveOptions,
    join, join_to, remux, remux_to,
    synth::{self, Audio, AudioSource, Spec},
};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ErrorKind::{Corrupt, InvalidArgument, Io, LimitExceeded, NotFound, Unsupported};

fn range(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap())
}

/// Opens bytes as a file of this name and does all that copies; the first error, if there is one.
fn work(source: &Source, control: &Control) -> Result<()> {
    let media = Media::open_with(source.clone(), control)?;
    let _ = media.probe(control);
    let points = [0.5, 0.51, 1.5].map(|point| Timestamp::from_secs(point).unwrap());
    let _ = Cut::new().parts(&media, &points, control);
    let whole = remux(&media, &Remux::new().format("mkv"), control).map(drop);
    let part =
        cut(&media, &range(0.5, 1.5).format("mp4"), control).and_then(|clip| clip.rope.to_bytes().map(drop));
    let twice = join(&[source.clone(), source.clone()], &Join::new().format("mp4"), control)
        .and_then(|clip| clip.rope.to_bytes().map(drop));
    whole.and(part).and(twice)
}

fn in_file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn open(path: &Path) -> Result<Media> {
    Media::open(Source::open(path)?)
}

fn open_bytes(bytes: &[u8]) -> Result<Media> {
    Media::open(Source::from_bytes(bytes.to_vec()).named("bytes.mp4"))
}
