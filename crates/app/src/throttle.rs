//! Holding back guesses, of passwords and of codes.
//!
//! A guess is counted before it is looked at and given back when it was right, so that a hundred
//! guesses at the same moment are a hundred guesses. Three counters: account with address (stops
//! one guesser without locking the person out elsewhere), account (stops many guessers), address
//! (stops one who tries many accounts). An unknown name has counters as well and answers alike.
//!
//! Guesses at one account from one address take turns: a program that opens ten connections at
//! once with the right password is ten right guesses, not five and a pause.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ostiary_model::{Ctx, Folded, Generation, UserId};
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

use crate::{App, Trouble};

/// Turnstiles that nobody stands at are swept out when there are more than this.
const SWEEP: usize = 1024;

/// Whose guesses are counted: one identity for each account, whatever it was called.
#[derive(Debug, Clone)]
pub(crate) enum Suspect {
    /// An account, of the generation that is guessed at: an administrator who sets a password,
    /// resets factors or opens the account again raises it, and so ends every pause at once.
    User(UserId, Generation),
    /// A name that no account has.
    Unknown(Folded),
}

/// What is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A password.
    Password,
    /// A code of the second factor.
    Code,
}

/// Where a guess stands.
pub(crate) enum Throttle {
    /// It may be looked at.
    Go(Counted),
    /// It must not be looked at.
    Paused,
}

/// A guess that is counted as a wrong one until it turns out otherwise. The next one at the same
/// account from the same address waits until this is dropped.
pub(crate) struct Counted {
    /// Guesses left from here after this one, should it be wrong.
    pub(crate) left: u32,
    pair: String,
    account: String,
    address: String,
    _turn: OwnedMutexGuard<()>,
}

/// Where guesses take turns, in this process: of several processes each lets one through at a
/// time, and the counters hold for all.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Turnstile<()>>>>);

impl Turns {
    async fn take(&self, whose: &str) -> OwnedMutexGuard<()> {
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
        turnstile.lock_owned().await
    }
}

impl App {
    /// Counts a guess and says whether it may be looked at.
    pub(crate) async fn guess(&self, ctx: &Ctx, guess: Guess, suspect: &Suspect) -> Result<Throttle, Trouble> {
        let limits = self.settings().lockout;
        let account = account_name(guess, suspect);
        let pair = format!("{account}@{}", network(ctx.address));
        let address = format!("{}:address:{}", kind(guess), network(ctx.address));
        let turn = self.turns.take(&pair).await;
        let pair_limit = i64::from(limits.per_account_and_address);
        let bounds =
            [(&pair, pair_limit), (&account, i64::from(limits.per_account)), (&address, i64::from(limits.per_address))];
        let mut left = pair_limit;
        for (name, limit) in bounds {
            let count = self.store().counter_add(name, 1, ctx.now, limits.window).await?;
            if count > limit {
                return Ok(Throttle::Paused);
            }
            left = left.min(limit - count);
        }
        let left = u32::try_from(left).unwrap_or(0);
        Ok(Throttle::Go(Counted { left, pair, account, address, _turn: turn }))
    }

    /// Forgets the failures that a right guess makes good. The address keeps its other ones: a
    /// guesser with one account of their own must not wash the rest away.
    pub(crate) async fn guess_was_right(&self, ctx: &Ctx, counted: &Counted) -> Result<(), Trouble> {
        let window = self.settings().lockout.window;
        self.store().counter_clear(&counted.pair, ctx.now).await?;
        self.store().counter_clear(&counted.account, ctx.now).await?;
        self.store().counter_add(&counted.address, -1, ctx.now, window).await?;
        Ok(())
    }

    /// Gives back a guess that could not be looked at.
    pub(crate) async fn guess_not_looked_at(&self, ctx: &Ctx, counted: &Counted) -> Result<(), Trouble> {
        let window = self.settings().lockout.window;
        for name in [&counted.pair, &counted.account, &counted.address] {
            self.store().counter_add(name, -1, ctx.now, window).await?;
        }
        Ok(())
    }
}

fn account_name(guess: Guess, suspect: &Suspect) -> String {
    match suspect {
        Suspect::User(id, generation) => format!("{}:user:{id}:{}", kind(guess), generation.0),
        Suspect::Unknown(name) => format!("{}:name:{name}", kind(guess)),
    }
}

const fn kind(guess: Guess) -> &'static str {
    match guess {
        Guess::Password => "password",
        Guess::Code => "code",
    }
}

/// One guesser's addresses: an IPv4 address, or the /64 that an IPv6 host can choose from.
fn network(address: Option<IpAddr>) -> String {
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
    use super::*;

    #[test]
    fn one_guesser_is_one_network() {
        let name = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff::9"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_eq!(name("::ffff:192.0.2.1"), name("192.0.2.1"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
    }
}
