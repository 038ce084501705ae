//! Operations on files.

use crate::fine;
use avrope::{
    Control, Cut, CutMode, Join, Media, Remux, Source, TimeRange, Timestamp,
    control::Limits,
    detect::{Black, Detect, Scenes, Silence},
};
use std::time::{Duration, Instant};

/// What a job is given. libav can't be interrupted everywhere: it may come back later than the deadline, but
/// not by this much.
const DEADLINE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

fn control() -> Control {
    let mut limits = Limits::default();
    limits.memory = 64 << 20;
    limits.packets = 100_000;
    limits.pixels = 1 << 22;
    limits.streams = 100;
    Control::new().timeout(DEADLINE).limits(limits)
}

fn source(data: &[u8], name: &str) -> Source {
    Source::from_bytes(data.to_vec()).named(name)
}

fn in_time(job: impl FnOnce()) {
    // What libav says of damaged files is more than anybody reads.
    avrope::log::capture();
    let begun = Instant::now();
    job();
    assert!(begun.elapsed() < DEADLINE + PATIENCE, "it took {:?}", begun.elapsed());
}

/// A number that the input decides: which variant of an operation it is for.
fn choice(data: &[u8], of: usize) -> usize {
    data.iter()
        .rev()
        .take(4)
        .fold(0, |all: usize, byte| all.wrapping_mul(31).wrapping_add(usize::from(*byte)))
        % of
}

/// Opened and probed.
pub fn open(data: &[u8]) {
    in_time(|| {
        let control = control();
        if let Some(media) = fine(Media::open_with(source(data, "input"), &control)) {
            fine(media.probe(&control));
        }
    });
}

/// A range, into each container and in each mode that copies; the result is read to its end.
pub fn cut(data: &[u8]) {
    in_time(|| {
        let control = control();
        let Some(media) = fine(Media::open_with(source(data, "input"), &control)) else { return };
        let modes = [CutMode::Keyframe, CutMode::Edit];
        let formats = ["mp4", "mkv", "ts", "mov", "flac", "ogg", "flv", "avi"];
        let range = TimeRange::secs(0.3, 1.3).expect("a range");
        let which = choice(data, modes.len() * formats.len());
        let settings = Cut::new().keep(range).mode(modes[which % 2]).format(formats[which / 2]);
        let points = [0.3, 0.31, 1.3].map(|point| Timestamp::from_secs(point).expect("a point"));
        fine(settings.parts(&media, &points, &control));
        if let Some(clip) = fine(avrope::cut(&media, &settings, &control)) {
            fine(clip.rope.to_bytes());
        }
    });
}

/// Looked through for scenes, black and silence.
pub fn detect(data: &[u8]) {
    in_time(|| {
        let control = control();
        let Some(media) = fine(Media::open_with(source(data, "input"), &control)) else { return };
        let all = Detect::new().scenes(Scenes::default()).black(Black::default()).silence(Silence::default());
        let some = [all, Detect::new().silence(Silence::default()), Detect::new().scenes(Scenes::default())];
        if let Some(found) = some.iter().find_map(|asked| fine(asked.run(&media, &control))) {
            let scenes = found.scenes.unwrap_or_default();
            assert!(scenes.windows(2).all(|two| two[0].to == two[1].from), "scenes do not follow each other");
            let ranges = [found.black, found.silence].into_iter().flatten().flatten();
            assert!(ranges.into_iter().all(|range| range.from < range.to), "an empty range");
        }
    });
}

/// An input behind itself.
pub fn join(data: &[u8]) {
    in_time(|| {
        let control = control();
        let source = source(data, "input");
        let formats = ["mp4", "mkv", "ts", "flac", "ogg", "mp3", "wav"];
        let settings = Join::new().format(formats[choice(data, formats.len())]);
        if let Some(clip) = fine(avrope::join(&[source.clone(), source], &settings, &control)) {
            fine(clip.rope.to_bytes());
        }
    });
}

/// AAC in ADTS, whose headers come off.
pub fn adts(data: &[u8]) {
    in_time(|| {
        let control = control();
        let Some(media) = fine(Media::open_with(source(data, "input.aac"), &control)) else { return };
        for format in ["m4a", "mkv"] {
            fine(avrope::remux(&media, &Remux::new().format(format), &control));
        }
    });
}
