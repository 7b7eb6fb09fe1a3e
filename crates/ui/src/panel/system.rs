//! How it stands with what Ostiary itself needs: certificates, database, cache. Shows what is known
//! at this moment, and keeps no history.

use askama::Template;
use axum::Extension;
use axum::response::Response;
use ostiary_app::{Health, Part};
use ostiary_httpkit::CertificatesShown;
use ostiary_model::{CertificateStanding, CertificateState, Span, Timestamp};
use url::Url;

use super::badges::Badge;
use super::keeper::{Keeper, Rail, Section};
use crate::frame::Frame;
use crate::words::{self, When};

/// Nearer than this the day alone does not say enough.
const SOON: Span = Span::from_days(2);
/// So many names of a certificate are shown.
const SHOWN_NAMES: usize = 2;

/// How certificates that this server makes itself are marked.
const HOUSE: &str = "internal";

const TO_FILES: &str = "Put a good certificate and its key where the configuration names them. They are taken up at \
    once, without a restart.";
const TO_ORDERS: &str = "When this goes on, check that these names lead to this machine from the internet, and what \
    [acme] says in the configuration.";

/// The page.
#[derive(Template)]
#[template(path = "panel/system.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) attention: Vec<Attention>,
    pub(crate) certificates: Vec<Certificate>,
    /// What there is to say of HTTPS when there are no certificates.
    pub(crate) without: &'static str,
    pub(crate) parts: Vec<Underlying>,
    pub(crate) version: &'static str,
    pub(crate) checked: When,
}

/// Something that somebody should look after.
pub(crate) struct Attention {
    pub(crate) words: String,
    pub(crate) href: String,
    pub(crate) link: &'static str,
}

/// Something that is told on other pages as well.
pub(crate) struct Pressing {
    pub(crate) title: String,
    pub(crate) words: Option<String>,
}

/// A certificate in the list.
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) title: &'static str,
    pub(crate) names: String,
    pub(crate) badge: Badge,
    /// What follows the names.
    pub(crate) state: String,
    /// When it renews itself.
    pub(crate) renews: Option<Renewal>,
    /// Who issued it.
    pub(crate) from: Option<String>,
    /// What went wrong last.
    pub(crate) problem: Option<String>,
    pub(crate) next_attempt: Option<When>,
    /// What to do.
    pub(crate) advice: &'static str,
    pub(crate) left: Option<Left>,
    /// Of a root that can be downloaded: its fingerprint (SHA-256).
    pub(crate) fingerprint: Option<String>,
}

/// When a certificate renews itself.
pub(crate) struct Renewal {
    /// "on 21 January 2027", "in 5 hours".
    pub(crate) words: String,
    pub(crate) when: When,
}

/// What is left of a certificate's life.
pub(crate) struct Left {
    pub(crate) value: i64,
    pub(crate) max: i64,
    /// "89 of 90 days".
    pub(crate) words: String,
}

/// What Ostiary is built on.
pub(crate) struct Underlying {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) badge: Badge,
    pub(crate) words: String,
    pub(crate) more: &'static str,
}

/// The page.
pub(crate) async fn show(keeper: Keeper, Extension(certificates): Extension<CertificatesShown>) -> Response {
    let (now, states, health) = (keeper.door.ctx.now, certificates.now(), keeper.app().health().await);
    let is_https = keeper.app().settings().site.accounts_url.scheme() == "https";
    let root = certificates.root();
    let certificates = states.iter().enumerate().map(|(index, state)| Certificate {
        fingerprint: root.clone().filter(|_| source(state) == Source::Root),
        ..certificate(index, state, now)
    });
    keeper.ok(&Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::System).at_start(),
        attention: attention(&states, health, now),
        certificates: certificates.collect(),
        without: if is_https { "HTTPS is done by another program" } else { "There is no HTTPS" },
        parts: vec![database(health.database), cache(health.cache)],
        version: env!("CARGO_PKG_VERSION"),
        checked: When::new(now, now),
    })
}

/// What administrators are told on their first page, when a certificate cannot wait.
pub(super) fn pressing(states: &[CertificateState], now: Timestamp) -> Option<Pressing> {
    let pressing: Vec<_> = states.iter().filter(|state| state.is_pressing(now)).collect();
    match pressing.as_slice() {
        [] => None,
        [one] => Some(Pressing { title: "A certificate needs attention".to_owned(), words: concern(one, now) }),
        many => {
            let count = words::count(many.len(), "certificate", "certificates");
            Some(Pressing { title: format!("{count} need attention"), words: None })
        }
    }
}

fn attention(states: &[CertificateState], health: Health, now: Timestamp) -> Vec<Attention> {
    let of_certificates = states.iter().enumerate().filter_map(|(index, state)| {
        let href = format!("#{}", id(index));
        Some(Attention { words: concern(state, now)?, href, link: "Look at the certificate" })
    });
    let of_parts = [
        (health.database, "#database", "Nothing can be saved, and nobody can sign in.", "Look at the database"),
        (health.cache, "#cache", "Sign-in goes on, slower.", "Look at the cache"),
    ];
    let of_parts = of_parts.into_iter().filter(|(part, ..)| !part.answers).map(|(part, href, so, link)| Attention {
        words: format!("{} does not answer. {so}", part.kind),
        href: href.to_owned(),
        link,
    });
    of_certificates.chain(of_parts).collect()
}

/// What is wrong with a certificate, in a sentence or two.
fn concern(state: &CertificateState, now: Timestamp) -> Option<String> {
    let names = named(&state.names);
    match state.standing(now) {
        CertificateStanding::Troubled if source(state) == Source::Root => {
            Some(format!("The root certificate of the house is {} alone.", valid(state, now)))
        }
        CertificateStanding::Good => None,
        CertificateStanding::Troubled => {
            Some(format!("The certificate of {names} could not be renewed. It is {}.", valid(state, now)))
        }
        CertificateStanding::Missing => {
            Some(format!("There is no certificate for {names}. Browsers and programs cannot connect safely."))
        }
        CertificateStanding::Ended => {
            Some(format!("The certificate of {names} is over. Browsers and programs turn away."))
        }
    }
}

fn certificate(index: usize, state: &CertificateState, now: Timestamp) -> Certificate {
    let standing = state.standing(now);
    let (role, words) = match standing {
        CertificateStanding::Good => ("good", "Good"),
        CertificateStanding::Troubled => ("warn", "Needs attention"),
        CertificateStanding::Missing => ("bad", "Missing"),
        CertificateStanding::Ended => ("bad", "Ended"),
    };
    let source = source(state);
    let advice = match (source, standing, state.last_error.is_some()) {
        (Source::Root, ..) => "Every machine that is to come in has to trust it",
        (Source::Files, CertificateStanding::Good, _) => "A new one in its place is taken up at once",
        (Source::Files, ..) => TO_FILES,
        (Source::Authority, _, true) => TO_ORDERS,
        (Source::Authority, CertificateStanding::Missing, false) => "It is being ordered",
        (Source::Authority, ..) | (Source::House, ..) => "",
    };
    Certificate {
        id: id(index),
        title: if source == Source::Root { "Root certificate" } else { "Certificate" },
        names: named(&state.names),
        badge: Badge { role, words: words.to_owned() },
        state: match state.not_after {
            None => "no certificate".to_owned(),
            Some(end) if end <= now => format!("ended {}", When::new(now, end).relative),
            Some(_) => valid(state, now),
        },
        renews: state.renew_at.filter(|_| standing == CertificateStanding::Good).map(|at| renewal(at, now)),
        from: state.issuer.as_deref().filter(|_| source != Source::Root).map(issuer),
        problem: state.last_error.clone(),
        next_attempt: state.next_attempt.filter(|at| *at > now).map(|at| When::new(now, at)),
        advice,
        left: left(state, now),
        fingerprint: None,
    }
}

/// Who sees to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// An authority is asked for it.
    Authority,
    /// This server makes it.
    House,
    /// What the certificates that this server makes are trusted by.
    Root,
    /// Somebody else puts it here.
    Files,
}

fn source(state: &CertificateState) -> Source {
    match state.issuer.as_deref() {
        Some(HOUSE) if state.renew_at.is_none() => Source::Root,
        Some(HOUSE) => Source::House,
        Some(name) if Url::parse(name).is_ok() => Source::Authority,
        Some(_) => Source::Files,
        // What went wrong says itself what is to be done, unless it is tried again.
        None if state.last_error.is_some() && state.next_attempt.is_none() => Source::House,
        None => Source::Authority,
    }
}

fn id(index: usize) -> String {
    format!("certificate-{}", index + 1)
}

/// "accounts.example.org and directory.example.org", "a.example.org and 4 more names".
fn named(names: &[String]) -> String {
    match names {
        [first, rest @ ..] if names.len() > SHOWN_NAMES => {
            format!("{first} and {}", words::count(rest.len(), "more name", "more names"))
        }
        few => words::listed(few),
    }
}

/// Authorities are known by the address of their directory, files by their path.
fn issuer(name: &str) -> String {
    if name == HOUSE {
        return "this server itself".to_owned();
    }
    let host = Url::parse(name).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| name.to_owned())
}

fn renewal(at: Timestamp, now: Timestamp) -> Renewal {
    let when = When::new(now, at);
    let words = match at {
        _ if at <= now => "now".to_owned(),
        _ if at < now + SOON => when.relative.clone(),
        _ => format!("on {}", when.day),
    };
    Renewal { words, when }
}

/// "valid for 89 more days". Whole days only: there is at least as much as it says.
fn valid(state: &CertificateState, now: Timestamp) -> String {
    let left = state.not_after.map_or(Span::ZERO, |end| end.since(now)).as_secs();
    let (unit, name) = unit(Span::from_secs(u32::try_from(left).unwrap_or(u32::MAX)));
    let count = usize::try_from(left / unit).unwrap_or(0);
    format!("valid for {}", words::count(count, &format!("more {name}"), &format!("more {name}s")))
}

/// What is left of a life, in the unit that fits the whole of it.
fn left(state: &CertificateState, now: Timestamp) -> Option<Left> {
    let (begin, end) = state.not_before.zip(state.not_after)?;
    let (unit, name) = unit(end.since(begin));
    // Authorities leave out the last second of a life.
    let max = (end.since(begin).as_secs() + unit / 2) / unit;
    let value = (end.since(now).as_secs().max(0) / unit).min(max);
    Some(Left { value, max, words: format!("{value} of {max} {name}s") })
}

/// The unit, in seconds, in which a length of time is told, and its name.
const fn unit(length: Span) -> (i64, &'static str) {
    match length.as_secs() {
        ..7_200 => (60, "minute"),
        7_200..172_800 => (3_600, "hour"),
        172_800..63_072_000 => (86_400, "day"),
        // With a quarter of a day for leap years.
        _ => (31_557_600, "year"),
    }
}

fn database(part: Part) -> Underlying {
    let words = if part.kind == "SQLite" { "SQLite, in a file on this machine" } else { part.kind };
    Underlying { id: "database", title: "Database", badge: answering(part), words: words.to_owned(), more: "" }
}

fn cache(part: Part) -> Underlying {
    let (words, more) = match part.kind {
        "Memory" => ("The memory of this server", "Enough for one server; several share a Redis"),
        kind => (kind, "Without it sign-in goes on, slower"),
    };
    Underlying { id: "cache", title: "Cache", badge: answering(part), words: words.to_owned(), more }
}

fn answering(part: Part) -> Badge {
    let (role, words) = if part.answers { ("good", "Good") } else { ("bad", "Does not answer") };
    Badge { role, words: words.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::NOW;

    fn state(left: Option<Span>, error: Option<&str>) -> CertificateState {
        let end = left.map(|left| NOW + left);
        CertificateState {
            names: vec!["accounts.example.org".to_owned(), "directory.example.org".to_owned()],
            issuer: Some("https://acme.example.net/directory".to_owned()),
            not_before: end.map(|end| end - Span::from_days(90)),
            not_after: end,
            renew_at: end.map(|end| end - Span::from_days(30)),
            last_error: error.map(str::to_owned),
            next_attempt: error.map(|_| NOW + Span::from_mins(6)),
        }
    }

    #[test]
    fn a_certificate_is_told_with_what_is_left_of_it() {
        let good = certificate(0, &state(Some(Span::from_secs(90 * 86_400 - 1)), None), NOW);
        assert_eq!((good.badge.role, good.state.as_str(), good.advice), ("good", "valid for 89 more days", ""));
        assert_eq!(good.names, "accounts.example.org and directory.example.org");
        assert_eq!(good.from.as_deref(), Some("acme.example.net"));
        assert_eq!(good.renews.map(|renewal| renewal.words).as_deref(), Some("on 21 January 2027"));
        let left = good.left.unwrap();
        assert_eq!((left.value, left.max, left.words.as_str()), (89, 90, "89 of 90 days"));

        let troubled = certificate(1, &state(Some(Span::from_hours(5)), Some("no answer")), NOW);
        assert_eq!((troubled.badge.role, troubled.state.as_str()), ("warn", "valid for 5 more hours"));
        assert_eq!((troubled.id.as_str(), troubled.problem.as_deref()), ("certificate-2", Some("no answer")));
        assert_eq!(troubled.next_attempt.unwrap().relative, "in 6 minutes");
        assert!(troubled.renews.is_none() && troubled.advice.contains("lead to this machine"));

        let ended = certificate(0, &state(Some(Span::ZERO), Some("no answer")), NOW);
        assert_eq!((ended.badge.role, ended.state.as_str()), ("bad", "ended just now"));
        assert_eq!(ended.left.map(|left| left.value), Some(0));

        let missing = certificate(0, &state(None, None), NOW);
        assert_eq!((missing.badge.words.as_str(), missing.advice), ("Missing", "It is being ordered"));
        assert!(missing.left.is_none());
    }

    #[test]
    fn files_are_somebodys_own_work() {
        let from_files = |error: Option<&str>| {
            let state = CertificateState {
                issuer: Some("/etc/ostiary/c.pem".to_owned()),
                renew_at: None,
                next_attempt: None,
                ..state(Some(Span::from_days(5)), error)
            };
            certificate(0, &state, NOW)
        };
        assert_eq!(from_files(None).advice, "A new one in its place is taken up at once");
        assert_eq!(from_files(Some("broken")).advice, TO_FILES);
        assert_eq!(from_files(None).from.as_deref(), Some("/etc/ostiary/c.pem"));
    }

    #[test]
    fn the_root_of_the_house_is_for_machines_to_trust() {
        let of_house = |renew_at, error: Option<&str>| CertificateState {
            issuer: Some(HOUSE.to_owned()),
            renew_at,
            next_attempt: None,
            ..state(Some(Span::from_days(10)), error)
        };
        let root = certificate(0, &of_house(None, None), NOW);
        assert_eq!((root.title, root.from), ("Root certificate", None));
        assert!(root.advice.contains("trust it"));
        let leaf = certificate(0, &of_house(Some(NOW), None), NOW);
        assert_eq!((leaf.title, leaf.advice, leaf.from.as_deref()), ("Certificate", "", Some("this server itself")));
        let told = pressing(&[of_house(None, Some("it ends"))], NOW).unwrap();
        assert_eq!(told.words.unwrap(), "The root certificate of the house is valid for 10 more days alone.");
        let unmade = CertificateState { issuer: None, ..of_house(None, Some("no key")) };
        assert_eq!(certificate(0, &CertificateState { not_after: None, ..unmade }, NOW).advice, "");
    }

    #[test]
    fn short_lives_are_told_in_short_units() {
        let life = |length: Span, left: Span| {
            let state = CertificateState {
                not_before: Some(NOW + left - length),
                not_after: Some(NOW + left),
                ..state(Some(left), None)
            };
            super::left(&state, NOW).unwrap().words
        };
        assert_eq!(life(Span::from_hours(160), Span::from_hours(80)), "3 of 7 days");
        assert_eq!(life(Span::from_hours(12), Span::from_mins(119)), "1 of 12 hours");
        assert_eq!(life(Span::from_days(4_017), Span::from_days(3_651)), "9 of 11 years");
        assert_eq!(life(Span::from_mins(60), Span::from_mins(30)), "30 of 60 minutes");
    }

    #[test]
    fn administrators_hear_at_once_of_what_cannot_wait() {
        let days = |days, error| state(Some(Span::from_days(days)), error);
        assert!(pressing(&[days(60, None), days(60, Some("no answer"))], NOW).is_none());
        let told = pressing(&[days(60, None), days(13, Some("no answer"))], NOW).unwrap().words.unwrap();
        assert!(told.ends_with("could not be renewed. It is valid for 13 more days."), "{told}");
        let told = pressing(&[state(None, Some("no answer"))], NOW).unwrap();
        assert!(
            told.words
                .unwrap()
                .starts_with("There is no certificate for accounts.example.org and directory.example.org.")
        );
        let told = pressing(&[days(0, None), state(None, None)], NOW).unwrap();
        assert_eq!((told.title.as_str(), told.words), ("2 certificates need attention", None));
    }

    #[test]
    fn everything_that_is_wrong_needs_attention() {
        let part = |kind, answers| Part { kind, answers };
        let health = Health { database: part("PostgreSQL", true), cache: part("Redis", false) };
        let states = [state(Some(Span::from_days(60)), None), state(Some(Span::from_days(60)), Some("no answer"))];
        let told = attention(&states, health, NOW);
        let hrefs: Vec<&str> = told.iter().map(|one| one.href.as_str()).collect();
        assert_eq!(hrefs, ["#certificate-2", "#cache"]);
        assert_eq!(told[1].words, "Redis does not answer. Sign-in goes on, slower.");
    }

    #[test]
    fn many_names_are_not_all_listed() {
        let names: Vec<String> = (1..=4).map(|number| format!("{number}.example.org")).collect();
        assert_eq!(named(&names), "1.example.org and 3 more names");
        assert_eq!(named(&names[..1]), "1.example.org");
    }
}
