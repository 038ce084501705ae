//! What libav writes.

use super::*;

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
