//! The targets without an engine, on stable Rust: seeds, and random changes to them.
//!
//! usage: run TARGET [SECONDS [SEED]]   runs a target; without SECONDS for as long as nobody stops it
//!        run TARGET FILE...            runs it once on each file: what an engine found
//!        run seeds FOLDER              writes each target's seeds to FOLDER/TARGET
//!        run targets                   names them

mod mutate;
mod seeds;

use avrope_fuzz::{TARGETS, Target};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn main() {
    avrope::log::capture();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["targets"] => TARGETS.iter().for_each(|(name, ..)| println!("{name}")),
        ["seeds", folder] => seeds::write(Path::new(folder)),
        [name] => fuzz(name, None, 1),
        [name, seconds] if seconds.parse::<u64>().is_ok() => fuzz(name, seconds.parse().ok(), 1),
        [name, seconds, seed] if seconds.parse::<u64>().is_ok() => {
            fuzz(name, seconds.parse().ok(), seed.parse().expect("a number as SEED"));
        }
        [name, ref files @ ..] => {
            let (_, target, _) = find(name);
            for file in files {
                println!("{file}");
                target(&std::fs::read(file).expect("a file"));
            }
        }
        [] => panic!("usage: run TARGET [SECONDS [SEED]] | TARGET FILE... | seeds FOLDER | targets"),
    }
}

fn find(name: &str) -> (&'static str, Target, avrope_fuzz::Seeds) {
    *TARGETS.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("no target {name}"))
}

/// What a target is to be given now lies in a file, so that it is there when the process dies.
fn fuzz(name: &str, seconds: Option<u64>, seed: u64) {
    let (name, target, kind) = find(name);
    let seeds = seeds::all(kind);
    assert!(!seeds.is_empty(), "there are no seeds for {name}");
    let current: PathBuf = std::env::temp_dir().join(format!("avrope-fuzz-{name}-{seed}"));
    let mut random = mutate::Random::new(seed);
    let begun = Instant::now();
    let mut count = 0_u64;
    while seconds.is_none_or(|seconds| begun.elapsed() < Duration::from_secs(seconds)) {
        let input = mutate::mutant(&seeds, &mut random);
        std::fs::write(&current, &input).expect("a place for the input");
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            eprintln!("{name}: input {count} of seed {seed} lies in {}", current.display());
            std::process::exit(1);
        }
        count += 1;
    }
    let _ = std::fs::remove_file(&current);
    println!("{name}: {count} inputs in {:.0?}, none did harm", begun.elapsed());
}
