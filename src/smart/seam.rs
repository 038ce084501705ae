//! Pictures that are encoded anew: decoded from where that has to begin, encoded, and measured.

use super::{
    coder::Coder,
    judge::Judge,
    plan::{self, Video},
    splice::Stretched,
    window::Pictures,
};
use crate::{
    CancelToken, Control, Error, ErrorKind, Frame, Limits, Media, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        encoder::{EncodeOptions, Encoder},
        log,
        packet::Packet,
        stream::Stream,
    },
    bitstream::{Entry, Reading, ffv1},
    media::Item,
    time::{Rational, Timestamp},
};
use std::{
    cmp::Reverse,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// How often pictures are encoded, each time better, until they are like the source's.
const TRIES: u32 = 4;
/// What every picture that is encoded anew is at least like the source's, over all planes, in decibels.
pub(super) const LEAST: f64 = 38.0;

/// From where there is no IDR picture, FFmpeg's decoder does not show the last ones at the end of what it gets: so many
/// behind them let it.
const FEW: usize = 16;

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
}

/// Encodes all seams of a stream, as many at a time as there are cores: of each range what is in front of the first
/// picture that is copied, and what is behind the last.
pub(super) fn encode_all(
    media: &Media,
    video: &Video,
    control: &Control,
) -> Result<Vec<[Option<Encoded>; 2]>> {
    let mut due = Vec::new();
    for (i, (range, splice)) in video.ranges.iter().zip(&video.splices).enumerate() {
        let Some(splice) = splice else { continue };
        for (side, what) in [&splice.head, &splice.tail].into_iter().enumerate() {
            if !what.pictures.is_empty() {
                due.push((i, side, *range, what));
            }
        }
    }
    // The dearest first: at the end, no core waits long for another.
    due.sort_by_key(|(.., what)| Reverse(what.decoded.saturating_add(what.pictures.len())));
    let mut made: Vec<[Option<Encoded>; 2]> = video.splices.iter().map(|_| [None, None]).collect();
    let Some(stream) = media.streams().get(video.stream).filter(|_| !due.is_empty()) else { return Ok(made) };
    let coder = &Coder::of(stream).map_err(|e| e.in_stream(video.stream))?;
    let cores_of_all = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = cores_of_all.min(due.len());
    // Where there are as many, each has a core.
    let threads = if due.len() > cores_of_all { 1 } else { 0 };
    let (stop, next) = (CancelToken::new(), AtomicUsize::new(0));
    let (stopped, due) = (&control.clone().and_cancel(stop.clone()), &due);
    let work = || -> Result<Vec<(usize, usize, Encoded)>> {
        let (mut own, mut decoders) = (Vec::new(), Decoders::default());
        while let Some((i, side, range, what)) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(pictures) = plan::pictures(media, video.stream, *range, stopped)? else { continue };
            own.push((*i, *side, encode(&pictures, what, coder, threads, &mut decoders)?));
        }
        Ok(own)
    };
    let work = || {
        let done = log::ours(work);
        if done.is_err() {
            stop.cancel();
        }
        done
    };
    let work = &work;
    let results: Vec<Result<_>> = thread::scope(|scope| {
        let others: Vec<_> = (1..cores)
            .map(|_| thread::Builder::new().name("avrope seam".into()).spawn_scoped(scope, work))
            .collect();
        let mut results = vec![work()];
        for other in others {
            results.push(match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| Err(Error::panicked("a seam", panic))),
                Err(error) => Err(Error::no_thread("a seam", error)),
            });
        }
        results
    });
    // What failed first stopped the others.
    let is_stopped = |result: &Result<_>| result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Cancelled);
    let (stopped, results): (Vec<_>, Vec<_>) = results.into_iter().partition(is_stopped);
    for result in results.into_iter().chain(stopped) {
        for (i, side, encoded) in result? {
            if let Some(place) = made.get_mut(i).and_then(|of| of.get_mut(side)) {
                *place = Some(encoded);
            }
        }
    }
    Ok(made)
}

/// Decoders that go from one seam to the next: they keep the memory of their pictures.
#[derive(Default)]
struct Decoders {
    source: Option<Decoder>,
    judge: Judge,
}

/// Encodes them, again where one is worse than it may be.
fn encode(
    pictures: &Pictures<'_>,
    what: &Stretched,
    coder: &Coder,
    threads: u32,
    decoders: &mut Decoders,
) -> Result<Encoded> {
    let mut best: Option<Encoded> = None;
    for attempt in 0..TRIES {
        let Some(options) = coder.options(attempt, what.pictures.len()) else { break };
        let made = Seam::new(pictures, what, coder, options, threads)?.run(decoders)?;
        let is_enough = made.psnr >= LEAST;
        let decoded = best.as_ref().map_or(0, |best| best.decoded).saturating_add(made.decoded);
        if best.as_ref().is_none_or(|best| made.psnr > best.psnr) {
            best = Some(made);
        }
        if let Some(best) = &mut best {
            best.decoded = decoded;
        }
        if is_enough {
            break;
        }
    }
    best.ok_or_else(|| Error::new(ErrorKind::Bug, "a seam that was never encoded"))
}

struct Seam<'a> {
    pictures: &'a Pictures<'a>,
    what: &'a Stretched,
    coder: &'a Coder,
    stream: &'a Stream,
    options: Vec<(String, String)>,
    threads: u32,
    encoder: Option<Encoder>,
    judge: Judge,
    packets: Vec<Packet>,
    /// How FFV1 is coded.
    told: Option<ffv1::Parameters>,
    /// How many pictures came.
    count: usize,
    held: u64,
    decoded: u64,
}

impl<'a> Seam<'a> {
    fn new(
        pictures: &'a Pictures<'a>,
        what: &'a Stretched,
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
            told: None,
            count: 0,
            held: 0,
            decoded: 0,
        })
    }

    fn run(mut self, decoders: &mut Decoders) -> Result<Encoded> {
        self.judge = std::mem::take(&mut decoders.judge);
        self.judge.begin();
        let bytes_read = self.decode(decoders)?;
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
        decoders.judge = std::mem::take(&mut self.judge);
        if self.packets.len() != due {
            let name = self.coder.name();
            let what = format!("the encoder {name} made {} packets of {due} pictures", self.packets.len());
            return Err(Error::unsupported(what).in_stream(self.pictures.stream));
        }
        let configuration = self.configuration()?;
        let first = self.what.pictures.first().map_or(0, |(pts, _)| *pts);
        let shown = self.pictures.span.shown_at(first, self.pictures.base);
        Ok(Encoded {
            from: shown.minus(self.pictures.media.start()),
            packets: self.packets,
            configuration,
            psnr,
            decoded: self.decoded,
            bytes_read,
        })
    }

    /// Decodes what is needed, and hands on what is shown.
    fn decode(&mut self, decoders: &mut Decoders) -> Result<u64> {
        let control = self.pictures.control;
        let mut decoder = match decoders.source.take() {
            Some(decoder) => decoder,
            None => Decoder::open(self.stream, &self.decoding(self.threads))?,
        };
        let mut reader = self.pictures.read(self.what.decode_at)?;
        // What comes in front of them and what no other refers to need not be decoded. (In HEVC a higher layer may.)
        let codec = self.stream.codec();
        let tells = matches!(codec.as_str(), "h264" | "mpeg1video" | "mpeg2video" | "mpeg4");
        let mut reading = Reading::of(&codec, self.stream.extradata()).filter(|_| tells);
        let first = self.what.pictures.first().map(|(pts, _)| *pts);
        let due = self.what.pictures.len();
        let (mut item, mut sent, mut more) = (Item::new()?, 0_usize, 0_usize);
        while (sent < self.what.decoded || sent < self.what.decoded.saturating_add(more) && self.count < due)
            && reader.next(&mut item)?
        {
            control.check()?;
            if item.packet.stream() != self.pictures.stream || item.packet.size() == 0 {
                continue;
            }
            if sent == 0 && codec == "ffv1" {
                let of_keyframe = || ffv1::Parameters::of_keyframe(item.packet.data());
                self.told = ffv1::Parameters::of_record(self.stream.extradata()).or_else(of_keyframe);
            }
            sent = sent.saturating_add(1);
            let pts = item.packet.pts().or(item.packet.dts());
            let is_early = pts.is_some_and(|pts| Some(pts) < first);
            if let Some(reading) = reading.as_mut().filter(|_| is_early || sent == 1) {
                let picture = reading.picture(item.packet.data());
                if sent == 1 && codec == "h264" && picture.entry != Some(Entry::Anywhere) {
                    more = FEW;
                }
                if is_early && !picture.is_reference {
                    continue;
                }
            }
            self.feed(&mut decoder, Some(&item.packet))?;
        }
        self.feed(&mut decoder, None)?;
        decoder.flush();
        decoders.source = Some(decoder);
        Ok(reader.finish(false)?.bytes_read)
    }

    fn decoding(&self, threads: u32) -> DecodeOptions {
        let limits = self.pictures.control.get_limits();
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

    fn feed(&mut self, decoder: &mut Decoder, packet: Option<&Packet>) -> Result<()> {
        loop {
            let sent = decoder.send(packet)?;
            let mut frame = Frame::new()?;
            while decoder.receive(&mut frame)? == Got::Item {
                decoder.admit(&frame)?;
                self.decoded = self.decoded.saturating_add(1);
                self.take(frame.take()?)?;
            }
            if sent != Got::Again {
                return Ok(());
            }
        }
    }

    /// Takes a decoded picture: it is encoded if it is the next that is due.
    fn take(&mut self, mut frame: Frame) -> Result<()> {
        let due = self.what.pictures.get(self.count).map(|(pts, _)| *pts);
        if frame.best_pts() != due || due.is_none() {
            return Ok(());
        }
        // They are numbered: what an encoder counts by may be coarser than the source's ticks.
        frame.set_pts(i64::try_from(self.count).unwrap_or(i64::MAX));
        frame.forget_kind();
        self.count = self.count.saturating_add(1);
        if !self.coder.loses_nothing() {
            self.judge.expect(&frame)?;
        }
        self.encode(Some(frame))
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
        self.coder.tell(like, self.told.as_ref(), &mut options);
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
            self.judge.take(&packet, encoder, self.stream, &self.decoding(1))?;
        }
        self.held = self.held.saturating_add(packet.memory());
        let most = self.pictures.control.get_limits().memory;
        Limits::hold(self.held, most, "memory", || {
            format!("what is encoded anew takes more than {most} bytes, as a copy can begin nowhere near")
        })
        .map_err(|e| e.in_stream(self.pictures.stream))?;
        let number = self.packets.len();
        let Some((pts, lasts)) = self.what.pictures.get(number).copied() else {
            return Err(Error::new(ErrorKind::Bug, "more packets than pictures"));
        };
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
