//! The pages of the accounts host.

mod account;
mod app_passwords;
mod authenticator;
mod code;
mod consent;
mod continue_on;
mod hand_over;
mod picture;
mod set_up;
mod sign_in;
mod sign_out;

#[cfg(test)]
pub(crate) mod samples;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use ostiary_app::App;
use ostiary_httpkit::{Problem, routes, see_other};

pub(crate) use sign_out::SignedOut;

use crate::{assets, face, theme};

/// The pages of the accounts host. Whatever else that host serves is merged into it.
pub fn portal(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(async || see_other(routes::ACCOUNT)))
        .route(routes::SIGN_IN, get(sign_in::show).post(sign_in::submit))
        .route(routes::CODE, get(code::show).post(code::submit))
        .route(routes::AUTHENTICATOR, get(authenticator::show).post(authenticator::submit))
        .route(routes::CONSENT, get(consent::show).post(consent::submit))
        .route(routes::CONTINUE, get(continue_on::show))
        .route(routes::ACCOUNT, get(account::show))
        .route(routes::ACCOUNT_PICTURE, get(picture::show).post(picture::submit))
        .route(routes::ACCOUNT_PICTURE_REMOVE, post(picture::remove))
        .route(routes::APP_PASSWORDS, get(app_passwords::show).post(app_passwords::add))
        .route(routes::APP_PASSWORD_REVOKE, get(app_passwords::ask).post(app_passwords::revoke))
        .route(routes::AVATAR, get(face::serve))
        .route(routes::CHANGE_PASSWORD, get(async || see_other(routes::ACCOUNT_PASSWORD)))
        .route(routes::SIGN_OUT, get(sign_out::show).post(sign_out::submit))
        .route(routes::SET_UP, get(set_up::show).post(set_up::submit))
        .route(routes::HAND_OVER, get(hand_over::give))
        .route(routes::THEME, post(theme::choose))
        .route(routes::ASSET, get(assets::serve))
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// The answer for an address that leads nowhere.
pub(crate) async fn no_such_page() -> Problem {
    Problem::not_found()
}

/// The answer for a page that was asked in a way that it does not take.
pub(crate) async fn wrong_method() -> Problem {
    Problem::wrong_method()
}
