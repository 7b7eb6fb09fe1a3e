//! Pictures that come from outside: decoded under limits, shrunk, and written anew as JPEG, so that
//! nothing of what was sent is ever served (security class 9, inert uploads).
//!
//! One thread does this, one picture at a time, with a short queue before it: pictures never hold
//! up a page, a search or a sign-in, and no flood of them takes the machine's memory. A decoder that
//! panics costs its own picture only.

mod decode;
mod orientation;
mod shrink;

#[cfg(test)]
mod tests;

use jpeg_encoder::{ColorType, Encoder};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::OpenError;
use crate::workers::Workers;
use decode::Kind;

/// Bytes of a picture that is looked at.
pub const MAX_PICTURE_BYTES: usize = 5 * 1024 * 1024;
/// Pictures that one request brings, and that an attribute of an entry has: each takes its time to be
/// decoded, and all are sent with the entry.
pub(crate) const MAX_PICTURES: usize = 16;
/// Pixels of either side.
const MAX_SIDE: u32 = 8192;
/// Pixels in all. No decoder holds more than eleven bytes for each at once (a JPEG of four inks, a
/// WebP with alpha), so one picture takes 300 MB at the very worst, and a common photograph of that
/// size a quarter of it.
const MAX_PIXELS: u64 = 25_000_000;

/// The side of an avatar, in pixels.
const AVATAR_SIDE: u32 = 512;
/// The longer side of any other picture, in pixels.
const OTHER_SIDE: u32 = 1024;
/// Of 100.
const QUALITY: u8 = 85;
/// Pictures that may wait at once.
const QUEUE: usize = 4;

/// Why a picture cannot be taken. The text may be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PictureError {
    /// More than [`MAX_PICTURE_BYTES`].
    #[error("The picture is larger than {} MiB. Save it smaller, or choose another one", MAX_PICTURE_BYTES / 1024 / 1024)]
    TooManyBytes,
    /// Too wide, too high, or too many pixels.
    #[error(
        "The picture has too many pixels. Make it smaller: {AVATAR_SIDE} on each side is enough, \
         {MAX_SIDE} on a side and {} million in all are the limit",
        MAX_PIXELS / 1_000_000
    )]
    TooManyPixels,
    /// Of no kind that is taken here.
    #[error("This is not a picture that can be used. Choose a JPEG, PNG or WebP file")]
    Kind,
    /// Not of the one kind that is asked for.
    #[error("This is not a JPEG picture")]
    NotJpeg,
    /// A film.
    #[error("This picture moves. Choose one that stands still")]
    Moving,
    /// It begins like a picture and cannot be decoded.
    #[error("The picture is damaged, or of a rare kind. Save it again as JPEG or PNG, or choose another one")]
    Broken,
    /// More than 16 in one request, or for one attribute.
    #[error("One attribute takes {MAX_PICTURES} pictures at most")]
    TooMany,
    /// More pictures than can be looked at.
    #[error("Many pictures are coming in at this moment. Wait a moment and try again")]
    Busy,
}

/// What a picture is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The square in its middle, 512 pixels on a side at most: people are shown in a circle.
    Avatar,
    /// The whole, 1024 pixels on its longer side at most. Only from JPEG, as the syntax of the
    /// attribute says (RFC 2798 section 2.6).
    Whole,
}

/// The thread that looks at pictures.
pub(crate) struct Darkroom {
    workers: Workers<()>,
}

impl Darkroom {
    pub(crate) fn start() -> Result<Self, OpenError> {
        let workers = Workers::start("pictures", 1, QUEUE).map_err(|error| OpenError::Darkroom(error.to_string()))?;
        Ok(Self { workers })
    }

    /// `bytes` as a JPEG file of ours.
    ///
    /// # Errors
    /// [`PictureError`].
    pub(crate) async fn develop(&self, bytes: &[u8], shape: Shape) -> Result<Vec<u8>, PictureError> {
        check(bytes, shape)?;
        let (answer, wait) = oneshot::channel();
        let bytes = bytes.to_vec();
        let job = move |(): &mut ()| {
            if !answer.is_closed() {
                // The caller may have gone meanwhile; then nobody wants the answer.
                drop(answer.send(develop(&bytes, shape)));
            }
        };
        self.workers.submit(Box::new(job)).map_err(|_| PictureError::Busy)?;
        wait.await.unwrap_or_else(|_| {
            tracing::error!("a decoder of pictures panicked");
            Err(PictureError::Broken)
        })
    }
}

/// What can be seen without decoding.
fn check(bytes: &[u8], shape: Shape) -> Result<Kind, PictureError> {
    if bytes.len() > MAX_PICTURE_BYTES {
        return Err(PictureError::TooManyBytes);
    }
    match (Kind::of(bytes), shape) {
        (Some(kind), Shape::Avatar) | (Some(kind @ Kind::Jpeg), Shape::Whole) => Ok(kind),
        (_, Shape::Avatar) => Err(PictureError::Kind),
        (_, Shape::Whole) => Err(PictureError::NotJpeg),
    }
}

fn develop(bytes: &[u8], shape: Shape) -> Result<Vec<u8>, PictureError> {
    let kind = check(bytes, shape)?;
    let (pixels, orientation) = decode::decode(kind, bytes)?;
    let shrunk = match shape {
        Shape::Avatar => shrink::to_square(&pixels, AVATAR_SIDE),
        Shape::Whole => shrink::to_fit(&pixels, OTHER_SIDE),
    };
    // The large one goes before the next is made.
    drop(pixels);
    let picture = orientation.turn(shrunk);
    let side = |length: u32| u16::try_from(length).map_err(|_| PictureError::Broken);
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY)
        .encode(picture.rgb.as_flattened(), width, height, ColorType::Rgb)
        .map_err(|_| PictureError::Broken)?;
    Ok(jpeg)
}
