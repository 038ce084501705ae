//! Parts of several sources side by side, by tables: a track goes on with samples of another source while others are
//! of one alone. Where a picture was encoded anew up to a keyframe, it is [encoded, copied, encoded], and the sound
//! beside it is copied as a whole.

use super::{Feed, Part, Session, part};
use crate::{Error, ErrorKind, Media, Result, output::index::Around, time::Timestamp};

/// A part of one source for some of the tracks.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub media: &'a Media,
    pub feeds: &'a [Feed],
    pub part: Part,
    /// Where it begins on the output's clock.
    pub at: Timestamp,
    /// What of the result's own lies around its samples of the first of these tracks.
    pub around: &'a Around,
}

/// Copies these parts, in the order that they have on each track. What was encoded is a source like another: an MP4
/// in memory, whose sample descriptions its tracks get as further ones.
#[cfg_attr(not(test), expect(dead_code, reason = "smart cuts are made of it"))]
pub(super) fn beside(session: &mut Session<'_>, parts: &[Beside<'_>]) -> Result<()> {
    for of in parts {
        let pairs = of.feeds.iter().map(|feed| (feed.track, feed.stream));
        if session.target.continues_tables(of.media, pairs, session.report)?.is_none() {
            return Err(Error::new(ErrorKind::Bug, "a part beside others that tables can't tell"));
        }
    }
    session.target.begin_beside();
    let mut end = session.placed;
    for of in parts {
        session.placed = of.at;
        session.around = of.around.clone();
        part(session, of.media, of.feeds, of.part)?;
        end = end.max(session.placed);
    }
    session.placed = end;
    session.target.end_beside(session.report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Clip, Control, Report, Road, Source, StreamKind, TimeRange, Transcode,
        mp4::{self, Movie},
        output::{
            Job, Operation,
            numbering::Extent,
            target::{Held, Opening, Target},
        },
        synth,
        transcode::{AudioCodec, AudioSettings, VideoCodec, VideoSettings},
    };
    use bytes::Bytes;

    /// A cut whose picture is encoded up to a keyframe and from another one on.
    struct Seams {
        source: Media,
        head: Media,
        tail: Media,
        /// From when to when, and the keyframes.
        at: [f64; 4],
    }

    /// The end of a sequence, and supplemental information that nobody knows (ISO/IEC 14496-10, 7.4.1, D.1.7): with
    /// lengths, as MP4 has them.
    const END: [u8; 5] = [0, 0, 0, 1, 10];
    const TOLD: [u8; 25] =
        [0, 0, 0, 21, 6, 5, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 7, 0x80];

    fn secs(time: f64) -> Timestamp {
        Timestamp::from_secs(time).unwrap()
    }

    impl Operation for Seams {
        fn name(&self) -> &'static str {
            "cut"
        }
        fn inputs(&self) -> Vec<Source> {
            vec![self.source.source().clone()]
        }
        fn format(&self) -> Option<&str> {
            Some("mp4")
        }
        fn default_format(&mut self, _: &Control) -> Result<String> {
            Ok("mp4".into())
        }
        fn shares(&mut self, _: &Control) -> Result<bool> {
            Ok(true)
        }
        fn run(self: Box<Self>, target: &mut Target, report: &mut Report, control: &Control) -> Result<()> {
            let opening = Opening {
                road: Road::Tables,
                ranges: &[TimeRange::ALL],
                held: Held { extent: Extent::Several, chapters: &[], allow_drops: false },
            };
            assert!(target.open_tables(&self.source, &opening, report)?);
            let kind = |track: &&Feed| self.source.streams()[track.stream].kind();
            let feeds = Feed::all(target);
            let of = |wanted| feeds.iter().find(|feed| kind(feed) == wanted).copied().unwrap();
            let (picture, sound) = (of(StreamKind::Video), of(StreamKind::Audio));
            let encoded = [Feed { stream: 0, track: picture.track }];
            let (picture, sound) = ([picture], [sound]);
            let [from, first_key, last_key, to] = self.at.map(secs);
            let stretch = |from, to, last| Part {
                from,
                to,
                from_keyframe: false,
                whole_frames: false,
                lossless_exact: false,
                last,
            };
            let whole = stretch(Timestamp::ZERO, Timestamp::MAX, false);
            let mut session = Session::new(target, report, control, Timestamp::MAX);
            let source = &self.source;
            let none = Around::default();
            let ended = Around { behind: Bytes::from_static(&END), ..none.clone() };
            let told = Around { front: Bytes::from_static(&TOLD), ..none.clone() };
            let parts = [
                Beside {
                    media: &self.head,
                    feeds: &encoded,
                    part: whole,
                    at: Timestamp::ZERO,
                    around: &ended,
                },
                Beside {
                    media: source,
                    feeds: &picture,
                    part: stretch(first_key, last_key, false),
                    at: first_key.minus(from),
                    around: &told,
                },
                Beside {
                    media: &self.tail,
                    feeds: &encoded,
                    part: Part { last: true, ..whole },
                    at: last_key.minus(from),
                    around: &none,
                },
                Beside {
                    media: source,
                    feeds: &sound,
                    part: stretch(from, to, true),
                    at: Timestamp::ZERO,
                    around: &none,
                },
            ];
            beside(&mut session, &parts)?;
            for track in &mut session.target.tracks {
                track.clock.merge_contiguous();
            }
            session.report.duration = session.placed.length();
            Ok(())
        }
    }

    fn transcoded(media: &Media, settings: Transcode) -> Clip {
        crate::transcode(media, &settings, &Control::default()).unwrap()
    }

    fn picture(codec: VideoCodec) -> Transcode {
        Transcode::new()
            .video(VideoSettings::new().codec(codec))
            .audio(AudioSettings::new().codec(AudioCodec::None))
    }

    /// All pictures, as they are decoded.
    fn pictures(media: &Media, range: Option<(f64, f64)>) -> Vec<u8> {
        let settings = picture(VideoCodec::Encoder("rawvideo".into())).format("rawvideo");
        let range = range.map(|(from, to)| TimeRange::secs(from, to).unwrap());
        let settings = range.into_iter().fold(settings, Transcode::keep);
        transcoded(media, settings).rope.to_bytes().unwrap().to_vec()
    }

    fn movie(clip: &Clip) -> (Movie, Bytes) {
        let bytes = clip.rope.to_bytes().unwrap();
        let mut read = mp4::in_memory(&bytes, 0);
        let movie = Movie::read(&mut read, bytes.len() as u64, Control::default().get_limits());
        (movie.unwrap().unwrap(), bytes.clone())
    }

    #[test]
    fn a_picture_is_encoded_copied_and_encoded_beside_sound_that_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        let video = synth::Video {
            encoder: "libx264".into(),
            gop: 25,
            b_frames: 2,
            rate: (25, 1),
            ..synth::Video::default()
        };
        let spec = synth::Spec { duration: 5.0, video: Some(video), ..synth::Spec::default() };
        synth::to_file(&spec, &path).unwrap();
        let source = Media::open(Source::open(&path).unwrap()).unwrap();
        let at = [0.4, 1.0, 3.0, 3.56];
        let encoded = |from, to| {
            let settings = picture(VideoCodec::H264).keep(TimeRange::secs(from, to).unwrap()).format("mp4");
            Media::open(Source::from_rope(transcoded(&source, settings).rope)).unwrap()
        };
        let (head, tail) = (encoded(at[0], at[1]), encoded(at[2], at[3]));
        let seams = Seams { source: source.clone(), head: head.clone(), tail: tail.clone(), at };
        let clip = Job::new(seams).to_rope(&Control::default()).unwrap();

        // Every picture is there, those of the copied stretch to the bit.
        let result = Media::open(Source::from_rope(clip.rope.clone())).unwrap();
        let due =
            [pictures(&head, None), pictures(&source, Some((at[1], at[2]))), pictures(&tail, None)].concat();
        assert!(pictures(&result, None) == due);
        assert_eq!(clip.report.duration.as_millis(), 3160);
        assert_eq!(result.duration().unwrap().as_millis(), 3160);

        // What was copied is slices of the source, and lies in it as it lay.
        let (found, bytes) = movie(&clip);
        let own = |kind: &[u8; 4]| found.tracks.iter().find(|track| &track.handler == kind).unwrap();
        // What was encoded twice alike is described once, whatever its bit rates.
        assert_eq!(own(b"vide").descriptions.len(), 2);
        let of_source: u64 = {
            let slices = clip
                .rope
                .slices()
                .filter(|s| s.source.as_ref().is_some_and(|(s, _)| s.is_same(source.source())));
            slices.map(|slice| slice.len).sum()
        };
        let copied = own(b"vide").samples.as_ref().unwrap().walk(0).filter(|sample| {
            let time = sample.composition as f64 / f64::from(own(b"vide").scale);
            sample.description == 2 && time > 0.0
        });
        let copied: u64 = copied.map(|sample| u64::from(sample.size)).sum();
        let sound: u64 =
            own(b"soun").samples.as_ref().unwrap().walk(0).map(|sample| u64::from(sample.size)).sum();
        assert_eq!(of_source, copied - TOLD.len() as u64 + sound);
        // What is the result's own lies in front of its first sample, and behind the last one of what was encoded.
        let samples: Vec<mp4::Sample> = own(b"vide").samples.as_ref().unwrap().walk(0).collect();
        let parts: Vec<_> = samples.chunk_by(|a, b| a.description == b.description).collect();
        let held = |sample: &mp4::Sample| {
            let place = usize::try_from(sample.place).unwrap();
            bytes[place..place + sample.size as usize].to_vec()
        };
        let [head, copied, tail] = parts[..] else { panic!("{} parts", parts.len()) };
        let (first, last) =
            (|part: &[mp4::Sample]| held(&part[0]), |part: &[mp4::Sample]| held(&part[part.len() - 1]));
        assert!(last(head).ends_with(&END) && first(copied).starts_with(&TOLD));
        assert!(!last(copied).ends_with(&END) && !first(tail).starts_with(&TOLD));

        // Tracks lie beside each other: by the times of their decoding, up to a chunk of the source.
        let mut all: Vec<(u64, f64, u32)> = Vec::new();
        for track in &found.tracks {
            let samples = track.samples.as_ref().unwrap().walk(0);
            all.extend(samples.map(|s| (s.place, s.decode as f64 / f64::from(track.scale), s.size)));
        }
        all.sort_by_key(|sample| sample.0);
        let back = all.windows(2).map(|two| two[0].1 - two[1].1).fold(0.0, f64::max);
        assert!(back < 1.1, "{back} s back");
        let last = all.last().unwrap();
        assert_eq!(last.0 + u64::from(last.2), bytes.len() as u64);
    }
}
