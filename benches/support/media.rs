//! Media for the benches, made once and kept in `target/bench-media`.

use super::{Outcome, system};
use avrope::{
    Control, Join, Source,
    io::SaveOptions,
    join,
    synth::{self, Audio, Spec, Video},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where media and outputs are: on the disk that the build is on.
pub struct Shelf {
    dir: PathBuf,
    has_ffmpeg: bool,
}

impl Shelf {
    /// Makes the folder.
    pub fn new(has_ffmpeg: bool) -> Outcome<Self> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tmp.parent().unwrap_or(tmp).join("bench-media");
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, has_ffmpeg })
    }

    /// The path of a file, or of an output that goes away.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The file of that name, made now if it is not there yet; `room` is how many bytes it may need.
    fn made(&self, name: &str, room: u64, make: impl FnOnce(&Path) -> Outcome) -> Outcome<PathBuf> {
        let path = self.path(name);
        if path.exists() {
            return Ok(path);
        }
        system::require_space(&self.dir, room)?;
        eprintln!("making {} (once)", path.display());
        let partial = self.path(&format!("part-{name}"));
        make(&partial).inspect_err(|_| drop(fs::remove_file(&partial)))?;
        fs::rename(&partial, &path)?;
        Ok(path)
    }

    /// 120 s of 720p H.264 and AAC, 120 MB.
    pub fn clip(&self) -> Outcome<PathBuf> {
        self.made("clip-120s.mp4", 200 << 20, |to| Ok(synth::to_file(&Spec::demo(120.0), to)?))
    }

    /// The same 16 times over: 1.95 GB, 148,000 packets.
    pub fn long(&self) -> Outcome<PathBuf> {
        let clip = self.clip()?;
        self.made("clip-1920s.mp4", 5 << 29, |to| self.repeat(&clip, 16, to))
    }

    /// 10 minutes of tiny pictures and sound: nothing but packets.
    pub fn ten_minutes(&self) -> Outcome<PathBuf> {
        self.made("tiny-10min.mp4", 64 << 20, |to| {
            let video = Video {
                size: (64, 36),
                gop: 60,
                bit_rate: Some(40_000),
                options: vec![("preset".into(), "ultrafast".into())],
                ..Video::default()
            };
            let audio = vec![Audio { bit_rate: Some(32_000), ..Audio::default() }];
            Ok(synth::to_file(&Spec { duration: 600.0, video: Some(video), audio, ..Spec::default() }, to)?)
        })
    }

    /// The same 60 times over.
    pub fn ten_hours(&self) -> Outcome<PathBuf> {
        let clip = self.ten_minutes()?;
        self.made("tiny-10h.mp4", 2 << 30, |to| self.repeat(&clip, 60, to))
    }

    /// Ten seconds of small pictures in this encoding; None where this libav can't encode it.
    pub fn small(&self, encoder: &str) -> Outcome<Option<PathBuf>> {
        if !synth::has_encoder(encoder) {
            return Ok(None);
        }
        let make = |to: &Path| {
            let video = Video { encoder: encoder.into(), ..Video::default() };
            Ok(synth::to_file(&Spec { duration: 10.0, video: Some(video), ..Spec::default() }, to)?)
        };
        self.made(&format!("small-{encoder}.mp4"), 16 << 20, make).map(Some)
    }

    /// So many seconds of H.264 of this size and AAC, in encoding as people have it.
    pub fn video(&self, (w, h): (u32, u32), seconds: u32) -> Outcome<PathBuf> {
        let make = |to: &Path| {
            let options = vec![("preset".to_owned(), "veryfast".to_owned())];
            let video = Video { size: (w, h), options, ..Video::default() };
            Ok(synth::to_file(&Spec { duration: seconds.into(), video: Some(video), ..Spec::default() }, to)?)
        };
        self.made(&format!("video-{w}x{h}-{seconds}s.mp4"), 512 << 20, make)
    }

    /// Ten seconds of a stereo tone as MP3.
    pub fn tone(&self) -> Outcome<PathBuf> {
        self.made("tone-10s.mp3", 1 << 20, |to| {
            let audio =
                vec![Audio { encoder: "libmp3lame".into(), bit_rate: Some(64_000), ..Audio::default() }];
            Ok(synth::to_file(&Spec { duration: 10.0, video: None, audio, ..Spec::default() }, to)?)
        })
    }

    /// What ffmpeg makes of real footage with these arguments; None where there is no footage or no ffmpeg.
    pub fn of_footage(&self, footage: &str, arguments: &[&str], name: &str) -> Outcome<Option<PathBuf>> {
        let Some(from) = self::footage(footage).filter(|_| self.has_ffmpeg) else { return Ok(None) };
        let make = |to: &Path| system::ffmpeg(&[&["-i", text(&from)?], arguments].concat(), to).map(drop);
        self.made(name, 16 << 20, make).map(Some)
    }

    /// So many short files, each one of its own.
    pub fn parts(&self, count: usize) -> Outcome<Vec<PathBuf>> {
        let first = self.made("join-part.mp4", 16 << 20, |to| {
            Ok(synth::to_file(&Spec { duration: 5.0, ..Spec::default() }, to)?)
        })?;
        let dir = self.path("parts");
        fs::create_dir_all(&dir)?;
        system::require_space(&dir, count as u64 * fs::metadata(&first)?.len())?;
        let parts: Vec<_> = (0..count).map(|i| dir.join(format!("{i:04}.mp4"))).collect();
        for part in parts.iter().filter(|part| !part.exists()) {
            fs::copy(&first, part)?;
        }
        Ok(parts)
    }

    /// By ffmpeg, so that it is one of the files that people have (one edit-list entry a track); else by a
    /// join.
    fn repeat(&self, clip: &Path, times: usize, to: &Path) -> Outcome {
        if self.has_ffmpeg {
            let again = (times - 1).to_string();
            return system::ffmpeg(
                &["-stream_loop", &again, "-i", text(clip)?, "-c", "copy", "-f", "mp4"],
                to,
            )
            .map(drop);
        }
        eprintln!("NO ffmpeg: {} is joined by avrope instead", to.display());
        let sources = (0..times).map(|_| Source::open(clip)).collect::<Result<Vec<_>, _>>()?;
        let control = Control::default();
        let options = SaveOptions::new().overwrite(true);
        Ok(join(&sources, &Join::new().format("mp4"), &control)?.rope.save(to, options, &control)?)
    }
}

/// A folder of real footage, where the checkout lies beside it.
pub fn footage(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    path.exists().then_some(path)
}

/// A path as an argument.
pub fn text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| format!("{}: not UTF-8", path.display()).into())
}
