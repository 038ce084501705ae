//! Frames of AAC-LC around seams, encoded anew: the sound before a seam goes over into that behind it, and the frames
//! that are copied go into the new ones and out of them as they did.

use super::{
    heard::{FRAME, Heard, SAMPLES, Track},
    line::Range,
};
use crate::{
    Error, ErrorKind, Frame, Result,
    av::{
        decoder::Got,
        encoder::{EncodeOptions, Encoder, EncoderKind},
        packet::Packet,
    },
    bitstream::aac::{LowComplexity, Windows, with_adts_of},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How long the one sound takes to go over into the other, in parts of a second.
const FADE: i64 = 100;
/// Frames that an encoder gets going with.
const WARM: usize = 4;
/// Seams that are as near as this are encoded together.
const TOGETHER: usize = 10;
/// How many frames more are encoded on either side, to find windows that go together: mostly the first ones do.
const FURTHER: [usize; 2] = [1, 5];

/// A frame of the result.
#[derive(Clone, Copy, Debug)]
struct Place {
    range: usize,
    list: usize,
    at: usize,
}

/// Frames of the result that follow on each other, and the seams among them.
struct Chain<'a> {
    ranges: &'a [Range],
    places: Vec<Place>,
    seams: Vec<Seam>,
}

/// In front of a frame of a chain.
#[derive(Clone, Copy)]
struct Seam {
    at: usize,
    /// How much later than between the two ranges' pictures, in samples.
    over: i64,
}

/// What takes the place of a frame of the source.
pub(super) struct Anew {
    /// Which range the frame is of.
    pub range: usize,
    /// Its pts.
    pub pts: i64,
    pub data: Bytes,
}

/// Encodes what is around the seams between ranges. None where this libav makes no such frames.
pub(super) fn encode(track: &Track<'_>, ranges: &[Range]) -> Result<Option<Vec<Anew>>> {
    let mut anew = Vec::new();
    for chain in chains(ranges) {
        let mut seams = chain.seams.as_slice();
        while let Some(first) = seams.first() {
            let mut count = 1_usize;
            while let (Some(a), Some(b)) = (seams.get(count.saturating_sub(1)), seams.get(count))
                && b.at.saturating_sub(a.at) < TOGETHER
            {
                count = count.saturating_add(1);
            }
            let (own, rest) = seams.split_at_checked(count).unwrap_or((seams, &[]));
            let last = own.last().map_or(first.at, |seam| seam.at);
            let Some(made) = chain.encode(track, own, (first.at, last))? else { return Ok(None) };
            anew.extend(made);
            seams = rest;
        }
    }
    Ok(Some(anew))
}

/// The result's frames in a row, as far as they were looked at.
fn chains(ranges: &[Range]) -> Vec<Chain<'_>> {
    let new = || Chain { ranges, places: Vec::new(), seams: Vec::new() };
    let mut all = vec![new()];
    for (i, range) in ranges.iter().enumerate() {
        for list in 0..range.lists.len() {
            if list > 0 {
                all.push(new());
            }
            let Some(chain) = all.last_mut() else { continue };
            // Sound that goes on has no seam.
            let before = chain.places.last().and_then(|place| chain.heard(*place));
            let first = range.lists.get(list).and_then(|frames| frames.get(range.kept(list).start));
            let goes_on = before
                .zip(first)
                .is_some_and(|(a, b)| b.at.saturating_sub(a.at).saturating_sub(SAMPLES).abs() <= SAMPLES / 8);
            if i > 0 && list == 0 && !goes_on && !range.kept(list).is_empty() {
                chain.seams.push(Seam { at: chain.places.len(), over: range.over });
            }
            chain.places.extend(range.kept(list).map(|at| Place { range: i, list, at }));
        }
    }
    all
}

impl Chain<'_> {
    fn heard(&self, place: Place) -> Option<&Heard> {
        self.ranges.get(place.range)?.lists.get(place.list)?.get(place.at)
    }

    /// The source's sound of a frame, counted from a place.
    fn own(&self, place: Place, by: isize) -> Option<&[Vec<f32>]> {
        let at = place.at.checked_add_signed(by)?;
        self.heard(Place { at, ..place }).map(|heard| heard.samples.as_slice())
    }

    /// What is to be heard in a frame: `at` may lie a little in front of the chain and behind it.
    fn sound(&self, at: isize, channels: usize, fade: i64, seams: &[Seam]) -> Vec<Vec<f32>> {
        let silence = || vec![vec![0.0; FRAME]; channels];
        let last = self.places.len().saturating_sub(1);
        let near = usize::try_from(at).unwrap_or(0).min(last);
        let Some(place) = self.places.get(near) else { return silence() };
        let by = at.saturating_sub_unsigned(near);
        let mut sound = self.own(*place, by).map_or_else(silence, <[_]>::to_vec);
        for seam in seams {
            let begins = i64::try_from(seam.at).unwrap_or(0).saturating_sub(i64::try_from(at).unwrap_or(0));
            // The frame in front of a seam, and the one behind it.
            if !(0..=1).contains(&begins) {
                continue;
            }
            let (before, behind) = (seam.at.checked_sub(1), self.places.get(seam.at));
            let other = if begins == 1 {
                behind.and_then(|place| self.own(*place, -1))
            } else {
                before.and_then(|at| self.own(*self.places.get(at)?, 1))
            };
            let Some(other) = other else { continue };
            // Where both are as loud, counted from the frame's beginning: at the pictures' seam, where a fade around it
            // lies in the two frames.
            let most = SAMPLES.saturating_sub(fade);
            let middle =
                begins.saturating_mul(SAMPLES).saturating_sub(seam.over.clamp(most.saturating_neg(), most));
            for (own, other) in sound.iter_mut().zip(other) {
                for (i, (own, other)) in (0_i64..).zip(own.iter_mut().zip(other)) {
                    let gone = i.saturating_sub(middle).saturating_add(fade) as f32
                        / (fade.saturating_mul(2).max(1)) as f32;
                    let gone = gone.clamp(0.0, 1.0);
                    // Without a kink at either end.
                    let gone = gone * gone * (3.0 - 2.0 * gone);
                    let theirs = if begins == 1 { gone } else { 1.0 - gone };
                    *own += (*other - *own) * theirs;
                }
            }
        }
        sound
    }

    /// Encodes what is around some seams, of which the first and the last lie in front of these frames.
    fn encode(
        &self,
        track: &Track<'_>,
        seams: &[Seam],
        (first, last): (usize, usize),
    ) -> Result<Option<Vec<Anew>>> {
        let len = self.places.len();
        let windows =
            |at: usize| self.places.get(at).and_then(|place| Windows::of(self.heard(*place)?.frame()));
        // A frame and the one behind it have to overlap as those of the source do.
        let goes = |a: Option<Windows>, b: Option<Windows>| {
            a.zip(b).is_some_and(|(a, b)| a.ends_long && b.begins_long)
        };
        let (nearest, behind) = (first.saturating_sub(2), last.saturating_add(1).min(len));
        let (mut made, mut begins, mut ends) = (BTreeMap::new(), None, None);
        for further in FURTHER {
            let from = nearest.saturating_sub(further);
            let to = last.saturating_add(further).saturating_add(2).min(len);
            let Some(frames) = self.frames(track, seams, (from, to))? else { return Ok(None) };
            made = frames;
            let new = |at: usize| made.get(&at).and_then(|frame| Windows::of(frame));
            begins = (from.max(1)..=nearest).rev().find(|at| goes(windows(at.saturating_sub(1)), new(*at)));
            begins = if nearest == 0 { Some(0) } else { begins };
            ends = (behind..to.min(len)).find(|at| goes(new(at.saturating_sub(1)), windows(*at)));
            ends = if behind == len { Some(len) } else { ends };
            if begins.is_some() && ends.is_some() {
                break;
            }
        }
        let (begins, ends) = (begins.unwrap_or(nearest), ends.unwrap_or(behind));
        let mut anew = Vec::new();
        for at in begins..ends {
            let own = self.places.get(at).and_then(|place| Some((place.range, self.heard(*place)?)));
            let Some(((range, own), frame)) = own.zip(made.get(&at)) else { return Ok(None) };
            let data = with_adts_of(&own.data, frame).map_or_else(|| frame.clone(), Bytes::from);
            anew.push(Anew { range, pts: own.pts, data });
        }
        Ok(Some(anew))
    }

    /// Encodes these frames of the chain.
    fn frames(
        &self,
        track: &Track<'_>,
        seams: &[Seam],
        (from, to): (usize, usize),
    ) -> Result<Option<BTreeMap<usize, Bytes>>> {
        let (Some(format), Some(kind)) = (&track.format, EncoderKind::find("aac")) else { return Ok(None) };
        let channels =
            self.places.get(from).and_then(|place| self.heard(*place)).map_or(0, |heard| heard.samples.len());
        // Half of what a frame may hold (6,144 bits a channel): nobody tells it from the source.
        let rate = i64::from(track.sample.den).saturating_mul(3);
        let rate = rate.saturating_mul(i64::try_from(channels).unwrap_or(1));
        // At such rates the fast search is nearer to the sound than the careful one, in half the time.
        let options = [("b", rate.to_string()), ("aac_coder", "fast".into())];
        let options = options.into_iter().chain(["aac_pns", "aac_is"].map(|key| (key, "0".into())));
        let options = EncodeOptions {
            threads: 1,
            global_header: true,
            bit_exact: true,
            options: options.map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        // It knows not all rates and layouts that there are.
        let Ok(mut encoder) = Encoder::audio(kind, format, &options) else { return Ok(None) };
        let Some(own) = track.media.streams().get(track.stream) else { return Ok(None) };
        if LowComplexity::of_configuration(encoder.stream(own, false)?.extradata()) != track.kind {
            return Ok(None);
        }
        let fade = i64::from(track.sample.den) / FADE / 2;
        let (mut made, mut packet) = (BTreeMap::new(), Packet::new()?);
        let begin = isize::try_from(from).unwrap_or(0).saturating_sub_unsigned(WARM);
        // A frame's windows go on into the one behind it, and the encoder looks at one more.
        let end = isize::try_from(to).unwrap_or(0).saturating_add(2);
        let mut at = begin;
        loop {
            let frame = if at < end {
                let mut frame = Frame::audio("fltp", &format.layout, format.sample_rate, FRAME)?;
                for (plane, samples) in self.sound(at, channels, fade, seams).iter().enumerate() {
                    let to = frame.plane_mut(plane)?.chunks_exact_mut(4);
                    to.zip(samples).for_each(|(to, sample)| to.copy_from_slice(&sample.to_ne_bytes()));
                }
                frame.set_pts(i64::try_from(at).unwrap_or(0).saturating_mul(SAMPLES));
                Some(frame)
            } else {
                None
            };
            loop {
                let sent = encoder.send(frame.as_ref())?;
                while encoder.receive(&mut packet)? == Got::Item {
                    let place = packet.pts().and_then(|pts| usize::try_from(pts.div_euclid(SAMPLES)).ok());
                    if let Some(place) = place.filter(|place| (from..to).contains(place)) {
                        made.insert(place, Bytes::copy_from_slice(packet.data()));
                    }
                }
                if sent != Got::Again {
                    break;
                }
            }
            if frame.is_none() {
                break;
            }
            at = at.saturating_add(1);
        }
        if made.len() != to.saturating_sub(from) {
            return Err(Error::new(ErrorKind::Bug, "an encoder of AAC made other frames than it was given"));
        }
        Ok(Some(made))
    }
}
