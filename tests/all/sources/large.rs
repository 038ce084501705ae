//! How much is read for a cut, and what lies beyond 4 GiB.

use super::*;

/// What was read of a device: offset and length of each request.
struct Counted<D> {
    device: D,
    len: u64,
    log: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl<D: FileExt2> ReadAt for Counted<D> {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        self.log.lock().unwrap().push((offset, buf.len()));
        self.device.at(offset, buf)
    }
}

trait FileExt2: Send + Sync {
    fn at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize>;
}

impl FileExt2 for File {
    fn at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }
}

/// The clip behind a hole of this size: `ftyp`, `free` over the hole, the rest; chunk offsets moved (as
/// `co64`).
fn behind_a_hole(clip: &Path, to: &Path, hole: u64) {
    let bytes = std::fs::read(clip).unwrap();
    let ftyp = find(&bytes, "ftyp").unwrap();
    let free_len = hole;
    let file = File::create(to).unwrap();
    file.write_all_at(&bytes[..ftyp.end()], 0).unwrap();
    // A box of a 64-bit size.
    let mut free = 1u32.to_be_bytes().to_vec();
    free.extend_from_slice(b"free");
    free.extend_from_slice(&free_len.to_be_bytes());
    file.write_all_at(&free, ftyp.end() as u64).unwrap();
    let mut rest = bytes[ftyp.end()..].to_vec();
    // stco to co64, from the last to the first, so that the places before stay right.
    let path = "moov/trak/mdia/minf/stbl/stco";
    let mut whole = bytes.clone();
    for nth in (0..find_all(&bytes, path).len()).rev() {
        let table = find_all(&bytes, path)[nth].clone();
        let mut content = bytes[table.content()..table.content() + 8].to_vec();
        for entry in bytes[table.content() + 8..table.end()].chunks_exact(4) {
            let at = u64::from(u32::from_be_bytes(entry.try_into().unwrap())) + free_len;
            content.extend_from_slice(&at.to_be_bytes());
        }
        whole = replace_box(&whole, path, nth, &make_box(b"co64", &content));
    }
    rest.clear();
    rest.extend_from_slice(&whole[ftyp.end()..]);
    file.write_all_at(&rest, ftyp.end() as u64 + free_len).unwrap();
}

#[test]
fn at_most_eight_reads_besides_the_payload() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = dir.path().join("sparse.mp4");
    behind_a_hole(&clip(), &sparse, 4_800_000_000);
    for (name, path) in [
        ("moov behind", clip()),
        ("moov in front", fast_start_clip()),
        ("large", large_clip()),
        ("over 4 GiB", sparse),
    ] {
        let log = cell(Vec::new());
        let file = File::open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        let source = Source::from_read_at(Counted { device: file, len, log: log.clone() }, name);
        let media = Media::open(source).unwrap();
        let opened = log.lock().unwrap().len();
        let clip = cut(&media, &range(0.5, 5.5), &none()).unwrap();
        let reads = log.lock().unwrap().clone();
        println!("{name}: {opened} reads to open, {} in all: {reads:?}", reads.len());
        assert!(reads.len() <= 8, "{name}: {} reads: {reads:?}", reads.len());
        assert_eq!(clip.report.payload_copied, 0, "{name}");
        let before = reads.len();
        let bytes = clip.rope.to_bytes().unwrap();
        assert_eq!(bytes.len() as u64, clip.rope.len());
        let payload = log.lock().unwrap().len() - before;
        let most = bytes.len().div_ceil(Hints::default().read_ahead) + 1;
        assert!(payload <= most, "{name}: {payload} requests for {} bytes", bytes.len());
    }
}

#[test]
fn sources_over_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = dir.path().join("sparse.mp4");
    behind_a_hole(&clip(), &sparse, 4_800_000_000);
    let want = bytes_of(Source::open(clip()).unwrap());
    assert_eq!(bytes_of(Source::open(&sparse).unwrap()), want, "file");
    assert_eq!(
        bytes_of(Source::from_seekable(File::open(&sparse).unwrap(), "seekable").unwrap()),
        want,
        "seekable"
    );
    let media = Media::open(Source::open(&sparse).unwrap()).unwrap();
    for format in ["mkv", "ts"] {
        let plain = Media::open(Source::open(clip()).unwrap()).unwrap();
        let packets =
            |media: &Media| remux(media, &Remux::new().format(format), &none()).unwrap().report.packets;
        assert_eq!(packets(&media), packets(&plain), "{format}");
    }
    let out = dir.path().join("out.mp4");
    cut_to(&media, &range(2.5, 6.5), Sink::file(&out), &none()).unwrap();
    assert!(std::fs::read(&out).unwrap() == want, "saved");
}

#[test]
fn results_over_4_gib() {
    let path = large_clip();
    let size = std::fs::metadata(&path).unwrap().len();
    let media = Media::open(Source::open(&path).unwrap()).unwrap();
    let duration = media.duration().unwrap().as_secs_f64();
    let repeats = (4_500_000_000 / size + 1) as usize;
    let mut settings = Cut::new().format("mp4");
    for _ in 0..repeats {
        settings = settings.keep(TimeRange::ALL);
    }
    let clip = cut(&media, &settings, &none()).unwrap();
    assert!(clip.rope.len() > 1 << 32, "{}", clip.rope.len());
    assert_eq!(clip.report.payload_copied, 0);
    let again = Media::open(clip.rope.clone().into()).unwrap();
    let total = duration * repeats as f64;
    assert!(
        (again.duration().unwrap().as_secs_f64() - total).abs() < 0.1 + repeats as f64 * 0.03,
        "{:?} for {total}",
        again.duration()
    );
    // The last repeat is the same media as the first.
    let at = (repeats - 1) as f64 * (again.duration().unwrap().as_secs_f64() / repeats as f64);
    let last = cut(&again, &range(at + 2.0, at + 4.0), &none()).unwrap();
    let first = cut(&again, &range(2.0, 4.0), &none()).unwrap();
    assert!(last.rope.slices().filter_map(|s| s.source).count() > 0);
    let (a, b) = (last.report.payload_shared as f64, first.report.payload_shared as f64);
    // One second of keyframes' difference: a range of 2 s carries up to a GOP more.
    assert!((a / b - 1.0).abs() < 0.6, "{a} and {b} bytes");
    // Its slices lie in the file itself, not in the rope.
    for segment in last.rope.slices() {
        if let Some((source, at)) = segment.source {
            assert!(at + segment.len <= source.len().unwrap());
        }
    }
    // Bytes around 4 GiB can be read.
    let mut reader = clip.rope.reader();
    let mut bytes = [0; 4096];
    reader.seek(SeekFrom::Start((1 << 32) - 2048)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(clip.rope.slice((1 << 32) - 2048..(1 << 32) + 2048).unwrap().to_bytes().unwrap(), &bytes[..]);
}
