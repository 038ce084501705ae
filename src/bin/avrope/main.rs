//! The command line: thin over the library. It parses, connects files and pipes, and puts reports into words.

#![deny(unsafe_code)]

mod args;
mod closed;
mod demo;
mod detect;
mod encoding;
mod flags;
mod hardware;
mod inout;
mod inspect;
mod plot;
mod probe;
mod progress;
mod ranges;
mod split;
mod text;
mod values;
mod verify;
mod work;

use args::{Cli, Command};
use avrope::{Control, ErrorKind, control::CancelToken};
use std::{
    io::Write,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

/// Why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// From the library.
    Job(avrope::Error),
    /// From the library, and of which part of the work.
    Part(String, avrope::Error),
    /// Our own words.
    Said(String),
    /// Whoever reads our standard output has enough: nothing is left to say.
    PipeClosed,
    /// What was to be found out is not so, and that is said already.
    Unlike,
}

impl From<avrope::Error> for Failure {
    fn from(error: avrope::Error) -> Self {
        Self::Job(error)
    }
}

impl Failure {
    /// A failed write to standard output.
    fn stdout(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::Said(format!("writing to standard output failed: {error}")),
        }
    }
}

type Outcome<T = ()> = Result<T, Failure>;

const FAILED: u8 = 1;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    avrope::log::capture();
    let cli = Cli::from_command_line();
    let token = CancelToken::new();
    if let Err(error) = listen(&token) {
        complain(&format!("cannot listen for Ctrl-C: {error}"));
        return FAILED.into();
    }
    if let Err(error) = outlive_file_limits() {
        complain(&format!("cannot listen for SIGXFSZ: {error}"));
        return FAILED.into();
    }
    let mut control = Control::new().cancel_token(token.clone()).limits(cli.command.common().limits());
    if let Some(timeout) = cli.command.common().timeout {
        control = control.timeout(timeout);
    }
    let outcome = match &cli.command {
        command if command.tells_on_stdout() && closed::stdout_was_closed() => Err(Failure::Said(
            "standard output is closed, and what was asked for goes there; open it (> FILE)".into(),
        )),
        Command::Probe(args) => probe::run(args, &control),
        Command::Inspect(args) => inspect::run(args, &control),
        Command::Verify(args) => verify::run(args, &control),
        Command::Cut(args) => work::cut(args, &control),
        Command::Detect(args) => detect::run(args, &control),
        Command::Join(args) => work::join(args, &control),
        Command::Remux(args) => work::remux(args, &control),
        Command::Transcode(args) => work::transcode(args, &control),
        Command::Hardware(args) => hardware::run(args, &control),
        Command::Demo(args) => demo::run(args, &control),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever broke first on the way out: the reason is the signal.
        Err(_) if token.is_cancelled() => {
            complain("interrupted");
            INTERRUPTED.into()
        }
        Err(failure) => {
            match failure {
                // A pipe that was given up at the deadline says that reading failed.
                Failure::Job(error) if error.kind() == ErrorKind::Io => {
                    complain(&flags::told(&control.check().err().unwrap_or(error)));
                }
                Failure::Job(error) => complain(&flags::told(&error)),
                Failure::Part(what, error) => complain(&format!("{what}: {}", flags::told(&error))),
                Failure::Said(message) => complain(&message),
                Failure::PipeClosed | Failure::Unlike => {}
            }
            FAILED.into()
        }
    }
}

/// The first signal asks all work to end, and it cleans up; the second one ends the process.
fn listen(token: &CancelToken) -> Result<(), ctrlc::Error> {
    let token = token.clone();
    ctrlc::set_handler(move || {
        if token.is_cancelled() {
            std::process::exit(INTERRUPTED.into());
        }
        token.cancel();
    })
}

/// At a limit for files (`ulimit -f`) the kernel sends SIGXFSZ, which ends the process and leaves half a
/// file. With a handler the write fails instead (EFBIG): the job ends with that as its error, and cleans up.
fn outlive_file_limits() -> std::io::Result<()> {
    let noticed = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, noticed).map(drop)
}

fn complain(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "avrope: {}", text::plain(message));
}
