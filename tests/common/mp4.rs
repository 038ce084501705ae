//! MP4's boxes (ISO/IEC 14496-12): read, and changed.

use std::path::Path;

/// Where a box begins and how long it is.
#[derive(Clone, Debug)]
pub struct Mp4Box {
    pub kind: [u8; 4],
    pub start: usize,
    pub header: usize,
    pub len: usize,
}

impl Mp4Box {
    pub fn end(&self) -> usize {
        self.start + self.len
    }

    pub fn content(&self) -> usize {
        self.start + self.header
    }
}

/// The boxes of MP4 bytes between two places.
pub fn boxes(bytes: &[u8], from: usize, to: usize) -> Vec<Mp4Box> {
    let mut found = Vec::new();
    let mut at = from;
    while at + 8 <= to {
        let small = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind = bytes[at + 4..at + 8].try_into().unwrap();
        let (header, len) = match small {
            0 => (8, to - at),
            1 => (16, u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize),
            len => (8, len),
        };
        if len < header || at + len > to {
            break;
        }
        found.push(Mp4Box { kind, start: at, header, len });
        at += len;
    }
    found
}

/// The first box at a path such as `moov/trak/edts/elst`, searched depth first.
pub fn find(bytes: &[u8], path: &str) -> Option<Mp4Box> {
    find_all(bytes, path).into_iter().next()
}

pub fn find_all(bytes: &[u8], path: &str) -> Vec<Mp4Box> {
    let mut level = vec![Mp4Box { kind: *b"root", start: 0, header: 0, len: bytes.len() }];
    for name in path.split('/') {
        level = level
            .iter()
            .flat_map(|b| boxes(bytes, b.content(), b.end()))
            .filter(|b| b.kind == name.as_bytes())
            .collect();
    }
    level
}

/// What is in the first box at a path.
pub fn content<'a>(bytes: &'a [u8], path: &str) -> Option<&'a [u8]> {
    find(bytes, path).map(|b| &bytes[b.content()..b.end()])
}

/// A box with this content.
pub fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(content.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(content);
    bytes
}

/// Puts other content in place of a box, and corrects the sizes of the boxes around it (which must be
/// `path`'s parents). Chunk offsets are left alone: for files whose `moov` is behind the payload.
pub fn replace_box(bytes: &[u8], path: &str, nth: usize, new: &[u8]) -> Vec<u8> {
    let old = find_all(bytes, path)[nth].clone();
    let mut out = bytes[..old.start].to_vec();
    out.extend_from_slice(new);
    out.extend_from_slice(&bytes[old.end()..]);
    let parts: Vec<_> = path.split('/').collect();
    for depth in 1..parts.len() {
        let parent = find_all(bytes, &parts[..depth].join("/"))
            .into_iter()
            .find(|b| b.start <= old.start && old.end() <= b.end())
            .unwrap();
        let len = parent.len + new.len() - old.len;
        out[parent.start..parent.start + 4].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
    }
    out
}

#[derive(Debug)]
pub struct Movie {
    /// The boxes of the file, in order.
    pub order: Vec<String>,
    pub scale: u32,
    pub duration: u64,
    pub tracks: Vec<Track>,
}

#[derive(Debug)]
pub struct Track {
    /// `vide`, `soun`…
    pub handler: String,
    /// The first sample description's.
    pub tag: String,
    pub scale: u32,
    /// (length in movie ticks, media time in the track's or -1)
    pub edits: Vec<(u64, i64)>,
    pub samples: u32,
}

impl Movie {
    pub fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap())
    }

    pub fn parse(file: &[u8]) -> Self {
        let top = boxes(file, 0, file.len());
        let end = top.last().map_or(0, Mp4Box::end);
        assert!(file.len() - end < 8, "the boxes end at {end} of {} bytes", file.len());
        let order = top.iter().map(|b| text(&b.kind)).collect();
        let moov = content(file, "moov").expect("a moov");
        let (scale, duration) = header(content(moov, "mvhd").expect("an mvhd"));
        let traks = find_all(moov, "trak").into_iter().map(|b| &moov[b.content()..b.end()]);
        let tracks = traks
            .map(|trak| Track {
                handler: content(trak, "mdia/hdlr").map_or(String::new(), |hdlr| text(&hdlr[8..12])),
                tag: content(trak, "mdia/minf/stbl/stsd")
                    .and_then(|stsd| stsd.get(12..16))
                    .map_or(String::new(), text),
                scale: header(content(trak, "mdia/mdhd").unwrap()).0,
                edits: content(trak, "edts/elst").map(edits).unwrap_or_default(),
                samples: content(trak, "mdia/minf/stbl/stsz").map_or(0, |stsz| u32_at(stsz, 8)),
            })
            .collect();
        Self { order, scale, duration, tracks }
    }

    pub fn track(&self, handler: &str) -> &Track {
        self.tracks.iter().find(|track| track.handler == handler).expect("a track")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Time scale and duration of an mvhd or mdhd.
fn header(bytes: &[u8]) -> (u32, u64) {
    if bytes[0] == 1 {
        (u32_at(bytes, 20), u64_at(bytes, 24))
    } else {
        (u32_at(bytes, 12), u32_at(bytes, 16).into())
    }
}

fn edits(bytes: &[u8]) -> Vec<(u64, i64)> {
    let wide = bytes[0] == 1;
    let entry = |i: usize| {
        if wide {
            (u64_at(bytes, 8 + 20 * i), u64_at(bytes, 16 + 20 * i) as i64)
        } else {
            (u32_at(bytes, 8 + 12 * i).into(), i64::from(u32_at(bytes, 12 + 12 * i) as i32))
        }
    };
    (0..u32_at(bytes, 4) as usize).map(entry).collect()
}
