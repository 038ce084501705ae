//! The same clip through every source and sink; sources that fail, lie, or change under way; files over 4
//! GiB.

mod alike;
mod changes;
mod devices;
mod far;
mod large;
mod ropes;
mod sinks;

use crate::common::*;
use avrope::{
    Control, Cut, ErrorKind, Join, Media, Remux, Result, Rope, Sink, Source, TimeRange,
    control::{CancelToken, Stage},
    cut, cut_to,
    io::{Hints, ReadAt, SaveOptions},
    join, remux, remux_to,
};
use bytes::Bytes;
use std::{
    fs::File,
    io::{Cursor, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ErrorKind::{Bug, Cancelled, Corrupt, DeadlineExceeded, Io, NotFound};

fn range(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap()).format("mp4")
}

fn bytes_of(source: Source) -> Bytes {
    let media = Media::open(source).unwrap();
    cut(&media, &range(2.5, 6.5), &none()).unwrap().rope.to_bytes().unwrap()
}

struct InMemory(Vec<u8>);

impl ReadAt for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        (&self.0[(offset as usize).min(self.0.len())..]).read(buf)
    }
}
