//! What LDAP is spoken over: clear text, StartTLS and LDAPS, and who may say what on which.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ldap3_proto::proto::{LdapExtendedRequest, LdapOp, LdapResultCode, LdapSearchScope};
use ostiary_tests::{Authority, Finished, Pair, Person, Setup, eventually, run};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{BASE, House, Wire, encoded, equal, person_query, query, result_of};

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// A house with a certificate, StartTLS and LDAPS.
struct Encrypted {
    house: House,
    authority: Authority,
    certificate: PathBuf,
    key: PathBuf,
    // Holds the files.
    _folder: TempDir,
}

impl Encrypted {
    async fn start(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::make(folder.path())?;
        let (certificate, key) = authority.issue()?.write(folder.path())?;
        let setup = Setup::on(Pair::Embedded)
            .with("OSTIARY_LDAP__CERTIFICATE_FILE", &certificate.display().to_string())
            .with("OSTIARY_LDAP__KEY_FILE", &key.display().to_string())
            .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0");
        let house = House::start(change(setup)).await?;
        Ok(Self { house, authority, certificate, key, _folder: folder })
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority.file)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost")?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }

    /// A connection over LDAPS.
    async fn ldaps(&self) -> Result<Wire<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.house.ostiary.ldaps_address()?).await?;
        Ok(Wire::on(self.shake_hands(stream).await?))
    }

    /// Goes on with `wire` after StartTLS.
    async fn start_tls(&self, mut wire: Wire) -> Result<Wire<TlsStream<TcpStream>>> {
        let answer = wire.ask(start_tls(None)).await?;
        ensure!(result_of(&answer.op)?.code == LdapResultCode::Success, "{answer:?}");
        Ok(Wire::on(self.shake_hands(wire.stream).await?))
    }

    /// A tool of OpenLDAP that trusts the authority, bound as `person`.
    async fn tool(&self, program: &str, url: &str, person: &Person, arguments: &[&str]) -> Result<Finished> {
        let file = self.house.ostiary.folder().join("password");
        std::fs::write(&file, &person.password)?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let mut command = Command::new(program);
        command.env("LDAPTLS_CACERT", &self.authority.file).env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-H", url, "-D", &self.house.ostiary.person_dn(&person.username)?]);
        command.arg("-y").arg(&file).args(arguments);
        tokio::task::spawn_blocking(move || run(&mut command, "")).await?
    }
}

fn start_tls(value: Option<Vec<u8>>) -> LdapOp {
    LdapOp::ExtendedRequest(LdapExtendedRequest { name: START_TLS.to_owned(), value })
}

fn who_am_i() -> LdapOp {
    LdapOp::ExtendedRequest(LdapExtendedRequest { name: "1.3.6.1.4.1.4203.1.11.3".to_owned(), value: None })
}

fn root() -> ldap3_proto::proto::LdapSearchRequest {
    query("", LdapSearchScope::Base, equal("objectClass", "top"), &["supportedExtension"])
}

/// A connection from another address of this machine.
async fn from(own: &str, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(own.parse()?, 0))?;
    Ok(socket.connect(to).await?)
}

/// Whether a connection from there is closed before anything is said.
async fn is_turned_away(own: &str, to: SocketAddr) -> Result<bool> {
    let mut stream = from(own, to).await?;
    let read = tokio::time::timeout(Duration::from_millis(700), stream.read(&mut [0])).await;
    Ok(matches!(read, Ok(Ok(0) | Err(_))))
}

#[tokio::test]
async fn the_tools_of_openldap_come_in_over_tls() -> Result<()> {
    let tls = Encrypted::start(|setup| setup).await?;
    let (plain, ldaps) = (tls.house.ostiary.ldap_address()?, tls.house.ostiary.ldaps_address()?);
    let search = ["-LLL", "-b", BASE, "(uid=bob)", "mail"];
    for (url, upgrade) in [(format!("ldap://{plain}"), &["-ZZ"][..]), (format!("ldaps://{ldaps}"), &[])] {
        let found = tls.tool("ldapsearch", &url, &tls.house.svc, &[upgrade, &search].concat()).await?.ok()?;
        assert!(found.contains("\nmail: bob@"), "{found}");
        let who = tls.tool("ldapwhoami", &url, &tls.house.bob, upgrade).await?.ok()?;
        assert_eq!(who.trim(), "dn:uid=bob,ou=people,dc=localhost");
        let stranger = Authority::make(tls.house.ostiary.folder())?;
        let mut command = Command::new("ldapwhoami");
        command.env("LDAPTLS_CACERT", &stranger.file).env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-H", &url]).args(upgrade);
        let refused = tokio::task::spawn_blocking(move || run(&mut command, "")).await??;
        assert_ne!(refused.code, Some(0), "another authority is not believed: {refused:?}");
    }
    for (version, is_spoken) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        for (address, how) in [(plain, &["-starttls", "ldap"][..]), (ldaps, &[])] {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address.to_string(), "-verify_return_error", version]);
            command.arg("-CAfile").arg(&tls.authority.file).args(how);
            let seen = tokio::task::spawn_blocking(move || run(&mut command, "")).await??;
            assert_eq!(seen.code == Some(0), is_spoken, "{version} {how:?}: {seen:?}");
        }
    }
    let output = tls.house.ostiary.output();
    assert!(output.contains(&format!("LDAPS       ldaps://{ldaps}  dc=localhost")), "{output}");
    Ok(())
}

#[tokio::test]
async fn start_tls_goes_by_the_letter() -> Result<()> {
    let tls = Encrypted::start(|setup| setup).await?;
    let mut wire = tls.house.bound(&tls.house.svc).await?;
    let offered = wire.search(root(), Vec::new()).await?;
    let extensions =
        |found: &super::Found| found.entries[0].attributes[0].vals.contains(&START_TLS.as_bytes().to_vec());
    assert!(extensions(&offered));

    let refused = wire.ask(start_tls(Some(b"x".to_vec()))).await?;
    assert_eq!(result_of(&refused.op)?.code, LdapResultCode::ProtocolError, "it has no value");
    // While earlier requests are unanswered it is out of order.
    let together = [encoded(8, LdapOp::SearchRequest(root()), Vec::new())?, encoded(9, start_tls(None), Vec::new())?];
    wire.bytes(&together.concat()).await?;
    for (id, code) in [(8, None), (8, Some(LdapResultCode::Success)), (9, Some(LdapResultCode::OperationsError))] {
        let message = wire.receive().await?.context("closed")?;
        assert_eq!(message.msgid, id);
        assert_eq!(result_of(&message.op).ok().map(|result| result.code.clone()), code);
    }
    wire.last_id = 9;
    let mut wire = tls.start_tls(wire).await?;
    let answer = wire.ask(who_am_i()).await?;
    let LdapOp::ExtendedResponse(who) = &answer.op else { panic!("{answer:?}") };
    assert_eq!(who.value.as_deref(), Some(&b""[..]), "who was bound in clear text is nobody now");
    let answer = wire.ask(start_tls(None)).await?;
    let LdapOp::ExtendedResponse(response) = &answer.op else { panic!("{answer:?}") };
    assert_eq!((&response.res.code, response.name.as_deref()), (&LdapResultCode::OperationsError, Some(START_TLS)));
    assert!(!extensions(&wire.search(root(), Vec::new()).await?), "not offered twice");
    let code = wire.bind(&tls.house.ostiary.person_dn("svc")?, &tls.house.svc.password).await?;
    assert_eq!(code, LdapResultCode::Success);
    assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);

    let mut ldaps = tls.ldaps().await?;
    let answer = ldaps.ask(start_tls(None)).await?;
    assert_eq!(result_of(&answer.op)?.code, LdapResultCode::OperationsError, "LDAPS is TLS already");
    Ok(())
}

#[tokio::test]
async fn without_a_certificate_there_is_no_start_tls() -> Result<()> {
    // One that was ordered and never came is none.
    let ordering = Setup::on(Pair::Embedded)
        .with("OSTIARY_HTTPS__MODE", "acme")
        .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
        .with("OSTIARY_ACME__DIRECTORY", "https://127.0.0.1:9/dir");
    for setup in [Setup::on(Pair::Embedded), ordering] {
        let house = House::start(setup).await?;
        let mut wire = house.wire().await?;
        let found = wire.search(root(), Vec::new()).await?;
        assert!(!found.entries[0].attributes[0].vals.contains(&START_TLS.as_bytes().to_vec()));
        let answer = wire.ask(start_tls(None)).await?;
        assert_eq!(result_of(&answer.op)?.code, LdapResultCode::ProtocolError);
        assert_eq!(wire.search(root(), Vec::new()).await?.entries.len(), 1, "and it goes on in clear text");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_slipped_in_behind_start_tls_is_not_heard() -> Result<()> {
    let tls = Encrypted::start(|setup| setup).await?;
    let smuggled = encoded(2, LdapOp::SearchRequest(root()), Vec::new())?;
    for is_at_once in [true, false] {
        let mut wire = tls.house.wire().await?;
        let question = encoded(1, start_tls(None), Vec::new())?;
        if is_at_once {
            wire.bytes(&[&question[..], &smuggled[..]].concat()).await?;
        } else {
            wire.bytes(&question).await?;
        }
        let answer = wire.receive().await?.context("closed")?;
        ensure!(answer.msgid == 1 && result_of(&answer.op)?.code == LdapResultCode::Success, "{answer:?}");
        if !is_at_once {
            // Clear text where a handshake belongs.
            wire.bytes(&smuggled).await?;
        }
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), wire.stream.read_to_end(&mut rest)).await?;
        // A TLS alert at most, never an LDAP message.
        assert_ne!(rest.first(), Some(&0x30), "{rest:02x?}");
    }
    // Part of a message counts as well.
    let mut wire = tls.house.wire().await?;
    wire.bytes(&[&encoded(1, start_tls(None), Vec::new())?[..], &smuggled[..3]].concat()).await?;
    ensure!(wire.receive().await?.is_some_and(|answer| answer.msgid == 1));
    ensure!(tls.shake_hands(wire.stream).await.is_err(), "TLS went on behind clear text");
    Ok(())
}

#[tokio::test]
async fn passwords_in_clear_text_are_not_even_looked_at() -> Result<()> {
    let tls = Encrypted::start(|setup| setup.with("OSTIARY_LDAP__CLEAR_TEXT_FROM", "127.0.0.1")).await?;
    let (address, dn) = (tls.house.ostiary.ldap_address()?, tls.house.ostiary.person_dn("bob")?);
    let mut far = Wire::on(from("127.0.0.2", address).await?);
    // More wrong ones than the lockout allows.
    for password in ["wrong"; 40].into_iter().chain([tls.house.bob.password.as_str(), ""]) {
        assert_eq!(far.bind(&dn, password).await?, LdapResultCode::ConfidentialityRequired);
    }
    let modify = LdapExtendedRequest { name: "1.3.6.1.4.1.4203.1.11.1".to_owned(), value: None };
    let answer = far.ask(LdapOp::ExtendedRequest(modify)).await?;
    assert_eq!(result_of(&answer.op)?.code, LdapResultCode::ConfidentialityRequired);
    assert_eq!(far.search(root(), Vec::new()).await?.entries.len(), 1, "what needs no password is answered");
    let mut wire = tls.start_tls(far).await?;
    assert_eq!(wire.bind(&dn, &tls.house.bob.password).await?, LdapResultCode::Success, "nothing was counted");
    let mut near = tls.house.wire().await?;
    assert_eq!(near.bind(&dn, &tls.house.bob.password).await?, LdapResultCode::Success);
    Ok(())
}

#[tokio::test]
async fn only_some_networks_may_connect() -> Result<()> {
    let tls = Encrypted::start(|setup| {
        setup
            .with("OSTIARY_LDAP__ALLOW_FROM", "127.0.0.1, 127.0.0.8/30")
            .with("OSTIARY_LDAP__TLS_ALLOW_FROM", "127.0.0.1, 127.0.0.2")
    })
    .await?;
    let (plain, ldaps) = (tls.house.ostiary.ldap_address()?, tls.house.ostiary.ldaps_address()?);
    for (own, to, is_away) in [
        ("127.0.0.1", plain, false),
        ("127.0.0.11", plain, false),
        ("127.0.0.2", plain, true),
        ("127.0.0.12", plain, true),
        ("127.0.0.2", ldaps, false),
        ("127.0.0.11", ldaps, true),
    ] {
        assert_eq!(is_turned_away(own, to).await?, is_away, "{own} to {to}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_is_taken_up_when_its_files_change() -> Result<()> {
    let tls = Encrypted::start(|setup| setup).await?;
    let shown = async || -> Result<Vec<u8>> {
        let wire = tls.ldaps().await?;
        let (_, connection) = wire.stream.get_ref();
        Ok(connection.peer_certificates().and_then(<[_]>::first).context("no certificate")?.to_vec())
    };
    let first = shown().await?;
    let mut open = tls.ldaps().await?;

    std::fs::write(&tls.key, "no key\n")?;
    eventually("a word about the broken key", async || {
        Ok(tls.house.ostiary.log().contains("which holds no private key").then_some(()))
    })
    .await?;
    assert_eq!(shown().await?, first, "the one from before goes on being served");

    let fresh = tls.authority.issue()?;
    std::fs::write(&tls.certificate, &fresh.certificate)?;
    std::fs::write(&tls.key, &fresh.key)?;
    let second = eventually("the new certificate", async || {
        let now = shown().await?;
        Ok((now != first).then_some(now))
    })
    .await?;
    assert_eq!(second, CertificateDer::from_pem_slice(fresh.certificate.as_bytes())?.to_vec());
    assert_eq!(open.search(root(), Vec::new()).await?.entries.len(), 1, "open connections go on");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_at_the_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::make(folder.path())?;
    let (certificate, key) = authority.issue()?.write(folder.path())?;
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let other = folder.path().join("other.pem");
    std::fs::write(&other, authority.issue()?.key)?;
    let other = other.display().to_string();
    let (certificate_file, key_file) = ("OSTIARY_LDAP__CERTIFICATE_FILE", "OSTIARY_LDAP__KEY_FILE");
    let listen = "OSTIARY_LDAP__TLS_LISTEN";
    for (settings, told) in [
        (
            &[(certificate_file, certificate.as_str()), (key_file, &other)][..],
            "OSTIARY_LDAP__KEY_FILE: [ldap] key_file names",
        ),
        (&[(certificate_file, &key), (key_file, &key)], "[ldap] certificate_file names"),
        (&[(certificate_file, &certificate), (key_file, "/nowhere.pem")], "\"/nowhere.pem\", which cannot be read"),
        (&[(certificate_file, &certificate)], "[ldap] key_file is not set, but certificate_file is"),
        (&[(listen, "127.0.0.1:0")], "OSTIARY_LDAP__TLS_LISTEN: [ldap] tls_listen needs a certificate"),
    ] {
        let setup = settings.iter().fold(Setup::on(Pair::Embedded), |setup, (name, value)| setup.with(name, value));
        let ostiary = setup.prepare().await?;
        for command in ["serve", "check"] {
            let ended = ostiary.try_cli(&[command], "").await?;
            assert!(ended.code == Some(1) && ended.stderr.contains(told), "{command} {settings:?}: {ended:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn who_never_shakes_hands_holds_nobody_up_and_is_left() -> Result<()> {
    let tls = Encrypted::start(|setup| setup.with("OSTIARY_LDAP__IDLE_TIMEOUT_UNBOUND", "2s")).await?;
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(tls.house.ostiary.ldaps_address()?).await?);
    }
    let mut half = tls.house.wire().await?;
    half.ask(start_tls(None)).await?;
    assert_eq!(tls.ldaps().await?.search(root(), Vec::new()).await?.entries.len(), 1);
    ensure!(begun.elapsed() < Duration::from_millis(1900), "others waited: {:?}", begun.elapsed());
    silent.push(half.stream);
    for mut stream in silent {
        let rest = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
        ensure!(rest.is_ok(), "still open");
    }
    Ok(())
}

#[tokio::test]
async fn over_tls_alone_there_is_no_clear_text_at_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = Authority::make(folder.path())?.issue()?.write(folder.path())?;
    let ostiary = Setup::on(Pair::Embedded)
        .with("OSTIARY_LDAP__LISTEN", "")
        .with("OSTIARY_LDAP__TLS_LISTEN", "127.0.0.1:0")
        .with("OSTIARY_LDAP__CERTIFICATE_FILE", &certificate.display().to_string())
        .with("OSTIARY_LDAP__KEY_FILE", &key.display().to_string())
        .start()
        .await?;
    assert!(ostiary.ldap_address().is_err() && !ostiary.output().contains("ldap://"));
    // LDAP on the port of LDAPS gets no LDAP answer.
    let mut wire = Wire::connect(ostiary.ldaps_address()?).await?;
    wire.bytes(&encoded(1, LdapOp::SearchRequest(root()), Vec::new())?).await?;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), wire.stream.read_to_end(&mut rest)).await?;
    assert_ne!(rest.first(), Some(&0x30), "{rest:02x?}");
    Ok(())
}

#[tokio::test]
async fn the_goodbye_comes_over_tls_too() -> Result<()> {
    let mut tls = Encrypted::start(|setup| setup).await?;
    let mut idle = tls.ldaps().await?;
    idle.search(root(), Vec::new()).await?;
    let mut broken = tls.ldaps().await?;
    broken.bytes(b"GET / HTTP/1.1\r\n").await?;
    assert_eq!(broken.goodbye().await?, LdapResultCode::ProtocolError);
    tls.house.ostiary.stop().await?;
    assert_eq!(idle.goodbye().await?, LdapResultCode::Unavailable);
    Ok(())
}
