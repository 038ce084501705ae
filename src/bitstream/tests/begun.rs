//! A copy that begins at an entry decodes to the very pictures of the whole, from there on, without a complaint.

use super::{has_oracle, made, pictures, read, shared, times};
use crate::bitstream::{Entry, Framing, Leading, Reading};
use std::path::Path;

/// How packets become a file that names no container's keys.
#[derive(Clone, Copy)]
enum Wrap {
    /// Units behind start codes, as they lie in packets or behind lengths; the file's ending.
    Codes(&'static str),
    Plain(&'static str),
    /// IVF, by its name for the codec.
    Ivf(&'static [u8; 4]),
}

fn wrapped(wrap: Wrap, codec: &str, extradata: &[u8], packets: &[Vec<u8>], to: &Path) -> std::path::PathBuf {
    let mut bytes = Vec::new();
    let ending = match wrap {
        Wrap::Codes(ending) => {
            let put = |unit: &[u8], bytes: &mut Vec<u8>| Framing::StartCodes.put(unit, bytes).unwrap();
            let framing = Framing::of(codec, extradata);
            match (codec, framing) {
                ("h264", Framing::Lengths(_)) => {
                    let avc = crate::bitstream::Avc::of(extradata).unwrap();
                    avc.sps.iter().chain(&avc.pps).for_each(|set| put(set, &mut bytes));
                }
                (_, Framing::Lengths(_)) => {
                    let hevc = crate::bitstream::Hevc::of(extradata).unwrap();
                    hevc.arrays.iter().flat_map(|array| &array.units).for_each(|set| put(set, &mut bytes));
                }
                (_, Framing::StartCodes) => bytes.extend_from_slice(extradata),
            }
            packets.iter().flat_map(|packet| framing.units(packet)).for_each(|unit| put(unit, &mut bytes));
            ending
        }
        Wrap::Plain(ending) => {
            bytes = packets.concat();
            ending
        }
        Wrap::Ivf(name) => {
            bytes = [&b"DKIF\0\0\x20\0"[..], name, &[192, 0, 112, 0], &[25, 0, 0, 0, 1, 0, 0, 0], &[0; 8]]
                .concat();
            for (number, packet) in packets.iter().enumerate() {
                bytes.extend((packet.len() as u32).to_le_bytes());
                bytes.extend((number as u64).to_le_bytes());
                bytes.extend_from_slice(packet);
            }
            "ivf"
        }
    };
    let path = to.join(format!("begun.{ending}"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Begins at entries, three at most, and tells how many there were.
fn begun(path: &Path, wrap: Wrap, folder: &Path) -> usize {
    let (codec, extradata, packets) = read(path);
    let file = |packets: &[Vec<u8>]| wrapped(wrap, &codec, &extradata, packets, folder);
    let whole = pictures(&file(&packets_with_headers(&codec, &extradata, &packets)));
    let mut reading = Reading::of(&codec, &extradata).unwrap();
    let read: Vec<_> =
        packets.iter().map(|packet| (reading.picture(packet), reading.headers().to_vec())).collect();
    let entries: Vec<_> = (0..packets.len())
        .filter(|at| matches!(read[*at].0.entry, Some(Entry::Anywhere | Entry::WithoutLeading)))
        .collect();
    for at in entries.iter().skip(1).take(3) {
        let (picture, headers) = &read[*at];
        let mut copy = if picture.has_headers { vec![] } else { vec![headers.clone()] };
        let mut leading = true;
        for (packet, (picture, _)) in packets[*at..].iter().zip(&read[*at..]).skip(1) {
            // Behind the next entry all is there.
            leading &= picture.entry.is_none();
            if !leading || picture.leading != Leading::Skipped {
                copy.push(packet.clone());
            }
        }
        copy.insert(usize::from(!picture.has_headers), packets[*at].clone());
        let copied = pictures(&file(&copy));
        assert!(whole.ends_with(&copied), "{} from packet {at}", path.display());
        let left_out = packets[*at..].len() + usize::from(!picture.has_headers) - copy.len();
        assert!(
            copied.len() + left_out >= packets.len() - at,
            "{} from {at}: {} pictures",
            path.display(),
            copied.len()
        );
    }
    entries.len()
}

fn packets_with_headers(codec: &str, extradata: &[u8], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut reading = Reading::of(codec, extradata).unwrap();
    let headers = reading.headers().to_vec();
    let has_own = reading.picture(&packets[0]).has_headers;
    [if has_own { vec![] } else { vec![headers] }, packets.to_vec()].concat()
}

#[test]
fn copies_begin_at_entries() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let x265 = "-pix_fmt yuv420p -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3:b-adapt=0";
    let svt = "-pix_fmt yuv420p -c:v libsvtav1 -preset 10 -g 24 -svtav1-params irefresh-type=2";
    let vpx = "-pix_fmt yuv420p -g 25 -cpu-used 8 -deadline realtime";
    let all: [(&str, &str, Wrap, usize); 11] = [
        ("h264.mp4", "-pix_fmt yuv420p -c:v libx264 -g 25 -sc_threshold 0", Wrap::Codes("h264"), 2),
        ("open.mp4", &format!("{x265}:open-gop=1"), Wrap::Codes("hevc"), 3),
        ("radl.mkv", &format!("{x265}:open-gop=0:radl=2:min-keyint=24"), Wrap::Codes("hevc"), 3),
        ("open.ts", "-c:v mpeg2video -g 12 -bf 2", Wrap::Plain("m2v"), 5),
        (
            "mpeg2.mkv",
            "-c:v mpeg2video -g 12 -bf 2 -flags +cgop -sc_threshold 1000000000",
            Wrap::Plain("m2v"),
            4,
        ),
        ("mpeg1.mkv", "-c:v mpeg1video -g 12 -bf 2", Wrap::Plain("m1v"), 5),
        ("mpeg4.mp4", "-c:v mpeg4 -g 12 -bf 2", Wrap::Plain("m4v"), 5),
        ("h263.mov", "-s 176x144 -c:v h263 -g 12", Wrap::Plain("h263"), 5),
        ("vp8.mkv", &format!("{vpx} -c:v libvpx"), Wrap::Ivf(b"VP80"), 2),
        (
            "vp9.mkv",
            &format!("{vpx} -c:v libvpx-vp9 -auto-alt-ref 1 -lag-in-frames 16"),
            Wrap::Ivf(b"VP90"),
            2,
        ),
        ("av1.mp4", svt, Wrap::Ivf(b"AV01"), 3),
    ];
    for (name, encoding, wrap, least) in all {
        let clip = made(folder.path(), name, 2, encoding);
        let entries = begun(&clip, wrap, folder.path());
        assert!(entries >= least, "{name}: {entries}");
    }
    if let Some(clip) = shared("cityCC0.mpg") {
        assert_eq!(begun(&clip, Wrap::Plain("m2v"), folder.path()), 17);
    }
}

/// A recovery point begins a copy where nothing stands before it, without what is shown before it.
#[test]
fn a_copy_begins_at_a_recovery_point() {
    if !has_oracle() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let encoding =
        "-pix_fmt yuv420p -c:v libx264 -x264-params open-gop=1:keyint=24:scenecut=0:bframes=3:b-adapt=0";
    let clip = made(folder.path(), "open.mp4", 3, encoding);
    let (codec, extradata, packets) = read(&clip);
    let times = times(&clip);
    let file = |packets: &[Vec<u8>]| wrapped(Wrap::Codes("h264"), &codec, &extradata, packets, folder.path());
    let whole = pictures(&file(&packets));
    let mut reading = Reading::of(&codec, &extradata).unwrap();
    let entries: Vec<_> = packets.iter().map(|packet| reading.picture(packet).entry).collect();
    // ffmpeg holds pictures back that it decodes before the first one is shown, and drops them where the stream ends
    // there: of less than eight pictures not all come.
    let enough = 0..packets.len() - 10;
    let firsts: Vec<_> = enough.filter(|at| entries[*at] == Some(Entry::First)).collect();
    assert!(firsts.len() >= 2);
    for at in firsts {
        let shown = (at..packets.len()).filter(|later| times[*later] >= times[at]);
        let copy: Vec<_> = shown.map(|later| packets[later].clone()).collect();
        assert!(copy.len() < packets.len() - at, "an open group");
        let copied = pictures(&file(&copy));
        assert_eq!(copied.len(), copy.len());
        assert!(whole.ends_with(&copied));
    }
}
