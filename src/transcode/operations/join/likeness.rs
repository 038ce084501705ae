//! Inputs of a join that do not match: each is encoded, as far as it differs, into an MP4 of its own, which is copied
//! then as inputs are.

use super::{
    model::{Pictures, Sound},
    silence::silence,
};
use crate::{
    Control, Error, Job, Media, Remux, Report, Result, Source, StreamKind,
    av::{muxer::Muxer, stream::Stream},
    edit::Likeness,
    job::ReportInput,
    media::Known,
    output::target::Target,
    transcode::{
        encoders::holds::{self, Held},
        operations::{beside::Beside, transcoding::Transcoding},
        settings::{AudioCodec, AudioSettings, Transcode, VideoCodec, VideoSettings},
    },
};
use std::path::{Path, PathBuf};

/// What an input needs to match.
#[derive(Default)]
struct Needs {
    /// Why its pictures are encoded.
    pictures: Vec<String>,
    /// Why its sound is.
    sound: Vec<String>,
    /// It has no sound, and the first input has.
    silence: bool,
    /// It is copied into another container, as its packets are not laid out as the others' are.
    carried: bool,
    /// What it has and the first input has not.
    lost: Vec<String>,
}

impl Needs {
    fn encodes(&self) -> bool {
        !self.pictures.is_empty() || !self.sound.is_empty() || self.silence
    }
}

/// What was found when all inputs were looked at.
struct Found {
    /// The first input's streams.
    first: Vec<Stream>,
    pictures: Option<Pictures>,
    sound: Option<Sound>,
    needs: Vec<Needs>,
    /// The container of what is made.
    carrier: String,
    makes: bool,
}

/// Makes inputs match.
pub(super) struct Matching {
    sources: Vec<Source>,
    settings: Transcode,
    allow_drops: bool,
    folder: Option<PathBuf>,
    found: Option<Found>,
}

/// The first stream of a kind that plays.
fn stream_of(streams: &[Stream], kind: StreamKind) -> Option<&Stream> {
    streams.iter().find(|s| s.kind() == kind && !s.is_picture() && !s.is_hidden())
}

/// Whether packets of a stream lie as they do in MP4: with lengths, and without headers of their own.
fn lies_as_in_mp4(stream: &Stream) -> bool {
    match stream.codec().as_str() {
        "h264" | "hevc" => stream.extradata().first() == Some(&1),
        "aac" => !stream.extradata().is_empty(),
        _ => true,
    }
}

/// Whether a stream can be copied on: nothing but its beginning and its end is hidden.
fn is_plain(media: &Media, kind: StreamKind) -> bool {
    let of_kind = |(_, stream): &(usize, &Stream)| stream.kind() == kind && !stream.is_picture();
    let mut streams = media.streams().iter().enumerate().filter(of_kind);
    streams.all(|(index, _)| media.timeline(index).is_none_or(|timeline| timeline.spans.len() < 2))
}

impl Matching {
    pub(super) fn new(sources: &[Source], settings: Transcode, allow_drops: bool) -> Self {
        Self { sources: sources.to_vec(), settings, allow_drops, folder: None, found: None }
    }

    fn check(&self) -> Result<()> {
        let settings = &self.settings;
        settings.check()?;
        let asks = [
            ("keep", !settings.keep.is_empty()),
            ("speed", settings.speed.is_some()),
            ("target_size", settings.target_size.is_some()),
            ("fragment", settings.fragment.is_some()),
            ("muxer_options", !settings.muxer_options.is_empty()),
            ("video.codec", settings.video.codec == VideoCodec::None),
            ("audio.codec", settings.audio.codec == AudioCodec::None),
        ];
        match asks.iter().find(|(_, is_asked)| *is_asked) {
            Some((name, _)) => Err(Error::invalid("a join does not do this with inputs that do not match")
                .with_setting(*name)
                .advise("cut or transcode the inputs first, or the result")),
            None => Ok(()),
        }
    }

    fn find(&self, first: &Media, format: &str, control: &Control) -> Result<Found> {
        self.check()?;
        let (muxer, mut known) = (Muxer::find(format)?, Known::default());
        let own = first.looked_into(control)?;
        let picture = stream_of(&own, StreamKind::Video);
        let pictures = picture.map(|own| Pictures::of(own, &self.settings, muxer)).transpose()?;
        let sound = stream_of(&own, StreamKind::Audio);
        let sound = sound.map(|own| Sound::of(own, &self.settings, muxer)).transpose()?;
        let mut needs = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            control.check()?;
            let media = match number {
                0 => first.clone(),
                _ => Media::open_among(source.clone(), &mut known, control)?,
            };
            let streams = media.looked_into(control)?;
            let mut of = Needs::default();
            let (picture, heard) =
                (stream_of(&streams, StreamKind::Video), stream_of(&streams, StreamKind::Audio));
            if let Some((model, theirs)) = pictures.as_ref().zip(picture) {
                of.pictures = model.differences(theirs);
            }
            if let Some((model, theirs)) = sound.as_ref().zip(heard) {
                of.sound = model.differences(theirs);
            }
            let kinds = [("video", pictures.is_none(), picture), ("sound", sound.is_none(), heard)];
            for (what, has_none, theirs) in kinds {
                let Some(lost) = theirs.filter(|_| has_none) else { continue };
                let (codec, first) = (lost.codec(), first.source().name());
                if !self.allow_drops {
                    let message = format!("its {what} ({codec}) would be lost: {first} has none");
                    return Err(Error::unsupported(message)
                        .named(source.name())
                        .with_setting("allow_drops")
                        .advise(format!("put an input with {what} first, or say that the {what} may go")));
                }
                of.lost.push(format!("its {what} ({codec}) is left out: {first} has none"));
            }
            of.silence = sound.is_some() && heard.is_none() && picture.is_some();
            let plays = [picture, heard].into_iter().flatten();
            of.carried = match muxer.is_mov() {
                true => !media.demuxer().is_mov(),
                false => plays.into_iter().any(|stream| !lies_as_in_mp4(stream)),
            };
            let edited = "its edit list shows several stretches".to_owned();
            if of.encodes() && of.pictures.is_empty() && !is_plain(&media, StreamKind::Video) {
                of.pictures.push(edited.clone());
            }
            if of.encodes() && !of.silence && of.sound.is_empty() && !is_plain(&media, StreamKind::Audio) {
                of.sound.push(edited);
            }
            for (is_copied, why) in [
                (self.settings.video.codec == VideoCodec::Copy, of.pictures.first()),
                (self.settings.audio.codec == AudioCodec::Copy, of.sound.first()),
            ] {
                if let Some(why) = why.filter(|_| is_copied) {
                    let message =
                        format!("it does not match {}, and is to be copied: {why}", first.source().name());
                    return Err(Error::invalid(message).named(source.name()).advise("name another codec"));
                }
            }
            needs.push(of);
        }
        let encodes = needs.iter().any(Needs::encodes);
        let are_carried = needs.iter().filter(|of| of.carried).count();
        let makes = encodes || (1..needs.len()).contains(&are_carried);
        let mp4 = Muxer::find("mp4")?;
        let fits = own.iter().filter(|s| matches!(s.kind(), StreamKind::Video | StreamKind::Audio));
        let all_fit = fits.into_iter().all(|own| own.is_picture() || holds::stream(mp4, own) != Held::Never);
        let carrier = match muxer.is_mov() {
            true => format,
            false if all_fit => "mp4",
            false => "matroska",
        };
        Ok(Found { first: own, pictures, sound, needs, carrier: carrier.to_owned(), makes })
    }

    /// How an input is encoded.
    fn transcode(&self, of: &Needs, found: &Found, streams: &[Stream]) -> Result<Transcode> {
        let mut settings =
            Transcode { format: Some(found.carrier.clone()), allow_drops: true, ..self.settings.clone() };
        let kind = StreamKind::Video;
        settings.video = match (&found.pictures, stream_of(&found.first, kind), stream_of(streams, kind)) {
            (Some(model), Some(first), Some(own)) if !of.pictures.is_empty() => {
                model.settings(first, own, &self.settings.video)?
            }
            (Some(_), ..) => VideoSettings::new().codec(VideoCodec::Copy),
            _ => VideoSettings::new().codec(VideoCodec::None),
        };
        settings.audio = match (&found.sound, stream_of(&found.first, StreamKind::Audio)) {
            (Some(model), Some(first)) if of.silence || !of.sound.is_empty() => {
                model.settings(first, &self.settings.audio)?
            }
            (Some(_), _) => AudioSettings::new().codec(AudioCodec::Copy),
            _ => AudioSettings::new().codec(AudioCodec::None),
        };
        settings.preset = self.settings.preset.filter(|_| !of.pictures.is_empty());
        Ok(settings)
    }
}

impl Likeness for Matching {
    fn set_place(&mut self, _format: &str, folder: &Path) {
        self.folder = Some(folder.to_owned());
    }

    fn look(&mut self, first: &Media, format: &str, control: &Control) -> Result<bool> {
        if let Some(found) = &self.found {
            return Ok(found.makes);
        }
        let found = self.find(first, format, control)?;
        Ok(self.found.insert(found).makes)
    }

    fn made(
        &mut self,
        number: usize,
        media: Media,
        _to: &Target,
        report: &mut Report,
        control: &Control,
    ) -> Result<Media> {
        let Some((found, of)) = self.found.as_ref().and_then(|found| Some((found, found.needs.get(number)?)))
        else {
            return Ok(media);
        };
        if !of.encodes() && !of.carried {
            return Ok(media);
        }
        let name = media.source().name().to_owned();
        of.lost.iter().for_each(|lost| report.warn(format!("{name}: {lost}")));
        let job = if of.encodes() {
            let streams = media.looked_into(control)?;
            let mut work = Transcoding::new(&media, &self.transcode(of, found, &streams)?);
            if of.silence {
                let rate = found.sound.as_ref().and_then(|sound| sound.rate).unwrap_or(48_000);
                let length = media.length().ok_or_else(|| {
                    Error::unsupported(
                        "its length is not known, so there is no telling how long it is silent",
                    )
                    .named(&name)
                })?;
                work.beside = Some(Beside::whole(Media::open_with(silence(length, rate)?, control)?));
            }
            let colors = stream_of(&streams, StreamKind::Video).zip(found.pictures.as_ref());
            let tags = colors.and_then(|(own, model)| model.tags_alone(own));
            if let Some(tags) = tags.filter(|_| !of.pictures.is_empty()) {
                report.warn(format!(
                    "{name}: its colours are not converted but by their matrix and range: {tags}"
                ));
            }
            Job::new(work)
        } else {
            Remux::new().format(&found.carrier).allow_drops(true).job(&media)
        };
        let (source, made) = job.into_source(&found.carrier, self.folder.as_deref(), control)?;
        let silence = of.silence.then(|| "it has none: silence is put in its place".to_owned());
        for (kind, why) in
            [("video", of.pictures.clone()), ("audio", of.sound.iter().cloned().chain(silence).collect())]
        {
            if !why.is_empty() {
                let (name, kind, why) = (name.clone(), kind.to_owned(), why.join("; "));
                report.inputs.push(ReportInput { input: number, name, kind, why });
            }
        }
        add(made, &name, report);
        Media::open_with(source.named(name), control)
    }
}

/// Counts in what was done to one input.
fn add(made: Report, name: &str, report: &mut Report) {
    for (all, own) in [
        (&mut report.frames_decoded, made.frames_decoded),
        (&mut report.frames_encoded, made.frames_encoded),
        (&mut report.decode_errors, made.decode_errors),
        (&mut report.bytes_read, made.bytes_read),
    ] {
        *all = all.saturating_add(own);
    }
    report.hardware.used.extend(made.hardware.used);
    report.hardware.refused.extend(made.hardware.refused);
    for warning in made.warnings {
        let is_named = warning.starts_with(name);
        report.warn(if is_named { warning } else { format!("{name}: {warning}") });
    }
}
