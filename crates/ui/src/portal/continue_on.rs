//! Whatever comes next on an errand: where every form of a sign-in leads.

use axum::response::Response;
use ostiary_httpkit::routes::ErrandQuery;
use ostiary_httpkit::{Door, Problem, Query};

use crate::onward;

/// Goes to the next step, or out to where the person wanted to go.
pub(crate) async fn show(door: Door, Query(query): Query<ErrandQuery>) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let step = onward::next(&door, &errand).await?;
    Ok(step.go(&door, &errand).await)
}
