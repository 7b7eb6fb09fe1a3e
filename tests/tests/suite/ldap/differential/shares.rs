//! What a run has asked, and how much of it was answered with something: questions that both servers
//! refuse, or that find nothing, prove little.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ldap3_proto::proto::LdapResultCode as Code;

use super::peer::Answer;
use super::writes::Write;

/// Kinds of question and what came of each, in the order of the report.
type Counts = BTreeMap<(&'static str, &'static str), usize>;

/// From so many cases on the shares say something.
const ENOUGH: usize = 5000;
/// Least shares, in percent: of the searches those that find something, of each kind of write those
/// that both servers do.
const FOUND: usize = 45;
const DONE: usize = 50;

/// Counts of a run.
#[derive(Debug, Default)]
pub(super) struct Shares(Counts);

impl Shares {
    fn count(&mut self, kind: &'static str, outcome: &'static str) {
        *self.0.entry((kind, outcome)).or_default() += 1;
    }

    /// A search, by what slapd found.
    pub(super) fn search(&mut self, kind: &'static str, slapd: &Answer) {
        let outcome = match (slapd.is_success(), slapd.entries.len()) {
            (false, _) => "refused",
            (true, 0) => "found nothing",
            (true, 1) => "found one entry",
            (true, _) => "found several",
        };
        self.count(kind, outcome);
    }

    pub(super) fn compare(&mut self, slapd: &Answer) {
        let outcome = match slapd.code {
            Code::CompareTrue => "true",
            Code::CompareFalse => "false",
            _ => "refused",
        };
        self.count("compare", outcome);
    }

    pub(super) fn write(&mut self, write: &Write, ours: &Answer, slapd: &Answer) {
        let kind = match write {
            Write::Add(_) => "add",
            Write::Modify(_) => "modify",
            Write::Delete(_) => "delete",
            Write::Rename(_) => "modify DN",
        };
        let outcome = match (ours.is_success(), slapd.is_success()) {
            (true, true) => "done by both",
            (false, false) if ours.code == slapd.code => "refused alike",
            (false, false) => "refused by both, each for another fault",
            (true, false) => "done by us alone",
            (false, true) => "done by slapd alone",
        };
        self.count(kind, outcome);
    }

    pub(super) fn bind(&mut self, slapd: &Code) {
        self.count("bind", if *slapd == Code::Success { "bound" } else { "refused" });
    }

    /// How many of a kind there were, and how many of them had one of these outcomes.
    fn of(&self, kind: &str, outcomes: &[&str]) -> (usize, usize) {
        let own = self.0.iter().filter(|((of, _), _)| *of == kind);
        own.fold((0, 0), |(all, some), ((_, outcome), count)| {
            (all + count, some + if outcomes.contains(outcome) { *count } else { 0 })
        })
    }

    pub(super) fn table(&self) -> String {
        let kinds: Vec<_> =
            ["search", "pages", "sorted", "compare", "add", "modify", "delete", "modify DN", "bind"].into();
        let row = |kind: &&str| {
            let (all, _) = self.of(kind, &[]);
            let outcomes = self.0.iter().filter(|((of, _), _)| of == kind);
            let outcomes: Vec<_> =
                outcomes.map(|((_, outcome), count)| format!("{} % {outcome}", percent(*count, all))).collect();
            format!("  {all:>6} × {kind}: {}\n", outcomes.join(", "))
        };
        kinds.iter().map(row).collect()
    }

    /// That the questions of a run of some length were worth asking.
    pub(super) fn are_enough(&self) -> Result<()> {
        if self.0.values().sum::<usize>() < ENOUGH {
            return Ok(());
        }
        let found = &["found one entry", "found several"][..];
        let done = &["done by both"][..];
        for (kind, outcomes, least) in [
            ("search", found, FOUND),
            ("add", done, DONE),
            ("modify", done, DONE),
            ("delete", done, DONE),
            ("modify DN", done, DONE),
        ] {
            let (all, some) = self.of(kind, outcomes);
            ensure!(percent(some, all) >= least, "{some} of {all}: too few of {kind}\n{}", self.table());
        }
        Ok(())
    }
}

fn percent(part: usize, of: usize) -> usize {
    (part * 100 + of / 2).checked_div(of).unwrap_or(0)
}
