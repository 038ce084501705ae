//! Fragments of an MP4 that comes as a stream, or from far away: to weigh them before libav does would cost a
//! request for each. So they are weighed as they pass on their way to libav, which takes memory for all the
//! samples that a run (trun) states at once. So are those of a file that is near, where an index leads to
//! what is no box of it.

use crate::{Control, Limits, Result, av::avio::ReadDevice, mp4};

/// What is looked at of a box: its type, version and flags, and in a run the number of its samples.
const HEAD: usize = 12;

/// A device whose fragments are weighed as they are read.
pub(super) struct Weighed<D> {
    device: D,
    /// Where the last bytes end that were looked at, and the last of them: the rest of a box may come with
    /// the next.
    end: u64,
    tail: Vec<u8>,
    /// Samples that runs state. What is read again counts again, and payload may look like a run: this alone
    /// condemns nothing.
    samples: u64,
    /// All boxes were looked at, and it was found good.
    judged: bool,
    /// Of a stream, whose payload is left out.
    order: Order,
}

impl<D: ReadDevice> Weighed<D> {
    pub(super) fn new(device: D) -> Self {
        let (tail, order) = (Vec::new(), Order::default());
        Self { device, end: 0, tail, samples: 0, judged: false, order }
    }

    /// Looks for runs.
    fn look(&mut self, at: u64, bytes: &[u8]) {
        if self.end != at {
            self.tail.clear();
        }
        let data = [&self.tail, bytes].concat();
        for head in data.windows(HEAD) {
            if let [b't', b'r', b'u', b'n', _, _, _, _, count @ ..] = head {
                let count = count.try_into().map_or(0, u32::from_be_bytes);
                if count < mp4::REFUSED {
                    self.samples = self.samples.saturating_add(count.into());
                }
            }
        }
        self.end = at.saturating_add(bytes.len() as u64);
        let kept = data.len().saturating_sub(HEAD.saturating_sub(1));
        self.tail = data.get(kept..).unwrap_or_default().to_vec();
    }

    /// Where more was seen than the limits allow, all boxes are looked at, in their order: what is in them is
    /// weighed, and what only looks like it is payload. Unless an index leads libav into that.
    fn judge(&mut self, control: &Control) -> Result<()> {
        let Some(len) = self.device.len() else {
            return mp4::weigh_samples(self.samples, control.get_limits());
        };
        if mp4::weigh_samples(self.samples, control.get_limits()).is_ok() {
            return Ok(());
        }
        let device = &mut self.device;
        let mut read = |at: u64, into: &mut [u8]| {
            control.check()?;
            mp4::exactly(|at, into| device.read(at, into, control), at, into)
        };
        let using = mp4::Use { fragments: true, expands: false };
        let segments = mp4::weigh(&mut read, len, control.get_limits(), using)?;
        if !mp4::lead_to_boxes(&mut read, len, &segments, control.get_limits())? {
            return Err(Limits::reached(
                "demuxer_memory",
                "the indices of its fragments lead to where there are none by its boxes, or there are too many of them"
                    .into(),
            ));
        }
        self.judged = true;
        self.tail = Vec::new();
        Ok(())
    }
}

impl<D: ReadDevice> ReadDevice for Weighed<D> {
    fn read(&mut self, at: u64, into: &mut [u8], control: &Control) -> Result<usize> {
        let read = self.device.read(at, into, control)?;
        if self.judged {
            return Ok(read);
        }
        let bytes = into.get(..read).unwrap_or_default();
        if self.device.len().is_some() {
            self.look(at, bytes);
        } else {
            let mut order = std::mem::take(&mut self.order);
            order.outside_media(at, bytes, |at, bytes| self.look(at, bytes));
            self.order = order;
        }
        self.judge(control)?;
        Ok(read)
    }

    fn len(&self) -> Option<u64> {
        self.device.len()
    }
}

/// A file's own boxes, one behind the other, as their bytes come.
#[derive(Default)]
struct Order {
    /// What has come of the header of the next box.
    header: Vec<u8>,
    /// Where the box ends whose header has come.
    end: u64,
    is_media: bool,
}

impl Order {
    /// Hands on what does not lie in an mdat.
    fn outside_media(&mut self, mut at: u64, mut bytes: &[u8], mut each: impl FnMut(u64, &[u8])) {
        while let Some(first) = bytes.first() {
            let mut taken = 1;
            if at < self.end {
                let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
                taken = left.min(bytes.len());
                if let Some(content) = bytes.get(..taken).filter(|_| !self.is_media) {
                    each(at, content);
                }
            } else {
                self.header.push(*first);
                self.begin(at, &mut each);
            }
            at = at.saturating_add(taken as u64);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// One more byte of a header has come, the one at this place.
    fn begin(&mut self, at: u64, each: &mut impl FnMut(u64, &[u8])) {
        let (size, kind) = match self.header.as_slice() {
            [0, 0, 0, 1, _, _, _, _, size @ ..] if size.len() < 8 => return,
            [0, 0, 0, 1, kind @ .., _, _, _, _, _, _, _, _] => {
                let size = self.header.last_chunk().map_or(0, |size| u64::from_be_bytes(*size));
                (size, kind)
            }
            [a, b, c, d, kind @ ..] if kind.len() == 4 => (u32::from_be_bytes([*a, *b, *c, *d]).into(), kind),
            _ => return,
        };
        let start = at.saturating_add(1).saturating_sub(self.header.len() as u64);
        self.is_media = kind == b"mdat";
        // A box of 0 goes on to the end; what is no box is no order either.
        self.end = if size < 8 { u64::MAX } else { start.saturating_add(size) };
        self.is_media &= size == 0 || size >= 8;
        each(start, &std::mem::take(&mut self.header));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Some bytes, in pieces of so many; whether there is a length, and how often they were read.
    struct Bytes(Vec<u8>, usize, bool, u64);

    impl ReadDevice for Bytes {
        fn read(&mut self, at: u64, into: &mut [u8], _: &Control) -> Result<usize> {
            let rest = self.0.get(at as usize..).unwrap_or_default();
            let len = rest.len().min(into.len()).min(self.1);
            into[..len].copy_from_slice(&rest[..len]);
            self.3 += 1;
            Ok(len)
        }
        fn len(&self) -> Option<u64> {
            self.2.then_some(self.0.len() as u64)
        }
    }

    fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn run(count: u32) -> Vec<u8> {
        make_box(b"trun", &[[0; 4], count.to_be_bytes()].concat())
    }

    fn all(bytes: &[u8], piece: usize, seeks: bool) -> Result<()> {
        counted(bytes, piece, seeks, &Control::default()).0
    }

    /// And how often the device was read.
    fn counted(bytes: &[u8], piece: usize, seeks: bool, control: &Control) -> (Result<()>, u64) {
        let mut device = Weighed::new(Bytes(bytes.to_vec(), piece, seeks, 0));
        let mut at = 0;
        loop {
            match device.read(at, &mut [0; 64], control) {
                Ok(0) => return (Ok(()), device.device.3),
                Ok(read) => at += read as u64,
                Err(error) => return (Err(error), device.device.3),
            }
        }
    }

    #[test]
    fn runs_are_found_wherever_reads_end_and_payload_is_none() {
        let fragment = |count| make_box(b"moof", &make_box(b"traf", &run(count)));
        let mdat = |content: &[u8]| make_box(b"mdat", content);
        let large = [&[0, 0, 0, 1][..], b"mdat", &60_u64.to_be_bytes(), &run(100_000_000), &[0; 28]].concat();
        let index = |to: u32| {
            let fields = [0, 1, 1000, 0, to, 1, 100, 0, 0].map(u32::to_be_bytes).concat();
            make_box(b"sidx", &fields)
        };
        let forged = mdat(&run(100_000_000));
        for piece in [1, 3, 7, 64] {
            for seeks in [true, false] {
                for (name, bytes) in [
                    ("small", [fragment(1000), mdat(&[0; 100]), fragment(1000)].concat()),
                    ("payload", [fragment(1000), forged.clone(), fragment(1000)].concat()),
                    ("large", [large.clone(), fragment(1000)].concat()),
                    ("index", [index(0), forged.clone(), fragment(1)].concat()),
                ] {
                    all(&bytes, piece, seeks).unwrap_or_else(|e| panic!("{name} in {piece}: {e}"));
                }
                for (name, bytes) in [
                    ("one", [mdat(&[0; 100]), fragment(100_000_000)].concat()),
                    ("many", [fragment(9_000_000), mdat(&[0; 9]), fragment(9_000_000)].concat()),
                    ("outside", run(100_000_000)),
                    ("behind", [large.clone(), fragment(100_000_000)].concat()),
                ] {
                    let error = all(&bytes, piece, seeks).expect_err(name);
                    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name} in {piece}: {error}");
                }
                if seeks {
                    // 8 bytes into the mdat.
                    all(&[index(8), forged.clone()].concat(), piece, true).expect_err("led astray");
                }
            }
        }
    }

    #[test]
    fn tables_in_each_other_are_not_read_over_and_over() {
        // Each goes on to the end of the file, and leads to the box behind itself.
        let index =
            |entries: u32| make_box(b"sidx", &[0, 1, 1000, 0, 0, entries].map(u32::to_be_bytes).concat());
        let forged = make_box(b"mdat", &run(100_000_000));
        let rest = make_box(b"free", &[0; 100_000]);
        let bytes = [index(0xffff).repeat(1000), rest, forged.clone()].concat();
        let (outcome, reads) = counted(&bytes, 64, true, &Control::default());
        let error = outcome.expect_err("too many entries");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.to_string().contains("too many of them"), "{error}");
        // For each of its boxes three, for each entry one, and one for each piece.
        assert!(reads < bytes.len() as u64 / 8 + 3 * 1000, "{reads} reads of {} bytes", bytes.len());
        // As many as there is room for.
        let table = [&[0, 1, 1000, 0, 0, 5000].map(u32::to_be_bytes).concat(), &[0; 60_000][..]].concat();
        all(&[make_box(b"sidx", &table), forged].concat(), 64, true).unwrap();
    }

    #[test]
    fn indices_behind_what_was_judged_are_judged_with_it() {
        let forged = make_box(b"mdat", &run(100_000_000));
        let astray = make_box(b"sidx", &[0, 1, 1000, 0, 8, 1, 100, 0, 0].map(u32::to_be_bytes).concat());
        let error = all(&[forged.clone(), astray, forged.clone()].concat(), 64, true).expect_err("astray");
        assert!(error.to_string().contains("lead to where there are none"), "{error}");
        // The one at the end is found from there, in whatever it lies.
        let table = make_box(b"tfra", &[0, 1, 0, 1, 0, 8, 0x0101_0100].map(u32::to_be_bytes).concat());
        let last =
            make_box(b"mfra", &[table, make_box(b"mfro", &[[0; 4], 60_u32.to_be_bytes()].concat())].concat());
        assert_eq!(last.len(), 60);
        for bytes in [[forged.clone(), last.clone()].concat(), [forged, make_box(b"mdat", &last)].concat()] {
            all(&bytes, 64, true).expect_err("astray at the end");
        }
    }

    #[test]
    fn boxes_that_indices_may_lead_to_are_bounded() {
        let index = make_box(b"sidx", &[0, 1, 1000, 0, 0, 1, 100, 0, 0].map(u32::to_be_bytes).concat());
        let forged = make_box(b"mdat", &[run(100_000_000), vec![0; 72]].concat());
        let boxes = make_box(b"free", &[]).repeat(100_000);
        let bytes = [index, forged, boxes].concat();
        let limited = |memory| {
            let limits = Limits { demuxer_memory: memory, ..Limits::default() };
            counted(&bytes, 64, true, &Control::new().limits(limits)).0
        };
        limited(2_000_000).unwrap();
        let error = limited(1_500_000).expect_err("100,000 boxes");
        assert!(error.to_string().contains(" boxes"), "{error}");
    }
}
