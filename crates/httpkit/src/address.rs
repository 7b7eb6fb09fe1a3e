//! Where a request comes from: the socket's peer, or what a trusted proxy says of it.

use std::net::IpAddr;

use http::HeaderMap;
use ostiary_model::Network;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// A trusted proxy sent a list of addresses that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// The address that counts for `peer`'s request: the peer itself, or, when it is a trusted proxy,
/// the last address in X-Forwarded-For that is not one. What anybody else writes there is not
/// looked at.
///
/// # Errors
/// [`Unreadable`] when a trusted proxy's list has anything but addresses in it: to fall back to
/// some address would let one person be counted as another.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Result<IpAddr, Unreadable> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return Ok(client);
    }
    let mut chain = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        for part in value.to_str().map_err(|_| Unreadable)?.split(',') {
            chain.push(part.trim().parse::<IpAddr>().map_err(|_| Unreadable)?.to_canonical());
        }
    }
    while is_trusted(client)
        && let Some(before) = chain.pop()
    {
        client = before;
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asking() {
        const UNREADABLE: &str = "unreadable";
        let table: &[(&str, &[&str], &str)] = &[
            // Without trust, the header is anybody's word.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("203.0.113.9", &["not an address"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            // Only the last one that we do not trust was seen by somebody whom we trust.
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[""], UNREADABLE),
            ("10.0.0.1", &["unknown"], UNREADABLE),
            ("10.0.0.1", &["198.51.100.1,"], UNREADABLE),
            ("10.0.0.1", &["198.51.100.1:4711"], UNREADABLE),
            ("10.0.0.1", &["' or 1=1, 198.51.100.1"], UNREADABLE),
            ("10.0.0.1", &["198.51.100.1\u{e9}"], UNREADABLE),
        ];
        let trusted: [Network; 1] = ["10.0.0.0/8".parse().unwrap()];
        for (peer, values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(FORWARDED_FOR, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            let found = found.map_or(UNREADABLE.to_owned(), |address| address.to_string());
            assert_eq!(&found, expected, "{peer} {values:?}");
        }
    }
}
