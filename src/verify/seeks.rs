//! Whether a player can jump to the keyframes that an output says it has: decoding that begins there has to show the
//! same pictures as decoding from the start.

use super::{
    compare::hash,
    fault::SeekFault,
    shown::{Shown, options},
};
use crate::{
    Control, Frame, Media, Result,
    av::{
        decoder::{DecodeOptions, Decoder, Got},
        packet::Packet,
    },
    media::{Demux, Item, Payloads},
    time::Timestamp,
};

/// Packets that are read to come to a keyframe from where the demuxer goes.
const ON_THE_WAY: u32 = 4096;
/// Packets that are decoded for two pictures.
const DECODED: u32 = 256;

/// A picture of the output to which decoders can jump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub pts: i64,
    pub dts: Option<i64>,
    pub at: Timestamp,
    pub hash: u64,
    /// That of the picture behind it.
    pub next: Option<u64>,
}

/// Keys that decoding can jump to: not more than so many, evenly over the whole.
pub(super) struct Keys {
    found: Vec<Key>,
    most: usize,
    /// One in so many is kept.
    one_in: u64,
    count: u64,
    /// The last picture is one of them, and waits for the next.
    is_open: bool,
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        Self { found: Vec::new(), most, one_in: 1, count: 0, is_open: false }
    }

    pub(super) fn note(&mut self, shown: &Shown) {
        // What is concealed of a damaged one depends on what was there before.
        let is_kept = shown.is_key
            && !shown.is_damaged
            && self.most > 0
            && self.count.is_multiple_of(self.one_in.max(1));
        if !is_kept && !self.is_open {
            self.count = self.count.saturating_add(u64::from(shown.is_key));
            return;
        }
        let hash = hash(&shown.frame);
        if let Some(open) = self.found.last_mut().filter(|_| std::mem::take(&mut self.is_open)) {
            open.next = Some(hash);
        }
        if is_kept {
            self.found.push(Key { pts: shown.pts, dts: shown.dts, at: shown.from, hash, next: None });
            self.is_open = true;
        }
        self.count = self.count.saturating_add(u64::from(shown.is_key));
        if self.found.len() > self.most.saturating_mul(2) {
            // Every other one.
            let mut keeps = false;
            self.found.retain(|_| {
                keeps = !keeps;
                keeps
            });
            self.one_in = self.one_in.saturating_mul(2);
            self.is_open = false;
        }
    }

    /// As many as may be tried, over the whole.
    pub(super) fn end(self) -> Vec<Key> {
        let step = self.found.len().div_ceil(self.most.max(1)).max(1);
        self.found.into_iter().step_by(step).collect()
    }
}

/// Whether packets say when they are shown, wherever reading begins: in a program stream not all do, and libav makes up
/// the others from what it read before.
pub(super) fn can_jump(media: &Media) -> bool {
    let counts = |name: &str| matches!(name, "avi" | "mpeg");
    media.demuxer().finds_times() && !media.demuxer().name().split(',').any(counts)
}

/// Jumps to each of these.
pub(super) fn jump(
    media: &Media,
    stream: usize,
    keys: &[Key],
    control: &Control,
) -> Result<Vec<(Timestamp, SeekFault)>> {
    let mut wrong = Vec::new();
    let Some(found) = media.streams().get(stream).filter(|_| can_jump(media)) else { return Ok(wrong) };
    let mut loan = media.demux(control, false)?;
    let demux = loan.get()?;
    let options = DecodeOptions { threads: 1, ..options(control, false, None) };
    let mut run = || {
        demux.begin(&[stream], Payloads::Read, control)?;
        if demux.counts_times() {
            return Ok(());
        }
        let mut decoder = Decoder::open(found, &options)?;
        for key in keys {
            control.check()?;
            decoder.flush();
            if let Some(fault) = jump_to(demux, &mut decoder, stream, key, media.may_jump())? {
                wrong.push((key.at, fault));
            }
        }
        Ok(())
    };
    let outcome = run();
    if outcome.is_err() {
        loan.spoil();
    }
    outcome.map(|()| wrong)
}

fn jump_to(
    demux: &mut Demux,
    decoder: &mut Decoder,
    stream: usize,
    key: &Key,
    may_jump: bool,
) -> Result<Option<SeekFault>> {
    let mut item = Item::new()?;
    let mut is_there = demux.seek(stream, key.dts.unwrap_or(key.pts))?;
    let mut left = ON_THE_WAY;
    while is_there {
        is_there = left > 0 && demux.read(&mut item)?;
        left = left.saturating_sub(1);
        let packet = &item.packet;
        if packet.stream() == stream && packet.pts().or(packet.dts()) == Some(key.pts) {
            break;
        }
    }
    if !is_there {
        // Clocks that break off were made to go on, and say something else here.
        return Ok((!may_jump).then_some(SeekFault::NotThere));
    }
    let mut shown: Vec<(i64, u64)> = Vec::new();
    let mut frame = Frame::new()?;
    let mut left = DECODED;
    let mut packet: Option<Packet> = Some(item.packet.take()?);
    while shown.len() < 2 {
        let sent = decoder.send(packet.as_ref())?;
        while decoder.receive(&mut frame)? == Got::Item {
            // What is shown in front of the keyframe may refer to what was not read.
            if let Some(pts) = frame.best_pts().filter(|pts| *pts >= key.pts) {
                shown.push((pts, hash(&frame)));
            }
        }
        if sent == Got::Again {
            continue;
        }
        if packet.is_none() || left == 0 {
            break;
        }
        packet = loop {
            left = left.saturating_sub(1);
            if left == 0 || !demux.read(&mut item)? {
                break None;
            }
            if item.packet.stream() == stream && item.packet.size() > 0 {
                break Some(item.packet.take()?);
            }
        };
    }
    let other = |at: usize, hash: u64| shown.get(at).is_none_or(|(_, shown)| *shown != hash);
    Ok(match shown.first() {
        None => Some(SeekFault::Nothing),
        Some((pts, _)) if *pts != key.pts => Some(SeekFault::Other),
        Some(_) if other(0, key.hash) => Some(SeekFault::Other),
        Some(_) if key.next.is_some_and(|next| other(1, next)) => Some(SeekFault::Next),
        Some(_) => None,
    })
}
