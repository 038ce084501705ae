//! The parsers that no operation gives all bytes to, for `fuzz/`. Not there in other builds.

use crate::{
    Error, Limits, Result,
    bitstream::{Avc, Carrying, Hevc, Layers, Reading, Renumber, Sets, h264, hevc},
    mp4, output,
};

/// Walks over the boxes of a file, and reads their tables.
pub fn mp4_tables(data: &[u8]) -> Result<()> {
    let mut read = |at: u64, to: &mut [u8]| {
        let from =
            usize::try_from(at).ok().and_then(|at| data.get(at..)).and_then(|rest| rest.get(..to.len()));
        to.copy_from_slice(from.ok_or_else(|| Error::corrupt("beyond the end"))?);
        Ok(())
    };
    let len = u64::try_from(data.len()).unwrap_or(0);
    let limits = Limits::default();
    if let Some(movie) = mp4::Movie::read(&mut read, len, &limits)? {
        let fragments = mp4::Fragments::read(&mut read, len, &movie, &limits)?;
        movie.tracks.iter().try_for_each(|track| looked_up(fragments.view(track)))?;
        movie.tracks.iter().filter_map(|track| track.samples.as_ref().ok()).for_each(in_chunks);
        mp4::Tables::of(&movie);
        mp4::with_first_samples(&movie, |number, _| match number % 2 {
            0 => mp4::First::Samples(100),
            _ => mp4::First::Whole(2, data.get(..8).unwrap_or_default().to_vec().into()),
        })?;
        movie.with_fragments(&fragments, len, &limits)?;
    }
    mp4::Tables::read(&mut read, len).map(drop)
}

/// Samples, found in all ways.
fn looked_up(view: mp4::View<'_>) -> Result<()> {
    let (count, _) = (view.count(), view.totals());
    for number in [0, 1, count / 2, count.saturating_sub(1), count] {
        view.sync_at_or_before(number);
        view.sync_at_or_behind(number);
        let Some(sample) = view.walk(number).take(100).last() else { continue };
        view.decoded_at(sample.decode);
        view.composed_at(sample.composition)?;
    }
    Ok(())
}

/// Samples chunk by chunk lie where they do one by one.
fn in_chunks(samples: &mp4::Samples) {
    let count = samples.count();
    for from in [0, 1, count / 2].into_iter().filter(|_| samples.blocks.is_none()) {
        let to = from.saturating_add(300).min(count);
        let mut one_by_one = samples.walk(from);
        for run in samples.in_chunks(from, to) {
            let all: Vec<_> = (0..run.samples).filter_map(|_| one_by_one.next()).collect();
            let sizes = all.iter().map(|sample| u64::from(sample.size));
            let first = all.first().map(|first| (first.place, first.description));
            assert!(first == Some((run.place, run.description)), "a chunk lies elsewhere");
            assert!(sizes.fold(0, u64::saturating_add) == run.bytes, "a chunk has other bytes");
        }
    }
}

/// Parses a `moov`, moves what it points to, gives its tracks an edit each, and writes it.
pub fn moov(data: &[u8]) -> Result<Vec<u8>> {
    output::rewritten(data)
}

/// Reads packets of a codec, and gives their parameter sets other ids. The first byte chooses the codec; extradata and
/// packets lie behind their lengths of two bytes.
pub fn bitstream(data: &[u8]) -> Result<()> {
    const CODECS: [&str; 11] =
        ["h264", "hevc", "mpeg2video", "mpeg4", "h263", "flv1", "vp8", "vp9", "av1", "ffv1", "mjpeg"];
    let Some((first, mut rest)) = data.split_first() else { return Ok(()) };
    let codec =
        CODECS.get(usize::from(*first).checked_rem(CODECS.len()).unwrap_or(0)).copied().unwrap_or("h264");
    let mut next = || {
        let (length, behind) = rest.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = behind;
        Some(bytes)
    };
    let extradata = next().unwrap_or_default();
    let packets: Vec<_> = std::iter::from_fn(next).collect();
    if let Some(mut reading) = Reading::of(codec, extradata) {
        for packet in &packets {
            reading.picture(packet);
            reading.headers();
        }
    }
    let mut layers = Layers::of(codec, extradata);
    let mut carrying = Carrying::of(codec, extradata);
    for packet in &packets {
        layers.of_packet(packet);
        if let Some(carried) = carrying.as_mut().map(|carrying| carrying.take(packet)) {
            packets.iter().for_each(|other| drop(carried.put(other, true, extradata)));
        }
    }
    let renumber = match codec {
        "h264" => {
            let avc = Avc::of(extradata)?;
            let written = Avc::of(&avc.to_bytes()?)?;
            assert!(written == avc, "an avcC is written otherwise than it was read");
            for set in &avc.sps {
                h264::with_reordering(set, h264::Restriction { reordering: 2, buffering: 4 }, 40);
            }
            let renumber = Renumber::h264(&avc.sps_ids(), &avc.pps_ids(), &avc)?;
            avc.with(&renumber.avc(&avc)?)?;
            renumber
        }
        "hevc" => {
            let own = Hevc::of(extradata)?;
            let written = Hevc::of(&own.to_bytes()?)?;
            assert!(written == own, "an hvcC is written otherwise than it was read");
            for set in own.sets(hevc::SPS) {
                hevc::with_ordering(set, hevc::Ordering { buffering: 4, reordering: 2, latency: 0 }, 120);
            }
            Sets::Hevc(own.clone()).looks();
            Sets::Hevc(own.clone()).promise_alike()?;
            let [vps, sps, pps] = own.ids();
            let renumber = Renumber::hevc([&vps, &sps, &pps], &own)?;
            own.with(&renumber.hvcc(&own)?)?;
            renumber
        }
        _ => return Ok(()),
    };
    packets.iter().try_for_each(|packet| renumber.sample(packet).map(drop))
}
