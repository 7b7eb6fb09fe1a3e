//! From the bytes of a file to pixels, under limits. The kind is told by the content: neither a name
//! nor a content type that somebody sent is ever looked at.
//!
//! The three decoders are compiled without unsafe code.

use std::io::Cursor;

use image_webp::WebPDecoder;
use png::Transformations;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::orientation::Orientation;
use super::{MAX_PIXELS, MAX_SIDE, PictureError};

/// Scans of a progressive JPEG; each costs a walk over the whole picture. Encoders make about ten.
const MAX_SCANS: usize = 64;
/// Bytes that the PNG decoder may take beside the pixels.
const MAX_PNG_EXTRA: usize = 16 * 1024 * 1024;
/// What decoding a WebP file may take in all, in bytes of memory.
const MAX_WEBP_MEMORY: u64 = 300_000_000;
/// What its decoder holds for a pixel at most: of an extended file, colours, alpha and the result.
const BYTES_OF_PIXEL: u64 = 11;
/// What it makes of one byte that is packed without loss at most: a file may bring 65 536 groups of
/// codes, and sixty bytes of them become tables of twenty kilobytes.
const UNPACKED: u64 = 400;

/// The kinds of files that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
}

impl Kind {
    /// What the first bytes say.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }
}

/// A decoded picture, row by row from the top left.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes of a pixel: grey (1), grey and alpha (2), red, green, blue (3), and alpha (4).
    pub(super) channels: usize,
    pub(super) data: Vec<u8>,
}

/// The picture in a file of this kind, and how it has to be turned to stand upright.
///
/// # Errors
/// [`PictureError`], before memory is taken where the limits are passed.
pub(super) fn decode(kind: Kind, bytes: &[u8]) -> Result<(Pixels, Orientation), PictureError> {
    let (pixels, exif) = match kind {
        Kind::Jpeg => jpeg(bytes)?,
        Kind::Png => png(bytes)?,
        Kind::WebP => webp(bytes)?,
    };
    Ok((pixels, exif.map_or(Orientation::default(), |exif| Orientation::of(&exif))))
}

fn within_limits(width: u32, height: u32) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Broken);
    }
    let is_small = width <= MAX_SIDE && height <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS;
    if is_small { Ok(()) } else { Err(PictureError::TooManyPixels) }
}

fn sides(width: usize, height: usize) -> Result<(u32, u32), PictureError> {
    let side = |length: usize| u32::try_from(length).map_err(|_| PictureError::TooManyPixels);
    let (width, height) = (side(width)?, side(height)?);
    within_limits(width, height)?;
    Ok((width, height))
}

type Decoded = Result<(Pixels, Option<Vec<u8>>), PictureError>;

fn jpeg(bytes: &[u8]) -> Decoded {
    // The sides are compared here, so that too large is told from broken.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| PictureError::Broken)?;
    let (width, height) = decoder.dimensions().ok_or(PictureError::Broken)?;
    let (width, height) = sides(width, height)?;
    let exif = decoder.exif().cloned();
    let (out, channels) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        _ => (ColorSpace::RGB, 3),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let data = decoder.decode().map_err(|_| PictureError::Broken)?;
    Ok((Pixels { width, height, channels, data }, exif))
}

fn png(bytes: &[u8]) -> Decoded {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_PNG_EXTRA });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let (width, height) = decoder.read_header_info().map_err(|_| PictureError::Broken)?.size();
    within_limits(width, height)?;
    let mut reader = decoder.read_info().map_err(|_| PictureError::Broken)?;
    let mut data = vec![0; reader.output_buffer_size().ok_or(PictureError::TooManyPixels)?];
    let frame = reader.next_frame(&mut data).map_err(|_| PictureError::Broken)?;
    data.truncate(frame.buffer_size());
    let exif = reader.info().exif_metadata.as_ref().map(|exif| exif.to_vec());
    let pixels = Pixels { width: frame.width, height: frame.height, channels: frame.color_type.samples(), data };
    Ok((pixels, exif))
}

fn webp(bytes: &[u8]) -> Decoded {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| PictureError::Broken)?;
    let (width, height) = decoder.dimensions();
    within_limits(width, height)?;
    if decoder.is_animated() {
        return Err(PictureError::Moving);
    }
    inner_within_limits(bytes, u64::from(width) * u64::from(height) * BYTES_OF_PIXEL)?;
    decoder.set_memory_limit(bytes.len());
    let exif = decoder.exif_metadata().unwrap_or_default();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut data = vec![0; decoder.output_buffer_size().ok_or(PictureError::TooManyPixels)?];
    decoder.read_image(&mut data).map_err(|_| PictureError::Broken)?;
    Ok((Pixels { width, height, channels, data }, exif))
}

/// The extended form of WebP (RFC 9649 section 2.7) names the sides once more inside; the decoder
/// takes memory for those before it compares them. What is packed without loss tells by its length
/// what it may become, beside the `taken` bytes.
fn inner_within_limits(bytes: &[u8], taken: u64) -> Result<(), PictureError> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((&[a, b, c, d, s0, s1, s2, s3], body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let packed = body.len().min(length) as u64;
        if matches!(&[a, b, c, d], b"VP8L" | b"ALPH") && packed * UNPACKED + taken > MAX_WEBP_MEMORY {
            return Err(PictureError::Broken);
        }
        // RFC 6386 section 9.1: tag, start code, then fourteen bits for each side.
        if let (b"VP8 ", &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) = (&[a, b, c, d], body) {
            let side = |bytes: [u8; 2]| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
            within_limits(side([w0, w1]), side([h0, h1]))?;
        }
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    Ok(())
}
