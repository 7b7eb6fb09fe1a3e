//! Reports: tables and goals as Markdown, each a section of one file.

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::path::Path;

use anyhow::Context as _;

/// Whose part of the file it is, and what it is called there. What stands around it is kept.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What makes it.
    pub(crate) command: &'static str,
}

impl Section {
    /// The lines between which it stands.
    fn bounds(&self) -> [String; 2] {
        ["begin", "end"].map(|word| format!("<!-- {word} {}: written by {} -->\n", self.name, self.command))
    }

    /// `file` with `text` in the place of what this section was, or at its end.
    fn put(&self, file: &str, text: &str) -> String {
        let [begin, end] = self.bounds();
        let found = file.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
        let (before, after) = found.unwrap_or((file, ""));
        let apart = if before.is_empty() || before.ends_with("\n\n") { "" } else { "\n" };
        format!("{before}{apart}{begin}{text}{end}{after}")
    }
}

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
    pub(crate) section: Section,
    pub(crate) versions: Vec<String>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    pub(crate) fn markdown(&self) -> anyhow::Result<String> {
        let mut text = format!("## {}\n\nMade by `{}`.\n\n", self.section.title, self.section.command);
        for line in machine()?.iter().chain(&self.versions) {
            let _ = writeln!(text, "- {line}");
        }
        text.push_str("\n### Goals\n\n| goal | measured | reached |\n| --- | --- | --- |\n");
        for Goal { text: goal, figure, reached } in &self.goals {
            let _ = writeln!(text, "| {goal} | {figure} | {} |", if *reached { "yes" } else { "no" });
        }
        for table in &self.tables {
            let _ = write!(text, "\n### {}\n\n| {} |\n|", table.title, table.head.join(" | "));
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

    /// Writes it to its place in the file `path`.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let file = read_to_string(path).unwrap_or_default();
        std::fs::write(path, self.section.put(&file, &self.markdown()?))
            .with_context(|| format!("{} cannot be written", path.display()))
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
    let processors = read_to_string("/proc/cpuinfo")?;
    let processor = value_of(&processors, "model name");
    let memory: f64 = value_of(&read_to_string("/proc/meminfo")?, "MemTotal").trim_end_matches(" kB").parse()?;
    let system = value_of(&read_to_string("/etc/os-release").unwrap_or_default(), "PRETTY_NAME");
    let kernel = read_to_string("/proc/sys/kernel/osrelease")?;
    // The first two numbers: the rest is the builder's.
    let kernel = kernel.trim().split('.').take(2).collect::<Vec<_>>().join(".");
    // Of the machine: this program itself may be kept on one of them.
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_its_own_place_and_no_other() {
        let section = |name| Section { name, title: "", command: "bash x" };
        let file = section("one").put("# Figures\n", "1\n");
        let file = section("two").put(&format!("{file}\nby hand\n"), "2\n");
        let again = section("one").put(&file, "3\n");
        assert_eq!(again, file.replace("1\n", "3\n"));
        assert!(
            again.starts_with("# Figures\n\n<!-- begin one") && again.contains("\nby hand\n\n<!-- begin two"),
            "{again}"
        );
        assert!(again.ends_with("2\n<!-- end two: written by bash x -->\n"), "{again}");
    }
}
