//! Sources of a caller's own: how many requests there are, how many at once, and what ends them.

use super::*;
use std::{ops::Range, sync::Condvar};

/// Bytes behind a callback that sees each request.
struct Watched<F> {
    bytes: Bytes,
    hints: Hints,
    seen: F,
}

impl<F: Fn(&Range<u64>, &Control) -> std::io::Result<()> + Send + Sync> ReadAt for Watched<F> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], control: &Control) -> std::io::Result<usize> {
        (self.seen)(&(offset..offset + buf.len() as u64), control)?;
        (&self.bytes[offset as usize..]).read(buf)
    }

    fn hints(&self) -> Hints {
        self.hints
    }
}

const BLOCK: usize = 64 << 10;

fn hints() -> Hints {
    Hints::new().block(BLOCK).read_ahead(BLOCK).cache(4 * BLOCK).requests(4).gap(4096)
}

/// A rope over all of a device.
fn rope_of(device: impl ReadAt + 'static) -> Rope {
    let source = Source::from_read_at(device, "far");
    Rope::try_from(source).unwrap()
}

fn noise(len: usize) -> Bytes {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect::<Vec<_>>().into()
}

#[test]
fn a_reader_has_as_many_requests_on_their_way_as_it_may() {
    // Each request waits until four have come: with fewer at a time this hangs.
    let came = Arc::new((Mutex::new(0), Condvar::new()));
    let bytes = noise(4 * BLOCK);
    let (expected, count) = (bytes.clone(), came.clone());
    let seen = move |_: &Range<u64>, _: &Control| {
        let (count, changed) = &*count;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        drop(changed.wait_while(count, |count| *count % 4 != 0).unwrap());
        Ok(())
    };
    let rope = rope_of(Watched { bytes, hints: hints(), seen });
    let ways: [fn(&Rope) -> Vec<u8>; 3] = [
        |rope| rope.to_bytes().unwrap().to_vec(),
        |rope| rope.chunks().flat_map(|chunk| chunk.unwrap()).collect(),
        |rope| {
            let mut all = Vec::new();
            rope.write_to(&mut all).unwrap();
            all
        },
    ];
    for way in ways {
        let rope = rope.clone();
        assert!(bounded("four requests at once", move || way(&rope)) == expected);
    }
    assert_eq!(*came.0.lock().unwrap(), 12);
}

#[test]
fn near_ranges_are_one_request_and_far_ones_are_not() {
    let (log, bytes) = (cell(Vec::new()), noise(8 * BLOCK));
    let seen = {
        let log = log.clone();
        move |range: &Range<u64>, _: &Control| {
            log.lock().unwrap().push(range.clone());
            Ok(())
        }
    };
    let rope = rope_of(Watched { bytes: bytes.clone(), hints: hints(), seen });
    let parts = [0..1000, 2000..3000, 7000..8000, 20_000..21_000, 21_000..22_000, 10..20];
    let parts = parts.map(|range| range.start as u64..range.end as u64);
    // Owned bytes between them change nothing.
    let mut ropes = Vec::new();
    let mut expected = Vec::new();
    for part in &parts {
        ropes.push(rope.slice(part.clone()).unwrap());
        ropes.push(Rope::from_bytes(&b"own"[..]));
        expected.extend_from_slice(&bytes[part.start as usize..part.end as usize]);
        expected.extend_from_slice(b"own");
    }
    assert_eq!(Rope::concat(&ropes).to_bytes().unwrap(), expected);
    let mut asked = std::mem::take(&mut *log.lock().unwrap());
    asked.sort_by_key(|range| (range.start, range.end));
    // 10..20 comes with the first.
    assert_eq!(asked, [0..8000, 20_000..22_000]);
}

#[test]
fn what_lies_between_scattered_parts_takes_memory_as_well() {
    // A hundred bytes in every 3,000: near enough to be read together, and 30 times as much as is needed.
    let (log, bytes) = (cell(Vec::new()), noise(64 * BLOCK));
    let seen = {
        let log = log.clone();
        move |range: &Range<u64>, _: &Control| {
            log.lock().unwrap().push(range.end - range.start);
            Ok(())
        }
    };
    let whole = rope_of(Watched { bytes: bytes.clone(), hints: hints(), seen });
    let parts: Vec<_> =
        (0..whole.len() / 3000).map(|i| whole.slice(i * 3000..i * 3000 + 100).unwrap()).collect();
    let mut chunks = Rope::concat(&parts).chunks();
    assert_eq!(chunks.next().unwrap().unwrap()[..], bytes[..100]);
    drop(chunks);
    let asked: u64 = log.lock().unwrap().iter().sum();
    assert!(asked <= hints().cache as u64, "{asked} bytes for the first 100");
    assert_eq!(Rope::concat(&parts).to_bytes().unwrap().len(), parts.len() * 100);
}

#[test]
fn a_device_that_gives_up_by_itself_is_an_error_and_not_asked_for_ever() {
    let late = |_: &Range<u64>, _: &Control| {
        Err(avrope::Error::new(DeadlineExceeded, "the store took too long").into())
    };
    let rope = rope_of(Watched { bytes: noise(BLOCK), hints: hints(), seen: late });
    let error = bounded("a device with a time limit of its own", move || rope.to_bytes()).unwrap_err();
    assert!(error.to_string().contains("the store took too long"), "{error}");
}

#[test]
fn one_far_piece_among_many_near_ones_costs_nothing() {
    let source = Source::from_bytes(&b"ab"[..]);
    let far =
        rope_of(Watched { bytes: noise(100), hints: hints(), seen: |_: &Range<u64>, _: &Control| Ok(()) });
    let near: Vec<_> = (0..100_000).map(|i| source.slice(i % 2..i % 2 + 1).unwrap()).collect();
    let mut parts: Vec<&Rope> = near.iter().collect();
    parts.insert(10, &far);
    parts.swap(50_000, 50_001);
    let rope = Rope::concat(parts.iter().copied());
    let read =
        bounded("a hundred thousand pieces", move || rope.chunks().map(|c| c.unwrap().len()).sum::<usize>());
    assert_eq!(read, 100_100);
}

#[test]
fn a_store_gives_its_own_buffers() {
    struct Store(Bytes, Arc<Mutex<Vec<Range<u64>>>>);
    impl ReadAt for Store {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, _: u64, _: &mut [u8], _: &Control) -> std::io::Result<usize> {
            Err(std::io::Error::other("it has ranges"))
        }
        fn read_ranges(&self, ranges: &[Range<u64>], _: &Control) -> Option<std::io::Result<Vec<Bytes>>> {
            self.1.lock().unwrap().extend(ranges.iter().cloned());
            Some(Ok(ranges.iter().map(|r| self.0.slice(r.start as usize..r.end as usize)).collect()))
        }
    }
    let (bytes, log) = (noise(1 << 20), cell(Vec::new()));
    let rope = rope_of(Store(bytes.clone(), log.clone()));
    let two = Rope::concat(&[rope.slice(10..20_000).unwrap(), rope.slice(30_000..40_000).unwrap()]);
    let chunks: Vec<Bytes> = two.chunks().map(|chunk| chunk.unwrap()).collect();
    assert_eq!(*log.lock().unwrap(), [10..20_000, 30_000..40_000]);
    let places: Vec<_> = chunks.iter().map(|chunk| chunk.as_ptr().addr() - bytes.as_ptr().addr()).collect();
    assert_eq!(places, [10, 30_000], "they are slices of the store's memory");
    // What is media is opened and cut by it as well.
    let file: Bytes = std::fs::read(clip()).unwrap().into();
    let want = bytes_of(Source::from_bytes(file.clone()));
    assert_eq!(bytes_of(Source::from_read_at(Store(file, log), "store")), want);
}

#[test]
fn a_store_that_gives_other_ranges_is_told() {
    struct Liar(usize);
    impl ReadAt for Liar {
        fn len(&self) -> u64 {
            1000
        }
        fn read_at(&self, _: u64, _: &mut [u8], _: &Control) -> std::io::Result<usize> {
            Ok(0)
        }
        fn read_ranges(&self, _: &[Range<u64>], _: &Control) -> Option<std::io::Result<Vec<Bytes>>> {
            Some(Ok(vec![noise(999); self.0]))
        }
    }
    for count in [0, 1, 2] {
        refused(rope_of(Liar(count)).to_bytes(), &[Bug], "other ranges");
    }
}

#[test]
fn an_object_that_was_replaced_is_an_error() {
    struct Versioned(Bytes, Arc<AtomicUsize>);
    impl ReadAt for Versioned {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
            (&self.0[offset as usize..]).read(buf)
        }
        fn version(&self) -> Option<String> {
            Some(format!("\"{}\"", self.1.load(Ordering::SeqCst)))
        }
    }
    let version = Arc::new(AtomicUsize::new(1));
    let bytes: Bytes = std::fs::read(clip()).unwrap().into();
    let media = Media::open(Source::from_read_at(Versioned(bytes, version.clone()), "object")).unwrap();
    let rope = cut(&media, &range(1.0, 2.0), &none()).unwrap().rope;
    let whole = rope.to_bytes().unwrap();
    version.store(2, Ordering::SeqCst);
    let error = refused(rope.to_bytes(), &[Io], "replaced");
    assert!(error.to_string().contains("its version went from \"1\" to \"2\""), "{error}");
    assert_eq!(error.source_name(), Some("object"));
    version.store(1, Ordering::SeqCst);
    assert_eq!(rope.to_bytes().unwrap(), whole);
}

#[test]
fn cancel_and_deadline_end_a_request_that_waits() {
    let (cancelled, seen_by_device) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
    let token = cancelled.clone();
    let waits = {
        let ended = seen_by_device.clone();
        move |_: &Range<u64>, control: &Control| {
            token.cancel();
            while control.check().is_ok() {
                std::thread::yield_now();
            }
            ended.fetch_add(1, Ordering::SeqCst);
            Ok(control.check()?)
        }
    };
    let rope = rope_of(Watched { bytes: noise(BLOCK), hints: hints(), seen: waits });
    let reader = rope.clone();
    let outcome = bounded("a cancelled request", move || {
        let mut all = Vec::new();
        reader.reader().control(&Control::new().cancel_token(cancelled)).read_to_end(&mut all)
    });
    refused(outcome.map_err(avrope::Error::from), &[Cancelled], "cancelled");
    // A request that nobody needs any longer is ended, too: the reader is gone.
    while seen_by_device.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }

    // A device that looks at nothing holds its thread, and nobody else.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let deaf = move |_: &Range<u64>, control: &Control| {
        assert!(control.remaining().is_some(), "it could know");
        let _ = gate.lock().unwrap().recv();
        Ok(())
    };
    let rope = rope_of(Watched { bytes: noise(BLOCK), hints: hints(), seen: deaf });
    let outcome = bounded("a deaf device", move || {
        let control = Control::new().timeout(Duration::from_millis(50));
        rope.chunks().control(&control).try_for_each(|chunk| chunk.map(drop))
    });
    refused(outcome, &[DeadlineExceeded], "late");
    drop(open);
}

#[test]
fn ropes_are_built_of_ropes_bytes_and_sources() {
    let bytes = noise(1000);
    let source = Source::from_bytes(bytes.clone());
    let whole = Rope::try_from(source.clone()).unwrap();
    let rope = Rope::concat(&[
        Rope::from(Bytes::from_static(b"head")),
        source.slice(10..20).unwrap(),
        source.slice(20..30).unwrap(),
        Rope::default(),
        whole.slice(500..).unwrap(),
    ]);
    assert_eq!(rope.len(), 4 + 20 + 500);
    assert_eq!(rope.to_bytes().unwrap(), [b"head", &bytes[10..30], &bytes[500..]].concat());
    // Neighbours of one source are one segment.
    let segments: Vec<_> = rope.slices().collect();
    assert_eq!(segments.iter().map(|s| s.len).collect::<Vec<_>>(), [4, 20, 500]);
    let (of, at) = segments[1].source.as_ref().unwrap();
    assert!(of.is_same(&source) && *at == 10);
    assert!(!of.is_same(&Source::from_bytes(bytes)));
    refused(source.slice(990..1001), &[ErrorKind::InvalidArgument], "beyond its end");
    let stream = Source::from_reader(std::io::empty(), "stream");
    refused(Rope::try_from(stream.clone()), &[ErrorKind::Unsupported], "a stream");
    refused(stream.slice(..), &[ErrorKind::Unsupported], "a stream");
    // A source is read without media in it.
    let mut part = [0; 16];
    assert_eq!(source.read_at(995, &mut part, &none()).unwrap(), 5);
    assert_eq!(part[..5], noise(1000)[995..]);
}

/// What a cut of a far source gives, and the requests that it made: how many, and of how many bytes.
fn counted(bytes: &Bytes, hints: Hints, (from, to): (f64, f64)) -> (Result<Bytes>, usize, u64) {
    let log = cell(Vec::new());
    let seen = {
        let log = log.clone();
        move |range: &Range<u64>, _: &Control| {
            log.lock().unwrap().push(range.end - range.start);
            Ok(())
        }
    };
    let source = Source::from_read_at(Watched { bytes: bytes.clone(), hints, seen }, "far");
    let media = Media::open(source).unwrap();
    let outcome = cut(&media, &range(from, to), &none()).and_then(|clip| clip.rope.to_bytes());
    let log = log.lock().unwrap();
    (outcome, log.len(), log.iter().sum())
}

fn transport_stream(of: &Path) -> Bytes {
    let media = Media::open(Source::open(of).unwrap()).unwrap();
    remux(&media, &Remux::new().format("ts"), &none()).unwrap().rope.to_bytes().unwrap()
}

#[test]
fn a_transport_stream_is_cut_with_few_requests() {
    let stream = transport_stream(&large_clip());
    let media = Media::open(Source::from_bytes(stream.clone())).unwrap();
    let length = media.duration().unwrap().as_secs_f64();
    let mut most = 0;
    for part in [0.1, 0.35, 0.6, 0.85] {
        let range_s = (length * part, length * part + 2.0);
        let near = cut(&media, &range(range_s.0, range_s.1), &none()).unwrap().rope.to_bytes().unwrap();
        let (outcome, requests, bytes) = counted(&stream, Hints::new(), range_s);
        assert!(outcome.unwrap() == near, "{range_s:?}");
        println!("{range_s:?} of {length} s, {} bytes: {requests} requests, {bytes} bytes", stream.len());
        most = most.max(requests);
    }
    // Four to open it. The rest goes to where the keyframe is, which may lie further back than a second.
    assert!(most <= 12, "{most} requests");
}

#[test]
fn a_search_finds_the_same_far_and_near() {
    // A stream of another rate in the middle, and with it clocks that jump.
    let one = transport_stream(&clip());
    let other = transport_stream(&large_clip());
    let other = other.slice(..other.len().min(4 << 20) / 188 * 188);
    for stream in [one.clone(), Bytes::from([&one[..], &other, &one].concat())] {
        let media = Media::open(Source::from_bytes(stream.clone())).unwrap();
        for (from, to) in [(0.0, 1.0), (1.3, 2.0), (3.9, 4.4), (5.0, 6.5), (7.7, 9.0), (9.5, 9.9)] {
            let near = cut(&media, &range(from, to), &none()).and_then(|clip| clip.rope.to_bytes());
            for hints in [Hints::new(), hints(), hints().requests(1).cache(0)] {
                let (far, ..) = counted(&stream, hints, (from, to));
                match (&near, far) {
                    (Ok(near), Ok(far)) => assert!(*near == far, "{from} to {to}"),
                    (near, far) => assert_eq!(near.is_ok(), far.is_ok(), "{from} to {to}"),
                }
            }
        }
    }
}
