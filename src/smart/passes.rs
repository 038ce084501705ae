//! All that is encoded anew of a stream: pass by pass, each decoded once from a keyframe on, as many at a time as there
//! are cores.

use super::{
    coder::Coder,
    judge::Judge,
    plan::{self, Pass, Video},
    seam::{Encoded, LEAST, Seam, decoding},
    splice::Stretched,
    window::Pictures,
};
use crate::{
    CancelToken, Control, Error, ErrorKind, Frame, Media, Result,
    av::{
        decoder::{Decoder, Got},
        log,
        packet::Packet,
        stream::Stream,
    },
    bitstream::{Carrying, Entry, Reading, ffv1},
    media::Item,
};
use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// How often pictures are encoded, each time better, until they are like the source's.
const TRIES: u32 = 4;

/// From where there is no IDR picture, FFmpeg's decoder does not show the last ones at the end of what it gets: so many
/// behind them let it.
const FEW: usize = 16;

/// Of each range what is in front of the first picture that is copied, and what is behind the last.
type Seams = Vec<[Option<Encoded>; 2]>;

/// Encodes all seams of a stream.
pub(super) fn encode_all(media: &Media, video: &Video, control: &Control) -> Result<Seams> {
    let mut passes = video.passes();
    // The dearest first: at the end, no core waits long for another.
    passes.sort_by_key(|pass| Reverse(pass.decodes().saturating_add(pass.encodes())));
    let mut made: Seams = video.splices.iter().map(|_| [None, None]).collect();
    let stream = media.streams().get(video.stream).filter(|_| !passes.is_empty());
    let Some(stream) = stream else { return Ok(made) };
    let coder = &Coder::of(stream).map_err(|e| e.in_stream(video.stream))?;
    let cores_of_all = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = cores_of_all.min(passes.len());
    // Where there are as many, each has a core.
    let threads = if passes.len() > cores_of_all { 1 } else { 0 };
    let (stop, next) = (CancelToken::new(), AtomicUsize::new(0));
    let (stopped, passes) = (&control.clone().and_cancel(stop.clone()), &passes);
    let work = || -> Result<Vec<(usize, usize, Encoded)>> {
        let (mut own, mut decoders) = (Vec::new(), Decoders::default());
        while let Some(pass) = passes.get(next.fetch_add(1, Ordering::Relaxed)) {
            own.extend(go(media, video, pass, (coder, threads), &mut decoders, stopped)?);
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

/// Decoders that go from one pass to the next: they keep the memory of their pictures.
#[derive(Default)]
struct Decoders {
    source: Option<Decoder>,
    judge: Judge,
}

/// Encodes what a pass has, and again by itself what is worse than it may be.
fn go(
    media: &Media,
    video: &Video,
    pass: &Pass<'_>,
    (coder, threads): (&Coder, u32),
    decoders: &mut Decoders,
    control: &Control,
) -> Result<Vec<(usize, usize, Encoded)>> {
    let (mut own, mut places) = (Vec::new(), Vec::new());
    for due in &pass.0 {
        let Some(range) = video.ranges.get(due.range) else { continue };
        let Some(pictures) = plan::pictures(media, video.stream, *range, control)? else { continue };
        own.push((pictures, due.what));
        places.push((due.range, due.side));
    }
    let own: Vec<(&Pictures<'_>, &Stretched)> =
        own.iter().map(|(pictures, what)| (pictures, *what)).collect();
    let first = Decoding::of(&own, coder, 0, threads)?.run(decoders)?;
    let mut all = Vec::with_capacity(first.len());
    for ((one, (range, side)), mut best) in own.iter().zip(places).zip(first) {
        for attempt in 1..TRIES {
            if best.psnr >= LEAST || coder.options(attempt, one.1.pictures.len()).is_none() {
                break;
            }
            let again = Decoding::of(&[*one], coder, attempt, threads)?.run(decoders)?;
            for made in again {
                let decoded = best.decoded.saturating_add(made.decoded);
                if made.psnr > best.psnr {
                    best = made;
                }
                best.decoded = decoded;
            }
        }
        all.push((range, side, best));
    }
    Ok(all)
}

/// Seams, one behind the other, whose pictures are decoded in one go.
struct Decoding<'a> {
    pictures: &'a Pictures<'a>,
    stream: &'a Stream,
    threads: u32,
    decode_at: i64,
    /// How many packets that takes.
    packets: usize,
    /// What is not done yet; the first one is under way.
    seams: VecDeque<Seam<'a>>,
    made: Vec<Encoded>,
    /// What the source's pictures carry beside themselves.
    carrying: Option<Carrying>,
    /// Pictures that were decoded since a seam was made.
    decoded: u64,
}

impl<'a> Decoding<'a> {
    fn of(
        all: &[(&'a Pictures<'a>, &'a Stretched)],
        coder: &'a Coder,
        attempt: u32,
        threads: u32,
    ) -> Result<Self> {
        let none = || Error::new(ErrorKind::Bug, "a pass of nothing");
        let (pictures, what) = all.first().copied().ok_or_else(none)?;
        let stream = pictures.media.streams().get(pictures.stream).ok_or_else(none)?;
        let seams = all.iter().map(|one| {
            let options = coder.options(attempt, one.1.pictures.len()).ok_or_else(none)?;
            Seam::new(*one, coder, options, threads)
        });
        Ok(Self {
            pictures,
            stream,
            threads,
            decode_at: what.decode_at,
            packets: all.iter().map(|(_, what)| what.decoded).max().unwrap_or(0),
            seams: seams.collect::<Result<_>>()?,
            made: Vec::with_capacity(all.len()),
            carrying: None,
            decoded: 0,
        })
    }

    /// Decodes what is needed, and hands on what is due.
    fn run(mut self, decoders: &mut Decoders) -> Result<Vec<Encoded>> {
        let control = self.pictures.control;
        let mut decoder = match decoders.source.take() {
            Some(decoder) => decoder,
            None => Decoder::open(self.stream, &decoding(self.pictures, self.threads))?,
        };
        self.begin(std::mem::take(&mut decoders.judge));
        let mut reader = self.pictures.read(self.decode_at)?;
        // What none of them shows and no other refers to need not be decoded. (In HEVC a higher layer may.)
        let codec = self.stream.codec();
        let tells = matches!(codec.as_str(), "h264" | "mpeg1video" | "mpeg2video" | "mpeg4");
        let mut reading = Reading::of(&codec, self.stream.extradata()).filter(|_| tells);
        self.carrying = Carrying::of(&codec, self.stream.extradata());
        let mut of = None;
        let (mut item, mut sent, mut more) = (Item::new()?, 0_usize, 0_usize);
        while (sent < self.packets || sent < self.packets.saturating_add(more) && !self.seams.is_empty())
            && reader.next(&mut item)?
        {
            control.check()?;
            if item.packet.stream() != self.pictures.stream || item.packet.size() == 0 {
                continue;
            }
            if sent == 0 && codec == "ffv1" {
                let of_keyframe = || ffv1::Parameters::of_keyframe(item.packet.data());
                let told = ffv1::Parameters::of_record(self.stream.extradata()).or_else(of_keyframe);
                self.seams.iter_mut().for_each(|seam| seam.tell(told.as_ref()));
            }
            sent = sent.saturating_add(1);
            let pts = item.packet.pts().or(item.packet.dts());
            if let Some(carried) = self.carrying.as_mut().map(|carrying| carrying.take(item.packet.data())) {
                // What comes without a time is the second field of the picture before.
                of = pts.or(of);
                let due = of.and_then(|pts| Some((pts, self.seams.iter_mut().find(|seam| seam.has(pts))?)));
                if let Some((pts, seam)) = due {
                    seam.carry(pts, carried)?;
                }
            }
            let is_needed = pts.is_none_or(|pts| self.seams.iter().any(|seam| seam.needs(pts)));
            if let Some(reading) = reading.as_mut().filter(|_| !is_needed || sent == 1) {
                let picture = reading.picture(item.packet.data());
                if sent == 1 && codec == "h264" && picture.entry != Some(Entry::Anywhere) {
                    more = FEW;
                }
                if !is_needed && !picture.is_reference && sent <= self.packets {
                    continue;
                }
            }
            self.feed(&mut decoder, Some(&item.packet), decoders)?;
        }
        self.feed(&mut decoder, None, decoders)?;
        decoder.flush();
        decoders.source = Some(decoder);
        let bytes_read = reader.finish(false)?.bytes_read;
        while let Some(seam) = self.seams.pop_front() {
            self.end(seam, decoders)?;
        }
        if let Some(first) = self.made.first_mut() {
            first.bytes_read = bytes_read;
        }
        Ok(self.made)
    }

    fn begin(&mut self, judge: Judge) {
        if let Some(seam) = self.seams.front_mut() {
            seam.begin(judge);
        }
    }

    /// A seam has all of its pictures, or gets no more.
    fn end(&mut self, seam: Seam<'a>, decoders: &mut Decoders) -> Result<()> {
        let (made, judge) = seam.end()?;
        self.made.push(Encoded { decoded: std::mem::take(&mut self.decoded), ..made });
        match self.seams.front_mut() {
            Some(next) => next.begin(judge),
            None => decoders.judge = judge,
        }
        Ok(())
    }

    fn feed(
        &mut self,
        decoder: &mut Decoder,
        packet: Option<&Packet>,
        decoders: &mut Decoders,
    ) -> Result<()> {
        loop {
            let sent = decoder.send(packet)?;
            let mut frame = Frame::new()?;
            while decoder.receive(&mut frame)? == Got::Item {
                decoder.admit(&frame)?;
                self.decoded = self.decoded.saturating_add(1);
                self.take(frame.take()?, decoders)?;
            }
            if sent != Got::Again {
                return Ok(());
            }
        }
    }

    /// Takes a decoded picture: it is encoded if it is the next that is due.
    fn take(&mut self, frame: Frame, decoders: &mut Decoders) -> Result<()> {
        let Some(seam) = self.seams.front_mut() else { return Ok(()) };
        if seam.due().is_none() || frame.best_pts() != seam.due() {
            return Ok(());
        }
        seam.take(frame, self.carrying.as_ref().is_some_and(Carrying::tells_fields))?;
        if seam.due().is_none()
            && let Some(done) = self.seams.pop_front()
        {
            self.end(done, decoders)?;
        }
        Ok(())
    }
}
