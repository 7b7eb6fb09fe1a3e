//! The accounts host's end of the directory host's sign-on.

use axum::response::Response;
use ostiary_httpkit::routes::{self, Errand, LocalPath};
use ostiary_httpkit::{Door, Problem, Query, see_other};
use serde::Deserialize;

use crate::onward::{self, Step};

/// What the directory host asks with.
#[derive(Deserialize)]
pub(crate) struct Asked {
    state: String,
    path: String,
}

/// Sends the browser back with a ticket, once it is signed in as far as the panel asks.
pub(crate) async fn give(door: Door, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let errand = Errand::panel(&asked.state, &asked.path)?;
    let visitor = match (onward::next(&door, &errand).await?, &door.visitor) {
        (Step::Panel(_), Some(visitor)) => visitor,
        (step, _) => return Ok(step.go(&door, &errand).await),
    };

    let ticket = door.app.hand_over_make(&door.ctx, visitor, &asked.state).await?;

    let path: LocalPath = asked.path.parse().map_err(|_| Problem::not_found())?;
    Ok(see_other(&routes::hand_over_taken(&door.app.settings().site, ticket.expose(), &path)))
}
