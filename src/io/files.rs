//! Files that a muxer names, each into a sink of the caller's.

use super::{
    PartialFile, Sink, SinkKind,
    avio::{FileDevice, StreamDevice, StreamOut},
};
use crate::{
    Control, Limits, Result,
    av::{
        avio::{Chunk, WriteDevice},
        files::{OpenFile, WriteFiles},
    },
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Asks the caller for a sink for each name.
pub(crate) struct SinkFiles<F> {
    pub(crate) sinks: F,
    /// Bytes of all files.
    pub(crate) written: Arc<AtomicU64>,
}

impl<F: FnMut(&str) -> Result<Sink> + Send> WriteFiles for SinkFiles<F> {
    fn open(&mut self, name: &str, control: &Control) -> Result<OpenFile> {
        let most = control.get_limits().output_bytes;
        Limits::hold(self.written.load(Ordering::Relaxed), most, "output_bytes", || {
            format!("the files before it have more than {most} bytes")
        })?;
        let written = self.written.clone();
        let count = move |len: u64| {
            written.fetch_add(len, Ordering::Relaxed);
        };
        let to = match (self.sinks)(name)?.into_kind() {
            SinkKind::File { path, options } => {
                let file = FileDevice::new(PartialFile::create(&path, options)?);
                return Ok(OpenFile {
                    device: Box::new(Forward(file.clone())),
                    complete: Box::new(move |_| {
                        let file = file.take()?;
                        count(file.len());
                        file.publish()
                    }),
                });
            }
            SinkKind::Stream(to) => to,
        };
        let device = Arc::new(Mutex::new(StreamDevice::new(to)));
        let out = StreamOut { device: device.clone(), control: control.clone() };
        let complete = move |control: &Control| {
            let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
            count(device.written());
            device.flush(control)?;
            device.close(control)
        };
        Ok(OpenFile { device: Box::new(Forward(out)), complete: Box::new(complete) })
    }
}

/// Written once and in order, whatever the device could do.
struct Forward<D>(D);

impl<D: WriteDevice> WriteDevice for Forward<D> {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        self.0.write(at, chunk)
    }

    fn len(&self) -> Option<u64> {
        None
    }
}
