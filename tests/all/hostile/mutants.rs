//! Spoilt copies of small files in many containers. (`fuzz/` does it with coverage, and for longer.)

use super::*;

/// Flips bytes, truncates, moves pieces; mostly in the head and in the index.
fn mutate(original: &[u8], random: &mut XorShift) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let index = find(original, "moov").map(|b| (b.start, b.end()));
    for _ in 0..=random.below(8) {
        if bytes.len() < 64 {
            break;
        }
        let (from, to) = match (random.below(10), index) {
            (0..=6, Some((from, to))) if to <= bytes.len() => (from, to),
            (0..=7, _) => (0, bytes.len().min(4096)),
            _ => (0, bytes.len()),
        };
        let at = from + random.below(to - from);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => {
                let interesting = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x1_0000, 8, 16];
                if at + 4 <= bytes.len() {
                    bytes[at..at + 4]
                        .copy_from_slice(&interesting[random.below(interesting.len())].to_be_bytes());
                }
            }
            4 => {
                let len = random.below(64).min(bytes.len() - at);
                bytes[at..at + len].fill(if random.below(2) == 0 { 0 } else { 0xff });
            }
            5 => {
                let len = random.below(512).min(bytes.len() - at);
                let piece = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => {
                let len = random.below(512).min(bytes.len() - at);
                bytes.drain(at..at + len);
            }
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

fn fuzz(mutants: usize) {
    let short = |encoder: &str| Spec {
        duration: 1.0,
        video: None,
        audio: vec![Audio { encoder: encoder.into(), ..Audio::default() }],
        ..Spec::default()
    };
    let both = Spec { duration: 2.0, ..Spec::default() };
    let fragments = Spec {
        muxer_options: vec![("movflags".into(), "+frag_keyframe+empty_moov+default_base_moof".into())],
        ..both.clone()
    };
    let files = [
        ("mp4", generated("small.mp4", &both)),
        ("fragmented.mp4", generated("fragmented.mp4", &fragments)),
        ("mkv", generated("small.mkv", &both)),
        ("ts", generated("small.ts", &both)),
        ("flv", generated("small.flv", &both)),
        ("avi", generated("small.avi", &both)),
        ("mp3", generated("small.mp3", &short("libmp3lame"))),
        ("ogg", generated("small.ogg", &short("libopus"))),
        ("wav", generated("small.wav", &short("pcm_s16le"))),
    ];
    let share = mutants.div_ceil(files.len());
    for (i, (name, path)) in files.into_iter().enumerate() {
        let original = std::fs::read(path).unwrap();
        assert!(
            work(&Source::from_bytes(original.clone()).named(format!("original.{name}")), &none()).is_ok()
                || i > 5,
            "{name}"
        );
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1));
        // MP4's tables are read by our own code as well.
        for n in 0..if i < 2 { share * 2 } else { share } {
            let bytes = mutate(&original, &mut random);
            let mutant = bytes.clone();
            let run = std::panic::AssertUnwindSafe(|| {
                bounded("a mutant", move || {
                    let control = Control::new().timeout(Duration::from_secs(5));
                    work(&Source::from_bytes(mutant).named("mutant"), &control)
                })
            });
            let outcome = std::panic::catch_unwind(run);
            let bug = match &outcome {
                Err(_) => Some("panicked or hung".to_owned()),
                Ok(Err(e)) if e.kind() == ErrorKind::Bug => Some(e.to_string()),
                Ok(_) => None,
            };
            if let Some(bug) = bug {
                let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutant-{n}.{name}"));
                std::fs::write(&keep, &bytes).unwrap();
                panic!("mutant {n} of {name} (kept as {}): {bug}", keep.display());
            }
        }
    }
}

#[test]
fn mutants_do_no_harm() {
    fuzz(300);
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn thousands_of_mutants_do_no_harm() {
    fuzz(6000);
}
