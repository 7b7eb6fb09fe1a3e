//! The front: what stands at the ports and before the pages.

mod acme;
mod attacks;
mod caddy;
mod files;
mod hosts;
mod https;
mod internal;
mod launch;
mod nodes;
mod proxy;
mod renewal;
mod restart;
mod scanners;
mod services;
mod sites;
mod sites_https;
mod sites_streams;
mod sockets;
mod state;
mod wire;
