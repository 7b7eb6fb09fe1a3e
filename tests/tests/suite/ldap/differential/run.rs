//! One run: case by case, until all are done or enough went wrong.

use anyhow::{Context as _, Result, bail};
use ldap3_proto::proto::{LdapCompareRequest, LdapSearchRequest};

use super::both::{Assertion, Both};
use super::dice::Dice;
use super::shrink::simpler;
use super::values::Maker;
use super::writes::Write;

/// A run ends when so many cases went wrong.
const ENOUGH: usize = 10;
/// Cases before the first reads: by then there are people and groups.
const FIRST_WRITES: usize = 60;

/// One question.
#[derive(Debug, Clone)]
enum Case {
    Search(LdapSearchRequest, Option<Assertion>),
    /// In pages of so many entries.
    Paged(LdapSearchRequest, i64),
    /// By these attributes, backwards or not.
    Sorted(LdapSearchRequest, Vec<(String, bool)>),
    Compare(LdapCompareRequest),
    Write(Write, Option<Assertion>),
    /// Name and password.
    Bind(String, String),
}

impl Both {
    pub(super) fn go(mut self, seed: u64, cases: usize) -> Result<String> {
        let mut dice = Dice::new(seed);
        let mut failures = Vec::new();
        for number in 0..cases {
            let case = self.case(&mut dice, number);
            let wrong = self.look(&case).with_context(|| format!("case {number} of seed {seed}: {case:?}"))?;
            if let Some(wrong) = wrong {
                let (case, wrong) = self.shrunk(case, wrong)?;
                failures.push(format!("case {number} of seed {seed}: {case:?}\n{wrong}"));
                if failures.len() == ENOUGH {
                    break;
                }
            }
        }
        if failures.is_empty() {
            self.shares.are_enough()?;
            let (shares, table) = (self.shares.table(), self.known.met.table());
            return Ok(format!("{cases} cases:\n{shares}The same answers but for these differences:\n{table}"));
        }
        let shares = self.shares.table();
        bail!("{} cases differ\n\n{}\n{shares}{}", failures.len(), failures.join("\n"), self.server.log())
    }

    fn case(&self, dice: &mut Dice, number: usize) -> Case {
        let mut maker = Maker { dice, schema: &self.known.schema, world: &self.known.world, aim: None };
        let kind = if number < FIRST_WRITES { 0 } else { maker.dice.below(1000) };
        match kind {
            0..250 => {
                let write = maker.write();
                let is_add = matches!(write, Write::Add(_));
                let condition = maker.dice.percent(8).then(|| Assertion(maker.condition(is_add)));
                Case::Write(write, condition)
            }
            250..290 => {
                let request = LdapSearchRequest { sizelimit: 0, ..maker.search() };
                Case::Paged(request, *maker.dice.pick(&[1, 2, 3, 7, 500]))
            }
            290..330 => Case::Sorted(LdapSearchRequest { sizelimit: 0, ..maker.search() }, maker.order()),
            330..430 => Case::Compare(maker.compare()),
            430..440 => {
                let (name, password) = maker.credentials(&self.passwords);
                Case::Bind(name, password)
            }
            _ => {
                let condition = maker.dice.percent(3).then(|| Assertion(maker.filter(2)));
                Case::Search(maker.search(), condition)
            }
        }
    }

    /// What is different about the answers to a case.
    fn look(&mut self, case: &Case) -> Result<Option<String>> {
        match case {
            Case::Search(request, condition) => self.search(request, condition.as_ref()),
            Case::Paged(request, size) => self.paged(request, *size),
            Case::Sorted(request, keys) => self.sorted(request, keys),
            Case::Compare(request) => self.compare(request),
            Case::Write(write, condition) => self.write(write, condition.as_ref()),
            Case::Bind(name, password) => self.bind(name, password),
        }
    }

    /// The simplest case found that goes wrong as `case` does. Writes cannot be done again.
    fn shrunk(&mut self, mut case: Case, mut wrong: String) -> Result<(Case, String)> {
        'again: loop {
            let simpler = match &case {
                Case::Search(request, condition) => {
                    let whole = |request| Case::Search(request, condition.clone());
                    simpler(request).into_iter().map(whole).collect()
                }
                Case::Paged(request, size) => {
                    simpler(request).into_iter().map(|request| Case::Paged(request, *size)).collect::<Vec<_>>()
                }
                _ => Vec::new(),
            };
            for simpler in simpler {
                if let Some(still) = self.look(&simpler)? {
                    (case, wrong) = (simpler, still);
                    continue 'again;
                }
            }
            return Ok((case, wrong));
        }
    }
}
