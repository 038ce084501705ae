//! Where bytes go.

use super::{lengths::presented, *};

fn shown(path: &Path) -> Vec<(usize, Vec<common::Frame>)> {
    ["0:v", "0:a"].iter().enumerate().map(|(i, stream)| (i, common::frames(path, stream))).collect()
}

#[test]
fn an_mp4_fits_its_sink() {
    oracle!("sinks");
    into_sinks(&[None, Some(Fragment::Keyframe)]);
}

#[test]
fn a_fragment_for_each_frame_shows_every_picture() {
    oracle!("fragments");
    into_sinks(&[Some(Fragment::Frame)]);
}

fn into_sinks(fragments: &[Option<Fragment>]) {
    let source = common::fixture("h264-aac").unwrap();
    let (media, folder) = (open(&source), tempfile::tempdir().unwrap());
    let settings = Transcode::new().format("mp4").video(quick()).audio(audio(AudioCodec::Aac));
    let rope = transcode(&media, &settings, &Control::default()).unwrap().rope.to_bytes().unwrap();
    let plain = Movie::parse(&rope);
    assert_eq!(plain.order[..2], ["ftyp", "moov"], "a rope: {:?}", plain.order);
    assert!(!plain.order.contains(&"moof".to_owned()));
    let file = folder.path().join("file.mp4");
    transcode_to(&media, &settings, Sink::file(&file), &Control::default()).unwrap();
    let order = Movie::read(&file).order;
    let place = |kind: &str| order.iter().position(|k| k == kind).unwrap();
    assert!(place("moov") < place("mdat"), "a file: {order:?}");
    let whole = shown(&file);
    assert_eq!(common::entries(folder.path()), ["file.mp4"]);
    // A bounded channel, read as it comes.
    for fragment in fragments.iter().copied() {
        let settings = match fragment {
            Some(fragment) => settings.clone().fragment(fragment),
            None => settings.clone(),
        };
        let (to, from) = avrope::io::channel(4);
        let reader =
            std::thread::spawn(move || from.map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<_>>());
        let report = transcode_to(&media, &settings, Sink::channel(to), &Control::default()).unwrap();
        let bytes = reader.join().unwrap().concat();
        assert_eq!(report.output_bytes, bytes.len() as u64);
        let boxes = common::boxes(&bytes, 0, bytes.len());
        let kinds: Vec<_> = boxes.iter().map(|b| b.kind).collect();
        let count = |kind: &[u8; 4]| kinds.iter().filter(|k| *k == kind).count();
        assert!(kinds.starts_with(&[*b"ftyp", *b"moov"]), "{fragment:?}: {} boxes", kinds.len());
        // 4.3 s with a keyframe every ten seconds at most; 108 pictures in all.
        let due = if fragment == Some(Fragment::Frame) { 100 } else { 1 };
        assert!(
            count(b"moof") >= due && count(b"moof") == count(b"mdat"),
            "{fragment:?}: {}",
            count(b"moof")
        );
        let path = folder.path().join("fragmented.mp4");
        std::fs::write(&path, &bytes).unwrap();
        let packets = common::packets(&path).len() as u64;
        assert_eq!(packets, report.packets, "{fragment:?}: packets");
        let pictures: Vec<_> = common::frames(&path, "0:v").into_iter().map(|f| f.hash).collect();
        let due: Vec<_> = whole[0].1.iter().map(|f| f.hash.clone()).collect();
        let differs = pictures.iter().zip(&due).position(|(a, b)| a != b);
        assert_eq!(
            (differs, pictures.len()),
            (None, due.len()),
            "{fragment:?}: the first picture that differs"
        );
        assert_eq!(common::complaints(&path), Default::default(), "{fragment:?}");
    }
}

#[test]
fn every_fragment_says_how_long_it_is_where_nothing_goes_back() {
    oracle!("sinks");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.mp4");
    let inputs = ["-f", "lavfi", "-i", "testsrc=s=160x120:r=25:d=200", "-f", "lavfi", "-i", "sine=d=200"];
    let coded =
        ["-c:v", "libx264", "-g", "25", "-preset", "ultrafast", "-c:a", "aac", path.to_str().unwrap()];
    ffmpeg(&[&inputs[..], &coded].concat());
    let copied = VideoSettings::new().codec(VideoCodec::Copy);
    let settings = Transcode::new().format("mp4").video(copied).audio(audio(AudioCodec::Copy));
    let (to, from) = avrope::io::channel(4);
    let reader = std::thread::spawn(move || from.map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<_>>());
    let settings = settings.fragment(Fragment::Keyframe);
    transcode_to(&open(&path), &settings, Sink::channel(to), &Control::default()).unwrap();
    let bytes = reader.join().unwrap().concat();
    // Each of their indices lies somewhere else in the buffers on its way.
    let boxes = common::boxes(&bytes, 0, bytes.len());
    let fragments = boxes.iter().filter(|own| &own.kind == b"moof").count();
    assert!(fragments >= 200 && boxes.iter().all(|own| own.end() > own.start), "{fragments} fragments");
    assert_eq!(boxes.last().unwrap().end(), bytes.len());
}

#[test]
fn speech_goes_from_mp3_bytes_to_m4a_bytes() {
    let speech = std::fs::read(common::fixture("mp3").unwrap()).unwrap();
    let media = Media::open(Source::from_bytes(speech).named("speech.mp3")).unwrap();
    let clip = transcode(&media, &Transcode::new().format("m4a"), &Control::default()).unwrap();
    let bytes = clip.rope.to_bytes().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("speech.m4a");
    std::fs::write(&out, &bytes).unwrap();
    // MP3 fits into MP4, but an M4A's players expect AAC.
    assert_eq!(sound_of(&out).codec, "aac", "{:?}", clip.report);
    assert_eq!(Movie::parse(&bytes).order[..2], ["ftyp", "moov"]);
    // As long as what the MP3's own header (Xing, LAME) presents: 4.3 s.
    assert_eq!(presented(&out).0, 206_400);
}
