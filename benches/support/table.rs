//! The table at the end, in the form of the figures to reach.

/// One line: what was aimed at and what came out.
pub struct Row {
    pub work: String,
    pub aim: String,
    pub measured: String,
    /// What the reference took: `ffmpeg -c copy`, or the one that the work names.
    pub reference: String,
    /// How many times the reference's time ours goes into, or the quotient that the aim names.
    pub ratio: String,
    pub met: Met,
}

/// Whether the aim was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Met {
    Yes,
    No,
    /// It could not be measured here; the row says why.
    Unknown,
}

impl From<bool> for Met {
    /// Yes or no.
    fn from(met: bool) -> Self {
        if met { Met::Yes } else { Met::No }
    }
}

impl Row {
    /// A row without a reference.
    pub fn new(work: &str, aim: &str, measured: impl Into<String>, met: impl Into<Met>) -> Self {
        Row {
            work: work.into(),
            aim: aim.into(),
            measured: measured.into(),
            reference: String::new(),
            ratio: String::new(),
            met: met.into(),
        }
    }

    /// A row that has nothing to say but why.
    pub fn skipped(work: &str, aim: &str, why: &str) -> Self {
        Row::new(work, aim, format!("SKIPPED: {why}"), Met::Unknown)
    }

    /// With what the reference took, and the quotient.
    pub fn against(mut self, reference: impl Into<String>, ratio: impl Into<String>) -> Self {
        (self.reference, self.ratio) = (reference.into(), ratio.into());
        self
    }

    /// Its cells, as text.
    fn cells(&self) -> [&str; 6] {
        let met = match self.met {
            Met::Yes => "yes",
            Met::No => "NO",
            Met::Unknown => "?",
        };
        [&self.work, &self.aim, &self.measured, &self.reference, &self.ratio, met]
    }
}

/// Prints the rows as a Markdown table with aligned columns.
pub fn print(rows: &[Row]) {
    let head = ["work", "aim", "measured", "reference", "ratio", "met?"];
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row.cells()[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |cells: [&str; 6]| {
        let cells: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", cells.join(" | "));
    };
    line(head);
    println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
    for row in rows {
        line(row.cells());
    }
}

/// Seconds, in the unit that suits.
pub fn time(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{:.0} us", seconds * 1e6)
    } else if seconds < 0.1 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// Bytes, in the unit that suits.
pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e4 => format!("{b:.0} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}
