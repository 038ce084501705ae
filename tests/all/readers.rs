//! Results by tables, read by Firefox's parser of MP4: what its rules allow of a source they allow of what is made of
//! it, and its samples are where ours are.

use crate::roads::sources;
use avrope::{
    Clip, Control, Cut, CutMode, Join, Media, Remux, Source, Strip, TimeRange, Transcode, cut,
    inspect::inspect,
    join, remux,
    transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
};
use mp4parse::{MediaContext, read_mp4, unstable::create_sample_table};

fn parsed(bytes: &[u8]) -> Result<MediaContext, String> {
    read_mp4(&mut std::io::Cursor::new(bytes)).map_err(|error| format!("{error:?}"))
}

/// What is wrong with a result, if the parser reads its source.
pub fn wrong(clip: &Clip) -> Option<String> {
    let bytes = clip.rope.to_bytes().unwrap();
    let movie = match parsed(&bytes) {
        Ok(movie) => movie,
        Err(error) => return Some(error),
    };
    let found = inspect(&Source::from_bytes(bytes), &Control::new()).unwrap();
    for track in &movie.tracks {
        let Some(told) = found.tracks.iter().find(|told| Some(told.id) == track.track_id) else {
            return Some(format!("it has another track, {:?}", track.track_id));
        };
        // None for kinds of tracks that it does not know.
        let Some(theirs) = create_sample_table(track, 0.into()) else { continue };
        let ours: Vec<_> = found
            .samples(told.id, 0..u64::MAX)
            .map(|s| (s.offset, s.offset + u64::from(s.size), s.composition_time, s.decode_time, s.sync))
            .collect();
        let theirs: Vec<_> = theirs
            .iter()
            .map(|s| (s.start_offset.0, s.end_offset.0, s.start_composition.0, s.start_decode.0, s.sync))
            .collect();
        if ours != theirs {
            let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
            let counts = (ours.len(), theirs.len());
            return Some(format!("track {}: {counts:?} samples, unlike from {first:?} on", told.id));
        }
    }
    None
}

/// All that is made of a source.
fn results(media: &Media) -> Vec<(&'static str, Clip)> {
    let (control, length) = (Control::new(), media.duration().unwrap().as_secs_f64());
    let range = |from: f64, to: f64| TimeRange::secs(from * length, to * length).unwrap();
    let cutting = |mode, ranges: &[TimeRange]| ranges.iter().copied().fold(Cut::new().mode(mode), Cut::keep);
    let several = [range(0.6, 0.9), range(0.1, 0.35), range(0.1, 0.35)];
    let twice = [media.source().clone(), media.source().clone()];
    let copied = Transcode::new()
        .video(VideoSettings::new().codec(VideoCodec::Copy))
        .audio(AudioSettings::new().codec(AudioCodec::Aac));
    let made = [
        ("cut", cut(media, &cutting(CutMode::Edit, &several[..1]), &control)),
        ("cut at keyframes", cut(media, &cutting(CutMode::Keyframe, &several[..1]), &control)),
        ("several ranges", cut(media, &cutting(CutMode::Edit, &several), &control)),
        ("join", join(&twice, &Join::new(), &control)),
        ("remux", remux(media, &Remux::new(), &control)),
        ("stripped", remux(media, &Remux::new().strip(Strip::Metadata), &control)),
        ("transcode", avrope::transcode(media, &copied, &control)),
    ];
    made.into_iter().filter_map(|(name, clip)| Some((name, clip.ok()?))).collect()
}

#[test]
fn results_are_read_by_another_parser_as_they_are_by_ours() {
    oracle!("results for other readers");
    let (mut all, mut count) = (Vec::new(), 0);
    for (name, path) in sources() {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(media) = Media::open(Source::open(&path).unwrap()) else { continue };
        if parsed(&bytes).is_err() || media.duration().is_none() {
            continue;
        }
        for (what, clip) in results(&media) {
            count += 1;
            all.extend(wrong(&clip).map(|wrong| format!("{name}, {what}: {wrong}")));
        }
    }
    assert!(all.is_empty(), "{} of {count} wrong: {all:#?}", all.len());
    assert!(count > 40, "{count} results");
}
