//! What a NATS server says first to whoever connects.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const GREETING_BYTES_MAX: u64 = 64 * 1024;

/// The part of the greeting that tells servers apart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Greeting {
    pub(super) server_name: String,
    pub(super) version: String,
}

/// Connects to `address` and reads the greeting.
pub(super) async fn greeting(address: SocketAddr) -> io::Result<Greeting> {
    tokio::time::timeout(ANSWER_LIMIT, read(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn read(address: SocketAddr) -> io::Result<Greeting> {
    let stream = TcpStream::connect(address).await?;
    let mut line = String::new();
    BufReader::new(stream.take(GREETING_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let json = line
        .strip_prefix("INFO ")
        .ok_or_else(|| io::Error::other("what listens there is no NATS server"))?;
    Ok(serde_json::from_str(json)?)
}
