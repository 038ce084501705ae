//! The sound of a stream as it is heard: decoded, and each piece with the sample of the output's clock that it begins
//! at.

use crate::{
    Control, Frame, Media, Result,
    av::decoder::{DecodeOptions, Decoder, Got},
    media::Item,
    time::{Rational, Timestamp, convert},
    verify::{
        shown::options,
        spans::{Pass, Placed, passes},
    },
};
use crossbeam_channel::Sender;

/// Timestamps that are this far from the samples, as a part of a second, tell that some are missing or too many, where
/// two ticks are not longer: 0.5 ms. What is less is the jitter of who wrote them.
const APART: i64 = 2000;

/// A piece of sound.
pub(super) struct Piece {
    /// The sample that it begins at.
    pub at: i64,
    pub rate: u32,
    pub channels: usize,
    /// Samples a channel of the frame that it is of.
    pub frame: u64,
    /// The channels' samples beside each other.
    pub samples: Vec<f32>,
}

/// Decodes ranges of a stream of sound.
pub(super) struct Sounds<'a> {
    pub media: &'a Media,
    pub stream: usize,
    pub ranges: &'a [Placed],
    pub control: &'a Control,
    pub to: &'a Sender<Result<Piece>>,
}

impl Sounds<'_> {
    /// Sends all, and the error that ends it.
    pub(super) fn run(&self) {
        for placed in self.ranges {
            for pass in passes(self.media, self.stream, *placed) {
                match self.pass(&pass) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        let error = error.in_stream(self.stream).named(self.media.source().name());
                        let _ = self.to.send(Err(error));
                        return;
                    }
                }
            }
        }
    }

    /// False if nobody wants more.
    fn pass(&self, pass: &Pass) -> Result<bool> {
        let (media, stream) = (self.media, self.stream);
        let Some(found) = media.streams().get(stream) else { return Ok(true) };
        let Some(mut reader) = pass.read(media, stream, self.control)? else { return Ok(true) };
        // Edit lists say what of the beginning is heard.
        let options = DecodeOptions { threads: 1, ..options(self.control, media.is_edited(), None) };
        let mut decoder = Decoder::open(found, &options)?;
        let mut clock = Clock { base: found.time_base(), due: None, rate: 0 };
        let mut item = Item::new()?;
        let mut frame = Frame::new()?;
        let mut more = true;
        while more {
            self.control.check()?;
            more = reader.next(&mut item)?;
            if more && (item.packet.stream() != stream || item.packet.size() == 0) {
                continue;
            }
            loop {
                let sent = decoder.send(more.then_some(&item.packet))?;
                while decoder.receive(&mut frame)? == Got::Item {
                    match self.place(pass, &mut clock, &frame) {
                        Placing::Goes => {}
                        Placing::IsOver => return reader.finish(false).map(|_| true),
                        Placing::Unwanted => return Ok(false),
                    }
                }
                if sent != Got::Again {
                    break;
                }
            }
        }
        reader.finish(false).map(|_| true)
    }

    fn place(&self, pass: &Pass, clock: &mut Clock, frame: &Frame) -> Placing {
        let Some((sample, begins)) = clock.hear(frame) else { return Placing::Goes };
        let rate = frame.sample_rate();
        let count = i64::try_from(frame.samples()).unwrap_or(0);
        let mut is_over = true;
        for (span, at) in &pass.spans {
            let first = convert(span.media, pass.fine, sample);
            let last = match span.len {
                Timestamp::MAX => i64::MAX,
                len => first.saturating_add(len.ticks(sample)),
            };
            is_over &= begins >= last;
            let (from, to) = (begins.max(first), begins.saturating_add(count).min(last));
            if from >= to {
                continue;
            }
            let inside = |at: i64| usize::try_from(at.saturating_sub(begins)).unwrap_or(0);
            let Some((channels, samples)) = samples(frame, inside(from)..inside(to)) else { continue };
            let at = from.saturating_sub(first).saturating_add(at.ticks(sample));
            if self.to.send(Ok(Piece { at, rate, channels, frame: count.unsigned_abs(), samples })).is_err() {
                return Placing::Unwanted;
            }
        }
        if is_over { Placing::IsOver } else { Placing::Goes }
    }
}

enum Placing {
    Goes,
    /// What follows lies behind all that is heard.
    IsOver,
    Unwanted,
}

/// Samples run on; timestamps are believed where they say something else, and not by their rounding.
struct Clock {
    base: Rational,
    due: Option<i64>,
    rate: u32,
}

impl Clock {
    fn hear(&mut self, frame: &Frame) -> Option<(Rational, i64)> {
        let rate = frame.sample_rate();
        let sample =
            i32::try_from(rate).ok().filter(|rate| *rate > 0).and_then(|rate| Rational::new(1, rate))?;
        let stated = frame.best_pts().map(|pts| convert(pts, self.base, sample));
        let due = self.due.filter(|_| self.rate == rate);
        // Times that were rounded once in the source and once more in the output are two ticks off at the most.
        let rounding = convert(2, self.base, sample).max(i64::from(rate) / APART).unsigned_abs();
        let begins = match (stated, due) {
            (Some(stated), Some(due)) if stated.abs_diff(due) <= rounding => due,
            (stated, due) => stated.or(due).unwrap_or(0),
        };
        self.rate = rate;
        self.due = Some(begins.saturating_add(i64::try_from(frame.samples()).unwrap_or(0)));
        Some((sample, begins))
    }
}

/// Samples of all channels beside each other, as numbers from -1 to 1. None for a form that has none.
fn samples(frame: &Frame, range: std::ops::Range<usize>) -> Option<(usize, Vec<f32>)> {
    let format = frame.format();
    let (kind, is_planar) = format.strip_suffix('p').map_or((&*format, false), |kind| (kind, true));
    let read: fn(&[u8]) -> f32 = match kind {
        "u8" => |b| b.first().map_or(0.0, |b| (f32::from(*b) - 128.0) / 128.0),
        "s16" => |b| f32::from(i16::from_ne_bytes(b.try_into().unwrap_or_default())) / 32768.0,
        "s32" => {
            |b| (f64::from(i32::from_ne_bytes(b.try_into().unwrap_or_default())) / 2_147_483_648.0) as f32
        }
        "flt" => |b| f32::from_ne_bytes(b.try_into().unwrap_or_default()),
        "dbl" => |b| f64::from_ne_bytes(b.try_into().unwrap_or_default()) as f32,
        _ => return None,
    };
    let size = match kind {
        "u8" => 1,
        "s16" => 2,
        "dbl" => 8,
        _ => 4,
    };
    let channels = usize::try_from(frame.channels()).ok().filter(|channels| *channels > 0)?;
    let count = range.end.saturating_sub(range.start);
    let mut samples = vec![0.0; count.saturating_mul(channels)];
    let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
    if is_planar {
        for channel in 0..channels {
            let plane = frame.plane(channel)?.chunks_exact(size).skip(range.start).take(count);
            let to = samples.iter_mut().skip(channel).step_by(channels);
            plane.zip(to).for_each(|(from, to)| *to = finite(read(from)));
        }
    } else {
        let from = frame.plane(0)?.chunks_exact(size).skip(range.start.saturating_mul(channels));
        from.zip(&mut samples).for_each(|(from, to)| *to = finite(read(from)));
    }
    Some((channels, samples))
}
