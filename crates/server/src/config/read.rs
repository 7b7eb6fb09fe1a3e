//! From entries to a configuration: finds the key of each, reads the files of secrets, sets what
//! can be set, and collects what is wrong.

use std::path::Path;

use super::environment::{self, variable};
use super::file;
use super::keys::{CLIENT_KEYS, Key, SECTIONS, SITE_KEYS};
use super::problems::{Place, Problems, nearest};
use super::raw::Raw;
use super::{ClientConfig, Config, SiteEntry};

/// What is put after a secret's name for the file that holds it.
const FILE: &str = "_file";

/// Secrets are short; a larger file is not one.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// A key and its value, as found.
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) raw: Raw,
}

/// An entry whose key is known.
struct Given<T: 'static> {
    key: &'static Key<T>,
    entry: Entry,
    from_file: bool,
}

/// Reads file and environment, to which `problems` already has something to say or not.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn read(
    file: Option<(&Path, &str)>,
    variables: Vec<(String, String)>,
    mut problems: Problems,
) -> Result<Config, Problems> {
    let document = file.map(|(path, text)| file::document(path, text, &mut problems)).unwrap_or_default();
    let mut config = Config::default();
    let mut given = resolve(document.entries, &mut problems, config_key, unknown_key);
    let variables = environment::entries(variables, &known_variables(), &mut problems);
    let overriding = resolve(variables, &mut problems, config_key, unknown_key);
    given.retain(|given| !overriding.iter().any(|over| std::ptr::eq(over.key, given.key)));
    given.extend(overriding);
    for given in &given {
        set(&mut config, given, &mut problems);
        config.places.push((given.entry.section.clone(), given.key.name.to_owned(), given.entry.place.clone()));
    }
    for (place, entries) in document.clients {
        if let Some(client) = client(place, entries, &mut problems) {
            config.clients.push(client);
        }
    }
    for (place, entries) in document.sites {
        config.sites.extend(site(place, entries, &mut problems));
    }
    config.check(&mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn client(place: Place, entries: Vec<Entry>, problems: &mut Problems) -> Option<ClientConfig> {
    let mut client = ClientConfig::default();
    let mut all_set = true;
    for given in resolve(entries, problems, client_key, unknown_client_key) {
        all_set &= set(&mut client, &given, problems);
    }
    if all_set && let Some(problem) = client.problem() {
        problems.at(&place, format_args!("[[clients]] {:?} cannot be registered: {problem}", client.id));
    }
    client.place = Some(place);
    all_set.then_some(client)
}

fn site(place: Place, entries: Vec<Entry>, problems: &mut Problems) -> Option<SiteEntry> {
    let mut site = SiteEntry { place: Some(place), ..SiteEntry::default() };
    let mut all_set = true;
    for given in resolve(entries, problems, site_key, unknown_site_key) {
        all_set &= set(&mut site, &given, problems);
    }
    all_set.then_some(site)
}

/// Finds the key of each entry; an entry that has none, or has its value twice, is a problem.
fn resolve<T>(
    entries: Vec<Entry>,
    problems: &mut Problems,
    find: fn(&str, &str) -> Option<&'static Key<T>>,
    unknown: fn(&str, &str) -> String,
) -> Vec<Given<T>> {
    let mut found: Vec<Given<T>> = Vec::new();
    for entry in entries {
        let direct = find(&entry.section, &entry.key);
        let secret =
            || entry.key.strip_suffix(FILE).and_then(|name| find(&entry.section, name)).filter(|key| key.secret);
        let (key, from_file) = match (direct, secret()) {
            (Some(key), _) => (key, false),
            (None, Some(key)) => (key, true),
            (None, None) => {
                problems.at(&entry.place, unknown(&entry.section, &entry.key));
                continue;
            }
        };
        if found.iter().any(|given| std::ptr::eq(given.key, key)) {
            problems.at(&entry.place, format_args!("{0} and {0}{FILE} are both set; leave one of them out", key.name));
            continue;
        }
        found.push(Given { key, entry, from_file });
    }
    found
}

/// Sets one key. False, with a problem, when its value cannot be taken.
fn set<T>(target: &mut T, given: &Given<T>, problems: &mut Problems) -> bool {
    let Given { key, entry, from_file } = given;
    let content;
    let raw = if *from_file {
        match secret_file(&entry.raw) {
            Ok(text) => {
                content = Raw::Untyped(text);
                &content
            }
            Err(problem) => {
                problems.at(&entry.place, format_args!("[{}] {} {problem}", entry.section, entry.key));
                return false;
            }
        }
    } else {
        &entry.raw
    };
    let Err(allowed) = (key.set)(target, raw) else { return true };
    if key.secret {
        // The value may hold a password, so it is not repeated.
        problems.at(&entry.place, format_args!("[{}] {} cannot be used: {allowed}", entry.section, entry.key));
    } else {
        problems.at(&entry.place, format_args!("[{}] {} is {raw}; allowed is {allowed}", entry.section, entry.key));
    }
    false
}

fn secret_file(raw: &Raw) -> Result<String, String> {
    let path = match raw {
        Raw::Text(path) | Raw::Untyped(path) if !path.is_empty() => path,
        other => return Err(format!("is {other}; allowed is the path of a file")),
    };
    let size = std::fs::metadata(path).map_err(|error| format!("names {path:?}, which cannot be read: {error}"))?.len();
    if size > MAX_SECRET_FILE {
        return Err(format!("names {path:?}, which is too large to be a secret"));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("names {path:?}, which cannot be read: {error}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("names {path:?}, which is empty")),
        text => Ok(text.to_owned()),
    }
}

fn config_key(section: &str, key: &str) -> Option<&'static Key<Config>> {
    SECTIONS.iter().find(|known| known.name == section)?.keys.iter().find(|known| known.name == key)
}

fn client_key(_section: &str, key: &str) -> Option<&'static Key<ClientConfig>> {
    CLIENT_KEYS.iter().find(|known| known.name == key)
}

fn site_key(_section: &str, key: &str) -> Option<&'static Key<SiteEntry>> {
    SITE_KEYS.iter().find(|known| known.name == key)
}

fn unknown_key(section: &str, key: &str) -> String {
    let elsewhere = SECTIONS.iter().find(|known| known.keys.iter().any(|known| known.name == key));
    if let Some(elsewhere) = elsewhere {
        return format!("there is no key {key} in [{section}]; it belongs under [{}]", elsewhere.name);
    }
    let keys = SECTIONS.iter().find(|known| known.name == section).map_or(&[][..], |known| known.keys);
    let nearest = nearest(key, names(keys).iter().map(String::as_str)).unwrap_or_default().to_owned();
    format!("there is no key {key} in [{section}]; the nearest is {nearest}")
}

fn unknown_client_key(_section: &str, key: &str) -> String {
    let nearest = nearest(key, names(CLIENT_KEYS).iter().map(String::as_str)).unwrap_or_default().to_owned();
    format!("there is no key {key} in [[clients]]; the nearest is {nearest}")
}

fn unknown_site_key(_section: &str, key: &str) -> String {
    let nearest = nearest(key, SITE_KEYS.iter().map(|known| known.name)).unwrap_or_default();
    format!("there is no key {key} in [[sites]]; the nearest is {nearest}")
}

/// The names of `keys`, with those for the files of secrets.
fn names<T>(keys: &[Key<T>]) -> Vec<String> {
    keys.iter()
        .flat_map(|key| [Some(key.name.to_owned()), key.secret.then(|| format!("{}{FILE}", key.name))])
        .flatten()
        .collect()
}

fn known_variables() -> Vec<String> {
    SECTIONS
        .iter()
        .flat_map(|section| names(section.keys).into_iter().map(|name| variable(section.name, &name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(Some((Path::new("ostiary.toml"), text)), variables, Problems::default())
            .map_err(|problems| problems.to_string())
    }

    fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
        with(text, variables).err().unwrap_or_default()
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = with(
            "[http]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"warn\"\n",
            &[("OSTIARY_HTTP__LISTEN", "127.0.0.1:2"), ("OSTIARY_SITE__ORG_NAME", "Example")],
        )
        .unwrap();
        assert_eq!(config.http.listen, ["127.0.0.1:2".parse().unwrap()]);
        assert_eq!(config.site.org_name, "Example");
        assert_eq!(config.log.level, super::super::LogLevel::Warn);
    }

    #[test]
    fn every_mistake_is_told_with_place_finding_and_remedy() {
        let text = "port = 1\n[htp]\nlisten = 1\n[http]\nlisen = \"127.0.0.1:1\"\nlevel = \"info\"\nlisten = \"localhost\"\n\
                    [lockout]\nwindow = \"10 minutes\"\nper_account = -1\n";
        let told = complaint(
            text,
            &[("OSTIARY_LOG__LEVEL", "loud"), ("OSTIARY_LOG__LEVLE", "info"), ("OSTIARY_LOG_FORMAT", "json")],
        );
        for part in [
            "has 10 errors:",
            "ostiary.toml, line 1: port stands outside of any section; every key belongs under one, such as [site]",
            "ostiary.toml, line 2: there is no section [htp]; the nearest is [http]",
            "ostiary.toml, line 5: there is no key lisen in [http]; the nearest is listen",
            "ostiary.toml, line 6: there is no key level in [http]; it belongs under [log]",
            "ostiary.toml, line 7: [http] listen is \"localhost\"; allowed is an address and a port such as \"127.0.0.1:8080\"",
            "ostiary.toml, line 9: [lockout] window is \"10 minutes\"; allowed is a length of time such as \"30s\"",
            "ostiary.toml, line 10: [lockout] per_account is -1; allowed is a whole number, 1 or more",
            "OSTIARY_LOG__LEVEL: [log] level is \"loud\"; allowed is \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
            "OSTIARY_LOG__LEVLE: there is no such setting; the nearest is OSTIARY_LOG__LEVEL",
            "OSTIARY_LOG_FORMAT: there is no such setting; OSTIARY_LOG__FORMAT has two underscores",
        ] {
            assert!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
    }

    #[test]
    fn what_is_judged_together_has_its_place_too() {
        let told = complaint(
            "[site]\ndomain = \"Example\"\n[mail]\nfrom = \"me\"\n",
            &[("OSTIARY_PASSWORD_POLICY__MIN_LENGTH", "4")],
        );
        for part in [
            "ostiary.toml, line 2: [site] domain is \"Example\"; allowed is a domain name",
            "ostiary.toml, line 4: [mail] from is \"me\"; allowed is an e-mail address",
            "OSTIARY_PASSWORD_POLICY__MIN_LENGTH: [password_policy] min_length is 4; allowed is 8 to 64",
        ] {
            assert!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
    }

    #[test]
    fn names_that_container_systems_make_are_left_alone() {
        assert!(
            with("", &[("OSTIARY_SERVICE_HOST", "10.0.0.1"), ("OSTIARY_PORT_8080_TCP", "tcp://10.0.0.1:8080")]).is_ok()
        );
    }

    #[test]
    fn broken_toml_is_told_with_its_line() {
        let told = complaint("[http]\nlisten = \n[log\n", &[]);
        assert!(told.contains("ostiary.toml, line 2: ") && told.contains("ostiary.toml, line 3: "), "{told}");
    }

    #[test]
    fn a_secret_may_come_from_a_file_and_is_never_repeated() {
        let folder = std::env::temp_dir().join(format!("ostiary-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (good, empty) = (folder.join("good"), folder.join("empty"));
        std::fs::write(&good, "postgres://u:hunter2@db/x\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let path = |path: &Path| path.to_str().unwrap().to_owned();

        assert!(with("", &[("OSTIARY_DATABASE__URL_FILE", &path(&good))]).unwrap().database.is_some());
        assert!(with(&format!("[database]\nurl_file = {:?}\n", path(&good)), &[]).unwrap().database.is_some());
        let both = complaint(&format!("[database]\nurl = \"sqlite:x\"\nurl_file = {:?}\n", path(&good)), &[]);
        assert!(both.contains("line 3: url and url_file are both set; leave one of them out"), "{both}");
        let told =
            complaint("", &[("OSTIARY_DATABASE__URL_FILE", &path(&empty)), ("OSTIARY_CACHE__URL_FILE", "/nowhere")]);
        assert!(told.contains("which is empty") && told.contains("which cannot be read"), "{told}");
        let told =
            complaint("[database]\nurl = \"mysql://u:hunter2@db/x\"\n[mail]\nurl = \"http://u:hunter2@h\"\n", &[]);
        assert!(
            told.contains("[database] url cannot be used: ") && told.contains("[mail] url cannot be used: "),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn clients_are_read_and_checked() {
        let good = "[[clients]]\nid = \"directus\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
                    redirect_uris = [\"https://cms.example.org/auth/login/x/callback\"]\nconsent_remember = \"never\"\n";
        let config = with(good, &[]).unwrap();
        let client = config.clients.first().unwrap().to_configured().client;
        assert_eq!((client.name.as_str(), client.remember, client.public), ("directus", None, false));
        let told = complaint(
            &format!("{good}[[clients]]\nid = \"x\"\npublic = true\nsecre = 1\n[[clients]]\nid = \"y\"\n"),
            &[],
        );
        assert!(told.contains("line 9: there is no key secre in [[clients]]; the nearest is secret"), "{told}");
        assert!(
            told.contains("line 10: [[clients]] \"y\" cannot be registered: a client needs at least one redirect URI"),
            "{told}"
        );
        let told = complaint(&format!("{good}{good}"), &[]);
        assert!(told.contains("line 6: [[clients]] \"directus\" is there twice"), "{told}");
    }
}
