//! What a session knows of the wire that it is on: whether others may read along, and what that
//! means for passwords.

/// The wire of a connection, as far as it concerns what is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    /// Whether everything on it is encrypted.
    pub(crate) is_encrypted: bool,
    /// Whether StartTLS is offered (RFC 4511 section 4.14).
    pub(crate) offers_tls: bool,
    /// Whether passwords are taken although it is not encrypted: the peer is in a network where
    /// that is allowed.
    pub(crate) trusts_clear_text: bool,
}

impl Channel {
    /// What it is after a TLS handshake.
    pub(crate) const ENCRYPTED: Self = Self { is_encrypted: true, offers_tls: false, trusts_clear_text: false };

    /// Whether a password may be sent on it.
    pub(crate) const fn may_carry_passwords(self) -> bool {
        self.is_encrypted || self.trusts_clear_text
    }
}
