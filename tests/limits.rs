//! What a job may use up: hostile sources against the command line in a process of its own, whose memory is
//! measured.

#![cfg(feature = "cli")]

mod common;

use avrope::{Control, Cut, ErrorKind, Media, Source, TimeRange, cut};
use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

/// A folder for one case.
struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of this length that begins with these bytes, and of which the rest is a hole.
    fn sparse(&self, name: &str, head: &[u8], len: u64) {
        fs::write(self.path(name), head).unwrap();
        File::options().write(true).open(self.path(name)).unwrap().set_len(len).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avrope"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What lies in the folder, hidden files too.
    fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(name).collect();
        names.sort();
        names
    }
}

/// Runs it with a resource limit of the system's (setrlimit).
fn limited(mut command: Command, resource: libc::__rlimit_resource_t, most: u64) -> Output {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: two numbers for the kernel.
    let set = move || match unsafe { libc::setrlimit(resource, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: setrlimit(2) is async-signal-safe, and the closure touches nothing else.
    unsafe { command.pre_exec(set) };
    command.output().unwrap()
}

/// What a run came to, and the most memory that it took, in MiB (getrusage(2)).
#[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
fn measured(mut command: Command) -> (Output, i64) {
    let mut child = command.spawn().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    // It says little: neither pipe is full before it ends.
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    let (mut status, pid) = (0, child.id() as libc::pid_t);
    // SAFETY: all zeros is a rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a child of ours that nobody waited for, and two places that live during the call.
    assert_eq!(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }, pid);
    (Output { status: ExitStatus::from_raw(status), stdout, stderr }, usage.ru_maxrss / 1024)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn worked(output: &Output) {
    assert!(output.status.success(), "{:?}: {}", output.status, said(output));
}

/// It ended by itself with an error that says this.
#[track_caller]
fn failed(output: &Output, says: &str) {
    assert_eq!(output.status.code(), Some(1), "{:?}: {}", output.status, said(output));
    assert!(said(output).contains(says), "{:?} lacks {says:?}", said(output));
}

/// Two seconds of picture and sound.
fn clip() -> PathBuf {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2"];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"];
    common::made_by_ffmpeg("limits.mp4", &[&sources[..], &codecs].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

// ---- what the system allows

#[test]
fn a_file_that_may_not_grow_is_an_error_and_leaves_nothing() {
    oracle!("a_file_that_may_not_grow_is_an_error_and_leaves_nothing");
    let (case, clip) = (Case::new(), clip());
    for output in ["out.mp4", "out.mkv"] {
        let args = ["remux", text(&clip), "-o", output];
        failed(&limited(case.command(&args), libc::RLIMIT_FSIZE, 8192), "File too large");
        assert!(case.files().is_empty(), "{:?}", case.files());
    }
    worked(&limited(case.command(&["remux", text(&clip), "-o", "o.mkv"]), libc::RLIMIT_FSIZE, 8 << 20));
}

#[test]
fn a_thread_that_can_not_start_is_an_error() {
    oracle!("a_thread_that_can_not_start_is_an_error");
    let (case, clip) = (Case::new(), clip());
    // Stacks so large that address space is there for some of them, and not for all: in each run it is
    // another thread that can't start.
    let stack: u64 = 1 << 30;
    let args = ["transcode", text(&clip), "-o", "out.mkv", "--video-codec", "mpeg4", "--audio-codec", "aac"];
    let mut refused = 0;
    for threads in 0..10 {
        let mut command = case.command(&args);
        // Without an arena of malloc's for each thread, what is left of the space is enough for all that is
        // not a stack.
        command.env("RUST_MIN_STACK", stack.to_string()).env("MALLOC_ARENA_MAX", "1");
        let output = limited(command, libc::RLIMIT_AS, stack * threads + stack / 2);
        if output.status.success() {
            fs::remove_file(case.path("out.mkv")).unwrap();
            continue;
        }
        failed(&output, "");
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
        assert!(case.files().is_empty(), "{threads} threads: {:?}", case.files());
        refused += u32::from(said(&output).contains("no thread for the "));
    }
    assert!(refused >= 4, "{refused} runs lacked a thread of the pipeline");
}

#[test]
fn an_encoder_whose_threads_can_not_start_is_an_error_and_is_not_waited_for() {
    oracle!("an_encoder_whose_threads_can_not_start_is_an_error_and_is_not_waited_for");
    let (case, clip) = (Case::new(), clip());
    // As above; and libav's and the encoder's threads have stacks as large as the system's limit for one.
    let stack: u64 = 1 << 30;
    let prepared = move || {
        let limit = libc::rlimit { rlim_cur: stack, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: two numbers for the kernel.
        unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) };
        // SAFETY: a number. The signal ends what would wait for ever.
        unsafe { libc::alarm(60) };
        Ok(())
    };
    for (codec, encoder) in [("hevc", "libx265"), ("h264", "libx264")] {
        let args = ["transcode", text(&clip), "-o", "out.mkv", "--threads", "4", "--video-codec", codec];
        let mut refused = 0;
        // Its threads come behind those of the stages, of the decoder and of a graph of filters.
        for threads in (8..22).step_by(2) {
            let mut command = case.command(&args);
            command.env("RUST_MIN_STACK", stack.to_string()).env("MALLOC_ARENA_MAX", "1");
            // SAFETY: setrlimit(2) and alarm(2) are async-signal-safe, and the closure touches nothing else.
            unsafe { command.pre_exec(prepared) };
            let output = limited(command, libc::RLIMIT_AS, stack * threads + stack / 2);
            if output.status.success() {
                fs::remove_file(case.path("out.mkv")).unwrap();
                continue;
            }
            failed(&output, "");
            refused += u32::from(said(&output).contains(&format!("no thread for the encoder {encoder}")));
        }
        assert!(refused >= 2, "{codec}: {refused} runs lacked a thread of the encoder");
    }
}

// ---- limits on the command line

#[test]
fn limits_have_names_on_the_command_line() {
    oracle!("limits_have_names_on_the_command_line");
    let (case, clip) = (Case::new(), clip());
    let probe = |limit: &str| case.run(&["probe", text(&clip), "--limit", limit]);
    failed(&probe("streams=1"), "limit streams");
    failed(&probe("input_bytes=1K"), "more than 1024 bytes");
    let remux = |limit: &str, output: &str| {
        let output = case.run(&["remux", text(&clip), "-o", output, "--limit", limit]);
        assert!(case.files().is_empty(), "{:?}", case.files());
        output
    };
    for output in ["out.mp4", "out.mkv", "-"] {
        failed(&remux("output_bytes=10K", output), "more than 10240 bytes");
    }
    failed(&remux("packet_bytes=100", "out.mkv"), "limit packet_bytes");
    worked(&probe("streams=unlimited"));
    for (limit, says) in [
        ("steams=1", "there is no limit 'steams'; there are "),
        ("streams", "is not NAME=VALUE"),
        ("streams=many", "is not a number"),
        ("streams=-1", "is not a number"),
        ("threads=5G", "is more than threads can be"),
    ] {
        let output = probe(limit);
        assert_eq!(output.status.code(), Some(2), "{limit}");
        assert!(said(&output).contains(says), "{limit}: {}", said(&output));
    }
}

#[test]
fn a_pipe_is_read_as_far_as_its_limit() {
    let case = Case::new();
    for limit in ["input_bytes", "memory"] {
        let mut command = case.command(&["probe", "-", "--limit", &format!("{limit}=4M")]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (mut stdin, piece) = (child.stdin.take().unwrap(), vec![0; 64 << 10]);
        let pieces = (0..1000).take_while(|_| stdin.write_all(&piece).is_ok()).count();
        drop(stdin);
        failed(&child.wait_with_output().unwrap(), &format!("(--limit {limit}=…)"));
        // Beside the limit: some chunks on their way, and what lies in the pipe.
        assert!(pieces * piece.len() < 8 << 20, "{limit}: {pieces} pieces were read");
    }
}

// ---- what a demuxer gathers

/// What `probe`, `remux` and `transcode` say of a file, each in bounded memory.
fn refused_in(case: &Case, name: &str, most: i64, says: &str) {
    for args in
        [&["probe", name][..], &["remux", name, "-o", "out.mkv"], &["transcode", name, "-o", "out.mp4"]]
    {
        let (output, memory) = measured(case.command(args));
        failed(&output, says);
        assert!(memory < most, "{args:?} took {memory} MiB, expected less than {most}");
    }
    assert_eq!(case.files(), [name], "nothing but the source is there");
}

#[test]
fn a_raw_stream_without_an_end_of_its_first_frame_is_read_as_far_as_one_packet_may_be() {
    let case = Case::new();
    // An SPS, and nothing behind it: libavcodec's parser looks for the next start code.
    case.sparse("n.h264", b"\0\0\0\x01\x67\x42\0\x1e", 260 << 20);
    // What it gathers is copied when it grows: at most twice 64 MiB, and once more while that is done; by the
    // demuxer, the parser and, while it is probed, a second one. FFmpeg 9 took 509 MiB in all, 5.1 somewhat
    // less.
    refused_in(&case, "n.h264", 560, "limit packet_bytes");
    let small = ["probe", "n.h264", "--limit", "packet_bytes=4M"];
    let (output, memory) = measured(case.command(&small));
    failed(&output, "4194304 bytes");
    assert!(memory < 120, "{memory} MiB");
}

/// A minute of sound beside a second of pictures. Behind the last comes nothing but its own bytes: `more` of
/// them, spread over the file.
///
/// It is written in pieces: what this process holds counts as its children's (exec keeps the highest mark).
fn picture_without_end(format: &str, more: usize, to: &Path) {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-f", "lavfi", "-i", "sine=d=60"];
    let codecs = match format {
        "mpegts" => &["-c:v", "libx264", "-tune", "zerolatency", "-c:a", "aac", "-f", "mpegts"][..],
        _ => &["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"],
    };
    let name = format!("endless.{format}");
    let whole = fs::read(common::made_by_ffmpeg(&name, &[&sources[..], codecs].concat())).unwrap();
    let pieces = if format == "mpegts" { packets_of_ts(&whole) } else { packets_of_ps(&whole) };
    let last = pieces.iter().rposition(|piece| piece.picture.is_some()).unwrap();
    let mut counter = pieces[last].picture.unwrap();
    let each = more.div_ceil(pieces[last..].iter().filter(|piece| piece.begins_sound).count());
    let mut out = BufWriter::new(File::create(to).unwrap());
    for (i, piece) in pieces.iter().enumerate() {
        for _ in 0..if piece.begins_sound && i > last { each.div_ceil(2000) } else { 0 } {
            if format == "mpegts" {
                for _ in 0..11 {
                    counter = (counter + 1) & 15;
                    out.write_all(&[0x47, 0x01, 0x00, 0x10 | counter]).unwrap();
                    out.write_all(&[0xaa; 184]).unwrap();
                }
            } else {
                // A packet of the picture's, of 2,003 bytes and without a time.
                out.write_all(&[0, 0, 1, 0xe0, 0x07, 0xd3, 0x80, 0, 0]).unwrap();
                out.write_all(&[0xaa; 2000]).unwrap();
            }
        }
        out.write_all(piece.bytes).unwrap();
    }
    out.flush().unwrap();
}

/// A packet of a transport or program stream.
struct Piece<'a> {
    bytes: &'a [u8],
    /// One of the picture's, with its counter.
    picture: Option<u8>,
    begins_sound: bool,
}

/// Of ffmpeg's: the picture is 0x100, and the sound 0x101.
fn packets_of_ts(bytes: &[u8]) -> Vec<Piece<'_>> {
    fn piece(bytes: &[u8]) -> Piece<'_> {
        let [_, flags, id, counter] = *<&[u8; 4]>::try_from(&bytes[..4]).unwrap();
        let id = u16::from_be_bytes([flags & 0x1f, id]);
        Piece {
            bytes,
            picture: (id == 0x100).then_some(counter & 15),
            begins_sound: id == 0x101 && flags & 0x40 != 0,
        }
    }
    bytes.chunks(188).map(piece).collect()
}

/// Of ffmpeg's: packs of 14 bytes, and packets that say how long they are.
fn packets_of_ps(mut bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while bytes.len() > 4 {
        let len = match bytes[3] {
            0xba => 14,
            0xb9 => 4,
            _ => 6 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])),
        };
        let (piece, rest) = bytes.split_at(len);
        pieces.push(Piece {
            bytes: piece,
            picture: (piece[3] == 0xe0).then_some(0),
            begins_sound: piece[3] == 0xc0,
        });
        bytes = rest;
    }
    pieces
}

#[test]
fn a_picture_without_an_end_beside_sound_is_read_as_far_as_one_packet_may_be() {
    oracle!("a_picture_without_an_end_beside_sound_is_read_as_far_as_one_packet_may_be");
    for (format, demuxed) in [("mpegts", "n.ts"), ("vob", "n.mpg")] {
        let case = Case::new();
        picture_without_end(format, 80 << 20, &case.path(demuxed));
        for command in [&["remux", demuxed, "-o", "o.mkv"][..], &["transcode", demuxed, "-o", "o.mp4"]] {
            let (output, memory) = measured(case.command(command));
            failed(&output, "limit packet_bytes");
            failed(&output, "stream 0");
            // What a parser gathers is copied when it grows: at most twice 64 MiB, and once more while that
            // is done.
            assert!(memory < 300, "{command:?} took {memory} MiB");
            let small = [command, &["--limit", "packet_bytes=4M"]].concat();
            let (output, memory) = measured(case.command(&small));
            failed(&output, "4194304 bytes");
            assert!(memory < 120, "{command:?} took {memory} MiB");
        }
        assert_eq!(case.files(), [demuxed]);
    }
}

/// Says that it is more than libav can take; nothing is said of a limit to raise.
#[track_caller]
fn more_than_libav_takes(output: &Output) {
    failed(output, "however high the limit packet_bytes is");
    assert!(!said(output).contains("raise the limit"), "{}", said(output));
}

/// The beginning of an SPS: libavcodec's decoder of H.264 reads at address 0 for a unit of 2^28 - 64 bytes or
/// more.
const SPS: &[u8] = b"\0\0\0\x01\x67\x42\0\x1e";

#[test]
fn no_packet_is_so_large_that_a_decoder_of_libavs_crashes() {
    oracle!("no_packet_is_so_large_that_a_decoder_of_libavs_crashes");
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=1:d=1", "-f", "lavfi", "-i", "sine=d=1"];
    let codecs = ["-c:v", "libx264", "-c:a", "pcm_s16le"];
    let whole = fs::read(common::made_by_ffmpeg("chunks.avi", &[&sources[..], &codecs].concat())).unwrap();
    // Beside sound, four times the limit of 64 MiB may be read for a packet.
    let (case, chunk) = (Case::new(), (1_u32 << 28) - 60);
    let head = [&whole[..content(&whole, b"movi")], b"00dc", &chunk.to_le_bytes(), SPS].concat();
    case.sparse("n.avi", &head, head.len() as u64 + u64::from(chunk));
    more_than_libav_takes(&case.run(&["probe", "n.avi"]));
    more_than_libav_takes(&case.run(&["probe", "n.avi", "--limit", "packet_bytes=unlimited"]));
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn what_a_parser_gathers_is_bounded_however_high_the_limit_is() {
    let case = Case::new();
    case.sparse("n.h264", SPS, 300 << 20);
    for command in [&["probe", "n.h264"][..], &["remux", "n.h264", "-o", "out.mkv"]] {
        for limit in ["packet_bytes=256M", "packet_bytes=unlimited"] {
            more_than_libav_takes(&case.run(&[command, &["--limit", limit]].concat()));
        }
    }
}

#[test]
fn zeros_behind_a_frame_of_mp3_are_not_kept() {
    let case = Case::new();
    // MPEG 1, layer III, 128 kbit/s, 44.1 kHz: some frames of silence.
    let frame = [&[0xff, 0xfb, 0x90, 0xc4][..], &[0; 413]].concat();
    case.sparse("zeros.mp3", &frame.repeat(4), 1 << 30);
    refused_in(&case, "zeros.mp3", 500, "limit packet_bytes");
}

// ---- what a few bytes state

/// Twenty seconds of sound in an MP4 with its index in front.
fn sound(name: &str, movflags: &str) -> Vec<u8> {
    let args = ["-f", "lavfi", "-i", "sine=d=20", "-c:a", "aac", "-movflags", movflags];
    fs::read(common::made_by_ffmpeg(name, &args)).unwrap()
}

/// Where the content of a box begins that has this type.
fn content(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|w| w == kind).expect("a box of this type") + 4
}

/// Writes 32-bit numbers over what is there.
fn patch(bytes: &mut [u8], at: usize, numbers: &[u32]) {
    for (i, number) in numbers.iter().enumerate() {
        bytes[at + 4 * i..][..4].copy_from_slice(&number.to_be_bytes());
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Sound of so many samples, all of one size, in one chunk.
fn samples_of_one_size(count: u32) -> Vec<u8> {
    let mut bytes = sound("limits.m4a", "+faststart");
    let at = content(&bytes, b"stts");
    patch(&mut bytes, at, &[0, 1, count, 1024]);
    let at = content(&bytes, b"stsc");
    patch(&mut bytes, at, &[0, 1, 1, count, 1]);
    let at = content(&bytes, b"stsz");
    patch(&mut bytes, at, &[0, 1, count]);
    bytes
}

/// Puts another box in the place of the first of this type, which lies in these.
fn replace(bytes: &[u8], within: &[&[u8; 4]], kind: &[u8; 4], new: &[u8]) -> Vec<u8> {
    let at = content(bytes, kind) - 8;
    let old = number(bytes, at) as usize;
    let mut out = [&bytes[..at], new, &bytes[at + old..]].concat();
    for kind in within {
        let at = content(&out, kind) - 8;
        let size = number(&out, at) as usize + new.len() - old;
        patch(&mut out, at, &[size as u32]);
    }
    out
}

fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

#[test]
fn an_index_that_a_number_states_is_told_before_libav_makes_it() {
    oracle!("an_index_that_a_number_states_is_told_before_libav_makes_it");
    let case = Case::new();
    fs::write(case.path("many.m4a"), samples_of_one_size(85_000_000)).unwrap();
    refused_in(&case, "many.m4a", 120, "index of 85000000 samples");
    // As a stream as well.
    let mut command = case.command(&["remux", "-", "-o", "out.mkv"]);
    let mut cat = Command::new("cat").arg(case.path("many.m4a")).stdout(Stdio::piped()).spawn().unwrap();
    command.stdin(cat.stdout.take().unwrap());
    let (output, memory) = measured(command);
    cat.wait().unwrap();
    failed(&output, "index of 85000000 samples");
    assert!(memory < 120, "{memory} MiB");
    // In a fragment.
    let mut bytes = sound("limits-fragments.m4a", "+frag_keyframe+empty_moov");
    let at = content(&bytes, b"trun");
    patch(&mut bytes, at, &[0, 85_000_000]);
    fs::write(case.path("trun.m4a"), bytes).unwrap();
    let (output, memory) = measured(case.command(&["probe", "trun.m4a"]));
    failed(&output, "limit demuxer_memory");
    assert!(memory < 120, "{memory} MiB");
}

/// A few numbers state what millions of samples have besides, of each of many kinds.
#[test]
fn what_a_result_lists_of_each_sample_is_told_before_it_is_held() {
    const SAMPLES: u32 = 1 << 23;
    oracle!("what_a_result_lists_of_each_sample_is_told_before_it_is_held");
    let case = Case::new();
    let mut bytes = samples_of_one_size(SAMPLES);
    let at = content(&bytes, b"stsz");
    patch(&mut bytes, at, &[0, 2, SAMPLES]);
    // All of them are shown.
    let at = content(&bytes, b"edts") - 4;
    bytes[at..at + 4].copy_from_slice(b"free");
    let numbers = |all: &[u32]| all.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let about = |kind: u32| numbers(&[1, u32::from_be_bytes(*b"abcd"), kind]);
    // A byte of each sample, wherever it lies.
    let kinds = (0..32).flat_map(|kind| {
        let sizes = [&about(kind)[..], &[1], &SAMPLES.to_be_bytes()].concat();
        [make_box(b"saiz", &sizes), make_box(b"saio", &[about(kind), numbers(&[1, 0])].concat())].concat()
    });
    let at = content(&bytes, b"stco") - 8;
    let own = &bytes[at..at + number(&bytes, at) as usize];
    let tables: Vec<u8> = own.iter().copied().chain(kinds).collect();
    let mut bytes = replace(&bytes, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"], b"stco", &tables);
    let payload = content(&bytes, b"mdat");
    patch(&mut bytes, payload - 8, &[2 * SAMPLES + 8]);
    let at = content(&bytes, b"stco");
    patch(&mut bytes, at, &[0, 1, payload as u32]);
    case.sparse("besides.m4a", &bytes[..payload], payload as u64 + 2 * u64::from(SAMPLES));
    let cut = ["cut", "besides.m4a", "--from", "1", "--limit", "memory=16M", "-o", "out.m4a"];
    let (output, memory) = measured(case.command(&cut));
    failed(&output, "limit memory");
    assert!(memory < 120, "{memory} MiB");
}

#[test]
fn an_index_of_hours_is_let_in() {
    oracle!("an_index_of_hours_is_let_in");
    let case = Case::new();
    // 16 hours of AAC. Of the packets' bytes there are none: of a file that was cut short its index is used.
    fs::write(case.path("hours.m4a"), samples_of_one_size(2_800_000)).unwrap();
    let (output, memory) = measured(case.command(&["probe", "hours.m4a"]));
    worked(&output);
    assert!(memory < 400, "{memory} MiB");
}

#[test]
fn tracks_edits_and_metadata_are_bounded() {
    oracle!("tracks_edits_and_metadata_are_bounded");
    let case = Case::new();
    let bytes = sound("limits.m4a", "+faststart");
    let at = content(&bytes, b"trak") - 8;
    let track = &bytes[at..at + number(&bytes, at) as usize];
    let tracks = (1..=1000).flat_map(|id| {
        let mut track = track.to_vec();
        let at = content(&track, b"tkhd");
        patch(&mut track, at + 12, &[id]);
        track
    });
    fs::write(case.path("tracks.m4a"), replace(&bytes, &[b"moov"], b"trak", &tracks.collect::<Vec<_>>()))
        .unwrap();
    refused_in(&case, "tracks.m4a", 120, "more than 256 streams");
    fs::remove_file(case.path("tracks.m4a")).unwrap();

    let entry = [20_000_u32, 0, 0x10000].map(u32::to_be_bytes).concat();
    let list = [&[0; 4][..], &60_000_u32.to_be_bytes(), &entry.repeat(60_000)].concat();
    let edits = replace(&bytes, &[b"moov", b"trak", b"edts"], b"elst", &make_box(b"elst", &list));
    fs::write(case.path("edits.m4a"), edits).unwrap();
    refused_in(&case, "edits.m4a", 120, "times as long");
    fs::remove_file(case.path("edits.m4a")).unwrap();
}

/// They are counted before libav puts them into a dictionary, whose time is the square of their number: where
/// it has put in all of them, the message says how many there are.
#[test]
fn tags_are_counted_on_their_way_to_libav() {
    oracle!("tags_are_counted_on_their_way_to_libav");
    let case = Case::new();
    let words: String = (0..8300).map(|i| format!("key{i}=value\n")).collect();
    fs::write(case.path("words.txt"), format!(";FFMETADATA1\n{words}")).unwrap();
    const BEFORE: &str = "more than 8192 entries of metadata";
    // What libav adds one by one is looked at each time that it reads.
    const WHILE: &str = "limit metadata";
    let mut containers = vec![
        ("words.mkv", "aac", BEFORE),
        ("words.flac", "flac", BEFORE),
        ("words.opus", "libopus", BEFORE),
        ("words.mp3", "libmp3lame", BEFORE),
        ("words.wma", "wmav2", WHILE),
        ("words.flv", "aac", WHILE),
    ];
    if cfg!(feature = "full-tests") {
        containers.extend([
            ("words.mp4", "aac", BEFORE),
            ("words.webm", "libopus", BEFORE),
            ("words.ogg", "libvorbis", BEFORE),
            ("words.oga", "flac", BEFORE),
            ("words.spx", "libspeex", BEFORE),
            ("words.tta", "tta", WHILE),
            ("words.wv", "wavpack", WHILE),
            ("words.caf", "pcm_s16le", WHILE),
            ("words.nut", "mp2", WHILE),
        ]);
    }
    for (name, codec, told) in containers {
        let sources =
            ["-f", "lavfi", "-i", "sine=d=0.5", "-i", text(&case.path("words.txt")), "-map_metadata", "1"]
                .map(str::to_owned);
        let options =
            ["-c:a", codec, "-movflags", "+use_metadata_tags", text(&case.path(name))].map(str::to_owned);
        let args: Vec<&str> = sources.iter().chain(&options).map(String::as_str).collect();
        common::ffmpeg(&args);
        failed(&case.run(&["probe", name]), told);
        worked(&case.run(&["probe", name, "--limit", "metadata=20000"]));
        if told == WHILE {
            continue;
        }
        // What comes as a stream is counted, too.
        let mut cat = Command::new("cat").arg(case.path(name)).stdout(Stdio::piped()).spawn().unwrap();
        let mut command = case.command(&["probe", "-"]);
        command.stdin(cat.stdout.take().unwrap());
        failed(&command.output().unwrap(), told);
        cat.wait().unwrap();
    }
}

#[test]
fn two_pictures_a_year_apart_are_not_filled_with_pictures() {
    oracle!("two_pictures_a_year_apart_are_not_filled_with_pictures");
    let case = Case::new();
    let apart = ["-vf", "settb=1/1,setpts=N*31536000", "-fps_mode", "passthrough", "-enc_time_base", "1:1"];
    let source = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=0.08"];
    let year = common::made_by_ffmpeg("year.mkv", &[&source[..], &apart, &["-c:v", "mjpeg"]].concat());
    let args = ["transcode", text(&year), "-o", "out.mkv", "--video-codec", "mpeg4", "--fps", "25"];
    failed(&case.run(&args), "limit duration");
    assert!(case.files().is_empty());
    // Copies make nothing of it.
    worked(&case.run(&["remux", text(&year), "-o", "out.mkv"]));
}

#[test]
fn what_a_decoder_holds_is_told_before_it_opens() {
    oracle!("what_a_decoder_holds_is_told_before_it_opens");
    let case = Case::new();
    let source = ["-f", "lavfi", "-i", "color=gray:s=7680x4320:r=25", "-frames:v", "2"];
    let large = common::made_by_ffmpeg(
        "8k.mp4",
        &[&source[..], &["-c:v", "libx264", "-preset", "ultrafast"]].concat(),
    );
    let transcode = |limit: &str| {
        let args = [
            "transcode",
            text(&large),
            "-o",
            "out.mkv",
            "--force",
            "--video-codec",
            "mpeg4",
            "--size",
            "64x36",
        ];
        measured(case.command(&[&args[..], &["--limit", limit]].concat()))
    };
    // 50 MB a picture, of which 12 beside one for each thread.
    worked(&transcode("threads=2").0);
    let (output, memory) = transcode("decoder_memory=620M");
    worked(&output);
    assert!(memory < 620, "{memory} MiB with one thread");
    let (output, memory) = transcode("decoder_memory=600M");
    failed(&output, "a decoder of 7680x4320 pixels");
    assert!(memory < 120, "{memory} MiB");
    let args = [
        "transcode",
        text(&large),
        "-o",
        "more.mkv",
        "--size",
        "64x36",
        "--threads",
        "3",
        "--limit",
        "threads=2",
    ];
    failed(&case.run(&args), "3 threads");
}

#[test]
#[cfg_attr(not(feature = "full-tests"), ignore = "full tier: cargo test --features full-tests")]
fn a_picture_of_15360x16000_is_refused_in_little_memory() {
    oracle!("a_picture_of_15360x16000_is_refused_in_little_memory");
    let case = Case::new();
    let source = ["-f", "lavfi", "-i", "color=gray:s=15360x16000:r=25", "-frames:v", "2"];
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "2"];
    let huge = common::made_by_ffmpeg("huge.mp4", &[&source[..], &codec].concat());
    fs::copy(huge, case.path("huge.mp4")).unwrap();
    let (output, memory) =
        measured(case.command(&["transcode", "huge.mp4", "-o", "o.mp4", "--size", "64x64"]));
    failed(&output, "a decoder of 15360x16000 pixels");
    assert!(memory < 120, "{memory} MiB");
    let (output, memory) = measured(case.command(&["probe", "huge.mp4"]));
    worked(&output);
    assert!(memory < 300, "{memory} MiB");
}

// ---- options that reach files

#[test]
fn options_touch_no_files_unless_that_is_allowed() {
    oracle!("options_touch_no_files_unless_that_is_allowed");
    let (case, clip) = (Case::new(), clip());
    let input = text(&clip);
    let transcode = |codec: &str, option: &str, more: &[&str]| {
        let args = ["transcode", input, "-o", "out.mkv", "--video-codec", codec, "--option", option];
        case.run(&[&args[..], more].concat())
    };
    for (codec, option) in [
        ("libx264", "x264-params=stats=stolen"),
        ("libx264", "x264-params=crf=20:dump-yuv=stolen"),
        ("libx264", "x264-params=crf=20\\:stats=stolen:pass=1"),
        ("libx264", "x264opts=qpfile=/etc/passwd"),
        ("libx264", "passlogfile=stolen"),
        ("libx264", "stats=stolen"),
        ("libx264", "flags=+pass1"),
        ("libx264", "flags=512"),
        ("mpeg4", "flags=+cgop+pass2"),
        ("libx265", "x265-params=csv=stolen"),
        ("libsvtav1", "svtav1-params=stats=stolen"),
    ] {
        failed(&transcode(codec, option, &[]), "may touch files");
        assert!(case.files().is_empty(), "{option}: {:?}", case.files());
    }
    for (codec, option) in [
        ("libx264", "x264-params=keyint=20:no-cabac=1:aq_mode=1"),
        ("libx264", "flags=+cgop"),
        ("libx264", "tune=film"),
        ("mpeg4", "qmax=12"),
        ("libx265", "x265-params=keyint=20"),
        ("libx264", "m:cluster_time_limit=1000"),
        ("libx264", "ch_layout=stereo"),
    ] {
        worked(&transcode(codec, option, &["--force"]));
    }
    fs::remove_file(case.path("out.mkv")).unwrap();
    // Keys are written as digits.
    let (scheme, key) = ("m:encryption_scheme=cenc-aes-ctr", "0123456789abcdef".repeat(2));
    let (key, id) = (format!("m:encryption_key={key}"), format!("m:encryption_kid={key}"));
    let args = ["transcode", input, "-o", "out.mp4", "--option", scheme, "--option", &key, "--option", &id];
    worked(&case.run(&args));
    fs::remove_file(case.path("out.mp4")).unwrap();
    let allowed = ["--allow-options-that-touch-files"];
    worked(&transcode("libx264", "x264-params=stats=written:pass=1", &allowed));
    assert!(case.files().iter().any(|name| name.starts_with("written")), "{:?}", case.files());
}

#[test]
fn parameters_of_an_encoder_ask_for_no_more_threads_than_the_limit() {
    oracle!("parameters_of_an_encoder_ask_for_no_more_threads_than_the_limit");
    let (case, clip) = (Case::new(), clip());
    let transcode = |codec: &str, option: &str, limit: &str| {
        let args = ["transcode", text(&clip), "-o", "out.mkv", "--force", "--video-codec", codec];
        case.run(&[&args[..], &["--option", option, "--limit", limit]].concat())
    };
    for (codec, option, count) in [
        ("libx264", "x264-params=threads=64", 64),
        ("libx264", "x264opts=lookahead_threads=9", 9),
        ("libx265", "x265-params=pools=65", 65),
        ("libx265", "x265-params=frame-threads=16", 16),
        ("libsvtav1", "svtav1-params=lp=80", 80),
    ] {
        let limit = format!("threads={}", count - 1);
        failed(
            &transcode(codec, option, &limit),
            &format!("{count} threads, and the limit is {}", count - 1),
        );
    }
    for (codec, option) in [("libx264", "x264-params=threads=3"), ("libx265", "x265-params=pools=3")] {
        worked(&transcode(codec, option, "threads=3"));
    }
}

#[test]
fn an_index_behind_a_fragment_is_told_as_well() {
    oracle!("an_index_behind_a_fragment_is_told_as_well");
    let bytes = [make_box(b"moof", &[]), samples_of_one_size(85_000_000)].concat();
    // Of a source that is not near, fragments are not looked at.
    let far = Source::from_seekable(std::io::Cursor::new(bytes), "far").unwrap();
    let error = Media::open(far).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("index of 85000000 samples"), "{error}");
}

#[test]
fn fragments_of_a_source_that_is_far_are_weighed_as_they_are_read() {
    oracle!("fragments_of_a_source_that_is_far_are_weighed_as_they_are_read");
    let far = |bytes: Vec<u8>| Source::from_seekable(std::io::Cursor::new(bytes), "far").unwrap();
    let whole = |source: Source| {
        let media = Media::open(source)?;
        avrope::remux(&media, &avrope::Remux::new().format("mkv"), &Control::new())?.rope.to_bytes()
    };
    for flags in ["+frag_keyframe+empty_moov", "+frag_keyframe+empty_moov+global_sidx"] {
        let args =
            ["-f", "lavfi", "-i", "sine=d=20", "-c:a", "aac", "-frag_duration", "1000000", "-movflags"];
        let name = format!("far-{}.m4a", flags.len());
        let bytes = fs::read(common::made_by_ffmpeg(&name, &[&args[..], &[flags]].concat())).unwrap();
        let runs: Vec<usize> =
            bytes.windows(4).enumerate().filter(|(_, kind)| kind == b"trun").map(|(i, _)| i).collect();
        assert!(runs.len() > 10, "{flags}: {} fragments", runs.len());
        whole(far(bytes.clone())).unwrap();
        for (count, which) in [(85_000_000, 0), (85_000_000, runs.len() - 1), (300_000_000, 0)] {
            let mut forged = bytes.clone();
            patch(&mut forged, runs[which] + 4, &[0, count]);
            let error = whole(far(forged.clone())).expect_err(flags);
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{flags}: {error}");
            assert!(error.to_string().contains("demuxer_memory"), "{flags}: {error}");
            let stream = Source::from_reader(std::io::Cursor::new(forged), "stream");
            let error = whole(stream).expect_err(flags);
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{flags}: {error}");
        }
    }
}

#[test]
fn an_index_that_leads_to_fragments_in_payload_does_not_get_around_the_limit() {
    oracle!("an_index_that_leads_to_fragments_in_payload_does_not_get_around_the_limit");
    let args = ["-f", "lavfi", "-i", "sine=d=6", "-c:a", "aac", "-frag_duration", "1000000"];
    let flags = ["-movflags", "+frag_keyframe+empty_moov+global_sidx"];
    let path = common::made_by_ffmpeg("led.m4a", &[&args[..], &flags].concat());
    let mut bytes = fs::read(path).unwrap();
    // A fragment of so many samples, as payload behind all others.
    let run = make_box(b"trun", &[0, 300_000_000].map(u32::to_be_bytes).concat());
    let head = make_box(b"tfhd", &[0x02_0000, 1].map(u32::to_be_bytes).concat());
    let fragment = make_box(b"moof", &make_box(b"traf", &[head, run].concat()));
    let forged = bytes.len() + 8;
    bytes.extend(make_box(b"mdat", &fragment));
    // The last segment begins there, and ends with the file.
    let index = content(&bytes, b"sidx");
    let (first, end) = (index + 32, index - 8 + number(&bytes, index - 8) as usize);
    let sizes: Vec<usize> = (first..end).step_by(12).collect();
    let (last, before) = sizes.split_last().unwrap();
    let begins = end + before.iter().map(|at| number(&bytes, *at) as usize).sum::<usize>();
    let longer = number(&bytes, before[before.len() - 1]) + (forged - begins) as u32;
    patch(&mut bytes, before[before.len() - 1], &[longer]);
    patch(&mut bytes, *last, &[fragment.len() as u32]);
    let seconds = TimeRange::secs(5.2, 5.9).unwrap();
    let copy =
        |source: Source| cut(&Media::open(source)?, &Cut::new().keep(seconds).format("mkv"), &Control::new());
    let near = Source::from_bytes(bytes.clone()).named("near.m4a");
    let far = Source::from_seekable(std::io::Cursor::new(bytes), "far.m4a").unwrap();
    for source in [near, far] {
        let error = copy(source).expect_err("300,000,000 samples");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.to_string().contains("demuxer_memory"), "{error}");
    }
}

/// The same file with its index as QuickTime's writers compressed it; the index comes last.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let at = content(bytes, b"moov") - 8;
    let index = &bytes[at..at + number(bytes, at) as usize];
    let zipped = miniz_oxide::deflate::compress_to_vec_zlib(index, 6);
    let data = make_box(b"cmvd", &[&(index.len() as u32).to_be_bytes()[..], &zipped].concat());
    let new = make_box(b"moov", &make_box(b"cmov", &[make_box(b"dcom", b"zlib"), data].concat()));
    [&bytes[..at], &new, &bytes[at + index.len()..]].concat()
}

fn with_demuxer_memory(bytes: u64) -> Control {
    let mut limits = avrope::control::Limits::default();
    limits.demuxer_memory = bytes;
    Control::new().limits(limits)
}

#[test]
fn a_compressed_index_is_weighed_by_what_is_in_it() {
    oracle!("a_compressed_index_is_weighed_by_what_is_in_it");
    let plain = fs::read(clip()).unwrap();
    let (source, packed_source) = (Source::from_bytes(plain.clone()), Source::from_bytes(packed(&plain)));
    let remuxed = |source: Source| {
        let media = Media::open(source).unwrap();
        avrope::remux(&media, &avrope::Remux::new().format("mp4"), &Control::new())
            .unwrap()
            .rope
            .to_bytes()
            .unwrap()
    };
    // Its edit lists are seen as well.
    assert!(remuxed(source) == remuxed(packed_source.clone()));
    let error = Media::open_with(packed_source, &with_demuxer_memory(1000)).expect_err("a small limit");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let error = Media::open(Source::from_bytes(packed(&samples_of_one_size(85_000_000)))).expect_err("many");
    assert!(error.to_string().contains("index of 85000000 samples"), "{error}");
    let mut damaged = packed(&plain);
    let at = content(&damaged, b"cmvd") + 40;
    damaged[at..at + 40].fill(0x55);
    let error = Media::open(Source::from_bytes(damaged)).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn the_limit_that_an_error_names_is_the_one_to_raise() {
    oracle!("the_limit_that_an_error_names_is_the_one_to_raise");
    let plain = sound("limits.m4a", "+faststart");
    let padding = |size: usize| make_box(b"free", &vec![0; size]);
    let descriptions = {
        let at = content(&plain, b"stsd");
        let own = &plain[at..at - 8 + number(&plain, at - 8) as usize];
        let new = make_box(b"stsd", &[own, &padding(1_500_000)].concat());
        replace(&plain, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"], b"stsd", &new)
    };
    // A stream's empty space in front of its index, and descriptions of samples.
    let start = content(&plain, b"ftyp") - 8 + number(&plain, 0) as usize;
    let late = [&plain[..start], &padding(1_500_000), &plain[start..]].concat();
    let stream = || Source::from_reader(std::io::Cursor::new(late.clone()), "late");
    let described = || Source::from_bytes(descriptions.clone());
    for (name, source) in [("late", &stream as &dyn Fn() -> Source), ("described", &described)] {
        let error = Media::open_with(source(), &with_demuxer_memory(16 << 20)).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{name}: {error}");
        assert!(error.to_string().contains("demuxer_memory"), "{name}: {error}");
        Media::open_with(source(), &with_demuxer_memory(128 << 20)).expect(name);
    }
}

#[test]
fn what_lies_on_the_way_of_a_seek_is_no_packet() {
    oracle!("what_lies_on_the_way_of_a_seek_is_no_packet");
    let arguments =
        ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=20", "-c:v", "mpeg4", "-b:v", "1M", "-live", "1"];
    let media = Media::open(Source::open(common::made_by_ffmpeg("live.mkv", &arguments)).unwrap()).unwrap();
    let mut limits = avrope::control::Limits::default();
    limits.packet_bytes = 64 << 10;
    let control = Control::new().limits(limits);
    let range = TimeRange::secs(15.0, 16.0).unwrap();
    // Without an index libav reads on to it.
    let clip = cut(&media, &Cut::new().keep(range), &control).unwrap();
    assert!(clip.report.packets >= 25, "{:?}", clip.report);
}

#[test]
fn a_comparison_of_ten_minutes_takes_no_more_memory_than_one_of_a_short_clip() {
    oracle!("memory of verify");
    let case = Case::new();
    let made = |name: &str, coder: &[&str]| {
        let inputs = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=600", "-f", "lavfi", "-i"];
        let sound = ["anoisesrc=r=8000:d=600:seed=3", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"];
        common::made_by_ffmpeg(name, &[&inputs[..], &sound, coder].concat())
    };
    let source = made("limits-verify-source.mp4", &["-c:v", "libx264", "-preset", "ultrafast"]);
    let output = made("limits-verify-output.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18"]);
    let asked = ["verify", text(&source), text(&output), "--min-psnr", "1"];
    let (done, memory) = measured(case.command(&asked));
    // Whatever it finds: pictures that nothing changes in have the same bytes in both, and refer to others.
    assert!(matches!(done.status.code(), Some(0 | 1)) && done.stderr.is_empty(), "{}", said(&done));
    assert!(memory < 120, "{memory} MiB");
}
