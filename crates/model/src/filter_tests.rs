//! What filters say, as tables and as laws that hold for random filters and entries.

use uuid::Uuid;

use crate::attribute::Attribute;
use crate::dn::{Dn, DnValue};
use crate::filter::{Entry, Filter, MAX_DEPTH, MAX_TERMS, Reference, Truth, Value};
use crate::filter_text::InvalidFilter;
use crate::folded::Folded;
use crate::schema::Schema;
use crate::test_chance::Chance;
use crate::time::Timestamp;

/// An entry with values as texts; references by name alone.
#[derive(Debug, Default)]
struct Sample(Vec<(Attribute, &'static str)>);

impl Entry for Sample {
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        self.0.iter().filter(|(kind, _)| *kind == attribute).any(|(kind, text)| match kind {
            Attribute::ObjectClass => matches(Value::Class(text)),
            Attribute::UserAccountControl | Attribute::GroupNumber => matches(Value::Integer(text.parse().unwrap())),
            Attribute::EntryUuid => matches(Value::Uuid(Uuid::parse_str(text).unwrap())),
            Attribute::CreateTimestamp => matches(Value::Time(Timestamp::from_generalized_time(text).unwrap())),
            Attribute::Member | Attribute::MemberOf => matches(Value::Reference),
            _ => matches(Value::Text(Folded::new(text).as_str())),
        })
    }

    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool {
        self.refers(attribute, reference)
    }

    fn is_named(&self, attribute: Attribute, value: &Folded) -> bool {
        attribute == Attribute::Uid
            && self.any(attribute, &mut |own| matches!(own, Value::Text(text) if text == value.as_str()))
    }

    fn refers(&self, attribute: Attribute, reference: &Reference) -> bool {
        self.0.iter().filter(|(kind, _)| *kind == attribute).any(|(_, text)| match reference {
            Reference::Name(name) => *name == Folded::new(text),
            Reference::Dn(dn) => *dn == Dn::parse(&format!("cn={},ou=groups,dc=x", DnValue(text))).unwrap(),
        })
    }
}

fn ada() -> Sample {
    Sample(vec![
        (Attribute::ObjectClass, "inetOrgPerson"),
        (Attribute::ObjectClass, "person"),
        (Attribute::Uid, "Ada"),
        (Attribute::Cn, "Ada  Okafor"),
        (Attribute::Sn, "Okafor"),
        (Attribute::Mail, "ada.okafor@example.tld"),
        (Attribute::MemberOf, "Staff"),
        (Attribute::MemberOf, "Straße, 1"),
        (Attribute::EntryUuid, "0193569c-7a64-7000-8000-000000000001"),
        (Attribute::CreateTimestamp, "20261122174500.7Z"),
        (Attribute::UserAccountControl, "514"),
    ])
}

fn read(text: &str) -> Result<Filter, InvalidFilter> {
    Filter::parse(text, &Schema::default())
}

fn says(text: &str) -> Truth {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate(&ada())
}

#[test]
fn what_matches() {
    for text in [
        "(uid=ada)",
        "(UID=ADA)",
        "(user_id=ada)",
        "(0.9.2342.19200300.100.1.1=ada)",
        "(cn= ada   OKAFOR )",
        "(objectClass=PERSON)",
        "(objectClass=2.5.6.6)",
        "(objectClass=*)",
        "(memberOf=*)",
        "(memberOf=staff)",
        "(memberOf=cn=STAFF, ou=groups,dc=x)",
        "(memberOf=cn=Straße\\5c, 1,ou=groups,dc=x)",
        "(memberOf:1.2.840.113556.1.4.1941:=cn=staff,ou=groups,dc=x)",
        "(cn=ada*)",
        "(cn=*okafor)",
        "(cn=*a o*)",
        "(cn=ada *for)",
        "(cn=* okafor)",
        "(cn=* ada*)",
        "(cn=a*a*o*r)",
        "(mail=*@EXAMPLE.tld)",
        "(mail~=ada.okafor@example.tld)",
        "(objectClass:dn:=person)",
        "(uid:dn:=ada)",
        "(mail:dn:=ada.okafor@example.tld)",
        "(sn>=oka)",
        "(sn<=okafor)",
        "(cn:=ada okafor)",
        "(cn:caseIgnoreMatch:=ada okafor)",
        "(cn:2.5.13.2:=ada okafor)",
        "(:caseIgnoreMatch:=ADA)",
        "(:2.5.13.2:=okafor)",
        "(:dn:caseIgnoreMatch:=ada)",
        "(:distinguishedNameMatch:=cn=staff,ou=groups,dc=x)",
        "(:1.2.840.113556.1.4.803:=2)",
        "(entryUUID=0193569C-7A64-7000-8000-000000000001)",
        "(entryUUID>=0193569c-7a64-7000-8000-000000000000)",
        "(createTimestamp=20261122174500Z)",
        "(createTimestamp>=20261122184500+0100)",
        "(createTimestamp<=20270101000000Z)",
        "(userAccountControl=514)",
        "(userAccountControl>=513)",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(userAccountControl:1.2.840.113556.1.4.804:=3)",
        "(&(|(uid=ada)(mail=ada))(objectClass=person))",
        "(& (uid=ada) (| (uid=x) (! (uid=y) ) ) )",
        "(&)",
        "(!(uid=bob))",
        "(!(givenName=*))",
        "(|(unknown=x)(uid=ada))",
    ] {
        assert_eq!(says(text), Truth::True, "{text}");
    }
}

#[test]
fn what_does_not_match() {
    for text in [
        "(uid=bob)",
        "(uid=ad)",
        "(cn=ada*ada)",
        "(cn=adaokafor)",
        "(cn=*aokafor)",
        "(cn=okafor*)",
        "(cn=ada *ada)",
        "(sn>=p)",
        "(objectClass=group)",
        "(memberOf=cn=staff,ou=groups,dc=y)",
        "(createTimestamp<=20261122174459Z)",
        "(createTimestamp>=20261122174500.5Z)",
        "(userAccountControl:1.2.840.113556.1.4.803:=3)",
        "(userAccountControl:1.2.840.113556.1.4.804:=4)",
        "(givenName=x)",
        "(givenName=*)",
        "(:caseIgnoreMatch:=nobody)",
        "(:caseExactMatch:=ADA)",
        "(|)",
        "(!(uid=ada))",
        "(&(unknown=x)(uid=bob))",
        "(!(|(unknown=x)(uid=ada)))",
        "(entryUUID>=0193569c-7a64-7000-8000-000000000002)",
    ] {
        assert_eq!(says(text), Truth::False, "{text}");
    }
}

#[test]
fn what_nobody_can_tell() {
    for text in [
        "(unknown=x)",
        "(unknown=*)",
        "(!(unknown=x))",
        "(&(unknown=x)(uid=ada))",
        "(|(unknown=x)(uid=bob))",
        "(userPassword=*)",
        "(cn;lang-en=ada)",
        "(createTimestamp=yesterday)",
        "(createTimestamp=2026*)",
        "(userAccountControl=x)",
        "(userAccountControl:1.2.840.113556.1.4.803:=x)",
        "(entryUUID=ada)",
        "(entryUUID=0193*)",
        "(memberOf=cn=\\ff)",
        "(memberOf=cn=staff*)",
        "(memberOf>=staff)",
        "(objectClass>=a)",
        "(objectClass=per*)",
        "(cn=\\ff)",
        "(cn=a*\\ff)",
        "(cn:caseExactMatch:=Ada Okafor)",
        "(:nonsenseMatch:=ada)",
        "(!(:integerMatch:=ada))",
        "(cn:1.2.840.113556.1.4.1941:=ada)",
    ] {
        assert_eq!(says(text), Truth::Undefined, "{text}");
    }
}

#[test]
fn what_is_no_filter() {
    for text in [
        "",
        "uid=ada",
        "(",
        ")",
        "()",
        "(uid)",
        "(uid=ada",
        "(uid=ada))",
        "(uid=ada)x",
        "(=ada)",
        "(&(uid=ada)",
        "(!)",
        "(!(a=b)(c=d))",
        "(uid=a(b)",
        "(uid=\\4)",
        "(uid=\\zz)",
        "(uid=\\+1)",
        "(uid=a\0)",
        "(uid>ada)",
        "(uid>=a*)",
        "(:=x)",
        "(uid:x)",
        "(uid:x:y)",
        "(ü=x)",
        "(&uid=ada)",
        "(uid~ada)",
        "(cn:=a*b)",
        "(uid=\\é)",
    ] {
        assert!(matches!(read(text), Err(InvalidFilter::Form { .. })), "{text:?} {:?}", read(text));
    }
    let error = read("(&(uid=ä)(uid=b)").unwrap_err();
    assert_eq!(error.to_string(), "The filter has a mistake at character 17: expected a closing parenthesis");
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}(uid=ada){}", "(!".repeat(depth - 1), ")".repeat(depth - 1));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(InvalidFilter::TooLarge));
    assert_eq!(read(&nested(4000)), Err(InvalidFilter::TooLarge));
    assert_eq!(read(&"(&".repeat(8000)), Err(InvalidFilter::TooLarge));
    assert_eq!(read(&format!("(cn={})", "x".repeat(20_000))), Err(InvalidFilter::TooLarge));
    assert_eq!(read(&format!("(&{})", "(&)".repeat(MAX_TERMS))), Err(InvalidFilter::TooLarge));
    let by_hand = (0..MAX_DEPTH).fold(Filter::And(Vec::new()), |inner, _| Filter::Not(Box::new(inner)));
    assert_eq!(by_hand.evaluate(&ada()), Truth::Undefined);
}

fn random_filter(chance: &mut Chance, depth: usize) -> Filter {
    const NAMES: &[&str] = &[
        "uid",
        "cn",
        "mail",
        "memberOf",
        "createTimestamp",
        "userAccountControl",
        "entryUUID",
        "objectClass",
        "unknown",
    ];
    const VALUES: &[&str] = &[
        "ada",
        " Ada  Okafor",
        "a*(b)\\",
        "é\0",
        "20261122174500.25Z",
        "514",
        "0193569c-7a64-7000-8000-000000000001",
        "person",
        "Staff",
        "cn=st\\2caff,ou=groups,dc=x",
        " ",
        "Straße, 1",
    ];
    let (name, value) = (NAMES[chance.below(NAMES.len())], VALUES[chance.below(VALUES.len())]);
    let other = VALUES[chance.below(VALUES.len())];
    match chance.below(if depth == 0 { 8 } else { 12 }) {
        0 => Filter::present(&Schema::default(), name),
        1 | 2 => Filter::equal(&Schema::default(), name, value),
        3 => Filter::at_least(&Schema::default(), name, value),
        4 => Filter::at_most(&Schema::default(), name, value),
        5 => Filter::parts(&Schema::default(), name, Some(value), &[other], None),
        6 => Filter::parts(&Schema::default(), name, None, &[value], Some(other)),
        7 => match chance.below(3) {
            0 => Filter::extensible(&Schema::default(), name, Some("1.2.840.113556.1.4.803"), "2"),
            1 => Filter::extensible(&Schema::default(), name, Some("1.2.840.113556.1.4.1941"), value),
            _ => Filter::with_name(&Schema::default(), name, None, value),
        },
        8 => Filter::Not(Box::new(random_filter(chance, depth - 1))),
        9 | 10 => Filter::And((0..chance.below(4)).map(|_| random_filter(chance, depth - 1)).collect()),
        _ => Filter::Or((0..chance.below(4)).map(|_| random_filter(chance, depth - 1)).collect()),
    }
}

#[test]
fn a_filter_is_read_as_it_is_written() {
    let mut chance = Chance::new(3);
    for _ in 0..20_000 {
        let filter = random_filter(&mut chance, 4);
        let text = filter.to_string();
        assert_eq!(read(&text).as_ref(), Ok(&filter), "{text}");
    }
}

#[test]
fn negation_and_de_morgan_hold() {
    let mut chance = Chance::new(5);
    for _ in 0..20_000 {
        let terms: Vec<_> = (0..chance.below(4)).map(|_| random_filter(&mut chance, 2)).collect();
        let not = |filter: Filter| Filter::Not(Box::new(filter));
        let opposite = |truth| match truth {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Undefined => Truth::Undefined,
        };
        let all = Filter::And(terms.clone()).evaluate(&ada());
        assert_eq!(not(Filter::And(terms.clone())).evaluate(&ada()), opposite(all));
        assert_eq!(Filter::Or(terms.into_iter().map(not).collect()).evaluate(&ada()), opposite(all));
    }
}

#[test]
fn random_input_is_read_or_refused() {
    let mut chance = Chance::new(9);
    for _ in 0..100_000 {
        let text = chance.mutated("(&(|(uid=a\\2ab)(cn:dn:2.5.13.2:=x))(!(mail=*é*c))(sn>=z))");
        if let Ok(filter) = read(&text) {
            assert!(filter.size() <= MAX_TERMS);
            let _ = filter.evaluate(&ada());
            assert_eq!(read(&filter.to_string()).as_ref(), Ok(&filter), "{text:?}");
        }
    }
}
