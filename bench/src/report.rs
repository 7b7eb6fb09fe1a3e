//! The report: tables and goals as Markdown.

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::path::Path;
use std::thread;

use anyhow::Context as _;

/// What stands below this line in a report was written by people and is kept.
const KEPT: &str = "<!-- Below: written by people, kept by the script. -->";

/// A promise and what became of it.
pub(crate) struct Goal {
    pub(crate) text: &'static str,
    pub(crate) figure: String,
    pub(crate) reached: bool,
}

/// A table with a heading and words below it.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

/// Everything that a run found.
pub(crate) struct Report {
    pub(crate) versions: Vec<String>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    pub(crate) fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::from(
            "# Figures\n\nMade by `bash bench/side-by-side`, which writes this file. Figures of one machine: take ratios rather \
             than numbers to another one.\n\n",
        );
        for line in machine()?.iter().chain(&self.versions) {
            let _ = writeln!(text, "- {line}");
        }
        text.push_str("\n## Goals\n\n| goal | measured | reached |\n| --- | --- | --- |\n");
        for Goal { text: goal, figure, reached } in &self.goals {
            let _ = writeln!(text, "| {goal} | {figure} | {} |", if *reached { "yes" } else { "no" });
        }
        for table in &self.tables {
            let _ = write!(text, "\n## {}\n\n| {} |\n|", table.title, table.head.join(" | "));
            table.head.iter().for_each(|_| text.push_str(" --- |"));
            text.push('\n');
            for row in &table.rows {
                let _ = writeln!(text, "| {} |", row.join(" | "));
            }
            for note in &table.notes {
                let _ = write!(text, "\n{note}\n");
            }
        }
        Ok(text)
    }

    /// Writes it to `path`, with what people wrote below an earlier one.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let earlier = read_to_string(path).unwrap_or_default();
        let kept = earlier.split_once(KEPT).map_or("\n", |(_, kept)| kept);
        let text = format!("{}\n{KEPT}{kept}", self.markdown()?);
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// One line for each goal.
    pub(crate) fn goals(&self) -> String {
        let mut text = String::new();
        for Goal { text: goal, figure, reached } in &self.goals {
            let _ = writeln!(text, "{:<4} {goal}: {figure}", if *reached { "yes" } else { "NO" });
        }
        text
    }
}

/// What it ran on.
fn machine() -> anyhow::Result<Vec<String>> {
    let value_of = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.map(|line| line.trim_matches([' ', '\t', ':', '=', '"']).to_owned()).unwrap_or_default()
    };
    let processor = value_of(&read_to_string("/proc/cpuinfo")?, "model name");
    let memory: f64 = value_of(&read_to_string("/proc/meminfo")?, "MemTotal").trim_end_matches(" kB").parse()?;
    let system = value_of(&read_to_string("/etc/os-release").unwrap_or_default(), "PRETTY_NAME");
    let kernel = read_to_string("/proc/sys/kernel/osrelease")?;
    // The first two numbers: the rest is the builder's.
    let kernel = kernel.trim().split('.').take(2).collect::<Vec<_>>().join(".");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Ok(vec![format!(
        "{cores} cores ({processor}, shared with the generator), {:.0} GB of memory, {system}, Linux {}",
        memory * 1024.0 / 1e9,
        kernel
    )])
}

/// A time of so many microseconds, as people read it.
pub(crate) fn time(micros: f64) -> String {
    if micros < 10_000.0 { format!("{micros:.0} µs") } else { format!("{:.1} ms", micros / 1000.0) }
}

/// A number with a space at each thousand.
pub(crate) fn count(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
