//! What an embedder meets at the seam: errors and their causes, limits of time that reach a remote source,
//! counts, signals, the system calls of a save, and what is the same from one process to the next.

mod common;

use avrope::{
    Control, Cut, Error, ErrorKind, Media, Remux, Sink, Source, TimeRange,
    control::CancelToken,
    cut,
    io::{Hints, ReadAt, SaveOptions},
    remux, remux_to,
    synth::{self, Spec},
};
use common::*;
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ErrorKind::{Bug, Cancelled, Io, NotFound};

fn range(from: f64, to: f64) -> Cut {
    Cut::new().keep(TimeRange::secs(from, to).unwrap()).format("mp4")
}

/// Runs this very test again, alone, with a variable set: for what concerns the whole process.
fn again(test: &str, change: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1", "--nocapture"]).env("AVROPE_SEAM_CHILD", "1");
    change(&mut command);
    let out = command.output().unwrap();
    let text = [&out.stdout[..], &out.stderr[..]].concat();
    assert!(out.status.success(), "{test}: {}: {}", out.status, String::from_utf8_lossy(&text));
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "the child ran its test");
    out
}

fn is_child() -> bool {
    std::env::var_os("AVROPE_SEAM_CHILD").is_some()
}

/// How many requests a source of these tests has at once.
const REQUESTS: usize = 4;

/// Bytes that count how they are read, some at a time, and do something in front of each read.
struct Remote<F> {
    bytes: Vec<u8>,
    most: usize,
    fetched: Arc<AtomicU64>,
    before: F,
}

impl<F: Fn() -> std::io::Result<()> + Send + Sync> ReadAt for Remote<F> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        (self.before)()?;
        let most = buf.len().min(self.most);
        let read = (&self.bytes[(offset as usize).min(self.bytes.len())..]).read(&mut buf[..most])?;
        self.fetched.fetch_add(read as u64, Ordering::SeqCst);
        Ok(read)
    }

    fn hints(&self) -> Hints {
        Hints::new().block(16 << 10).read_ahead(64 << 10).cache(256 << 10).requests(REQUESTS)
    }
}

// ---- remote sources

#[test]
fn bytes_read_are_what_a_remote_source_gave() {
    for path in [clip(), clip_in("mkv")] {
        let fetched = Arc::new(AtomicU64::new(0));
        let bytes = std::fs::read(&path).unwrap();
        let device = Remote { bytes, most: usize::MAX, fetched: fetched.clone(), before: || Ok(()) };
        let media = Media::open(Source::from_read_at(device, "remote")).unwrap();
        let opened = fetched.load(Ordering::SeqCst);
        let report = cut(&media, &range(2.5, 6.5), &none()).unwrap().report;
        assert_eq!(report.bytes_read, fetched.load(Ordering::SeqCst), "{}", path.display());
        // What opening took, and this job alone: not what others have read of the same media.
        media.probe(&none()).unwrap();
        let before = fetched.load(Ordering::SeqCst);
        let said = cut(&media, &range(2.5, 6.5), &none()).unwrap().report.bytes_read;
        let took = fetched.load(Ordering::SeqCst) - before;
        assert_eq!(said, opened + took, "{}: {took} after {opened}", path.display());
    }
}

#[test]
fn cancel_reaches_the_reads_of_a_remote_payload() {
    type Way = fn(&avrope::Rope, &Path, &Control) -> avrope::Result<()>;
    let ways: [(&str, Way); 4] = [
        ("save", |rope, path, control| rope.save(path, SaveOptions::new(), control)),
        ("write_to_fd", |rope, path, control| {
            rope.write_to_fd(std::fs::File::create(path).unwrap(), control)
        }),
        ("chunks", |rope, _, control| rope.chunks().control(control).try_for_each(|chunk| chunk.map(drop))),
        ("reader", |rope, _, control| {
            let mut all = Vec::new();
            Ok(rope.reader().control(control).read_to_end(&mut all).map(drop)?)
        }),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, way) in ways {
        let (token, armed) = (CancelToken::new(), Arc::new(AtomicUsize::new(usize::MAX)));
        let (stop, left) = (token.clone(), armed.clone());
        let before = move || {
            // Counts down once it is armed, and cancels at the third read.
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                stop.cancel();
            }
            Ok(())
        };
        let bytes = std::fs::read(large_clip()).unwrap();
        let device = Remote { bytes, most: 1000, fetched: Arc::default(), before };
        let media = Media::open(Source::from_read_at(device, "remote")).unwrap();
        let rope = cut(&media, &range(1.0, 5.0), &none()).unwrap().rope;
        armed.store(3, Ordering::SeqCst);
        let outcome = way(&rope, &dir.path().join(name), &Control::new().cancel_token(token));
        refused(outcome, &[Cancelled], name);
        // Another was not asked for, but by those beside it that had looked just before.
        let more = 0_usize.wrapping_sub(armed.load(Ordering::SeqCst));
        assert!(more < REQUESTS, "{name}: {more}");
    }
}

// ---- errors

fn source_of(error: &Error) -> &(dyn std::error::Error + 'static) {
    std::error::Error::source(error).expect("a cause")
}

#[test]
fn a_typed_error_of_the_callers_comes_out_again() {
    let typed = || Err(std::io::Error::other(Throttled { seconds: 7 }));
    let bytes = std::fs::read(clip()).unwrap();
    let device = Remote { bytes: bytes.clone(), most: 1000, fetched: Arc::default(), before: typed };
    let error = refused(Media::open(Source::from_read_at(device, "remote")), &[Io], "at once");
    assert_eq!(source_of(&error).downcast_ref(), Some(&Throttled { seconds: 7 }), "{error}");
    assert!(error.to_string().contains("come back in 7 s"), "{error}");
    assert_eq!((error.os_code(), error.libav_code()), (None, None));
    // After a while, inside libav; and when the payload is read.
    for reads in [10, 40] {
        let left = AtomicUsize::new(reads);
        let before = move || if left.fetch_sub(1, Ordering::SeqCst) < 2 { typed() } else { Ok(()) };
        let device = Remote { bytes: bytes.clone(), most: 10_000, fetched: Arc::default(), before };
        let work = || {
            let media = Media::open(Source::from_read_at(device, "remote"))?;
            remux(&media, &Remux::new().format("mkv"), &none())?.rope.to_bytes()
        };
        let error = refused(work(), &[Io], "later");
        assert_eq!(source_of(&error).downcast_ref(), Some(&Throttled { seconds: 7 }), "{reads}: {error}");
    }
    // A writer's.
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other(Throttled { seconds: 8 }))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    for format in ["mp4", "ts"] {
        let outcome = remux_to(&media, &Remux::new().format(format), Sink::writer(Full), &none());
        let error = refused(outcome, &[Io], format);
        assert_eq!(source_of(&error).downcast_ref(), Some(&Throttled { seconds: 8 }), "{format}: {error}");
    }
}

#[test]
fn errors_keep_the_numbers_of_the_system_and_of_libav() {
    let error = refused(Source::open("/no/such/file"), &[NotFound], "missing");
    assert_eq!(
        (error.os_code(), error.io_error().map(std::io::Error::kind)),
        (Some(libc::ENOENT), Some(std::io::ErrorKind::NotFound))
    );
    // Through a caller's reader, and through std's error and back.
    let inner =
        Error::from(std::io::Error::from(refused(Source::open("/no/such/file"), &[NotFound], "missing")));
    assert_eq!(inner.os_code(), Some(libc::ENOENT));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let rope = avrope::Rope::from_bytes(vec![1; 10]);
    for error in [
        refused(rope.write_to_fd(&full, &none()), &[Io], "full"),
        refused(rope.write_to(&full), &[Io], "full"),
    ] {
        assert_eq!(error.os_code(), Some(libc::ENOSPC), "{error}");
        assert_eq!(
            source_of(&error).downcast_ref::<std::io::Error>().unwrap().raw_os_error(),
            Some(libc::ENOSPC)
        );
    }
    // Its index is behind the media, and the file ends before.
    let cut_off = Source::from_bytes(std::fs::read(clip()).unwrap()[..50_000].to_vec());
    let error = refused(Media::open(cut_off), &[ErrorKind::Corrupt], "cut off");
    // AVERROR_INVALIDDATA, or AVERROR_EOF.
    let tag = |tag: [u8; 4]| -i32::from_le_bytes(tag);
    assert!(
        [Some(tag(*b"INDA")), Some(tag(*b"EOF "))].contains(&error.libav_code()),
        "{:?}",
        error.libav_code()
    );
}

#[test]
fn a_sink_whose_drop_panics_is_an_error() {
    struct Panics(Option<usize>);
    impl Write for Panics {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            if let Some(left) = &mut self.0 {
                *left = left.checked_sub(1).expect("as planned");
            }
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in its Drop, as planned");
        }
    }
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    for format in ["mp4", "ts", "mkv"] {
        // With and without a panic before that.
        for fails in [None, Some(1)] {
            let run = std::panic::AssertUnwindSafe(|| {
                remux_to(&media, &Remux::new().format(format), Sink::writer(Panics(fails)), &none())
            });
            let outcome = std::panic::catch_unwind(run).expect("no panic comes through");
            refused(outcome, &[Bug], format);
        }
    }
}

// ---- signals and system calls

#[test]
fn a_reader_that_goes_away_is_no_signal_in_a_host_that_is_not_rust() {
    if !is_child() {
        again("a_reader_that_goes_away_is_no_signal_in_a_host_that_is_not_rust", |_| {});
        return;
    }
    // As a program in C has it: the signal ends the process.
    // SAFETY: a signal's default action, in a process of this test's own.
    #[allow(unsafe_code)]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    let media = Media::open(Source::open(large_clip()).unwrap()).unwrap();
    let (output, pipe) = std::io::pipe().unwrap();
    drop(output);
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(theirs);
    // Payload by sendfile, and bytes from memory.
    for rope in
        [cut(&media, &range(0.0, 6.0), &none()).unwrap().rope, avrope::Rope::from_bytes(vec![1; 100_000])]
    {
        refused(rope.write_to_fd(&pipe, &none()), &[Io], "pipe");
        let error = refused(rope.write_to_fd(&ours, &none()), &[Io], "socket");
        assert_eq!(error.os_code(), Some(libc::EPIPE), "{error}");
    }
    // It does not wait for this thread either.
    std::fs::read("/proc/self/status").unwrap();
}

fn avrope(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_avrope")).args(arguments).output().unwrap()
}

/// The same with the shell's words in front or behind.
fn shell(script: &str, arguments: &[&str]) -> Output {
    let script = script.replace("AVROPE", "\"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_avrope")]).args(arguments).output().unwrap()
}

#[test]
fn a_closed_standard_output_is_an_error() {
    let input = clip();
    let arguments = ["remux", input.to_str().unwrap(), "-o", "-", "--format", "ts"];
    let out = shell("AVROPE >&-", &arguments);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output is closed"), "{said}");
    // Words and JSON that somebody asked for are no less than media; nothing is begun.
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("out.ts");
    let (from, to) = (input.to_str().unwrap(), made.to_str().unwrap());
    let asked: [&[&str]; 4] =
        [&["probe", from], &["probe", "--json", from], &["hardware"], &["remux", from, "-o", to, "--json"]];
    for asked in asked {
        let out = shell("AVROPE >&-", asked);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{asked:?}: {said}");
        assert!(said.contains("standard output is closed") && !made.exists(), "{asked:?}: {said}");
    }
    // A file is there without the word that it is.
    assert!(shell("AVROPE >&-", &["remux", from, "-o", to]).status.success() && made.exists());
    // What is thrown away on purpose is not lost.
    for nowhere in ["AVROPE >/dev/null", "AVROPE <>/dev/null >&0"] {
        assert!(shell(nowhere, &arguments).status.success(), "{nowhere}");
    }
}

#[test]
fn too_many_open_files_are_told_in_words() {
    if !is_child() {
        again("too_many_open_files_are_told_in_words", |_| {});
        return;
    }
    let source = Source::open(clip()).unwrap();
    // SAFETY: a limit of this process, which is this test's own.
    #[allow(unsafe_code)]
    unsafe {
        let none_more = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none_more), 0);
    }
    for error in [
        refused(Media::open(source), &[Io], "open"),
        refused(
            avrope::Rope::from_bytes(vec![1]).save("/tmp/none.mp4", SaveOptions::new(), &none()),
            &[Io],
            "save",
        ),
    ] {
        assert_eq!(error.os_code(), Some(libc::EMFILE), "{error}");
        assert!(error.to_string().contains("as many files open as it may"), "{error}");
    }
}

#[test]
fn force_over_a_dangling_link_writes_what_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let rope = avrope::Rope::from_bytes(&b"a rope"[..]);
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    link("one", "two");
    link("two", "sub/real");
    let save = |name: &str| rope.save(dir.path().join(name), SaveOptions::new().overwrite(true), &none());
    save("one").unwrap();
    assert_eq!(std::fs::read(dir.path().join("sub/real")).unwrap(), b"a rope");
    assert_eq!(entries(dir.path()), ["one", "sub", "two"]);
    assert!(["one", "two"].iter().all(|name| dir.path().join(name).is_symlink()));
    // A link to itself, and one into a folder that is not there.
    link("loop", "loop");
    let error = refused(save("loop"), &[Io], "a loop");
    assert_eq!(error.os_code(), Some(libc::ELOOP), "{error}");
    link("astray", "nowhere/real");
    refused(save("astray"), &[NotFound], "no folder");
}

#[test]
fn what_takes_the_place_of_a_file_has_its_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("theirs");
    std::fs::write(&path, b"old").unwrap();
    if chown(&path, Some(1234), Some(4321)).is_err() {
        skipped("only root can give a file away");
        return;
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o6750)).unwrap();
    avrope::Rope::from_bytes(&b"a rope"[..])
        .save(&path, SaveOptions::new().overwrite(true), &none())
        .unwrap();
    let now = std::fs::metadata(&path).unwrap();
    assert_eq!((now.uid(), now.gid(), now.mode() & 0o7777, now.len()), (1234, 4321, 0o6750, 6));
}

/// The library that lets calls fail (tests/common/faults.c), for LD_PRELOAD; None where it can't be made.
fn faults() -> Option<PathBuf> {
    static MADE: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let make = || {
        let library =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/faults.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .status();
        made.is_ok_and(|status| status.success()).then_some(library)
    };
    let library = MADE.get_or_init(make).clone();
    if library.is_none() {
        skipped("no C compiler (cc) for tests/common/faults.c");
    }
    library
}

fn with_faults(library: &Path, set: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avrope"));
    command.env("LD_PRELOAD", library).envs(set.iter().copied()).args(arguments).output().unwrap()
}

#[test]
fn a_synced_file_is_on_the_disk_before_it_has_its_name_and_is_made_once() {
    let Some(library) = faults() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (log, to) = (dir.path().join("log"), dir.path().join("o"));
    let input = clip();
    let mkv = to.with_extension("mkv");
    let mp4 = to.with_extension("mp4");
    for output in [&mp4, &mkv] {
        for (option, calls) in [
            (None, "create part\nclose part\n"),
            (Some("--sync"), "create part\nfsync part\nclose part\nfsync folder, renamed\n"),
        ] {
            let _ = std::fs::remove_file(&log);
            let mut arguments =
                vec!["remux", input.to_str().unwrap(), "-q", "--force", "-o", output.to_str().unwrap()];
            arguments.extend(option);
            let out = with_faults(&library, &[("FAULT_CALLS", log.to_str().unwrap())], &arguments);
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            assert_eq!(std::fs::read_to_string(&log).unwrap(), calls, "{}: {option:?}", output.display());
        }
    }
    let out = avrope(&["remux", input.to_str().unwrap(), "-o", "-", "--format", "ts", "--sync"]);
    assert_eq!(out.status.code(), Some(2), "standard output can't be synced");
}

#[test]
fn a_file_that_can_not_be_closed_is_an_error() {
    let Some(library) = faults() else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = clip();
    for name in ["o.mp4", "o.mkv"] {
        let to = dir.path().join(name);
        let arguments = ["remux", input.to_str().unwrap(), "-o", to.to_str().unwrap()];
        let out = with_faults(&library, &[("FAULT_CLOSE", &libc::EDQUOT.to_string())], &arguments);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("closed") && said.contains("quota"), "{name}: {said}");
        assert!(entries(dir.path()).is_empty(), "{:?}", entries(dir.path()));
    }
}

#[test]
fn a_file_that_the_disk_does_not_take_is_an_error() {
    let Some(library) = faults() else { return };
    let input = clip();
    // With its folder alone lacking, the file is there, and the error says so.
    for (call, says, left) in
        [("FAULT_SYNC", "the disk does not take the file", 0), ("FAULT_SYNC_FOLDER", "the file is there", 1)]
    {
        for name in ["o.mp4", "o.mkv"] {
            let dir = tempfile::tempdir().unwrap();
            let to = dir.path().join(name);
            let arguments = ["remux", input.to_str().unwrap(), "--sync", "-o", to.to_str().unwrap()];
            let out = with_faults(&library, &[(call, &libc::EIO.to_string())], &arguments);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(1), "{call}, {name}: {said}");
            assert!(said.contains(says) && said.contains("Input/output error"), "{call}, {name}: {said}");
            assert_eq!(entries(dir.path()).len(), left, "{call}: {:?}", entries(dir.path()));
        }
    }
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn an_allocation_that_fails_is_an_error_and_no_other_file() {
    let Some(library) = faults() else { return };
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let input = clip();
    let mut wrong = Vec::new();
    let input = input.to_str().unwrap();
    let cut = ["cut", input, "--from", "2.5", "--to", "6.5"];
    for (name, work) in [("o.mp4", &cut[..]), ("o.mkv", &cut), ("o.mov", &["join", input, input])] {
        let to = dir.path().join(name);
        let arguments = [work, &["-q", "--force", "-o", to.to_str().unwrap()]].concat();
        let run = |n: usize| {
            let _ = std::fs::remove_file(&to);
            let set = [("FAULT_ALLOCATION", &*n.to_string()), ("FAULT_COUNT", count.to_str().unwrap())];
            let out = with_faults(&library, &set, &arguments);
            (out, std::fs::read(&to).ok())
        };
        let (out, want) = run(0);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let want = want.unwrap();
        let all: usize = std::fs::read_to_string(&count).unwrap().parse().unwrap();
        // By tables there are few.
        assert!(all > 50, "{all} allocations of libav were seen");
        // Of the many that the packets take, some.
        for n in (1..200.min(all)).chain((200..all).step_by(17)).chain(all.saturating_sub(60)..=all) {
            let (out, got) = run(n);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            let fine = match (out.status.code(), &got) {
                // Where libav can do without, such as its timecode's log line.
                (Some(0), Some(got)) => got == &want,
                (Some(1), None) => !said.is_empty(),
                _ => false,
            };
            if !fine {
                wrong.push(format!("{name}: allocation {n} of {all}: {:?}: {said}", out.status.code()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_new_picture_is_zeros_and_not_what_lay_in_memory() {
    for format in ["yuv420p", "rgba", "pal8", "yuv444p10le", "gray"] {
        // Freed memory that is likely to come again.
        let size = (317, 211);
        let mut dirty = avrope::frames::Frame::video(format, size.0, size.1).unwrap();
        for plane in 0..dirty.planes() {
            dirty.plane_mut(plane).unwrap().fill(0xa5);
        }
        drop(dirty);
        let fresh = avrope::frames::Frame::video(format, size.0, size.1).unwrap();
        for plane in 0..fresh.planes() {
            assert!(fresh.plane(plane).unwrap().iter().all(|byte| *byte == 0), "{format}: plane {plane}");
        }
    }
}

// ---- the same from one process to the next

#[test]
fn copies_are_the_same_from_one_process_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let vorbis = Spec {
        duration: 1.0,
        video: None,
        audio: vec![synth::Audio { encoder: "libvorbis".into(), ..synth::Audio::default() }],
        ..Spec::default()
    };
    let (clip, sound) = (clip(), generated("vorbis.ogg", &vorbis));
    let video = synth::Video { encoder: "mpeg4".into(), ..synth::Video::default() };
    let mpeg4 = generated("mpeg4.mp4", &Spec { video: Some(video), ..Spec::default() });
    let video = synth::Video { encoder: "mpeg2video".into(), ..synth::Video::default() };
    let pcm = synth::Audio { encoder: "pcm_s16le".into(), ..synth::Audio::default() };
    let mpeg2 = generated("mpeg2.mkv", &Spec { video: Some(video), audio: vec![pcm], ..Spec::default() });
    let mut numbers = Vec::new();
    for (input, ending, more) in [
        (&clip, "mkv", &[][..]),
        (&clip, "mp4", &[]),
        (&clip, "mov", &[]),
        (&clip, "ts", &[]),
        (&clip, "flv", &[]),
        (&mpeg4, "avi", &[]),
        (&sound, "ogg", &[]),
        (&sound, "webm", &[]),
        (&sound, "mka", &[]),
        (&sound, "ogg", &["--to", "0.5"]),
        (&mpeg2, "mxf", &[]),
        (&mpeg2, "mxf", &["--to", "0.5"]),
    ] {
        let made = |n: u32| {
            let to = dir.path().join(format!("{n}.{ending}"));
            let verb = if more.is_empty() { "remux" } else { "cut" };
            let mut arguments =
                vec![verb, input.to_str().unwrap(), "-q", "--force", "-o", to.to_str().unwrap()];
            arguments.extend(more);
            let out = avrope(&arguments);
            assert!(out.status.success(), "{ending}: {}", String::from_utf8_lossy(&out.stderr));
            std::fs::read(to).unwrap()
        };
        let first = made(1);
        assert!(first == made(2), "{ending}");
        if ending == "ogg" {
            numbers.push(first[14..18].to_vec());
        } else if ending == "mxf" {
            // Unique material identifiers: their label, their number, the number of the package.
            let label = b"\x06\x0a\x2b\x34\x01\x01\x01\x05\x01\x01\x0d\x00\x13";
            let found: Vec<&[u8]> =
                first.windows(31).filter(|w| w.starts_with(label)).map(|w| &w[13..]).collect();
            assert!(found.len() > 2 && found.iter().all(|number| *number == found[0]), "{found:x?}");
            assert!(found[0][3..].iter().any(|byte| *byte != 0), "{found:x?}");
            numbers.push(found[0].to_vec());
        }
    }
    assert!(numbers[0] != numbers[1] && numbers[2] != numbers[3], "other files have other numbers");
}

// ---- libav's log

#[test]
fn what_libav_says_reaches_the_error_and_not_the_hosts_stderr() {
    if !is_child() {
        let out = again("what_libav_says_reaches_the_error_and_not_the_hosts_stderr", |_| {});
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!said.contains("moov") && !said.contains("@ 0x"), "{said}");
        return;
    }
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = lines.clone();
    avrope::log::redirect(move |line| sink.lock().unwrap().push(line.to_owned()));
    let cut_off = Source::from_bytes(std::fs::read(clip()).unwrap()[..50_000].to_vec());
    let error = refused(Media::open(cut_off), &[ErrorKind::Corrupt], "cut off");
    assert!(error.log().iter().any(|line| line.contains("moov atom not found")), "{:?}", error.log());
    assert_eq!(error.log(), &lines.lock().unwrap()[..]);
    // Other ways into libav.
    let head = [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &[0, 0, 0, 9, 0, 0, 0, 9, 99]].concat();
    let damaged = Source::from_bytes([&head[..], &[7; 60]].concat());
    avrope::frames::Frame::from_picture(damaged).expect_err("damaged");
    let spec = Spec { duration: 0.2, ..Spec::default() };
    let dir = tempfile::tempdir().unwrap();
    synth::to_file(&spec, &dir.path().join("m.mkv")).unwrap();
    avrope::hardware::Hardware::list();
    assert!(lines.lock().unwrap().len() > error.log().len(), "there was something to say");
}
