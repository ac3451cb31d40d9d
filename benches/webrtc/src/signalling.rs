//! Signalling: an offer and its answer as JSON, in one HTTP request and its response.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use str0m::change::{SdpAnswer, SdpOffer};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream,
};
use tokio::net::TcpStream;

/// Maximum length of an offer or an answer.
const BODY: u64 = 1 << 16;

/// Posts an offer, and returns the answer.
///
/// # Errors
/// If there is none.
pub async fn post(stream: TcpStream, server: SocketAddr, offer: &SdpOffer) -> Result<SdpAnswer> {
    let mut stream = BufStream::new(stream);
    let body = serde_json::to_vec(offer)?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.flush().await?;
    Ok(serde_json::from_slice(&body_of(&mut stream).await?)?)
}

/// Reads an offer.
///
/// # Errors
/// If there is none.
pub async fn read(stream: &mut BufStream<TcpStream>) -> Result<SdpOffer> {
    Ok(serde_json::from_slice(&body_of(stream).await?)?)
}

/// Responds with an answer.
///
/// # Errors
/// If the client is gone.
pub async fn respond(stream: &mut BufStream<TcpStream>, answer: &SdpAnswer) -> Result<()> {
    let body = serde_json::to_vec(answer)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    Ok(stream.flush().await?)
}

/// The body of the next request or response.
async fn body_of(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>> {
    let mut length = None;
    let mut stream = stream.take(BODY);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = Some(value.trim().parse()?);
        }
    }
    let mut body = vec![0; length.filter(|&n: &usize| n as u64 <= BODY).context("no body")?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
