//! `[metrics]`: where figures are told, and who could read them there.

use std::net::{IpAddr, SocketAddr};

/// `[metrics]`.
#[derive(Default)]
pub(crate) struct MetricsConfig {
    pub(crate) listen: Option<Vec<SocketAddr>>,
}

impl MetricsConfig {
    /// What deserves a word: the figures are for programs of the house.
    pub(super) fn warnings(&self) -> Vec<String> {
        let open = self.listen.iter().flatten().filter(|address| !is_of_the_house(address.ip()));
        open.map(|address| {
            format!("[metrics] on {address} may be read from outside: host names, versions and numbers of connections")
        })
        .collect()
    }
}

/// Whether only this machine or networks that are not routed reach it (RFC 1918, 3927, 4193, 4291).
const fn is_of_the_house(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_anybody_may_read_deserve_a_word() {
        for (address, is_fine) in [
            ("127.0.0.1:9959", true),
            ("[::1]:9959", true),
            ("10.1.2.3:9959", true),
            ("192.168.0.1:9959", true),
            ("[fd00::1]:9959", true),
            ("0.0.0.0:9959", false),
            ("[::]:9959", false),
            ("203.0.113.1:9959", false),
            ("[2001:db8::1]:9959", false),
        ] {
            let config = MetricsConfig { listen: Some(vec![address.parse().unwrap()]) };
            assert_eq!(config.warnings().is_empty(), is_fine, "{address}");
        }
        assert!(MetricsConfig::default().warnings().is_empty());
    }
}
