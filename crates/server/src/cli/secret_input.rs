//! Secrets for commands: from standard input or a file, never as an argument, where every other
//! user of the machine could read them.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use ostiary_model::Secret;
use zeroize::Zeroizing;

/// Longer input is not a password.
const MAX_LENGTH: u64 = 8 * 1024;

/// Where a password comes from.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct PasswordInput {
    /// Read the password from standard input; one line end after it does not count
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file; one line end after it does not count
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordInput {
    /// The password, if one was offered.
    ///
    /// # Errors
    /// When it cannot be read or is empty.
    pub(crate) fn read(&self) -> Result<Option<Secret>> {
        let text = match (&self.password_file, self.password_stdin) {
            (Some(path), _) => {
                let file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
                whole(file).with_context(|| format!("{} cannot be read", path.display()))?
            }
            (None, true) => whole(std::io::stdin().lock()).context("standard input cannot be read")?,
            (None, false) => return Ok(None),
        };
        let bare = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if bare.is_empty() {
            bail!("the password is empty");
        }
        Ok(Some(Secret::new(bare.to_owned())))
    }
}

fn whole(source: impl Read) -> Result<Zeroizing<String>> {
    // Room for all of it: text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_LENGTH)?.saturating_add(1)));
    source.take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_LENGTH) {
        bail!("it is longer than any password");
    }
    Ok(text)
}
