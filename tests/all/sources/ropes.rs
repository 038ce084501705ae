//! Ropes: read alike however they are read, written to descriptors, saved.

use super::*;

#[test]
fn ropes_read_alike_however_they_are_read() {
    let parts = [
        Source::open(clip()).unwrap(),
        Source::from_bytes(std::fs::read(clip()).unwrap()),
        Source::from_read_at(InMemory(std::fs::read(clip()).unwrap()), "device"),
    ];
    let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    assert_eq!(want.len() as u64, rope.len());
    let mut read = Vec::new();
    rope.reader().read_to_end(&mut read).unwrap();
    assert!(read == want, "Read");
    assert!(rope.chunks().map(|chunk| chunk.unwrap()).collect::<Vec<_>>().concat() == want, "chunks");
    let mut written = Vec::new();
    rope.write_to(&mut written).unwrap();
    assert!(written == want, "write_to");
    let mut random = XorShift(42);
    let mut reader = rope.reader();
    for _ in 0..300 {
        let at = random.below(want.len()) as u64;
        let mut buf = vec![0; random.below(70_000)];
        let expected = &want[(at as usize).min(want.len())..(at as usize + buf.len()).min(want.len())];
        assert_eq!(rope.read_at(at, &mut buf).unwrap(), expected.len());
        assert!(&buf[..expected.len()] == expected, "read_at {at}");
        let to = (at + buf.len() as u64).min(rope.len());
        if at <= to {
            assert!(rope.slice(at..to).unwrap().to_bytes().unwrap() == expected, "slice {at}..{to}");
        }
        assert_eq!(reader.seek(SeekFrom::Start(at)).unwrap(), at);
        let read = reader.read(&mut buf).unwrap();
        assert!(want[at as usize..][..read] == buf[..read], "seek and read {at}");
    }
    assert_eq!(reader.seek(SeekFrom::End(-5)).unwrap(), rope.len() - 5);
    assert!(reader.seek(SeekFrom::Current(-i64::MAX)).is_err());
    let reversed = (std::ops::Bound::Included(5), std::ops::Bound::Excluded(4));
    refused(rope.slice(reversed), &[ErrorKind::InvalidArgument], "reversed");
    refused(rope.slice(0..=rope.len()), &[ErrorKind::InvalidArgument], "outside");
    assert!(rope.slice(rope.len()..).unwrap().is_empty());
    let mut nothing = rope.slice(3..3).unwrap();
    assert!(nothing.to_bytes().unwrap().is_empty() && nothing.chunks().next().is_none());
    nothing = Rope::from_bytes(Bytes::new());
    assert!(nothing.slices().len() == 0);
    // A slice of a slice.
    let inner = rope.slice(100..90_000).unwrap().slice(50..80_000).unwrap();
    assert!(inner.to_bytes().unwrap() == want[150..80_100]);
}

#[test]
fn a_read_costs_what_it_reads_and_not_what_the_rope_is() {
    // A hundred thousand reads of as many pieces: were all looked at for each, this took many minutes.
    const COUNT: u64 = 100_000;
    let one = Source::from_bytes(&b"ab"[..]);
    let pieces: Vec<_> = (0..COUNT).map(|i| one.slice(i % 2..i % 2 + 1).unwrap()).collect();
    // Apart, so that they do not become one piece.
    let own = Rope::from_bytes(&b"-"[..]);
    let rope = Rope::concat(pieces.iter().flat_map(|piece| [piece, &own]));
    let source = Source::from_rope(rope.clone());
    bounded("reads here and there", move || {
        for i in 0..COUNT {
            let want = if i % 2 == 0 { *b"a-" } else { *b"b-" };
            let mut got = [0; 2];
            assert_eq!(source.read_at(2 * i, &mut got, &none()).unwrap(), 2);
            assert_eq!(got, want, "{i}");
            assert_eq!(rope.read_at(2 * i, &mut got).unwrap(), 2);
            assert_eq!(got, want, "{i}");
        }
    });
}

#[test]
fn past_the_end_of_a_rope_is_the_end() {
    let rope = Rope::from_bytes(&b"a rope"[..]);
    let mut buf = [0; 4];
    assert_eq!(rope.read_at(6, &mut buf).unwrap(), 0);
    let mut reader = rope.reader();
    reader.seek(SeekFrom::Start(6)).unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
    for far in [7, 1000, u64::MAX] {
        assert_eq!(rope.read_at(far, &mut buf).map_err(|e| e.to_string()), Ok(0), "read_at {far}");
        assert_eq!(reader.seek(SeekFrom::Start(far)).unwrap(), far);
        assert_eq!(reader.read(&mut buf).map_err(|e| e.to_string()), Ok(0), "read at {far}");
    }
}

#[test]
fn ropes_go_to_descriptors() {
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let rope = cut(&media, &range(0.0, 6.0), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    let dir = tempfile::tempdir().unwrap();
    // A file, from its position on.
    let mut file = File::create_new(dir.path().join("a")).unwrap();
    file.write_all(b"before").unwrap();
    rope.write_to_fd(&file, &none()).unwrap();
    file.write_all(b"after").unwrap();
    assert!(std::fs::read(dir.path().join("a")).unwrap() == [b"before", &want[..], b"after"].concat());
    // A file in append mode.
    let file = File::options().append(true).create(true).open(dir.path().join("b")).unwrap();
    rope.write_to_fd(&file, &none()).unwrap();
    assert!(std::fs::read(dir.path().join("b")).unwrap() == want);
    // A socket and a pipe.
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    rope.write_to_fd(&ours, &none()).unwrap();
    drop(ours);
    assert!(reader.join().unwrap() == want, "socket");
    let (mut output, input) = std::io::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        output.read_to_end(&mut all).unwrap();
        all
    });
    rope.write_to_fd(&input, &none()).unwrap();
    drop(input);
    assert!(reader.join().unwrap() == want, "pipe");
    // Whose reader is gone; and a descriptor that can't be written.
    let (output, input) = std::io::pipe().unwrap();
    drop(output);
    refused(rope.write_to_fd(&input, &none()), &[Io], "broken pipe");
    refused(rope.write_to_fd(File::open("/dev/null").unwrap(), &none()), &[Io], "read only");
}

#[test]
fn a_full_pipe_that_nobody_reads_can_be_cancelled() {
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let rope = cut(&media, &range(0.0, 6.0), &none()).unwrap().rope;
    let (output, input) = std::io::pipe().unwrap();
    let outcome = bounded("write_to_fd into a full pipe, deadline of 1 s", move || {
        rope.write_to_fd(&input, &Control::new().timeout(Duration::from_secs(1)))
    });
    refused(outcome, &[DeadlineExceeded], "full pipe");
    drop(output);
}

#[test]
fn saved_files_are_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let rope = Rope::from_bytes(&b"a rope"[..]);
    let save = |name: &str, overwrite| {
        rope.save(dir.path().join(name), SaveOptions::new().overwrite(overwrite), &none())
    };
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
    save("new", false).unwrap();
    std::fs::write(dir.path().join("plain"), b"x").unwrap();
    assert_eq!(mode("new"), mode("plain"), "the umask decides");
    refused(save("new", false), &[ErrorKind::InvalidArgument], "exists");
    std::fs::set_permissions(dir.path().join("new"), PermissionsExt::from_mode(0o640)).unwrap();
    save("new", true).unwrap();
    assert_eq!(mode("new"), 0o640, "the mode of what was there stays");
    // A link is followed; what it leads to is written, and the link stays.
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/real"), b"old").unwrap();
    std::os::unix::fs::symlink("sub/real", dir.path().join("link")).unwrap();
    save("link", true).unwrap();
    assert_eq!(std::fs::read(dir.path().join("sub/real")).unwrap(), b"a rope");
    assert!(std::fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    refused(save("link", false), &[ErrorKind::InvalidArgument], "a link exists");
    // A link to nothing exists as well.
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    refused(save("dangling", false), &[ErrorKind::InvalidArgument], "a dangling link");
    // A link to a directory.
    std::os::unix::fs::symlink("sub", dir.path().join("dirlink")).unwrap();
    refused(save("dirlink", true), &[ErrorKind::InvalidArgument, Io], "a link to a directory");
    assert!(entries(dir.path()).iter().all(|n| !n.contains("avrope")), "{:?}", entries(dir.path()));
    assert_eq!(entries(&dir.path().join("sub")), ["real"]);
}

#[test]
fn a_pipe_is_never_replaced_by_a_file() {
    use std::os::unix::fs::FileTypeExt;
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = dir.path().join("link.mp4");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let rope = Rope::from_bytes(&b"a rope"[..]);
    for path in [&pipe, &link] {
        let (rope, path) = (rope.clone(), path.clone());
        let what = path.display().to_string();
        let outcome =
            bounded("save to a pipe", move || rope.save(path, SaveOptions::new().overwrite(true), &none()));
        refused(outcome, &[ErrorKind::InvalidArgument], &what);
        assert!(
            std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(),
            "{what}: the pipe is a file now"
        );
    }
}
