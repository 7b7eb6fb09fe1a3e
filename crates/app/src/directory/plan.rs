//! Which entries a search looks at: those that an index names, where the filter allows it, or all.
//!
//! Each term that an index can answer is a source that tells about how many entries it names before
//! any is gathered. So the order of terms does not matter, a large group beside a name costs nothing,
//! and no filter makes the plan longer than a walk.

use ostiary_model::{Assertion, Attribute, Filter, Folded, HOME_DIRECTORY, LOGIN_SHELL, Pattern, Reference};

use super::compare::refers_to;
use super::index::{Bearers, Place, Term};
use super::state::State;
use super::tree::Tree;

pub(super) const HEADS: [Place; 3] = [Place::Base, Place::People, Place::Groups];

/// In a directory that is smaller nothing is gained by walking.
const FEW: usize = 64;

/// Where the entries come from that may match.
enum Source<'a> {
    /// Those that may have a value.
    Bearers(Bearers<'a>),
    /// Those that have a part somewhere in a value.
    Part(Attribute, &'a str),
    /// Everybody in a group and every group in it.
    Within(u32),
    These(Vec<Place>),
    /// Those of any of these.
    Any(Vec<Self>),
}

/// A source, and about how many entries it names.
type Counted<'a> = (usize, Source<'a>);

struct Planner<'a> {
    state: &'a State,
    tree: &'a Tree,
    /// From so many entries on, walking is as quick as jumping.
    most: usize,
}

/// The places outside of which nothing can match `filter`, in order, each once; `None` when they
/// are not known or too many. May hold more than match, never fewer.
pub(super) fn plan(state: &State, tree: &Tree, filter: &Filter) -> Option<Vec<Place>> {
    let counts = state.counts();
    let planner = Planner { state, tree, most: FEW.max((counts.people + counts.groups) / 2) };
    let (count, source) = planner.source(filter).filter(|(count, _)| *count <= planner.most)?;
    let mut places = Vec::with_capacity(count);
    planner.gather(source, &mut places)?;
    places.sort_unstable();
    places.dedup();
    Some(places)
}

fn these<'a>(places: Vec<Place>) -> Counted<'a> {
    (places.len(), Source::These(places))
}

impl<'a> Planner<'a> {
    fn source(&self, filter: &'a Filter) -> Option<Counted<'a>> {
        match filter {
            Filter::Undefined => Some(these(Vec::new())),
            Filter::And(terms) => self.smallest(terms),
            Filter::Or(terms) => self.all(terms),
            Filter::Equal(attribute, value) => self.with_base(*attribute, self.by_value(*attribute, value)?),
            Filter::Parts(attribute, pattern) => self.with_base(*attribute, self.by_part(*attribute, pattern)?),
            Filter::InChain(attribute, reference) => self.by_chain(*attribute, reference),
            _ => None,
        }
    }

    /// One term decides. When one names a single entry there is none that names fewer.
    fn smallest(&self, terms: &'a [Filter]) -> Option<Counted<'a>> {
        let mut best: Option<Counted<'a>> = None;
        for term in terms {
            let Some(found) = self.source(term) else { continue };
            if best.as_ref().is_none_or(|(count, _)| found.0 < *count) {
                best = Some(found);
            }
            if best.as_ref().is_some_and(|(count, _)| *count <= 1) {
                break;
            }
        }
        best
    }

    fn all(&self, terms: &'a [Filter]) -> Option<Counted<'a>> {
        let (mut sum, mut sources) = (0, Vec::with_capacity(terms.len()));
        for term in terms {
            let (count, source) = self.source(term)?;
            sum += count;
            if sum > self.most {
                return None;
            }
            sources.push(source);
        }
        Some((sum, Source::Any(sources)))
    }

    /// The base has the attribute that it is named by.
    fn with_base(&self, attribute: Attribute, (count, source): Counted<'a>) -> Option<Counted<'a>> {
        Some(match self.tree.base_value(attribute) {
            None => (count, source),
            Some(_) => (count + 1, Source::Any(vec![source, Source::These(vec![Place::Base])])),
        })
    }

    fn by_value(&self, attribute: Attribute, value: &'a Assertion) -> Option<Counted<'a>> {
        let term = match (attribute, value) {
            (_, Assertion::Reference(reference)) => return self.by_reference(attribute, reference),
            (Attribute::EntryUuid, Assertion::Uuid(id)) => {
                let person = self.state.person_place((*id).into()).map(Place::Person);
                let unit = self.state.unit_place((*id).into()).map(Place::Unit);
                return Some(these(person.into_iter().chain(unit).collect()));
            }
            (Attribute::MemberUid, Assertion::Text(name)) => return Some(self.by_member_uid(name)),
            (Attribute::Ou | Attribute::Dc | Attribute::O, _) => return Some(these(HEADS.to_vec())),
            (_, Assertion::Text(text)) => Term::Text(text.as_str()),
            (_, Assertion::Integer(number)) => Term::Number(*number),
            _ => return None,
        };
        let bearers = self.state.bearers(indexed(attribute)?, term);
        Some((bearers.count(), Source::Bearers(bearers)))
    }

    fn by_part(&self, attribute: Attribute, pattern: &'a Pattern) -> Option<Counted<'a>> {
        if matches!(attribute, Attribute::Ou | Attribute::Dc | Attribute::O) {
            return Some(these(HEADS.to_vec()));
        }
        let part = pattern.longest_part().filter(|part| !part.contains('\0'))?;
        // Looking through a column costs about as much as looking at a thirtieth of all entries. The
        // longer part is the rarer one.
        let cost = self.most / (8 + part.len().min(8));
        Some((cost, Source::Part(indexed(attribute)?, part)))
    }

    /// The groups of the account with this very user name.
    fn by_member_uid(&self, name: &Folded) -> Counted<'a> {
        self.groups_of(self.state.person_named(Folded::new(name.as_str()).as_str()))
    }

    /// All groups that somebody is in.
    fn groups_of(&self, person: Option<u32>) -> Counted<'a> {
        let person = person.and_then(|place| self.state.person_at(place));
        let groups = person.map(|person| self.state.groups_of(person)).unwrap_or_default();
        these(groups.iter().copied().map(Place::Unit).collect())
    }

    fn by_reference(&self, attribute: Attribute, reference: &Reference) -> Option<Counted<'a>> {
        let units = |places: &[u32]| these(places.iter().copied().map(Place::Unit).collect());
        Some(match (attribute, refers_to(self.state, self.tree, attribute, reference)) {
            (Attribute::SubschemaSubentry, _) => return None,
            (Attribute::EntryDn, Some(place)) => these(vec![place]),
            (Attribute::MemberOf, Some(Place::Unit(place))) => {
                let below = self.state.below(place);
                let members =
                    below.iter().filter_map(|place| self.state.unit_at(*place)).map(|unit| unit.members.len());
                (below.len() + members.sum::<usize>(), Source::Within(place))
            }
            (Attribute::Member | Attribute::UniqueMember, Some(Place::Person(place))) => {
                units(&self.state.person_at(place)?.groups)
            }
            (Attribute::Member | Attribute::UniqueMember, Some(Place::Unit(place))) => {
                units(&self.state.unit_at(place)?.parents)
            }
            _ => these(Vec::new()),
        })
    }

    fn by_chain(&self, attribute: Attribute, reference: &Reference) -> Option<Counted<'a>> {
        match (attribute, refers_to(self.state, self.tree, attribute, reference)) {
            (Attribute::Member | Attribute::UniqueMember, Some(Place::Person(place))) => {
                Some(self.groups_of(Some(place)))
            }
            (Attribute::Member | Attribute::UniqueMember, Some(Place::Unit(place))) => {
                Some(these(self.state.unit_at(place)?.above.iter().copied().map(Place::Unit).collect()))
            }
            _ => self.by_reference(attribute, reference),
        }
    }

    fn gather(&self, source: Source<'a>, places: &mut Vec<Place>) -> Option<()> {
        match source {
            Source::Bearers(bearers) => places.extend(bearers.places()),
            Source::Part(attribute, part) => {
                places.append(&mut self.state.bearers_of_part(attribute, part, self.most)?)
            }
            Source::Within(place) => {
                places.extend(self.state.everybody_in(place).into_iter().map(Place::Person));
                places.extend(self.state.below(place).into_iter().skip(1).map(Place::Unit));
            }
            Source::These(mut list) => places.append(&mut list),
            Source::Any(sources) => {
                for source in sources {
                    self.gather(source, places)?;
                }
            }
        }
        Some(())
    }
}

/// The attribute under which the index has all values of `attribute`.
fn indexed(attribute: Attribute) -> Option<Attribute> {
    match attribute {
        Attribute::DisplayName => Some(Attribute::Cn),
        Attribute::Uid
        | Attribute::Cn
        | Attribute::Mail
        | Attribute::GivenName
        | Attribute::Sn
        | Attribute::UidNumber
        | Attribute::GidNumber
        | Attribute::GroupNumber => Some(attribute),
        // Shells and home folders are there without being stored.
        Attribute::Custom(custom) if !matches!(custom.number, LOGIN_SHELL | HOME_DIRECTORY) => Some(attribute),
        _ => None,
    }
}
