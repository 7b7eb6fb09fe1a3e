//! Taking a port, with an error that says what stands in the way.

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};
use thiserror::Error as ThisError;

use crate::inherited::Inherited;

/// How many connections may wait to be accepted: as many as most systems allow at all, so that a
/// flood does not make the system turn others away while it is being shed.
const BACKLOG: i32 = 4096;

/// Why a port could not be taken. The text names address and cause and may be shown as it is.
#[derive(Debug, ThisError)]
pub enum BindError {
    /// Another program has it.
    #[error("port {} on {} is in use by another program", .0.port(), .0.ip())]
    InUse(SocketAddr),
    /// The system keeps it from us.
    #[error("port {} on {} may not be opened by this user: ports below 1024 need the right CAP_NET_BIND_SERVICE", .0.port(), .0.ip())]
    Forbidden(SocketAddr),
    /// The machine does not have this address.
    #[error("this machine has no address {}, so port {} cannot be opened on it", .0.ip(), .0.port())]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("port {} on {} cannot be opened: {cause}", address.port(), address.ip())]
    Other {
        /// What was to be opened.
        address: SocketAddr,
        /// The system's words.
        cause: Error,
    },
}

/// Takes the socket of `address` that was inherited, or opens the address for incoming TCP
/// connections. Port 0 opens any free port. The socket does not block.
///
/// # Errors
/// [`BindError`] when it cannot be had.
pub fn bind(address: SocketAddr, inherited: &mut Inherited) -> Result<TcpListener, BindError> {
    if let Some(listener) = inherited.claim(address) {
        return Ok(listener);
    }
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // A port on which connections of an earlier start linger is free.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    open().map_err(|cause: Error| match cause.kind() {
        ErrorKind::AddrInUse => BindError::InUse(address),
        ErrorKind::PermissionDenied => BindError::Forbidden(address),
        ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
        _ => BindError::Other { address, cause },
    })
}
