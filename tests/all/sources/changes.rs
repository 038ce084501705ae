//! Files that change while they are a source: an error, never wrong bytes.

use super::*;

#[test]
fn bytes_that_change_behind_an_old_modification_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "clip.mp4");
    let source = Source::open(&path).unwrap();
    let media = Media::open(source.clone()).unwrap();
    let clip = cut(&media, &range(1.0, 8.0), &none()).unwrap().rope;
    let file = File::options().write(true).open(&path).unwrap();
    let (size, modified) = (source.len().unwrap(), file.metadata().unwrap().modified().unwrap());
    // Clocks of file systems tick every few milliseconds.
    std::thread::sleep(Duration::from_millis(30));
    file.write_all_at(&[0x55; 64], size / 2).unwrap();
    file.set_modified(modified).unwrap();
    refused(clip.to_bytes(), &[Io], "written to in place");
    refused(Media::open(source), &[Io], "written to in place");
}

#[test]
fn a_file_may_gain_and_lose_names_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "clip.mp4");
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let clip = cut(&media, &range(1.0, 8.0), &none()).unwrap().rope;
    let open = Source::from_file(File::open(&path).unwrap(), "open").unwrap();
    std::thread::sleep(Duration::from_millis(30));
    std::fs::hard_link(&path, dir.path().join("link.mp4")).unwrap();
    assert!(clip.to_bytes().is_ok());
    std::fs::remove_file(dir.path().join("link.mp4")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Media::open(open).is_ok());
}

/// How a file changes while it is a source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Truncated,
    Emptied,
    Appended,
    Rewritten,
    Replaced,
    Removed,
}

const CHANGES: [Change; 6] = [
    Change::Truncated,
    Change::Emptied,
    Change::Appended,
    Change::Rewritten,
    Change::Replaced,
    Change::Removed,
];

impl Change {
    fn make(self, path: &Path) {
        let file = || File::options().write(true).open(path).unwrap();
        match self {
            Self::Truncated => file().set_len(std::fs::metadata(path).unwrap().len() / 2).unwrap(),
            Self::Emptied => file().set_len(0).unwrap(),
            Self::Appended => {
                let len = std::fs::metadata(path).unwrap().len();
                file().write_all_at(b"more", len).unwrap();
            }
            Self::Rewritten => {
                let len = std::fs::metadata(path).unwrap().len();
                let garbage = vec![0x55; 1 << 16];
                let file = file();
                for at in (0..len).step_by(garbage.len()) {
                    file.write_all_at(&garbage[..garbage.len().min((len - at) as usize)], at).unwrap();
                }
            }
            Self::Replaced => {
                let other = path.with_extension("other");
                let len = std::fs::metadata(path).unwrap().len();
                std::fs::write(&other, vec![0x55; len as usize]).unwrap();
                std::fs::rename(other, path).unwrap();
            }
            Self::Removed => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// A copy of the large clip that may be spoilt, a folder for the output, and what the right output is.
fn victim() -> (tempfile::TempDir, PathBuf, PathBuf, Bytes) {
    let dir = tempfile::tempdir().unwrap();
    let input = copy_to(&large_clip(), dir.path(), "in.mp4");
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let media = Media::open(Source::open(&input).unwrap()).unwrap();
    let want = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope.to_bytes().unwrap();
    (dir, input, out, want)
}

#[test]
fn a_file_that_changes_before_the_cut() {
    for change in CHANGES {
        for opened in [false, true] {
            let (_dir, input, out, _) = victim();
            let source = Source::open(&input).unwrap();
            let media = opened.then(|| Media::open(source.clone()).unwrap());
            change.make(&input);
            let what = format!("{change:?}, media opened before: {opened}");
            let outcome = match &media {
                Some(media) => {
                    cut_to(media, &range(1.0, 5.0), Sink::file(out.join("o.mp4")), &none()).map(drop)
                }
                None => Media::open(source.clone()).map(drop),
            };
            refused(outcome, &[Io, NotFound], &what);
            let joined = join(&[source.clone(), source], &Join::new(), &none());
            refused(joined, &[Io, NotFound], &what);
            if let Some(media) = &media {
                refused(remux(media, &Remux::new().format("mkv"), &none()), &[Io, NotFound], &what);
                refused(media.probe(&none()), &[Io, NotFound], &what);
            }
            assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
        }
    }
}

#[test]
fn a_file_that_changes_in_the_middle_of_a_cut() {
    for format in ["mp4", "mkv", "ts"] {
        for change in CHANGES {
            for at_report in [0, 1] {
                let (_dir, input, out, _) = victim();
                let media = Media::open(Source::open(&input).unwrap()).unwrap();
                let (path, count) = (input.clone(), AtomicUsize::new(0));
                let done = Arc::new(AtomicUsize::new(0));
                let changed = done.clone();
                let control = Control::new().progress(move |p| {
                    if p.stage == Stage::Copy && count.fetch_add(1, Ordering::SeqCst) == at_report {
                        change.make(&path);
                        changed.store(1, Ordering::SeqCst);
                    }
                });
                let settings = Cut::new().keep(TimeRange::secs(1.0, 5.0).unwrap()).format(format);
                let what = format!("{format}: {change:?} at report {at_report} of the cut");
                let outcome =
                    cut_to(&media, &settings, Sink::file(out.join(format!("o.{format}"))), &control);
                if done.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                refused(outcome, &[Io, NotFound, Corrupt], &what);
                assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
            }
        }
    }
}

#[test]
fn a_file_that_changes_after_the_cut() {
    for change in CHANGES {
        let (_dir, input, out, want) = victim();
        let media = Media::open(Source::open(&input).unwrap()).unwrap();
        let rope = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope;
        change.make(&input);
        let what = format!("{change:?} after the cut");
        let kinds = &[Io, NotFound];
        refused(rope.save(out.join("o.mp4"), SaveOptions::new(), &none()), kinds, &what);
        refused(rope.to_bytes(), kinds, &what);
        refused(rope.write_to(Vec::new()), kinds, &what);
        refused(
            rope.write_to_fd(File::options().write(true).open("/dev/null").unwrap(), &none()),
            kinds,
            &what,
        );
        assert!(rope.chunks().any(|chunk| chunk.is_err()), "{what}");
        assert!(rope.reader().read_to_end(&mut Vec::new()).is_err(), "{what}");
        assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
        assert!(!want.is_empty());
    }
}

#[test]
fn a_file_that_changes_in_the_middle_of_a_save() {
    for change in CHANGES {
        for at_report in 0..8 {
            let (_dir, input, out, want) = victim();
            let media = Media::open(Source::open(&input).unwrap()).unwrap();
            let rope = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope;
            let (path, count) = (input.clone(), AtomicUsize::new(0));
            let control = Control::new().progress(move |p| {
                if p.stage == Stage::Save && count.fetch_add(1, Ordering::SeqCst) == at_report {
                    change.make(&path);
                }
            });
            let to = out.join("o.mp4");
            let what = format!("{change:?} at report {at_report} of the save");
            match rope.save(&to, SaveOptions::new(), &control) {
                Ok(()) => assert!(std::fs::read(&to).unwrap() == want, "{what}: a wrong result"),
                Err(error) => {
                    assert!([Io, NotFound].contains(&error.kind()), "{what}: {error}");
                    assert!(entries(&out).is_empty(), "{what}: leaves {:?}", entries(&out));
                }
            }
        }
    }
}

/// A device whose n-th read changes a file next to it.
struct Saboteur {
    bytes: Vec<u8>,
    armed: Arc<AtomicU64>,
    change: Change,
    victim: PathBuf,
}

impl ReadAt for Saboteur {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        if self.armed.swap(0, Ordering::SeqCst) == 1 {
            self.change.make(&self.victim);
        }
        (&self.bytes[offset as usize..]).read(buf)
    }
}

#[test]
fn a_file_that_changes_while_its_rope_is_read() {
    type Way = fn(&Rope) -> Result<Bytes>;
    let ways: [(&str, Way); 5] = [
        ("to_bytes", |rope| rope.to_bytes()),
        ("chunks", |rope| rope.chunks().collect::<Result<Vec<_>>>().map(|all| all.concat().into())),
        ("write_to", |rope| {
            let mut all = Vec::new();
            rope.write_to(&mut all).map(|()| all.into())
        }),
        ("Read", |rope| {
            let mut all = Vec::new();
            rope.reader()
                .read_to_end(&mut all)
                .map(|_| all.into())
                .map_err(|e| avrope::Error::new(Io, format!("read: {e}")))
        }),
        ("write_to_fd", |rope| {
            let mut file = tempfile::tempfile().unwrap();
            rope.write_to_fd(&file, &none())?;
            let mut all = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut all).unwrap();
            Ok(all.into())
        }),
    ];
    let mut wrong = Vec::new();
    for change in CHANGES {
        for (name, way) in ways {
            // File, device, file: the device's read comes between two reads of the file.
            let dir = tempfile::tempdir().unwrap();
            let path = copy_to(&clip(), dir.path(), "in.mp4");
            let armed = Arc::new(AtomicU64::new(0));
            let device = Saboteur {
                bytes: std::fs::read(clip()).unwrap(),
                armed: armed.clone(),
                change,
                victim: path.clone(),
            };
            let file = Source::open(&path).unwrap();
            let parts = [file.clone(), Source::from_read_at(device, "device"), file];
            let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
            let want = rope.to_bytes().unwrap();
            armed.store(1, Ordering::SeqCst);
            if let Ok(bytes) = way(&rope)
                && bytes != want
            {
                wrong.push(format!("{name}: {change:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "wrong bytes and no error: {wrong:?}");
}

#[test]
fn a_file_that_changes_when_many_files_lie_between() {
    for by_descriptor in [false, true] {
        changed_before_many_files(by_descriptor);
    }
}

fn changed_before_many_files(by_descriptor: bool) {
    // More files than a reader holds descriptors: the first one's is given back before the end.
    let dir = tempfile::tempdir().unwrap();
    let first = copy_to(&clip(), dir.path(), "first.mp4");
    let armed = Arc::new(AtomicU64::new(0));
    let device = Saboteur {
        bytes: std::fs::read(clip()).unwrap(),
        armed: armed.clone(),
        change: Change::Rewritten,
        victim: first.clone(),
    };
    let source = Source::open(&first).unwrap();
    let mut parts = vec![source.clone(), Source::from_read_at(device, "device"), source];
    for i in 0..20 {
        parts.push(Source::open(copy_to(&clip(), dir.path(), &format!("{i}.mp4"))).unwrap());
    }
    let rope = join(&parts, &Join::new(), &none()).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    assert!(rope.slices().filter(|s| s.len >= 64 << 10).count() > 20, "what goes by sendfile");
    let mut file = tempfile::tempfile().unwrap();
    armed.store(1, Ordering::SeqCst);
    let outcome = if by_descriptor {
        rope.write_to_fd(&file, &none()).map(|()| {
            let mut all = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut all).unwrap();
            all
        })
    } else {
        rope.chunks().collect::<Result<Vec<_>>>().map(|all| all.concat())
    };
    assert!(outcome.is_err() || outcome.unwrap() == want, "{by_descriptor}: wrong bytes and no error");
}
