//! Files and pipes as the library's sources and sinks.

use crate::{
    Failure, Outcome, args,
    closed::stdout_was_closed,
    progress::{Bar, Handle},
};
use avrope::{
    Control, ErrorKind, Sink, Source,
    io::{ChunkReceiver, channel},
};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::{
    fs::File,
    io::{BufWriter, Cursor, IsTerminal, Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

/// How long a wait for a pipe goes on before cancel and deadline are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Read from a pipe at once.
const CHUNK: usize = 256 << 10;
/// Before the media of an MP4, this much is looked through for its index.
const HEAD: usize = 16 << 20;

/// What the work needs of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// To read it anywhere.
    Seeking,
    /// To read it once in order will do, unless it is an MP4 that can't be read that way.
    Order,
}

pub fn source(path: &Path, needs: Needs, bar: &Bar, control: &Control) -> Outcome<Source> {
    if !args::is_dash(path) {
        if let Ok(file) = std::fs::metadata(path)
            && !file.is_file()
            && !file.is_dir()
        {
            let what = if file.file_type().is_fifo() { "a pipe" } else { "no regular file" };
            let path = path.display();
            let message =
                format!("{path}: this is {what}; read it as standard input (avrope … - … < {path})");
            return Err(Failure::Said(message));
        }
        return Ok(Source::open(path)?);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let message =
            "standard input is a terminal; name a file, or send the media through a pipe (… | avrope … -)";
        return Err(Failure::Said(message.into()));
    }
    let file = duplicate(stdin).map_err(|e| Failure::Said(format!("cannot read standard input: {e}")))?;
    // `< file`: a file like any other.
    if file.metadata().is_ok_and(|m| m.is_file() || m.is_dir()) {
        return Ok(Source::from_file(file, "stdin")?);
    }
    let mut pipe = Pipe::new(file, control.clone())?;
    let mut head = Vec::new();
    let streams = needs == Needs::Order && plays_in_order(&mut pipe, &mut head);
    if streams {
        return Ok(Source::from_reader(Cursor::new(head).chain(pipe), "stdin"));
    }
    pipe.told = Some(bar.handle());
    spool(Cursor::new(head).chain(pipe), control)
}

/// Reads what has to be there as a whole into memory.
fn spool(pipe: impl Read, control: &Control) -> Outcome<Source> {
    let limits = control.get_limits();
    let (most, name) = (limits.input_bytes, "input_bytes").min((limits.memory, "memory"));
    Source::spool(pipe, most, "stdin").map_err(|error| match error.kind() {
        ErrorKind::LimitExceeded => Failure::Said(format!(
            "stdin: it has more than {most} bytes, and is read into memory to its end; save it to a file first, or \
             raise the limit {name} (--limit {name}=…)"
        )),
        _ => error.into(),
    })
}

/// All bytes of a file, or of standard input, that has no more than so many.
pub fn read_small(path: &Path, most: u64, control: &Control) -> Outcome<Vec<u8>> {
    let name = if args::is_dash(path) { "standard input".into() } else { path.display().to_string() };
    let failed = |e: std::io::Error| Failure::Said(format!("{name}: reading failed: {e}"));
    let file = if args::is_dash(path) { duplicate(std::io::stdin()) } else { File::open(path) };
    let mut bytes = Vec::new();
    let pipe = Pipe::new(file.map_err(failed)?, control.clone())?;
    pipe.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(Failure::Said(format!(
            "{name}: it has more than {most} bytes, which is too much for this"
        )));
    }
    Ok(bytes)
}

fn duplicate(of: impl AsFd) -> std::io::Result<File> {
    Ok(File::from(of.as_fd().try_clone_to_owned()?))
}

/// Looks at the first boxes: an MP4 plays in order if its index comes before its media, other containers do
/// anyway. What was read is in `head`.
fn plays_in_order(pipe: &mut impl Read, head: &mut Vec<u8>) -> bool {
    let mut at = 0;
    loop {
        if fill(pipe, head, at + 16) < at + 16 {
            return at == 0;
        }
        let (size, name) = (be(&head[at..at + 4]), &head[at + 4..at + 8]);
        match name {
            b"moov" => return true,
            b"ftyp" | b"styp" | b"free" | b"skip" | b"wide" | b"pnot" | b"uuid" | b"sidx" => {}
            b"mdat" => return false,
            _ => return at == 0,
        }
        let size = if size == 1 { be(&head[at + 8..at + 16]) } else { size };
        let next = usize::try_from(size).ok().filter(|size| *size >= 8).and_then(|size| at.checked_add(size));
        match next {
            Some(next) if next < HEAD => at = next,
            _ => return false,
        }
    }
}

/// Reads until there are `len` bytes. A failure shows when the rest is read.
fn fill(pipe: &mut impl Read, head: &mut Vec<u8>, len: usize) -> usize {
    let missing = len.saturating_sub(head.len()) as u64;
    let _ = pipe.take(missing).read_to_end(head);
    head.len()
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A pipe that is read by a thread of its own, because a read that waits for a slow writer can't be called
/// off.
struct Pipe {
    chunks: Receiver<std::io::Result<Bytes>>,
    rest: Bytes,
    control: Control,
    told: Option<Handle>,
}

impl Pipe {
    fn new(mut file: File, control: Control) -> Outcome<Self> {
        let (sender, chunks) = bounded(4);
        thread("stdin", move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = match file.read(&mut chunk) {
                    Ok(0) => return,
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let ended = read.is_err();
                let read = read.map(|len| {
                    chunk.truncate(len);
                    // A writer of small pieces should not fill memory with large ones.
                    if len < CHUNK / 4 { Bytes::copy_from_slice(&chunk) } else { Bytes::from(chunk) }
                });
                if sender.send(read).is_err() || ended {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, rest: Bytes::new(), control, told: None })
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            self.control.check()?;
            if let Some(bar) = &self.told {
                bar.spin("reading standard input");
            }
            match self.chunks.recv_timeout(LOOK) {
                Ok(chunk) => self.rest = chunk?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let len = self.rest.len().min(buf.len());
        buf[..len].copy_from_slice(&self.rest.split_to(len));
        Ok(len)
    }
}

/// Where a result goes.
pub enum Destination {
    File { path: PathBuf, force: bool, sync: bool },
    Stdout,
}

impl Destination {
    /// An error for media that would go to a terminal, or into one of its own sources.
    pub fn new(output: &args::Output, inputs: &[PathBuf]) -> Outcome<Self> {
        if !args::is_dash(&output.output) {
            let path = output.output.clone();
            return Ok(Self::File { path, force: output.force, sync: output.sync });
        }
        if stdout_was_closed() {
            let message =
                "standard output is closed; name a file with -o, or send it through a pipe (-o - | …)";
            return Err(Failure::Said(message.into()));
        }
        let stdout = std::io::stdout();
        if stdout.is_terminal() {
            let message =
                "standard output is a terminal; name a file with -o, or send it through a pipe (-o - | …)";
            return Err(Failure::Said(message.into()));
        }
        // `>> input`: the redirection opened it before we came.
        let id = |m: std::fs::Metadata| m.is_file().then(|| (m.dev(), m.ino()));
        let out = duplicate(stdout).and_then(|file| file.metadata()).ok().and_then(id);
        let same = |path: &&PathBuf| out.is_some() && std::fs::metadata(path).ok().and_then(id) == out;
        if let Some(path) = inputs.iter().find(same) {
            let message = format!("{}: standard output is this input; choose another file", path.display());
            return Err(Failure::Said(message));
        }
        Ok(Self::Stdout)
    }

    /// Does the work into the destination.
    pub fn run<T>(self, control: &Control, work: impl FnOnce(Sink) -> avrope::Result<T>) -> Outcome<T> {
        match self {
            Self::File { path, force, sync } => {
                let sink = if force { Sink::replace(path) } else { Sink::file(path) };
                Ok(work(sink.sync(sync))?)
            }
            Self::Stdout => {
                let (sender, chunks) = channel(4);
                let writer = write_stdout(chunks)?;
                let done = work(Sink::channel(sender));
                if done.is_err() && !writer.is_finished() && control.check().is_err() {
                    // It may be waiting for a reader that never comes.
                    return Ok(done?);
                }
                while !writer.is_finished() {
                    control.check()?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                match writer.join() {
                    Ok(Err(error)) => Err(Failure::stdout(&error)),
                    _ => Ok(done?),
                }
            }
        }
    }
}

/// Writes in a thread of its own, because a write that waits for a slow reader can't be called off.
fn write_stdout(chunks: ChunkReceiver) -> Outcome<JoinHandle<std::io::Result<()>>> {
    thread("stdout", move || {
        // Past the buffer of std's own handle, which looks for line ends.
        let mut stdout = duplicate(std::io::stdout())?;
        // An error of the job is the job's to tell.
        chunks.map_while(Result::ok).try_for_each(|chunk| stdout.write_all(&chunk))
    })
}

/// A thread for what can't be called off.
fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Outcome<JoinHandle<T>> {
    std::thread::Builder::new().name(format!("avrope {name}")).spawn(work).map_err(|e| {
        Failure::Said(format!("no thread for {name}: {e}; raise the limit for processes (ulimit -u)"))
    })
}

/// Prints a text on standard output.
pub fn print(text: &str) -> Outcome {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|e| Failure::stdout(&e))
}

/// Prints a value that may be large as one line of JSON, as it is made. An error in making it says why.
pub fn stream_json(value: &impl serde::Serialize) -> Outcome {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut stdout, value).map_err(|e| match e.io_error_kind() {
        Some(kind) => Failure::stdout(&kind.into()),
        None => Failure::Said(e.to_string()),
    })?;
    writeln!(stdout).and_then(|()| stdout.flush()).map_err(|e| Failure::stdout(&e))
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> Outcome {
    let json =
        serde_json::to_string(value).map_err(|e| Failure::Said(format!("the report can't be JSON: {e}")))?;
    print(&(json + "\n"))
}
