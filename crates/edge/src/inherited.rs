//! Listening sockets that somebody else has opened: systemd (sd_listen_fds(3)), or the process that
//! this one follows (`handover`), which passes them the same way and waits at a line of its own.
//!
//! Sockets are known by the address that they are bound to, so the configuration is the same with
//! them and without. Those that no key names are refused, except in a handover: who changes the
//! configuration may have taken a port out of it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use listenfd::ListenFd;
use socket2::SockRef;
use thiserror::Error;

use crate::handover::Parent;

/// What stands in the way of taking the sockets that this process was given. The text may be shown
/// as it is.
#[derive(Debug, Error)]
pub enum InheritError {
    /// Something else than a TCP socket that listens. Its number among those given, from 1.
    #[error(
        "inherited socket {0} is no TCP socket that listens: ListenStream= in the socket unit takes an address with a port"
    )]
    NotListening(usize),
    /// Nothing in the configuration is for these.
    #[error("{}", unnamed(.0))]
    Unnamed(Vec<SocketAddr>),
}

fn unnamed(addresses: &[SocketAddr]) -> String {
    let mut text = "no key names the inherited ".to_owned();
    for (at, address) in addresses.iter().enumerate() {
        let _ = write!(text, "{}{address}", if at == 0 { "socket " } else { ", " });
    }
    text.push_str(
        ": name it with [http] listen, [https] listen (with a mode that is not \"off\"), [ldap] listen, [ldap] tls_listen or [metrics] listen, or take it out of the socket unit",
    );
    text
}

/// The sockets that this process was given.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
    parent: Option<Parent>,
}

impl Inherited {
    /// Takes what was given, and the variables that say so out of the environment: call it once,
    /// before there is a second thread. Sockets that are for another process are left alone.
    ///
    /// # Errors
    /// When something was given that cannot be served on.
    pub fn take() -> Result<Self, InheritError> {
        let mut given = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..given.len() {
            let wrong = || InheritError::NotListening(index + 1);
            if let Ok(Some(listener)) = given.take_tcp_listener(index) {
                let address = listening(&listener).ok_or_else(wrong)?;
                inherited.sockets.push((address, listener));
            } else if let Ok(Some(line)) = given.take_unix_listener(index) {
                if SockRef::from(&line).is_listener().unwrap_or(true) {
                    return Err(wrong());
                }
                inherited.parent = Some(Parent::at(UnixStream::from(OwnedFd::from(line))));
            } else {
                return Err(wrong());
            }
        }
        Ok(inherited)
    }

    /// The socket for `address`, if it is among those given. One that takes IPv6 and IPv4 on all
    /// addresses is taken for all addresses of IPv4 as well.
    pub(crate) fn claim(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let exact = self.sockets.iter().position(|(bound, _)| *bound == address);
        let found = exact.or_else(|| self.sockets.iter().position(|socket| covers(socket, address)))?;
        Some(self.sockets.swap_remove(found).1)
    }

    /// To be called when everything that is configured has its socket. Gives who waits for this
    /// process to be ready, if somebody does.
    ///
    /// # Errors
    /// When sockets are left over.
    pub fn finish(self) -> Result<Option<Parent>, InheritError> {
        if self.parent.is_none() && !self.sockets.is_empty() {
            return Err(InheritError::Unnamed(self.sockets.into_iter().map(|(address, _)| address).collect()));
        }
        Ok(self.parent)
    }
}

/// The address of a socket that listens, from now on without waiting.
fn listening(listener: &TcpListener) -> Option<SocketAddr> {
    let listens = SockRef::from(listener).is_listener().unwrap_or(false);
    listener.set_nonblocking(true).ok().filter(|()| listens)?;
    listener.local_addr().ok()
}

/// Whether the socket takes what comes to `address`, which is all of IPv4.
fn covers((bound, listener): &(SocketAddr, TcpListener), address: SocketAddr) -> bool {
    let is_any = |ip: IpAddr, v4: bool| ip.is_unspecified() && ip.is_ipv4() == v4;
    is_any(address.ip(), true)
        && is_any(bound.ip(), false)
        && address.port() == bound.port()
        && SockRef::from(listener).only_v6().is_ok_and(|only| !only)
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn inherited(listener: TcpListener) -> (SocketAddr, Inherited) {
        let address = listening(&listener).unwrap();
        (address, Inherited { sockets: vec![(address, listener)], parent: None })
    }

    fn all_of_ipv6(only: bool) -> TcpListener {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(only).unwrap();
        socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(1).unwrap();
        socket.into()
    }

    #[test]
    fn a_socket_is_given_once_for_its_address_alone() {
        let (address, mut given) = inherited(TcpListener::bind("127.0.0.1:0").unwrap());
        for other in ["127.0.0.2", "0.0.0.0", "::1", "::"] {
            let other = SocketAddr::new(other.parse().unwrap(), address.port());
            assert!(given.claim(other).is_none(), "{other}");
        }
        assert!(given.claim(address).is_some());
        assert!(given.claim(address).is_none());
        assert!(given.finish().is_ok());
    }

    #[test]
    fn one_for_all_addresses_is_one_for_those_of_ipv4() {
        for only in [false, true] {
            let (address, mut given) = inherited(all_of_ipv6(only));
            let v4 = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
            assert_eq!(given.claim(v4).is_some(), !only);
            assert_eq!(given.claim(address).is_some(), only);
        }
    }

    #[test]
    fn what_no_key_names_is_refused_by_its_address() {
        let (address, given) = inherited(TcpListener::bind("127.0.0.1:0").unwrap());
        let told = given.finish().err().unwrap().to_string();
        assert!(told.contains(&format!("socket {address}: ")) && told.contains("[https] listen"), "{told}");
    }
}
