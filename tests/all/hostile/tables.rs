//! MP4's tables and boxes that say what can't be.

use super::*;

/// Changes a box of the plain clip, and gives it to all operations under a deadline.
fn mutated(name: &'static str, bytes: Vec<u8>) -> Result<()> {
    bounded(name, move || {
        let control = Control::new().timeout(HANGS / 2);
        work(&Source::from_bytes(bytes).named("mutant.mp4"), &control)
    })
}

#[test]
fn indexes_that_point_anywhere() {
    let bytes = std::fs::read(clip()).unwrap();
    let stbl = "moov/trak/mdia/minf/stbl";
    for (name, path, value) in [
        ("stco beyond the end", "stco", 0xffff_fff0u32),
        ("stco at 0", "stco", 0),
        ("stsz enormous", "stsz", 0x7fff_ffff),
        ("stsz all ones", "stsz", 0xffff_ffff),
        ("stts enormous", "stts", 0xffff_ffff),
        ("stsc enormous", "stsc", 0xffff_ffff),
    ] {
        for nth in 0..2 {
            let mut bytes = bytes.clone();
            let b = find_all(&bytes, &format!("{stbl}/{path}"))[nth].clone();
            let skip = if path == "stsz" { 12 } else { 8 };
            for (i, entry) in bytes[b.content() + skip..b.end()].chunks_exact_mut(4).enumerate() {
                // The table's last half.
                if i * 8 >= b.len - skip - 8 {
                    entry.copy_from_slice(&value.to_be_bytes());
                }
            }
            let outcome = mutated(name, bytes);
            if name == "stco beyond the end" {
                refused(outcome, &[Corrupt, Io, LimitExceeded, Unsupported], name);
            }
        }
    }
    for (name, path) in [
        ("stco", "stco"),
        ("stsz", "stsz"),
        ("stts", "stts"),
        ("stsc", "stsc"),
        ("stss", "stss"),
        ("ctts", "ctts"),
        ("stsd", "stsd"),
    ] {
        // Counts that claim more than the box holds.
        for count in [0u32, 0xffff_ffff, 0x7fff_ffff, 0x0fff_ffff] {
            let mut bytes = bytes.clone();
            let Some(b) = find(&bytes, &format!("{stbl}/{path}")) else { continue };
            let at = b.content() + if path == "stsz" { 8 } else { 4 };
            bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
            let _ = mutated(name, bytes);
        }
        // Gone altogether.
        let Some(_) = find(&bytes, &format!("{stbl}/{path}")) else { continue };
        let _ = mutated(name, replace_box(&bytes, &format!("{stbl}/{path}"), 0, &[]));
    }
    // Sizes that overflow, of each box.
    for path in [
        "ftyp",
        "mdat",
        "moov",
        "moov/mvhd",
        "moov/trak",
        "moov/trak/tkhd",
        "moov/trak/mdia",
        "moov/trak/mdia/minf",
        "moov/trak/mdia/minf/stbl",
    ] {
        for size in [0u32, 1, 2, 7, 9, 0x7fff_ffff, 0xffff_ffff] {
            let mut bytes = bytes.clone();
            let b = find(&bytes, path).unwrap();
            bytes[b.start..b.start + 4].copy_from_slice(&size.to_be_bytes());
            let _ = mutated("box size", bytes);
        }
    }
}

#[test]
fn sample_sizes_that_libav_skips_are_an_error() {
    // libav leaves samples of more than 1 GiB out of its index, with a line in its log: half of the clip is
    // missing then.
    let bytes = std::fs::read(clip()).unwrap();
    for nth in 0..2 {
        let mut bytes = bytes.clone();
        let b = find_all(&bytes, "moov/trak/mdia/minf/stbl/stsz")[nth].clone();
        let half = (b.content() + 12 + b.end()) / 2 / 4 * 4;
        for entry in bytes[half..b.end()].chunks_exact_mut(4) {
            entry.copy_from_slice(&0x7fff_ffffu32.to_be_bytes());
        }
        let whole = remux(&open(&clip()).unwrap(), &Remux::new(), &none()).unwrap().report.packets;
        let outcome = open_bytes(&bytes).and_then(|media| remux(&media, &Remux::new(), &none()));
        if let Ok(clip) = outcome {
            assert!(
                !clip.report.warnings.is_empty(),
                "track {nth}: {} of {whole} packets and not a word",
                clip.report.packets
            );
        }
    }
}

/// `elst`, version 1.
fn edit_list(count: u32, entries: &[(u64, i64)]) -> Vec<u8> {
    let mut content = vec![1, 0, 0, 0];
    content.extend_from_slice(&count.to_be_bytes());
    for (duration, media) in entries {
        content.extend_from_slice(&duration.to_be_bytes());
        content.extend_from_slice(&media.to_be_bytes());
        content.extend_from_slice(&[0, 1, 0, 0]);
    }
    make_box(b"elst", &content)
}

#[test]
fn absurd_edit_lists() {
    let bytes = std::fs::read(clip()).unwrap();
    // Each copies what lies in front of it once more.
    let many = if cfg!(feature = "full-tests") { 5_000 } else { 1_000 };
    let short: Vec<(u64, i64)> = (0..many).map(|i| (1, i)).collect();
    let back: Vec<(u64, i64)> = (0..200).map(|i| (10, 200_000 - i * 1000)).collect();
    for (name, list) in [
        ("no entries", edit_list(0, &[])),
        ("count without entries", edit_list(u32::MAX, &[])),
        ("empty edit alone", edit_list(1, &[(1000, -1)])),
        ("durations that overflow", edit_list(3, &[(u64::MAX, 0), (u64::MAX, 100), (u64::MAX, 200)])),
        ("media at the end of time", edit_list(1, &[(1000, i64::MAX)])),
        ("media before time", edit_list(1, &[(1000, i64::MIN)])),
        ("negative media", edit_list(1, &[(1000, -5000)])),
        ("zero durations", edit_list(3, &[(0, 0), (0, 100), (0, 0)])),
        ("an empty edit of ages", edit_list(2, &[(u64::MAX / 2, -1), (1000, 0)])),
        ("very many of one tick", edit_list(short.len() as u32, &short)),
        ("backwards", edit_list(200, &back)),
        ("shorter than an entry", make_box(b"elst", &[1, 0, 0, 0, 0, 0, 0, 1, 9])),
        ("no version", make_box(b"elst", &[])),
    ] {
        for nth in 0..2 {
            let outcome = mutated(name, replace_box(&bytes, "moov/trak/edts/elst", nth, &list));
            if let Err(error) = outcome {
                assert_ne!(error.kind(), ErrorKind::Bug, "{name}: {error}");
                assert_ne!(error.kind(), ErrorKind::DeadlineExceeded, "{name}: took too long");
            }
        }
    }
}

#[test]
fn a_long_edit_list_does_not_take_for_ever() {
    let bytes = std::fs::read(clip()).unwrap();
    let many: Vec<(u64, i64)> = (0..100_000).map(|i| (1, i % 1000)).collect();
    let bytes = replace_box(&bytes, "moov/trak/edts/elst", 0, &edit_list(100_000, &many));
    let source = Source::from_bytes(bytes).named("edits.mp4");
    // Libav is in it for longer than the deadline: what is seen of that is told, and nothing goes on without
    // an end.
    let outcome = bounded("100,000 edits", move || {
        let control = Control::new().timeout(Duration::from_secs(5));
        let media = Media::open_with(source, &control)?;
        cut(&media, &range(1.0, 2.0).format("mkv"), &control).map(drop)
    });
    let kind = outcome.as_ref().err().map(avrope::Error::kind);
    assert!(matches!(kind, None | Some(ErrorKind::DeadlineExceeded | LimitExceeded)), "{outcome:?}");
}

#[test]
fn deep_nesting() {
    let bytes = std::fs::read(clip()).unwrap();
    for kind in [b"moov", b"trak", b"udta", b"meta", b"edts", b"mdia"] {
        let mut nested = make_box(b"free", &[]);
        for _ in 0..10_000 {
            nested = make_box(kind, &nested);
        }
        let mut alone = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
        alone.extend_from_slice(&nested);
        let _ = mutated("nested at the top", alone);
        let mut content = bytes[find(&bytes, "moov").unwrap().content()..].to_vec();
        content.extend_from_slice(&nested);
        let _ = mutated("nested in moov", replace_box(&bytes, "moov", 0, &make_box(b"moov", &content)));
    }
    // As many tiny boxes as a file can hold.
    let mut tiny = bytes[..find(&bytes, "ftyp").unwrap().end()].to_vec();
    let moov = make_box(b"moov", &make_box(b"trak", &[]).repeat(300_000));
    tiny.extend_from_slice(&moov);
    let _ = mutated("300,000 empty tracks", tiny);
}
