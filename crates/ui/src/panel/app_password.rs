//! Revoking somebody's app password.

use axum::response::Response;
use ostiary_httpkit::routes::{self, below};
use ostiary_httpkit::{CsrfForm, Path, Problem, Query};
use ostiary_model::{AppPassword, AppPasswordId, User};
use serde::Deserialize;

use super::ask::{Ask, Page};
use super::keeper::{Keeper, Section};
use super::person::problem;
use crate::done::{Done, Note};

/// The step below a person's page.
pub(super) const REVOKE: &str = "app-passwords/revoke";

/// Which one: in the address of the question, and in its form.
#[derive(Deserialize)]
pub(crate) struct Which {
    id: String,
}

/// Asks before it ends.
pub(crate) async fn ask(keeper: Keeper, Path(name): Path, Query(which): Query<Which>) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let password = named(&keeper, &user, &which).await?;

    let name = password.name.as_str();
    let lead = if password.generation == user.generation {
        format!("The program of {} that has it is signed out at once.", user.profile.full_name())
    } else {
        "It no longer works already. Revoking takes it off the list.".to_owned()
    };
    let ask = Ask {
        title: format!("Revoke the app password {name}?"),
        lead,
        after: "This cannot be undone. A new one can only be made by the person.".to_owned(),
        action: below(&routes::person(&user), REVOKE),
        carried: vec![("id", password.id.to_string())],
        verb: "Revoke",
        is_bad: true,
        back: routes::person(&user),
        ..Ask::default()
    };
    Ok(keeper.ok(&Page { frame: keeper.frame(), rail: keeper.rail(Section::People), notice: None, ask }))
}

/// Ends it.
pub(crate) async fn revoke(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(which): CsrfForm<Which>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let password = named(&keeper, &user, &which).await?;

    keeper.app().app_password_revoke(&keeper.door.ctx, user.id, password.id).await.map_err(problem)?;

    Ok(keeper.done(&routes::person(&user), &Note::new(Done::AppPasswordRevoked, password.name.as_str())))
}

async fn named(keeper: &Keeper, user: &User, which: &Which) -> Result<AppPassword, Problem> {
    let id: AppPasswordId = which.id.parse().map_err(|_| Problem::not_found())?;
    let all = keeper.app().app_passwords(&keeper.door.ctx, user.id).await.map_err(problem)?;
    all.into_iter().find(|password| password.id == id).ok_or_else(Problem::not_found)
}
