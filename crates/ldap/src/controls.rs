//! Controls (RFC 4511 section 4.1.11): which ones an operation knows, and the one with content,
//! paged results (RFC 2696).

use ldap3_proto::control::LdapControl;

use crate::frame::Operation;

/// Simple paged results (RFC 2696).
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Treat referrals as entries (RFC 3296). There are none here, so it asks for what is done anyway.
pub(crate) const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";

/// Whether one of the critical controls is unknown to the operation: then it must not be done.
pub(crate) fn is_unknown(critical: &[String], operation: Operation) -> bool {
    critical.iter().any(|oid| match oid.as_str() {
        PAGED_RESULTS => operation != Operation::Search,
        MANAGE_DSA_IT => !matches!(operation, Operation::Search | Operation::Compare),
        _ => true,
    })
}

/// What the paged results control of a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Entries on the page.
    pub(crate) size: i64,
    /// Where to go on; empty to begin.
    pub(crate) cookie: Vec<u8>,
}

/// The paged results control among `controls`, if there is one.
pub(crate) fn page_request(controls: Vec<LdapControl>) -> Option<PageRequest> {
    controls.into_iter().find_map(|control| match control {
        LdapControl::SimplePagedResults { size, cookie } => Some(PageRequest { size, cookie }),
        _ => None,
    })
}

/// The control of the answer. How many entries there are in all is not counted, so it says 0 (RFC
/// 2696 section 3 allows that).
pub(crate) fn page_answer(cookie: Vec<u8>) -> LdapControl {
    LdapControl::SimplePagedResults { size: 0, cookie }
}
