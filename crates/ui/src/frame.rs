//! What every page has around its content: the organisation's name, the theme, the token of its
//! forms, the addresses of stylesheets and scripts.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ostiary_app::App;
use ostiary_httpkit::{Arrival, Door, Problem, Theme};

use crate::assets;

/// The frame of a page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The organisation's name.
    pub(crate) org: String,
    /// The chosen theme.
    pub(crate) theme: Theme,
    /// The token of the page's forms; empty when it has none.
    pub(crate) csrf: String,
    /// The page itself, to come back to.
    pub(crate) here: String,
}

impl Frame {
    /// The frame of a page for whoever is at the door.
    pub(crate) fn new(door: &Door) -> Self {
        Self { csrf: door.csrf(), ..Self::without_forms(&door.app, &door.arrival) }
    }

    /// The frame of a page that has no form.
    pub(crate) fn without_forms(app: &App, arrival: &Arrival) -> Self {
        Self {
            org: app.settings().site.org_name.clone(),
            theme: arrival.cookies.theme(),
            csrf: String::new(),
            here: arrival.here.as_str().to_owned(),
        }
    }

    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::address(name)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.theme != Theme::Device
    }

    pub(crate) const fn color_scheme(&self) -> &'static str {
        match self.theme {
            Theme::Device => "light dark",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    pub(crate) const fn theme_word(&self) -> &'static str {
        word(self.theme)
    }

    pub(crate) const fn next_theme(&self) -> &'static str {
        next(self.theme).as_str()
    }

    pub(crate) const fn next_theme_word(&self) -> &'static str {
        word(next(self.theme))
    }
}

const fn word(theme: Theme) -> &'static str {
    match theme {
        Theme::Device => "as the device",
        Theme::Light => "light",
        Theme::Dark => "dark",
    }
}

const fn next(theme: Theme) -> Theme {
    match theme {
        Theme::Device => Theme::Light,
        Theme::Light => Theme::Dark,
        Theme::Dark => Theme::Device,
    }
}

/// The page, for whoever is at the door.
pub(crate) fn show(door: &Door, status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => door.page(status, html),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            Problem::broken().into_response()
        }
    }
}

/// The page, as asked for.
pub(crate) fn ok(door: &Door, page: &impl Template) -> Response {
    show(door, StatusCode::OK, page)
}
