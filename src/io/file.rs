//! A file as a source: a path and an identity. It holds no descriptor while nobody reads it.

use crate::{Error, ErrorKind, Result};
use std::{
    fs::{File, Metadata},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempPath;

/// What tells a file from another one, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Tools can set the modification time back (rsync --inplace --times), and not this one.
    changed: (i64, i64),
    links: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
        }
    }

    /// A link that is made or removed changes the status, and no byte: the file may lose its name while it is
    /// read.
    fn is_unchanged(self, is: Self) -> bool {
        let is =
            if self.links == is.links { is } else { Self { changed: self.changed, links: self.links, ..is } };
        self == is
    }
}

pub(crate) struct FileSource {
    from: From,
    identity: Identity,
}

enum From {
    /// Opened when it is needed, and checked each time.
    Path(PathBuf),
    /// The same of a file of our own, which goes away with the source.
    Temporary(TempPath),
    /// Given to us open: it may have no name, so it stays open.
    Open(Arc<File>),
}

/// Opens a file for reading. A pipe that nobody writes to would keep a plain open waiting for ever.
fn open(path: &Path) -> Result<File> {
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|e| Error::io("cannot open", e))
}

impl FileSource {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let identity = Self::check_kind(&file)?;
        Ok(Self { from: From::Path(path.to_owned()), identity })
    }

    pub(crate) fn temporary(path: TempPath) -> Result<Self> {
        let identity = Self::check_kind(&open(&path)?)?;
        Ok(Self { from: From::Temporary(path), identity })
    }

    pub(crate) fn from_open(file: File) -> Result<Self> {
        let identity = Self::check_kind(&file)?;
        Ok(Self { from: From::Open(Arc::new(file)), identity })
    }

    fn check_kind(file: &File) -> Result<Identity> {
        let metadata = file.metadata().map_err(|e| Error::io("cannot read its size", e))?;
        if metadata.is_dir() {
            return Err(Error::invalid("this is a directory").advise("name a file"));
        }
        if !metadata.is_file() {
            return Err(
                Error::invalid("this is no regular file").advise("read it as a stream (Source::from_reader)")
            );
        }
        Ok(Identity::of(&metadata))
    }

    pub(crate) fn len(&self) -> u64 {
        self.identity.size
    }

    /// A descriptor for a while, if the file is still the one that it was.
    pub(crate) fn descriptor(&self) -> Result<Arc<File>> {
        let file = match &self.from {
            From::Path(path) => Arc::new(open(path)?),
            From::Temporary(path) => Arc::new(open(path)?),
            From::Open(file) => file.clone(),
        };
        self.check(&file)?;
        Ok(file)
    }

    /// An error if the file has changed since it was opened first.
    pub(crate) fn check(&self, file: &File) -> Result<()> {
        let metadata = file.metadata().map_err(|e| Error::io("cannot check for changes", e))?;
        self.compare(&metadata)
    }

    /// An error if the path leads to another file now, or the file has changed.
    pub(crate) fn check_in_place(&self) -> Result<()> {
        let metadata = match &self.from {
            From::Path(path) => std::fs::metadata(path),
            From::Temporary(path) => std::fs::metadata(path),
            From::Open(file) => file.metadata(),
        };
        self.compare(&metadata.map_err(|e| Error::io("cannot check for changes", e))?)
    }

    fn compare(&self, metadata: &Metadata) -> Result<()> {
        let (was, is) = (self.identity, Identity::of(metadata));
        let what = if was.is_unchanged(is) {
            return Ok(());
        } else if (was.device, was.inode) != (is.device, is.inode) {
            "it was replaced by another file".to_owned()
        } else if was.size != is.size {
            format!("its size went from {} to {} bytes", was.size, is.size)
        } else if was.modified != is.modified {
            "it was written to".to_owned()
        } else {
            "it was written to, or renamed, or given other permissions".to_owned()
        };
        Err(Error::new(ErrorKind::Io, format!("the file changed while it was a source: {what}")))
    }

    /// Whether both are one file, as it was when they were opened.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Whether this is the same file as the one at `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path)
            .is_ok_and(|m| (m.dev(), m.ino()) == (self.identity.device, self.identity.inode))
    }
}
