//! The example file: made from the table of keys, so that no key, default or explanation in it can
//! be wrong. `ostiary check --example` prints it; a test compares it with `config.example.toml`, and
//! writes that anew when `OSTIARY_WRITE_EXAMPLE` is set.

use std::fmt::Write as _;

use super::keys::{CLIENT_KEYS, Key, SECTIONS, SITE_KEYS};
use super::{ClientConfig, Config, SiteEntry};

const HEAD: &str = "\
# Ostiary's settings: every key with its default. Copy what you change into ostiary.toml, beside
# which Ostiary is started, or name a file with --config. Without any file the defaults hold.
#
# Every key can also be set in the environment, as OSTIARY_SECTION__KEY, which wins over the file:
# OSTIARY_HTTP__LISTEN=127.0.0.1:9000. A key that may hold a secret can be read from a file
# instead: url_file = \"/run/secrets/database\", or OSTIARY_DATABASE__URL_FILE.
#
# Lengths of time are written \"30s\", \"15m\", \"12h\" or \"30d\". `ostiary check` tells all mistakes.
";

const SITES: &str = "\
\n# Further host names, each forwarded to a service of one's own. Repeat the whole block for each one.
# [[sites]]
";

const CLIENTS: &str = "\
\n# Applications that this file registers; they follow it at each start. Others are registered with
# `ostiary client add`. Repeat the whole block for each one.
# [[clients]]
";

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines() {
        let _ = writeln!(text, "# {line}");
    }
}

fn secret_words<T>(key: &Key<T>) -> String {
    if key.secret { format!(" Also {}_file.", key.name) } else { String::new() }
}

/// The text of `config.example.toml`.
pub(crate) fn example() -> String {
    let mut text = HEAD.to_owned();
    let defaults = Config::default();
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.doc);
        let _ = writeln!(text, "[{}]", section.name);
        for key in section.keys {
            comment(&mut text, &format!("{}{}", key.doc, secret_words(key)));
            let _ = writeln!(text, "{} = {}", key.name, (key.show)(&defaults));
        }
    }
    text.push_str(SITES);
    block(&mut text, SITE_KEYS, &sample_site());
    text.push_str(CLIENTS);
    block(&mut text, CLIENT_KEYS, &sample_client());
    text
}

/// One entry of a list, all of it in comments.
fn block<T>(text: &mut String, keys: &[Key<T>], sample: &T) {
    for key in keys {
        let doc = format!("{}{}", key.doc, secret_words(key));
        comment(text, &doc.lines().map(|line| format!("# {line}\n")).collect::<String>());
        let _ = match key.secret {
            true => writeln!(text, "# {}_file = \"/run/secrets/directus\"", key.name),
            false => writeln!(text, "# {} = {}", key.name, (key.show)(sample)),
        };
    }
}

fn sample_site() -> SiteEntry {
    SiteEntry {
        host: "wiki.example.org".to_owned(),
        upstream: "http://127.0.0.1:3000".parse().ok(),
        ..SiteEntry::default()
    }
}

fn sample_client() -> ClientConfig {
    ClientConfig {
        id: "directus".to_owned(),
        name: "Directus".to_owned(),
        redirect_uris: vec!["https://cms.example.org/auth/login/ostiary/callback".to_owned()],
        ..ClientConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::environment::variable;
    use super::super::problems::Problems;
    use super::super::read;
    use super::*;

    fn path() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config.example.toml")
    }

    #[test]
    fn the_example_is_what_the_table_says() {
        #[expect(clippy::disallowed_methods, reason = "asks whether to write the file anew")]
        if std::env::var_os("OSTIARY_WRITE_EXAMPLE").is_some() {
            std::fs::write(path(), example()).unwrap();
        }
        let file = std::fs::read_to_string(path()).unwrap();
        assert!(
            file == example(),
            "config.example.toml is behind the table of keys; OSTIARY_WRITE_EXAMPLE=1 cargo test -p ostiary-server example writes it anew"
        );
    }

    #[test]
    fn the_example_sets_every_key_to_its_default() {
        let file = std::fs::read_to_string(path()).unwrap();
        let parsed = read::read(Some((&path(), &file)), Vec::new(), Problems::default()).unwrap();
        let defaults = Config::default();
        for section in SECTIONS {
            for key in section.keys {
                let name = variable(section.name, key.name);
                assert_eq!((key.show)(&parsed), (key.show)(&defaults), "{name}");
                assert!(file.contains(&format!("\n{} = ", key.name)), "{name} is missing");
            }
        }
    }

    #[test]
    fn the_site_in_the_example_can_be_forwarded() {
        let file = std::fs::read_to_string(path()).unwrap();
        let block = file.split("# [[sites]]\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let block: String = block.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
        let text = format!("[[sites]]\n{block}");
        let parsed = read::read(Some((Path::new("block"), &text)), Vec::new(), Problems::default()).unwrap();
        assert_eq!(parsed.sites.len(), 1);
    }

    #[test]
    fn the_client_in_the_example_can_be_registered() {
        let file = std::fs::read_to_string(path()).unwrap();
        let block = file.split("# [[clients]]\n").nth(1).unwrap();
        let block: String = block.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
        let block =
            block.replace("secret_file = \"/run/secrets/directus\"", "secret = \"0123456789abcdef0123456789abcdef\"");
        let text = format!("[[clients]]\n{block}");
        let parsed = read::read(Some((Path::new("block"), &text)), Vec::new(), Problems::default()).unwrap();
        assert_eq!(parsed.clients.len(), 1);
    }
}
