//! Which container a source is in, by its first bytes.

use super::{admit, promise::Promise};
use crate::{Control, Result, Source, av::demuxer::Demuxer, io::Resumed};

/// What was found out about a source by its first bytes.
pub(super) struct Found {
    pub demuxer: Demuxer,
    pub promise: Option<Promise>,
    pub head: Vec<u8>,
    /// Bytes that were read for it.
    pub bytes_read: u64,
}

impl Found {
    /// A stream's first bytes are put back in front of the source that comes back.
    pub(super) fn of(source: Source, control: &Control) -> Result<(Source, Self)> {
        let mut bytes_read = 0;
        let mut head = Vec::new();
        let (source, demuxer) = if source.is_seekable() {
            let mut reader = source.reader();
            let demuxer = Demuxer::probe(&file_name(source.name()), |into| {
                let mut filled = 0;
                while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                    match reader.read(filled as u64, rest, control)? {
                        0 => break,
                        read => filled = filled.saturating_add(read),
                    }
                }
                head = into.get(..filled).unwrap_or_default().to_vec();
                Ok(filled)
            })?;
            bytes_read = reader.take_fetched();
            (source, demuxer)
        } else {
            probe_stream(source, &mut head, control)?
        };
        let promise = Promise::of(demuxer, &head);
        Ok((source, Self { demuxer, promise, head, bytes_read }))
    }
}

/// A stream's first bytes are looked at and then put back in front of it.
fn probe_stream(source: Source, head: &mut Vec<u8>, control: &Control) -> Result<(Source, Demuxer)> {
    let name = source.name().to_owned();
    let mut reader = source.reader();
    let demuxer = Demuxer::probe(&file_name(&name), |into| {
        while head.len() < into.len() {
            control.check()?;
            let mut chunk = vec![0; into.len().saturating_sub(head.len())];
            match reader.read(head.len() as u64, &mut chunk, control)? {
                0 => break,
                read => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            }
        }
        let filled = head.len().min(into.len());
        if let (Some(into), Some(head)) = (into.get_mut(..filled), head.get(..filled)) {
            into.copy_from_slice(head);
        }
        Ok(filled)
    })?;
    if demuxer.is_mov() {
        admit::index_of_stream(&mut reader, head, control)?;
    }
    let at = head.len() as u64;
    let resumed = Resumed { head: head.clone().into(), rest: reader, at };
    Ok((Source::from_stream(resumed, name), demuxer))
}

/// libav's probing looks at a name's ending; folders are not its business.
fn file_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}
