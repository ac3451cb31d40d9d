//! A WebRTC data channel (unordered, never sent again) as a carrier. Its DTLS is not on the
//! workspace's cryptographic provider, so both ends are a program of its own, `benches/webrtc`; the
//! clients are in one process behind a pipe, so that this process's observers and clock measure
//! them as they do all others.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use gpys::proto::wire::{ClientMessage, Hello};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::servers::let_go;
use crate::thin::{Clock, Observer};
use crate::track::{Reading, viewport};

/// Kinds of records; see `benches/webrtc/src/attend.rs`.
const RELIABLE: u8 = 0;
const LATEST: u8 = 1;
const END: u8 = 2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../webrtc")
}

/// Builds the program, always for release: its cryptography is too slow otherwise.
///
/// # Errors
/// If cargo cannot.
pub fn build() -> Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--target-dir", "target"])
        .current_dir(folder())
        .status()
        .context("cannot start cargo; --webrtc needs it")?;
    if !status.success() {
        bail!("cargo could not build benches/webrtc: {status}");
    }
    Ok(())
}

/// The program.
pub fn command() -> Command {
    Command::new(folder().join("target/release/gpys-webrtc"))
}

/// The clients' process.
pub struct Clients {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    received: Arc<Received>,
}

/// What waits for its client, by number.
#[derive(Default)]
struct Received(Mutex<HashMap<u16, UnboundedSender<Bytes>>>);

impl Received {
    fn lock(&self) -> MutexGuard<'_, HashMap<u16, UnboundedSender<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one record; `None` at the end.
    fn take(&self, stdout: &mut ChildStdout) -> Option<()> {
        let mut head = [0; 5];
        stdout.read_exact(&mut head).ok()?;
        let [low, high, kind, length @ ..] = head;
        let mut bytes = vec![0; u16::from_le_bytes(length).into()];
        stdout.read_exact(&mut bytes).ok()?;
        let client = u16::from_le_bytes([low, high]);
        let mut clients = self.lock();
        if kind == END {
            clients.remove(&client);
        } else if let Some(client) = clients.get(&client) {
            let _ = client.send(bytes.into());
        }
        Some(())
    }
}

impl Clients {
    /// Starts the process at the clients' end, for the server at this address.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(place: &Place, server: SocketAddr) -> Result<Arc<Self>> {
        let mut command = command();
        command.arg("attend").arg(server.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = place.spawn_client(command).context("cannot start the WebRTC clients")?;
        let stdin = Mutex::new(child.stdin.take());
        let mut stdout = child.stdout.take().context("no pipe from the WebRTC clients")?;
        let received = Arc::<Received>::default();
        let theirs = Arc::clone(&received);
        std::thread::spawn(move || {
            while theirs.take(&mut stdout).is_some() {}
            theirs.lock().clear();
        });
        Ok(Arc::new(Self { child, stdin, received }))
    }

    /// Joins, and sends what the sender is given until the link ends.
    ///
    /// # Errors
    /// If there is no welcome.
    pub async fn dial(
        self: &Arc<Self>,
        client: u16,
        hello: Hello,
        observer: Option<Observer>,
    ) -> Result<(UnboundedSender<Reading>, JoinHandle<()>)> {
        let (received, mut incoming) = unbounded_channel();
        self.received.lock().insert(client, received);
        let line = Line { clients: Arc::clone(self), client };
        let hello = ClientMessage::Hello(Hello { viewport: Some(viewport()), ..hello });
        line.send(RELIABLE, &hello.encode())?;
        let (welcome, clock) = loop {
            let message = incoming.recv().await.context("the link ended before its welcome")?;
            // A frame may overtake the welcome.
            if let Ok(clock) = Clock::of(&message) {
                break (message, clock);
            }
        };
        let (readings, queue) = unbounded_channel();
        Ok((readings, tokio::spawn(drive(line, clock, welcome, incoming, queue, observer))))
    }
}

async fn drive(
    line: Line,
    clock: Clock,
    welcome: Bytes,
    mut incoming: UnboundedReceiver<Bytes>,
    mut queue: UnboundedReceiver<Reading>,
    mut observer: Option<Observer>,
) {
    let mut see = |message: &[u8]| {
        if let Some(observer) = &mut observer {
            observer.see(message);
        }
    };
    see(&welcome);
    let mut number = 0;
    loop {
        tokio::select! {
            message = incoming.recv() => {
                let Some(message) = message else { return };
                see(&message);
            }
            reading = queue.recv() => {
                let Some(reading) = reading else { return };
                if line.send(LATEST, &clock.encode(&reading, &mut number)).is_err() {
                    return;
                }
            }
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // The end of its input is the end of the process.
        self.stdin.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let_go(&mut self.child);
    }
}

/// One client's way in; it leaves when dropped.
struct Line {
    clients: Arc<Clients>,
    client: u16,
}

impl Line {
    fn send(&self, kind: u8, bytes: &[u8]) -> Result<()> {
        let mut record = self.client.to_le_bytes().to_vec();
        record.push(kind);
        record.extend_from_slice(&u16::try_from(bytes.len())?.to_le_bytes());
        record.extend_from_slice(bytes);
        let mut stdin = self.clients.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(stdin.as_mut().context("the clients' process has ended")?.write_all(&record)?)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // If the process has ended, so has the client.
        let leave = ClientMessage::Leave.encode();
        let _ = self.send(RELIABLE, &leave).and_then(|()| self.send(END, &[]));
        self.clients.received.lock().remove(&self.client);
    }
}
