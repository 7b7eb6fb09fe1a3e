//! How a camera was held: the one thing of a picture's metadata (EXIF) that is looked at. It is
//! carried out and, like all the rest, not written again.

use super::shrink::Small;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;
/// Entries of the directory that are looked at; cameras write some dozens.
const MAX_ENTRIES: u16 = 1024;

/// What has to be done for the picture to stand upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    /// Rows become columns, first of all.
    swaps: bool,
    /// Then left and right change places.
    mirrors: bool,
    /// And so do top and bottom.
    flips: bool,
}

impl Orientation {
    /// What the first directory of an EXIF block (TIFF 6.0) says; upright when it says nothing
    /// that can be understood.
    pub(super) fn of(exif: &[u8]) -> Self {
        let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        value(exif).map_or(Self::default(), Self::from_number)
    }

    const fn from_number(number: u16) -> Self {
        let (swaps, mirrors, flips) = match number {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { swaps, mirrors, flips }
    }

    /// The picture, upright.
    pub(super) fn turn(self, mut picture: Small) -> Small {
        if self.swaps {
            picture = swapped(&picture);
        }
        let width = (picture.width as usize).max(1);
        if self.mirrors {
            picture.rgb.chunks_exact_mut(width).for_each(<[_]>::reverse);
        }
        if self.flips {
            picture.rgb = picture.rgb.rchunks_exact(width).flatten().copied().collect();
        }
        picture
    }
}

fn swapped(picture: &Small) -> Small {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let column = |x: usize| picture.rgb.iter().copied().skip(x).step_by(width.max(1)).take(height);
    Small { width: picture.height, height: picture.width, rgb: (0..width).flat_map(column).collect() }
}

fn value(tiff: &[u8]) -> Option<u16> {
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..)?.first_chunk::<2>().copied()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = tiff.get(4..)?.first_chunk::<4>().copied()?;
    let directory = if is_little { u32::from_le_bytes(long) } else { u32::from_be_bytes(long) } as usize;
    let entries = short(directory)?.min(MAX_ENTRIES);
    (0..usize::from(entries))
        .map_while(|index| directory.checked_add(2 + 12 * index))
        .find(|at| short(*at) == Some(ORIENTATION))
        .filter(|at| at.checked_add(2).and_then(short) == Some(SHORT))
        .and_then(|at| short(at.checked_add(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::exif;

    fn turned(number: u16) -> (u32, Vec<u8>) {
        // 1 2 3
        // 4 5 6
        let picture = Small { width: 3, height: 2, rgb: (1..=6).map(|shade| [shade; 3]).collect() };
        let turned = Orientation::from_number(number).turn(picture);
        assert_eq!(turned.width * turned.height, 6);
        (turned.width, turned.rgb.iter().map(|[red, ..]| *red).collect())
    }

    #[test]
    fn the_eight_ways_to_hold_a_camera() {
        for (number, width, expected) in [
            (0, 3, [1, 2, 3, 4, 5, 6]),
            (1, 3, [1, 2, 3, 4, 5, 6]),
            (2, 3, [3, 2, 1, 6, 5, 4]),
            (3, 3, [6, 5, 4, 3, 2, 1]),
            (4, 3, [4, 5, 6, 1, 2, 3]),
            (5, 2, [1, 4, 2, 5, 3, 6]),
            (6, 2, [4, 1, 5, 2, 6, 3]),
            (7, 2, [6, 3, 5, 2, 4, 1]),
            (8, 2, [3, 6, 2, 5, 1, 4]),
            (9, 3, [1, 2, 3, 4, 5, 6]),
        ] {
            assert_eq!(turned(number), (width, expected.to_vec()), "{number}");
        }
    }

    #[test]
    fn exif_is_read_in_both_orders_and_never_trusted() {
        for is_little in [true, false] {
            let block = exif(6, is_little);
            assert_eq!(Orientation::of(&block), Orientation::from_number(6));
            assert_eq!(Orientation::of(&[b"Exif\0\0", &block[..]].concat()), Orientation::from_number(6));
            for end in 0..block.len() {
                // Cut anywhere: something or nothing, and no panic.
                let _ = Orientation::of(&block[..end]);
            }
        }
        for odd in [&b""[..], b"II*\0\xff\xff\xff\xff", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"] {
            assert_eq!(Orientation::of(odd), Orientation::default(), "{odd:?}");
        }
    }
}
