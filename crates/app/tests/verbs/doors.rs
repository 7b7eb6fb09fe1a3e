//! Every grant of access asks whether the person may still have it. This test reads the code: it
//! lists each function that hands out a session, a code, a token or a proved identity, and fails
//! when one does so without asking first, or when one is new here.
//!
//! The reading is simple on purpose: a function is its name and the text between its braces, and
//! a helper that grants without asking passes the duty on to whoever calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What hands something out: a write to the store, a signature, words about a person, a proved
/// identity.
const GRANTS: [&str; 10] = [
    "tx.app_password_insert(",
    "tx.session_insert(",
    "tx.grant_approve(",
    "tx.access_token_insert(",
    "tx.refresh_token_insert(",
    "tx.refresh_token_rotate(",
    "jws::sign(",
    "self.person_claims(",
    "Bound {",
    "Visitor {",
];

/// What asks whether the account still stands. The last one makes the account itself, in the same
/// transaction.
const QUESTIONS: [&str; 7] =
    ["standing(", "standing_now(", "entitled(", "oneself(", "holds(", "self.bound(", "person_insert("];

/// Who grants and asks. Whoever adds a door adds it here, knowingly.
const DOORS: [&str; 12] = [
    "app_password_add",
    "bind",
    "code_check",
    "code_spend",
    "first_administrator_create",
    "grant_approve",
    "hand_over_open",
    "refresh",
    "session",
    "sign_in",
    "totp_confirm",
    "userinfo",
];

struct Function {
    file: String,
    is_public: bool,
    body: String,
}

/// The code without comments, texts and tests, so that braces and names mean what they are.
fn bare(code: &str) -> String {
    let code = code.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let mut bare = String::with_capacity(code.len());
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '/' if letters.peek() == Some(&'/') => {
                while letters.peek().is_some_and(|next| *next != '\n') {
                    letters.next();
                }
            }
            '"' => {
                while let Some(next) = letters.next() {
                    match next {
                        '\\' => drop(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '\'' => {
                // A character, or the beginning of a lifetime.
                let ahead: Vec<char> = letters.clone().take(3).collect();
                match ahead.as_slice() {
                    ['\\', _, '\''] => drop((letters.next(), letters.next(), letters.next())),
                    [_, '\'', ..] => drop((letters.next(), letters.next())),
                    _ => {}
                }
            }
            other => bare.push(other),
        }
    }
    bare
}

fn functions() -> BTreeMap<String, Function> {
    let mut all = BTreeMap::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let code = bare(&std::fs::read_to_string(&path).unwrap());
        // Who acts was proved before; that is no grant.
        let code = code.replace("Actor::Bound {", "Actor::BoundBefore {");
        for (at, _) in code.match_indices("fn ") {
            let line = code[..at].rsplit('\n').next().unwrap().trim();
            let rest = &code[at + 3..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let (Some(open), end) = (rest.find('{'), rest.find(';')) else { continue };
            if name.is_empty() || end.is_some_and(|end| end < open) {
                continue;
            }
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_public = line.split_whitespace().next() == Some("pub");
            // Two functions of one name are judged together: the one that says less decides.
            let body = body(&rest[open..]);
            let entry = all.entry(name).or_insert_with(|| Function { file, is_public, body: String::new() });
            entry.is_public |= is_public;
            entry.body += &body;
        }
    }
    all
}

fn body(from_brace: &str) -> String {
    let mut depth = 0;
    let end = from_brace.find(|letter| {
        depth += match letter {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    from_brace[..end.unwrap()].to_owned()
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(sources(&path)),
            false => files.push(path),
        }
    }
    files
}

/// Where a name stands on its own, not as the end of a longer one.
fn first(body: &str, wanted: &str) -> Option<usize> {
    body.match_indices(wanted)
        .map(|(at, _)| at)
        .find(|at| !body[..*at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_'))
}

/// The doors, and the public functions that grant without asking.
fn judge(functions: &BTreeMap<String, Function>) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut grants: BTreeSet<String> = GRANTS.iter().map(|grant| (*grant).to_owned()).collect();
    let (mut doors, mut unasked) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let before = grants.len();
        for (name, function) in functions {
            let Some(granted) = grants.iter().filter_map(|grant| first(&function.body, grant)).min() else { continue };
            let asked = QUESTIONS.iter().filter_map(|question| first(&function.body, question)).min();
            if asked.is_some_and(|asked| asked < granted) {
                doors.insert(name.clone());
            } else if function.is_public {
                unasked.insert(format!("{} in {}", name, function.file));
            } else {
                grants.insert(format!("{name}("));
            }
        }
        if grants.len() == before {
            // What turned out to pass its duty on is no door.
            doors.retain(|door| !grants.contains(&format!("{door}(")));
            return (doors, unasked);
        }
    }
}

#[test]
fn every_grant_of_access_asks_first() {
    let functions = functions();
    assert!(functions.len() > 150, "only {} functions were found", functions.len());
    let (doors, unasked) = judge(&functions);
    assert!(unasked.is_empty(), "these hand something out and do not ask `access::standing` before: {unasked:?}");
    assert_eq!(doors, DOORS.iter().map(|door| (*door).to_owned()).collect(), "the doors have changed");
}

/// A test of the test: a door that does not ask is found, directly and through a helper.
#[test]
fn a_door_that_does_not_ask_is_found() {
    let mut functions = functions();
    let code = |is_public, body: &str| Function { file: "new.rs".into(), is_public, body: bare(body) };
    functions.insert("through".into(), code(false, "{ let a = '{'; tx.session_insert(&new).await?; }"));
    functions
        .insert("new_door".into(), code(true, "{ // standing(\n self.through(\"standing(\").await; standing(tx); }"));
    functions.insert("honest".into(), code(true, "{ standing(&mut tx, a, b).await?; self.through(x).await }"));
    functions.insert("notstanding".into(), code(true, "{ understanding(tx); Bound { user } }"));
    let (doors, unasked) = judge(&functions);
    assert!(doors.contains("honest"));
    assert_eq!(unasked, ["new_door in new.rs".to_owned(), "notstanding in new.rs".to_owned()].into());
}

/// Every verb that a door can call is named in this suite, or in that of the protocol it is for.
#[test]
fn every_verb_has_a_test() {
    const HERE: [&str; 11] = [
        "access.rs",
        "app_passwords/live.rs",
        "app_passwords/mod.rs",
        "bind.rs",
        "admin.rs",
        "factors.rs",
        "first_admin.rs",
        "hand_over.rs",
        "mail.rs",
        "sessions.rs",
        "sign_in.rs",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests: String =
        sources(&root.join("tests/verbs")).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut verbs = 0;
    for file in HERE {
        let code = bare(&std::fs::read_to_string(root.join("src").join(file)).unwrap());
        for start in ["    pub async fn ", "    pub fn "] {
            for rest in code.split(start).skip(1) {
                let name = rest.split(['(', '<']).next().unwrap();
                verbs += 1;
                assert!(tests.contains(&format!(".{name}(")), "{name} in {file} has no test");
            }
        }
    }
    assert!(verbs > 25, "only {verbs} verbs were found");
}
