//! The header with which a proxy begins a connection that it makes for somebody else: the PROXY
//! protocol of HAProxy, versions 1 and 2 (its `doc/proxy-protocol.txt`).
//!
//! Read to its last byte and not one further: TLS or HTTP follows. Only addresses of TCP are taken
//! from it; what else may stand in it (TLVs, their checksum) is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How a header of version 2 begins. No header of version 1 is shorter.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How one of version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// Bytes of a header of version 1, with the end of its line (section 2.1).
const MAX_LINE: usize = 107;
/// Bytes behind the fixed part of one of version 2. Addresses need 216 at most, certificates that a
/// proxy has looked at some more.
const MAX_BLOCK: usize = 2048;

/// No client can be read from how a connection begins.
#[derive(Debug, Error)]
pub(crate) enum NoHeader {
    /// Nothing came, as when a proxy looks whether somebody listens.
    #[error("nothing came")]
    Nothing,
    /// The connection broke off in it.
    #[error("it broke off: {0}")]
    Broken(#[from] std::io::Error),
    /// Something else came.
    #[error("{0}")]
    Wrong(&'static str),
}

/// Reads a header from `stream`: the client's address and port, or `None` when the proxy speaks for
/// itself or does not know.
///
/// # Errors
/// When anything but a whole header comes.
pub(crate) async fn read_header<R: AsyncRead + Unpin>(stream: &mut R) -> Result<Option<SocketAddr>, NoHeader> {
    let mut begin = [0; SIGNATURE.len()];
    if stream.read(&mut begin[..1]).await? == 0 {
        return Err(NoHeader::Nothing);
    }
    stream.read_exact(&mut begin[1..]).await?;
    if begin == SIGNATURE {
        return block(stream).await;
    }
    if !begin.starts_with(WORD) {
        return Err(NoHeader::Wrong("it begins with no PROXY header"));
    }
    let mut line = begin.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() == MAX_LINE {
            return Err(NoHeader::Wrong("the line of its PROXY header does not end"));
        }
        line.push(stream.read_u8().await?);
    }
    version_1(&line)
}

/// Reads what follows the signature of version 2 (section 2.2).
async fn block<R: AsyncRead + Unpin>(stream: &mut R) -> Result<Option<SocketAddr>, NoHeader> {
    let [kind, family, length @ ..]: [u8; 4] = {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        fixed
    };
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_BLOCK {
        return Err(NoHeader::Wrong("its PROXY header is too long"));
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await?;
    version_2(kind, family, &block)
}

/// What the line of a header of version 1 says, its end included.
fn version_1(line: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let wrong = || NoHeader::Wrong("the line of its PROXY header cannot be read");
    let line = line.strip_suffix(b"\r\n").and_then(|line| line.strip_prefix(WORD)).ok_or_else(wrong)?;
    // Whatever follows then is to be passed over.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let line = std::str::from_utf8(line).map_err(|_| wrong())?;
    let mut words = line.split(' ');
    let mut next = || words.next().ok_or_else(wrong);
    let (family, from, to) = (next()?, next()?, next()?);
    let (from_port, to_port) = (next()?, next()?);
    let is_v4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        _ => return Err(wrong()),
    };
    let address = |text: &str| text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_v4);
    let (Some(from), Some(_)) = (address(from), address(to)) else { return Err(wrong()) };
    let (Some(port), Some(_), None) = (port(from_port), port(to_port), words.next()) else { return Err(wrong()) };
    Ok(Some(SocketAddr::new(from.to_canonical(), port)))
}

/// A port as it is to be written: without signs and zeros before it.
fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| port.to_string() == text)
}

/// What a header of version 2 says: version and command, family and protocol, and what follows.
fn version_2(kind: u8, family: u8, block: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let wrong = || NoHeader::Wrong("the addresses of its PROXY header cannot be read");
    match (kind, family) {
        // LOCAL: what stands there is to be passed over. PROXY for nobody that is known.
        (0x20, _) | (0x21, 0x00) => Ok(None),
        // TCP over IPv4: two addresses, two ports.
        (0x21, 0x11) => {
            let (from, block) = block.split_first_chunk::<4>().ok_or_else(wrong)?;
            let (_to, block) = block.split_first_chunk::<4>().ok_or_else(wrong)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::from(*from).into(), first_port(block).ok_or_else(wrong)?)))
        }
        // TCP over IPv6.
        (0x21, 0x21) => {
            let (from, block) = block.split_first_chunk::<16>().ok_or_else(wrong)?;
            let (_to, block) = block.split_first_chunk::<16>().ok_or_else(wrong)?;
            let from = IpAddr::from(Ipv6Addr::from(*from)).to_canonical();
            Ok(Some(SocketAddr::new(from, first_port(block).ok_or_else(wrong)?)))
        }
        _ => Err(NoHeader::Wrong("its PROXY header is of another version, command or protocol")),
    }
}

/// The first of the two ports that must be there.
fn first_port(block: &[u8]) -> Option<u16> {
    block.first_chunk::<4>().map(|[high, low, ..]| u16::from_be_bytes([*high, *low]))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    /// What is read from `bytes` and how many were left.
    async fn read(mut bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, usize) {
        let outcome = read_header(&mut bytes).await.map_err(|error| error.to_string());
        (outcome, bytes.len())
    }

    fn second(kind: u8, family: u8, length: u16, block: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[kind, family], &length.to_be_bytes(), block].concat()
    }

    /// A header of version 2 for a client, with `more` behind the addresses.
    fn proxied(client: SocketAddr, more: &[u8]) -> Vec<u8> {
        let (family, mut block) = match client.ip() {
            IpAddr::V4(v4) => (0x11, [v4.octets(), [127, 0, 0, 1]].concat()),
            IpAddr::V6(v6) => (0x21, [v6.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
        };
        block.extend(client.port().to_be_bytes());
        block.extend(443_u16.to_be_bytes());
        block.extend(more);
        second(0x21, family, u16::try_from(block.len()).unwrap(), &block)
    }

    #[tokio::test]
    async fn version_1_tells_the_client() {
        for (line, expected) in [
            ("TCP4 192.0.2.7 127.0.0.1 56324 443", Some("192.0.2.7:56324")),
            ("TCP4 255.255.255.255 255.255.255.255 65535 65535", Some("255.255.255.255:65535")),
            ("TCP4 192.0.2.7 127.0.0.1 0 0", Some("192.0.2.7:0")),
            ("TCP6 2001:db8::1 ::1 1 2", Some("[2001:db8::1]:1")),
            ("TCP6 ::ffff:192.0.2.7 ::1 1 2", Some("192.0.2.7:1")),
            ("UNKNOWN", None),
            ("UNKNOWN ffff::1 ffff::2 65535 65535", None),
            ("UNKNOWN what\0ever", None),
        ] {
            let whole = format!("PROXY {line}\r\nPROXY TCP4 and so on\r\n");
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(read(whole.as_bytes()).await, (Ok(expected), 22), "{line}");
        }
    }

    #[tokio::test]
    async fn a_line_that_is_not_exactly_right_is_refused() {
        for line in [
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 2 \r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n",
            "PROXY TCP4  192.0.2.7 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 x\r\n",
            "PROXY TCP4 192.0.2.07 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2 127.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 host 1 2\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP4 ::ffff:192.0.2.7 127.0.0.1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 127.0.0.1 1 2\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 127.0.0.1 1 2\r\n",
            "PROXY tcp4 192.0.2.7 127.0.0.1 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY UNKNOWN\n ",
            "PROXY \u{ff}\u{ff}\u{ff}\r\n",
            "PROXY \r\n\r\n\r\n\r\n",
            "proxy TCP4 192.0.2.7 127.0.0.1 1 2\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "\r\n\r\n\0\r\nQUIT\r",
        ] {
            let (outcome, _) = read(line.as_bytes()).await;
            assert!(outcome.is_err(), "{line:?}: {outcome:?}");
        }
        // The longest that may be, and one byte more.
        let most = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
        assert_eq!(read(most.as_bytes()).await, (Ok(None), 0));
        let more = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 15));
        assert!(read(more.as_bytes()).await.0.is_err());
        assert_eq!(read(&[b"PROXY ".repeat(10), vec![b'x'; 4096]].concat()).await.1, 60 + 4096 - MAX_LINE, "no more");
    }

    #[tokio::test]
    async fn version_2_tells_the_client() {
        for client in ["192.0.2.7:56324", "[2001:db8::1]:1"] {
            let client: SocketAddr = client.parse().unwrap();
            for more in [&[][..], &[3, 0, 4, 1, 2, 3, 4], &[0xff; 2000]] {
                let whole = [&proxied(client, more)[..], b"GET"].concat();
                assert_eq!(read(&whole).await, (Ok(Some(client)), 3), "{client} and {}", more.len());
            }
        }
        let mapped = proxied("[::ffff:192.0.2.7]:9".parse().unwrap(), &[]);
        assert_eq!(read(&mapped).await, (Ok(Some("192.0.2.7:9".parse().unwrap())), 0));
        // Whoever speaks for itself may say anything.
        for (family, block) in [(0x00, &[][..]), (0x11, &[1; 3]), (0xff, &[2; 90]), (0x31, &[3; 216])] {
            let whole = second(0x20, family, u16::try_from(block.len()).unwrap(), block);
            assert_eq!(read(&whole).await, (Ok(None), 0), "{family:x}");
        }
        assert_eq!(read(&second(0x21, 0x00, 2, b"xyz")).await, (Ok(None), 1));
    }

    #[tokio::test]
    async fn other_versions_commands_families_and_lengths_are_refused() {
        for (kind, family, length, block) in [
            // Version, command.
            (0x11, 0x11, 12, 12),
            (0x31, 0x11, 12, 12),
            (0x01, 0x11, 12, 12),
            (0x22, 0x11, 12, 12),
            (0x2f, 0x11, 12, 12),
            // UDP, Unix, no such.
            (0x21, 0x12, 12, 12),
            (0x21, 0x22, 36, 36),
            (0x21, 0x31, 216, 216),
            (0x21, 0x10, 12, 12),
            (0x21, 0x01, 12, 12),
            (0x21, 0x41, 12, 12),
            // Too short for its family, shorter than it says, too long.
            (0x21, 0x11, 0, 0),
            (0x21, 0x11, 11, 11),
            (0x21, 0x21, 12, 12),
            (0x21, 0x21, 35, 35),
            (0x21, 0x11, 13, 12),
            (0x20, 0x00, 1, 0),
            (0x21, 0x11, 2049, 2049),
            (0x20, 0x00, 0xffff, 3000),
        ] {
            let (outcome, _) = read(&second(kind, family, length, &vec![1; block])).await;
            assert!(outcome.is_err(), "{kind:x} {family:x} {length}: {outcome:?}");
        }
    }

    /// Numbers that are the same at every run.
    fn chance(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 16
    }

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let mut seed = 4;
        for _ in 0..5_000 {
            let bits = (u128::from(chance(&mut seed)) << 96)
                ^ (u128::from(chance(&mut seed)) << 48)
                ^ u128::from(chance(&mut seed));
            let is_v4 = chance(&mut seed).is_multiple_of(2);
            let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap();
            let ip = if is_v4 { Ipv4Addr::from(low).into() } else { IpAddr::from(Ipv6Addr::from(bits)) };
            let port = u16::try_from(chance(&mut seed) & 0xffff).unwrap();
            let expected = SocketAddr::new(ip.to_canonical(), port);
            let (family, own) = if is_v4 { ("TCP4", "127.0.0.1") } else { ("TCP6", "::1") };
            let line = format!("PROXY {family} {ip} {own} {port} 443\r\n");
            assert_eq!(read(line.as_bytes()).await, (Ok(Some(expected)), 0), "{line}");
            let block = proxied(SocketAddr::new(ip, port), &[]);
            assert_eq!(read(&block).await, (Ok(Some(expected)), 0), "{ip} {port}");
            // And a byte that is missing is missed.
            let cut = usize::try_from(chance(&mut seed)).unwrap() % block.len();
            assert!(read(&block[..cut]).await.0.is_err());
            let cut = usize::try_from(chance(&mut seed)).unwrap() % line.len();
            assert!(read(&line.as_bytes()[..cut]).await.0.is_err());
        }
    }

    #[tokio::test]
    async fn a_header_may_come_byte_by_byte() {
        let client = "192.0.2.7:9".parse().unwrap();
        for header in [b"PROXY TCP4 192.0.2.7 127.0.0.1 9 443\r\n".to_vec(), proxied(client, &[7; 40])] {
            let (mut ours, mut theirs) = duplex(1);
            let whole = [header, b"next".to_vec()].concat();
            let (read, written) = tokio::join!(
                async {
                    let client = read_header(&mut ours).await.ok().flatten();
                    let mut next = [0; 4];
                    ours.read_exact(&mut next).await.unwrap();
                    (client, next)
                },
                theirs.write_all(&whole)
            );
            assert_eq!(read, (Some(client), *b"next"));
            written.unwrap();
        }
    }
}
