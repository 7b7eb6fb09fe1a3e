//! Who puts people into a group and takes them out, beside administrators.

use axum::response::Response;
use ostiary_httpkit::{CsrfForm, Path, Problem, Query};

use super::keeper::Keeper;
use super::members::{Asked, Form, List, meant, page, said};
use crate::done::Done;
use crate::form;

/// The search, and whom it found.
pub(crate) async fn show(keeper: Keeper, Path(name): Path, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let people = keeper.app().directory().managers_of(group.id);
    let list = List { heading: "Add managers to", step: "managers", is_already: "Manager", people };
    Ok(keeper.ok(&page(&keeper, &group, asked.q, &list)))
}

/// Lets somebody manage the group, or no longer.
pub(crate) async fn submit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let (user, joins) = meant(&keeper, &form)?;

    let ctx = &keeper.door.ctx;
    let changed = match joins {
        true => keeper.app().manager_add(ctx, group.id, user.id).await,
        false => keeper.app().manager_remove(ctx, group.id, user.id).await,
    };

    changed.map_err(form::problem)?;
    let done = if joins { Done::Manages } else { Done::ManagesNot };
    Ok(said(&keeper, &group, ("managers", &form.q), (done, joins), &user))
}
