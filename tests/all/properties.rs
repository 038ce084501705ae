//! What holds for every source, range and container, on random ones.

use crate::common::{self, audio, generated, video};
use avrope::{
    Control, Cut, CutMode, Join, Media, Report, Rope, Source, TimeRange, cut, io::SaveOptions, join,
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{path::PathBuf, sync::OnceLock};

const CASES: u32 = if cfg!(feature = "full-tests") { 200 } else { 24 };

/// The same cases in every run; nothing is written into the tree.
fn check<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    if let Err(failure) = TestRunner::new_with_rng(config, random).run(&strategy, property) {
        panic!("{failure}");
    }
}

struct Subject {
    media: Media,
    path: PathBuf,
    /// The longest packet of video or sound, in seconds.
    frame: f64,
    /// The longest way from one keyframe to the next.
    gop: f64,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.file_name().unwrap_or_default().display())
    }
}

/// H.264 with and without B-frames, HEVC with open GOPs, sound alone, two sound tracks, MPEG-2 in a transport
/// stream.
fn pool() -> &'static [Subject] {
    static POOL: OnceLock<Vec<Subject>> = OnceLock::new();
    POOL.get_or_init(|| {
        use avrope::synth::{Spec, has_encoder};
        let mut paths = Vec::new();
        for name in ["h264-aac", "h264-no-b", "aac-m4a", "two-audio", "mpeg2-mp2", "vp9-opus"] {
            paths.extend(common::fixture(name));
        }
        if has_encoder("libx265") {
            let mut picture = video("libx265", 3);
            let parameters = "log-level=error:scenecut=0:open-gop=1:keyint=25:min-keyint=25";
            picture.options = vec![("x265-params".into(), parameters.into())];
            let spec =
                Spec { duration: 4.3, video: Some(picture), audio: vec![audio("aac")], ..Spec::default() };
            paths.push(generated("open-gop.mp4", &spec));
        }
        let subject = |path: PathBuf| {
            let media = common::open(&path);
            let has_video = media.info().streams.iter().any(|s| s.width.is_some());
            let (frame, gop) = if has_video { (0.04, 1.0) } else { (0.03, 0.1) };
            Subject { media, path, frame, gop }
        };
        paths.into_iter().map(subject).collect()
    })
}

fn source() -> impl Strategy<Value = &'static Subject> {
    (0..pool().len()).prop_map(|i| &pool()[i])
}

/// Another container where this one can't hold the source's codecs.
fn fitting(subject: &Subject, container: &'static str) -> &'static str {
    let webm = common::ending(&subject.path) == "webm";
    if webm && matches!(container, "mov" | "ts") { "mkv" } else { container }
}

/// 1 to 4 ranges as fractions of the length, of a twentieth at least.
fn ranges() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let range = (0.0..0.95_f64, 0.05..1.0_f64).prop_map(|(from, len)| (from, (from + len).min(1.0)));
    prop::collection::vec(range, 1..=4)
}

/// What holds for every result.
fn adds_up(rope: &Rope, report: &Report, lasts: f64, slack: f64) -> Result<Media, TestCaseError> {
    prop_assert_eq!(report.output_bytes, rope.len());
    prop_assert!(report.payload_shared + report.payload_copied <= rope.len());
    prop_assert_eq!(rope.slices().map(|s| s.len).sum::<u64>(), rope.len());
    prop_assert_eq!(rope.slices().len(), report.slices);
    let off = report.duration.as_secs_f64() - lasts;
    prop_assert!(off.abs() <= slack, "the report says {} s, {lasts} are due", report.duration.as_secs_f64());
    let bytes = rope.to_bytes().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    rope.save(&path, SaveOptions::new(), &Control::default()).unwrap();
    prop_assert!(std::fs::read(&path).unwrap() == bytes, "saved bytes are not the rope's");
    let media = Media::open(Source::from_bytes(bytes)).map_err(|e| TestCaseError::fail(e.to_string()))?;
    Ok(media)
}

fn lasts_as_long(media: &Media, report: &Report, slack: f64) -> Result<(), TestCaseError> {
    let found = media.duration().map(|d| d.as_secs_f64()).unwrap_or_default();
    prop_assert!(
        (found - report.duration.as_secs_f64()).abs() <= slack,
        "it lasts {found} s, the report says {}",
        report.duration.as_secs_f64()
    );
    Ok(())
}

/// Whether two outputs are byte-identical. libav's Matroska muxer gives segments and tracks random numbers.
fn same(a: &Rope, b: &Rope, container: &str) -> bool {
    if container == "mkv" { a.len() == b.len() } else { a.to_bytes().unwrap() == b.to_bytes().unwrap() }
}

#[test]
fn cuts() {
    let container = prop::sample::select(vec!["mp4", "mov", "mkv", "ts"]);
    check((source(), ranges(), container, any::<bool>()), |(subject, list, container, keyframe)| {
        let container = fitting(subject, container);
        let length = subject.media.duration().unwrap().as_secs_f64();
        let edits = matches!(container, "mp4" | "mov");
        let mode = if keyframe || !edits { CutMode::Keyframe } else { CutMode::Edit };
        let keep: Vec<_> =
            list.iter().map(|(from, to)| TimeRange::secs(from * length, to * length).unwrap()).collect();
        let settings =
            keep.iter().fold(Cut::new().mode(mode).format(container), |cut, range| cut.keep(*range));
        let run = |control: &Control| {
            cut(&subject.media, &settings, control)
                .map_err(|e| TestCaseError::fail(format!("{}: {e}", subject.path.display())))
        };
        let clip = run(&Control::default())?;
        let asked: f64 = keep.iter().map(|range| range.duration().as_secs_f64()).sum();
        let n = keep.len() as f64;
        // An edit list is exact to a tick of 1/1000 s or finer. A keyframe cut begins up to a GOP earlier,
        // and without edit lists ends with the last frame that was coded before what is in the range.
        let slack = if mode == CutMode::Edit { 0.002 * n } else { (subject.gop + 4.0 * subject.frame) * n };
        let media = adds_up(&clip.rope, &clip.report, asked, slack)?;
        let actual: f64 =
            clip.report.ranges.iter().map(|r| r.actual_to.duration_since(r.actual_from).as_secs_f64()).sum();
        prop_assert!(
            (actual - clip.report.duration.as_secs_f64()).abs() < 0.002 * n,
            "ranges of {actual} s, {:?}",
            clip.report
        );
        for (range, reported) in keep.iter().zip(&clip.report.ranges) {
            prop_assert_eq!((range.from, range.to), (reported.from, reported.to));
            prop_assert!(mode != CutMode::Edit || reported.actual_from == range.from, "{reported:?}");
            prop_assert!(
                reported.actual_from <= range.from.saturating_add(std::time::Duration::from_secs(1))
            );
        }
        // Of a transport stream libav knows when its last packets begin, and estimates when they end. Edit
        // lists are exact; Matroska counts in milliseconds; sound may go on for a packet after the picture.
        let slack = if edits { 0.003 } else { 2.0 * subject.frame + 0.03 };
        lasts_as_long(&media, &clip.report, slack)?;
        let verified = run(&Control::new().verify_payload(true))?;
        prop_assert!(
            same(&verified.rope, &clip.rope, container),
            "with its payload verified the output is another one"
        );
        Ok(())
    });
}

#[test]
fn joins() {
    let container = prop::sample::select(vec!["mp4", "mov", "mkv", "ts"]);
    check((source(), 1..=5_usize, container), |(subject, parts, container)| {
        let container = fitting(subject, container);
        let sources: Vec<_> = (0..parts).map(|_| Source::open(&subject.path).unwrap()).collect();
        let run = |control: &Control| {
            join(&sources, &Join::new().format(container), control)
                .map_err(|e| TestCaseError::fail(format!("{}: {e}", subject.path.display())))
        };
        let clip = run(&Control::default())?;
        let length = subject.media.duration().unwrap().as_secs_f64() * parts as f64;
        // At each seam the sound's last packet may be longer than the picture.
        let slack = 0.06 * parts as f64;
        let media = adds_up(&clip.rope, &clip.report, length, slack)?;
        lasts_as_long(&media, &clip.report, 2.0 * subject.frame + 0.03)?;
        let verified = run(&Control::new().verify_payload(true))?;
        prop_assert!(
            same(&verified.rope, &clip.rope, container),
            "with its payload verified the output is another one"
        );
        Ok(())
    });
}

/// Every `read_at`, slice and reader of a rope gives the same bytes.
#[test]
fn ropes_read_the_same_everywhere() {
    use std::io::{Read, Seek, SeekFrom};
    check((source(), ranges(), 0.0..1.0_f64, 0.0..1.0_f64), |(subject, list, a, b)| {
        let length = subject.media.duration().unwrap().as_secs_f64();
        let keep = list.iter().map(|(from, to)| TimeRange::secs(from * length, to * length).unwrap());
        let settings = keep.fold(Cut::new().format("mp4"), Cut::keep);
        let rope = cut(&subject.media, &settings, &Control::default()).unwrap().rope;
        let bytes = rope.to_bytes().unwrap();
        let (a, b) = (a.min(b), a.max(b));
        let (from, to) = ((a * bytes.len() as f64) as usize, (b * bytes.len() as f64) as usize);
        let slice = rope.slice(from as u64..to as u64).unwrap();
        prop_assert!(slice.to_bytes().unwrap() == bytes[from..to]);
        let mut reader = rope.reader();
        reader.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut read = vec![0; to - from];
        reader.read_exact(&mut read).unwrap();
        prop_assert!(read == bytes[from..to]);
        let mut chunks = Vec::new();
        for chunk in rope.chunks() {
            chunks.extend_from_slice(&chunk.unwrap());
        }
        prop_assert!(chunks == bytes);
        Ok(())
    });
}
