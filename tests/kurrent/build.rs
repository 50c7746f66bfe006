//! Makes messages and services of the protocol's description. The compiler of that is a crate: no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = ["proto/streams.proto", "proto/gossip.proto", "proto/server_features.proto"];
    let described = protox::compile(files, ["proto"])?;
    tonic_build::configure().build_client(false).include_file("protocol.rs").compile_fds(described)?;
    Ok(())
}
