//! Settings from a TOML file, with the line that each stands in.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::SECTIONS;
use super::problems::{Place, Problems, nearest};
use super::raw::Raw;
use super::read::Entry;

/// What there may be any number of.
const LISTS: [&str; 2] = ["clients", "sites"];

/// What a file says.
#[derive(Default)]
pub(crate) struct Document {
    /// The keys of all sections.
    pub(crate) entries: Vec<Entry>,
    /// Each of `[[clients]]`, with its place.
    pub(crate) clients: Vec<(Place, Vec<Entry>)>,
    /// Each of `[[sites]]`, likewise.
    pub(crate) sites: Vec<(Place, Vec<Entry>)>,
}

/// Reads `text`, which stands in `path`.
pub(crate) fn document(path: &Path, text: &str, problems: &mut Problems) -> Document {
    let place = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        Place::Line(path.to_owned(), before.matches('\n').count() + 1)
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken = !errors.is_empty();
    for error in errors {
        problems.at(&place(error.span().map_or(0, |span| span.start)), error.message());
    }
    let mut document = Document::default();
    if broken {
        // What was recovered may say something else than was meant.
        return document;
    }
    let mut parts: Vec<_> = table.get_ref().iter().collect();
    parts.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in parts {
        let here = place(name.span().start);
        match (name.get_ref().as_ref(), value.get_ref()) {
            (list, DeValue::Array(items)) if LISTS.contains(&list) => {
                for item in items.iter() {
                    let here = place(item.span().start);
                    match item.get_ref() {
                        DeValue::Table(table) => {
                            let entries = entries(list, table, &place);
                            let into = if list == "sites" { &mut document.sites } else { &mut document.clients };
                            into.push((here, entries));
                        }
                        other => problems.at(
                            &here,
                            format_args!("found {}; allowed are tables, each begun by [[{list}]]", Raw::from(other)),
                        ),
                    }
                }
            }
            (list, _) if LISTS.contains(&list) => {
                problems.at(&here, format_args!("{list} are a list: begin each one with [[{list}]]"));
            }
            (section, DeValue::Table(table)) if SECTIONS.iter().any(|known| known.name == section) => {
                document.entries.extend(entries(section, table, &place));
            }
            (section, DeValue::Table(_)) => {
                let nearest = nearest(section, SECTIONS.iter().map(|known| known.name)).unwrap_or_default();
                problems.at(&here, format_args!("there is no section [{section}]; the nearest is [{nearest}]"));
            }
            (key, _) => problems.at(&here, stray(key)),
        }
    }
    document
}

/// What to say of a key that stands before any section.
fn stray(key: &str) -> String {
    let home = SECTIONS.iter().find(|section| section.keys.iter().any(|known| known.name == key));
    match home {
        Some(section) => format!("{key} stands outside of any section; it belongs under [{}]", section.name),
        None => format!("{key} stands outside of any section; every key belongs under one, such as [site]"),
    }
}

fn entries(section: &str, table: &DeTable<'_>, place: &impl Fn(usize) -> Place) -> Vec<Entry> {
    let mut keys: Vec<(&Spanned<_>, _)> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    keys.into_iter()
        .map(|(key, value)| Entry {
            place: place(key.span().start),
            section: section.to_owned(),
            key: key.get_ref().to_string(),
            raw: Raw::from(value.get_ref()),
        })
        .collect()
}
