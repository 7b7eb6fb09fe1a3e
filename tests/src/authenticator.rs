//! An authenticator app (RFC 6238), written apart from the one under test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

const STEP: u64 = 30;

/// The six figures of a base32 secret for one time step (RFC 6238 section 4, RFC 4226 section 5.3).
#[must_use]
pub fn totp(secret: &str, step: u64) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let tag = sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 15);
    let four = bytes.iter().skip(offset).take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (four & 0x7fff_ffff) % 1_000_000)
}

fn base32(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for letter in text.to_ascii_uppercase().bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => continue,
        };
        buffer = buffer << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 0xff) as u8);
        }
    }
    bytes
}

/// An app that never shows a code twice, because each is taken only once.
#[derive(Debug, Clone)]
pub struct Authenticator {
    secret: String,
    used: u64,
}

impl Authenticator {
    /// With a secret in base32, blanks allowed.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), used: 0 }
    }

    /// A fresh code. The server takes the steps before and after the current one as well, so
    /// three in a row come without waiting.
    pub async fn code(&mut self) -> String {
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            // Not the step before when it is about to fall out of the server's window.
            let step = (now.saturating_sub(20) / STEP).max(self.used + 1);
            if step <= now / STEP + 1 {
                self.used = step;
                return totp(&self.secret, step);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The last code again.
    #[must_use]
    pub fn spent_code(&self) -> String {
        totp(&self.secret, self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_rfc() {
        // RFC 6238 appendix B, cut to six figures.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for (time, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(totp(secret, time / STEP), code);
        }
    }
}
