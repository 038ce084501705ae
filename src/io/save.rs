//! The way of a rope into a file: shared by the file system where it can be, copied by the kernel where not.

use super::{
    Rope, Source,
    os::{self, Outlet, copy_range, read_exact_at, reflink},
    rope::{Slice, unchanged},
};
use crate::{Control, Error, Result, job::Stage};
use std::{
    fs::{File, Metadata},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown},
    },
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Copied between two looks at cancel and deadline.
const STEP: u64 = 16 << 20;
/// Below this a read and a write are cheaper than asking the file system to share.
const SMALL: u64 = 64 << 10;

/// How a rope is saved.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SaveOptions {
    /// Take the place of an existing file. Without it an existing file is an error.
    pub overwrite: bool,
    /// Wait until the disk has it (fsync(2) of the file before it gets its name, and of its folder
    /// afterwards): it is there also after a loss of power. Off by default, for it may take long: without it
    /// the system writes when it likes, and after a crash the file may be missing or empty, though it was
    /// saved.
    pub sync: bool,
}

impl SaveOptions {
    /// An existing file is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take the place of an existing file.
    #[must_use]
    pub fn overwrite(mut self, on: bool) -> Self {
        self.overwrite = on;
        self
    }

    /// Wait until the disk has it.
    #[must_use]
    pub fn sync(mut self, on: bool) -> Self {
        self.sync = on;
        self
    }
}

/// A file in the making: it has a temporary name until it is complete, and goes away if it never is.
pub(crate) struct PartialFile {
    file: NamedTempFile,
    path: PathBuf,
    options: SaveOptions,
    len: u64,
}

impl PartialFile {
    pub(crate) fn create(path: &Path, options: SaveOptions) -> Result<Self> {
        let named = |e: Error| e.named(&path.display().to_string());
        match std::fs::symlink_metadata(path) {
            Ok(m) if m.is_dir() => {
                return Err(named(Error::invalid("this is a directory").advise("name a file")));
            }
            Ok(_) if !options.overwrite => return Err(named(exists())),
            _ => {}
        }
        // A link is followed, as a plain write would follow it.
        let path = behind_links(path).map_err(named)?;
        let old = std::fs::metadata(&path).ok();
        if old.as_ref().is_some_and(|m| !m.is_file()) {
            let error = Error::invalid("this is no regular file");
            return Err(named(error.advise("write to it as a stream (Sink::writer)")));
        }
        let folder = folder_of(&path);
        // The umask takes away from this what it takes from every new file.
        let make =
            |name: &Path| File::options().read(true).write(true).create_new(true).mode(0o666).open(name);
        let file = tempfile::Builder::new().prefix(".avrope-").suffix(".part").make_in(folder, make);
        let file = file.map_err(|e| {
            let missing = e.kind() == std::io::ErrorKind::NotFound && !folder.is_dir();
            let error = Error::io(&format!("cannot create a file in {}", folder.display()), e);
            let error = if missing {
                error
                    .reworded(format!("the folder {} does not exist", folder.display()))
                    .advise("create it first")
            } else {
                error
            };
            error.named(&path.display().to_string())
        })?;
        if let Some(old) = old {
            be_like(file.as_file(), &old)
                .map_err(|e| named(Error::io("cannot give the file the permissions of the old one", e)))?;
        }
        Ok(Self { file, path, options, len: 0 })
    }

    /// One that will never have another name, in this folder.
    pub(crate) fn temporary(folder: &Path) -> Result<Self> {
        Self::create(&folder.join(".avrope-temporary"), SaveOptions::new().overwrite(true))
    }

    /// The folder that it is in.
    pub(crate) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// What was written as a source; the file goes away with it.
    pub(crate) fn into_source(self) -> Result<Source> {
        let name = self.path.display().to_string();
        let (file, temporary) = self.file.into_parts();
        os::close(file).map_err(|e| Error::io("writing failed when the file was closed", e).named(&name))?;
        Source::from_temporary(temporary, &name)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.as_file().write_all_at(bytes, at).map_err(|e| self.failed(e))?;
        self.len = self.len.max(at.saturating_add(bytes.len() as u64));
        Ok(())
    }

    pub(crate) fn read_at(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        read_exact_at(self.file.as_file(), at, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn truncate(&mut self, len: u64) -> Result<()> {
        self.file.as_file().set_len(len).map_err(|e| self.failed(e))?;
        self.len = len;
        Ok(())
    }

    /// Moves all content `len` bytes (whole blocks) to the back, if the file system can do that without a
    /// copy.
    pub(crate) fn insert_front(&mut self, len: u64) -> bool {
        let done = os::insert_front(self.file.as_file(), len);
        if done {
            self.len = self.len.saturating_add(len);
        }
        done
    }

    pub(crate) fn block_size(&self) -> u64 {
        self.file.as_file().metadata().map_or(4096, |m| m.blksize().max(512))
    }

    /// Gives the file its name.
    pub(crate) fn publish(self) -> Result<()> {
        let name = self.path.display().to_string();
        self.publish_unnamed().map_err(|e| e.named(&name))
    }

    fn publish_unnamed(self) -> Result<()> {
        let (file, temporary) = self.file.into_parts();
        if self.options.sync {
            file.sync_all().map_err(|e| Error::io("the disk does not take the file", e))?;
        }
        // Some file systems (NFS, quotas) say only now that there was no room.
        os::close(file).map_err(|e| Error::io("writing failed when the file was closed", e))?;
        let done = if self.options.overwrite {
            temporary.persist(&self.path)
        } else {
            temporary.persist_noclobber(&self.path)
        };
        done.map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(),
            _ => Error::io("cannot give the file its name", e.error),
        })?;
        if self.options.sync {
            let synced = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
            synced.map_err(|e| {
                Error::io("the file is there, and the disk does not take its folder's new content", e)
            })?;
        }
        Ok(())
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io("writing failed", error).named(&self.path.display().to_string())
    }
}

/// What a path leads to, by links that may lead to nothing.
fn behind_links(path: &Path) -> Result<PathBuf> {
    // As many as the kernel follows.
    const MOST: usize = 40;
    if let Ok(path) = std::fs::canonicalize(path) {
        return Ok(path);
    }
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match std::fs::read_link(&path) {
            // What is absolute takes the folder's place.
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::io("cannot open", std::io::Error::from_raw_os_error(libc::ELOOP)))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What takes the place of a file has its permissions, and belongs to whom that belonged: as root that can be
/// had, else as far as it can.
fn be_like(file: &File, old: &Metadata) -> std::io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        let _ =
            fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
    }
    // Behind a change of owner, which takes some of the bits away.
    file.set_permissions(old.permissions())
}

fn exists() -> Error {
    Error::invalid("the output exists already")
        .with_setting("overwrite")
        .advise("choose another name, or ask to overwrite it")
}

impl Rope {
    /// Saves the rope as a file, under a temporary name until it is complete. What the file system can share
    /// with the sources is shared (reflinks on XFS, btrfs…), what it can't is copied inside the kernel.
    ///
    /// Errors leave nothing behind; among them: a file that is there already (see
    /// [`SaveOptions::overwrite`]), a file that is a source of this rope, a full disk, and a source that
    /// changed.
    pub fn save(&self, path: impl AsRef<Path>, options: SaveOptions, control: &Control) -> Result<()> {
        let path = path.as_ref();
        if self.is_made_of(path) {
            return Err(Error::invalid("the output is one of the inputs")
                .named(&path.display().to_string())
                .advise("choose another name"));
        }
        let mut file = PartialFile::create(path, options)?;
        self.save_into(&mut file, control)?;
        file.publish()
    }

    pub(crate) fn save_into(&self, to: &mut PartialFile, control: &Control) -> Result<()> {
        let mut reader = self.reader().control(control);
        reader.needs(self.len());
        let block = to.block_size();
        let mut shares = true;
        for piece in self.pieces() {
            control.check()?;
            control.report(Stage::Save, piece.start, self.len())?;
            let source = match &piece.bytes {
                Slice::Shared { source, at } if piece.len >= SMALL => {
                    reader.files.of(source)?.map(|file| (file, source, *at))
                }
                _ => None,
            };
            let Some((from, source, at)) = source else {
                reader.run(piece.start, piece.end(), |at, chunk| to.write_at(at, &chunk))?;
                continue;
            };
            let mut copy =
                Copy { from: &from, from_at: at, to_at: piece.start, len: piece.len, total: self.len() };
            // The blocks in the middle can be shared if both sides begin at the same place in a block.
            let head = at.next_multiple_of(block).saturating_sub(at).min(piece.len);
            if shares
                && head == piece.start.next_multiple_of(block).saturating_sub(piece.start).min(piece.len)
            {
                let middle =
                    piece.len.saturating_sub(head).checked_div(block).unwrap_or(0).saturating_mul(block);
                let whole = (copy.from_at.saturating_add(head), copy.to_at.saturating_add(head));
                if middle > 0 && reflink(&from, whole.0, to.file.as_file(), whole.1, middle) {
                    to.len = to.len.max(whole.1.saturating_add(middle));
                    let tail = copy.after(head.saturating_add(middle));
                    copy.len = head;
                    copy.run(to, control)?;
                    tail.run(to, control)?;
                    continue;
                }
                shares = middle == 0;
            }
            copy.run(to, control)
                .map_err(|e| if e.source_name().is_none() { e.named(source.name()) } else { e })?;
        }
        // Whatever changed a source while it was copied is seen here at the latest.
        let mut last: Option<&Source> = None;
        for piece in self.pieces() {
            if let Slice::Shared { source, .. } = &piece.bytes
                && last.is_none_or(|last| !last.is_same(source))
            {
                source.check_unchanged()?;
                last = Some(source);
            }
        }
        control.report(Stage::Save, self.len(), self.len())?;
        control.check()
    }

    /// Writes all of it to a file, a pipe or a socket, from its current position on, without bringing the
    /// bytes of files into this process (sendfile(2)); for everything else use [`write_to`](Self::write_to).
    /// Cancel and deadline are seen also while the other side does not read. A pipe or socket whose other
    /// side is gone is an error, and no SIGPIPE, whatever the process does with that signal.
    ///
    /// A source that changed is an error here as everywhere. (What a pipe or a socket still holds when this
    /// returns are pages of the file, to the kernel: it is for the caller to leave the file alone until they
    /// are read.)
    pub fn write_to_fd(&self, to: impl AsFd, control: &Control) -> Result<()> {
        let duplicate = to.as_fd().try_clone_to_owned();
        let to = Outlet::new(duplicate.map_err(|e| Error::io("cannot duplicate the descriptor", e))?.into());
        let _quiet = to.without_signal();
        let mut reader = self.reader().control(control);
        reader.needs(self.len());
        for piece in self.pieces() {
            control.check()?;
            let mut at = piece.start;
            if let Slice::Shared { source, at: origin } = &piece.bytes
                && piece.len >= SMALL
                && let Some(from) = reader.files.of(source)?
            {
                let sent = to.send(&from, *origin, piece.len, control).map_err(|e| e.named(source.name()))?;
                unchanged(source, &from)?;
                at = at.saturating_add(sent);
            }
            reader.run(at, piece.end(), |_, chunk| to.write_all(&chunk, control))?;
        }
        reader.files.check()
    }
}

struct Copy<'a> {
    from: &'a File,
    from_at: u64,
    to_at: u64,
    len: u64,
    total: u64,
}

impl Copy<'_> {
    fn after(&self, skip: u64) -> Self {
        Self {
            from: self.from,
            from_at: self.from_at.saturating_add(skip),
            to_at: self.to_at.saturating_add(skip),
            len: self.len.saturating_sub(skip),
            total: self.total,
        }
    }

    fn run(&self, to: &mut PartialFile, control: &Control) -> Result<()> {
        let mut done = 0;
        let mut by_kernel = true;
        while done < self.len {
            control.check()?;
            control.report(Stage::Save, self.to_at.saturating_add(done), self.total)?;
            let (from_at, to_at) = (self.from_at.saturating_add(done), self.to_at.saturating_add(done));
            let step = self.len.saturating_sub(done).min(STEP);
            let copied = if by_kernel {
                copy_range(self.from, from_at, to.file.as_file(), to_at, step)
            } else {
                Ok(0)
            };
            let copied = match copied {
                Ok(0) => {
                    // Nothing: the source ended (which the read says), or the kernel can't copy here.
                    by_kernel = false;
                    let small = usize::try_from(step.min(1 << 20)).unwrap_or(0);
                    let mut bytes = vec![0; small];
                    read_exact_at(self.from, from_at, &mut bytes)?;
                    to.write_at(to_at, &bytes)?;
                    small as u64
                }
                Ok(copied) => copied,
                Err(error) => return Err(to.failed(error)),
            };
            done = done.saturating_add(copied);
            to.len = to.len.max(self.to_at.saturating_add(done));
        }
        Ok(())
    }
}
