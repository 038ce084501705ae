//! Threads that encoders are asked for past libav's own option: by the parameters that libav hands on to
//! them.

use crate::{Error, Limits, Result, transcode::settings::Transcode};

/// Parameters that say how many threads there are to be, of libx264, libx265, SVT-AV1 and rav1e.
const COUNTS: [&str; 7] =
    ["threads", "lookahead-threads", "frame-threads", "pools", "numa-pools", "lp", "logical-processors"];

impl Transcode {
    /// The same under a job's limits: as many threads as there are cores may be too many.
    ///
    /// Errors: LimitExceeded for more threads than a codec may have.
    pub(crate) fn within(&self, limits: &Limits) -> Result<Self> {
        let mut own = self.clone();
        let most = limits.threads;
        Limits::hold(own.threads.into(), most.into(), "threads", || {
            format!("{} threads for each codec, and the limit is {most}", own.threads)
        })?;
        hold(&own, limits)?;
        // libx264 would take half as many more than there are cores.
        let cores = cores();
        if own.threads == 0 && most < cores.saturating_add(cores / 2) {
            own.threads = most.min(cores).max(1);
        }
        Ok(own)
    }
}

/// As many as the machine's cores.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Holds what the settings hand on to an encoder against a job's limit.
///
/// Errors: LimitExceeded; InvalidArgument for what is no number of threads.
pub(crate) fn hold(settings: &Transcode, limits: &Limits) -> Result<()> {
    for (key, list) in settings.video.options.iter().chain(&settings.audio.options) {
        if !(key.ends_with("-params") || key == "x264opts") {
            continue;
        }
        for (name, value) in counts(list) {
            let Some(count) = threads(&value) else {
                let message = format!("'{name}={value}' in the option '{key}': that is no number of threads");
                return Err(Error::invalid(message).advise("give one, or 'auto'"));
            };
            let most = limits.threads;
            Limits::hold(count, most.into(), "threads", || {
                format!("'{name}={value}' in the option '{key}': {count} threads, and the limit is {most}")
            })?;
        }
    }
    Ok(())
}

/// The parameters of a list that say how many threads there are to be, and their values.
pub(crate) fn counts(list: &str) -> Vec<(String, String)> {
    // Quotes and escapes are libav's, and hide no name.
    let plain: String = list.chars().filter(|c| !matches!(c, '\\' | '\'')).collect();
    let parameter = |it: &str| {
        let (name, value) = it.split_once('=').unwrap_or((it, ""));
        (name.trim().replace('_', "-"), value.to_owned())
    };
    plain.split(':').map(parameter).filter(|(name, _)| COUNTS.contains(&name.as_str())).collect()
}

/// How many a value asks for: a number, or one for each of a machine's nodes; or a word for as many as there
/// are cores, or for none.
pub(crate) fn threads(value: &str) -> Option<u64> {
    let one = |part: &str| match part.trim() {
        "auto" | "0" | "*" | "+" => Some(u64::from(cores())),
        "none" | "-" => Some(0),
        number => number.parse().ok(),
    };
    value.split(',').map(one).try_fold(0, |sum: u64, count| Some(sum.saturating_add(count?)))
}

/// What an encoder is handed on so that it has no more threads than `count`, where libav does not tell it:
/// which option, and which parameter in it.
pub(crate) fn told(encoder: &str, count: u32) -> Option<(&'static str, &'static str, String)> {
    match encoder {
        _ if count == 0 => None,
        // libx265.c gives it frames at once, and not its pool.
        "libx265" => Some(("x265-params", "pools", count.to_string())),
        "libsvtav1" => Some(("svtav1-params", "lp", count.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, transcode::VideoSettings};

    #[test]
    fn parameters_ask_for_no_more_threads_than_the_limit() {
        let limits = Limits { threads: cores() + 1, ..Limits::default() };
        let most = limits.threads;
        let held = |key: &str, list: &str| {
            hold(&Transcode::new().video(VideoSettings::new().option(key, list)), &limits)
        };
        for (key, list) in [
            ("x264-params", format!("ref=2:threads={most}")),
            ("x264opts", "threads=auto".to_owned()),
            ("x265-params", format!("pools={most}:frame-threads=1:lookahead-threads=0")),
            ("x265-params", "pools=none".to_owned()),
            ("svtav1-params", format!("lp={most}")),
            ("other", format!("threads={}", most + 1)),
            ("x264-params", "sliced-threads=1:keyint=999".to_owned()),
        ] {
            held(key, &list).unwrap_or_else(|e| panic!("{key}={list}: {e}"));
        }
        let more = most + 1;
        for (key, list) in [
            ("x264-params", format!("ref=2:threads={more}")),
            ("x264-params", format!("'threads={more}'")),
            ("x264-params", format!(r"ref=2\:th\reads = {more}")),
            ("x264opts", format!("lookahead_threads={more}")),
            ("x265-params", format!("frame-threads={more}")),
            ("x265-params", format!("pools={most},1")),
            ("x265-params", "pools=*,*,*".to_owned()),
            ("svtav1-params", format!("lp={more}")),
            ("rav1e-params", format!("threads={more}")),
        ] {
            let error = held(key, &list).expect_err(&list);
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{key}={list}: {error}");
        }
        let error = held("x264-params", "threads=-1").expect_err("no number");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}
