//! What of an input has to survive: shapes, depths, colours, channels, what is said beside the streams.

use super::*;

/// Upper half white, lower half black, to be shown turned by a quarter.
fn rotated() -> PathBuf {
    let source = "color=white:s=96x64:r=25:d=0.4,drawbox=y=32:h=32:c=black:t=fill";
    let upright =
        drawn("upright.mp4", source, &["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]);
    common::turned("turned.mp4", &upright, 90)
}

/// The first picture in shades of grey, turned as a player does.
fn grey(path: &Path) -> Vec<u8> {
    ffmpeg(&["-i", path.to_str().unwrap(), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"]).0
}

#[test]
fn a_turned_picture_keeps_its_matrix_or_is_turned() {
    oracle!("rotation");
    let (source, folder) = (rotated(), tempfile::tempdir().unwrap());
    let due = grey(&source);
    assert_eq!(due.len(), 96 * 64);
    for (container, turn, size) in
        [("mp4", false, (96, 64)), ("mp4", true, (64, 96)), ("mkv", false, (64, 96)), ("ts", false, (64, 96))]
    {
        let name = format!("{container}, turn {turn}");
        let settings = Transcode::new().video(quick().autorotate(turn).crf(10.0));
        let out = made(&source, &settings, folder.path(), &format!("out.{container}"));
        let found = picture_of(&out);
        assert_eq!((found.width, found.height), (Some(size.0), Some(size.1)), "{name}");
        let kept = size.0 == 96;
        assert_eq!(found.rotation.unwrap_or(0.0) != 0.0, kept, "{name}: {:?}", found.rotation);
        // Shown, all are the same but for x264's losses, which are small in even areas (the edge is 4 pixels
        // at most).
        let shown = grey(&out);
        assert_eq!(shown.len(), due.len(), "{name}");
        let far = shown.iter().zip(&due).filter(|(a, b)| a.abs_diff(**b) > 24).count();
        assert!(far < due.len() / 20, "{name}: {far} of {} pixels are others", due.len());
    }
}

/// Source, its pixel format and size; what becomes of it in H.264, and in FFV1.
#[test]
fn sizes_and_depths_survive_where_they_can() {
    oracle!("sizes and depths");
    let folder = tempfile::tempdir().unwrap();
    for (format, size, h264, h264_size) in [
        ("yuv420p", (321, 179), "yuv420p", (320, 178)),
        ("yuv420p10le", (192, 108), "yuv420p10le", (192, 108)),
        ("yuv422p", (192, 108), "yuv422p", (192, 108)),
        ("yuv444p", (193, 109), "yuv444p", (193, 109)),
        // libav's decoder shows H.264 without chroma as 4:2:0, from FFmpeg 7 on of the full range that gray
        // has.
        ("gray", (192, 108), "yuv420p", (192, 108)),
        ("bgr0", (193, 109), "yuv444p", (193, 109)),
    ] {
        // testsrc2 itself has even sides.
        let graph = format!("testsrc2=s=320x180:r=25:d=0.4,format={format},scale={}:{}", size.0, size.1);
        let name = format!("{format}-{}.mkv", size.0);
        let source = drawn(&name, &graph, &["-c:v", "ffv1", "-pix_fmt", format]);
        assert_eq!(picture_of(&source).pixel_format.as_deref(), Some(format), "{name}: the fixture");
        let out = made(&source, &Transcode::new().video(quick()), folder.path(), "out.mp4");
        let found = picture_of(&out);
        let found_format = found.pixel_format.as_deref().map(|found| found.replace("yuvj", "yuv"));
        assert_eq!(found_format.as_deref(), Some(h264), "{name}");
        assert_eq!((found.width.unwrap(), found.height.unwrap()), h264_size, "{name}");
        assert_eq!(common::frames(&out, "0:v").len(), 10, "{name}");
        let eight = Transcode::new().video(quick().pixel_format("yuv420p"));
        let found = picture_of(&made(&source, &eight, folder.path(), "eight.mp4"));
        assert_eq!(found.pixel_format.as_deref(), Some("yuv420p"), "{name}, asked for");
        assert_eq!((found.width.unwrap() % 2, found.height.unwrap() % 2), (0, 0), "{name}, asked for");
        let whole =
            made(&source, &Transcode::new().video(video(VideoCodec::Ffv1)), folder.path(), "whole.mkv");
        let hashes =
            |path: &Path| common::frames(path, "0:v").into_iter().map(|f| f.hash).collect::<Vec<_>>();
        assert_eq!(hashes(&whole), hashes(&source), "{name}: lossless");
    }
}

#[test]
fn fields_become_pictures_when_asked() {
    oracle!("interlaced");
    let source = "testsrc2=s=192x108:r=50:d=1,interlace";
    let arguments = ["-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "4M", "-pix_fmt", "yuv420p"];
    let source = drawn("fields.ts", source, &arguments);
    let fields = |path: &Path| {
        let json =
            common::ffprobe(path, &["-select_streams", "v", "-show_entries", "frame=interlaced_frame"]);
        let frames = json["frames"].as_array().unwrap().clone();
        (frames.len(), frames.iter().filter(|f| f["interlaced_frame"] == 1).count())
    };
    let (all, interlaced) = fields(&source);
    assert_eq!((all, interlaced), (25, 25), "the fixture");
    let folder = tempfile::tempdir().unwrap();
    let out = made(&source, &Transcode::new().video(quick().deinterlace(true)), folder.path(), "out.mp4");
    assert_eq!(fields(&out), (25, 0), "deinterlaced");
    // What is left as it is stays marked where the codec can say so.
    let options = video(VideoCodec::from("mpeg2video")).bit_rate(4_000_000).option("flags", "+ilme+ildct");
    let out = made(&source, &Transcode::new().video(options), folder.path(), "out.ts");
    assert_eq!(fields(&out), (25, 25), "left alone");
    // Whole pictures are left alone.
    let progressive = pictures();
    let off = Transcode::new().video(video(VideoCodec::Ffv1));
    let on = Transcode::new().video(video(VideoCodec::Ffv1).deinterlace(true));
    let plain = made(&progressive, &off, folder.path(), "off.mkv");
    assert_eq!(payload(&plain), payload(&made(&progressive, &on, folder.path(), "on.mkv")), "progressive");
}

#[test]
fn channels_survive() {
    oracle!("channels");
    let folder = tempfile::tempdir().unwrap();
    for (layout, channels) in [("mono", 1), ("stereo", 2), ("5.1", 6)] {
        for (codec, container) in
            [("aac", "m4a"), ("libopus", "mkv"), ("flac", "flac"), ("ac3", "mkv"), ("pcm", "wav")]
        {
            let settings = Transcode::new().audio(audio(AudioCodec::from(codec)));
            let out = made(&sound(48_000, layout), &settings, folder.path(), &format!("out.{container}"));
            let found = sound_of(&out);
            assert_eq!(found.channels, Some(channels), "{layout}, {codec}");
            // ffmpeg's AC-3 decoder has the surround channels at the side, as its encoder takes them.
            // A plain WAV says how many there are, and not where.
            let same = found.channel_layout.as_deref().unwrap_or("").starts_with(layout);
            assert!(same || codec == "pcm", "{layout}, {codec}: {:?}", found.channel_layout);
            assert_eq!(found.sample_rate, Some(48_000), "{layout}, {codec}");
        }
    }
    // MP3 has two at most.
    let settings = Transcode::new().audio(audio(AudioCodec::Mp3));
    let out = made(&sound(48_000, "5.1"), &settings, folder.path(), "out.mp3");
    assert_eq!(sound_of(&out).channels, Some(2));
    // Rates that an encoder has not are met by the nearest that it has.
    let settings = Transcode::new().audio(audio(AudioCodec::Opus));
    let out = made(&sound(44_100, "stereo"), &settings, folder.path(), "out.ogg");
    assert_eq!(sound_of(&out).sample_rate, Some(48_000));
}

#[test]
fn one_kind_of_stream_is_enough() {
    oracle!("one kind");
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv", "ts"] {
        let out =
            made(&pictures(), &Transcode::new().video(quick()), folder.path(), &format!("v.{container}"));
        assert_eq!(info(&out).streams.len(), 1, "{container}");
        assert_eq!(common::frames(&out, "0:v").len(), 50, "{container}");
        let out = made(&sound(48_000, "stereo"), &Transcode::new(), folder.path(), &format!("a.{container}"));
        // Matroska holds PCM as it is.
        let due = if container == "mkv" { "pcm_s16le" } else { "aac" };
        assert_eq!(sound_of(&out).codec, due, "{container}");
    }
    let both = common::fixture("h264-aac").unwrap();
    let silent = Transcode::new().audio(audio(AudioCodec::None));
    assert_eq!(info(&made(&both, &silent, folder.path(), "silent.mp4")).streams.len(), 1);
    let blind = Transcode::new().video(video(VideoCodec::None));
    assert_eq!(info(&made(&both, &blind, folder.path(), "blind.mp4")).streams[0].codec, "aac");
    // A container of sound takes the sound, if the picture may go, and says what it leaves.
    let clip = run(&both, &Transcode::new().format("mp3").allow_drops(true));
    assert_eq!(clip.report.dropped_streams.len(), 1, "{:?}", clip.report);
}

#[test]
fn colour_and_pixel_shape_survive() {
    oracle!("colour");
    let tags =
        ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
    let coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    let source =
        drawn("tagged-colour.mp4", "testsrc2=s=192x108:r=25:d=0.4,setsar=4/3", &[&coded[..], &tags].concat());
    let due = picture_of(&source);
    assert!(due.color.is_some(), "{due:?}");
    let folder = tempfile::tempdir().unwrap();
    for container in ["mp4", "mkv", "ts"] {
        for settings in
            [quick(), quick().filter("hue=s=0.5"), video(VideoCodec::Hevc).encoder_preset("ultrafast")]
        {
            let name = format!("{container}, {settings:?}");
            let out =
                made(&source, &Transcode::new().video(settings), folder.path(), &format!("out.{container}"));
            let found = picture_of(&out);
            assert_eq!(found.color, due.color, "{name}");
            assert_eq!(found.sample_aspect_ratio, due.sample_aspect_ratio, "{name}");
        }
        // Half as wide: pixels twice as wide make up for it.
        let narrow = Transcode::new().video(quick().size(96, 108));
        let found = picture_of(&made(&source, &narrow, folder.path(), &format!("out.{container}")));
        assert_eq!(found.sample_aspect_ratio, Some(rate(8, 3)), "{container}, narrow");
    }
    // 192x108 of 4:3 pixels look like 256x108.
    for (fit, size) in [(Fit::Inside, (128, 72)), (Fit::Pad, (128, 128)), (Fit::Crop, (128, 128))] {
        let out =
            made(&source, &Transcode::new().video(quick().size(128, 128).fit(fit)), folder.path(), "fit.mp4");
        let found = picture_of(&out);
        assert_eq!((found.width.unwrap(), found.height.unwrap()), size, "{fit:?}");
    }
}

/// HEVC in MP4 with HDR10's boxes (`mdcv`, `clli`), which ffmpeg 5.1 can't be made to write.
fn hdr(folder: &Path) -> PathBuf {
    let tags = ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084"];
    let coded =
        ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1"];
    let plain = drawn(
        "plain-hdr.mp4",
        "testsrc2=s=192x108:r=25:d=0.4",
        &[&coded[..], &["-pix_fmt", "yuv420p10le", "-color_range", "tv"], &tags].concat(),
    );
    let mut bytes = std::fs::read(plain).unwrap();
    // BT.2020's primaries and D65 in 1/50000, 1000 and 0.0001 candela in 1/10000 (ISO/IEC 14496-12, mdcv).
    let points: [u16; 8] = [8500, 39_850, 6550, 2300, 35_400, 14_600, 15_635, 16_450];
    let mut mastering: Vec<u8> = points.iter().flat_map(|n| n.to_be_bytes()).collect();
    mastering.extend(10_000_000_u32.to_be_bytes());
    mastering.extend(1_u32.to_be_bytes());
    let light: Vec<u8> = [1000_u16, 400].iter().flat_map(|n| n.to_be_bytes()).collect();
    let new = [common::make_box(b"mdcv", &mastering), common::make_box(b"clli", &light)].concat();
    let after = |bytes: &[u8], kind: &[u8], from: usize| {
        from + bytes[from..].windows(4).position(|w| w == kind).unwrap()
    };
    // `moov` lies behind the payload: no offset changes.
    let mut at = bytes.windows(4).rposition(|w| w == b"moov").unwrap();
    let mut parents = vec![at];
    for kind in [b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"] {
        at = after(&bytes, kind, at);
        parents.push(at);
    }
    let place = after(&bytes, b"hvcC", at) - 4;
    for at in parents {
        let len =
            u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) + u32::try_from(new.len()).unwrap();
        bytes[at - 4..at].copy_from_slice(&len.to_be_bytes());
    }
    bytes.splice(place..place, new);
    let path = folder.join("hdr.mp4");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn hdr_metadata_survives() {
    oracle!("HDR");
    let folder = tempfile::tempdir().unwrap();
    let source = hdr(folder.path());
    let side = |path: &Path| {
        let json = common::ffprobe(path, &["-select_streams", "v", "-show_entries", "stream_side_data"]);
        let list = json["streams"][0]["side_data_list"].as_array().cloned().unwrap_or_default();
        let word = |value: &serde_json::Value| match value.as_str() {
            // The same ratio in other terms.
            Some(text) => match text.split_once('/').map(|(n, d)| (n.parse::<f64>(), d.parse::<f64>())) {
                Some((Ok(n), Ok(d))) => format!("{:.5}", n / d),
                _ => text.to_owned(),
            },
            None => value.to_string(),
        };
        let mut all: Vec<String> = list
            .iter()
            .filter(|entry| entry["side_data_type"].as_str().is_some_and(|t| !t.contains("CPB")))
            .map(|entry| {
                let fields = entry.as_object().unwrap();
                let mut words: Vec<_> = fields.iter().map(|(k, v)| format!("{k} {}", word(v))).collect();
                words.sort();
                words.join(", ")
            })
            .collect();
        all.sort();
        all
    };
    let (due, picture) = (side(&source), picture_of(&source));
    assert_eq!(due.len(), 2, "the fixture: {due:?}");
    for container in ["mp4", "mkv"] {
        let settings = Transcode::new().video(video(VideoCodec::Hevc).encoder_preset("ultrafast"));
        let out = made(&source, &settings, folder.path(), &format!("out.{container}"));
        assert_eq!(side(&out), due, "{container}");
        let found = picture_of(&out);
        assert_eq!(found.color, picture.color, "{container}");
        assert_eq!(found.pixel_format, picture.pixel_format, "{container}");
    }
}

#[test]
fn chapters_languages_and_dispositions_survive() {
    oracle!("chapters");
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("chapters.txt");
    let chapter = |from: u32, to: u32, title: &str| {
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={from}\nEND={to}\ntitle={title}\n")
    };
    let text = [chapter(0, 1000, "one"), chapter(1000, 4300, "two")].concat();
    std::fs::write(&list, format!(";FFMETADATA1\ntitle=A title\n{text}")).unwrap();
    let two = common::fixture("two-audio").unwrap();
    let inputs =
        ["-i", two.to_str().unwrap(), "-i", list.to_str().unwrap(), "-map", "0", "-map_metadata", "1"];
    let languages = ["-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra"];
    let disposition = ["-disposition:a:0", "0", "-disposition:a:1", "default"];
    for from in ["mp4", "mkv"] {
        let source = folder.path().join(format!("source.{from}"));
        let output = ["-c", "copy", source.to_str().unwrap()];
        ffmpeg(&[&inputs[..], &languages, &disposition, &output].concat());
        for to in ["mp4", "mkv"] {
            let name = format!("{from} to {to}");
            let settings = Transcode::new().video(quick()).audio(audio(AudioCodec::Aac).bit_rate(64_000));
            let found = info(&made(&source, &settings, folder.path(), &format!("out.{to}")));
            let code = |s: &StreamInfo| match s.language.as_deref() {
                // The bibliographic code of the same language.
                Some("ger") => "deu".to_owned(),
                other => other.unwrap_or_default().to_owned(),
            };
            let sounds: Vec<_> = found.streams.iter().filter(|s| s.channels.is_some()).collect();
            let languages: Vec<_> = sounds.iter().map(|s| code(s)).collect();
            assert_eq!(languages, ["deu", "fra"], "{name}");
            let default: Vec<_> =
                sounds.iter().map(|s| s.disposition.iter().any(|d| d == "default")).collect();
            assert_eq!(default, [false, true], "{name}");
            let chapters: Vec<_> = found
                .chapters
                .iter()
                .map(|c| format!("{:.2} {:?}", c.start.secs(), c.title.as_deref().unwrap_or("")))
                .collect();
            // Without edit lists the clock begins with the sound's priming (0.02 s).
            let late = to == "mkv" && chapters.first().is_some_and(|c| c.starts_with("0.02"));
            let due = if late { ["0.02 \"one\"", "1.02 \"two\""] } else { ["0.00 \"one\"", "1.00 \"two\""] };
            assert_eq!(chapters, due, "{name}");
            let title = found.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case("title"));
            assert_eq!(title.map(|(_, value)| value.as_str()), Some("A title"), "{name}");
        }
    }
}

#[test]
fn cover_art_survives() {
    oracle!("cover art");
    let folder = tempfile::tempdir().unwrap();
    let cover = drawn("cover.png", "testsrc2=s=64x64", &["-frames:v", "1"]);
    let source = folder.path().join("source.m4a");
    let sounds = common::fixture("aac-m4a").unwrap();
    let inputs = ["-i", sounds.to_str().unwrap(), "-i", cover.to_str().unwrap(), "-map", "0:a", "-map", "1"];
    let rest = ["-c", "copy", "-disposition:v:0", "attached_pic", source.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &rest].concat());
    let due = payload(&source)["p0"].clone();
    for (name, codec) in
        [("out.m4a", AudioCodec::Aac), ("out.mp3", AudioCodec::Mp3), ("out.flac", AudioCodec::Flac)]
    {
        let out = made(&source, &Transcode::new().audio(audio(codec)), folder.path(), name);
        assert_eq!(payload(&out).remove("p0").unwrap_or_default(), due, "{name}");
    }
    // In fragments libav has a track for it in which nothing is.
    let settings = Transcode::new().audio(audio(AudioCodec::Flac)).fragment(Fragment::Keyframe);
    let clip = transcode(&open(&source), &settings.format("mp4"), &Control::new()).unwrap();
    let left_out: Vec<_> = clip.report.dropped_streams.iter().map(|dropped| dropped.codec.as_str()).collect();
    assert_eq!(left_out, ["png"]);
    assert_eq!(Media::open(clip.rope.into()).unwrap().info().streams.len(), 1);
}
