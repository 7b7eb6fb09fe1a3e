//! `ostiary health`: asks a running server, for containers and systemd. Whoever serves is well, also
//! with certificates that need somebody: a restart mends none.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ostiary_model::Network;

use crate::cli::print;
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(3);
/// The answer is one line of JSON, with some hundred bytes for each certificate.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Asks the server on the first address of `[http] listen`.
///
/// # Errors
/// When it does not answer, or not well.
pub(crate) fn ask(config: &Config) -> Result<()> {
    let Some(address) = config.http.listen.first().copied().map(reachable) else { bail!("[http] listen is empty") };
    let answer =
        get(address, &config.http.proxy_protocol_from).with_context(|| format!("nobody answers on {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    print(&format!("{}\n", body.trim()));
    if status == "200" { Ok(()) } else { bail!("the server on {address} answered with status {status}") }
}

fn get(address: SocketAddr, proxies: &[Network]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let own = stream.local_addr()?.ip();
    if proxies.iter().any(|network| network.contains(own)) {
        // A proxy of this machine is told by its address, and so are we.
        stream.write_all(b"PROXY UNKNOWN\r\n")?;
    }
    write!(stream, "GET /api/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// "Every address" is none that can be asked; this machine's own is.
fn reachable(address: SocketAddr) -> SocketAddr {
    let own = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => None,
    };
    own.map_or(address, |ip| SocketAddr::new(ip, address.port()))
}
