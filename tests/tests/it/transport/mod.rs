//! Manners of HTTP on real connections: heads, rests of bodies, idle connections, packed bodies, HTTP/2, TLS.

mod connections;
mod heads;
mod http2;
mod packed;
mod pages;
mod raw;
mod rests;
