//! The measured servers as separate processes, to tell their processor time from the load's.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use gpys::cli::certs;
use gpys_testkit::process::program;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

use crate::peers::{self, Peer};
use crate::place::Place;
use crate::{congestion, webrtc};

/// How long a server may take to report that it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a process that was told to may take to exit.
const FAREWELL: Duration = Duration::from_secs(3);

/// A running server; it is stopped on drop.
pub struct Server {
    child: Child,
    /// The address it listens on.
    pub address: SocketAddr,
}

/// Certificates of the compared servers; GPyS makes its own.
pub struct Certificates {
    dir: tempfile::TempDir,
    connector: TlsConnector,
}

impl Certificates {
    /// Certificates for a server at `address`.
    pub fn new(address: IpAddr) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let names = vec![address.to_string()];
        certs::run(&certs::Args { dir: dir.path().to_owned(), names, force: false })?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.path().join("ca.pem"))?)?;
        let config =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { dir, connector: TlsConnector::from(std::sync::Arc::new(config)) })
    }

    /// A connector for clients that trust the certificates.
    pub fn connector(&self) -> TlsConnector {
        self.connector.clone()
    }

    fn leaf(&self) -> std::path::PathBuf {
        self.dir.path().join(certs::LEAF)
    }

    fn key(&self) -> std::path::PathBuf {
        self.dir.path().join(certs::LEAF_KEY)
    }
}

impl Server {
    /// GPyS itself, ticking at `tick_hz`, pinned to one core if `pinned`.
    pub fn gpys(
        place: &Place,
        certs: &Certificates,
        port: u16,
        tick_hz: u32,
        pinned: bool,
    ) -> Result<Self> {
        let address = SocketAddr::new(place.server_address(), port);
        let mut command = Command::new(program()?);
        command.args(["serve", "--quiet", "--log", "error", "--listen", &address.to_string()]);
        command.args(["--tick-hz", &tick_hz.to_string(), "--pose-hz", "60"]);
        command.args(["--max-per-address", "100000"]);
        command.arg("--cert").arg(certs.leaf()).arg("--key").arg(certs.key());
        // The runner's own settings must not matter.
        command.env_clear().current_dir(std::env::temp_dir());
        congestion::pass_on(&mut command);
        Self::start(place, command, Some(address), pinned)
    }

    /// This program as a conventional server, in `stock`.
    pub fn stock(place: &Place, certs: &Certificates, port: u16, tick_hz: u32) -> Result<Self> {
        let address = SocketAddr::new(place.server_address(), port);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--stock", &address.to_string(), &tick_hz.to_string()]);
        command.arg(certs.leaf()).arg(certs.key());
        Self::start(place, command, Some(address), false)
    }

    /// A conventional server over WebRTC.
    pub fn webrtc(place: &Place, port: u16, tick_hz: u32) -> Result<Self> {
        let address = SocketAddr::new(place.server_address(), port);
        let mut command = webrtc::command();
        command.args(["serve", &address.to_string(), &tick_hz.to_string()]);
        Self::start(place, command, Some(address), false)
    }

    /// A compared server.
    pub fn peer(place: &Place, peer: Peer, certs: &Certificates, pinned: bool) -> Result<Self> {
        let host = place.server_address().to_string();
        let command = peer.command(&host, &certs.leaf(), &certs.key())?;
        Self::start(place, command, None, pinned)
    }

    fn start(
        place: &Place,
        mut command: Command,
        address: Option<SocketAddr>,
        pinned: bool,
    ) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            place.spawn_server(command).with_context(|| format!("cannot start {name}"))?;
        if pinned {
            pin(Some(&child), 0)?;
        }
        let stdout = child.stdout.take().context("a server without standard output")?;
        let mut server = Self { child, address: SocketAddr::new(place.server_address(), 0) };
        server.address = match address {
            Some(address) => {
                // Output is discarded; closing the pipe would kill the server.
                std::thread::spawn(move || BufReader::new(stdout).lines().for_each(drop));
                server.await_port(place, address)?;
                address
            }
            None => {
                let mut lines = BufReader::new(stdout).lines();
                let line = lines.next().ok_or_else(|| anyhow!("{name} said nothing"))??;
                peers::listening(&line)
                    .with_context(|| format!("{name}: unexpected output {line:?}"))?
            }
        };
        Ok(server)
    }

    /// Waits until a server answers there.
    fn await_port(&mut self, place: &Place, address: SocketAddr) -> Result<()> {
        let begun = Instant::now();
        while !place.at_server(move || std::net::TcpStream::connect(address).is_ok()) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server at {address} exited: {status}");
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server at {address} does not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The processor time used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time(Pid::from_raw(self.child.id() as i32))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        // It may have exited already.
        let _ = kill(pid, Signal::SIGTERM);
        let_go(&mut self.child);
    }
}

/// Pins a process, or the calling thread and those that it starts, to one core.
pub fn pin(child: Option<&Child>, core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    let pid = child.map_or(0, |child| child.id() as i32);
    sched_setaffinity(Pid::from_raw(pid), &cores)?;
    Ok(())
}

/// A process's user and system time so far.
pub fn cpu_time(process: Pid) -> Result<Duration> {
    Ok(clock_getcpuclockid(process)?.now()?.into())
}

/// Waits for a process that was told to exit, and ends it if it does not.
pub(crate) fn let_go(child: &mut Child) {
    let begun = Instant::now();
    while begun.elapsed() < FAREWELL {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
