//! Descriptors, memory and threads: what an operation takes, and what many at once do.

mod common;

use avrope::{
    Control, Cut, Join, Media, Remux, Road, Sink, Source, TimeRange, cut,
    io::SaveOptions,
    join, join_to, remux,
    synth::{Audio, Spec, Video},
};
use common::*;
use std::{
    path::PathBuf,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Descriptors are the process's: the tests of this file run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The most descriptors while something runs, seen by a thread that looks all the time and by `look`.
fn most_while(run: impl FnOnce(&dyn Fn())) -> usize {
    let (most, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let look = || {
        most.fetch_max(descriptors(), Ordering::SeqCst);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                look();
                std::thread::yield_now();
            }
        });
        run(&look);
        stop.store(true, Ordering::SeqCst);
    });
    most.load(Ordering::SeqCst)
}

/// A tiny clip under many names.
fn many(count: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
    let spec = Spec {
        duration: 0.2,
        video: Some(Video { size: (64, 64), ..Video::default() }),
        audio: vec![Audio::default()],
        ..Spec::default()
    };
    let tiny = generated("tiny.mp4", &spec);
    let dir = tempfile::tempdir().unwrap();
    // Copies, so that they are different files.
    let paths: Vec<_> = (0..count).map(|i| dir.path().join(format!("{i}.mp4"))).collect();
    for path in &paths {
        std::fs::copy(&tiny, path).unwrap();
    }
    (dir, paths)
}

fn join_of(count: usize) {
    let _alone = alone();
    let (dir, paths) = many(count);
    let begin = descriptors();
    let most = most_while(|look| {
        let sources: Vec<_> = paths.iter().map(|path| Source::open(path).unwrap()).collect();
        look();
        let clip = join(&sources, &Join::new(), &none()).unwrap();
        look();
        assert_eq!(clip.report.payload_copied, 0);
        assert!(clip.report.duration.as_secs_f64() > 0.19 * count as f64);
        let out = dir.path().join("joined.mp4");
        clip.rope.save(&out, SaveOptions::new(), &none()).unwrap();
        let sum: u64 = clip.rope.chunks().map(|chunk| chunk.unwrap().len() as u64).sum();
        assert_eq!(sum, std::fs::metadata(&out).unwrap().len());
        clip.rope
            .write_to_fd(std::fs::File::options().write(true).open("/dev/null").unwrap(), &none())
            .unwrap();
        // Through a file's muxer as well.
        join_to(&sources, &Join::new(), Sink::file(dir.path().join("joined.mkv")), &none()).unwrap();
        // And the result is a source itself.
        let again = Media::open(clip.rope.into()).unwrap();
        let middle = TimeRange::secs(1.0, 0.15 * count as f64).unwrap();
        cut(&again, &Cut::new().keep(middle), &none()).unwrap().rope.to_bytes().unwrap();
    });
    println!("join of {count}: {begin} descriptors before, {most} at the most");
    assert!(most <= 64, "{most} descriptors at once");
    assert!(descriptors() <= begin + 1, "{} descriptors stay", descriptors());
}

#[test]
fn a_join_of_many_files_holds_few_descriptors() {
    join_of(600);
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn a_join_of_5000_files_holds_few_descriptors() {
    join_of(5000);
}

#[test]
fn a_thousand_open_media_hold_few_descriptors() {
    let _alone = alone();
    let (_dir, paths) = many(1000);
    let begin = descriptors();
    let mut media = Vec::new();
    let most = most_while(|_| {
        for path in &paths {
            media.push(Media::open(Source::open(path).unwrap()).unwrap());
        }
        for media in media.iter().step_by(50) {
            cut(media, &Cut::new().keep(TimeRange::ALL), &none()).unwrap();
            remux(media, &Remux::new().format("mkv"), &none()).unwrap();
        }
    });
    println!("1,000 media: {begin} descriptors before, {most} at the most");
    assert!(most <= begin + 16, "{most} descriptors at once");
    assert!(descriptors() <= begin + 1, "{} descriptors for idle media", descriptors());
}

#[test]
fn one_media_serves_eight_threads() {
    let _alone = alone();
    for (name, source) in [
        ("file", Source::open(clip()).unwrap()),
        ("memory", Source::from_bytes(std::fs::read(clip()).unwrap())),
        ("seekable", Source::from_seekable(std::fs::File::open(clip()).unwrap(), "seekable").unwrap()),
    ] {
        let media = Media::open(source).unwrap();
        let ranges: Vec<_> = (0..12).map(|i| (f64::from(i) * 0.7, f64::from(i) * 0.7 + 1.3)).collect();
        let one = |(from, to): (f64, f64), format: &str| {
            let settings = Cut::new().keep(TimeRange::secs(from, to).unwrap()).format(format);
            cut(&media, &settings, &none()).unwrap().rope.to_bytes().unwrap()
        };
        let formats = ["mp4", "ts", "mov"];
        let want: Vec<_> = ranges.iter().flat_map(|r| formats.map(|f| one(*r, f))).collect();
        let keyframes = media.probe(&none()).unwrap().streams[0].keyframes.clone();
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (want, ranges, one, barrier, media, keyframes) =
                    (&want, &ranges, &one, &barrier, &media, &keyframes);
                scope.spawn(move || {
                    barrier.wait();
                    for i in 0..ranges.len() {
                        let i = (i + thread * 5) % ranges.len();
                        for (f, format) in formats.iter().enumerate() {
                            assert!(
                                one(ranges[i], format) == want[i * 3 + f],
                                "{name}: thread {thread}, range {i}, {format}"
                            );
                        }
                    }
                    assert_eq!(&media.probe(&none()).unwrap().streams[0].keyframes, keyframes);
                });
            }
        });
    }
}

#[test]
fn more_threads_than_the_pool_has_contexts() {
    let _alone = alone();
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    let barrier = Arc::new(Barrier::new(40));
    let threads: Vec<_> = (0..40)
        .map(|i| {
            let (media, barrier) = (media.clone(), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                // Every third one fails, and spoils its context.
                let token = avrope::control::CancelToken::new();
                let stop = token.clone();
                let control = Control::new().cancel_token(token).progress(move |_| {
                    if i % 3 == 0 {
                        stop.cancel();
                    }
                });
                cut(&media, &Cut::new().keep(TimeRange::secs(0.0, 9.0).unwrap()), &control).is_ok()
            })
        })
        .collect();
    let went_well = bounded("40 threads", move || {
        threads.into_iter().map(|t| t.join().unwrap()).filter(|ok| *ok).count()
    });
    assert!(went_well >= 26, "{went_well}");
    assert!(cut(&media, &Cut::new().keep(TimeRange::ALL), &none()).is_ok());
}

/// Sound of so many samples of a byte each, in one chunk.
fn of_many_samples(count: u32) -> Vec<u8> {
    let spec = Spec { duration: 1.0, audio: vec![audio("aac")], ..Spec::default() };
    let mut bytes = std::fs::read(generated("one-sound.mp4", &spec)).unwrap();
    let tables: [(&str, &[u32]); 3] =
        [("stts", &[0, 1, count, 1024]), ("stsc", &[0, 1, 1, count, 1]), ("stsz", &[0, 1, count])];
    for (table, numbers) in tables {
        let at = find(&bytes, &format!("moov/trak/mdia/minf/stbl/{table}")).unwrap().content();
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        bytes[at..at + numbers.len()].copy_from_slice(&numbers);
    }
    bytes.extend(vec![0; count as usize]);
    bytes
}

#[test]
fn a_burst_leaves_one_large_context() {
    let _alone = alone();
    // What is freed goes back to the system at once. Else glibc keeps it in arenas, as much as the tests
    // before had large pieces (mallopt(3): the threshold goes up with what is freed).
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: always to be called.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
    // An index of 42 MB by estimate.
    let media = Media::open(Source::from_bytes(of_many_samples(700_000))).unwrap();
    // Its tables are small; what libav makes of them is not, and is made when packets are read.
    let (tables, begin) = (media.memory(), anonymous());
    assert!(tables < 10_000, "{tables} bytes");
    let by_libav = || Cut::new().keep(TimeRange::secs(0.2, 0.8).unwrap()).road(Road::Libav);
    cut(&media, &by_libav(), &none()).unwrap();
    let one = media.memory() - tables;
    assert!(one > 32 << 20, "{one} bytes");
    let barrier = Arc::new(Barrier::new(16));
    let burst = |media: &Media| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (media, barrier) = (media.clone(), barrier.clone());
                let (peak, met) = (Arc::new(Mutex::new(0)), AtomicBool::new(false));
                let (seen, looked_at) = (peak.clone(), media.clone());
                // All hold their contexts at the same time.
                let control = Control::new().progress(move |_| {
                    if !met.swap(true, Ordering::SeqCst) {
                        barrier.wait();
                        *seen.lock().unwrap() = looked_at.memory();
                        barrier.wait();
                    }
                });
                std::thread::spawn(move || {
                    let by_libav = Cut::new().keep(TimeRange::secs(0.2, 0.8).unwrap()).road(Road::Libav);
                    cut(&media, &by_libav, &control).unwrap();
                    *peak.lock().unwrap()
                })
            })
            .collect();
        bounded("16 cuts", move || {
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        })
    };
    for peak in burst(&media) {
        assert_eq!(peak, 16 * one + tables);
    }
    assert_eq!(media.memory(), one + tables, "one idle context");
    let held = anonymous().saturating_sub(begin);
    println!("{one} bytes a context by estimate; {held} bytes more after 16 at once");
    assert!(held < 2 * one, "{held} bytes");
    media.trim();
    assert_eq!(media.memory(), tables);
    // By tables no context is needed.
    cut(&media, &Cut::new().keep(TimeRange::secs(0.2, 0.8).unwrap()), &none()).unwrap();
    assert_eq!(media.memory(), tables);
    assert!(cut(&media, &by_libav(), &none()).is_ok());

    // Small ones stay open, as many as may be.
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    let tables = media.memory();
    cut(&media, &by_libav(), &none()).unwrap();
    let one = media.memory() - tables;
    burst(&media);
    assert_eq!(media.memory(), 16 * one + tables);
    media.set_max_contexts(3);
    assert_eq!(media.memory(), 3 * one + tables);
    // A stream has one context, and can't have another.
    let media =
        Media::open(Source::from_reader(std::fs::File::open(fast_start_clip()).unwrap(), "stream")).unwrap();
    media.trim();
    assert!(remux(&media, &Remux::new(), &none()).is_ok());
}

#[test]
fn operations_wait_for_a_context() {
    let _alone = alone();
    let media = Media::open(Source::open(clip()).unwrap()).unwrap();
    media.set_max_contexts(0);
    let at_once = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (media, one) = (media.clone(), media.memory());
            let at_once = at_once.clone();
            std::thread::spawn(move || {
                let looked_at = media.clone();
                let control = Control::new().progress(move |_| {
                    at_once.fetch_max((looked_at.memory() / one) as usize, Ordering::SeqCst);
                });
                cut(&media, &Cut::new().keep(TimeRange::secs(1.0, 4.0).unwrap()), &control).is_ok()
            })
        })
        .collect();
    assert!(bounded("8 cuts", move || threads.into_iter().all(|thread| thread.join().unwrap())));
    assert_eq!(at_once.load(Ordering::SeqCst), 1);
}

fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn memory_stays_far_below_the_payload() {
    let _alone = alone();
    let path = large_clip();
    let size = std::fs::metadata(&path).unwrap().len();
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    // 2 GB of result.
    let repeats = 2_000_000_000 / size;
    let before = anonymous();
    let mut settings = Cut::new();
    for _ in 0..repeats {
        settings = settings.keep(TimeRange::ALL);
    }
    let clip = cut(&media, &settings, &none()).unwrap();
    let held = anonymous().saturating_sub(before);
    println!("{} bytes of result, {held} of memory", clip.rope.len());
    assert!(held < 64 << 20, "{held} bytes");
    let sum: u64 = clip.rope.chunks().map(|chunk| chunk.unwrap().len() as u64).sum();
    assert_eq!(sum, clip.rope.len());
    let held = anonymous().saturating_sub(before);
    assert!(held < 64 << 20, "{held} bytes after reading it");
    // A muxer that copies streams into a sink with bounded memory.
    let peak = Arc::new(AtomicUsize::new(0));
    let seen = peak.clone();
    let control = Control::new().progress(move |_| {
        seen.fetch_max(anonymous() as usize, Ordering::SeqCst);
    });
    let (before, repeats) = (anonymous() as usize, 12);
    let mut settings = Cut::new().format("ts");
    for _ in 0..repeats {
        settings = settings.keep(TimeRange::ALL);
    }
    avrope::cut_to(&media, &settings, Sink::writer(std::io::sink()), &control).unwrap();
    let held = peak.load(Ordering::SeqCst).saturating_sub(before);
    println!("{} bytes streamed, {held} of memory", size * repeats);
    assert!(held < 64 << 20, "{held} bytes");
}
