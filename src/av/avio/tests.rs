//! The pitfalls of AVIO that a test can show, by calling what libav calls, and through libav itself.

use super::*;
use crate::{
    CancelToken,
    av::{
        buffer::BufferRef,
        demuxer::Demuxer,
        input::{Input, OpenOptions},
        packet::Packet,
    },
};
use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

type Reads = Box<dyn FnMut(u64, &mut [u8]) -> Result<usize> + Send>;

/// A device of closures.
struct Device {
    read: Reads,
    len: Option<u64>,
    drops: Arc<AtomicUsize>,
}

impl ReadDevice for Device {
    fn read(&mut self, at: u64, into: &mut [u8], _control: &Control) -> Result<usize> {
        (self.read)(at, into)
    }
    fn len(&self) -> Option<u64> {
        self.len
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

fn reader(
    len: Option<u64>,
    control: Control,
    read: impl FnMut(u64, &mut [u8]) -> Result<usize> + Send + 'static,
) -> ReadIo {
    let device = Device { read: Box::new(read), len, drops: Arc::default() };
    ReadIo::new(Box::new(device), control).unwrap()
}

/// Counts up: byte n of the device is n modulo 251.
fn pattern(at: u64, into: &mut [u8]) -> usize {
    for (i, byte) in into.iter_mut().enumerate() {
        *byte = ((at + i as u64) % 251) as u8;
    }
    into.len()
}

fn patterned(len: u64) -> impl FnMut(u64, &mut [u8]) -> Result<usize> + Send {
    move |at, into| {
        let left = usize::try_from(len.saturating_sub(at)).unwrap().min(into.len());
        Ok(pattern(at, &mut into[..left]))
    }
}

impl ReadIo {
    fn opaque(&self) -> *mut c_void {
        self.0.state.as_ptr().cast()
    }

    /// As libav fills its own buffer.
    fn call(&mut self, size: c_int) -> c_int {
        // SAFETY: the context's own state and buffer.
        unsafe { read(self.opaque(), (*self.as_ptr()).buffer, size) }
    }

    /// As libav reads into a packet.
    fn call_into(&mut self, into: &mut [u8]) -> c_int {
        // SAFETY: the context's own state, and a live slice.
        unsafe { read(self.opaque(), into.as_mut_ptr(), c_int::try_from(into.len()).unwrap()) }
    }

    fn seek_call(&mut self, offset: i64, whence: c_int) -> i64 {
        // SAFETY: the context's own state.
        unsafe { read_seek(self.opaque(), offset, whence) }
    }

    fn avio_read(&mut self, into: &mut [u8]) -> c_int {
        // SAFETY: the context is live, and so is the slice.
        unsafe { ff::avio_read(self.as_ptr(), into.as_mut_ptr(), c_int::try_from(into.len()).unwrap()) }
    }

    fn avio_seek(&mut self, to: i64) -> i64 {
        // SAFETY: the context is live.
        unsafe { ff::avio_seek(self.as_ptr(), to, libc::SEEK_SET) }
    }
}

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

type Writes = Box<dyn FnMut(u64, Chunk<'_>) -> Result<()> + Send>;

struct WriterDevice(Writes, Option<u64>);

impl WriteDevice for WriterDevice {
    fn write(&mut self, at: u64, chunk: Chunk<'_>) -> Result<()> {
        self.1 = self.1.map(|len| len.max(at + chunk.data.len() as u64));
        (self.0)(at, chunk)
    }
    fn len(&self) -> Option<u64> {
        self.1
    }
}

fn writer(
    len: Option<u64>,
    control: Control,
    direct: bool,
    write: impl FnMut(u64, Chunk<'_>) -> Result<()> + Send + 'static,
) -> WriteIo {
    WriteIo::new(Box::new(WriterDevice(Box::new(write), len)), control, direct).unwrap()
}

impl WriteIo {
    fn call(&mut self, data: &[u8]) -> c_int {
        // SAFETY: the context's own state, and a live slice.
        unsafe {
            write(
                self.0.state.as_ptr().cast(),
                data.as_ptr().cast_mut().cast_const() as Out,
                c_int::try_from(data.len()).unwrap(),
            )
        }
    }

    fn seek_call(&mut self, offset: i64, whence: c_int) -> i64 {
        // SAFETY: the context's own state.
        unsafe { write_seek(self.0.state.as_ptr().cast(), offset, whence) }
    }
}

#[test]
fn writes_are_whole_or_errors() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let all = got.clone();
    let mut io = writer(Some(0), Control::new(), false, move |at, chunk| {
        all.lock().unwrap().push((at, chunk.data.to_vec(), chunk.origin));
        Ok(())
    });
    assert_eq!(io.call(b"abc"), 3);
    assert_eq!(io.call(b""), 0, "FFmpeg 5.1 writes nothing at times");
    assert_eq!(io.call(b"de"), 2);
    assert_eq!(io.seek_call(1, libc::SEEK_SET), 1);
    assert_eq!(io.call(b"X"), 1);
    assert_eq!(io.seek_call(0, ff::AVSEEK_SIZE), 5);
    assert_eq!(io.seek_call(0, libc::SEEK_CUR), 2);
    assert!(io.seek_call(-3, libc::SEEK_CUR) < 0);
    let want = [(0, b"abc".to_vec(), None), (3, b"de".to_vec(), None), (1, b"X".to_vec(), None)];
    assert_eq!(*got.lock().unwrap(), want);

    let mut io =
        writer(None, Control::new(), false, |_, _| Err(Error::new(ErrorKind::Io, "the disk is full")));
    assert_eq!(io.call(b"abc"), -libc::EIO);
    assert_eq!(io.take_error().unwrap().to_string(), "the disk is full");
    let mut io = writer(None, Control::new(), false, |_, _| panic!("of the sink"));
    assert_eq!(io.call(b"abc"), ff::AVERROR_EXIT);
    assert_eq!(io.take_error().unwrap().kind(), ErrorKind::Bug);
    assert_eq!(io.call(b"abc"), ff::AVERROR_EXIT, "poisoned");
}

#[test]
fn an_error_in_avios_buffer_comes_out_at_the_flush() {
    let mut io =
        writer(Some(0), Control::new(), false, |_, _| Err(Error::new(ErrorKind::Io, "the disk is full")));
    // SAFETY: the context is live, and the bytes as well.
    unsafe { ff::avio_write(io.as_ptr(), b"abc".as_ptr(), 3) };
    assert!(io.take_error().is_none(), "nothing has been written yet");
    assert_eq!(io.flush().unwrap_err().to_string(), "the disk is full");
}

#[test]
fn references_are_told_from_copies() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let all = got.clone();
    let mut io = writer(Some(0), Control::new(), true, move |_, chunk| {
        all.lock().unwrap().push((chunk.origin, chunk.data.len()));
        Ok(())
    });
    let packet = vec![1; 100];
    io.set_current(packet.as_ptr().addr(), packet.len(), 5000);
    io.call(&packet);
    io.call(&packet[10..20]);
    io.call(&packet[99..]);
    io.call(&[0; 4]);
    assert_eq!(io.end_current(), 111);
    assert_eq!(io.end_current(), 0);
    // The packet is over: the same address means nothing now.
    io.call(&packet);
    // A stretch that begins inside and ends outside is none of the packet's, and an origin that overflows is
    // none.
    io.set_current(packet.as_ptr().addr(), 50, 0);
    io.call(&packet[40..60]);
    io.set_current(packet.as_ptr().addr(), 100, u64::MAX - 5);
    io.call(&packet[10..20]);
    let want = [
        (Some(5000), 100),
        (Some(5010), 10),
        (Some(5099), 1),
        (None, 4),
        (None, 100),
        (None, 20),
        (None, 10),
    ];
    assert_eq!(*got.lock().unwrap(), want);
}

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
