//! What the scanners that administrators point at a server find at its three encrypted doors:
//! nothing above "low", and not because they did not look.
//!
//! The scanners of Debian 12 cannot speak StartTLS with LDAP (testssl.sh says so, sslscan takes the
//! answer for a refusal), so that door is shown to them by a bridge that says StartTLS for them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, Ostiary, Pair, Setup, run};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;

/// What testssl.sh looks at: everything but the simulation of clients and its second list of all
/// ciphers, which take half of its time and find nothing that the other parts do not.
const PARTS: [&str; 8] = ["-p", "-s", "-f", "-P", "-S", "-h", "-U", "-4"];

/// What testssl.sh must have found at each door; without these it did not look. An empty word
/// stands for whatever it says.
const MUST: [(&str, &str); 30] = [
    ("SSLv2", "not offered"),
    ("SSLv3", "not offered"),
    ("TLS1", "not offered"),
    ("TLS1_1", "not offered"),
    ("TLS1_2", "offered"),
    ("TLS1_3", "offered with final"),
    ("cipherlist_NULL", "not offered"),
    ("cipherlist_aNULL", "not offered"),
    ("cipherlist_EXPORT", "not offered"),
    ("cipherlist_LOW", "not offered"),
    ("cipherlist_3DES_IDEA", "not offered"),
    ("cipherlist_AVERAGE", "not offered"),
    ("cipherlist_STRONG", "offered"),
    ("PFS", "offered"),
    ("cipher_order", ""),
    ("cert_chain_of_trust", "passed."),
    ("cert_trust", ""),
    ("TLS_session_ticket", "valid for 43200 seconds only (<daily)"),
    ("heartbleed", "not vulnerable, no heartbeat extension"),
    ("CCS", "not vulnerable"),
    ("ROBOT", "not vulnerable, no RSA key transport cipher"),
    ("secure_renego", "supported"),
    ("secure_client_renego", ""),
    ("POODLE_SSL", "not vulnerable, no SSLv3"),
    ("fallback_SCSV", "no protocol below TLS 1.2 offered"),
    ("SWEET32", "not vulnerable"),
    ("FREAK", "not vulnerable"),
    ("BEAST", "not vulnerable, no SSL3 or TLS1"),
    ("LUCKY13", "not vulnerable"),
    ("RC4", "not vulnerable"),
];

/// What it must have found of HTTPS besides.
const MUST_OF_HTTPS: [(&str, &str); 10] = [
    ("ALPN_HTTP2", "h2"),
    ("HTTP_status_code", "200 OK ('/sign-in')"),
    ("HSTS_time", "365 days (=31536000 seconds) > 15552000 seconds"),
    ("cookie_secure", "All (1) at '/sign-in' marked as secure"),
    ("cookie_httponly", "All (1) at '/sign-in' marked as HttpOnly"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("ticketbleed", "not vulnerable"),
    ("CRIME_TLS", "not vulnerable"),
    ("BREACH", ""),
];

/// Findings that are no finding, with the reason.
fn is_excepted(finding: &Finding) -> bool {
    // The tool leaves before OpenSSL's client has taken the ticket, which comes after the handshake
    // in TLS 1.3, and then says that it could not look. `TLS_session_ticket` says that there is one.
    finding.id == "sessionresumption_ticket" && finding.finding == "check failed because of connect problem"
}

#[derive(Debug, Deserialize)]
struct Finding {
    id: String,
    severity: String,
    finding: String,
}

/// A server with all three doors, and what the scanners need to know about it.
struct House {
    ostiary: Ostiary,
    authority: Authority,
    folder: TempDir,
}

impl House {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::make(folder.path())?;
        let (certificate, key) = authority.issue()?.write(folder.path())?;
        let ostiary = Setup::on(Pair::Embedded)
            .with("OSTIARY_HTTPS__MODE", "files")
            .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
            .with("OSTIARY_HTTPS__CERTIFICATE_FILE", &certificate.display().to_string())
            .with("OSTIARY_HTTPS__KEY_FILE", &key.display().to_string())
            .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0")
            .start()
            .await?;
        Ok(Self { ostiary, authority, folder })
    }

    /// Has both tools look at the door at `port`, under an address that ends in `path`.
    async fn scan(&self, door: &str, port: u16, path: &str) -> Result<()> {
        let told = self.folder.path().join(format!("{door}.json"));
        let mut testssl = Command::new("testssl");
        testssl.args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]);
        testssl.arg("--add-ca").arg(&self.authority.file).arg("--jsonfile").arg(&told).args(PARTS);
        testssl.arg(format!("https://accounts.localhost:{port}{path}"));
        let mut sslscan = Command::new("sslscan");
        sslscan.args(["--no-colour", "--xml=-", "--sni-name=accounts.localhost", &format!("127.0.0.1:{port}")]);
        let (found, seen) = tokio::try_join!(async { spawn_blocking(move || run(&mut testssl, "")).await? }, async {
            spawn_blocking(move || run(&mut sslscan, "")).await?
        },)?;
        judge_testssl(door, &told)
            .with_context(|| format!("testssl.sh at {door}\n{}{}", found.stderr, found.stdout))?;
        judge_sslscan(&seen.stdout).with_context(|| format!("sslscan at {door}\n{}{}", seen.stderr, seen.stdout))
    }
}

fn judge_testssl(door: &str, told: &Path) -> Result<()> {
    let findings: Vec<Finding> = serde_json::from_slice(&std::fs::read(told)?)?;
    let above_low = |finding: &&Finding| !matches!(&*finding.severity, "OK" | "INFO" | "LOW" | "DEBUG");
    let bad: Vec<_> = findings.iter().filter(above_low).filter(|finding| !is_excepted(finding)).collect();
    ensure!(bad.is_empty(), "found: {bad:#?}");
    let more = if door == "HTTPS" { &MUST_OF_HTTPS[..] } else { &[] };
    for (id, said) in MUST.iter().chain(more) {
        let finding = findings.iter().find(|finding| finding.id == *id);
        let finding = finding.with_context(|| format!("it said nothing about {id}"))?;
        ensure!(said.is_empty() || finding.finding.trim() == *said, "{finding:?} instead of {said:?}");
    }
    Ok(())
}

/// sslscan judges little: what it saw is compared with what there may be.
fn judge_sslscan(told: &str) -> Result<()> {
    let lines = |tag: &str| -> Vec<&str> {
        let begin = format!("<{tag} ");
        told.lines().map(str::trim).filter(|line| line.starts_with(&begin)).collect()
    };
    let versions: Vec<_> = lines("protocol").into_iter().filter(|line| line.contains("enabled=\"1\"")).collect();
    assert_eq!(
        versions,
        [
            "<protocol type=\"tls\" version=\"1.2\" enabled=\"1\" />",
            "<protocol type=\"tls\" version=\"1.3\" enabled=\"1\" />"
        ]
    );
    ensure!(lines("protocol").len() >= 6, "old versions were tried");
    assert_eq!(lines("renegotiation"), ["<renegotiation supported=\"0\" secure=\"0\" />"]);
    ensure!(!lines("compression").iter().any(|line| line.contains("supported=\"1\"")), "nothing is compressed");
    let bleeding = lines("heartbleed");
    ensure!(bleeding.len() == 2 && bleeding.iter().all(|line| line.contains("vulnerable=\"0\"")), "{bleeding:?}");
    let ciphers = lines("cipher");
    assert_eq!(ciphers.len(), 6);
    for cipher in ciphers {
        ensure!(cipher.contains("GCM_") || cipher.contains("-GCM-") || cipher.contains("POLY1305"), "{cipher}");
        ensure!(cipher.contains("TLS_") || cipher.contains("ECDHE-"), "{cipher}");
        ensure!(["strong", "acceptable"].iter().any(|word| cipher.contains(&format!("\"{word}\""))), "{cipher}");
    }
    for word in ["<pk error=\"false\"", "<self-signed>false<", "<expired>false<", "ecdsa-with-SHA256<"] {
        ensure!(told.contains(word), "{word}");
    }
    Ok(())
}

/// Listens, and says StartTLS to `door` for whoever comes.
async fn bridge(door: SocketAddr) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(cross(client, door));
        }
    });
    Ok(port)
}

async fn cross(mut client: TcpStream, door: SocketAddr) -> Result<()> {
    /// RFC 4511 section 4.14.1: message 1, [APPLICATION 23], [0] with the name of StartTLS.
    const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    /// In the answer, behind two lengths: success.
    const GRANTED: &[u8] = b"\x0a\x01\x00";
    let mut server = TcpStream::connect(door).await?;
    server.write_all(REQUEST).await?;
    let mut answer = [0; 128];
    let count = server.read(&mut answer).await?;
    ensure!(answer[..count].get(7..10) == Some(GRANTED), "StartTLS: {:?}", &answer[..count]);
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn scanners_find_nothing_at_the_encrypted_doors() -> Result<()> {
    let house = House::start().await?;
    let starttls = bridge(house.ostiary.ldap_address()?).await?;
    tokio::try_join!(
        house.scan("HTTPS", house.ostiary.https_address()?.port(), "/sign-in"),
        house.scan("LDAPS", house.ostiary.ldaps_address()?.port(), ""),
        house.scan("StartTLS", starttls, ""),
    )?;
    Ok(())
}
