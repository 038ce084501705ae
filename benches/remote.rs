//! What media costs that is far away: a device that answers after 20 ms and sends 100 MiB a second, all
//! requests together. `cargo bench --bench remote` prints requests, bytes and time of a cut of 10 s out of
//! 120 s (120 MB), and beside them the time of k round trips and those bytes. `-- mkv` does the rows of that
//! name alone.

#![forbid(unsafe_code)]

mod support;

use avrope::{
    Control, Cut, Media, Remux, Rope, Sink, Source, TimeRange, cut,
    io::{ReadAt, SaveOptions},
    remux_to,
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use support::{
    Outcome,
    media::Shelf,
    system,
    table::{self, Row, size, time},
};

const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Bytes a second.
const BANDWIDTH: f64 = (100 << 20) as f64;
/// What a job may take, of the time of its round trips and bytes.
const FACTOR: f64 = 1.3;
const RANGE: (f64, f64) = (55.0, 65.0);
const RUNS: usize = 5;

/// A file at the other end of a link that all requests share.
struct Far {
    file: File,
    len: u64,
    link: Mutex<Instant>,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Far {
    fn new(path: &Path) -> Outcome<Arc<Self>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let (requests, bytes) = Default::default();
        Ok(Arc::new(Self { file, len, link: Mutex::new(Instant::now()), requests, bytes }))
    }
}

/// What the crate sees of it.
struct Device(Arc<Far>);

impl ReadAt for Device {
    fn len(&self) -> u64 {
        self.0.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _: &Control) -> std::io::Result<usize> {
        let far = &self.0;
        let asked = Instant::now();
        let read = far.file.read_at(buf, offset)?;
        far.requests.fetch_add(1, Ordering::SeqCst);
        far.bytes.fetch_add(read as u64, Ordering::SeqCst);
        let sent = {
            let mut free = far.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let begins = (*free).max(asked + ROUND_TRIP);
            *free = begins + Duration::from_secs_f64(read as f64 / BANDWIDTH);
            *free
        };
        thread::sleep(sent.saturating_duration_since(Instant::now()));
        Ok(read)
    }
}

/// What one job asked for.
#[derive(Clone, Copy)]
struct Cost {
    requests: u64,
    bytes: u64,
    /// Of those, what the result needs.
    needed: u64,
    seconds: f64,
}

/// A job of which a part is measured: `prepare` is not, and gives what `work` takes; `work` gives the bytes
/// that it needs.
fn measured<T>(
    path: &Path,
    prepare: impl Fn(Source) -> Outcome<T>,
    work: impl Fn(T) -> Outcome<u64>,
) -> Outcome<Cost> {
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let far = Far::new(path)?;
        let prepared = prepare(Source::from_read_at(Device(far.clone()), "far"))?;
        let before = (far.requests.load(Ordering::SeqCst), far.bytes.load(Ordering::SeqCst));
        let begun = Instant::now();
        let needed = work(prepared)?;
        let seconds = begun.elapsed().as_secs_f64();
        let requests = far.requests.load(Ordering::SeqCst) - before.0;
        costs.push(Cost { requests, bytes: far.bytes.load(Ordering::SeqCst) - before.1, needed, seconds });
    }
    costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    costs.get(RUNS / 2).copied().ok_or_else(|| "nothing was measured".into())
}

/// The row of a job that may take `k` round trips.
fn row(work: &str, k: u32, cost: Cost) -> Row {
    let round_trip = ROUND_TRIP.as_secs_f64();
    let sending = cost.needed as f64 / BANDWIDTH;
    let floor = f64::from(k) * round_trip + sending;
    let aim = format!("{FACTOR} x (k {k} + {})", size(cost.needed));
    let said = format!(
        "{}, k {:.1}, {} requests, {}",
        time(cost.seconds),
        (cost.seconds - sending) / round_trip,
        cost.requests,
        size(cost.bytes)
    );
    Row::new(work, &aim, said, cost.seconds <= FACTOR * floor)
        .against(time(floor), format!("{:.2}", cost.seconds / floor))
}

fn ten_seconds() -> Outcome<Cut> {
    Ok(Cut::new().keep(TimeRange::secs(RANGE.0, RANGE.1)?))
}

/// A way out of a rope.
type Consumer = fn(&Rope, &Path) -> Outcome;

fn consumers() -> [(&'static str, Consumer); 5] {
    [
        ("to_bytes", |rope, _| Ok(rope.to_bytes().map(drop)?)),
        ("chunks", |rope, _| Ok(rope.chunks().try_for_each(|chunk| chunk.map(drop))?)),
        ("io::copy of a reader", |rope, _| {
            Ok(std::io::copy(&mut rope.reader(), &mut std::io::sink()).map(drop)?)
        }),
        ("save", |rope, to| Ok(rope.save(to, SaveOptions::new().overwrite(true), &Control::default())?)),
        ("write_to_fd", |rope, to| Ok(rope.write_to_fd(File::create(to)?, &Control::default())?)),
    ]
}

/// Bytes of a rope that lie in its source.
fn shared(rope: &Rope) -> u64 {
    rope.slices().filter(|segment| segment.source.is_some()).map(|segment| segment.len).sum()
}

/// A rope of MP4 into MP4, whose payload is far.
fn payload(name: &str, path: &Path, to: &Path) -> Outcome<Vec<Row>> {
    let opened = measured(path, Ok, |source| {
        let media = Media::open(source)?;
        cut(&media, &ten_seconds()?, &Control::default())?;
        Ok(0)
    })?;
    let mut rows =
        vec![row(&format!("{name}: open and cut"), if name.contains("last") { 2 } else { 1 }, opened)];
    for (way, consume) in consumers() {
        let prepare = |source| {
            let media = Media::open(source)?;
            Ok(cut(&media, &ten_seconds()?, &Control::default())?.rope)
        };
        let cost = measured(path, prepare, |rope| {
            consume(&rope, to)?;
            Ok(shared(&rope))
        })?;
        rows.push(row(&format!("{name}: {way}"), 1, cost));
    }
    Ok(rows)
}

/// Opened, cut and written in one go, from a container whose packets have to be read.
fn all(name: &str, path: &Path, k: u32) -> Outcome<Row> {
    let cost = measured(path, Ok, |source| {
        let media = Media::open(source)?;
        Ok(cut(&media, &ten_seconds()?, &Control::default())?.rope.to_bytes()?.len() as u64)
    })?;
    Ok(row(&format!("{name}: open, cut, to_bytes"), k, cost))
}

/// Four clips of one source at the same time.
fn four(name: &str, path: &Path) -> Outcome<Row> {
    let cost = measured(
        path,
        |source| Ok(Media::open(source)?),
        |media| {
            let clip = |i: usize| -> avrope::Result<u64> {
                let from = 10.0 + 25.0 * i as f64;
                let keep = Cut::new().keep(TimeRange::secs(from, from + 10.0)?);
                Ok(cut(&media, &keep, &Control::default())?.rope.to_bytes()?.len() as u64)
            };
            let lens: Vec<_> = thread::scope(|scope| {
                let clip = &clip;
                let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || clip(i))).collect();
                threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")).collect()
            });
            lens.into_iter().try_fold(0, |sum, len| Ok(sum + len??))
        },
    )?;
    let met = cost.bytes as f64 <= 1.3 * cost.needed as f64;
    let said = format!("{}, {} requests, {}", time(cost.seconds), cost.requests, size(cost.bytes));
    Ok(Row::new(&format!("{name}: four clips at once"), "1.3 x their bytes", said, met)
        .against(size(cost.needed), format!("{:.2}", cost.bytes as f64 / cost.needed as f64)))
}

/// The clip in another container, made once.
fn remuxed(shelf: &Shelf, name: &str, settings: &Remux) -> Outcome<PathBuf> {
    let path = shelf.path(name);
    if !path.exists() {
        let media = Media::open(Source::open(shelf.clip()?)?)?;
        remux_to(&media, settings, Sink::replace(&path), &Control::default())?;
    }
    Ok(path)
}

fn rows(shelf: &Shelf, wanted: impl Fn(&str) -> bool) -> Outcome<Vec<Row>> {
    let clip = shelf.clip()?;
    let first = remuxed(shelf, "clip-120s-first.mp4", &Remux::new().format("mp4"))?;
    let to = shelf.path("out-remote.mp4");
    let mut rows = Vec::new();
    if wanted("mp4") {
        rows.extend(payload("MP4, index last", &clip, &to)?);
        rows.extend(payload("MP4, index first", &first, &to)?);
        rows.push(four("MP4", &first)?);
    }
    if wanted("fragmented") {
        let path = shelf.path("clip-120s-fragmented.mp4");
        if !path.exists() {
            let from = support::media::text(&clip)?;
            system::ffmpeg(
                &["-i", from, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
                &path,
            )?;
        }
        rows.extend(payload("fragmented MP4", &path, &to)?);
    }
    for (format, k) in [("mkv", 3), ("ts", 8)] {
        if wanted(format) {
            let settings = Remux::new().format(format);
            let path = remuxed(shelf, &format!("clip-120s.{format}"), &settings)?;
            rows.push(all(format, &path, k)?);
            rows.push(four(format, &path)?);
        }
    }
    let _ = fs::remove_file(to);
    Ok(rows)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    if !has("--bench") || has("--list") || has("--test") {
        println!("benches/remote.rs measures under `cargo bench` alone");
        return;
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-'));
    let rows = Shelf::new(system::ffmpeg_version().is_some())
        .and_then(|shelf| rows(&shelf, |name| filter.is_none_or(|filter| name.contains(filter.as_str()))));
    match rows {
        Ok(rows) => {
            println!(
                "\nround trip {ROUND_TRIP:?}, {} a second; medians of {RUNS} runs\n",
                size(BANDWIDTH as u64)
            );
            table::print(&rows);
        }
        Err(error) => println!("it could not be measured: {error}"),
    }
}
