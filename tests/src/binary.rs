//! The binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The binary under test: `OSTIARY_BIN`, or the debug build, made now.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("OSTIARY_BIN") {
            return path.into();
        }
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "ostiary-server"])
            .current_dir(repository())
            .status()
            .expect("cargo cannot be started");
        assert!(built.success(), "the binary cannot be built");
        // Tests lie in target/<profile>/deps, beside the binaries' folder.
        let test = std::env::current_exe().expect("a test knows where it lies");
        let target = test.ancestors().nth(3).expect("a test lies in the target folder");
        target.join("debug/ostiary")
    })
}
