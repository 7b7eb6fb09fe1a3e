//! Holding back guesses, of passwords and of codes.
//!
//! A guess is counted before it is looked at and given back when it was right, so that a hundred
//! guesses at the same moment are a hundred guesses. Three counters: account with address (stops
//! one guesser without locking the person out elsewhere), account (stops many guessers), address
//! (stops one who tries many accounts). An unknown name has counters as well and answers alike.

use std::net::IpAddr;

use ostiary_model::{Ctx, Folded, UserId};

use crate::{App, Trouble};

/// Whose guesses are counted: one identity for each account, whatever it was called.
#[derive(Debug, Clone)]
pub(crate) enum Suspect {
    /// An account.
    User(UserId),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// It may be looked at. So many more from here after it, should it be wrong.
    Go {
        /// Guesses left after this one.
        left: u32,
    },
    /// It must not be looked at.
    Paused,
}

impl App {
    /// Counts a guess and says whether it may be looked at.
    pub(crate) async fn guess(&self, ctx: &Ctx, guess: Guess, suspect: &Suspect) -> Result<Throttle, Trouble> {
        let limits = self.settings().lockout;
        let pair_limit = i64::from(limits.per_account_and_address);
        let bounds = [
            (pair_name(guess, suspect, ctx.address), pair_limit),
            (account_name(guess, suspect), i64::from(limits.per_account)),
            (address_name(guess, ctx.address), i64::from(limits.per_address)),
        ];
        let mut left = pair_limit;
        for (name, limit) in bounds {
            let count = self.store().counter_add(&name, 1, ctx.now, limits.window).await?;
            if count > limit {
                return Ok(Throttle::Paused);
            }
            left = left.min(limit - count);
        }
        Ok(Throttle::Go { left: u32::try_from(left).unwrap_or(0) })
    }

    /// Forgets the failures that a right guess makes good. The address keeps its other ones: a
    /// guesser with one account of their own must not wash the rest away.
    pub(crate) async fn guess_was_right(&self, ctx: &Ctx, guess: Guess, suspect: &Suspect) -> Result<(), Trouble> {
        let window = self.settings().lockout.window;
        self.store().counter_clear(&pair_name(guess, suspect, ctx.address), ctx.now).await?;
        self.store().counter_clear(&account_name(guess, suspect), ctx.now).await?;
        self.store().counter_add(&address_name(guess, ctx.address), -1, ctx.now, window).await?;
        Ok(())
    }

    /// Forgets every failure of an account, for an administrator who lets it in again.
    pub(crate) async fn guesses_forget(&self, ctx: &Ctx, user: UserId) -> Result<(), Trouble> {
        for guess in [Guess::Password, Guess::Code] {
            self.store().counter_clear(&account_name(guess, &Suspect::User(user)), ctx.now).await?;
        }
        Ok(())
    }
}

fn pair_name(guess: Guess, suspect: &Suspect, address: Option<IpAddr>) -> String {
    format!("{}@{}", account_name(guess, suspect), network(address))
}

fn account_name(guess: Guess, suspect: &Suspect) -> String {
    match suspect {
        Suspect::User(id) => format!("{}:user:{id}", kind(guess)),
        Suspect::Unknown(name) => format!("{}:name:{name}", kind(guess)),
    }
}

fn address_name(guess: Guess, address: Option<IpAddr>) -> String {
    format!("{}:address:{}", kind(guess), network(address))
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
