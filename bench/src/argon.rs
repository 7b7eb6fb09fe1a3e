//! Argon2id alone, at the cost that Ostiary hashes passwords with by default: what the machine
//! can do at most, and the hash that seeded people have.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::process::processor_seconds;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const SALT: &[u8; 16] = b"ostiary-bench-00";

fn hash(password: &str, blocks: &mut [Block]) -> anyhow::Result<[u8; 32]> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| anyhow!("{error}"))?;
    let mut digest = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), SALT, &mut digest, blocks)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(digest)
}

fn memory() -> Vec<Block> {
    vec![Block::new(); MEMORY_KIB as usize]
}

/// The hash of `password` as Ostiary stores it (a PHC string).
pub(crate) fn phc(password: &str) -> anyhow::Result<String> {
    let digest = STANDARD_NO_PAD.encode(hash(password, &mut memory())?);
    let salt = STANDARD_NO_PAD.encode(SALT);
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${digest}"))
}

/// Hashes on all cores, each with memory of its own that is used again and again: the most that
/// the library does here. Gives hashes a second, and microseconds of processor time for each.
pub(crate) fn rate(time: Duration) -> anyhow::Result<(f64, f64)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || -> anyhow::Result<(u32, f64)> {
        let mut blocks = memory();
        // The first one pays for the memory.
        hash("warm", &mut blocks)?;
        let (begun, mut count) = (Instant::now(), 0);
        loop {
            hash("measured", &mut blocks)?;
            count += 1;
            if begun.elapsed() > time {
                break;
            }
        }
        Ok((count, begun.elapsed().as_secs_f64()))
    };
    let before = processor_seconds(process::id())?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let (mut rate, mut all) = (0.0, 0);
        for thread in threads {
            let (count, seconds) = thread.join().map_err(|_| anyhow!("a thread panicked")).context("Argon2")??;
            rate += f64::from(count) / seconds;
            // One more, which paid for the memory.
            all += count + 1;
        }
        let used = processor_seconds(process::id())? - before;
        Ok((rate, used / f64::from(all) * 1e6))
    })
}
