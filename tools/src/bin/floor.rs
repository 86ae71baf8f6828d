//! The floor that the service is measured against: the service's own accept loop in front of an empty warp route
//! that answers 204.
//!
//! `floor --listen 127.0.0.1:18981 --threads 1`

use clap::Parser;
use std::net::SocketAddr;
use token_ledger::http::server::{ServerLimits, serve};
use tokio::net::TcpListener;
use warp::{Filter, Reply};

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let mut builder = match arguments.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if arguments.threads > 1 {
        builder.worker_threads(arguments.threads);
    }
    builder.enable_all().build()?.block_on(async {
        let routes = warp::any().map(|| warp::http::StatusCode::NO_CONTENT.into_response()).boxed();
        let listener = TcpListener::bind(arguments.listen).await?;
        println!("listening");
        serve(listener, routes, ServerLimits::default(), std::future::pending()).await;
        Ok(())
    })
}
