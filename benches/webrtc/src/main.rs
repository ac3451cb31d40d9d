//! A WebRTC data channel for GPyS's latency benchmark.
//!
//! - `gpys-webrtc serve ADDRESS TICK_HZ`: a conventional server, the same room as the benchmark's
//!   `--stock`. Signalling is one HTTP request at ADDRESS; each peer has a UDP port of its own.
//! - `gpys-webrtc attend ADDRESS`: clients of that server. What they send comes from standard input,
//!   what they receive goes to standard output ([`attend`]), so that the benchmark's one observer
//!   and clock measure them.

mod attend;
mod link;
#[path = "../../latency/room.rs"]
mod room;
mod serve;
mod signalling;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpys-webrtc: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match args[..] {
        ["serve", address, tick_hz] => {
            runtime.block_on(serve::run(address.parse()?, tick_hz.parse()?))
        }
        ["attend", address] => runtime.block_on(attend::run(address.parse()?)),
        _ => bail!("usage: gpys-webrtc serve ADDRESS TICK_HZ | attend ADDRESS"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::Bytes;
    use gpys_proto::wire::{ClientMessage, Hello, ServerMessage, decode_pong, encode_ping};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc::unbounded_channel;

    use super::{attend, serve};
    use crate::link::Lane;

    #[tokio::test]
    async fn a_client_is_welcomed_and_both_lanes_carry_both_ways() {
        str0m::crypto::from_feature_flags().install_process_default();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address: SocketAddr = free.local_addr().unwrap();
        drop(free);
        tokio::spawn(serve::run(address, 60));
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        let (out, queue) = unbounded_channel();
        let (received, mut incoming) = unbounded_channel();
        let client = tokio::spawn(attend::link(address, queue, move |bytes| {
            received.send(bytes)?;
            Ok(())
        }));
        let hello = ClientMessage::Hello(Hello::new("room")).encode();
        out.send((Lane::Reliable, hello.into())).unwrap();
        let welcome = incoming.recv().await.unwrap();
        assert!(matches!(ServerMessage::decode(&welcome), Ok(ServerMessage::Welcome(_))));
        out.send((Lane::Latest, Bytes::copy_from_slice(&encode_ping(7)))).unwrap();
        while !matches!(decode_pong(&incoming.recv().await.unwrap()), Ok((7, _))) {}
        drop(out);
        client.await.unwrap().unwrap();
    }
}
