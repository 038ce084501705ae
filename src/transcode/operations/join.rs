//! [`join`]: inputs one behind the other, which copies; and what is encoded where they do not match.

mod likeness;
mod model;
mod silence;

use crate::{
    Clip, Control, Job, Report, Result, Sink, Source,
    edit::{Asked, Joining, Likeness},
    transcode::settings::Join,
};
use likeness::Matching;

impl Join {
    /// The job that joins these sources, which it opens when it runs.
    pub fn job(&self, sources: &[Source]) -> Job {
        let (format, allow_drops) = (self.format.clone(), self.allow_drops);
        let asked = Asked { format, allow_drops, road: self.road, strip: self.strip };
        let likeness = self.encode_unlike.as_deref().map(|settings| {
            let matching = Matching::new(sources, settings.clone(), allow_drops);
            Box::new(matching) as Box<dyn Likeness>
        });
        Job::new(Joining::new(sources, asked, likeness))
    }
}

/// Joins sources with like streams without touching their payload, into a rope. They are opened one after the
/// other: a join of thousands holds a few descriptors at a time.
///
/// Sound stays within half of its frame of the picture at every seam, however many there are. Parameter sets of H.264
/// and HEVC may differ: in MP4 and MOV all lie in the one sample description, under ids of their own, which slices of
/// later sources name in a byte or two of the result's own ([`Report::payload_copied`](crate::Report::payload_copied));
/// their samples are looked at for that. They lie in front of keyframes elsewhere. Where ids run out (eighteen sources
/// of H.264 with other sets each, fewer of HEVC), or descriptions differ in more, a source has a description of its
/// own, and a warning says so.
///
/// Errors: [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for no source at all and for one that does
/// not match the first: the message says which property of which stream differs. With
/// [`encode_unlike`](Join::encode_unlike) it is encoded to match.
///
/// ```no_run
/// use avrope::{Control, Join, Source, Transcode, join, io::SaveOptions};
/// let parts = [Source::open("a.mp4")?, Source::open("b.mp4")?];
/// let clip = join(&parts, &Join::new().encode_unlike(Transcode::new()), &Control::default())?;
/// clip.rope.save("both.mp4", SaveOptions::new(), &Control::default())?;
/// # Ok::<(), avrope::Error>(())
/// ```
pub fn join(sources: &[Source], settings: &Join, control: &Control) -> Result<Clip> {
    settings.job(sources).to_rope(control)
}

/// Joins sources with like streams, into a sink.
pub fn join_to(sources: &[Source], settings: &Join, sink: Sink, control: &Control) -> Result<Report> {
    settings.job(sources).to_sink(sink, control)
}
