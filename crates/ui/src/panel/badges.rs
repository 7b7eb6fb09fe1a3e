//! How an account stands, in a word or two: open, closed, over, not begun, a program's.

use ostiary_model::{Timestamp, User};

use crate::words::When;

/// A word and its role: `good`, `warn`, `bad` or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) role: &'static str,
    pub(crate) words: String,
}

impl Badge {
    fn new(role: &'static str, words: impl Into<String>) -> Self {
        Self { role, words: words.into() }
    }
}

/// What there is to say of `user`.
pub(crate) fn of(user: &User, now: Timestamp) -> Vec<Badge> {
    let mut badges = Vec::new();
    if user.state.is_disabled() {
        badges.push(Badge::new("bad", "Disabled"));
    }
    badges.extend(of_time(user, now));
    if badges.is_empty() {
        badges.push(Badge::new("good", "Active"));
    }
    if user.is_service {
        badges.push(Badge::new("", "Service account"));
    }
    badges
}

/// What there is to say beside somebody's name in a list: nothing of those who are open.
pub(crate) fn beside(user: &User, now: Timestamp) -> Vec<Badge> {
    of(user, now).into_iter().filter(|badge| badge.role != "good").collect()
}

fn of_time(user: &User, now: Timestamp) -> Option<Badge> {
    let day = |at| When::new(now, at).day;
    match (user.validity.not_before, user.validity.not_after) {
        (_, Some(end)) if end <= now => Some(Badge::new("bad", format!("Expired {}", day(end)))),
        (Some(begin), _) if begin > now => Some(Badge::new("warn", format!("Begins {}", day(begin)))),
        _ => None,
    }
}
