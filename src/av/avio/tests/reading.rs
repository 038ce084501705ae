//! What libav reads.

use super::*;
use crate::{Limits, av::avio::read::DirectRead};

#[test]
fn a_panic_becomes_an_error_and_poisons() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut io = reader(Some(100), Control::new(), move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        panic!("of the {}", "device");
    });
    assert_eq!(io.avio_read(&mut [0; 10]), ff::AVERROR_EXIT);
    let error = io.take_error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Bug);
    assert!(error.to_string().contains("of the device"), "{error}");
    // The device is never called again, and libav never gets a byte.
    assert_eq!(io.call(10), ff::AVERROR_EXIT);
    assert!(io.seek_call(0, libc::SEEK_SET) < 0);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_whose_payload_panics_when_dropped_does_not_cross() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a second panic");
        }
    }
    let mut io = reader(Some(100), Control::new(), |_, _| std::panic::panic_any(Bomb));
    assert_eq!(io.call(10), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Bug);
}

#[test]
fn a_poisoned_device_stays_a_bug() {
    // Whoever goes on after the first error must not be told that somebody cancelled.
    let mut io = reader(Some(100), Control::new(), |_, _| panic!("once"));
    io.call(10);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Bug);
    assert!(io.call(10) < 0);
    assert_eq!(io.take_error().map(|e| e.kind()), Some(ErrorKind::Bug));
}

#[test]
fn a_forged_length_is_refused() {
    for forged in [11, 4096, usize::MAX] {
        let mut io = reader(Some(100), Control::new(), move |_, _| Ok(forged));
        assert_eq!(io.call(10), ff::AVERROR_EXIT);
        assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Bug);
        assert_eq!(io.call(10), ff::AVERROR_EXIT, "and the device is not trusted again");
    }
}

#[test]
fn zero_is_the_end_and_does_not_spin() {
    for len in [None, Some(1000)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let mut io = reader(len, Control::new(), move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(0)
        });
        assert_eq!(io.call(10), ff::AVERROR_EOF);
        assert_eq!(io.avio_read(&mut [0; 100]), ff::AVERROR_EOF);
        assert!(io.take_error().is_none(), "an end is no error");
        assert!(calls.load(Ordering::SeqCst) <= 4, "{} calls", calls.load(Ordering::SeqCst));
    }
    // No room is the end as well, not a call with an empty slice.
    let mut io = reader(Some(10), Control::new(), |_, _| panic!("asked for nothing"));
    assert_eq!(io.call(0), ff::AVERROR_EOF);
    assert!(io.call(-1) < 0);
}

#[test]
fn the_end_leaves_avios_buffer_as_it_is() {
    for len in [Some(5000), None] {
        let mut io = reader(len, Control::new(), patterned(5000));
        let (mut all, mut again) = (vec![0; 6000], vec![0; 5000]);
        assert_eq!(io.avio_read(&mut all), 5000);
        // libav goes back in its buffer without a call; Ogg's demuxer does so after a look at the end of a
        // file.
        assert_eq!(io.avio_seek(0), 0);
        assert_eq!(io.avio_read(&mut again), 5000);
        assert!(again[..] == all[..5000], "{len:?}: other bytes than at first");
    }
}

#[test]
fn short_reads_add_up() {
    let mut io = reader(Some(100_000), Control::new(), |at, into| {
        let some = into.len().min(1 + (at % 7) as usize);
        Ok(pattern(at, &mut into[..some]))
    });
    let mut got = vec![0; 5000];
    assert_eq!(io.avio_read(&mut got), 5000);
    let mut want = vec![0; 5000];
    pattern(0, &mut want);
    assert_eq!(got, want);
}

#[test]
fn bytes_that_the_device_did_not_write_are_zero() {
    // A device that claims more than it wrote shows zeros, never what lay in memory before.
    let mut io = reader(Some(100), Control::new(), |_, into| {
        into[0] = 7;
        Ok(into.len())
    });
    let mut into = [0xaa; 50];
    assert_eq!(io.call_into(&mut into), 50);
    assert_eq!(into[..3], [7, 0, 0]);
    assert!(into[1..].iter().all(|b| *b == 0));
}

#[test]
fn seeks_are_judged() {
    let far = i64::MAX;
    for (pos, len, offset, whence, want) in [
        (5, Some(100), 0, ff::AVSEEK_SIZE, Some(100)),
        (5, Some(100), 77, ff::AVSEEK_SIZE | ff::AVSEEK_FORCE, Some(100)),
        (5, None, 0, ff::AVSEEK_SIZE, None),
        (5, Some(100), 7, libc::SEEK_SET, Some(7)),
        (5, Some(100), 7, libc::SEEK_SET | ff::AVSEEK_FORCE, Some(7)),
        (5, Some(100), -1, libc::SEEK_SET, None),
        (5, Some(100), i64::MIN, libc::SEEK_SET, None),
        (5, Some(100), 500, libc::SEEK_SET, Some(500)),
        (5, Some(100), far, libc::SEEK_SET, Some(far as u64)),
        (5, Some(100), -5, libc::SEEK_CUR, Some(0)),
        (5, Some(100), -6, libc::SEEK_CUR, None),
        (u64::MAX, Some(100), 1, libc::SEEK_CUR, None),
        (5, Some(100), -100, libc::SEEK_END, Some(0)),
        (5, Some(100), -101, libc::SEEK_END, None),
        (5, Some(100), 10, libc::SEEK_END, Some(110)),
        (5, Some(u64::MAX), 1, libc::SEEK_END, None),
        (5, None, 0, libc::SEEK_END, None),
        (5, Some(100), 0, 3, None),
        (5, Some(100), 0, -1, None),
    ] {
        assert_eq!(seek_to(pos, len, offset, whence), want, "{pos} {len:?} {offset} {whence:#x}");
    }
}

#[test]
fn a_refused_seek_stays_where_it_was() {
    let mut io = reader(Some(1000), Control::new(), patterned(1000));
    assert_eq!(io.seek_call(500, libc::SEEK_SET), 500);
    assert!(io.seek_call(-1, libc::SEEK_SET) < 0);
    assert!(io.seek_call(-501, libc::SEEK_CUR) < 0);
    assert_eq!(io.seek_call(0, ff::AVSEEK_SIZE), 1000);
    assert_eq!(io.seek_call(0, libc::SEEK_CUR), 500, "neither a refusal nor a question moves it");
    let mut into = [0; 1];
    assert_eq!(io.call_into(&mut into), 1);
    assert_eq!(into, [(500 % 251) as u8]);
    // A length that is no i64 is an overflow, not a negative position.
    let mut io = reader(Some(u64::MAX), Control::new(), patterned(10));
    assert_eq!(io.seek_call(0, ff::AVSEEK_SIZE), i64::from(-libc::EOVERFLOW));
}

#[test]
fn past_the_end_is_the_end() {
    let mut io = reader(Some(1000), Control::new(), patterned(1000));
    // Far enough that libav seeks, and does not read on to there.
    assert_eq!(io.avio_seek(10_000_000), 10_000_000);
    assert_eq!(io.avio_read(&mut [0; 10]), ff::AVERROR_EOF);
    assert!(io.take_error().is_none());
    // And back.
    assert_eq!(io.avio_seek(990), 990);
    let mut into = [0; 20];
    assert_eq!(io.avio_read(&mut into), 10);
    let mut want = [0; 10];
    pattern(990, &mut want);
    assert_eq!(into[..10], want);
}

#[test]
fn cancel_and_deadline_are_seen_in_every_callback() {
    let token = CancelToken::new();
    let mut io = reader(Some(1000), Control::new().cancel_token(token.clone()), patterned(1000));
    assert_eq!(io.call(10), 10);
    token.cancel();
    assert_eq!(io.call(10), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Cancelled);
    assert_eq!(io.seek_call(0, libc::SEEK_SET), i64::from(ff::AVERROR_EXIT));
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Cancelled);
    // It is not poisoned: a new control brings it back.
    io.set_control(Control::new());
    assert_eq!(io.call(10), 10);
    io.set_control(Control::new().timeout(Duration::ZERO));
    assert_eq!(io.call(10), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::DeadlineExceeded);

    let mut io = writer(Some(0), Control::new().timeout(Duration::ZERO), false, |_, _| Ok(()));
    assert_eq!(io.call(b"bytes"), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::DeadlineExceeded);
    let token = CancelToken::new();
    token.cancel();
    let mut io = writer(Some(0), Control::new().cancel_token(token), false, |_, _| Ok(()));
    assert_eq!(io.call(b"bytes"), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Cancelled);
}

#[test]
fn the_first_error_is_kept_and_the_sticky_one_cleared() {
    let mut failures = vec!["second", "first"];
    let mut io = reader(Some(100_000), Control::new(), move |at, into| match failures.pop() {
        Some(text) => Err(Error::new(ErrorKind::Io, text)),
        None => Ok(pattern(at, into)),
    });
    assert!(io.call(10) < 0);
    assert!(io.call(10) < 0);
    assert_eq!(io.take_error().unwrap().to_string(), "first");
    assert!(io.take_error().is_none());
    // Through AVIO: its own error is sticky, and gone when ours was taken.
    let mut fail = true;
    let mut io = reader(Some(100_000), Control::new(), move |at, into| {
        if std::mem::take(&mut fail) { Err(Error::new(ErrorKind::Io, "once")) } else { Ok(pattern(at, into)) }
    });
    assert!(io.avio_read(&mut [0; 10]) < 0);
    assert!(io.take_error().is_some());
    // SAFETY: the context is live.
    assert_eq!(unsafe { (*io.as_ptr()).error }, 0);
}

/// Puts a larger buffer in place of AVIO's, as libav does (ffio_realloc_buf, ffio_rewind_with_probe_data).
fn replace_buffer(io: &mut ReadIo, size: usize) {
    // SAFETY: the fields are public, and the new buffer comes from av_malloc as the old one did.
    unsafe {
        let pb = io.as_ptr();
        let buffer = ff::av_mallocz(size).cast::<u8>();
        assert!(!buffer.is_null());
        ff::av_free((*pb).buffer.cast());
        (*pb).buffer = buffer;
        (*pb).buffer_size = c_int::try_from(size).unwrap();
        (*pb).buf_ptr = buffer;
        (*pb).buf_end = buffer;
    }
}

#[test]
fn libav_may_replace_the_buffer() {
    // The current buffer is freed, not the first one: valgrind would say so.
    let mut io = reader(Some(1 << 20), Control::new(), patterned(1 << 20));
    replace_buffer(&mut io, 300_000);
    let mut got = vec![0; 100_000];
    assert_eq!(io.avio_read(&mut got), 100_000);
    let mut want = vec![0; 100_000];
    pattern(0, &mut want);
    assert!(got == want);
}

#[test]
fn a_replaced_buffer_is_avios_buffer_to_its_end() {
    let mut io = reader(Some(1 << 20), Control::new(), patterned(1 << 20));
    replace_buffer(&mut io, 300_000);
    io.set_direct(true, true);
    // libav fills the rest of its own, larger buffer: no packet's bytes, and not to be elided.
    // SAFETY: inside the buffer that was put there, and the state is the context's own.
    let (code, first) = unsafe {
        let into = (*io.as_ptr()).buffer.add(100_000);
        into.write(0xee);
        (read(io.opaque(), into, 1000), into.add(1).read())
    };
    assert_eq!(code, 1000);
    assert_eq!(io.payload().direct, None, "AVIO's own buffer was taken for a packet's");
    assert_eq!(first, 1, "the bytes were elided");
}

#[test]
fn the_end_in_a_replaced_buffer_is_no_cut_off_payload() {
    let mut io = reader(None, Control::new(), |_, _| Ok(0));
    replace_buffer(&mut io, 300_000);
    // SAFETY: as above.
    let code = unsafe { read(io.opaque(), (*io.as_ptr()).buffer.add(100_000), 1000) };
    assert_eq!(code, ff::AVERROR_EOF);
    assert!(!io.payload().ran_out, "an ordinary end was taken for a packet that is cut short");
}

#[test]
fn direct_reads_are_booked() {
    let mut io = reader(Some(100_000), Control::new(), patterned(100_000));
    io.set_direct(true, false);
    assert_eq!(io.avio_seek(1234), 1234);
    let mut into = vec![0; 5000];
    assert_eq!(io.avio_read(&mut into), 5000);
    let want = DirectRead { address: into.as_ptr().addr(), len: 5000, at: 1234, elided: false };
    assert_eq!(io.payload().direct, Some(want));
    io.begin(Reading::Packets(1));
    assert_eq!(io.payload().direct, None);
    let mut expected = vec![0; 5000];
    pattern(1234, &mut expected);
    assert!(into == expected);
    // A read of AVIO's own buffer is none.
    // SAFETY: the context is live.
    unsafe { ff::avio_r8(io.as_ptr()) };
    assert_eq!(io.payload().direct, None);
}

#[test]
fn among_others_each_packet_has_a_bound_and_all_together_have_none() {
    let control = Control::new().limits(Limits { packet_bytes: 100_000, ..Limits::default() });
    let reads = Arc::new(AtomicUsize::new(0));
    let count = reads.clone();
    let mut device = patterned(100 << 20);
    let mut io = reader(Some(100 << 20), control, move |at, into| {
        count.fetch_add(into.len(), Ordering::SeqCst);
        device(at, into)
    });
    io.begin(Reading::Among);
    // Packets that are left out, each behind a header.
    let mut packet = vec![0; 90_000];
    for at in 0..40 {
        io.avio_seek(at * 1_000_000);
        // SAFETY: the context is live.
        unsafe { ff::avio_rb32(io.as_ptr()) };
        assert_eq!(io.avio_read(&mut packet), 90_000, "{at}: {:?}", io.take_error());
    }
    // One that is larger is not read; nor is one that comes in pieces.
    io.avio_seek(50_000_000);
    let before = reads.load(Ordering::SeqCst);
    assert!(io.call_into(&mut vec![0; 200_000]) < 0);
    assert_eq!(io.take_error().map(|e| e.kind()), Some(ErrorKind::LimitExceeded));
    assert_eq!(reads.load(Ordering::SeqCst), before);
    io.avio_seek(60_000_000);
    // SAFETY: the context is live.
    unsafe { ff::avio_rb32(io.as_ptr()) };
    assert_eq!([60_000, 60_000].map(|size| io.call_into(&mut vec![0; size]).signum()), [1, -1]);
    assert_eq!(io.take_error().map(|e| e.kind()), Some(ErrorKind::LimitExceeded));
}

#[test]
fn elided_reads_touch_nothing_and_end_where_the_device_ends() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut device = patterned(10_000);
    let mut io = reader(Some(10_000), Control::new(), move |at, into| {
        count.fetch_add(1, Ordering::SeqCst);
        device(at, into)
    });
    io.set_direct(true, true);
    io.avio_seek(6000);
    let mut into = vec![0xaa; 3000];
    assert_eq!(io.avio_read(&mut into), 3000);
    assert!(into.iter().all(|b| *b == 0xaa), "nothing was written");
    assert_eq!(calls.load(Ordering::SeqCst), 0, "nothing was read");
    let read = io.payload().direct.unwrap();
    assert_eq!((read.address, read.len, read.at, read.elided), (into.as_ptr().addr(), 3000, 6000, true));
    // Only 1000 are left, and then it is the end.
    assert_eq!(io.avio_read(&mut into), 1000);
    assert_eq!(io.avio_read(&mut into), ff::AVERROR_EOF);
    assert!(io.payload().ran_out);
    io.begin(Reading::Packets(1));
    assert!(!io.payload().ran_out);
    // Scalars are read all the same.
    io.avio_seek(7);
    // SAFETY: the context is live.
    assert_eq!(unsafe { ff::avio_r8(io.as_ptr()) }, 7);
    assert!(calls.load(Ordering::SeqCst) > 0);
    // Elide without direct is nothing.
    io.set_direct(false, true);
    io.avio_seek(0);
    assert_eq!(io.avio_read(&mut into), 3000);
    assert_eq!(into[250], 250);
}
