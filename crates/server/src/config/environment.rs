//! Settings from the environment: `OSTIARY_SECTION__KEY`, and `…_FILE` for secrets.

use super::problems::{Place, Problems};
use super::raw::Raw;
use super::read::Entry;

const PREFIX: &str = "OSTIARY_";

/// The variables of the environment that may concern us.
pub(crate) fn variables() -> Vec<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    let all = std::env::vars_os();
    let mut ours: Vec<(String, String)> = all
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    ours.sort();
    ours
}

/// The variable that sets a key.
pub(crate) fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

/// What the variables set. `known` are all the variables that there are.
///
/// A name without a double underscore is left alone unless it is a known one but for that:
/// container systems put names of their own into the environment, made from those of services.
pub(crate) fn entries(variables: Vec<(String, String)>, known: &[String], problems: &mut Problems) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        let place = Place::Variable(name.clone());
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
            let meant = known.iter().find(|known| known.replace("__", "_") == name);
            if let Some(meant) = meant {
                problems.at(&place, format_args!("there is no such setting; {meant} has two underscores"));
            }
            continue;
        };
        if !known.contains(&name) {
            let nearest = super::problems::nearest(&name, known.iter().map(String::as_str)).unwrap_or_default();
            problems.at(&place, format_args!("there is no such setting; the nearest is {nearest}"));
            continue;
        }
        entries.push(Entry {
            place,
            section: section.to_lowercase(),
            key: key.to_lowercase(),
            raw: Raw::Untyped(value),
        });
    }
    entries
}
