//! `cargo run -p kurrent_server`: one node, to try the program with. Its events are gone when it ends.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for tests")]

use std::net::SocketAddr;

use clap::Parser;
use kurrent_server::Cluster;
use tokio::net::TcpListener;

/// A server that speaks KurrentDB's protocol from memory.
#[derive(Parser)]
struct Args {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:2113")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind(Args::parse().listen).await.unwrap();
    let cluster = Cluster::on(vec![listener]);
    println!("{}", cluster.url());
    std::future::pending::<()>().await;
}
