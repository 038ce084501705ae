//! What is decoded, and only looked at: some streams of a media in one pass, each through its filters.

use super::{
    decode::{self, DecodeStage},
    demux::{self, Forward},
    messages::{Counters, Decoded, Fed, PlacedRange},
    pipeline::{PICTURES_LOOKED_AT, SOUND_PACKETS, SOUNDS},
    process::{self, End, GraphLink, Link},
    queue::{Rx, Stop, queue},
};
use crate::{
    Control, Media, Result, StreamKind, Timestamp, av::decoder::DecodeOptions, media::Payloads,
    transcode::settings::Transcode,
};

/// A stream that is looked at.
pub(crate) struct Looked<'a> {
    pub stream: usize,
    /// libavfilter's text.
    pub filters: String,
    /// Who gets the frames.
    pub end: &'a mut (dyn End + Send),
}

/// Decodes these streams in these ranges. The first one's frames come on the job's own thread.
pub(crate) fn look(
    media: &Media,
    ranges: &[(Timestamp, Timestamp)],
    looked: Vec<Looked<'_>>,
    settings: &Transcode,
    control: &Control,
) -> Result<Counters> {
    let streams: Vec<_> = looked.iter().map(|looked| Some(looked.stream)).collect();
    let is_sound = |stream: usize| media.streams().get(stream).is_some_and(|s| s.kind() == StreamKind::Audio);
    let parts = PlacedRange::in_a_row(media, ranges, &streams);
    let (counters, stop) = (Counters::new(settings), Stop::new(control));
    let options: DecodeOptions = decode::options(settings, control);
    let mut ways = Vec::new();
    let mut lanes = Vec::new();
    for (i, looked) in looked.into_iter().enumerate() {
        let room = if is_sound(looked.stream) { SOUNDS } else { PICTURES_LOOKED_AT };
        let (fed, packets) = queue::<Fed>(SOUND_PACKETS, &stop);
        let (decoded, raw) = queue::<Decoded>(room, &stop);
        ways.push(Some(Forward::Decode(fed)));
        let decode = DecodeStage::new(&parts, i, options.clone(), &counters, &stop, decoded);
        lanes.push((decode, packets, raw, looked));
    }
    let (counters_of, stop_of, parts_of) = (&counters, &stop, &parts);
    std::thread::scope(|scope| {
        let mut own = None;
        // As in the pipeline: a stage's queues live until its error is noted.
        for (decode, packets, raw, looked) in lanes {
            stop.spawn(scope, "decode", move || {
                let mut decode = decode;
                stop_of.guard("decode", || decode.run(&packets));
            });
            match own {
                None => own = Some((raw, looked)),
                Some(_) => stop.spawn(scope, "look", move || {
                    stop_of.guard("look", || through(&raw, looked, stop_of, false));
                }),
            }
        }
        stop.spawn(scope, "demux", move || {
            let mut ways = ways;
            stop_of.guard("demux", || demux::run(parts_of, &mut ways, Payloads::Read, counters_of, stop_of));
        });
        if let Some((raw, looked)) = own {
            stop.guard("look", || through(&raw, looked, &stop, true));
        }
    });
    control.check()?;
    stop.take().map_or(Ok(()), Err)?;
    Ok(counters)
}

/// All frames of a stream through its filters.
fn through(from: &Rx<Decoded>, looked: Looked<'_>, stop: &Stop, watches: bool) -> Result<()> {
    let mut links = [Link::Graph(Box::new(GraphLink::new(looked.filters, Vec::new())))];
    loop {
        let next = if watches { from.recv_watching(stop)? } else { from.recv_or(stop, || Ok(true))? };
        let Some((decoded, _held)) = next else { break };
        process::feed(&mut links, decoded.frame, looked.end)?;
    }
    process::finish(&mut links, looked.end)?;
    looked.end.finish()
}
