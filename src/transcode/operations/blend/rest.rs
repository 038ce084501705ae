//! What of the sources is not in a join with transitions.

use super::{Blend, stream_of};
use crate::{Report, StreamKind, edit::Lost, job::DroppedStream, output::target::Target};

impl Blend {
    /// One picture and one sound of each source go through transitions. Covers are the first one's.
    pub(super) fn tell_of_the_rest(&self, streams: &[Vec<usize>], target: &Target, report: &mut Report) {
        if let Some((first, others)) = self.medias.split_first() {
            let mut lost = Lost::new(first, self.settings.strip);
            others.iter().for_each(|other| lost.note_tags(other));
            lost.tell(report);
        }
        for (number, (media, taken)) in self.medias.iter().zip(streams).enumerate() {
            let name = media.source().name();
            for (index, stream) in media.streams().iter().enumerate() {
                let kind = stream.kind();
                // What not every source has is told for all at once.
                let told = || self.medias.iter().any(|media| stream_of(media, kind).is_none());
                let of_both = matches!(kind, StreamKind::Video | StreamKind::Audio);
                let unwanted = self.settings.leaves_out(kind) || (of_both && told());
                let refused = stream.is_picture().then(|| target.refuses_cover(stream)).flatten();
                let stays = number == 0 && stream.picture.is_some() && refused.is_none();
                if taken.contains(&index) || stays || stream.is_hidden() || (unwanted && !stream.is_picture())
                {
                    continue;
                }
                let is_of_kind = |i: &usize| media.streams().get(*i).is_some_and(|s| s.kind() == kind);
                let plays = of_both && !stream.is_picture();
                let reason = if let Some(why) = refused {
                    why
                } else if stream.is_picture() {
                    "the covers are those of the first source"
                } else if plays && !taken.iter().any(is_of_kind) {
                    "the container holds none of its kind"
                } else {
                    "transitions are of one picture and one sound"
                };
                let codec = stream.codec();
                report.warn(format!("{name}: stream {index} ({codec}) is left out: {reason}"));
                report.dropped_streams.push(DroppedStream { index, codec, reason: reason.into() });
            }
            if !media.chapters().is_empty() {
                report.warn(format!("{name}: its chapters are left out: transitions move them"));
            }
        }
    }
}
