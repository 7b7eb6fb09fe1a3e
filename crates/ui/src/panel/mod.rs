//! The pages of the directory host: all of them for administrators, those of single groups for the
//! people who manage these.

mod add_to_group;
mod app_password;
mod ask;
mod attribute_delete;
mod attribute_form;
mod attributes;
mod badges;
mod group;
mod group_form;
mod groups;
mod hand_over;
mod keeper;
mod managers;
mod members;
mod moment;
mod nesting;
mod own_groups;
mod paging;
mod password;
mod people;
mod person;
mod person_acts;
mod person_fields;
mod person_form;
mod picked;
mod picture;
mod sign_out;
mod system;
mod typed;
mod values;

#[cfg(test)]
pub(crate) mod samples;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use ostiary_app::App;
use ostiary_httpkit::{routes, see_other};

use self::keeper::Inside;
use crate::portal::{no_such_page, wrong_method};
use crate::{assets, face, theme};

/// Where whoever comes in finds the way to their first page.
const START: &str = "/";

/// The pages of the directory host.
pub fn panel(app: Arc<App>) -> Router {
    Router::new()
        .route(START, get(start))
        .merge(people_routes())
        .merge(group_routes())
        .merge(attribute_routes())
        .route(routes::SYSTEM, get(system::show))
        .route(routes::HAND_OVER, get(hand_over::take))
        .route(routes::SIGN_OUT, get(sign_out::show).post(sign_out::submit))
        .route(routes::AVATAR, get(face::serve))
        .route(routes::THEME, post(theme::choose))
        .route(routes::ASSET, get(assets::serve))
        .fallback(no_such_page)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

async fn start(inside: Inside) -> Response {
    match inside {
        Inside::Keeper(_) => see_other(routes::PEOPLE),
        Inside::Manager(_) => see_other(routes::GROUPS),
    }
}

fn people_routes() -> Router<Arc<App>> {
    let below = |step| routes::below(routes::PERSON, step);
    Router::new()
        .route(routes::PEOPLE, get(people::show))
        .route(routes::PERSON_NEW, get(person_form::show_new).post(person_form::submit_new))
        .route(routes::PEOPLE_PICKED, get(async || see_other(routes::PEOPLE)).post(picked::submit))
        .route(routes::PERSON, get(person::show))
        .route(&below("edit"), get(person_form::show_edit).post(person_form::submit_edit))
        .route(&below("password"), get(password::show).post(password::submit))
        .route(&below("picture"), get(picture::show).post(picture::submit))
        .route(&below("picture/remove"), post(picture::remove))
        .route(&below("groups"), get(add_to_group::show).post(add_to_group::submit))
        .route(&below("disable"), get(person_acts::ask_disable).post(person_acts::disable))
        .route(&below("enable"), get(person_acts::ask_enable).post(person_acts::enable))
        .route(&below("reset-factors"), get(person_acts::ask_reset_factors).post(person_acts::reset_factors))
        .route(&below("sign-out"), get(person_acts::ask_sign_out).post(person_acts::sign_out))
        .route(&below("delete"), get(person_acts::ask_delete).post(person_acts::delete))
        .route(&below(app_password::REVOKE), get(app_password::ask).post(app_password::revoke))
}

fn group_routes() -> Router<Arc<App>> {
    let below = |step| routes::below(routes::GROUP, step);
    Router::new()
        .route(routes::GROUPS, get(groups::show))
        .route(routes::GROUP_NEW, get(group_form::show_new).post(group_form::submit_new))
        .route(routes::GROUP, get(group::show))
        .route(&below("edit"), get(group_form::show_edit).post(group_form::submit_edit))
        .route(&below("delete"), get(group::ask_delete).post(group::delete))
        .route(&below("members"), get(members::show).post(members::submit))
        .route(&below("groups"), get(nesting::show_children).post(nesting::submit_children))
        .route(&below("parents"), get(nesting::show_parents).post(nesting::submit_parents))
        .route(&below("managers"), get(managers::show).post(managers::submit))
}

fn attribute_routes() -> Router<Arc<App>> {
    Router::new()
        .route(routes::ATTRIBUTES, get(attributes::show))
        .route(routes::ATTRIBUTE_NEW, get(attribute_form::show_new).post(attribute_form::submit_new))
        .route(routes::ATTRIBUTE, get(attribute_form::show_edit).post(attribute_form::submit_edit))
        .route(&routes::below(routes::ATTRIBUTE, "delete"), get(attribute_delete::ask).post(attribute_delete::delete))
        .route(routes::OBJECT_CLASS_NEW, get(attribute_form::show_new_class).post(attribute_form::submit_new_class))
        .route(
            &routes::below(routes::OBJECT_CLASS, "delete"),
            get(attribute_delete::ask_class).post(attribute_delete::delete_class),
        )
}
