//! A small generator of the same inputs at every run, for tests of parsers (xorshift64*).

pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound.max(1)
    }

    /// Up to eleven characters of `alphabet`.
    pub(crate) fn text(&mut self, alphabet: &str) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..self.below(12)).map(|_| letters[self.below(letters.len())]).collect()
    }

    /// `text` with a few characters left out, doubled, replaced or moved.
    pub(crate) fn mutated(&mut self, text: &str) -> String {
        const ODD: &[char] =
            &['\\', '(', ')', '*', '=', ',', '+', '#', ' ', '\0', 'é', '&', '|', '!', ':', '~', '>', '0', 'f', ';'];
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(6) {
            let (at, other) = (self.below(letters.len()), self.below(letters.len()));
            match self.below(5) {
                _ if letters.is_empty() => letters.push(ODD[self.below(ODD.len())]),
                0 => drop(letters.remove(at)),
                1 => letters.insert(at, letters[other]),
                2 => letters[at] = ODD[self.below(ODD.len())],
                3 => letters.insert(at, ODD[self.below(ODD.len())]),
                _ => letters.swap(at, other),
            }
        }
        letters.into_iter().collect()
    }
}
