//! What a job may use up.

use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// What a job may use up. Reaching one is [`ErrorKind::LimitExceeded`], never a crash; the message says which
/// one it was.
///
/// The defaults are for a server that takes files from strangers, and for all that people record: 8K video is
/// transcoded, and a recording of many hours is opened. For one's own files there is
/// [`unlimited`](Self::unlimited).
///
/// | limit | of | default | what reaches it |
/// |---|---|---|---|
/// | [`streams`](Self::streams) | a source | 256 | a demuxer's buffers for each of thousands of tracks |
/// | [`metadata`](Self::metadata) | a source | 8,192 entries | libav's dictionaries, whose time is the square of their entries |
/// | [`input_bytes`](Self::input_bytes) | a source | 1 TiB | uploads that never end |
/// | [`demuxer_memory`](Self::demuxer_memory) | a source | 1 GiB | an index of millions of samples that a few bytes state |
/// | [`packet_bytes`](Self::packet_bytes) | a packet | 64 MiB | a stream without a frame's beginning, gathered to its end, also beside others |
/// | [`repeats`](Self::repeats) | a source | 16 times | an edit list that shows the same minute for years |
/// | [`pixels`](Self::pixels) | a picture | 2^28, as 16384x16384 | |
/// | [`decoder_memory`](Self::decoder_memory) | a decoder | 2 GiB, as for 8K at 12 bits | a picture of 15360x16000 in some hundred bytes |
/// | [`threads`](Self::threads) | a codec | 64 | |
/// | [`duration`](Self::duration) | a result that is decoded and encoded | 7 days | two pictures a year apart, at 25 frames a second |
/// | [`packets`](Self::packets) | a result | 2^40 | |
/// | [`memory`](Self::memory) | a result | 4 GiB | |
/// | [`output_bytes`](Self::output_bytes) | a result | 1 TiB | |
///
/// What they do not bound: the memory of encoders (libx264 holds some 40 pictures for its lookahead), of
/// filter graphs, and of the caller's own processors. They hold for each demuxer and each decoder: a job has
/// several.
///
/// A process that runs jobs of strangers should also ignore SIGXFSZ where it has a limit for files (`ulimit
/// -f`, RLIMIT_FSIZE): without that, the kernel ends the process at the limit; with it, the write fails, and
/// so the job (the command line does so). This library installs no signal handlers.
///
/// Where the system refuses a thread (`ulimit -u`, a control group's `pids.max`), that is
/// [`ErrorKind::LimitExceeded`] as well. SVT-AV1 waits for ever for one that could not start, and no cancel
/// and no deadline ends that: leave room for its threads (SVT-AV1 1.4 starts 16 with one of
/// [`Transcode::threads`](crate::Transcode::threads), and 91 with more). libx265 would wait as well; whether
/// its threads can start is tried before it opens, which another job that starts some meanwhile may belie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Streams of one source.
    pub streams: usize,
    /// Entries of metadata and chapters of one source, with those of its streams.
    pub metadata: u64,
    /// Bytes of one source; of a stream, those that were read.
    pub input_bytes: u64,
    /// Bytes that a demuxer holds for one source: its index (some 60 bytes a sample of MP4, told before libav
    /// reads it), and what other containers state in their headers.
    pub demuxer_memory: u64,
    /// Bytes of one packet, of what libav's parser of a stream gathers for one, and of what is read of a
    /// source for one (four times as much where streams are interleaved). Pictures that are not compressed
    /// may need more: one of 8K at 10 bits (v210) has 88 MB. However high it is, the bound is 224 MiB, and so
    /// in [`unlimited`](Self::unlimited): libav's readers of bits count them in an int, and its decoders
    /// crash at 256 MiB.
    pub packet_bytes: u64,
    /// How many times as long as its media an edit list may make a source.
    pub repeats: u64,
    /// Pixels of a video frame (width times height).
    pub pixels: u64,
    /// Bytes of the pictures that a decoder holds, estimated before it opens: those that its codec refers to,
    /// those that wait, and one for each of its threads. Where fewer threads hold what fits, it gets fewer.
    pub decoder_memory: u64,
    /// Threads of one codec. [`Transcode::threads`](crate::Transcode::threads) may ask for no more, and its 0
    /// takes no more; nor may what is handed on to an encoder (`x264-params=threads=…`). SVT-AV1 counts by
    /// it, and has some more.
    pub threads: u32,
    /// Seconds of what is decoded and encoded.
    pub duration: u64,
    /// Packets that one job writes.
    pub packets: u64,
    /// Bytes that one job holds in memory: of payload, what its Rope owns; and the packets that wait until it
    /// is known what becomes of them, each with some 500 bytes beside its payload; of a join, beginnings of slices
    /// that name parameter sets by other ids, each with some 350 more. Shared slices and the muxer's own tables
    /// (about 100 bytes a packet) do not count.
    pub memory: u64,
    /// Bytes that one job writes, shared slices as well.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 256,
            metadata: 8192,
            input_bytes: 1 << 40,
            demuxer_memory: 1 << 30,
            packet_bytes: 64 << 20,
            repeats: 16,
            pixels: 1 << 28,
            decoder_memory: 2 << 30,
            threads: 64,
            duration: 7 * 86_400,
            packets: 1 << 40,
            memory: 4 << 30,
            output_bytes: 1 << 40,
        }
    }
}

/// More than this is no packet, whatever the limit is. Of 2^28 - 64 bytes on, libav's init_get_bits leaves a
/// reader of bits without bytes, and not every decoder looks at what it answers (h264dec.c, in each version).
/// What AVIO's buffer held before something is counted (up to 16 MiB) must go in as well.
const LARGEST_PACKET: u64 = (1 << 28) - (32 << 20);

impl Limits {
    /// What libav itself can do, for files that are trusted.
    pub fn unlimited() -> Self {
        Self {
            streams: usize::MAX,
            metadata: u64::MAX,
            input_bytes: u64::MAX,
            demuxer_memory: u64::MAX,
            packet_bytes: u64::MAX,
            repeats: u64::MAX,
            pixels: u64::MAX,
            decoder_memory: u64::MAX,
            threads: u32::MAX,
            duration: u64::MAX,
            packets: u64::MAX,
            memory: u64::MAX,
            output_bytes: u64::MAX,
        }
    }

    /// An error for what is more than a limit; `name` is the limit's.
    pub(crate) fn hold(used: u64, most: u64, name: &str, what: impl FnOnce() -> String) -> Result<()> {
        if used <= most { Ok(()) } else { Err(Self::reached(name, what())) }
    }

    /// An error for a result of so many bytes, where that is too much.
    pub(crate) fn hold_output(&self, bytes: u64) -> Result<()> {
        let most = self.output_bytes;
        Self::hold(bytes, most, "output_bytes", || format!("the result has more than {most} bytes"))
    }

    /// An error for a result of so many packets, where they are too many.
    pub(crate) fn hold_written(&self, packets: u64) -> Result<()> {
        Self::hold(packets, self.packets, "packets", || format!("more than {} packets", self.packets))
    }

    /// An error for more than so many packets may have; `what` gets the bound.
    pub(crate) fn hold_packets(&self, used: u64, count: u64, what: impl FnOnce(u64) -> String) -> Result<()> {
        let most = self.packet_bytes.saturating_mul(count);
        if used <= most.min(LARGEST_PACKET) {
            return Ok(());
        }
        Err(if most <= LARGEST_PACKET {
            Self::reached("packet_bytes", what(most))
        } else {
            Error::new(ErrorKind::LimitExceeded, what(LARGEST_PACKET))
                .advise("libav's decoders take no larger packet, however high the limit packet_bytes is")
        })
    }

    /// What is said of a limit that was reached.
    pub(crate) fn reached(name: &str, what: String) -> Error {
        Error::new(ErrorKind::LimitExceeded, what)
            .with_setting(format!("limits.{name}"))
            .advise(format!("if the source is trusted, raise the limit {name}"))
    }
}
