//! Password hashing: Argon2id (RFC 9106) on threads of its own.
//!
//! As many threads as cores, a short queue before them, and a plain "busy" beyond it: a search
//! or a page never waits behind somebody's sign-in, and a flood of sign-ins cannot take the
//! machine's memory. A hash belongs to nobody else's time: jobs whose caller has gone are skipped.

use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ostiary_model::{Ctx, Secret};
use tokio::sync::oneshot;

use crate::workers::Workers;
use crate::{OpenError, Trouble};

/// Hashes that may wait at once; at the default cost about one second of work.
const QUEUE: usize = 64;

/// The cost of a new hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB (Argon2's m).
    pub memory_kib: u32,
    /// Passes (t).
    pub iterations: u32,
    /// Lanes (p).
    pub parallelism: u32,
}

impl Default for HashParameters {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// What a check of a password found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the password.
    Right,
    /// It is, and its hash is of another cost than new ones are.
    RightOutdated,
    /// It is not.
    Wrong,
}

/// The memory that a hash is computed in. It goes back to the system when it is dropped: so large a
/// piece is mapped, while the allocator would keep smaller ones for each thread that ever hashed.
/// What is reserved beyond the need is never touched and costs nothing.
#[derive(Default)]
struct Blocks(Vec<Block>);

impl Blocks {
    /// 33 MiB: above the size up to which glibc may keep freed pieces (M_MMAP_THRESHOLD, 32 MiB).
    const MAPPED: usize = 33 * 1024;

    fn of(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0 = Vec::with_capacity(count.max(Self::MAPPED));
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }
}

pub(crate) struct Hasher {
    workers: Workers<Blocks>,
    parameters: HashParameters,
    /// Checked when there is nothing to check against, so that unknown names take as long.
    decoy: String,
}

impl Hasher {
    pub(crate) fn start(parameters: HashParameters) -> Result<Self, OpenError> {
        argon2(parameters).map_err(|error| OpenError::Hasher(error.to_string()))?;
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let workers = Workers::start("hash", threads, QUEUE).map_err(|error| OpenError::Hasher(error.to_string()))?;
        Ok(Self { workers, parameters, decoy: decoy(parameters) })
    }

    /// The hash of `password` with a fresh salt, as a PHC string.
    pub(crate) async fn hash(&self, ctx: &Ctx, password: &Secret) -> Result<String, Trouble> {
        let (salt, password, parameters) = (ctx.bytes::<16>(), password.clone(), self.parameters);
        self.run(move |blocks| hash(blocks, parameters, &password, &salt)).await?
    }

    /// Checks `password` against the hash `phc`; against a decoy, always wrong, when there is none.
    /// One hash is computed, whatever comes of it.
    pub(crate) async fn verify(&self, password: &Secret, phc: Option<&str>) -> Result<Verdict, Trouble> {
        let known = phc.is_some();
        let phc = phc.unwrap_or(&self.decoy).to_owned();
        let (password, parameters) = (password.clone(), self.parameters);
        self.run(move |blocks| match verify(blocks, &password, &phc) && known {
            false => Verdict::Wrong,
            true if has_parameters(&phc, parameters) => Verdict::Right,
            true => Verdict::RightOutdated,
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Blocks) -> T + Send + 'static) -> Result<T, Trouble> {
        let (answer, wait) = oneshot::channel();
        let job = move |blocks: &mut Blocks| {
            if !answer.is_closed() {
                // The caller may have gone meanwhile; then nobody wants the answer.
                drop(answer.send(work(blocks)));
            }
        };
        self.workers.submit(Box::new(job)).map_err(|_| Trouble::Busy)?;
        wait.await.map_err(|_| Trouble::Crypto("a hash was given up"))
    }
}

fn argon2(parameters: HashParameters) -> Result<Argon2<'static>, argon2::Error> {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    let params = Params::new(memory_kib, iterations, parallelism, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(blocks: &mut Blocks, parameters: HashParameters, password: &Secret, salt: &[u8]) -> Result<String, Trouble> {
    let argon2 = argon2(parameters).map_err(|_| Trouble::Crypto("the Argon2 parameters are out of range"))?;
    let mut digest = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(blocks, &argon2, password, salt, &mut digest).map_err(|_| Trouble::Crypto("Argon2 failed"))?;
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    let [salt, digest] = [salt, &digest].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${salt}${digest}"))
}

/// Takes cost and salt from the hash; the comparison is constant time.
fn verify(blocks: &mut Blocks, password: &Secret, phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else { return false };
    let parts = (
        Algorithm::try_from(parsed.algorithm.as_str()),
        parsed.version.map_or(Ok(Version::V0x13), Version::try_from),
        Params::try_from(&parsed),
    );
    let (Ok(algorithm), Ok(version), Ok(params)) = parts else { return false };
    let mut digest = vec![0; expected.as_bytes().len()];
    compute(blocks, &Argon2::new(algorithm, version, params), password, salt, &mut digest).is_ok()
        && verify_slices_are_equal(&digest, expected.as_bytes()).is_ok()
}

fn compute(
    blocks: &mut Blocks,
    argon2: &Argon2<'_>,
    password: &Secret,
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), argon2::Error> {
    let blocks = blocks.of(argon2.params().block_count());
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, digest, blocks)
}

fn has_parameters(phc: &str, parameters: HashParameters) -> bool {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    phc.starts_with(&format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$"))
}

/// A well-formed hash of today's cost that no password has.
fn decoy(parameters: HashParameters) -> String {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    format!(
        "$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$b3N0aWFyeS5kZWNveS4u$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_hash_says_its_cost_and_takes_only_its_password() {
        let phc = hash(&mut Blocks::default(), CHEAP, &secret("correct horse"), b"0123456789abcdef").unwrap();
        assert!(has_parameters(&phc, CHEAP), "{phc}");
        assert!(!has_parameters(&phc, HashParameters::default()));
        assert!(verify(&mut Blocks::default(), &secret("correct horse"), &phc));
        assert!(!verify(&mut Blocks::default(), &secret("correct horsf"), &phc));
        assert!(!verify(&mut Blocks::default(), &secret(""), &phc));
    }

    #[test]
    fn a_hash_of_the_reference_program_is_taken() {
        // printf password | argon2 somesalt -id -t 2 -m 16 -p 1 -e
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(&mut Blocks::default(), &secret("password"), phc));
        assert!(!verify(&mut Blocks::default(), &secret("Password"), phc));
    }

    #[test]
    fn the_decoy_is_well_formed_and_opens_for_nobody() {
        let phc = decoy(CHEAP);
        assert!(PasswordHash::new(&phc).is_ok(), "{phc}");
        assert!(has_parameters(&phc, CHEAP));
        assert!(!verify(&mut Blocks::default(), &secret(""), &phc));
    }
}
