//! OIDC rows.
