//! What browsers call a codec, against what ffmpeg writes into its manifests for them.

use crate::common::*;
use std::path::Path;

/// The words of the streams that probing finds.
fn words(path: &Path) -> Vec<Option<String>> {
    let info = open(path).probe(&none()).unwrap();
    info.streams.into_iter().map(|stream| stream.codec_string).collect()
}

/// What is behind a name in a text, between quotes.
fn quoted(text: &str, name: &str) -> Vec<String> {
    let name = format!("{name}=\"");
    let parts = text.split(&name).skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

/// What ffmpeg says of a file in a manifest of DASH.
fn by_dash(path: &Path, folder: &Path) -> Vec<String> {
    let manifest = folder.join("out.mpd");
    ffmpeg(&["-i", path.to_str().unwrap(), "-c", "copy", "-f", "dash", manifest.to_str().unwrap()]);
    quoted(&std::fs::read_to_string(&manifest).unwrap(), "codecs")
}

#[test]
fn words_are_those_of_ffmpegs_manifests() {
    oracle!("codec strings");
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=1"];
    let sound = ["-f", "lavfi", "-i", "sine=r=48000:d=1"];
    // Of HEVC older ones say the tag alone, and 7.1 what fits no stream: its words are held against the
    // specification's.
    for (name, source, coding) in [
        ("baseline.mp4", picture, &["-c:v", "libx264", "-profile:v", "baseline"][..]),
        ("main.mp4", picture, &["-c:v", "libx264", "-profile:v", "main", "-level", "5.1"]),
        ("high.mp4", picture, &["-c:v", "libx264"]),
        ("422.mp4", picture, &["-c:v", "libx264", "-pix_fmt", "yuv422p10le"]),
        ("av1.mp4", picture, &["-c:v", "libaom-av1", "-cpu-used", "8"]),
        ("av1-10.mp4", picture, &["-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p10le"]),
        ("vp9.mp4", picture, &["-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime"]),
        ("mpeg4.mp4", picture, &["-c:v", "mpeg4"]),
        ("aac.mp4", sound, &["-c:a", "aac"]),
        ("opus.mp4", sound, &["-c:a", "libopus"]),
        ("ac3.mp4", sound, &["-c:a", "ac3"]),
        ("eac3.mp4", sound, &["-c:a", "eac3"]),
    ] {
        let path = made_by_ffmpeg(&format!("word-{name}"), &[&source[..], coding].concat());
        let ours = words(&path).remove(0).unwrap_or_else(|| panic!("{name}: no word"));
        let folder = tempfile::tempdir().unwrap();
        let theirs = by_dash(&path, folder.path());
        // Letters of hexadecimal numbers and of names are the same in both cases; what may be left out is
        // compared as far as both have it.
        let theirs = theirs.first().unwrap_or_else(|| panic!("{name}: {ours}, and nothing by ffmpeg"));
        let (ours, theirs) = (ours.to_lowercase(), theirs.to_lowercase());
        let both = ours.len().min(theirs.len());
        assert!(both > 3 && ours[..both] == theirs[..both], "{name}: {ours}, and {theirs} by ffmpeg");
        // ffmpeg leaves MPEG-4's profile out, which RFC 6381 has.
        if !name.starts_with("av1") && name != "mpeg4.mp4" {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn a_word_is_that_of_the_codec_in_whatever_container() {
    oracle!("codec strings in containers");
    let sources =
        ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1"];
    let hevc = ["-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "aac"];
    for (name, coding) in [("h264", &["-c:v", "libx264", "-c:a", "aac"][..]), ("hevc", &hevc)] {
        let mp4 = made_by_ffmpeg(
            &format!("word-in-{name}.mp4"),
            &[&sources[..], coding, &["-map", "0", "-map", "1"]].concat(),
        );
        // MP4's own tag for it says where parameter sets are: hev1 unless another is asked for.
        let expected: Vec<_> =
            words(&mp4).into_iter().map(|word| word.unwrap().replace("hev1", "hvc1")).collect();
        assert!(expected[1] == "mp4a.40.2", "{expected:?}");
        let endings: &[&str] = if name == "h264" { &["ts", "mkv", "flv", "mov"] } else { &["ts", "mkv"] };
        for ending in endings {
            let input = mp4.to_str().unwrap();
            let path = made_by_ffmpeg(
                &format!("word-in-{name}.{ending}"),
                &["-i", input, "-c", "copy", "-map", "0"],
            );
            let found: Vec<_> =
                words(&path).into_iter().map(|word| word.unwrap().replace("hev1", "hvc1")).collect();
            assert_eq!(found, expected, "{name} in {ending}");
        }
    }
}

#[test]
fn av1_without_a_box_of_its_parameters_is_called_as_with_one() {
    oracle!("codec strings of bare AV1");
    let picture =
        ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.2", "-c:v", "libaom-av1", "-cpu-used", "8"];
    for (format, word) in [
        ("yuv420p", "av01.0.00M.08"),
        ("yuv420p10le", "av01.0.00M.10"),
        ("yuv444p", "av01.1.00M.08.0.000.01.01.01.0"),
        ("yuv422p10le", "av01.2.00M.10.0.100.01.01.01.0"),
        ("yuv422p12le", "av01.2.00M.12.0.100.01.01.01.0"),
    ] {
        let mp4 =
            made_by_ffmpeg(&format!("word-{format}.mp4"), &[&picture[..], &["-pix_fmt", format]].concat());
        assert_eq!(words(&mp4), [Some(word.to_owned())], "{format}");
        for ending in ["ivf", "obu"] {
            let copy = ["-i", mp4.to_str().unwrap(), "-c", "copy"];
            let bare = made_by_ffmpeg(&format!("word-{format}.{ending}"), &copy);
            assert_eq!(words(&bare), [Some(word.to_owned())], "{format} in {ending}");
        }
    }
}

#[test]
fn sound_in_mp4_is_called_by_what_its_entry_says() {
    oracle!("codec strings of sound");
    // The object types of mp4ra.org, which ffmpeg's own manifests do not use.
    for (name, rate, codec, word) in [
        ("low.mp4", "22050", "libmp3lame", "mp4a.69"),
        ("mp3.mp4", "44100", "libmp3lame", "mp4a.6B"),
        ("dts.mp4", "48000", "dca", "mp4a.A9"),
        ("flac.mp4", "48000", "flac", "fLaC"),
        ("flac.mkv", "48000", "flac", "flac"),
        ("adts.aac", "48000", "aac", "mp4a.40.2"),
        ("low.mp3", "22050", "libmp3lame", "mp3"),
    ] {
        let sound =
            ["-f", "lavfi", "-i", "sine=d=0.3", "-ac", "2", "-ar", rate, "-c:a", codec, "-strict", "-2"];
        let path = made_by_ffmpeg(&format!("word-sound-{name}"), &sound);
        assert_eq!(words(&path), [Some(word.to_owned())], "{name}");
    }
}

#[test]
fn dolby_vision_is_called_by_its_profile_and_level() {
    oracle!("codec strings of Dolby Vision");
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.2"];
    for (codec, tag, called) in
        [("libx265", "hvc1", "dvh1"), ("libx265", "hev1", "dvhe"), ("libx264", "avc1", "dva1")]
    {
        let made = [&picture[..], &["-c:v", codec, "-tag:v", tag]].concat();
        let path = made_by_ffmpeg(&format!("word-vision-{called}.mp4"), &made);
        let mut bytes = std::fs::read(&path).unwrap();
        // The entry by another name, with a box dvcC behind its own: version, profile 5, level 6, the base layer.
        let stsd = find(&bytes, "moov/trak/mdia/minf/stbl/stsd").unwrap();
        let entry = bytes[stsd.content() + 8..stsd.end()].to_vec();
        let numbers = [1, 0, 5 << 1, 6 << 3 | 0b101, 0].into_iter().chain([0; 19]).collect::<Vec<u8>>();
        let boxed = [&entry[8..], &make_box(b"dvcC", &numbers)].concat();
        let entry = make_box(called.as_bytes().try_into().unwrap(), &boxed);
        let head = &bytes[stsd.content()..stsd.content() + 8];
        let stsd = make_box(b"stsd", &[head, &entry].concat());
        bytes = replace_box(&bytes, "moov/trak/mdia/minf/stbl/stsd", 0, &stsd);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vision.mp4");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(words(&path), [Some(format!("{called}.05.06"))]);
    }
}
