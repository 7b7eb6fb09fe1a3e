//! The people and groups of a measurement, the same for every server and every run: who they are
//! follows from their number alone.
//!
//! Each is in three to eight of 500 groups. A few groups are large and many small, as they are in
//! real directories: of 10,000 people the largest group has some 2,000, the middle one about 80.

/// How many groups there are.
pub(crate) const GROUPS: u32 = 500;
/// The password of everybody. The servers are on the loopback address for some minutes.
pub(crate) const PASSWORD: &str = "measured-on-loopback";
/// So many people have a password, the first ones: all that sign in.
pub(crate) const SIGNING_IN: usize = 256;
/// May read everything.
pub(crate) const READER: &str = "reader";
/// May write everything, where there is a difference.
pub(crate) const WRITER: &str = "writer";

const GIVEN: [&str; 32] = [
    "Ada", "Bela", "Carla", "Dana", "Elif", "Farid", "Greta", "Hanna", "Ines", "Jonas", "Kofi", "Lena", "Mila", "Nils",
    "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tara", "Umut", "Vera", "Wanda", "Xenia", "Yusuf", "Zoe", "Amir",
    "Birte", "Chidi", "Daria", "Emil", "Frida",
];
const FAMILY: [&str; 32] = [
    "Acker", "Berg", "Claas", "Dorn", "Ebers", "Falk", "Grau", "Holm", "Imhoff", "Jans", "Kamp", "Lind", "Moor",
    "Nord", "Ohm", "Pohl", "Quast", "Roth", "Stein", "Thal", "Unger", "Vogt", "Wald", "Xylander", "Yorck", "Ziegen",
    "Alten", "Brand", "Cramer", "Dietz", "Eich", "Fuchs",
];
const ENDING: [&str; 32] = [
    "mann", "berger", "feld", "hofer", "kamper", "lund", "stedt", "wick", "bach", "hausen", "meister", "born", "thal",
    "quist", "strom", "gren", "rup", "sen", "loh", "ried", "au", "busch", "dorf", "eck", "furt", "garten", "heim",
    "injo", "kirch", "land", "moos", "nagel",
];

/// One person.
pub(crate) struct Person {
    /// The user name.
    pub(crate) uid: String,
    pub(crate) mail: String,
    pub(crate) given: &'static str,
    pub(crate) family: String,
    /// Numbers of groups, ascending.
    pub(crate) groups: Vec<u32>,
}

impl Person {
    fn new(number: u32) -> Self {
        let mut chance = Chance(u64::from(number));
        let given = pick(&GIVEN, &mut chance);
        let family = format!("{}{}", pick(&FAMILY, &mut chance), pick(&ENDING, &mut chance));
        let count = 3 + chance.below(6) as usize;
        let mut groups = Vec::with_capacity(count);
        while groups.len() < count {
            let group = skewed(&mut chance);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups.sort_unstable();
        let mail = format!("{}.{}.{number:05}@example.org", given.to_lowercase(), family.to_lowercase());
        Self { uid: format!("user{number:05}"), mail, given, family, groups }
    }

    /// The full name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }
}

/// Everybody, and the tree that they stand in.
pub(crate) struct Population {
    pub(crate) base: String,
    pub(crate) people: Vec<Person>,
    /// Numbers of people by number of the group, ascending.
    pub(crate) members: Vec<Vec<u32>>,
}

impl Population {
    pub(crate) fn new(base: &str, people: u32) -> Self {
        let people: Vec<_> = (0..people).map(Person::new).collect();
        let mut members = vec![Vec::new(); GROUPS as usize];
        for (number, person) in (0..).zip(&people) {
            for group in &person.groups {
                if let Some(list) = members.get_mut(*group as usize) {
                    list.push(number);
                }
            }
        }
        Self { base: base.to_owned(), people, members }
    }

    pub(crate) fn person_dn(&self, uid: &str) -> String {
        format!("uid={uid},ou=people,{}", self.base)
    }

    pub(crate) fn group_dn(&self, number: u32) -> String {
        format!("cn={},ou=groups,{}", group_name(number), self.base)
    }

    /// Entries of the class `person`: everybody, and the two accounts that measure.
    pub(crate) fn persons(&self) -> usize {
        self.people.len() + 2
    }
}

pub(crate) fn group_name(number: u32) -> String {
    format!("group{number:03}")
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        let high = (self.next() >> 32) * u64::from(limit);
        u32::try_from(high >> 32).unwrap_or_default()
    }
}

fn pick(list: &'static [&'static str; 32], chance: &mut Chance) -> &'static str {
    list.get(chance.below(32) as usize).copied().unwrap_or_default()
}

/// The square of an even chance: group 0 has most members.
fn skewed(chance: &mut Chance) -> u32 {
    let even = u64::from(chance.below(1 << 16));
    u32::try_from((even * even * u64::from(GROUPS)) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_the_same_every_time_and_in_three_to_eight_groups() {
        let population = Population::new("dc=localhost", 10_000);
        let again = Population::new("dc=localhost", 10_000);
        for (one, other) in population.people.iter().zip(&again.people) {
            assert_eq!((&one.uid, &one.mail, &one.groups), (&other.uid, &other.mail, &other.groups));
            assert!((3..=8).contains(&one.groups.len()) && one.groups.is_sorted());
        }
        let memberships: usize = population.people.iter().map(|person| person.groups.len()).sum();
        assert_eq!(memberships, population.members.iter().map(Vec::len).sum::<usize>());
        let mut sizes: Vec<_> = population.members.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert!(sizes[0] > 0 && (60..100).contains(&sizes[250]) && (1500..3000).contains(&sizes[499]), "{sizes:?}");
    }
}
