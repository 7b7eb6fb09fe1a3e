//! A machine of its own inside this one: its network has nothing but the loopback, so that every
//! port is free there and nothing of what happens is seen outside, and names lead where a test says.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// It lives as long as somebody holds its standard input.
const KEEPER: &str = "ip link set lo up && mount --bind \"$1\" /etc/hosts && echo ready && exec cat";

/// A network and a view of the files. Dropping it ends it; programs that run there have to be ended
/// before.
pub struct Machine {
    keeper: Child,
}

impl Machine {
    /// Makes one where `names` lead to the machine itself. Its `hosts` lie in `folder`.
    ///
    /// # Errors
    /// When this process may not: it takes root, and in a container the right to make namespaces.
    pub fn start(folder: &Path, names: &[&str]) -> Result<Self> {
        let hosts = folder.join("hosts");
        std::fs::write(&hosts, format!("127.0.0.1 localhost {}\n", names.join(" ")))?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c", KEEPER, "sh"]).arg(&hosts);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().context("unshare is missing: it is in Debian's package util-linux")?;
        let (out, err) = (keeper.stdout.take(), keeper.stderr.take());
        let mut line = String::new();
        BufReader::new(out.context("no output")?).read_line(&mut line)?;
        let machine = Self { keeper };
        if line != "ready\n" {
            let mut told = String::new();
            err.context("no output")?.read_to_string(&mut told)?;
            bail!("a network and mounts of its own cannot be made here, which takes root (CAP_SYS_ADMIN): {told}");
        }
        Ok(machine)
    }

    /// A command that runs there, in the folder that it is given.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        // Without a word about the folder it would be the root.
        command.args(["--target", &self.keeper.id().to_string(), "--net", "--mount", "--wd=.", "--"]).arg(program);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
