//! What was measured: how many operations, how long they took, what went wrong.

use std::time::Duration;

use serde_json::{Value, json};

/// The measured operations of one run.
pub(crate) struct Samples {
    duration: Duration,
    taken: Vec<Duration>,
    entries: usize,
    errors: usize,
    /// What the first error was.
    pub(crate) first_error: Option<String>,
}

impl Samples {
    pub(crate) const fn new(duration: Duration) -> Self {
        Self { duration, taken: Vec::new(), entries: 0, errors: 0, first_error: None }
    }

    pub(crate) fn add(&mut self, taken: Duration, entries: usize) {
        self.taken.push(taken);
        self.entries += entries;
    }

    pub(crate) fn fail(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.taken.extend(other.taken);
        self.entries += other.entries;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The figures of these operations.
    pub(crate) fn figures(mut self) -> Figures {
        self.taken.sort_unstable();
        let at = |share: f64| {
            let place = (self.taken.len() as f64 * share) as usize;
            self.taken.get(place).or(self.taken.last()).map_or(f64::NAN, |taken| taken.as_secs_f64() * 1e6)
        };
        Figures {
            operations: self.taken.len(),
            rate: self.taken.len() as f64 / self.duration.as_secs_f64(),
            entries: self.entries,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            errors: self.errors,
            first_error: self.first_error,
        }
    }
}

/// Figures of one run; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) operations: usize,
    /// Operations a second.
    pub(crate) rate: f64,
    pub(crate) entries: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
}

impl Figures {
    pub(crate) fn to_json(&self, name: &str) -> Value {
        json!({
            "name": name, "operations": self.operations, "per_second": round(self.rate), "entries": self.entries,
            "median_us": round(self.p50), "p95_us": round(self.p95), "p99_us": round(self.p99),
            "errors": self.errors, "first_error": self.first_error,
        })
    }

    pub(crate) fn to_line(&self, name: &str) -> String {
        let error = self.first_error.as_deref().map_or_else(String::new, |error| format!("  {error}"));
        format!(
            "{name:<12} {:>9.0} /s  p50 {:>7.0} µs  p95 {:>7.0} µs  p99 {:>7.0} µs  {} errors{error}",
            self.rate, self.p50, self.p95, self.p99, self.errors
        )
    }
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The one in the middle.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
