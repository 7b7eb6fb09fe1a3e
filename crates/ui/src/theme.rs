//! Light or dark: one small form in the footer of every page.

use axum::response::Response;
use ostiary_httpkit::routes::LocalPath;
use ostiary_httpkit::{CsrfForm, Door, Jar, Theme, see_other, with_cookie};
use ostiary_model::Span;
use serde::Deserialize;

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Choice {
    theme: String,
    #[serde(default)]
    back: String,
}

/// Keeps the choice for a year and goes back to the page.
pub(crate) async fn choose(door: Door, CsrfForm(choice): CsrfForm<Choice>) -> Response {
    let back = choice.back.parse().unwrap_or_else(|_| LocalPath::root());
    let cookies = &door.arrival.cookies;
    let cookie = match Theme::parse(&choice.theme) {
        Theme::Device => cookies.remove(Jar::Theme),
        theme => cookies.set(Jar::Theme, theme.as_str(), Some(Span::from_days(365))),
    };
    with_cookie(see_other(back.as_str()), cookie)
}
