//! Manners of HTTP on real connections: heads, rests of bodies, idle connections, packed bodies, HTTP/2, TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod connections;
mod heads;
mod http2;
mod packed;
mod pages;
mod raw;
mod rests;
