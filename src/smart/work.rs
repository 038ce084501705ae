//! What a smart cut does: seams are encoded, and everything is copied with them in their places.

use super::{
    fit::Fit,
    passes,
    plan::{Plan, Video},
    seam, sound,
};
use crate::{
    CancelToken, Control, Cut, Error, ErrorKind, Media, Report, Result, TimeRange,
    av::log,
    bitstream::Reading,
    edit::{self, Feed, Headers, Part, Patch, Patched, Session, Spliced},
    job::ReportSpan,
    media::Payloads,
    output::{numbering::Extent, target::Target},
    time::Timestamp,
};
use std::{
    collections::{BTreeSet, VecDeque},
    thread,
};

/// So many things that seams lack are named.
const NAMED: usize = 16;

/// A smart cut.
pub(super) struct Work {
    pub media: Media,
    pub cut: Cut,
    /// Streams of sound that others take care of.
    pub apart: Vec<usize>,
}

impl Work {
    /// Whether all that is copied can be shared with the source.
    pub(super) fn shares(&self) -> bool {
        self.media.payloads() != Payloads::Read
    }

    /// What becomes of the ranges, and what is told of them.
    pub(super) fn plan(&self, report: &mut Report, control: &Control) -> Result<Plan> {
        report.mode = Some("smart".into());
        report.input_bytes = self.media.source().len().unwrap_or(0);
        report.bytes_read = self.media.bytes_read();
        let asked = edit::ranges(&self.media, &self.cut, report)?;
        let plan = Plan::of(&self.media, &asked, control)?;
        plan.tell(report);
        Ok(plan)
    }

    /// Encodes what has to be, and fits it to what is copied.
    pub(super) fn prepare(
        &self,
        plan: Plan,
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<(Vec<TimeRange>, Vec<Patch>)> {
        target.set_strip(self.cut.stripping());
        target.set_left_out(&self.apart);
        let mut patches: Vec<Patch> = plan.ranges.iter().map(|_| Patch::default()).collect();
        // Sound is worked out beside the pictures; what fails stops the other.
        let stop = CancelToken::new();
        let stopped = &control.clone().and_cancel(stop.clone());
        let until_failed = |done: Result<()>| done.inspect_err(|_| stop.cancel());
        let (mut heard, mut sounds) = (Report::default(), Vec::new());
        let (pictures, sound) = thread::scope(|scope| {
            let (ranges, heard, sounds) = (&plan.ranges, &mut heard, &mut sounds);
            let sound = thread::Builder::new().name("avrope sound".into()).spawn_scoped(scope, || {
                until_failed(log::ours(|| {
                    *sounds = self.splice(ranges, heard, stopped)?;
                    Ok(())
                }))
            });
            let mut videos = plan.videos.iter();
            let pictures =
                until_failed(videos.try_for_each(|of| self.fit(of, &mut patches, target, report, stopped)));
            let sound = match sound {
                Ok(thread) => thread.join().unwrap_or_else(|panic| Err(Error::panicked("sound", panic))),
                Err(error) => Err(Error::no_thread("sound", error)),
            };
            (pictures, sound)
        });
        match (pictures, sound) {
            // What failed first stopped the other.
            (Err(stopped), Err(error)) if stopped.kind() == ErrorKind::Cancelled => return Err(error),
            (pictures, sound) => pictures.and(sound)?,
        }
        report.bytes_read = report.bytes_read.saturating_add(heard.bytes_read);
        report.frames_decoded = report.frames_decoded.saturating_add(heard.frames_decoded);
        report.frames_encoded = report.frames_encoded.saturating_add(heard.frames_encoded);
        heard.warnings.into_iter().for_each(|warning| report.warn(warning));
        for (i, spliced) in sounds {
            if let Some(patch) = patches.get_mut(i) {
                patch.sounds.push(spliced);
            }
        }
        Ok((plan.ranges, patches))
    }

    /// Lets the sound of one range go over into that of the next: what becomes of which range.
    fn splice(
        &self,
        ranges: &[TimeRange],
        report: &mut Report,
        control: &Control,
    ) -> Result<Vec<(usize, Spliced)>> {
        let kept: Vec<usize> =
            (0..ranges.len()).filter(|i| ranges.get(*i).is_some_and(|it| it.from < it.to)).collect();
        let own: Vec<TimeRange> = kept.iter().filter_map(|i| ranges.get(*i).copied()).collect();
        let mut all = Vec::new();
        if own.len() < 2 {
            return Ok(all);
        }
        for stream in sound::sounds(&self.media).filter(|stream| !self.apart.contains(stream)) {
            let Some(spliced) = sound::splice(&self.media, stream, &own, report, control)? else {
                sound::tell_spliced(&self.media, stream, &own, report);
                continue;
            };
            all.extend(kept.iter().copied().zip(spliced));
        }
        Ok(all)
    }

    /// Encodes the seams of a stream.
    fn fit(
        &self,
        video: &Video,
        patches: &mut [Patch],
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let encoded = passes::encode_all(&self.media, video, control)?;
        let Some(stream) = self.media.streams().get(video.stream) else { return Ok(()) };
        let mut fit = Fit::new(stream, target.muxer)?;
        let (mut is_mixed, mut lost) = (false, BTreeSet::new());
        for (i, (splice, [head, tail])) in video.splices.iter().zip(encoded).enumerate() {
            let Some(splice) = splice else { continue };
            let mut of = Patched {
                stream: video.stream,
                begins: splice.first(),
                copied: splice.copied.map(|(pts, _)| pts),
                decoded: splice.decoded.clone(),
                left_out: splice.left_out.clone(),
                ends: splice.ends,
                ends_at_picture: splice.is_to_picture,
                last: splice.last,
                ..Patched::default()
            };
            of.head.slots = VecDeque::from(splice.head.slots.clone());
            of.tail.slots = VecDeque::from(splice.tail.slots.clone());
            for (seam, made) in [(&mut of.head, head), (&mut of.tail, tail)] {
                let Some(made) = made else { continue };
                report.frames_decoded = report.frames_decoded.saturating_add(made.decoded);
                report.frames_encoded = report.frames_encoded.saturating_add(made.packets.len() as u64);
                report.bytes_read = report.bytes_read.saturating_add(made.bytes_read);
                if made.psnr < seam::LEAST {
                    report.warn(format!(
                        "range {}, stream {}: pictures that were encoded anew are as little like the source's as {:.1} dB",
                        i.saturating_add(1), video.stream, made.psnr
                    ));
                }
                lost.extend(made.lost.iter().cloned());
                tell_quality(&mut report.spans, (video.stream, i, made.from), made.psnr);
                seam.packets = fit.packets(made)?.into();
                is_mixed = true;
            }
            if let Some(own) = patches.get_mut(i) {
                own.streams.push(of);
            }
        }
        if !lost.is_empty() {
            let more = lost.len().saturating_sub(NAMED);
            let mut told = lost.into_iter().take(NAMED).collect::<Vec<String>>().join(", ");
            if more > 0 {
                told.push_str(&format!(", and {more} others"));
            }
            report.warn(format!(
                "stream {}: pictures that were encoded anew lack what was beside them: {told}",
                video.stream
            ));
        }
        let told = video.splices.iter().flatten().map(|splice| &splice.headers);
        let told = told.max_by_key(|headers| headers.len()).cloned().unwrap_or_default();
        let headers = fit.front(&told)?;
        if is_mixed && !headers.is_empty() {
            for of in patches.iter_mut().flat_map(|patch| &mut patch.streams) {
                let reading = Reading::of(&stream.codec(), stream.extradata());
                if let Some(reading) = reading.filter(|_| of.stream == video.stream) {
                    of.headers = Some(Headers { bytes: headers.clone(), reading });
                }
            }
        }
        if let Some(configuration) = fit.configuration()? {
            target.configure(video.stream, configuration);
        }
        Ok(())
    }

    /// Copies everything, with what was encoded in its place.
    pub(super) fn copy(
        &self,
        (ranges, patches): (Vec<TimeRange>, Vec<Patch>),
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let extent = if ranges.len() > 1 { Extent::Several } else { Extent::Stretch };
        target.tell(&(&ranges, "smart"));
        let first = ranges.iter().find(|range| range.from < range.to);
        target.set_begins(first.map_or(Timestamp::ZERO, |range| range.from));
        let chapters = edit::chapters(&self.media, &ranges);
        target.open(&self.media, extent, chapters, self.cut.allows_drops(), report)?;
        let feeds = Feed::all(target);
        let total = ranges.iter().fold(Timestamp::ZERO, |sum, range| sum.plus(range.length()));
        let mut session = Session::new(target, report, control, total);
        let count = ranges.len();
        let is_empty = |range: &TimeRange| range.from >= range.to;
        let last = ranges.iter().rposition(|range| !is_empty(range));
        for (i, (range, patch)) in ranges.iter().zip(patches).enumerate() {
            if is_empty(range) {
                continue;
            }
            session.patch = patch;
            let part = Part {
                from: range.from,
                to: range.to,
                from_keyframe: false,
                whole_frames: count > 1,
                lossless_exact: true,
                last: Some(i) == last,
            };
            edit::part(&mut session, &self.media, &feeds, part)?;
        }
        session.tell_unseen(&self.media, &feeds)?;
        for track in &mut session.target.tracks {
            track.clock.merge_contiguous();
        }
        session.report.duration = session.placed.length();
        Ok(())
    }
}

/// How like the source's the pictures of a span are that begin then.
fn tell_quality(spans: &mut [ReportSpan], (stream, range, from): (usize, usize, Timestamp), psnr: f64) {
    let is_it = |span: &&mut ReportSpan| (span.stream, span.range, span.from) == (stream, range, from);
    if let Some(span) = spans.iter_mut().find(is_it) {
        span.psnr = Some(psnr).filter(|psnr| psnr.is_finite());
    }
}
