//! The picture of a person.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{self, below};
use ostiary_httpkit::{CsrfForm, CsrfPicture, Path, Problem};
use ostiary_model::User;
use serde::Deserialize;

use super::keeper::{Keeper, Rail, Section};
use crate::done::{Done, Note};
use crate::face::Face;
use crate::frame::{self, Frame};
use crate::notice::Notice;
use crate::picture::{self, PictureForm};

/// The page.
#[derive(Template)]
#[template(path = "panel/picture.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) form: PictureForm,
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Sure {}

/// The picture and the form.
pub(crate) async fn show(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    Ok(keeper.ok(&page(&keeper, &user)))
}

/// Saves it.
pub(crate) async fn submit(keeper: Keeper, Path(name): Path, sent: CsrfPicture) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;

    let saved = picture::save(&keeper.door, user.id, sent).await?;

    Ok(match saved {
        Ok(()) => keeper.done(&routes::person(&user), &Note::new(Done::PictureSaved, user.profile.full_name())),
        Err(not_saved) => {
            let mut page = page(&keeper, &user);
            page.notice = Some(not_saved.notice());
            page.form.error = Some(not_saved.words);
            frame::show(&keeper.door, not_saved.status, &page)
        }
    })
}

/// Takes it away.
pub(crate) async fn remove(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;

    picture::remove(&keeper.door, user.id).await?;

    Ok(keeper.done(&routes::person(&user), &Note::new(Done::PictureRemoved, user.profile.full_name())))
}

fn page(keeper: &Keeper, user: &User) -> Page {
    let href = routes::person(user);
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        name: user.profile.full_name(),
        form: PictureForm { action: below(&href, "picture"), face: Face::of(user), error: None },
        href,
    }
}
