//! Everything that is promised to the outside, asked of the real binary. One program, so that it
//! is linked once; one module for each thing that is asked about.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests measure time and start tasks of their own")]

mod architecture;
mod cli;
mod cli_directory;
mod config;
mod durability;
mod front;
mod harness;
mod ldap;
mod lifecycle;
mod oidc_relying_party;
mod oidc_requests;
mod oidc_sources;
mod oidc_tokens;
mod pages_directory;
mod pages_forms;
mod pages_front;
mod pages_managers;
mod pages_panel;
mod pages_pictures;
mod pages_sign_in;
mod tables;
