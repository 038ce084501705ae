//! Threads that an encoder starts for itself: whether the system lets it.

use crate::{
    Error, Result,
    av::encoder::EncodeOptions,
    transcode::encoders::parallel::{cores, counts, threads},
};
use std::{io, path::Path};

/// Opens an encoder. Where one of its threads can't start, libx265 waits for it for ever
/// (`Encoder::create`), and others say no more than that they do not open: so it is tried whether they can,
/// before the one and after the others.
pub(crate) fn opened<T>(
    encoder: &str,
    options: &EncodeOptions,
    open: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let count = count(encoder, options);
    let tried = || {
        can_start(count)
            .map_err(|e| Error::no_thread(&format!("the encoder {encoder}, which starts {count}"), e))
    };
    if encoder == "libx265" {
        tried()?;
    }
    open().map_err(|error| tried().err().unwrap_or(error))
}

/// How many threads it starts; rather some less than more where it decides that itself.
fn count(encoder: &str, options: &EncodeOptions) -> u64 {
    let cores = u64::from(cores());
    let own = u64::from(options.threads);
    match encoder {
        // A pool, and one for each of the frames that are encoded at once.
        "libx265" => {
            let lists = options.options.iter().filter(|(key, _)| key == "x265-params");
            let asked: Vec<_> = lists.flat_map(|(_, list)| counts(list)).collect();
            let of = |names: [&str; 2]| {
                let last = asked.iter().rev().find(|(name, _)| names.contains(&name.as_str()));
                last.and_then(|(_, value)| threads(value))
            };
            let few = if own == 0 { (cores / 4).saturating_add(1).min(5) } else { own };
            let pool = of(["pools", "numa-pools"]).unwrap_or(cores);
            pool.saturating_add(of(["frame-threads"; 2]).filter(|count| *count > 0).unwrap_or(few))
        }
        _ if own == 0 => cores,
        _ => own,
    }
}

/// Whether so many threads can start: they do, all at once, and end.
fn can_start(count: u64) -> io::Result<()> {
    let (gate, opened) = crossbeam_channel::bounded::<()>(0);
    let start = |_| {
        let opened = opened.clone();
        std::thread::Builder::new().name("avrope trial".into()).spawn(move || {
            let own = std::fs::read_link("/proc/thread-self");
            // Until the gate is gone.
            let _ = opened.recv();
            own
        })
    };
    let mut refused = Ok(());
    let started = (0..count).map(start).map_while(|thread| thread.map_err(|e| refused = Err(e)).ok());
    let started: Vec<_> = started.collect();
    drop(gate);
    for thread in started {
        // A thread that was joined counts until the kernel has put it away; an encoder's would be refused.
        if let Ok(Ok(own)) = thread.join() {
            let own = Path::new("/proc").join(own);
            while own.exists() {
                std::thread::yield_now();
            }
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libx265_starts_a_pool_and_its_frames() {
        let count = |threads, list: &str| {
            let options = vec![("x265-params".into(), list.into())];
            let options = EncodeOptions { threads, global_header: false, bit_exact: false, options };
            super::count("libx265", &options)
        };
        assert_eq!(count(4, "log-level=error:pools=4"), 8);
        assert_eq!(count(4, "pools=2:frame-threads=1"), 3);
        assert_eq!(count(3, "pools=none"), 3);
        assert!(count(0, "log-level=error") > u64::from(cores()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_were_tried_are_gone() {
        let named = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
            tasks.filter_map(name).filter(|name| name.trim() == "avrope trial").count()
        };
        for _ in 0..20 {
            can_start(30).unwrap();
            assert_eq!(named(), 0);
        }
    }
}
