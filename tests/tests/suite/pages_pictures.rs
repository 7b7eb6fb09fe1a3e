//! Pictures of people, as browsers send and show them: what comes in, what is served, and to whom.

use anyhow::{Context, Result, ensure};
use image_webp::WebPEncoder;
use jpeg_encoder::{ColorType, Encoder};
use ostiary_tests::{Browser, Ostiary, Page, Pair, on_both_pairs};
use reqwest::{Response, StatusCode, header};
use url::Url;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

on_both_pairs!(people_set_their_own_picture, administrators_set_the_pictures_of_others);

/// What must never be served.
const PLACE: &str = "51.5007 N, 0.1246 W <script>alert(1)</script>";

fn pixels(width: usize, height: usize) -> Vec<u8> {
    (0..width * height).flat_map(|index| [(index % width) as u8, (index / width) as u8, 90]).collect()
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.add_exif_metadata(PLACE.as_bytes()).unwrap();
    encoder.encode(&pixels(width.into(), height.into()), width, height, ColorType::Rgb).unwrap();
    file
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_text_chunk("Location".into(), PLACE.into()).unwrap();
    encoder.write_header().unwrap().write_image_data(&pixels(width as usize, height as usize)).unwrap();
    file
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = WebPEncoder::new(&mut file);
    encoder.set_xmp_metadata(PLACE.into());
    let data = pixels(width as usize, height as usize);
    encoder.encode(&data, width, height, image_webp::ColorType::Rgb8).unwrap();
    file
}

/// Sends the picture form of `page` with `file`, as browsers do (RFC 7578), and follows.
async fn upload(browser: &Browser, page: &Page, name: &str, file: &[u8]) -> Result<Page> {
    let answer = sent(browser, page, &body(page, name, file)?).await?;
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    match location {
        Some(location) => browser.open(page.url.join(location)?).await,
        None => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok(Page { url: page.url.clone(), status, headers, body: answer.text().await? })
        }
    }
}

fn token(page: &Page) -> Result<String> {
    Ok(page.form("picture")?.value("csrf").context("a token")?.to_owned())
}

fn body(page: &Page, name: &str, file: &[u8]) -> Result<Vec<u8>> {
    let head = format!(
        "--XYZ\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{}\r\n\
         --XYZ\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"{name}\"\r\n\
         Content-Type: image/svg+xml\r\n\r\n",
        token(page)?
    );
    Ok([head.as_bytes(), file, b"\r\n--XYZ--\r\n"].concat())
}

async fn sent(browser: &Browser, page: &Page, body: &[u8]) -> Result<Response> {
    let url = page.url.join(&page.form("picture")?.action)?;
    let request = browser.client().post(url).body(body.to_vec());
    let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=XYZ");
    let request = request.header(header::ORIGIN, page.url.origin().ascii_serialization());
    Ok(request.header("sec-fetch-site", "same-origin").send().await?)
}

/// The address of the first picture that a page shows.
fn shown(page: &Page) -> Option<Url> {
    let address = page.body.split("<img ").nth(1)?.split("src=\"").nth(1)?.split('"').next()?;
    page.url.join(address).ok()
}

/// Fetches a picture and holds it to everything that a picture must be; gives its sides.
async fn fetched(browser: &Browser, url: &Url) -> Result<(usize, usize)> {
    let answer = browser.client().get(url.clone()).send().await?;
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    let headers = answer.headers().clone();
    let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("content-disposition", "inline; filename=\"picture.jpg\""),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, no-cache"),
        ("access-control-allow-origin", ""),
        ("set-cookie", ""),
    ] {
        assert_eq!(get(name), value, "{name}");
    }
    let tag = get("etag");
    ensure!(tag.len() > 4 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let bytes = answer.bytes().await?;
    for part in [PLACE.as_bytes(), b"Exif", b"<script", b"</"] {
        ensure!(!bytes.windows(part.len()).any(|window| window == part), "something of what was sent is left");
    }

    let known = browser.client().get(url.clone()).header(header::IF_NONE_MATCH, tag).send().await?;
    assert_eq!((known.status(), known.headers()["etag"].to_str()?), (StatusCode::NOT_MODIFIED, tag));
    assert_eq!(known.headers()["content-security-policy"], "default-src 'none'; sandbox");
    ensure!(known.bytes().await?.is_empty(), "304 has no body");

    let mut decoder = JpegDecoder::new(ZCursor::new(&bytes[..]));
    decoder.decode()?;
    decoder.dimensions().context("sides")
}

async fn status(browser: &Browser, url: &Url) -> Result<StatusCode> {
    Ok(browser.client().get(url.clone()).send().await?.status())
}

async fn people_set_their_own_picture(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (mut ada, mut bob) = (ostiary.add_person("ada", &[]).await?, ostiary.add_person("bob", &[]).await?);
    let (browser, other) = (Browser::new(&ostiary)?, Browser::new(&ostiary)?);
    bob.sign_in(&other).await?;
    let account = ada.sign_in(&browser).await?;
    assert_eq!(shown(&account), None);
    ensure!(account.text().contains("None yet. It stands beside your name"), "{}", account.text());

    let mut page = browser.visit("/account/picture").await?;
    let mut before: Option<Url> = None;
    for (name, file, sides) in [
        ("me.jpg", jpeg(64, 48), (48, 48)),
        ("me.html", png(30, 40), (30, 30)),
        ("../../\u{e9}.svg", webp(20, 20), (20, 20)),
        ("large.png", png(700, 530), (512, 512)),
    ] {
        page = upload(&browser, &page, name, &file).await?;
        assert_eq!((page.path(), page.status), ("/account/picture", StatusCode::OK), "{name}: {}", page.text());
        ensure!(page.text().contains("Your picture was saved"), "{name}: {}", page.text());
        let url = shown(&page).context("a picture")?;
        assert_eq!(fetched(&browser, &url).await?, sides, "{name}");
        ensure!(before.is_none_or(|before| before != url), "another picture has another address");
        assert_eq!(shown(&browser.visit("/account").await?), Some(url.clone()));
        // Nobody else sees it, whether they are signed in or not.
        for stranger in [&other, &Browser::new(&ostiary)?] {
            assert_eq!(status(stranger, &url).await?, StatusCode::NOT_FOUND, "{name}");
        }
        before = Some(url);
    }

    let url = before.context("a picture")?;
    let removed = browser.send(&page, &page.form_to("/account/picture/remove")?).await?;
    ensure!(removed.text().contains("Your picture was removed"), "{}", removed.text());
    assert_eq!((shown(&removed), status(&browser, &url).await?), (None, StatusCode::NOT_FOUND));
    ensure!(removed.form_to("/account/picture/remove").is_err(), "nothing is left to remove");

    // Signed out: neither the page nor the picture.
    let page = upload(&browser, &removed, "me.jpg", &jpeg(8, 8)).await?;
    let url = shown(&page).context("a picture")?;
    let account = browser.visit("/account").await?;
    let body = body(&page, "me.jpg", &jpeg(9, 9))?;
    browser.send(&account, &account.form_to("/sign-out")?).await?;
    assert_eq!(status(&browser, &url).await?, StatusCode::NOT_FOUND);
    assert_eq!(browser.visit("/account/picture").await?.path(), "/sign-in");
    assert_eq!(sent(&browser, &page, &body).await?.status(), StatusCode::FORBIDDEN);
    Ok(())
}

async fn administrators_set_the_pictures_of_others(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (root, mut person) = ostiary.first_administrator().await?;
    ostiary.add_person("ada", &[]).await?;
    let own = root.open(root.directory("/people/ada")?).await?;
    assert_eq!(shown(&own), None);

    let form = root.open(root.directory("/people/ada/picture")?).await?;
    let saved = upload(&root, &form, "ada.png", &png(33, 31)).await?;
    ensure!(saved.path() == "/people/ada" && saved.text().contains("The picture of ada was saved"), "{}", saved.text());
    let url = shown(&saved).context("a picture")?;
    assert_eq!(fetched(&root, &url).await?, (31, 31));
    assert_eq!(shown(&root.open(root.directory("/people")?).await?), Some(url.clone()));
    // On the other host, too, where the session has two steps as well.
    let there = root.accounts(&format!("{}?{}", url.path(), url.query().unwrap_or_default()))?;
    assert_eq!(fetched(&root, &there).await?, (31, 31));

    // Half way in, an administrator sees no picture, their own neither.
    let half = Browser::new(&ostiary)?;
    let page = half.visit("/sign-in").await?;
    let form = page.form("password")?.fill("username", &person.username).fill("password", &person.password);
    assert_eq!(half.send(&page, &form).await?.path(), "/sign-in/code");
    assert_eq!(status(&half, &there).await?, StatusCode::NOT_FOUND);
    assert_eq!(half.visit("/account/picture").await?.path(), "/sign-in/code");
    let page = half.visit("/sign-in").await?;
    person.sign_in_from(&half, page).await?;
    assert_eq!(status(&half, &there).await?, StatusCode::OK);

    for nothing in ["01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f", "ada", "..%2f..%2fetc%2fpasswd", "%ff"] {
        assert_eq!(status(&root, &root.directory(&format!("/avatar/{nothing}"))?).await?, StatusCode::NOT_FOUND);
    }
    let form = root.open(root.directory("/people/ada/picture")?).await?;
    let removed = root.send(&form, &form.form_to("/picture/remove")?).await?;
    ensure!(removed.text().contains("The picture of ada was removed"), "{}", removed.text());
    assert_eq!((shown(&removed), status(&root, &url).await?), (None, StatusCode::NOT_FOUND));
    Ok(())
}

#[tokio::test]
async fn what_is_no_picture_is_refused_in_plain_words() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    ada.sign_in(&browser).await?;
    let page = browser.visit("/account/picture").await?;
    let page = upload(&browser, &page, "me.jpg", &jpeg(16, 16)).await?;
    let url = shown(&page).context("a picture")?;

    let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>{PLACE}</script></svg>").into_bytes();
    let html = format!("<!doctype html><title>{PLACE}</title>").into_bytes();
    let cut = jpeg(16, 16)[..90].to_vec();
    let mut bomb = jpeg(16, 16);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).context("a frame")?;
    bomb[frame + 5..frame + 9].fill(0xff);
    let (large, huge) = (vec![0xff; 6 * 1024 * 1024], vec![0xff; 24 * 1024 * 1024]);
    for (name, file, status, words) in [
        ("me.svg", &svg, 422, "Choose a JPEG, PNG or WebP file"),
        ("me.png", &html, 422, "Choose a JPEG, PNG or WebP file"),
        ("me.gif", &b"GIF89a\x01\0\x01\0".to_vec(), 422, "Choose a JPEG, PNG or WebP file"),
        ("", &Vec::new(), 422, "No file came along"),
        ("cut.jpg", &cut, 422, "The picture is damaged"),
        ("bomb.jpg", &bomb, 422, "The picture has too many pixels"),
        ("large.jpg", &large, 413, "The picture is larger than 5 MiB"),
        ("huge.jpg", &huge, 413, "The picture is larger than 5 MiB"),
    ] {
        let refused = upload(&browser, &page, name, file).await?;
        assert_eq!(refused.status, status, "{name}: {}", refused.text());
        ensure!(refused.text().contains(words), "{name}: {}", refused.text());
        ensure!(refused.text().contains("The picture was not saved"), "{name}: {}", refused.text());
        assert_eq!(shown(&refused), Some(url.clone()), "{name}: the old one stays");
        refused.form("picture")?;
    }
    assert_eq!(fetched(&browser, &url).await?, (16, 16));

    // Something that is a picture and a page at once becomes a picture and nothing else.
    let polyglot = [jpeg(24, 24), html].concat();
    let saved = upload(&browser, &page, "me.html", &polyglot).await?;
    assert_eq!(fetched(&browser, &shown(&saved).context("a picture")?).await?, (24, 24));
    ensure!(!ostiary.log().contains("panicked"), "{}", ostiary.log());
    Ok(())
}

#[tokio::test]
async fn only_our_own_page_sends_a_picture() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (mut ada, mut bob) = (ostiary.add_person("ada", &[]).await?, ostiary.add_person("bob", &[]).await?);
    let (browser, other) = (Browser::new(&ostiary)?, Browser::new(&ostiary)?);
    ada.sign_in(&browser).await?;
    bob.sign_in(&other).await?;
    let page = browser.visit("/account/picture").await?;
    let foreign = other.visit("/account/picture").await?;
    let url = browser.accounts("/account/picture")?;
    let right = body(&page, "me.jpg", &jpeg(8, 8))?;
    let token = token(&page)?;
    let part = |name: &str, value: &str| {
        format!("--XYZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let post = |kind: &'static str, body: Vec<u8>| {
        browser.client().post(url.clone()).header(header::CONTENT_TYPE, kind).body(body)
    };
    const FORM: &str = "multipart/form-data; boundary=XYZ";
    for (what, request, status) in [
        ("another browser's token", post(FORM, body(&foreign, "me.jpg", &jpeg(8, 8))?), 403),
        ("no token", post(FORM, format!("{}--XYZ--\r\n", part("picture", "x")).into()), 403),
        (
            "the token last",
            post(FORM, format!("{}{}--XYZ--\r\n", part("picture", "x"), part("csrf", &token)).into()),
            403,
        ),
        (
            "the token in the address",
            post(FORM, format!("{}--XYZ--\r\n", part("a", "b")).into()).query(&[("csrf", &token)]),
            403,
        ),
        ("from another site", post(FORM, right.clone()).header("sec-fetch-site", "cross-site"), 403),
        ("from our other host", post(FORM, right.clone()).header(header::ORIGIN, ostiary.directory()?), 403),
        ("no form with files", post("application/x-www-form-urlencoded", format!("csrf={token}").into()), 400),
        ("no boundary", post("multipart/form-data", right.clone()), 400),
        ("another boundary", post("multipart/form-data; boundary=ABC", right.clone()), 400),
        ("no end", post(FORM, right[..right.len() - 12].to_vec()), 400),
        ("nothing", post(FORM, Vec::new()), 400),
    ] {
        let answer = request.send().await?;
        assert_eq!(answer.status(), status, "{what}");
    }
    assert_eq!(shown(&browser.visit("/account/picture").await?), None, "nothing was saved");
    // Without the browser's own headers the token decides.
    assert_eq!(post(FORM, right).send().await?.status(), StatusCode::SEE_OTHER);
    ensure!(shown(&browser.visit("/account/picture").await?).is_some(), "the right form is taken");
    Ok(())
}
