//! Jobs own what they need: they wait in a queue, run on another thread, and make the bytes that the
//! functions make.

use crate::common::{fast_start_clip, none, open, refused};
use avrope::{
    Clip, Cut, CutMode, ErrorKind, Job, Join, Media, Remux, Result, Sink, Source, TimeRange, Transcode, cut,
    frames::Frame,
    join, join_with_transition, remux,
    segments::Segments,
    transcode,
    transcode::{
        AudioCodec, AudioSettings, Overlay, Processor, Transcoder, Transition, VideoCodec, VideoSettings,
    },
    transcode_segments,
};
use std::{collections::BTreeMap, path::Path, sync::mpsc};

fn is_sendable<T: Send + 'static>() {}

#[test]
fn jobs_and_what_makes_them_borrow_nothing_and_may_go_to_other_threads() {
    is_sendable::<Job>();
    is_sendable::<Transcoder>();
    is_sendable::<Media>();
}

/// Small, and the same on every machine.
fn settings() -> Transcode {
    let video = VideoSettings::new().codec(VideoCodec::Mpeg4).size(160, 90);
    let audio = AudioSettings::new().codec(AudioCodec::Aac);
    Transcode::new().format("mp4").threads(1).bit_exact(true).video(video).audio(audio)
}

fn bytes(clip: Result<Clip>) -> Vec<u8> {
    clip.unwrap().rope.to_bytes().unwrap().to_vec()
}

/// What the caller gives to a job goes with it.
struct Pass;

impl<T> Processor<T> for Pass {
    fn process(&mut self, item: T, next: &mut dyn FnMut(T) -> Result<()>) -> Result<()> {
        next(item)
    }
}

#[test]
fn a_job_on_another_thread_makes_what_the_function_makes() {
    let path = fast_start_clip();
    let sources = [Source::open(&path).unwrap(), Source::open(&path).unwrap()];
    let ranges = || Cut::new().keep(TimeRange::secs(0.3, 1.1).unwrap());
    let fade = Transition::new("fade", std::time::Duration::from_secs_f64(0.2));
    // What is encoded is MPEG-4: x264's bytes depend on what was in the memory that it gets.
    let mpeg4 = Source::from_bytes(bytes(transcode(&open(&path), &settings(), &none())));
    // Nothing that the jobs were made of is there any more when they run.
    let jobs = {
        let media = open(&path);
        let mpeg4 = Media::open(mpeg4.clone()).unwrap();
        [
            ("cut", ranges().job(&media)),
            ("cut", ranges().mode(CutMode::Encode).job(&mpeg4)),
            ("remux", Remux::new().format("mkv").job(&media)),
            ("join", Join::new().job(&sources)),
            ("transcode", settings().job(&media)),
            ("join", fade.job(&sources, &settings())),
        ]
    };
    let (queue, waiting) = mpsc::channel::<(&str, Job)>();
    let worker = std::thread::spawn(move || {
        let run = |(name, job): (&str, Job)| {
            assert!(format!("{job:?}").contains(name), "{job:?}");
            let clip = job.to_rope(&none()).unwrap();
            assert_eq!(clip.report.operation, name);
            clip.rope.to_bytes().unwrap().to_vec()
        };
        waiting.into_iter().map(run).collect::<Vec<_>>()
    });
    jobs.into_iter().for_each(|job| queue.send(job).unwrap());
    drop(queue);
    let made = worker.join().unwrap();
    let (media, mpeg4) = (open(&path), Media::open(mpeg4).unwrap());
    let by_functions = [
        bytes(cut(&media, &ranges(), &none())),
        bytes(cut(&mpeg4, &ranges().mode(CutMode::Encode), &none())),
        bytes(remux(&media, &Remux::new().format("mkv"), &none())),
        bytes(join(&sources, &Join::new(), &none())),
        bytes(transcode(&media, &settings(), &none())),
        bytes(join_with_transition(&sources, &fade, &settings(), &none())),
    ];
    for (i, (job, function)) in made.iter().zip(&by_functions).enumerate() {
        assert!(job == function, "job {i}: {} bytes, and {}", job.len(), function.len());
    }
}

#[test]
fn a_job_takes_its_processors_and_watermarks_along() {
    let transcoder = || {
        let mut picture = Frame::video("rgba", 16, 16).unwrap();
        picture.plane_mut(0).unwrap().fill(200);
        let job =
            Transcoder::new(&open(&fast_start_clip()), &settings()).video(Pass).audio(Pass).packets(Pass);
        job.watermark(&picture, Overlay::new()).unwrap()
    };
    let job = transcoder().job();
    let made = std::thread::spawn(move || bytes(job.to_rope(&none()))).join().unwrap();
    assert!(made == bytes(transcoder().run(&none())));
    assert!(
        made != bytes(transcode(&open(&fast_start_clip()), &settings(), &none())),
        "nothing lies over it"
    );
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

#[test]
fn a_transcode_goes_into_files_and_a_copy_says_that_it_does_not() {
    let (media, segments) =
        (open(&fast_start_clip()), Segments::hls().duration(std::time::Duration::from_secs(1)));
    let into = |folder: &Path| {
        let folder = folder.to_owned();
        move |name: &str| Ok(Sink::replace(folder.join(name)))
    };
    let (own, function) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (job, sinks, told) = (settings().job(&media), into(own.path()), segments.clone());
    std::thread::spawn(move || job.to_files(&told, sinks, &none())).join().unwrap().unwrap();
    transcode_segments(&media, &settings(), &segments, into(function.path()), &none()).unwrap();
    let (own, function) = (files(own.path()), files(function.path()));
    assert!(own.len() > 2 && own == function, "{:?}, {:?}", own.keys(), function.keys());

    let none_of_them = |_: &str| -> Result<Sink> { panic!("nothing is opened") };
    let copies = [Remux::new().job(&media), Cut::new().keep(TimeRange::secs(0.0, 1.0).unwrap()).job(&media)];
    for job in copies {
        let what = format!("{job:?}");
        refused(job.to_files(&segments, none_of_them, &none()), &[ErrorKind::Unsupported], &what);
    }
}
