//! QR codes as pictures that stand in the page's `img`: no inline drawing, no further request
//! that would carry the secret in its address.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use qrcodegen::{QrCode, QrCodeEcc};

/// The empty border that readers need, in modules (ISO/IEC 18004).
const QUIET: i32 = 4;

const IN_ADDRESS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// `text` as the address of an SVG picture. `None` when it is too long for a QR code.
pub(crate) fn picture(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * QUIET;
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {side} {side}' shape-rendering='crispEdges'>\
         <path fill='#fff' d='M0 0h{side}v{side}H0z'/><path d='{}'/></svg>",
        dark_runs(&code)
    );
    Some(format!("data:image/svg+xml,{}", utf8_percent_encode(&svg, IN_ADDRESS)))
}

/// One bar for each run of dark modules in a row.
fn dark_runs(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let begin = x;
            while code.get_module(x, y) {
                x += 1;
            }
            if x > begin {
                let length = x - begin;
                // Writing into a string cannot fail.
                let _ = write!(path, "M{} {}h{length}v1h-{length}z", begin + QUIET, y + QUIET);
            }
            x += 1;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_address_without_quotes() {
        let picture = picture("otpauth://totp/Acme%20Co.:ada?secret=NB2WK4TFN5ZXIYLS&issuer=Acme%20Co.").unwrap();
        assert!(picture.starts_with("data:image/svg+xml,%3Csvg"));
        assert!(!picture.contains(['<', '>', '"', '#', ' ']));
    }

    #[test]
    fn bars_cover_the_dark_modules() {
        let code = QrCode::encode_text("otpauth", QrCodeEcc::Medium).unwrap();
        let dark = (0..code.size())
            .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
            .filter(|(x, y)| code.get_module(*x, *y));
        let covered: usize = dark_runs(&code)
            .split('z')
            .filter_map(|bar| bar.split_once('h')?.1.split_once('v')?.0.parse::<usize>().ok())
            .sum();
        assert_eq!(covered, dark.count());
        // Row 0 begins with a finder pattern of seven dark modules.
        assert!(dark_runs(&code).starts_with("M4 4h7v1h-7z"));
    }

    #[test]
    fn what_is_too_long_is_no_picture() {
        assert_eq!(picture(&"x".repeat(4000)), None);
    }
}
