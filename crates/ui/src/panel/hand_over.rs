//! The directory host's end of its sign-on.

use axum::response::Response;
use http::StatusCode;
use ostiary_httpkit::routes::LocalPath;
use ostiary_httpkit::{Door, Jar, Problem, Query, see_other, with_cookie};
use ostiary_model::Secret;
use serde::Deserialize;

/// What the accounts host sends back with.
#[derive(Deserialize)]
pub(crate) struct Brought {
    ticket: String,
    path: String,
}

/// Takes the ticket, with the state that this browser kept, and opens the session here.
pub(crate) async fn take(door: Door, Query(brought): Query<Brought>) -> Result<Response, Problem> {
    let path: LocalPath = brought.path.parse().map_err(|_| Problem::not_found())?;
    // A browser without a state takes the ticket as well, so that nobody can use it after it.
    let kept = door.arrival.cookies.get(Jar::HandOver).and_then(|kept| kept.split_once('.'));
    let state = Secret::new(kept.map(|(state, _)| state.to_owned()).unwrap_or_default());

    let taken = door.app.hand_over_take(&door.ctx, &Secret::new(brought.ticket), &state).await?;

    let signed_in = taken.ok_or_else(|| not_this_browser(&path))?;
    let response = door.signed_in(see_other(path.as_str()), &signed_in);
    Ok(with_cookie(response, door.arrival.cookies.remove(Jar::HandOver)))
}

fn not_this_browser(path: &LocalPath) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "This sign-in was not finished")
        .text("It took too long, was finished in another window, or began in another browser.")
        .point("Begin again.")
        .way("Begin again", path.as_str())
}
