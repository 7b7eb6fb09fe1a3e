//! Pictures of every kind, broken ones, and thousands that somebody has tampered with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image_webp::WebPEncoder;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::decode::{Kind, decode};
use super::{MAX_PICTURE_BYTES, PictureError, Shape, develop};

// 24 by 16 pixels, red above and blue below, as other programs write them.
const PROGRESSIVE: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAoHBwgHBgoICAgLCgoLDhgQDg0NDh0VFhEYIx8lJCIfIiEmKzcvJik0KSEiMEExNDk7Pj4+JS5ESUM8SDc9Pjv/2wBDAQoLCw4NDhwQEBw7KCIoOzs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozs7Ozv/wgARCAAQABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAQF/8QAFQEBAQAAAAAAAAAAAAAAAAAAAAX/2gAMAwEAAhADEAAAAcZKo1ako//EABUQAQEAAAAAAAAAAAAAAAAAAAAS/9oACAEBAAEFAqUpSlP/xAAVEQEBAAAAAAAAAAAAAAAAAAAAFf/aAAgBAwEBPwGgoP/EABYRAAMAAAAAAAAAAAAAAAAAAAAVYf/aAAgBAgEBPwFZBZD/xAAUEAEAAAAAAAAAAAAAAAAAAAAg/9oACAEBAAY/Al//xAAUEAEAAAAAAAAAAAAAAAAAAAAg/9oACAEBAAE/IUB//9oADAMBAAIAAwAAABAEH//EABURAQEAAAAAAAAAAAAAAAAAAABx/9oACAEDAQE/ELW//8QAFBEBAAAAAAAAAAAAAAAAAAAAEP/aAAgBAgEBPxAD/8QAFRABAQAAAAAAAAAAAAAAAAAAAHH/2gAIAQEAAT8QpSlKU//Z";
const FOUR_INKS: &str = "/9j/7gAOQWRvYmUAZAAAAAAC/9sAQwADAgICAgIDAgICAwMDAwQGBAQEBAQIBgYFBgkICgoJCAkJCgwPDAoLDgsJCQ0RDQ4PEBAREAoMEhMSEBMPEBAQ/9sAQwEDAwMEAwQIBAQIEAsJCxAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ/8AAFAgAEAAYBAERAAIRAQMRAQQRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAAHCP/EACAQAAEBCAMAAAAAAAAAAAAAAAAYAQIDBBYXZaJTVJL/xAAXAQEBAQEAAAAAAAAAAAAAAAAACQMI/8QAHxEAAQIGAwAAAAAAAAAAAAAAAAEEAgMVF1ORFlFS/9oADgQBAAIRAxEEAAA/ALXUMLlYYXeZ5U2S/p8XRrRTeQ2FQwuVgu8zypsU+LoKbyGwqGFysF3meVNinxdBTeQ2KjaqQ6bnkm3yCZ6O/bQs8SaCZMfqLVSHTc8jkEz0LQs8SaCZMfqLVSHTc8jkEz0LQs8SaCZMfqf/2Q==";
const LOSSY: &str = "UklGRmAAAABXRUJQVlA4IFQAAADQAwCdASoYABAAPm0skkWkIqGYBABABsS2AE6NcB/gLj/AeSAV9zwA/vQ+vACYnzKamQ//1psr9vJr/7hGFH//c5nuorWyF11AYCBFyCSgWTwAAAA=";
const LOSSY_ALPHA: &str = "UklGRoYAAABXRUJQVlA4WAoAAAAQAAAAFwAADwAAQUxQSAoAAAABB1DAiAhERP8DVlA4IFYAAADwAwCdASoYABAAPpE6l0eloyIhMAgAsBIJbDuAG9Yir+gAC1ay8J6AAP7sF40Z8avX/7S//4oad9+1H//UJuf/5CbgkES5bxwZz2ZEqLwNEiNFk3VwAA==";
const INTERLACED: &str = "iVBORw0KGgoAAAANSUhEUgAAABgAAAAQBAMAAAGJDZIwAAAAMFBMVEX/AADuABHdACLMADO7AESqAFWZAGaIAHd3AIhmAJlVAKpEALszAMwiAN0RAO4AAP8lworGAAAAWElEQVQI103LQQ2AUAyD4d8CFrCAhVnAAha4cpwFLGABC7OABSxAKO8l/Q7LmrQAufHfiKCqvqQ/M5VHYREO4RaaVgnpzZQ+KOm7wTAZZsNq2A2n4TI85gXt32AZASwfLgAAAABJRU5ErkJggg==";

/// What must never come out again.
const PLACE: &[u8] = b"51.5007 N, 0.1246 W <script>alert(1)</script>";

/// An EXIF block that says how the camera was held, as cameras of either byte order write it.
pub(super) fn exif(number: u8, is_little: bool) -> Vec<u8> {
    let head: &[u8] = if is_little { b"II*\0\x08\0\0\0" } else { b"MM\0*\0\0\0\x08" };
    let short = |number: u16| if is_little { number.to_le_bytes() } else { number.to_be_bytes() };
    let long = |number: u16| if is_little { [short(number), [0, 0]] } else { [[0, 0], short(number)] }.concat();
    let entry = |tag: u16, value: u16| [&short(tag)[..], &short(3), &long(1), &short(value), &[0, 0]].concat();
    let entries = [entry(0x010e, 7), entry(0x0112, number.into())].concat();
    [head, &short(2), &entries, &[0; 4]].concat()
}

/// Red above, blue below; or red on the left and blue on the right.
fn halves(width: usize, height: usize, beside: bool) -> Vec<u8> {
    let is_red = |index: usize| {
        let (x, y) = (index % width, index / width);
        if beside { x < width / 2 } else { y < height / 2 }
    };
    (0..width * height).flat_map(|index| if is_red(index) { [230, 0, 0] } else { [0, 0, 230] }).collect()
}

fn jpeg(width: u16, height: u16, beside: bool, exif: Option<&[u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    if let Some(exif) = exif {
        encoder.add_exif_metadata(&[exif, PLACE].concat()).unwrap();
    }
    encoder.add_app_segment(13, PLACE.to_vec()).unwrap();
    encoder.encode(&halves(width.into(), height.into(), beside), width, height, ColorType::Rgb).unwrap();
    file
}

fn png(width: u32, height: u32, depth: png::BitDepth) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(depth);
    encoder.add_text_chunk("Location".into(), String::from_utf8(PLACE.to_vec()).unwrap()).unwrap();
    let mut data = halves(width as usize, height as usize, false);
    if depth == png::BitDepth::Sixteen {
        data = data.iter().flat_map(|byte| [*byte, *byte]).collect();
    }
    encoder.write_header().unwrap().write_image_data(&data).unwrap();
    file
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = WebPEncoder::new(&mut file);
    encoder.set_xmp_metadata(PLACE.to_vec());
    encoder.set_exif_metadata(exif(1, true));
    let data = halves(width as usize, height as usize, false);
    encoder.encode(&data, width, height, image_webp::ColorType::Rgb8).unwrap();
    file
}

fn fixture(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn every_kind() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("jpeg", jpeg(24, 16, false, None)),
        ("jpeg with exif", jpeg(24, 16, false, Some(&exif(1, false)))),
        ("progressive jpeg", fixture(PROGRESSIVE)),
        ("jpeg of four inks", fixture(FOUR_INKS)),
        ("png", png(24, 16, png::BitDepth::Eight)),
        ("deep png", png(24, 16, png::BitDepth::Sixteen)),
        ("interlaced png with a palette", fixture(INTERLACED)),
        ("lossless webp", webp(24, 16)),
        ("lossy webp", fixture(LOSSY)),
        ("lossy webp with alpha", fixture(LOSSY_ALPHA)),
    ]
}

/// Sides and the colours of the middle of the upper and the lower half.
fn look(file: &[u8]) -> ((u32, u32), [u8; 3], [u8; 3]) {
    let (pixels, _) = decode(Kind::of(file).unwrap(), file).unwrap();
    assert_eq!(pixels.channels, 3);
    let at = |x: u32, y: u32| {
        let start = 3 * (y * pixels.width + x) as usize;
        [0, 1, 2].map(|channel| pixels.data[start + channel])
    };
    let (x, y) = (pixels.width / 2, pixels.height / 4);
    ((pixels.width, pixels.height), at(x, y), at(x, pixels.height - 1 - y))
}

fn is_reddish([red, _, blue]: [u8; 3]) -> bool {
    red > blue.saturating_add(30)
}

fn is_bluish([red, _, blue]: [u8; 3]) -> bool {
    blue > red.saturating_add(30)
}

fn holds(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

#[test]
fn pictures_of_every_kind_become_a_square_of_our_own() {
    for (name, file) in every_kind() {
        let made = develop(&file, Shape::Avatar).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(made.starts_with(&[0xff, 0xd8, 0xff, 0xe0]) && made.ends_with(&[0xff, 0xd9]), "{name}");
        let (sides, above, below) = look(&made);
        assert_eq!(sides, (16, 16), "{name}");
        assert!(is_reddish(above) && is_bluish(below), "{name}: {above:?} {below:?}");
    }
}

#[test]
fn nothing_of_what_was_sent_is_left() {
    let page = b"<html><script>alert(1)</script>";
    for (name, mut file) in every_kind() {
        file.extend_from_slice(page);
        let made = develop(&file, Shape::Avatar).unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in [PLACE, page, b"Exif", b"Adobe"] {
            assert!(!holds(&made, part), "{name}");
        }
        // JFIF, tables, one scan: no other application segment and no comment.
        let mut rest = &made[2..];
        while let [0xff, marker, high, low, ..] = rest {
            assert!([0xe0, 0xdb, 0xc0, 0xc4, 0xda].contains(marker), "{name}: {marker:x}");
            if *marker == 0xda {
                break;
            }
            rest = &rest[2 + usize::from(u16::from_be_bytes([*high, *low]))..];
        }
    }
}

#[test]
fn large_pictures_shrink_and_small_ones_stay() {
    let (sides, above, below) = look(&develop(&jpeg(600, 540, false, None), Shape::Avatar).unwrap());
    assert_eq!(sides, (512, 512));
    assert!(is_reddish(above) && is_bluish(below));
    assert_eq!(look(&develop(&jpeg(1, 3, false, None), Shape::Avatar).unwrap()).0, (1, 1));
    assert_eq!(look(&develop(&jpeg(1280, 40, false, None), Shape::Whole).unwrap()).0, (1024, 32));
    assert_eq!(look(&develop(&jpeg(40, 20, false, None), Shape::Whole).unwrap()).0, (40, 20));
}

#[test]
fn pictures_stand_upright() {
    // Red on the left; turned to the right by a quarter, red is above.
    for is_little in [true, false] {
        let file = jpeg(64, 32, true, Some(&exif(6, is_little)));
        let (sides, above, below) = look(&develop(&file, Shape::Whole).unwrap());
        assert_eq!(sides, (32, 64));
        assert!(is_reddish(above) && is_bluish(below), "{above:?} {below:?}");
        let (_, above, below) = look(&develop(&jpeg(64, 32, true, Some(&exif(8, is_little))), Shape::Avatar).unwrap());
        assert!(is_bluish(above) && is_reddish(below), "{above:?} {below:?}");
    }
}

#[test]
fn what_is_no_picture_is_told_by_its_content() {
    for file in [
        &b""[..],
        b"\xff\xd8",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a\x01\0\x01\0\x80\0\0",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"%PDF-1.7",
    ] {
        assert_eq!(develop(file, Shape::Avatar), Err(PictureError::Kind), "{file:?}");
        assert_eq!(develop(file, Shape::Whole), Err(PictureError::NotJpeg), "{file:?}");
    }
    for head in [&b"\xff\xd8\xff\xe0"[..], b"\x89PNG\r\n\x1a\n", b"RIFF\x04\0\0\0WEBP"] {
        assert_eq!(develop(head, Shape::Avatar), Err(PictureError::Broken), "{head:?}");
    }
    assert_eq!(develop(&webp(8, 8), Shape::Whole), Err(PictureError::NotJpeg));
    assert_eq!(develop(&vec![0; MAX_PICTURE_BYTES + 1], Shape::Avatar), Err(PictureError::TooManyBytes));
}

#[test]
fn sides_are_looked_at_before_memory_is_taken() {
    let too_many = Err(PictureError::TooManyPixels);
    let mut bomb = png(24, 16, png::BitDepth::Eight);
    for (width, height) in [(8193_u32, 1_u32), (1, 8193), (8192, 8192), (0x7fff_ffff, 0x7fff_ffff), (5001, 5000)] {
        bomb[16..20].copy_from_slice(&width.to_be_bytes());
        bomb[20..24].copy_from_slice(&height.to_be_bytes());
        // The check sum of the head, which otherwise nobody would get past.
        let sum = crc(&bomb[12..29]).to_be_bytes();
        bomb[29..33].copy_from_slice(&sum);
        assert_eq!(develop(&bomb, Shape::Avatar), too_many, "{width} {height}");
    }
    let mut bomb = jpeg(24, 16, false, None);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    for (width, height) in [(65535_u16, 65535_u16), (8193, 8), (6000, 6000)] {
        bomb[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
        bomb[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
        assert_eq!(develop(&bomb, Shape::Avatar), too_many, "{width} {height}");
    }
    // The simple lossy form, and the same within an extended one that lies about its size.
    for (text, at) in [(LOSSY, 26), (LOSSY_ALPHA, 62)] {
        let mut bomb = fixture(text);
        assert_eq!(bomb[at..at + 4], [24, 0, 16, 0]);
        bomb[at..at + 4].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
        assert_eq!(develop(&bomb, Shape::Avatar), too_many);
    }
}

#[test]
fn films_are_refused() {
    let frame = &fixture(LOSSY)[12..];
    let size = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let animated = [&[0; 6][..], &[23, 0, 0, 15, 0, 0, 100, 0, 0, 0], frame].concat();
    let body = [
        &b"WEBPVP8X\x0a\0\0\0\x02\0\0\0\x17\0\0\x0f\0\0ANIM\x06\0\0\0\0\0\0\0\0\0ANMF"[..],
        &size(animated.len()),
        &animated,
    ]
    .concat();
    let film = [&b"RIFF"[..], &size(body.len()), &body].concat();
    assert_eq!(develop(&film, Shape::Avatar), Err(PictureError::Moving));
}

/// CRC-32 as PNG has it (annex D of the specification).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

/// Thousands of pictures that somebody has tampered with: each is refused or becomes one of ours.
#[test]
fn no_picture_brings_anything_down() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below.max(1)
    };
    let seeds = every_kind();
    let (mut taken, mut refused) = (0, 0);
    for round in 0..400 {
        for (name, seed) in &seeds {
            let mut file = seed.clone();
            for _ in 0..=chance(4) {
                let at = chance(file.len());
                match chance(5) {
                    0 => file[at] ^= 1 << chance(8),
                    1 => file[at] = [0, 0xff, 0x7f, 0x80][chance(4)],
                    2 => file.truncate(at.max(12)),
                    3 => file.extend_from_within(at..),
                    _ => {
                        let (_, other) = &seeds[chance(seeds.len())];
                        let from = chance(other.len());
                        file.splice(at.., other[from..].iter().copied());
                    }
                }
            }
            match develop(&file, Shape::Avatar) {
                Ok(made) => {
                    taken += 1;
                    let ((width, height), ..) = look(&made);
                    assert!(width == height && width <= 512, "{name} {round}");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused: too easy or too hard to be a test");
}

/// Bits from the lowest to the highest, as lossless WebP has them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::try_from((value >> bit) & 1).unwrap() << (self.used % 8);
            self.used += 1;
        }
    }

    /// A code that has one symbol alone.
    fn single(&mut self, symbol: u32) {
        self.put(0b101, 3);
        self.put(symbol, 8);
    }

    /// A code with symbols of one to ten bits: the shortest text that makes a table of 1024 places.
    fn deep(&mut self) {
        self.put(10 << 1, 5);
        // How the lengths are written that follow: those of 1 to 6 in three bits, 7 to 10 in four.
        for length in [0, 0, 0, 3, 3, 3, 3, 3, 0, 3, 4, 4, 4, 4] {
            self.put(length, 3);
        }
        self.put(1 | 1 << 1 | 9 << 4, 8);
        for length in [1_u32, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            let (code, bits) = if length <= 6 { (length - 1, 3) } else { (length + 5, 4) };
            self.put(code.reverse_bits() >> (32 - bits), bits);
        }
    }
}

/// A lossless WebP file of one pixel that brings `groups` groups of five codes.
fn codes(groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(0, 14 + 14 + 1 + 3);
    // No transform and no cache of colours, but groups of codes, whose picture has one pixel: the last.
    bits.put(0b100, 3);
    bits.put(0, 3 + 1);
    for symbol in [(groups - 1) & 0xff, (groups - 1) >> 8, 0, 0, 0] {
        bits.single(symbol);
    }
    (0..groups * 5).for_each(|_| bits.deep());
    bits.put(0, 4);
    let size = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    bits.bytes.resize(bits.bytes.len().next_multiple_of(2), 0);
    let body = [b"WEBPVP8L", &size(bits.bytes.len())[..], &bits.bytes].concat();
    [b"RIFF", &size(body.len())[..], &body].concat()
}

/// Four megabytes of this took 1.3 gigabytes of memory: each group becomes tables of 20 kilobytes.
#[test]
fn tables_of_codes_are_no_bomb() {
    assert!(develop(&codes(300), Shape::Avatar).is_ok());
    let bomb = codes(20_000);
    assert!(bomb.len() < MAX_PICTURE_BYTES / 4);
    assert_eq!(develop(&bomb, Shape::Avatar), Err(PictureError::Broken));
    // The same as the alpha of a lossy picture.
    let mut hidden = fixture(LOSSY_ALPHA);
    let alpha = [&b"ALPH"[..], &u32::try_from(bomb.len()).unwrap().to_le_bytes(), &bomb].concat();
    hidden.splice(30..30, alpha);
    assert_eq!(develop(&hidden, Shape::Avatar), Err(PictureError::Broken));
}
