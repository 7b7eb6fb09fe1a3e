//! Making pictures smaller: each new pixel is the average of the old ones under it, counted by how
//! much of each lies there. What shows through stands on white, for JPEG knows no alpha.

use super::decode::Pixels;

/// A picture of the size that is kept.
pub(super) struct Small {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Red, green and blue, row by row.
    pub(super) rgb: Vec<[u8; 3]>,
}

/// A part of a picture.
struct Cut {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// The square in the middle, `side` pixels wide, or as wide as it is when that is less.
pub(super) fn to_square(pixels: &Pixels, side: u32) -> Small {
    let whole = pixels.width.min(pixels.height);
    let cut = Cut { left: (pixels.width - whole) / 2, top: (pixels.height - whole) / 2, width: whole, height: whole };
    averaged(pixels, &cut, (whole.min(side), whole.min(side)))
}

/// The whole, its longer side `side` pixels long, or as long as it is when that is less.
pub(super) fn to_fit(pixels: &Pixels, side: u32) -> Small {
    let longer = pixels.width.max(pixels.height).max(1);
    let scaled = |length: u32| {
        let length = u64::from(length) * u64::from(longer.min(side)) / u64::from(longer);
        u32::try_from(length).unwrap_or(side).max(1)
    };
    let cut = Cut { left: 0, top: 0, width: pixels.width, height: pixels.height };
    averaged(pixels, &cut, (scaled(pixels.width), scaled(pixels.height)))
}

/// `cut`, made into `width` by `height` pixels, which are no more than it has.
fn averaged(pixels: &Pixels, cut: &Cut, (width, height): (u32, u32)) -> Small {
    let channels = pixels.channels.max(1);
    let row_bytes = pixels.width as usize * channels;
    let (from, length) = (cut.left as usize * channels, cut.width as usize * channels);
    let mut sums = vec![[0_u64; 3]; width as usize * height as usize];
    let mut line = vec![[0_u64; 3]; width as usize];
    let rows = pixels.data.chunks_exact(row_bytes.max(1)).skip(cut.top as usize).take(cut.height as usize);
    let spans = Spans::new(cut.height, height);
    for (row, span) in rows.zip(spans) {
        let row = row.get(from..from + length).unwrap_or_default();
        line.fill([0; 3]);
        for (pixel, span) in row.chunks_exact(channels).zip(Spans::new(cut.width, width)) {
            span.add(&mut line, 1, on_white(pixel));
        }
        span.add_row(&mut sums, &line);
    }
    let area = (u64::from(cut.width) * u64::from(cut.height)).max(1);
    let shade = |sum: u64| u8::try_from((sum + area / 2) / area).unwrap_or(u8::MAX);
    Small { width, height, rgb: sums.into_iter().map(|sum| sum.map(shade)).collect() }
}

/// Where one of the old pixels of a row (or one of the old rows) lies among the new ones. All are
/// measured in parts of which an old one has as many as there are new ones, so that nothing is
/// rounded. As the new ones are no smaller, an old one lies under two of them at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// The new one that it begins under.
    first: usize,
    /// How much of it lies there.
    weight: u64,
    /// How much lies under the next.
    beyond: u64,
}

struct Spans {
    old: u64,
    new: u64,
    at: u64,
}

impl Spans {
    fn new(old: u32, new: u32) -> Self {
        Self { old: u64::from(old).max(1), new: u64::from(new), at: 0 }
    }
}

impl Iterator for Spans {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let (from, to) = (self.at * self.new, (self.at + 1) * self.new);
        self.at += 1;
        let first = from / self.old;
        let weight = to.min((first + 1) * self.old) - from;
        Some(Span { first: usize::try_from(first).ok()?, weight, beyond: self.new - weight })
    }
}

impl Span {
    fn add(self, line: &mut [[u64; 3]], width: usize, pixel: [u64; 3]) {
        for (place, weight) in [(self.first, self.weight), (self.first + width, self.beyond)] {
            if let Some(sum) = line.get_mut(place)
                && weight > 0
            {
                sum.iter_mut().zip(pixel).for_each(|(sum, shade)| *sum += shade * weight);
            }
        }
    }

    fn add_row(self, sums: &mut [[u64; 3]], line: &[[u64; 3]]) {
        let width = line.len();
        let rows = sums.get_mut(self.first * width..).unwrap_or_default();
        for (index, pixel) in line.iter().enumerate() {
            Self { first: index, ..self }.add(rows, width, *pixel);
        }
    }
}

/// Red, green and blue of a pixel that stands on white.
fn on_white(pixel: &[u8]) -> [u64; 3] {
    let (rgb, alpha) = match *pixel {
        [grey] => ([grey; 3], u8::MAX),
        [grey, alpha] => ([grey; 3], alpha),
        [red, green, blue] => ([red, green, blue], u8::MAX),
        [red, green, blue, alpha] => ([red, green, blue], alpha),
        _ => ([u8::MAX; 3], 0),
    };
    let alpha = u64::from(alpha);
    rgb.map(|shade| (u64::from(shade) * alpha + 255 * (255 - alpha) + 127) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, data: &[u8]) -> Pixels {
        let height = u32::try_from(data.len()).unwrap() / width;
        Pixels { width, height, channels: 1, data: data.to_vec() }
    }

    fn shades(small: &Small) -> Vec<u8> {
        small.rgb.iter().map(|[red, ..]| *red).collect()
    }

    #[test]
    fn a_new_pixel_is_the_average_of_what_lies_under_it() {
        let four = grey(4, &[0, 100, 10, 30, 50, 50, 20, 40, 9, 9, 1, 1, 9, 9, 1, 1]);
        assert_eq!(shades(&to_square(&four, 2)), [50, 25, 9, 1]);
        assert_eq!(shades(&to_square(&four, 1)), [21], "340 / 16");
        assert_eq!(shades(&to_square(&four, 4)), four.data);
        assert_eq!(shades(&to_square(&four, 9)), four.data, "never larger");
        // Three into two: a third of the middle one counts for each.
        assert_eq!(shades(&to_fit(&grey(3, &[0, 90, 255]), 2)), [30, 200]);
    }

    #[test]
    fn the_square_is_cut_from_the_middle() {
        assert_eq!(shades(&to_square(&grey(4, &[1, 2, 3, 4]), 1)), [2]);
        assert_eq!(shades(&to_square(&grey(1, &[1, 2, 3, 4, 5]), 1)), [3]);
        let wide = to_fit(&grey(4, &[1, 1, 5, 5, 1, 1, 5, 5]), 2);
        assert_eq!((wide.width, wide.height, shades(&wide)), (2, 1, vec![1, 5]));
        let thin = to_fit(&grey(4, &[8, 8, 8, 8]), 1);
        assert_eq!((thin.width, thin.height), (1, 1), "never nothing");
    }

    #[test]
    fn every_part_of_the_old_counts_once() {
        for (old, new) in [(1, 1), (7, 3), (512, 512), (513, 512), (8192, 512), (1000, 999)] {
            let mut parts = vec![0; new as usize];
            for span in Spans::new(old, new).take(old as usize) {
                parts[span.first] += span.weight;
                if span.beyond > 0 {
                    parts[span.first + 1] += span.beyond;
                }
            }
            assert!(parts.iter().all(|part| *part == u64::from(old)), "{old} {new} {parts:?}");
        }
    }

    #[test]
    fn what_shows_through_stands_on_white() {
        let pixels = Pixels { width: 2, height: 1, channels: 4, data: vec![200, 0, 0, 255, 9, 9, 9, 0] };
        assert_eq!(to_fit(&pixels, 2).rgb, [[200, 0, 0], [255, 255, 255]]);
        let pixels = Pixels { width: 1, height: 1, channels: 2, data: vec![55, 128] };
        assert_eq!(to_fit(&pixels, 2).rgb, [[155; 3]]);
    }
}
