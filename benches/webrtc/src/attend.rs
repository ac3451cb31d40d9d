//! Clients of the server, behind a pipe.
//!
//! Both ways, a record is a client's number (u16), its kind (u8), a length (u16), all little endian,
//! and as many bytes. On standard input: 0, a reliable message; 1, a pose; 2, the client leaves. The
//! first record of a client makes it dial. On standard output: 0, what it received; 2, its link has
//! ended.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::link::{Lane, Link};
use crate::signalling;

/// Kinds of records.
const RELIABLE: u8 = 0;
const LATEST: u8 = 1;
const END: u8 = 2;
/// How long links may take to close at the end.
const FAREWELL: Duration = Duration::from_secs(1);

struct Record {
    client: u16,
    kind: u8,
    bytes: Bytes,
}

/// Runs until standard input ends.
///
/// # Errors
/// If a record makes no sense.
pub async fn run(server: SocketAddr) -> Result<()> {
    let (records, mut input) = unbounded_channel();
    // Threads of their own: pipes have no readiness that tokio's files would use.
    std::thread::spawn(move || while read(&records).is_some() {});
    let (output, written) = mpsc::channel();
    std::thread::spawn(move || written.iter().try_for_each(|record| write(&record)));
    let mut clients: HashMap<u16, UnboundedSender<(Lane, Bytes)>> = HashMap::new();
    let mut links = JoinSet::new();
    while let Some(Record { client, kind, bytes }) = input.recv().await {
        let lane = match kind {
            RELIABLE => Lane::Reliable,
            LATEST => Lane::Latest,
            END => {
                clients.remove(&client);
                continue;
            }
            other => bail!("a record of kind {other}"),
        };
        let out = clients.entry(client).or_insert_with(|| {
            let (out, queue) = unbounded_channel();
            links.spawn(attend(server, client, queue, output.clone()));
            out
        });
        // A link that has ended says so on standard output.
        let _ = out.send((lane, bytes));
    }
    clients.clear();
    let _ = tokio::time::timeout(FAREWELL, links.join_all()).await;
    Ok(())
}

async fn attend(
    server: SocketAddr,
    client: u16,
    queue: UnboundedReceiver<(Lane, Bytes)>,
    output: mpsc::Sender<Record>,
) {
    let received = output.clone();
    let ended = link(server, queue, move |bytes| {
        received.send(Record { client, kind: RELIABLE, bytes: bytes.into() })?;
        Ok(())
    });
    if let Err(error) = ended.await {
        eprintln!("client {client}: {error:#}");
    }
    let _ = output.send(Record { client, kind: END, bytes: Bytes::new() });
}

/// One client, until `queue` ends or the link does.
///
/// # Errors
/// If it cannot join, or is lost.
pub async fn link(
    server: SocketAddr,
    queue: UnboundedReceiver<(Lane, Bytes)>,
    handle: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut link = Link::new(stream.local_addr()?.ip()).await?;
    let (offer, pending) = link.offer()?;
    let answer = signalling::post(stream, server, &offer).await?;
    link.take_answer(pending, answer)?;
    link.run(queue, handle).await
}

/// Reads a record; `None` at the end.
fn read(records: &UnboundedSender<Record>) -> Option<()> {
    let mut stdin = std::io::stdin().lock();
    let mut head = [0; 5];
    stdin.read_exact(&mut head).ok()?;
    let [low, high, kind, length @ ..] = head;
    let mut bytes = vec![0; u16::from_le_bytes(length).into()];
    stdin.read_exact(&mut bytes).ok()?;
    let client = u16::from_le_bytes([low, high]);
    records.send(Record { client, kind, bytes: bytes.into() }).ok()
}

fn write(record: &Record) -> Result<()> {
    let mut out = Vec::with_capacity(5 + record.bytes.len());
    out.extend_from_slice(&record.client.to_le_bytes());
    out.push(record.kind);
    out.extend_from_slice(&u16::try_from(record.bytes.len())?.to_le_bytes());
    out.extend_from_slice(&record.bytes);
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&out)?;
    Ok(stdout.flush()?)
}
