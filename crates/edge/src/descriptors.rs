//! How many files and sockets the process may hold open at once.

use std::io;

/// Raises what the process is allowed to what the system would give it at most, as every server
/// does: the small limit is for programs that count in 1024 bits. Gives the number of descriptors.
///
/// # Errors
/// When the system does not tell.
pub fn raise_descriptors() -> io::Result<usize> {
    let most = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}
