//! Stylesheets, scripts and the mark: in the binary, under addresses that name their version, so
//! that a browser may keep them for good.

use std::sync::LazyLock;

use axum::extract::RawPathParams;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ostiary_httpkit::{Problem, version_of};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal $kind:expr),* $(,)?) => {
        [$(Asset { name: $name, kind: $kind, content: include_str!(concat!("../../../web/assets/", $name)) }),*]
    };
}

static ASSETS: [Asset; 9] = assets![
    "tokens.css" CSS, "ostiary.css" CSS, "mark.svg" "image/svg+xml", "focus.js" SCRIPT, "once.js" SCRIPT,
    "show.js" SCRIPT, "copy.js" SCRIPT, "menu.js" SCRIPT, "picked.js" SCRIPT,
];

static ADDRESSES: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| (asset.name, format!("/assets/{}/{}", version_of(asset.content.as_bytes()), asset.name)))
        .collect()
});

/// The address of a file of `web/assets`.
pub(crate) fn address(name: &str) -> &'static str {
    ADDRESSES.iter().find(|(known, _)| *known == name).map_or("", |(_, address)| address)
}

/// Serves a file. A page of an older release may ask for another version: it gets this one, and
/// is told not to keep it under that name.
pub(crate) async fn serve(params: RawPathParams) -> Response {
    let param = |wanted| params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    let (version, name) = (param("hash"), param("name"));
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Problem::not_found().into_response();
    };
    let is_current = address(name) == format!("/assets/{version}/{name}");
    let keep = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, keep)], asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_of_its_version() {
        for asset in &ASSETS {
            let parts: Vec<&str> = address(asset.name).split('/').collect();
            assert_eq!(parts.len(), 4, "{}", asset.name);
            assert_eq!(parts[2].len(), 16);
        }
        assert_eq!(address("nothing.css"), "");
    }

    #[test]
    fn stylesheets_load_nothing_from_elsewhere() {
        for asset in ASSETS.iter().filter(|asset| asset.kind == CSS) {
            assert!(!asset.content.contains("url(") && !asset.content.contains("@import"), "{}", asset.name);
        }
    }
}
