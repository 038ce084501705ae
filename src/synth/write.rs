//! From a [`Spec`] to a file: its tracks into one muxer.

use std::fs;
use std::path::Path;

use ffmpeg_next::{self as ff, Dictionary, Packet, encoder, format, frame};

use super::track::{Track, failed};
use super::{AudioSource, Error, Spec, VideoSource};

/// Whether this libav can encode with `name` (libav's own name, such as `libx264`).
pub fn has_encoder(name: &str) -> bool {
    !name.contains('\0') && encoder::find_by_name(name).is_some()
}

/// Makes what `spec` says at `path`, replacing a file that is there. On an error no file is left (the
/// segments of an `hls` output are).
///
/// # Errors
/// [`Error::InvalidSpec`] for a value out of its range, else [`Error::Failed`] with libav's reason.
pub fn to_file(spec: &Spec, path: &Path) -> Result<(), Error> {
    to_file_with(spec, path, &mut |_| true)
}

/// [`to_file`] that tells `progress` how much is done, 0 to 1 and never less than before, once for every
/// frame; `false` from it stops. The last call, with 1, comes when the file is complete, and its answer
/// changes nothing.
///
/// # Errors
/// As [`to_file`], and [`Error::Stopped`].
pub fn to_file_with(spec: &Spec, path: &Path, progress: &mut dyn FnMut(f64) -> bool) -> Result<(), Error> {
    check(spec)?;
    let refused = |e| Error::Failed(format!("{}: {e}", path.display()));
    // Absolute, so that libav takes no part of it for a protocol (`a:b.mp4`).
    let absolute = std::path::absolute(path).map_err(refused)?;
    if absolute.to_str().is_none_or(|p| p.contains('\0')) {
        return invalid(format!("{}: libav wants a path in UTF-8", path.display()));
    }
    // Before libav, which says less and, in ffmpeg-next, leaks its context when it can't create the file.
    fs::File::create(&absolute).map_err(refused)?;
    let result = crate::av::log::ours(|| write(spec, &absolute, progress));
    if result.is_err() {
        let _ = fs::remove_file(&absolute);
    }
    result
}

fn write(spec: &Spec, path: &Path, progress: &mut dyn FnMut(f64) -> bool) -> Result<(), Error> {
    let mut output = match &spec.format {
        Some(name) => format::output_as(path, name).map_err(failed(format!("container {name}")))?,
        None => format::output(path).map_err(failed(format!("a container for {}", path.display())))?,
    };
    let global_header = output.format().flags().contains(format::Flags::GLOBAL_HEADER);
    let mut tracks = Vec::new();
    if let Some(video) = &spec.video {
        let track = Track::video(video, spec.duration, global_header)?;
        let mut stream = output.add_stream_with(&track.encoder).map_err(failed("video track"))?;
        stream.set_time_base(track.time_base);
        stream.set_avg_frame_rate(video.rate);
        tracks.push(track);
    }
    for audio in &spec.audio {
        let track = Track::audio(audio, spec.duration, global_header)?;
        let mut stream = output.add_stream_with(&track.encoder).map_err(failed("audio track"))?;
        stream.set_time_base(track.time_base);
        if let Some(language) = &audio.language {
            stream.set_metadata(Dictionary::from_iter([("language", language.as_str())]));
        }
        tracks.push(track);
    }
    output.set_metadata(spec.metadata.iter().collect());
    let options = spec.muxer_options.iter().collect();
    let unknown = output.write_header_with(options).map_err(failed("header"))?;
    if let Some((name, _)) = unknown.iter().next() {
        return invalid(format!("the muxer knows no option {name}"));
    }
    drop(unknown);

    let mut frame = frame::Video::empty();
    let mut reached = 0.0_f64;
    // Always the track that lags most: the muxer has little to hold back, whatever the duration.
    let open = |tracks: &[Track]| {
        let open = tracks.iter().enumerate().filter(|(_, t)| !t.done);
        open.min_by(|(_, a), (_, b)| a.at.total_cmp(&b.at)).map(|(index, _)| index)
    };
    while let Some(index) = open(&tracks) {
        let Some(track) = tracks.get_mut(index) else { break };
        track.step(&mut frame)?;
        drain(index, track, &mut output)?;
        reached = reached.max(track.at);
        if !progress((reached / spec.duration).clamp(0.0, 1.0)) {
            return Err(Error::Stopped);
        }
    }
    output.write_trailer().map_err(failed("trailer"))?;
    progress(1.0);
    Ok(())
}

/// Hands what the encoder has ready to the muxer, which interleaves it by dts.
fn drain(index: usize, track: &mut Track, output: &mut format::context::Output) -> Result<(), Error> {
    const AGAIN: ff::Error = ff::Error::Other { errno: ff::error::EAGAIN };
    let stream_base = output.stream(index).map_or(track.time_base, |s| s.time_base());
    let mut packet = Packet::empty();
    loop {
        match track.encoder.receive_packet(&mut packet) {
            Ok(()) => {}
            Err(ff::Error::Eof | AGAIN) => return Ok(()),
            Err(e) => return Err(failed("encoder")(e)),
        }
        // Encoders with a delay leave it out before FFmpeg 6.
        if packet.duration() <= 0 {
            packet.set_duration(track.packet_duration);
        }
        packet.set_stream(index);
        packet.rescale_ts(track.time_base, stream_base);
        packet.write_interleaved(output).map_err(failed("muxer"))?;
    }
}

/// Ranges that libav would answer with less, and NULs in strings, at which ffmpeg-next would panic.
fn check(spec: &Spec) -> Result<(), Error> {
    if !(spec.duration > 0.0 && spec.duration <= 1e6) {
        return invalid(format!("duration {} s: expected more than 0, at most 1000000", spec.duration));
    }
    if spec.video.is_none() && spec.audio.is_empty() {
        return invalid("neither video nor audio: there is nothing to make".to_owned());
    }
    let mut strings: Vec<&str> = spec.format.as_deref().into_iter().collect();
    let mut pairs: Vec<&(String, String)> = spec.metadata.iter().chain(&spec.muxer_options).collect();
    if let Some(video) = &spec.video {
        let ((width, height), (num, den), gop) = (video.size, video.rate, video.gop);
        if !(1..=16384).contains(&width) || !(1..=16384).contains(&height) {
            return invalid(format!("video size {width}x{height}: expected 1 to 16384"));
        }
        if num < 1 || den < 1 || i32::try_from(gop).unwrap_or(0) < 1 || video.b_frames > 16 {
            let b_frames = video.b_frames;
            return invalid(format!("video rate {num}/{den}, GOP {gop}, {b_frames} B-frames: out of range"));
        }
        strings.extend([video.encoder.as_str(), &video.pixel_format]);
        if let VideoSource::Graph(graph) = &video.source {
            strings.push(graph);
        }
        pairs.extend(&video.options);
    }
    for audio in &spec.audio {
        let (rate, channels) = (audio.sample_rate, audio.channels);
        if !(1..=768_000).contains(&rate) || !(1..=8).contains(&channels) {
            return invalid(format!("audio of {rate} Hz, {channels} channels: expected 1 to 768000, 1 to 8"));
        }
        strings.push(&audio.encoder);
        strings.extend(audio.language.as_deref());
        if let AudioSource::Graph(graph) = &audio.source {
            strings.push(graph);
        }
    }
    strings.extend(pairs.iter().flat_map(|(name, value)| [name.as_str(), value]));
    match strings.iter().find(|s| s.contains('\0')) {
        Some(bad) => invalid(format!("{bad:?} holds a NUL")),
        None => Ok(()),
    }
}

fn invalid<T>(message: String) -> Result<T, Error> {
    Err(Error::InvalidSpec(message))
}
