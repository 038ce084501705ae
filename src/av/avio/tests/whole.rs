//! Through libav itself.

use super::*;

fn clip(name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let spec = crate::synth::Spec { duration: 2.0, ..crate::synth::Spec::default() };
    crate::synth::to_file(&spec, &path).unwrap();
    std::fs::read(path).unwrap()
}

const OPTIONS: OpenOptions =
    OpenOptions { ignore_edit_lists: true, raw: true, weighed: false, max_streams: 10 };

/// Opens, looks, and reads all packets of a device whose n-th read does something.
fn open_and_read(
    bytes: &Arc<Vec<u8>>,
    n: usize,
    drops: &Arc<AtomicUsize>,
    act: fn(&mut [u8]) -> Result<usize>,
) -> Result<usize> {
    let demuxer = Demuxer::probe("clip", |into| {
        let len = into.len().min(bytes.len());
        into[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    })?;
    let (data, mut calls) = (bytes.clone(), 0);
    let read: Reads = Box::new(move |at, into| {
        calls += 1;
        if calls - 1 == n {
            return act(into);
        }
        let from = usize::try_from(at).unwrap().min(data.len());
        // Small reads, so that there are many steps to fail at.
        let len = into.len().min(3000).min(data.len() - from);
        into[..len].copy_from_slice(&data[from..from + len]);
        Ok(len)
    });
    let device = Device { read, len: Some(bytes.len() as u64), drops: drops.clone() };
    let options = OpenOptions { raw: demuxer.is_mov(), ..OPTIONS };
    let mut input = Input::open(Box::new(device), demuxer, options, Control::new())?;
    if !options.raw {
        input.find_stream_info()?;
    }
    let mut packet = Packet::new()?;
    let mut count = 0;
    while input.read(&mut packet)? {
        count += 1;
    }
    Ok(count)
}

#[test]
fn teardown_at_every_step_and_callbacks_errors_win() {
    for name in ["clip.mp4", "clip.mkv", "clip.ts"] {
        let bytes = Arc::new(clip(name));
        let drops = Arc::new(AtomicUsize::new(0));
        let whole = open_and_read(&bytes, usize::MAX, &drops, |_| Ok(0)).unwrap();
        assert!(whole > 100, "{name}: {whole} packets");
        type Act = fn(&mut [u8]) -> Result<usize>;
        let acts: [(Act, ErrorKind); 4] = [
            (|_| Err(Error::new(ErrorKind::NotFound, "as planned")), ErrorKind::NotFound),
            (|_| panic!("as planned"), ErrorKind::Bug),
            (|into| Ok(into.len() + 1), ErrorKind::Bug),
            (|_| Err(Error::new(ErrorKind::DeadlineExceeded, "as planned")), ErrorKind::DeadlineExceeded),
        ];
        for (act, kind) in acts {
            let mut made = 1;
            for n in 0.. {
                let outcome = open_and_read(&bytes, n, &drops, act);
                made += 1;
                match outcome {
                    // The n-th read never came.
                    Ok(count) => {
                        assert_eq!(count, whole, "{name}: read {n}: an error was lost");
                        assert!(n > 20, "{name}: only {n} reads");
                        break;
                    }
                    Err(error) => assert_eq!(error.kind(), kind, "{name}: read {n}: {error}"),
                }
            }
            assert_eq!(drops.swap(1, Ordering::SeqCst), made, "{name}: each device is dropped once");
        }
        // In the middle of reading, with a packet in hand.
        let media = crate::Media::open(crate::Source::from_bytes(bytes.to_vec())).unwrap();
        let loan = media.demux(&Control::new(), false).unwrap();
        drop(media.clone());
        drop(loan);
    }
}

#[test]
fn what_claims_to_be_send_or_sync_is() {
    // Under `-Z sanitizer=thread` or valgrind's helgrind this would show a race; here it must at least agree.
    let source = crate::Source::from_bytes(clip("clip.mp4"));
    let media = crate::Media::open(source.clone()).unwrap();
    let control = Control::new();
    let settings = crate::Cut::new().keep(crate::TimeRange::secs(0.3, 1.7).unwrap());
    let rope = crate::cut(&media, &settings, &control).unwrap().rope;
    let want = rope.to_bytes().unwrap();
    let packets: Vec<_> = (0..8).map(|_| Packet::new().unwrap()).collect();
    let demuxer = media.demuxer();
    let lent = Arc::new(BufferRef::lend(vec![7u8; 1000]).unwrap());
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for mut packet in packets {
            let (media, rope, want, barrier, lent, settings) =
                (&media, &rope, &want, &barrier, lent.clone(), &settings);
            let source = source.clone();
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..10 {
                    assert_eq!(lent.len(), 1000);
                    packet.take_over(&lent).unwrap();
                    let copy = packet.share().unwrap();
                    packet.clear();
                    drop(copy);
                    assert!(demuxer.is_mov() && !demuxer.name().is_empty());
                    let own = crate::cut(media, settings, &Control::new()).unwrap().rope;
                    assert!(own.to_bytes().unwrap() == *want);
                    assert!(rope.slice(10..5000).unwrap().to_bytes().unwrap() == want[10..5000]);
                    assert_eq!(media.info().streams.len(), 2);
                    drop(crate::Media::open(source.clone()).unwrap());
                }
            });
        }
    });
    // Owners move to another thread and end there.
    let io = reader(Some(10), Control::new(), patterned(10));
    let out = writer(Some(0), Control::new(), false, |_, _| Ok(()));
    let packet = Packet::new().unwrap();
    std::thread::spawn(move || drop((io, out, packet, lent, media, rope))).join().unwrap();
}
