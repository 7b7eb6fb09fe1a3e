//! The form that sets somebody's picture, on both hosts.

use http::StatusCode;
use ostiary_app::{AdminError, PictureError};
use ostiary_httpkit::{CsrfPicture, Door, Problem};
use ostiary_model::UserId;

use crate::face::Face;
use crate::form;
use crate::notice::Notice;

/// The form as it stands on a page.
pub(crate) struct PictureForm {
    /// Where it goes; what removes the picture goes to `/remove` below.
    pub(crate) action: String,
    /// What is shown now.
    pub(crate) face: Face,
    /// What was wrong with the file.
    pub(crate) error: Option<String>,
}

/// Why a picture was not saved.
pub(crate) struct NotSaved {
    /// In words.
    pub(crate) words: String,
    /// The status that goes with it.
    pub(crate) status: StatusCode,
}

impl NotSaved {
    fn new(error: PictureError) -> Self {
        let status = match error {
            PictureError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            PictureError::TooManyBytes => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { words: format!("{error}."), status }
    }

    /// The notice that sums it up at the top of the page.
    pub(crate) fn notice(&self) -> Notice {
        Notice::bad("The picture was not saved").line(self.words.as_str())
    }
}

/// Makes what the form brought the picture of `whose`.
///
/// # Errors
/// A [`Problem`] for what is not about the file.
pub(crate) async fn save(door: &Door, whose: UserId, sent: CsrfPicture) -> Result<Result<(), NotSaved>, Problem> {
    let file = match sent {
        CsrfPicture::File(file) => file,
        CsrfPicture::TooLarge => return Ok(Err(NotSaved::new(PictureError::TooManyBytes))),
        CsrfPicture::Nothing => {
            let words = "No file came along. Choose one, then save it.".to_owned();
            return Ok(Err(NotSaved { words, status: StatusCode::UNPROCESSABLE_ENTITY }));
        }
    };
    match door.app.avatar_set(&door.ctx, whose, Some(&file)).await {
        Ok(_) => Ok(Ok(())),
        Err(AdminError::Picture(error)) => Ok(Err(NotSaved::new(error))),
        Err(error) => Err(form::problem(error)),
    }
}

/// Takes the picture of `whose` away.
///
/// # Errors
/// A [`Problem`].
pub(crate) async fn remove(door: &Door, whose: UserId) -> Result<(), Problem> {
    door.app.avatar_set(&door.ctx, whose, None).await.map(drop).map_err(form::problem)
}
