//! Holding back guesses, of passwords, of app passwords and of codes. Each kind is counted for
//! itself: a right app password makes no wrong guess at the main one good.
//!
//! A guess is counted before it is looked at and given back when it was right, so that a hundred
//! guesses at the same moment are a hundred guesses. Four counters: the address (stops one who
//! tries many accounts; first, so that a flood leaves nothing else behind), the name as it was
//! typed from there, the account from there (one person is one, whatever they were called), and
//! the account from anywhere (stops many guessers).
//!
//! What people are told comes from the first two alone: else the number of tries left would tell
//! that two spellings are one account. Over the other two the answer is "no match", whatever was
//! typed. An unknown name has all four, so that it takes as long.
//!
//! Who signed in from an address before is not held back there by what others guess elsewhere. What
//! others guess from the same address holds them back: where many come from one, such as a program
//! that binds as its users, a stranger there can keep a person's password, and the program's own
//! service account, paused. The right app password alone is never held back: it is looked for
//! before anything is counted (`App::bind`). Of codes, a day's wrong ones are counted from an
//! address as from anywhere, since a home may be the guesser's home as well.
//!
//! Guesses under one name from one address take turns: a program that opens ten connections at
//! once with the right password is ten right guesses, not five and a pause. A turn lasts until the
//! guess is answered, whatever the answer, and two names never wait for each other: how long
//! others wait tells nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ostiary_model::{Ctx, Folded, Generation, Span, Timestamp, UserId};
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

use crate::tokens::token_hash;
use crate::{App, Trouble};

/// Turnstiles that nobody stands at are swept out when there are more than this.
const SWEEP: usize = 1024;

/// Guesses that may stand at one turnstile.
const QUEUE: usize = 64;

/// Wrong codes from anywhere, and as many from each home, that are looked at within
/// [`CODES_WINDOW`]: of a million codes three are right at a time, so that a year of guessing finds
/// one in ten (NIST SP 800-63B-4 section 3.2.2 asks for no more than a hundred in a row).
const CODES: i64 = 100;
/// How long wrong codes from anywhere count.
pub(crate) const CODES_WINDOW: Span = Span::from_hours(24);

/// How long an address counts as one that somebody signs in from, after the last time.
const AT_HOME: Span = Span::from_days(30);

/// Whose guesses are counted: one identity for each account, whatever it was called.
#[derive(Debug, Clone)]
pub(crate) enum Suspect {
    /// An account that a name led to, of the generation that is guessed at: an administrator who
    /// sets a password, resets factors or opens the account again raises it, and so ends every
    /// pause at once.
    Named(Folded, UserId, Generation),
    /// The authenticator app of an account, by when it was set up; `None` for one that is being
    /// set up. Not by the generation: whoever may set a password would begin the count anew.
    Authenticator(UserId, Option<Timestamp>),
    /// A name that no account has.
    Unknown(Folded),
}

/// What is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// An account's own password.
    Password,
    /// An app password.
    AppPassword,
    /// A code of the second factor.
    Code,
}

/// Where a guess stands.
pub(crate) enum Throttle {
    /// It may be looked at.
    Go(Counted),
    /// It must not be looked at, and that may be said.
    Paused,
    /// It must not be looked at, and is to be answered like a wrong one.
    Silent {
        /// Guesses left under the name that was typed.
        left: u32,
        /// To be kept until the answer is ready.
        turn: Turn,
    },
}

/// The next guess at the same account from the same address waits until this is dropped.
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

/// A guess that is counted as a wrong one until it turns out otherwise.
pub(crate) struct Counted {
    /// Guesses left from here after this one, should it be wrong.
    pub(crate) left: u32,
    names: Names,
    _turn: Turn,
}

/// The counters that a guess is counted by. Names that people typed are hashed: they may be long,
/// and may be a password in the wrong field.
struct Names {
    guess: Guess,
    address: Option<String>,
    spelled: Option<String>,
    pair: String,
    /// Codes from there, as long as those from anywhere count.
    day: Option<String>,
    account: String,
    home: String,
}

impl Names {
    fn of(ctx: &Ctx, guess: Guess, suspect: &Suspect, is_shared: bool) -> Self {
        let (kind, network) = (kind(guess), network(ctx.address));
        let spell = |name: &Folded, generation: i64| {
            let print = fingerprint(name.as_str());
            format!("{kind}:name:{print}:{generation}@{network}")
        };
        // The name is counted with the generation, too, so that what ends an account's pause ends
        // this one as well.
        let (spelled, whose, since) = match suspect {
            Suspect::Named(name, id, generation) => (Some(spell(name, generation.0)), id.to_string(), generation.0),
            Suspect::Authenticator(id, since) => (None, id.to_string(), since.map_or(0, Timestamp::as_micros)),
            Suspect::Unknown(name) => (Some(spell(name, 0)), fingerprint(name.as_str()), 0),
        };
        let account = format!("{kind}:user:{whose}:{since}");
        // A new password takes nobody's home from them, but where codes of one app were right is no
        // home to the next. That one is of this moment when the code that sets it up is right.
        let home = match suspect {
            Suspect::Authenticator(_, since) => format!("{whose}:{}", since.unwrap_or(ctx.now).as_micros()),
            Suspect::Named(..) | Suspect::Unknown(_) => whose,
        };
        Self {
            guess,
            address: (!is_shared).then(|| format!("{kind}:address:{network}")),
            spelled,
            pair: format!("{account}@{network}"),
            day: (guess == Guess::Code).then(|| format!("{account}@{network}:day")),
            account,
            home: format!("{kind}:home:{home}@{network}"),
        }
    }

    fn turn(&self) -> &str {
        self.spelled.as_deref().unwrap_or(&self.pair)
    }
}

/// Where guesses take turns, in this process: of several processes each lets one through at a
/// time, and the counters hold for all.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Turnstile<()>>>>);

impl Turns {
    /// Waits for its turn; too long a queue is told at once.
    async fn take(&self, whose: &str) -> Result<Turn, Trouble> {
        let turnstile = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > SWEEP {
                turns.retain(|_, turnstile| turnstile.strong_count() > 0);
            }
            match turns.get(whose).and_then(Weak::upgrade) {
                Some(turnstile) => turnstile,
                None => {
                    let turnstile = Arc::default();
                    turns.insert(whose.to_owned(), Arc::downgrade(&turnstile));
                    turnstile
                }
            }
        };
        if Arc::strong_count(&turnstile) > QUEUE {
            return Err(Trouble::Busy);
        }
        Ok(Turn { _guard: turnstile.lock_owned().await })
    }
}

impl App {
    /// Counts a guess and says whether it may be looked at.
    pub(crate) async fn guess(&self, ctx: &Ctx, guess: Guess, suspect: &Suspect) -> Result<Throttle, Trouble> {
        let limits = &self.settings().lockout;
        let names = Names::of(ctx, guess, suspect, limits.is_shared(ctx.address));
        if self.count(ctx, names.address.as_deref()).await? > i64::from(limits.per_address) {
            return Ok(Throttle::Paused);
        }
        let turn = match self.turns.take(names.turn()).await {
            Ok(turn) => turn,
            Err(busy) => {
                // What was not looked at is nobody's wrong guess.
                self.uncount(ctx, names.address.iter()).await?;
                return Err(busy);
            }
        };
        let limit = i64::from(limits.per_account_and_address);
        let spelled = self.count(ctx, names.spelled.as_deref()).await?;
        if spelled > limit {
            return Ok(Throttle::Paused);
        }
        let pair = self.count(ctx, Some(&names.pair)).await?;
        let told = if names.spelled.is_some() { spelled } else { pair };
        if told > limit {
            return Ok(Throttle::Paused);
        }
        let is_held_back = pair > limit
            || self.is_guessed_all_day(ctx, &names).await?
            || self.is_guessed_from_everywhere(ctx, guess, &names).await?;
        let left = u32::try_from(limit - told).unwrap_or(0);
        Ok(match is_held_back {
            false => Throttle::Go(Counted { left, names, _turn: turn }),
            true => Throttle::Silent { left, turn },
        })
    }

    /// Whether as many codes came from there alone as may come from anywhere: being at home is no
    /// answer to guesses that come from home.
    async fn is_guessed_all_day(&self, ctx: &Ctx, names: &Names) -> Result<bool, Trouble> {
        let Some(day) = &names.day else { return Ok(false) };
        Ok(self.store().counter_add(day, 1, ctx.now, CODES_WINDOW).await? > CODES)
    }

    async fn is_guessed_from_everywhere(&self, ctx: &Ctx, guess: Guess, names: &Names) -> Result<bool, Trouble> {
        let (most, window) = self.most_from_everywhere(guess);
        if self.store().counter_add(&names.account, 1, ctx.now, window).await? <= most {
            return Ok(false);
        }
        Ok(self.store().counter_add(&names.home, 0, ctx.now, AT_HOME).await? == 0)
    }

    /// How many wrong guesses from anywhere are looked at, and how long they count.
    fn most_from_everywhere(&self, guess: Guess) -> (i64, Span) {
        let limits = &self.settings().lockout;
        match guess {
            Guess::Password | Guess::AppPassword => (i64::from(limits.per_account), limits.window),
            Guess::Code => (CODES, CODES_WINDOW),
        }
    }

    async fn count(&self, ctx: &Ctx, name: Option<&str>) -> Result<i64, Trouble> {
        let Some(name) = name else { return Ok(0) };
        Ok(self.store().counter_add(name, 1, ctx.now, self.settings().lockout.window).await?)
    }

    async fn uncount(&self, ctx: &Ctx, names: impl Iterator<Item = &String>) -> Result<(), Trouble> {
        for name in names {
            self.store().counter_add(name, -1, ctx.now, self.settings().lockout.window).await?;
        }
        Ok(())
    }

    /// [`App::uncount`] for the counters that hold back what comes from everywhere or all day.
    async fn uncount_lasting(&self, ctx: &Ctx, names: &Names) -> Result<(), Trouble> {
        let (_, window) = self.most_from_everywhere(names.guess);
        for name in names.day.iter().chain([&names.account]) {
            self.store().counter_add(name, -1, ctx.now, window).await?;
        }
        Ok(())
    }

    /// Forgets the failures that a right guess makes good. The address keeps its other ones: a
    /// guesser with one account of their own must not wash the rest away.
    pub(crate) async fn guess_was_right(&self, ctx: &Ctx, counted: &Counted) -> Result<(), Trouble> {
        let names = &counted.names;
        for name in names.spelled.iter().chain([&names.pair]) {
            self.store().counter_clear(name, ctx.now).await?;
        }
        // What others guess elsewhere stays counted: a service that signs in all day must not wash it away.
        // So do a day's wrong codes from here, whoever typed them.
        self.uncount(ctx, names.address.iter()).await?;
        self.uncount_lasting(ctx, names).await?;
        Ok(self.store().counter_set(&names.home, 1, ctx.now, AT_HOME).await?)
    }

    /// Gives back a guess that could not be looked at.
    pub(crate) async fn guess_not_looked_at(&self, ctx: &Ctx, counted: &Counted) -> Result<(), Trouble> {
        let Names { address, spelled, pair, .. } = &counted.names;
        self.uncount(ctx, address.iter().chain(spelled).chain([pair])).await?;
        self.uncount_lasting(ctx, &counted.names).await
    }
}

const fn kind(guess: Guess) -> &'static str {
    match guess {
        Guess::Password => "password",
        Guess::AppPassword => "app password",
        Guess::Code => "code",
    }
}

/// 128 bits of the SHA-256 of what somebody typed.
fn fingerprint(typed: &str) -> String {
    let hash = token_hash(typed);
    let (half, _) = hash.as_bytes().split_at(16);
    data_encoding::HEXLOWER.encode(half)
}

/// One guesser's addresses: an IPv4 address, or the /64 that an IPv6 host can choose from.
pub(crate) fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "here".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use ostiary_model::{Actor, Entropy};

    use super::*;

    struct Zero;

    impl Entropy for Zero {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    /// The names that a guess is counted under, from the same address.
    fn names(guess: Guess, suspect: &Suspect) -> Names {
        let ctx = Ctx::new(Timestamp::from_secs(0), Actor::Anonymous, Arc::new(Zero));
        Names::of(&ctx.with_address(Some("192.0.2.1".parse().unwrap())), guess, suspect, false)
    }

    fn id(number: u128) -> UserId {
        uuid::Uuid::from_u128(number).into()
    }

    /// Whoever sends two names at the same moment must not learn from how long they take that they
    /// are one account: two names that nobody has never wait for each other.
    #[test]
    fn two_names_of_one_account_do_not_wait_for_each_other() {
        let named = |name: &str| names(Guess::Password, &Suspect::Named(Folded::new(name), id(1), Generation(1)));
        let unknown = |name: &str| names(Guess::Password, &Suspect::Unknown(Folded::new(name)));
        for of in [&named as &dyn Fn(&str) -> Names, &unknown] {
            assert_ne!(of("ada").turn(), of("ada@example.tld").turn());
            assert_eq!(of("ada").turn(), of("ADA").turn());
        }
        assert_eq!(named("ada").pair, named("ada@example.tld").pair, "and count together all the same");
    }

    #[test]
    fn each_kind_is_counted_for_itself() {
        let suspect = Suspect::Named(Folded::new("ada"), id(1), Generation(1));
        let (main, app) = (names(Guess::Password, &suspect), names(Guess::AppPassword, &suspect));
        assert_ne!(
            (&main.address, &main.spelled, &main.pair, &main.account, &main.home),
            (&app.address, &app.spelled, &app.pair, &app.account, &app.home)
        );
        assert!(main.home != app.home && main.pair != app.pair && main.account != app.account);
    }

    #[test]
    fn one_guesser_is_one_network() {
        let name = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff::9"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_eq!(name("::ffff:192.0.2.1"), name("192.0.2.1"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
    }
}
