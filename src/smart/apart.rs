//! Sound that can't be cut at its samples where it is copied, or is to be encoded anew: it is, as a whole, beside what
//! a smart cut makes of the rest.

use super::{
    plan::{self, Plan},
    work::Work,
};
use crate::{
    Control, Job, Media, Report, Result, Source, TimeRange,
    output::{self, Operation, target::Target},
    time::Timestamp,
    transcode::operations::Apart,
};
use std::path::Path;

/// What a smart cut makes of all but some streams of sound.
struct Rest {
    work: Work,
    plan: Plan,
}

impl Operation for Rest {
    fn name(&self) -> &'static str {
        "cut"
    }

    fn inputs(&self) -> Vec<Source> {
        vec![self.work.media.source().clone()]
    }

    fn format(&self) -> Option<&str> {
        self.work.cut.asked_format()
    }

    fn default_format(&mut self, _control: &Control) -> Result<String> {
        Ok(output::format_like(&self.work.media))
    }

    fn shares(&mut self, _control: &Control) -> Result<bool> {
        Ok(self.work.shares())
    }

    fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
        self.plan.tell(report);
        let prepared = self.work.prepare(self.plan, target, report, control)?;
        self.work.copy(prepared, target, report, control)
    }
}

/// Makes the rest of a cut, as the source for another job: for that, with the ranges as they are kept and how much
/// later than they the pictures begin. `folder` is that of the result, if it is a file.
pub(super) fn rest(
    work: &Work,
    plan: Plan,
    apart: &[usize],
    folder: Option<&Path>,
    target: &Target,
    control: &Control,
) -> Result<Made> {
    let kept = plan.ranges.iter().copied().filter(|range| range.from < range.to);
    let (ranges, begins) = (kept.collect(), plan.begins());
    let format = target.name();
    let (media, cut) = (work.media.clone(), work.cut.clone().allow_drops(true));
    let name = media.source().name().to_owned();
    let rest = Work { media, cut, apart: apart.to_vec() };
    // What is shared takes no room in memory.
    let shares = output::is_mov(format) && rest.shares();
    let job = Job::new(Rest { work: rest, plan });
    let (source, made) = job.into_source(format, folder.filter(|_| !shares), control)?;
    let media = Media::open_with(source.named(name), control)?;
    Ok(Made { media, report: made, ranges, begins })
}

/// The rest of a cut.
pub(super) struct Made {
    media: Media,
    report: Report,
    ranges: Vec<TimeRange>,
    /// How much later than the first range its pictures begin.
    begins: Timestamp,
}

impl Made {
    /// Encodes the sound of these streams beside it.
    pub(super) fn with_sound(
        self,
        work: &Work,
        streams: &[usize],
        target: &mut Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<()> {
        let later = self.begins.minus(plan::begins(&self.media, control)?);
        let sounds = Apart { media: &work.media, streams };
        let silent =
            sounds.encode_beside(&self.media, (&self.ranges, later), &work.cut, target, report, control)?;
        if !target.stores_dts() {
            // What its demuxer makes up of the rest's times is no matter of the source's.
            report.warnings.retain(|warning| !warning.contains("packets had a dts"));
        }
        self.rename_dropped(&work.media, report);
        for stream in silent {
            let codec = work.media.streams().get(stream).map(|own| own.codec()).unwrap_or_default();
            report.leave_out(stream, codec, "nothing of it lies in what is kept");
        }
        add(self.report, report);
        Ok(())
    }

    /// What the rest's copy left out is named as the source has it. Tracks of titles are the rest's own, and come
    /// again.
    fn rename_dropped(&self, source: &Media, report: &mut Report) {
        for dropped in std::mem::take(&mut report.dropped_streams) {
            let Some(kind) = self.media.streams().get(dropped.index).map(|own| own.kind()) else {
                report.dropped_streams.push(dropped);
                continue;
            };
            let head = format!("stream {} ({}) is left out: ", dropped.index, dropped.codec);
            report.warnings.retain(|warning| !warning.starts_with(&head));
            let of_kind = |media: &Media, end: usize| {
                media.streams().iter().take(end).filter(|own| own.kind() == kind).count()
            };
            let rank = of_kind(&self.media, dropped.index);
            let mut own = (0..source.streams().len()).filter(|i| {
                source.streams().get(*i).is_some_and(|own| own.kind() == kind && !own.is_hidden())
            });
            if let Some(index) = own.nth(rank) {
                let reason =
                    "of ranges in another order it is copied only beside sound that is copied as well";
                report.leave_out(index, dropped.codec, reason);
            }
        }
    }
}

/// Counts in what was done to make the rest.
fn add(rest: Report, report: &mut Report) {
    for (all, own) in [
        (&mut report.frames_decoded, rest.frames_decoded),
        (&mut report.frames_encoded, rest.frames_encoded),
        (&mut report.bytes_read, rest.bytes_read),
    ] {
        *all = all.saturating_add(own);
    }
    let told = std::mem::replace(&mut report.warnings, rest.warnings);
    told.into_iter().for_each(|warning| report.warn(warning));
    report.spans = rest.spans;
    report.dropped_streams.splice(0..0, rest.dropped_streams);
}
