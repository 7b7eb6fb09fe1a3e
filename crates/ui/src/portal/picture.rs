//! One's own picture.

use askama::Template;
use axum::response::Response;
use ostiary_app::Visitor;
use ostiary_httpkit::routes::{ACCOUNT_PICTURE, Errand};
use ostiary_httpkit::{CsrfForm, CsrfPicture, Door, Problem, see_other};
use serde::Deserialize;

use crate::done::{Done, Note, Said};
use crate::face::Face;
use crate::frame::{self, Frame};
use crate::notice::Notice;
use crate::onward::{self, Step};
use crate::picture::{self, PictureForm};

/// The page.
#[derive(Template)]
#[template(path = "portal/picture.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    /// What the last form did.
    pub(crate) note: Option<Said>,
    pub(crate) form: PictureForm,
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Sure {}

/// The picture and the form, for whoever is signed in as far as their account asks.
pub(crate) async fn show(door: Door) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let mut page = page(&door, visitor);
    page.note = Note::brought(&door).map(Note::said);
    Ok(Note::forget(&door, frame::ok(&door, &page)))
}

/// Saves it.
pub(crate) async fn submit(door: Door, sent: CsrfPicture) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };

    let saved = picture::save(&door, visitor.user.id, sent).await?;

    Ok(match saved {
        Ok(()) => Note::new(Done::OwnPictureSaved, "").on(&door, see_other(ACCOUNT_PICTURE)),
        Err(not_saved) => {
            let mut page = page(&door, visitor);
            page.notice = Some(not_saved.notice());
            page.form.error = Some(not_saved.words);
            frame::show(&door, not_saved.status, &page)
        }
    })
}

/// Takes it away.
pub(crate) async fn remove(door: Door, CsrfForm(Sure {}): CsrfForm<Sure>) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };

    picture::remove(&door, visitor.user.id).await?;

    Ok(Note::new(Done::OwnPictureRemoved, "").on(&door, see_other(ACCOUNT_PICTURE)))
}

/// Whose page it is, or the way to what is missing before it can be shown.
async fn own(door: &Door) -> Result<Result<&Visitor, Response>, Problem> {
    match (onward::next(door, &Errand::Account).await?, &door.visitor) {
        (Step::Account, Some(visitor)) => Ok(Ok(visitor)),
        (step, _) => Ok(Err(step.go(door, &Errand::Account).await)),
    }
}

fn page(door: &Door, visitor: &Visitor) -> Page {
    Page {
        frame: Frame::new(door),
        notice: None,
        note: None,
        form: PictureForm { action: ACCOUNT_PICTURE.to_owned(), face: Face::of(&visitor.user), error: None },
    }
}
