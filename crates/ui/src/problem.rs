//! The page for a [`Problem`], on both hosts.

use askama::Template;
use ostiary_app::App;
use ostiary_httpkit::{Arrival, Problem};

use crate::frame::Frame;
use crate::words::When;

#[derive(Template)]
#[template(path = "portal/problem.html")]
struct Page<'a> {
    frame: Frame,
    problem: &'a Problem,
    details: String,
}

/// The page (HTML) of a problem, for [`ostiary_httpkit::front`]. It has no form, so that it can be
/// shown whatever state the request was in.
#[must_use]
pub fn render_problem(app: &App, arrival: &Arrival, problem: &Problem) -> String {
    let page = Page { frame: Frame::without_forms(app, arrival), problem, details: details(arrival, problem) };
    page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the page of a problem could not be written");
        String::new()
    })
}

fn details(arrival: &Arrival, problem: &Problem) -> String {
    let mut lines: Vec<String> = problem.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    lines.push(format!("status: {}", problem.status));
    lines.push(format!("request: {}", arrival.ctx.request));
    lines.push(format!("time: {}", When::new(arrival.ctx.now, arrival.ctx.now).machine));
    lines.join("\n")
}

#[cfg(test)]
pub(crate) fn sample(frame: Frame, problem: &Problem) -> String {
    let details = problem.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Page { frame, problem, details }.render().unwrap_or_default()
}
