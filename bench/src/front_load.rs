//! Load on an HTTPS server: wrk for HTTP/1.1, h2load for HTTP/2, and whole handshakes of our own.
//! Each runs on the other core than the servers, and its answers are counted and looked at.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The core of the load, and of the service behind the proxies.
pub(crate) const CORE: &str = "1";

/// wrk knows names only by asking for them: the server is on this machine whatever it is called.
const SCRIPT: &str = r#"wrk.resolve = function(host, service) wrk.addrs = wrk.lookup("127.0.0.1", service) end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
    e.status + e.connect + e.read + e.write + e.timeout))
end
"#;

/// What browsers ask for first, from all of them.
const OPENSSL: &str = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n\
    Ciphersuites = TLS_AES_128_GCM_SHA256\nMinProtocol = TLSv1.3\nGroups = X25519\n";

/// What is asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTTP/1.1, 32 connections that are kept.
    Http1,
    /// HTTP/2, 8 connections that are kept, 16 requests at once on each.
    Http2,
    /// A handshake for each request; the key is agreed on as it is named.
    Handshake(&'static str),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) port: u16,
    /// The host's name.
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    /// Bytes of the page.
    pub(crate) length: usize,
}

/// Answers that came, in how many seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) answers: f64,
    pub(crate) seconds: f64,
}

/// The tools for load.
pub(crate) struct Loads {
    script: PathBuf,
    openssl: PathBuf,
}

impl Loads {
    /// Writes their settings into `folder`.
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        let loads = Self { script: folder.join("wrk.lua"), openssl: folder.join("openssl.cnf") };
        std::fs::write(&loads.script, SCRIPT)?;
        std::fs::write(&loads.openssl, OPENSSL)?;
        Ok(loads)
    }

    /// Asks for `seconds`.
    ///
    /// # Errors
    /// When one answer was not what it should be.
    pub(crate) fn run(&self, kind: Kind, asked: Asked<'_>, seconds: u32) -> anyhow::Result<Counted> {
        let found = match kind {
            Kind::Http1 => self.http1(asked, seconds),
            Kind::Http2 => self.http2(asked, seconds),
            Kind::Handshake(exchange) => self.handshakes(exchange, asked, seconds),
        };
        let counted = found.with_context(|| format!("{kind:?} {asked:?}"))?;
        ensure!(counted.answers > 0.0, "{kind:?} {asked:?}: no answer");
        Ok(counted)
    }

    fn http1(&self, asked: Asked<'_>, seconds: u32) -> anyhow::Result<Counted> {
        let mut command = self.command("wrk");
        command.args(["-t1", "-c32", &format!("-d{seconds}s"), "-s"]).arg(&self.script).arg(asked.url());
        let told = output(&mut command)?;
        let figures = told.lines().find_map(|line| line.strip_prefix("figures ")).context("wrk told no figures")?;
        let figures: Vec<f64> = figures.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let &[answers, micros, bytes, errors] = figures.as_slice() else { anyhow::bail!("{told}") };
        ensure!(errors == 0.0, "{errors} answers were errors: {told}");
        // wrk counts bytes, heads included; everybody's head is below a page.
        let each = bytes / answers.max(1.0);
        let length = asked.length as f64;
        ensure!((length..length + 2048.0).contains(&each), "an answer has {each} bytes instead of {length}");
        Ok(Counted { answers, seconds: micros / 1e6 })
    }

    fn http2(&self, asked: Asked<'_>, seconds: u32) -> anyhow::Result<Counted> {
        let mut command = self.command("h2load");
        command.args(["-t1", "-c8", "-m16", "-D", &seconds.to_string()]);
        command.arg(format!("--connect-to=127.0.0.1:{}", asked.port)).arg(asked.url());
        let told = output(&mut command)?;
        let number = |line: &str, after: &str, before: &str| {
            let line = told.lines().find(|found| found.starts_with(line)).context(told.clone())?;
            let (until, _) = line.split_once(before).context(told.clone())?;
            let from = until.rsplit_once(after).map_or(until, |(_, rest)| rest);
            from.trim().parse::<f64>().with_context(|| told.clone())
        };
        let requests = |what| number("requests:", ",", what);
        let (begun, done, succeeded) = (requests(" started")?, requests(" done")?, requests(" succeeded")?);
        ensure!(succeeded == done, "{} answers were errors: {told}", done - succeeded);
        ensure!(number("status codes:", ":", " 2xx")? >= done, "some answers were not 200: {told}");
        // At the end some were on their way.
        let (bytes, length) = (number("traffic:", "(", ") data")?, asked.length as f64);
        ensure!((done * length..=begun * length).contains(&bytes), "not every answer has {length} bytes: {told}");
        Ok(Counted { answers: done, seconds: f64::from(seconds) })
    }

    fn handshakes(&self, exchange: &str, asked: Asked<'_>, seconds: u32) -> anyhow::Result<Counted> {
        let mut command = self.command(&std::env::current_exe()?.display().to_string());
        command.args(["handshakes", "--address", &format!("127.0.0.1:{}", asked.port), "--name", asked.name]);
        command.args(["--path", asked.path, "--length", &asked.length.to_string()]);
        command.args(["--exchange", exchange, "--seconds", &seconds.to_string()]);
        Ok(Counted { answers: output(&mut command)?.trim().parse()?, seconds: f64::from(seconds) })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE, program]).env("OPENSSL_CONF", &self.openssl);
        command
    }
}

impl Asked<'_> {
    fn url(&self) -> String {
        format!("https://{}:{}{}", self.name, self.port, self.path)
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    let (told, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "{command:?}: {told}{wrong}");
    Ok(told.into_owned())
}
