//! The master key's file: made once, readable by its owner alone, never made anew by accident.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ostiary_app::MasterKey;
use ostiary_model::Entropy;
use zeroize::Zeroizing;

const NAME: &str = "master.key";
const OWNER_ONLY: u32 = 0o600;

/// A master key and how it came about.
pub(crate) struct Kept {
    pub(crate) key: MasterKey,
    path: PathBuf,
    made_now: bool,
}

impl Kept {
    /// Takes back a key that was made a moment ago and turned out to be wrong: there is an older
    /// one somewhere, and this file would stand in the way of bringing it back.
    pub(crate) fn take_back(path: &Path) {
        let _ = fs::remove_file(path);
    }

    /// The file, if it was made a moment ago.
    pub(crate) fn made_now(&self) -> Option<&Path> {
        self.made_now.then_some(self.path.as_path())
    }
}

/// Reads the key in `folder`, or makes one when there is none.
///
/// # Errors
/// When the file is open to others, holds something else, or cannot be read or written.
pub(crate) fn keep(folder: &Path, entropy: &dyn Entropy) -> Result<Kept> {
    let path = folder.join(NAME);
    match fs::metadata(&path) {
        Ok(_) => Ok(Kept { key: read(&path)?, path, made_now: false }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made_now = make(&path, entropy)?;
            Ok(Kept { key: read(&path)?, path, made_now })
        }
        Err(error) => Err(error).with_context(|| format!("the master key {} cannot be read", path.display())),
    }
}

fn read(path: &Path) -> Result<MasterKey> {
    let shown = path.display();
    let mode =
        fs::metadata(path).with_context(|| format!("the master key {shown} cannot be read"))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "the master key {shown} is open to others (mode {:04o}); make it its owner's alone: chmod 600 {shown}",
            mode & 0o7777
        );
    }
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .with_context(|| format!("the master key {shown} cannot be read"))?;
    MasterKey::parse(&text).with_context(|| format!("the master key {shown} is damaged; restore it from a backup"))
}

/// Writes a new key. It appears under its name whole or not at all; when another process was
/// quicker, its key stays. True when ours is the one.
fn make(path: &Path, entropy: &dyn Entropy) -> Result<bool> {
    let written = || format!("the master key {} cannot be written", path.display());
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    // Left over by a start that was cut off. In containers every start has the same process id.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(written),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&draft).with_context(written)?;
    file.write_all(MasterKey::generate(entropy).to_text().as_bytes()).with_context(written)?;
    file.sync_all().with_context(written)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).with_context(written)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error).with_context(written),
    }
    if let Some(folder) = path.parent() {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(written)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::SystemEntropy;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ostiary-key-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = folder("once");
        fs::write(folder.join(format!("{NAME}.{}", std::process::id())), "half a k").unwrap();
        let first = keep(&folder, &SystemEntropy).unwrap();
        assert!(first.made_now().is_some());
        let second = keep(&folder, &SystemEntropy).unwrap();
        assert!(second.made_now().is_none());
        assert_eq!(first.key.to_text().as_str(), second.key.to_text().as_str());
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [NAME], "nothing else is left");
        let mode = fs::metadata(folder.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, OWNER_ONLY);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused() {
        let folder = folder("refused");
        let path = folder.join(NAME);
        keep(&folder, &SystemEntropy).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let told = keep(&folder, &SystemEntropy).err().unwrap().to_string();
        assert!(told.contains("mode 0640") && told.contains("chmod 600"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ONLY)).unwrap();
        fs::write(&path, "half a k").unwrap();
        let told = keep(&folder, &SystemEntropy).err().unwrap().to_string();
        assert!(told.contains("is damaged"), "{told}");
        fs::remove_dir_all(folder).unwrap();
    }
}
