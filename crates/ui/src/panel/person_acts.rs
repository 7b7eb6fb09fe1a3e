//! What can be done to an account in one step: each asks first, does, and says what was done.

use axum::response::Response;
use ostiary_app::AdminError;
use ostiary_httpkit::routes::{self, PEOPLE, below};
use ostiary_httpkit::{CsrfForm, Path, Problem};
use ostiary_model::{Folded, User};
use serde::Deserialize;

use super::ask::{Ask, Link, Page, Typed};
use super::keeper::{Keeper, Section};
use crate::done::{Done, Note};
use crate::form;
use crate::notice::Notice;
use crate::words;

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Sure {}

/// The name, typed once more.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// Asks before an account is closed.
pub(crate) async fn ask_disable(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let ask = disable_question(&keeper, &user).await?;
    Ok(asked(&keeper, ask))
}

/// Closes an account.
pub(crate) async fn disable(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    match keeper.app().person_disable(&keeper.door.ctx, user.id).await {
        Ok(()) => {
            let undo = below(&routes::person(&user), "enable");
            Ok(keeper.done(
                &routes::person(&user),
                &Note::new(Done::Disabled, user.profile.full_name()).undo(undo, "sure", "1"),
            ))
        }
        Err(error) => refused(&keeper, disable_question(&keeper, &user).await?, error),
    }
}

async fn disable_question(keeper: &Keeper, user: &User) -> Result<Ask, Problem> {
    let name = user.profile.full_name();
    Ok(Ask {
        title: format!("Disable {name}?"),
        lead: "At once:".to_owned(),
        points: vec![
            losing(keeper, user).await?,
            "nobody can sign in with this account, in a browser or over LDAP,".to_owned(),
            "applications get no more tokens for it.".to_owned(),
        ],
        after: "The entry and its groups stay. You can enable the account again at any time.".to_owned(),
        verb: "Disable",
        is_bad: true,
        back: routes::person(user),
        ..Ask::default()
    })
}

/// Asks before an account is opened again.
pub(crate) async fn ask_enable(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    Ok(asked(&keeper, enable_question(&user)))
}

/// Opens an account again.
pub(crate) async fn enable(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    match keeper.app().person_enable(&keeper.door.ctx, user.id).await {
        Ok(()) => Ok(keeper.done(&routes::person(&user), &Note::new(Done::Enabled, user.profile.full_name()))),
        Err(error) => refused(&keeper, enable_question(&user), error),
    }
}

fn enable_question(user: &User) -> Ask {
    Ask {
        title: format!("Enable {}?", user.profile.full_name()),
        lead: "The person can sign in again, with the same password, second step and groups as before. \
               Sessions that ended stay ended."
            .to_owned(),
        verb: "Enable",
        back: routes::person(user),
        ..Ask::default()
    }
}

/// Asks before second factors are taken away.
pub(crate) async fn ask_reset_factors(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let ask = reset_question(&keeper, &user).await?;
    Ok(asked(&keeper, ask))
}

/// Takes second factors away.
pub(crate) async fn reset_factors(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    match keeper.app().person_reset_factors(&keeper.door.ctx, user.id).await {
        Ok(()) => Ok(keeper.done(&routes::person(&user), &Note::new(Done::FactorsReset, user.profile.full_name()))),
        Err(error) => refused(&keeper, reset_question(&keeper, &user).await?, error),
    }
}

async fn reset_question(keeper: &Keeper, user: &User) -> Result<Ask, Problem> {
    let name = user.profile.full_name();
    Ok(Ask {
        title: format!("Reset two-step sign-in of {name}?"),
        lead: "At once:".to_owned(),
        points: vec![
            "the authenticator app shows codes that open nothing any more,".to_owned(),
            losing(keeper, user).await?,
            format!("{name} is told by mail."),
        ],
        after: "The next sign-in that asks for two steps sets up a new app, after the password alone. \
                Be sure that it is really this person who asks."
            .to_owned(),
        verb: "Reset",
        is_bad: true,
        back: routes::person(user),
        ..Ask::default()
    })
}

/// Asks before all sessions end.
pub(crate) async fn ask_sign_out(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let ask = sign_out_question(&keeper, &user).await?;
    Ok(asked(&keeper, ask))
}

/// Ends all sessions.
pub(crate) async fn sign_out(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    match keeper.app().person_sign_out(&keeper.door.ctx, user.id).await {
        Ok(()) => Ok(keeper.done(&routes::person(&user), &Note::new(Done::SignedOut, user.profile.full_name()))),
        Err(error) => refused(&keeper, sign_out_question(&keeper, &user).await?, error),
    }
}

async fn sign_out_question(keeper: &Keeper, user: &User) -> Result<Ask, Problem> {
    Ok(Ask {
        title: format!("Sign {} out everywhere?", user.profile.full_name()),
        lead: "At once:".to_owned(),
        points: vec![
            losing(keeper, user).await?,
            "applications get no more tokens from earlier sign-ins,".to_owned(),
            "open LDAP connections of this account end.".to_owned(),
        ],
        after: "The person can sign in again with the same password and second step.".to_owned(),
        verb: "Sign out",
        is_bad: true,
        back: routes::person(user),
        ..Ask::default()
    })
}

/// Asks before an account is removed.
pub(crate) async fn ask_delete(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let ask = delete_question(&keeper, &user, None).await?;
    Ok(asked(&keeper, ask))
}

/// Removes an account, once its name was typed.
pub(crate) async fn delete(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(named): CsrfForm<Named>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    if Folded::new(&named.name) != user.profile.username.folded() {
        let error = format!("This is not the user name. Type {}.", user.profile.username);
        let ask = delete_question(&keeper, &user, Some(error.clone())).await?;
        return Ok(asked_again(&keeper, ask, Notice::bad("Nothing was deleted").line(error)));
    }
    match keeper.app().person_delete(&keeper.door.ctx, user.id).await {
        Ok(()) => Ok(keeper.done(PEOPLE, &Note::new(Done::PersonDeleted, user.profile.full_name()))),
        Err(error) => refused(&keeper, delete_question(&keeper, &user, None).await?, error),
    }
}

async fn delete_question(keeper: &Keeper, user: &User, error: Option<String>) -> Result<Ask, Problem> {
    let groups: Vec<String> =
        keeper.app().directory().groups_of(user.id).iter().map(|group| group.name.to_string()).collect();
    let mut points = vec![losing(keeper, user).await?];
    if !groups.is_empty() {
        points.push(format!("the account leaves {},", words::listed(&groups)));
    }
    Ok(Ask {
        title: format!("Delete {}?", user.profile.full_name()),
        lead: "At once and for good:".to_owned(),
        points,
        entry: Some(keeper.app().directory().person_dn(user)),
        after: "Applications keep what they stored themselves. To shut somebody out and keep the entry,".to_owned(),
        instead: Some(Link {
            href: below(&routes::person(user), "disable"),
            label: "disable the account instead.".to_owned(),
        }),
        typed: Some(Typed { label: "User name", wanted: user.profile.username.to_string(), error }),
        verb: "Delete",
        is_bad: true,
        back: routes::person(user),
        ..Ask::default()
    })
}

async fn losing(keeper: &Keeper, user: &User) -> Result<String, Problem> {
    let sessions = keeper.app().person_session_count(&keeper.door.ctx, user).await?;
    Ok(match sessions {
        0 => "no session is open in a browser,".to_owned(),
        _ => format!("{} loses {},", user.profile.full_name(), words::count(sessions, "session", "sessions")),
    })
}

fn asked(keeper: &Keeper, ask: Ask) -> Response {
    keeper.ok(&Page { frame: keeper.frame(), rail: keeper.rail(Section::People), notice: None, ask })
}

fn asked_again(keeper: &Keeper, ask: Ask, notice: Notice) -> Response {
    keeper.again(&Page { frame: keeper.frame(), rail: keeper.rail(Section::People), notice: Some(notice), ask })
}

fn refused(keeper: &Keeper, ask: Ask, error: AdminError) -> Result<Response, Problem> {
    let (about, words) = form::refusal(error)?;
    Ok(asked_again(keeper, ask, form::notice(about, &words)))
}
