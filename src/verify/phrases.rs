//! Faults in words: what, where, what was expected and what is there, in a line.

use super::fault::{Fault, FaultKind, SeekFault};
use crate::time::Timestamp;
use std::fmt;

impl fmt::Display for SeekFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotThere => "the container does not lead there",
            Self::Nothing => "nothing is shown",
            Self::Other => "another picture is shown",
            Self::Next => "what follows it is another picture",
        })
    }
}

/// `1:02:03.456`.
pub(super) struct Clock(pub Timestamp);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.nanos().unsigned_abs().saturating_add(500_000) / 1_000_000;
        let sign = if self.0 < Timestamp::ZERO && millis > 0 { "-" } else { "" };
        let (s, ms) = (millis / 1000, millis % 1000);
        write!(f, "{sign}{}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// Milliseconds, as many as matter.
struct Millis(Timestamp);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0.nanos() as f64 / 1e6);
        write!(f, "{} ms", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A count and what is counted.
struct Many(u64, &'static str);

impl fmt::Display for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// How what follows comes for a fault.
struct Follows(Timestamp);

impl fmt::Display for Follows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.nanos() {
            0 => Ok(()),
            1.. => write!(f, "; what follows comes {} later", Millis(self.0)),
            _ => write!(f, "; what follows comes {} earlier", Millis(Timestamp::ZERO.minus(self.0))),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pictures = |count: u64| Many(count, "picture");
        match self {
            Self::NoPictures => f.write_str("the source has pictures, and the output has none"),
            Self::Missing { pictures: count, by } => {
                let closed = Follows(Timestamp::ZERO.minus(*by));
                write!(f, "{} of the source missing{closed}", pictures(*count))
            }
            Self::Added { pictures: count, by } => {
                write!(f, "{} too many, from outside of the ranges{}", pictures(*count), Follows(*by))
            }
            Self::Repeated { pictures: count, by } => {
                write!(f, "a picture is repeated {} too often{}", Many(*count, "time"), Follows(*by))
            }
            Self::Frozen { pictures: count, head } => {
                let what = if *head { "the first picture of the range" } else { "a picture" };
                write!(f, "{what} stands still, in the place of {} that follow", pictures(*count))
            }
            Self::OutOfOrder { pictures: count } => write!(f, "{} out of order", pictures(*count)),
            Self::Foreign { pictures: count, instead } => {
                let instead = if *instead { ", in the place of as many that are" } else { "" };
                write!(f, "{} none of the source's near there{instead}", pictures(*count))
            }
            Self::Shifted { pictures: count } => {
                let way = if *count > 0 { "late" } else { "early" };
                write!(
                    f,
                    "the range begins and ends {} too {way} in the source",
                    pictures(count.unsigned_abs())
                )
            }
            Self::Poor { pictures: count, psnr, required } => {
                write!(
                    f,
                    "{} too far from the source's: down to {psnr:.1} dB, at least {required:.1} expected",
                    pictures(*count)
                )
            }
            Self::Broken { pictures: count, psnr } => {
                let what = "with the source's bytes decoded to something else: what they refer to is wrong or missing";
                write!(f, "{} {what} (down to {psnr:.1} dB)", pictures(*count))
            }
            Self::Damaged { pictures: count, packets, lines } => {
                write!(f, "damage that the source has not: {} with errors", pictures(*count))?;
                write!(f, ", {} lost", Many(*packets, "packet"))?;
                lines.first().map_or(Ok(()), |line| write!(f, " (libav: {line})"))
            }
            Self::Warned { lines } => {
                write!(f, "the decoder warns, and not of the source: {}", lines.join("; "))
            }
            Self::Form { pictures: count, expected, found } => {
                write!(f, "{} of another form: {expected} expected, {found} found", pictures(*count))
            }
            Self::Colour { pictures: count, expected, found } => {
                write!(f, "{} of other colours: {expected} expected, {found} found", pictures(*count))
            }
            Self::Rotation { expected, found } => {
                write!(f, "pictures are turned by {found}, expected {expected}")
            }
            Self::Tracks { kind, expected, found } => {
                let kind = format!("{kind:?}").to_lowercase();
                write!(f, "{} of {kind}, expected {expected}", Many(*found as u64, "track"))
            }
            Self::Chapters { expected, found } => {
                write!(f, "chapters are others than in the source: {found}, expected {expected}")
            }
            Self::Subtitles { track, expected, found } => {
                let what = "lines of text are others than in the source";
                write!(f, "stream {track}: {what}: {found}, expected {expected}")
            }
            Self::Late { by } if *by < Timestamp::ZERO => {
                write!(f, "the first picture comes {} early", Millis(Timestamp::ZERO.minus(*by)))
            }
            Self::Late { by } => write!(f, "the first picture comes {} late", Millis(*by)),
            Self::Gap { by } => {
                write!(f, "a gap: a picture is shown {} longer than in the source", Millis(*by))
            }
            Self::Hurried { by } => {
                write!(f, "a picture is shown {} shorter than in the source", Millis(*by))
            }
            Self::Times { pictures: count, by } => {
                write!(f, "{} at other times than in the source, by up to {}", pictures(*count), Millis(*by))
            }
            Self::NoSound { track } => {
                write!(f, "the source's stream {track} is sound, and the output has none for it")
            }
            Self::SoundForm { track, expected, found } => {
                write!(f, "stream {track}: sound of another form: {expected} expected, {found} found")
            }
            Self::SoundLate { track, range, by } => {
                let way = if *by < Timestamp::ZERO { "early" } else { "late" };
                let off = Millis(Timestamp::from_nanos(by.nanos().saturating_abs()));
                write!(f, "stream {track}: sound of range {} comes {off} {way}", range.saturating_add(1))
            }
            Self::SoundHole { track } => write!(f, "stream {track}: silence where the source has sound"),
            Self::SoundClick { track, range, over } => {
                let range = range.saturating_add(1);
                write!(
                    f,
                    "stream {track}: sound clicks where range {range} begins: {over:.0} dB above all around"
                )
            }
            Self::SoundPoor { track, si_sdr, required } => {
                let found = si_sdr.map_or("nothing of it".into(), |sdr| format!("down to {sdr:.1} dB"));
                let asked = format!("at least {required:.1} dB expected");
                write!(f, "stream {track}: sound too far from the source's: {found} (SI-SDR), {asked}")
            }
            Self::SoundLength { track, by } if *by < Timestamp::ZERO => {
                write!(f, "stream {track}: sound is {} too short", Millis(Timestamp::ZERO.minus(*by)))
            }
            Self::SoundLength { track, by } => write!(f, "stream {track}: sound is {} too long", Millis(*by)),
            Self::Seek { keys, tried, shows } => {
                let keys = Many(*keys, "keyframe");
                write!(f, "decoding can't begin at {keys} (of {tried} that were tried): {shows}")
            }
            Self::LastDuration { expected, found } => {
                write!(f, "the last picture is shown for ")?;
                match found {
                    Some(found) => write!(f, "{}", Millis(*found))?,
                    None => f.write_str("an unknown time")?,
                }
                write!(f, ", expected {}", Millis(*expected))
            }
        }
    }
}

/// What, where, expected and found, in a line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "at {}", Clock(at))?;
            if let Some(until) = self.until.filter(|until| *until > at && *until != Timestamp::MAX) {
                write!(f, " to {}", Clock(until))?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.kind)?;
        self.source.map_or(Ok(()), |source| write!(f, " (source: {})", Clock(source)))
    }
}
