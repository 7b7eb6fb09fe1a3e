//! One commit ends everything: whatever a person holds is dead when an administrator closes,
//! opens or deletes the account, sets the password, resets the factors or signs them out. Also
//! when another process did it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostiary_app::{App, CodeError, Enrolment, SignedIn, Visitor};
use ostiary_model::{Generation, Secret};
use tokio::task::JoinSet;

use crate::authenticator::Authenticator;
use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(everything_ends_at_once, everything_ends_when_another_process_did_it, an_edit_ends_nothing);

/// What ends everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Disable,
    DisableAndEnable,
    Delete,
    SetPassword,
    ResetFactors,
    SignOut,
}

const ENDS: [End; 6] =
    [End::Disable, End::DisableAndEnable, End::Delete, End::SetPassword, End::ResetFactors, End::SignOut];

impl End {
    async fn bring(self, house: &House, app: &App, person: &Person) {
        let ctx = house.cli();
        match self {
            Self::Disable => app.person_disable(&ctx, person.id).await,
            Self::DisableAndEnable => match app.person_disable(&ctx, person.id).await {
                Ok(()) => app.person_enable(&ctx, person.id).await,
                error => error,
            },
            Self::Delete => app.person_delete(&ctx, person.id).await,
            Self::SetPassword => app.person_set_password(&ctx, person.id, &person.password).await,
            Self::ResetFactors => app.person_reset_factors(&ctx, person.id).await,
            Self::SignOut => app.person_sign_out(&ctx, person.id).await,
        }
        .unwrap_or_else(|error| panic!("{self:?}: {error}"));
    }

    const fn may_sign_in_again(self) -> bool {
        !matches!(self, Self::Disable | Self::Delete)
    }
}

/// Everything that two people can hold: one with an authenticator app, one who sets it up.
struct Held {
    guarded: Person,
    authenticator: Authenticator,
    generation: Generation,
    half: SignedIn,
    half_visitor: Visitor,
    whole: SignedIn,
    panel: SignedIn,
    ticket: Secret,
    state: Secret,
    plain: Person,
    plain_signed_in: SignedIn,
    plain_visitor: Visitor,
    ceremony: Enrolment,
}

impl Held {
    async fn new(house: &House, name: &str) -> Self {
        let guarded = house.person_in(&format!("{name}.guarded"), &["lldap_admin"]).await;
        let (whole, authenticator) = house.enrolled(&guarded).await;
        let half = house.signed_in(&guarded).await;
        let half_visitor = house.visitor(&half).await;
        let whole_visitor = house.visitor(&whole).await;
        let (state, fingerprint) = house.app.hand_over_state(&house.ctx());
        let first = house.app.hand_over_make(&house.ctx(), &whole_visitor, &fingerprint).await.unwrap();
        let panel = house.app.hand_over_take(&house.ctx(), &first, &state).await.unwrap().unwrap();
        let ticket = house.app.hand_over_make(&house.ctx(), &whole_visitor, &fingerprint).await.unwrap();
        let plain = house.person(&format!("{name}.plain")).await;
        let plain_signed_in = house.signed_in(&plain).await;
        let plain_visitor = house.visitor(&plain_signed_in).await;
        let ceremony = house.app.totp_begin(&house.ctx(), &plain_visitor).await.unwrap();
        let generation = house.user(&guarded).generation;
        Self {
            guarded,
            authenticator,
            generation,
            half,
            half_visitor,
            whole,
            panel,
            ticket,
            state,
            plain,
            plain_signed_in,
            plain_visitor,
            ceremony,
        }
    }

    /// Everything that asks the row: dead at the very moment of the commit.
    async fn grants_nothing(&self, house: &House, why: &str) {
        house.pass(ostiary_model::Span::from_secs(30));
        let (ctx, app) = (house.ctx(), &house.app);
        let over = app.hand_over_take(&ctx, &self.ticket, &self.state).await.unwrap();
        assert!(over.is_none(), "{why}: the ticket");
        let code = self.authenticator.code(house.now());
        let error = app.code_check(&ctx, &self.half_visitor, &code).await.unwrap_err();
        assert!(matches!(error, CodeError::SessionOver | CodeError::NotSetUp), "{why}: the second factor: {error:?}");
        let code = Authenticator::of(&self.ceremony.secret).code(house.now());
        let error = app.totp_confirm(&ctx, &self.plain_visitor, &self.ceremony.ticket, &code).await.unwrap_err();
        assert!(matches!(error, CodeError::SessionOver), "{why}: the ceremony: {error:?}");
        let error = app.group_add(&house.acting(&self.whole.session), "Theirs").await.unwrap_err();
        assert!(matches!(error, ostiary_app::AdminError::Denied), "{why}: administration: {error:?}");
    }

    /// Everything that asks the directory in memory.
    async fn shows_nothing(&self, house: &House, why: &str) {
        for (what, session) in
            [("half", &self.half), ("whole", &self.whole), ("panel", &self.panel), ("plain", &self.plain_signed_in)]
        {
            assert!(!house.holds(session).await, "{why}: the session {what}");
        }
        assert!(house.app.bound(self.guarded.id, self.generation).is_none(), "{why}: the bind identity");
    }

    async fn signs_in_again(&self, house: &House, end: End, why: &str) {
        for person in [&self.guarded, &self.plain] {
            let result = house.app.sign_in(&house.ctx(), &person.name, &person.password, false).await;
            assert_eq!(result.is_ok(), end.may_sign_in_again(), "{why}: {result:?}");
        }
    }
}

async fn everything_ends_at_once(pair: Pair) {
    let house = House::new(pair).await;
    for end in ENDS {
        let why = format!("{end:?}");
        let held = Held::new(&house, &format!("{end:?}").to_lowercase()).await;
        let bystander = house.signed_in(&house.person(&format!("{end:?}.bystander").to_lowercase()).await).await;
        end.bring(&house, &house.app, &held.guarded).await;
        end.bring(&house, &house.app, &held.plain).await;
        held.shows_nothing(&house, &why).await;
        held.grants_nothing(&house, &why).await;
        held.signs_in_again(&house, end, &why).await;
        held.shows_nothing(&house, &format!("{why}, after signing in again")).await;
        assert!(house.holds(&bystander).await, "{why}: others notice nothing");
    }
}

async fn everything_ends_when_another_process_did_it(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let mut followers = JoinSet::new();
    for end in ENDS {
        let why = format!("{end:?} elsewhere");
        let held = Held::new(&house, &format!("{end:?}").to_lowercase()).await;
        end.bring(&house, &other, &held.guarded).await;
        end.bring(&house, &other, &held.plain).await;
        // Nobody has told this process yet, and still nothing is handed out.
        held.grants_nothing(&house, &why).await;
        if followers.is_empty() {
            let app = Arc::clone(&house.app);
            followers.spawn(async move { app.follow().await });
        }
        within_seconds(&why, || house.app.bound(held.guarded.id, held.generation).is_none()).await;
        within_seconds(&why, || {
            let user = house.app.directory().user(held.plain.id);
            user.is_none_or(|user| user.generation != held.plain_visitor.session.generation)
        })
        .await;
        held.shows_nothing(&house, &why).await;
        held.signs_in_again(&house, end, &why).await;
        // The first round showed what holds before anybody follows; from here on word travels.
        followers.shutdown().await;
    }
}

async fn within_seconds(why: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{why}: never heard of");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A changed name or group is no reason to sign anybody out.
async fn an_edit_ends_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let held = Held::new(&house, "ada").await;
    let edit = ostiary_app::PersonEdit {
        username: "ada.renamed".into(),
        email: "ada@example.tld".into(),
        ..ostiary_app::PersonEdit::default()
    };
    house.app.person_edit(&house.cli(), held.guarded.id, &edit).await.unwrap();
    let group = house.group("Editors").await;
    house.app.member_add(&house.cli(), held.guarded.id, group).await.unwrap();
    for session in [&held.half, &held.whole, &held.panel] {
        assert!(house.holds(session).await);
    }
    assert!(house.app.bound(held.guarded.id, held.generation).is_some());
    assert_eq!(house.visitor(&held.whole).await.user.profile.username.as_str(), "ada.renamed");
}
