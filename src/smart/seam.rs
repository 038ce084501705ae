//! Pictures that are encoded anew and measured, as they are decoded.

use super::{coder::Coder, judge::Judge, splice::Stretched, window::Pictures};
use crate::{
    Error, ErrorKind, Frame, Limits, Result,
    av::{
        decoder::{DecodeOptions, Got},
        encoder::{EncodeOptions, Encoder},
        packet::Packet,
        stream::Stream,
    },
    bitstream::{Carried, ffv1, has_equal_rows},
    time::{Rational, Timestamp},
};
use std::collections::{BTreeMap, BTreeSet};

/// What every picture that is encoded anew is at least like the source's, over all planes, in decibels.
pub(super) const LEAST: f64 = 38.0;

/// What became of pictures that were encoded anew.
pub(super) struct Encoded {
    /// When the first one is shown, on the source's clock.
    pub from: Timestamp,
    /// In the order of decoding, which is that of showing; their pts are the source's.
    pub packets: Vec<Packet>,
    /// What the encoder says of itself: parameter sets, where they do not lie in the packets.
    pub configuration: Vec<u8>,
    /// The worst picture's, over all planes, in decibels; infinite where nothing is lost.
    pub psnr: f64,
    pub decoded: u64,
    pub bytes_read: u64,
    /// What the source's pictures carry and these do not, in words.
    pub lost: BTreeSet<String>,
}

/// Pictures of a range that are encoded one behind the other.
pub(super) struct Seam<'a> {
    pictures: &'a Pictures<'a>,
    what: &'a Stretched,
    coder: &'a Coder,
    stream: &'a Stream,
    options: Vec<(String, String)>,
    threads: u32,
    encoder: Option<Encoder>,
    judge: Judge,
    packets: Vec<Packet>,
    /// Its pictures may be of fields.
    has_fields: bool,
    /// What the pictures that are due carry beside themselves, by their pts.
    carried: BTreeMap<i64, Carried>,
    lost: BTreeSet<String>,
    /// What the encoder says of itself.
    sets: Option<Vec<u8>>,
    /// How FFV1 is coded.
    told: Option<ffv1::Parameters>,
    /// How many pictures came.
    count: usize,
    held: u64,
}

impl<'a> Seam<'a> {
    pub(super) fn new(
        (pictures, what): (&'a Pictures<'a>, &'a Stretched),
        coder: &'a Coder,
        options: Vec<(String, String)>,
        threads: u32,
    ) -> Result<Self> {
        let Some(stream) = pictures.media.streams().get(pictures.stream) else {
            return Err(Error::new(ErrorKind::Bug, "a seam of no stream"));
        };
        Ok(Self {
            pictures,
            what,
            coder,
            stream,
            options,
            threads,
            encoder: None,
            judge: Judge::default(),
            packets: Vec::new(),
            has_fields: false,
            carried: BTreeMap::new(),
            lost: BTreeSet::new(),
            sets: None,
            told: None,
            count: 0,
            held: 0,
        })
    }

    /// Tells how the source is coded, of FFV1.
    pub(super) fn tell(&mut self, told: Option<&ffv1::Parameters>) {
        self.told = told.cloned();
    }

    /// Takes what judges, which goes from one seam to the next.
    pub(super) fn begin(&mut self, mut judge: Judge) {
        judge.begin();
        self.judge = judge;
    }

    /// When the next picture that is due is shown; None behind the last.
    pub(super) fn due(&self) -> Option<i64> {
        self.what.pictures.get(self.count).map(|(pts, _)| *pts)
    }

    /// Whether a picture that is shown then is one of its own.
    pub(super) fn needs(&self, pts: i64) -> bool {
        self.what.shown().is_some_and(|(first, last)| (first..=last).contains(&pts))
    }

    /// Whether a picture that is shown then is due.
    pub(super) fn has(&self, pts: i64) -> bool {
        self.what.has(pts)
    }

    /// Keeps what a picture that is due carries. What comes once more of it is its second field's.
    pub(super) fn carry(&mut self, pts: i64, carried: Carried) -> Result<()> {
        self.lost.extend(carried.lost.iter().cloned());
        let whole = match self.carried.remove(&pts) {
            Some(mut first) => {
                self.held = self.held.saturating_sub(first.memory());
                first.join(carried);
                first
            }
            None => carried,
        };
        self.hold(whole.memory())?;
        self.carried.insert(pts, whole);
        Ok(())
    }

    /// Counts what is held in memory.
    fn hold(&mut self, bytes: u64) -> Result<()> {
        self.held = self.held.saturating_add(bytes);
        let most = self.pictures.control.get_limits().memory;
        Limits::hold(self.held, most, "memory", || {
            format!("what is encoded anew takes more than {most} bytes, as a copy can begin nowhere near")
        })
        .map_err(|e| e.in_stream(self.pictures.stream))
    }

    /// Takes the picture that is due. `has_fields`: pictures may be of fields, by the source's word so far.
    pub(super) fn take(&mut self, mut frame: Frame, has_fields: bool) -> Result<()> {
        self.has_fields = has_fields;
        // They are numbered: what an encoder counts by may be coarser than the source's ticks.
        frame.set_pts(i64::try_from(self.count).unwrap_or(i64::MAX));
        frame.forget_kind();
        self.count = self.count.saturating_add(1);
        if !self.coder.loses_nothing() {
            self.judge.expect(&frame)?;
        }
        self.encode(Some(frame))
    }

    /// All pictures came, or no more do: what became of them, but for what was decoded and read, and what judged.
    pub(super) fn end(mut self) -> Result<(Encoded, Judge)> {
        let due = self.what.pictures.len();
        if self.count != due {
            return Err(Error::unsupported(format!(
                "of {due} pictures that are to be encoded anew, {} were decoded one behind the other",
                self.count
            ))
            .in_stream(self.pictures.stream));
        }
        self.encode(None)?;
        let psnr = self.judge.end()?;
        if self.packets.len() != due {
            let name = self.coder.name();
            let what = format!("the encoder {name} made {} packets of {due} pictures", self.packets.len());
            return Err(Error::unsupported(what).in_stream(self.pictures.stream));
        }
        let configuration = self.configuration()?;
        let first = self.what.pictures.first().map_or(0, |(pts, _)| *pts);
        let shown = self.pictures.span.shown_at(first, self.pictures.base);
        let from = shown.minus(self.pictures.media.start());
        let (packets, lost) = (self.packets, self.lost);
        let made = Encoded { from, packets, configuration, psnr, decoded: 0, bytes_read: 0, lost };
        Ok((made, self.judge))
    }

    fn encode(&mut self, mut frame: Option<Frame>) -> Result<()> {
        if let (None, Some(frame)) = (&self.encoder, &frame) {
            self.encoder = Some(self.open(frame)?);
        }
        let Some(mut encoder) = self.encoder.take() else { return Ok(()) };
        if let Some(frame) = &mut frame {
            encoder.tell_quality(frame);
        }
        loop {
            let sent = encoder.send(frame.as_ref())?;
            let mut packet = Packet::new()?;
            while encoder.receive(&mut packet)? == Got::Item {
                let packet = packet.take()?;
                self.keep(packet, &encoder)?;
            }
            if sent != Got::Again {
                break;
            }
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    fn open(&self, like: &Frame) -> Result<Encoder> {
        self.coder.check(&like.format()).map_err(|e| e.in_stream(self.pictures.stream))?;
        let rate = self.stream.constant_rate().or(self.stream.frame_rate());
        let rate = rate.unwrap_or(Rational { num: 25, den: 1 });
        let base = Rational { num: rate.den, den: rate.num };
        let mut options = self.options.clone();
        let mut has_fields = like.interlaced().is_some() || self.has_fields;
        if self.what.has_whole && has_equal_rows(like.height()) {
            // MPEG-2's encoder says of no picture that it is of one moment where some may be of fields. Those are coded
            // as whole ones then, and say that they are of fields all the same.
            has_fields = false;
        }
        self.coder.tell(has_fields, self.told.as_ref(), &mut options);
        let options = EncodeOptions {
            threads: self.threads,
            global_header: self.coder.has_global_header(),
            bit_exact: false,
            options,
        };
        Encoder::video(self.coder.kind(), like, base, Some(rate), &options)
    }

    /// Takes a packet: it is judged by what is decoded of it.
    fn keep(&mut self, mut packet: Packet, encoder: &Encoder) -> Result<()> {
        if packet.size() == 0 {
            return Ok(());
        }
        if self.packets.is_empty()
            && self.told.as_ref().is_some_and(|told| told.version < 3)
            && ffv1::Parameters::of_keyframe(packet.data()) != self.told
        {
            // There is no configuration record to compare, and a decoder takes no other parameters within a stream.
            let what = "the encoder does not make what the source's keyframes tell of";
            return Err(Error::unsupported(what).in_stream(self.pictures.stream));
        }
        if !self.coder.loses_nothing() {
            self.judge.take(&packet, encoder, self.stream, &decoding(self.pictures, 1))?;
        }
        let number = self.packets.len();
        let Some((pts, lasts)) = self.what.pictures.get(number).copied() else {
            return Err(Error::new(ErrorKind::Bug, "more packets than pictures"));
        };
        if let Some(carried) = self.carried.remove(&pts) {
            self.held = self.held.saturating_sub(carried.memory());
            if self.sets.is_none() {
                self.sets = Some(encoder.stream(self.stream, false)?.extradata().to_vec());
            }
            let sets = self.sets.as_deref().unwrap_or_default();
            if let Some(bytes) = carried.put(packet.data(), packet.is_key(), sets) {
                packet = packet.with_data(&bytes)?;
            }
        }
        self.hold(packet.memory())?;
        let next = self.what.pictures.get(number.saturating_add(1)).map(|(next, _)| *next);
        let ends = next.or(Some(self.what.until).filter(|_| self.what.ends_at_picture));
        let lasts = ends.map_or(lasts, |ends| ends.saturating_sub(pts));
        packet.set_times(pts, pts, lasts);
        self.packets.push(packet);
        Ok(())
    }

    fn configuration(&self) -> Result<Vec<u8>> {
        let Some(encoder) = self.encoder.as_ref().filter(|_| self.coder.has_global_header()) else {
            return Ok(Vec::new());
        };
        Ok(encoder.stream(self.stream, false)?.extradata().to_vec())
    }
}

/// How pictures of a stream are decoded.
pub(super) fn decoding(pictures: &Pictures<'_>, threads: u32) -> DecodeOptions {
    let limits = pictures.control.get_limits();
    DecodeOptions {
        device: None,
        threads,
        low_delay: false,
        max_pixels: limits.pixels,
        memory: limits.decoder_memory,
        keep_padding: false,
        bit_exact: true,
        alpha: false,
        ear: None,
    }
}
