//! A network namespace, held by a thread that is in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tun_rs::SyncDevice;

use crate::isolation::{PathError, leave_network, start};
use crate::tun;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace at one end of a path: a loopback device, the path's device, nothing else.
///
/// Threads and processes inherit the namespace of the thread that starts them; so do the workers of
/// a tokio runtime built in [`Self::run`]. A socket belongs to the namespace of the thread that
/// creates it, wherever it is used.
///
/// With such a runtime, `block_on` and `spawn_blocking` run in the namespace only if called there,
/// by [`Self::run`] or by a task; from elsewhere, use `spawn`.
#[derive(Debug)]
pub struct Namespace {
    address: Ipv4Addr,
    jobs: Option<Sender<Job>>,
    keeper: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Creates a namespace and its device.
    pub(super) fn open(name: &str, address: Ipv4Addr) -> Result<(Self, SyncDevice), PathError> {
        let (ready, opened) = channel();
        let (jobs, queue) = channel::<Job>();
        let keeper = start(name, move || {
            let device = leave_network().and_then(|()| tun::open(address));
            let failed = device.is_err();
            if ready.send(device).is_ok() && !failed {
                queue.iter().for_each(|job| job());
            }
        })?;
        let namespace = Self { address, jobs: Some(jobs), keeper: Some(keeper) };
        let device =
            opened.recv().map_err(|error| PathError::Thread(io::Error::other(error)))??;
        Ok((namespace, device))
    }

    /// The address of the path's device.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        IpAddr::V4(self.address)
    }

    /// Runs `f` on a thread of its own in the namespace, and waits for it.
    ///
    /// # Panics
    /// If `f` does, or if the system has no thread left.
    pub fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        let (started, handle) = channel();
        let job: Job = Box::new(move || {
            // Without a receiver there is no caller left.
            let _ = started.send(start("in-namespace", f));
        });
        let jobs = self.jobs.as_ref().expect("only drop takes it");
        jobs.send(job).expect("the keeper waits for jobs until drop");
        let thread = handle.recv().expect("the keeper answers every job");
        let thread = thread.expect("the system has no thread left");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts a program in the namespace. The namespace lives as long as the program, so the caller
    /// has to end it.
    ///
    /// # Errors
    /// If it cannot be started.
    ///
    /// # Panics
    /// If the system has no thread left.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.run(move || command.spawn())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked has ended as well.
            let _ = keeper.join();
        }
    }
}
