//! Every operation with every kind of sink, cancelled, late or spoilt by a callback: an error, and nothing is
//! left.

use super::*;

/// Every operation with every kind of sink, as something to be interrupted.
type Operation = fn(&Path, &Path, &Control) -> Result<()>;

fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("open", |input, _, c| Media::open_with(Source::open(input)?, c).map(drop)),
        ("probe", |input, _, c| open(input)?.probe(c).map(drop)),
        ("cut to rope", |input, _, c| cut(&open(input)?, &range(0.0, 6.0), c).map(drop)),
        ("cut to mkv rope", |input, _, c| cut(&open(input)?, &range(0.0, 6.0).format("mkv"), c).map(drop)),
        ("cut to file", |input, out, c| {
            cut_to(&open(input)?, &range(0.0, 6.0), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("cut to mkv file", |input, out, c| {
            cut_to(&open(input)?, &range(0.0, 6.0), Sink::file(out.join("o.mkv")), c).map(drop)
        }),
        ("cut to writer", |input, _, c| {
            cut_to(&open(input)?, &range(0.0, 6.0).format("mp4"), Sink::writer(std::io::sink()), c).map(drop)
        }),
        ("cut to ts writer", |input, _, c| {
            cut_to(&open(input)?, &range(0.0, 6.0).format("ts"), Sink::writer(std::io::sink()), c).map(drop)
        }),
        ("cut to channel", |input, _, c| {
            let (chunks, receiver) = avrope::io::channel(1);
            let drain = std::thread::spawn(move || receiver.count());
            let outcome =
                cut_to(&open(input)?, &range(0.0, 6.0).format("mp4"), Sink::channel(chunks), c).map(drop);
            drain.join().unwrap();
            outcome
        }),
        ("remux to file", |input, out, c| {
            remux_to(&open(input)?, &Remux::new(), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("remux to ts file", |input, out, c| {
            remux_to(&open(input)?, &Remux::new(), Sink::file(out.join("o.ts")), c).map(drop)
        }),
        ("join to file", |input, out, c| {
            let sources = [Source::open(input)?, Source::open(input)?, Source::open(input)?];
            join_to(&sources, &Join::new(), Sink::file(out.join("o.mp4")), c).map(drop)
        }),
        ("save", |input, out, c| {
            cut(&open(input)?, &range(0.0, 6.0), &none())?.rope.save(out.join("o.mp4"), SaveOptions::new(), c)
        }),
        ("save from memory", |input, out, c| {
            let media = Media::open(Source::from_bytes(std::fs::read(input).unwrap()))?;
            cut(&media, &range(0.0, 6.0), &none())?.rope.save(out.join("o.mp4"), SaveOptions::new(), c)
        }),
        ("write_to_fd", |input, out, c| {
            let file = std::fs::File::options().write(true).open("/dev/null").unwrap();
            let _ = out;
            cut(&open(input)?, &range(0.0, 6.0), &none())?.rope.write_to_fd(file, c)
        }),
    ]
}

#[test]
fn cancelled_or_late_before_it_begins() {
    let mut wrong = Vec::new();
    let input = clip();
    for (name, operation) in operations() {
        let out = tempfile::tempdir().unwrap();
        let token = CancelToken::new();
        token.cancel();
        for (control, kind) in [
            (Control::new().cancel_token(token), ErrorKind::Cancelled),
            (Control::new().timeout(Duration::ZERO), ErrorKind::DeadlineExceeded),
        ] {
            match operation(&input, out.path(), &control) {
                Err(error) if error.kind() == kind => {}
                Err(error) => wrong.push(format!("{name}, {kind:?}: {:?} {error}", error.kind())),
                Ok(()) => wrong.push(format!("{name}, {kind:?}: went well")),
            }
        }
        assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn cancelled_at_every_report_of_progress() {
    let mut wrong = Vec::new();
    let input = large_clip();
    for (name, operation) in operations() {
        let stages = cell(Vec::new());
        let seen = stages.clone();
        let out = tempfile::tempdir().unwrap();
        operation(&input, out.path(), &Control::new().progress(move |p| seen.lock().unwrap().push(p)))
            .unwrap();
        let stages = stages.lock().unwrap().clone();
        for stop_at in 0..stages.len() {
            let last = stages[stop_at].done == stages[stop_at].total && stages[stop_at].stage == Stage::Save;
            let out = tempfile::tempdir().unwrap();
            let (token, count) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
            let stop = token.clone();
            let control = Control::new().cancel_token(token).progress(move |_| {
                if count.fetch_add(1, Ordering::SeqCst) == stop_at {
                    stop.cancel();
                }
            });
            let what =
                format!("{name}, cancelled at report {stop_at} of {} ({:?})", stages.len(), stages[stop_at]);
            match operation(&input, out.path(), &control) {
                // When all is done and only the name is missing, both are right.
                Ok(()) if last => {}
                Ok(()) => wrong.push(format!("{what}: went on to the end")),
                Err(error) => {
                    if error.kind() != ErrorKind::Cancelled {
                        wrong.push(format!("{what}: {error}"));
                    }
                    assert!(entries(out.path()).is_empty(), "{what}: leaves {:?}", entries(out.path()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_panic_in_the_progress_callback_is_an_error() {
    let input = large_clip();
    for (name, operation) in operations() {
        let reports = Arc::new(AtomicUsize::new(0));
        let count = reports.clone();
        let out = tempfile::tempdir().unwrap();
        operation(
            &input,
            out.path(),
            &Control::new().progress(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            }),
        )
        .unwrap();
        for panic_at in 0..reports.load(Ordering::SeqCst).min(6) {
            let out = tempfile::tempdir().unwrap();
            let count = AtomicUsize::new(0);
            let control = Control::new()
                .progress(move |_| assert!(count.fetch_add(1, Ordering::SeqCst) != panic_at, "as planned"));
            refused(operation(&input, out.path(), &control), &[ErrorKind::Bug], name);
            assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
        }
    }
}

#[test]
fn cancelled_from_another_thread_at_any_time() {
    let input = large_clip();
    for (name, operation) in operations() {
        for delay in [0u64, 50, 200, 1000, 3000] {
            let out = tempfile::tempdir().unwrap();
            let token = CancelToken::new();
            let control = Control::new().cancel_token(token.clone());
            let (go, gone) = std::sync::mpsc::sync_channel::<()>(0);
            let canceller = std::thread::spawn(move || {
                gone.recv().unwrap();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_micros(delay) {
                    std::hint::spin_loop();
                }
                token.cancel();
            });
            go.send(()).unwrap();
            let outcome = operation(&input, out.path(), &control);
            canceller.join().unwrap();
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{name} after {delay} us: {error}");
                assert!(entries(out.path()).is_empty(), "{name}: leaves {:?}", entries(out.path()));
            }
        }
    }
}
