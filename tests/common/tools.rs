//! Runs ffmpeg and ffprobe. To link their two hundred libraries takes longer than most of what tests ask of
//! them: `served.c` has each linked once and forked for every run.

use super::cached;
use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

/// A program that waits for arguments before its `main`. It ends when its stdin does, with us at the latest.
struct Served {
    requests: ChildStdin,
    answers: ChildStdout,
}

/// The library for LD_PRELOAD; None where there is no C compiler.
fn library() -> Option<PathBuf> {
    Command::new("cc").arg("--version").output().ok()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/served.c");
    Some(cached("served.so", include_str!("served.c"), |library| {
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(&source).arg("-ldl");
        assert!(compiler.status().unwrap().success(), "{}", source.display());
    }))
}

impl Served {
    /// None where it can't be: a program that is linked statically, say.
    fn start(program: &str) -> Option<Self> {
        let mut command = Command::new(program);
        command.env("LD_PRELOAD", library()?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Child { stdin, stdout, .. } = command.stderr(Stdio::null()).spawn().ok()?;
        let mut served = Self { requests: stdin?, answers: stdout? };
        (served.answer().ok()? == -1).then_some(served)
    }

    fn answer(&mut self) -> std::io::Result<i32> {
        let mut word = [0; 4];
        self.answers.read_exact(&mut word)?;
        Ok(i32::from_ne_bytes(word))
    }

    fn run(&mut self, arguments: &[&str]) -> std::io::Result<Output> {
        let files = [tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?];
        let names = files.iter().map(|file| file.path().to_str().unwrap());
        let text: String = names.chain(arguments.iter().copied()).flat_map(|one| [one, "\0"]).collect();
        let len = u32::try_from(text.len()).unwrap().to_ne_bytes();
        self.requests.write_all(&[&len, text.as_bytes()].concat())?;
        let status = ExitStatus::from_raw(self.answer()?);
        let [stdout, stderr] = files.map(|file| std::fs::read(file.path()).unwrap());
        Ok(Output { status, stdout, stderr })
    }
}

/// Runs a program to its end, with nothing on its stdin.
pub fn run_tool(program: &str, arguments: &[&str]) -> Output {
    static IDLE: LazyLock<Mutex<HashMap<String, Vec<Served>>>> = LazyLock::new(Mutex::default);
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = idle().get_mut(program).and_then(Vec::pop);
    let Some(mut served) = waiting.or_else(|| Served::start(program)) else {
        return Command::new(program).args(arguments).output().unwrap();
    };
    let output = served.run(arguments).unwrap_or_else(|e| panic!("{program} {arguments:?}: {e}"));
    idle().entry(program.to_owned()).or_default().push(served);
    output
}
