//! The machine's own tools: ffmpeg, cp, sync, fincore, filefrag, loop mounts, /proc.

use super::{Outcome, media::text};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Runs a command and gives what it prints; an error says what it said.
pub fn run(program: &str, arguments: &[&str]) -> Outcome<String> {
    let done = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The first line of `ffmpeg -version`; None if there is no ffmpeg.
pub fn ffmpeg_version() -> Option<String> {
    run("ffmpeg", &["-version"]).ok()?.lines().next().map(ToOwned::to_owned)
}

/// The command that a server would run, up to the output.
pub fn ffmpeg_command(arguments: &[&str], to: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(to);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How long ffmpeg takes, from the start of its process to its end. The output stays.
pub fn ffmpeg(arguments: &[&str], to: &Path) -> Outcome<Duration> {
    let begun = Instant::now();
    let status = ffmpeg_command(arguments, to).status()?;
    let took = begun.elapsed();
    if status.success() { Ok(took) } else { Err(format!("ffmpeg {}: {status}", arguments.join(" ")).into()) }
}

/// The same; the output goes away afterwards, before its pages are written to the disk.
pub fn ffmpeg_once(arguments: &[&str], to: &Path) -> Outcome<Duration> {
    let took = ffmpeg(arguments, to)?;
    fs::remove_file(to)?;
    Ok(took)
}

/// Waits until no written page is in memory alone.
pub fn settle() -> Outcome {
    run("sync", &[]).map(drop)
}

/// An error if the disk has less room.
pub fn require_space(dir: &Path, bytes: u64) -> Outcome {
    let answer = run("df", &["--output=avail", "-B1", text(dir)?])?;
    let free: u64 = answer.lines().nth(1).unwrap_or_default().trim().parse()?;
    if free < bytes + (1 << 30) {
        let (free, bytes) = (free >> 20, bytes >> 20);
        return Err(
            format!("{}: {free} MiB free, {bytes} MiB needed and 1 GiB to spare", dir.display()).into()
        );
    }
    Ok(())
}

/// Reads a file into the page cache.
pub fn warm(path: &Path) -> Outcome {
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Drops a file's pages from the page cache (posix_fadvise, by dd's `nocache`).
pub fn cool(path: &Path) -> Outcome {
    run("sync", &[text(path)?])?;
    run("dd", &[&format!("if={}", text(path)?), "iflag=nocache", "count=0", "status=none"]).map(drop)
}

/// How many bytes of a file are in the page cache.
pub fn cached(path: &Path) -> Outcome<u64> {
    Ok(run("fincore", &["-b", "-n", "-o", "RES", text(path)?])?.trim().parse()?)
}

/// Of a file's extents: how many it shares with others, and how many there are.
pub fn extents(path: &Path) -> Outcome<(usize, usize)> {
    run("sync", &[text(path)?])?;
    let list = run("filefrag", &["-v", text(path)?])?;
    // `   0:        0..     255:      34816..     35071:    256:             shared,eof`
    let is_extent =
        |line: &&str| line.split_once(':').is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok());
    let lines: Vec<_> = list.lines().filter(is_extent).collect();
    Ok((lines.iter().filter(|line| line.contains("shared")).count(), lines.len()))
}

/// The load of the last minute.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

/// Bytes of one line of a /proc status file, such as `VmHWM`.
pub fn status(process: &str, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The most memory of a process that is no page of a file, looked at every millisecond until it ends.
pub fn peak_anonymous(mut child: Child) -> Outcome<u64> {
    let id = child.id().to_string();
    let mut peak = 0;
    loop {
        let now = status(&id, "RssAnon").unwrap_or(0) + status(&id, "RssShmem").unwrap_or(0);
        peak = peak.max(now);
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(peak) } else { Err(format!("the child: {status}").into()) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The most memory of a process, pages of files included, looked at every few milliseconds until it ends.
pub fn peak_memory(mut child: Child) -> Outcome<u64> {
    let id = child.id().to_string();
    let mut peak = 0;
    loop {
        // The kernel's own peak: what is between two looks is in it.
        peak = status(&id, "VmHWM").unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(peak) } else { Err(format!("the child: {status}").into()) };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A file system in a file, mounted while this lives.
pub struct Mount {
    image: PathBuf,
    pub dir: PathBuf,
}

impl Mount {
    /// Makes an image of so many bytes (holes at first) and mounts it. Only root can.
    pub fn new(shelf: &Path, kind: &str, bytes: u64) -> Outcome<Self> {
        if run("id", &["-u"])?.trim() != "0" {
            return Err("a loop mount needs root".into());
        }
        // What it will really hold: a copy of the source, and tables.
        require_space(shelf, bytes)?;
        let (image, dir) = (shelf.join(format!("{kind}.img")), shelf.join(format!("{kind}.mount")));
        // Of a run that was killed.
        drop(run("umount", &[text(&dir)?]));
        fs::create_dir_all(&dir)?;
        fs::File::create(&image)?.set_len(bytes)?;
        let mount = Self { image, dir };
        let image = text(&mount.image)?;
        match kind {
            "xfs" => run("mkfs.xfs", &["-q", "-f", "-m", "reflink=1", image])?,
            _ => run(&format!("mkfs.{kind}"), &["-q", "-f", image])?,
        };
        run("mount", &["-o", "loop", image, text(&mount.dir)?])?;
        Ok(mount)
    }
}

impl Drop for Mount {
    /// Takes everything away again.
    fn drop(&mut self) {
        if let Ok(dir) = text(&self.dir) {
            drop(run("umount", &[dir]));
        }
        drop(fs::remove_dir(&self.dir));
        drop(fs::remove_file(&self.image));
    }
}
