//! Names that were never there before.

/// 128 random bits in hexadecimal digits.
///
/// # Panics
/// When the system has no chance to give.
#[must_use]
pub fn random_hex() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
