//! The real server as a separate process, and its resource usage as Linux counts it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often to start a server whose ports were taken in between.
const TRIES: u32 = 5;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// HTTPS, `wss:` and, over UDP, WebTransport.
    pub https: SocketAddr,
    /// Plain HTTP and `ws:`.
    pub http: SocketAddr,
    /// The metrics listener.
    pub metrics: SocketAddr,
}

/// Resource usage of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub rss: u64,
    /// Number of threads.
    pub threads: u64,
    /// Number of open file descriptors.
    pub files: u64,
    /// Number of tasks in the server's runtime.
    pub tasks: u64,
}

impl Process {
    /// Starts a server on free loopback ports, with these arguments.
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let [https, http, metrics] = [free_port()?, free_port()?, free_port()?];
            match Self::start_at([https, http, metrics], args) {
                Ok(process) => return Ok(process),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no free port")?)
    }

    /// Starts a server on these ports: HTTPS, HTTP, metrics.
    pub fn start_at(ports: [SocketAddr; 3], args: &[&str]) -> Result<Self> {
        let [https, http, metrics] = ports;
        let mut command = Command::new(program()?);
        command.args(["serve", "--quiet", "--log", "error"]);
        command.args(["--listen", &https.to_string(), "--http", &http.to_string()]);
        command.args(["--metrics", &metrics.to_string()]).args(args);
        // The runner's own settings must not matter, except the allocator's.
        command.env_clear().current_dir(std::env::temp_dir());
        command.envs(std::env::vars().filter(|(name, _)| name.starts_with("MALLOC_")));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut process = Self { child, https, http, metrics };
        process.await_ready()?;
        Ok(process)
    }

    fn await_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while self.scrape().is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server exited: {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("the server did not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The page's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.https)
    }

    /// The ports, for a successor.
    pub const fn ports(&self) -> [SocketAddr; 3] {
        [self.https, self.http, self.metrics]
    }

    /// All metrics, as text.
    pub fn scrape(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.metrics)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The value of one metric.
    pub fn metric(&self, series: &str) -> Result<f64> {
        let text = self.scrape()?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("missing metric {series}"))?.trim().parse()?)
    }

    /// The current resource usage.
    pub fn usage(&self) -> Result<Usage> {
        let proc = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(Path::new(&proc).join("status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let value = line.with_context(|| format!("no {name}"))?;
            Ok(value.trim().trim_end_matches("kB").trim().parse()?)
        };
        Ok(Usage {
            rss: field("VmRSS")? * 1_024,
            threads: field("Threads")?,
            files: std::fs::read_dir(Path::new(&proc).join("fd"))?.count() as u64,
            tasks: self.metric("gpys_tasks")? as u64,
        })
    }

    /// The resident memory alone, in bytes.
    pub fn rss(&self) -> Result<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: u64 = statm.split_whitespace().nth(1).context("no pages")?.parse()?;
        Ok(pages * 4_096)
    }

    /// The processor time used, to a hundredth of a second.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in brackets, may contain spaces.
        let (_, fields) = stat.rsplit_once(") ").context("no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        Ok(Duration::from_millis(10 * ticks.sum::<Result<u64, _>>()?))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?)
    }

    /// The exit status, if the process has exited.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, which cargo builds next to the tests and benches that use it.
pub fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let program = this.ancestors().skip(1).map(|folder| folder.join("gpys"));
    program.into_iter().find(|file| file.is_file()).context("the gpys program is not built")
}

/// A loopback port that is free for both TCP and UDP at the moment.
fn free_port() -> Result<SocketAddr> {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port")
}
