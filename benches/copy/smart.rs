//! What a smart cut costs, beside smartcut 1.7 in the same run, with the start of Python in it. It is looked for in a
//! virtual environment: `python3 -m venv target/smartcut`, `target/smartcut/bin/pip install smartcut==1.7`.

use super::{
    Bench, Outcome, open,
    support::{
        measure::{Run, in_turn, timed},
        media::text,
        system,
        table::{Met, Row, size, time},
    },
};
use avrope::{Cut, CutMode, Join, Media, Source, TimeRange, cut, join};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How often the 120 s clip is in 2 h.
const TWO_HOURS: usize = 60;

fn settings(keeps: &[(f64, f64)]) -> Outcome<Cut> {
    let mut cut = Cut::new().mode(CutMode::Smart);
    for (from, to) in keeps {
        cut = cut.keep(TimeRange::secs(*from, *to)?);
    }
    Ok(cut)
}

/// The same by our command line, and by smartcut's.
fn commands(clip: &Path, to: &Path, keeps: &[(f64, f64)]) -> Outcome<(Command, Option<Command>)> {
    let mut ours = Command::new(env!("CARGO_BIN_EXE_avrope"));
    ours.args(["cut", text(clip)?, "--mode", "smart", "--force", "--quiet", "-o", text(to)?]);
    for (from, to) in keeps {
        ours.args(["--keep", &format!("{from:.3}..{to:.3}")]);
    }
    let program = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/smartcut/bin/smartcut"));
    let mut theirs = program.exists().then(|| {
        let said: Vec<String> = keeps.iter().map(|(from, to)| format!("{from:.3},{to:.3}")).collect();
        let mut theirs = Command::new(&program);
        theirs.arg(clip).arg(to).args(["-k", &said.join(",")]);
        theirs
    });
    for command in [Some(&mut ours), theirs.as_mut()].into_iter().flatten() {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    Ok((ours, theirs))
}

/// Each work in process and by the command line, and what memory that took.
pub fn rows(bench: &mut Bench) -> Outcome<Vec<Row>> {
    let (clip, control) = (bench.shelf.clip()?, bench.control.clone());
    let to = bench.shelf.path("out-smart.mp4");
    system::warm(&clip)?;
    let one = vec![(31.0, 41.5)];
    let thirty: Vec<(f64, f64)> =
        (0..30).map(|i| 1.3 + 3.9 * f64::from(i)).map(|from| (from, from + 1.0)).collect();
    let mut rows = Vec::new();
    for (work, keeps) in [
        ("31.0 to 41.5 of the 120 s clip, smart, open included", &one),
        ("30 keeps of 1 s of the 120 s clip, smart", &thirty),
    ] {
        let settings = settings(keeps)?;
        let (mut program, theirs) = commands(&clip, &to, keeps)?;
        let run = |command: &mut Command| {
            let (status, took) = timed(|| Ok(command.status()?))?;
            if status.success() { Ok(took) } else { Err(format!("{command:?}: {status}").into()) }
        };
        let mut ours = || Ok(timed(|| Ok(cut(&open(&clip)?, &settings, &control)?))?.1);
        let by_program = format!("{work}, by the command line");
        let by_memory = format!("{work}, peak memory of the command line");
        let Some(mut theirs) = theirs else {
            let [ours] = in_turn(3, [&mut ours as Run<'_>])?;
            let row = Row::new(work, "5 times as fast", time(ours), Met::Unknown);
            rows.push(row.against("missing", "NO smartcut"));
            continue;
        };
        let [a, b, c] =
            in_turn(3, [&mut ours as Run<'_>, &mut || run(&mut program), &mut || run(&mut theirs)])?;
        let row = |work: &str, aim: f64, ours: f64| {
            let ratio = c / ours;
            let row = Row::new(work, &format!("{aim} times as fast"), time(ours), ratio >= aim);
            row.against(time(c), format!("{ratio:.2}x"))
        };
        rows.extend([row(work, 5.0, a), row(&by_program, 4.0, b)]);
        let (ours, theirs) = (system::peak_memory(program.spawn()?)?, system::peak_memory(theirs.spawn()?)?);
        let ratio = ours as f64 / theirs as f64;
        let row = Row::new(&by_memory, "0.6 of smartcut's", size(ours), ratio <= 0.6);
        rows.push(row.against(size(theirs), format!("{ratio:.2}")));
        fs::remove_file(&to)?;
    }
    rows.push(two_hours(bench, &clip, &settings(&one)?)?);
    rows.push(encoding(bench, &clip)?);
    Ok(rows)
}

/// What encoding seams takes at the first attempt, with the judgement of it and the encoder's opening, beside what x264
/// itself takes of that: in instructions, which valgrind counts, as both are of one run.
fn encoding(bench: &mut Bench, clip: &Path) -> Outcome<Row> {
    const AIM: f64 = 1.2;
    let work = "encoding four seams of 87 pictures, in instructions";
    let aim = format!("at most {AIM}x x264");
    // More than there are cores, so that each is encoded in one thread.
    let keeps = [(13.0, 14.0), (17.0, 17.9), (33.0, 33.6), (47.2, 47.6)];
    let (to, counts) = (bench.shelf.path("out-counted.mp4"), bench.shelf.path("callgrind.out"));
    let (ours, _) = commands(clip, &to, &keeps)?;
    let mut counting = Command::new("valgrind");
    counting.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", text(&counts)?));
    counting.arg(ours.get_program()).args(ours.get_args()).stdout(Stdio::null()).stderr(Stdio::null());
    if !counting.status().is_ok_and(|status| status.success()) {
        return Ok(Row::skipped(work, &aim, "valgrind is missing"));
    }
    let mut telling = Command::new("callgrind_annotate");
    let told = telling.args(["--inclusive=yes", "--threshold=100"]).arg(&counts).output()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    // `1,469,052,881 (23.77%)  ???:x264_encoder_encode [...]`
    let of = |name: &str| {
        let lines = told.lines().filter(|line| line.contains(&format!(":{name} ")));
        let counts = lines.filter_map(|line| line.split_whitespace().next());
        // It may be listed twice.
        counts.filter_map(|count| count.replace(',', "").parse().ok()).fold(0.0, f64::max)
    };
    let ours = of("avrope::smart::seam::Seam::encode");
    // Its names say of which build of x264 they are.
    let open = told.split_whitespace().filter_map(|word| word.rsplit(':').next());
    let open = open.filter(|name| name.starts_with("x264_encoder_open")).map(of).fold(0.0, f64::max);
    let theirs = open + of("x264_encoder_encode") + of("x264_encoder_close");
    for path in [to, counts] {
        fs::remove_file(path)?;
    }
    let millions = |count: f64| format!("{:.0} million", count / 1e6);
    let ratio = ours / theirs;
    let row = Row::new(work, &aim, millions(ours), ratio <= AIM);
    Ok(row.against(millions(theirs), format!("{ratio:.3}")))
}

/// One range out of 120 s, and the same out of 2 h.
fn two_hours(bench: &Bench, clip: &Path, settings: &Cut) -> Outcome<Row> {
    const AIM: f64 = 1.5;
    let control = &bench.control;
    let sources = vec![Source::open(clip)?; TWO_HOURS];
    let long = Media::open(Source::from_rope(join(&sources, &Join::new().format("mp4"), control)?.rope))?;
    let short = open(clip)?;
    let of = |media: &Media| Ok(timed(|| Ok(cut(media, settings, control)?))?.1);
    let [a, b] = in_turn(5, [&mut || of(&long), &mut || of(&short)])?;
    let row = Row::new(
        "31.0 to 41.5 of 2 h, smart, on an open Media",
        &format!("at most {AIM}x 120 s"),
        time(a),
        a <= AIM * b,
    );
    Ok(row.against(time(b), format!("{:.2}", a / b)))
}
