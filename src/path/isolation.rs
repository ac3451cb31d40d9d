//! The right to create network namespaces, and why it may be missing.

use std::fs;
use std::io;
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// The device behind every TUN device.
const TUN: &str = "/dev/net/tun";
/// CAP_NET_ADMIN and CAP_SYS_ADMIN, as bits of a set of capabilities.
const NEEDED: u64 = 1 << 12 | 1 << 21;

/// Why a path cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The machine does not let this user create namespaces.
    #[error("cannot create a network namespace ({cause}): {remedy}")]
    NotAllowed {
        /// The system's error.
        cause: io::Error,
        /// What to do about it.
        remedy: String,
    },
    /// There are no TUN devices, or not for this user.
    #[error(
        "cannot open {TUN} ({0}): load the module (modprobe tun), let this user read and \
         write the device, or give it to the container (--device {TUN})"
    )]
    NoTun(io::Error),
    /// A network device cannot be set up.
    #[error("cannot set up the path's network device {device}: {cause}")]
    Device {
        /// Its name.
        device: &'static str,
        /// The system's error.
        cause: io::Error,
    },
    /// The machine is out of threads or file descriptors.
    #[error("cannot start the path's thread: {0}")]
    Thread(#[from] io::Error),
}

/// Lets this process create network namespaces: root may anyway; any other user enters a user
/// namespace of its own, mapped to itself. Call it before any other thread starts.
///
/// # Errors
/// If the machine allows neither.
pub fn isolate() -> Result<(), PathError> {
    if is_capable() {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(refused)?;
    // As itself, not as root, so that programs at the ends of the path behave as usual.
    for (file, words) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), words)
            .map_err(|cause| PathError::NotAllowed { cause, remedy: remedy() })?;
    }
    Ok(())
}

/// Moves the calling thread into a network namespace of its own.
pub(super) fn leave_network() -> Result<(), PathError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(refused)
}

/// Checks that there are TUN devices.
pub(super) fn check_tun() -> Result<(), PathError> {
    let device = fs::File::options().read(true).write(true).open(TUN);
    device.map(drop).map_err(PathError::NoTun)
}

/// Whether this thread has all the rights that a path needs.
fn is_capable() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & NEEDED == NEEDED)
}

fn refused(cause: Errno) -> PathError {
    let remedy = if cause == Errno::EINVAL && count_threads() > 1 {
        "call isolate() before any other thread starts".to_owned()
    } else {
        remedy()
    };
    PathError::NotAllowed { cause: cause.into(), remedy }
}

fn count_threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// What to do where namespaces are refused.
fn remedy() -> String {
    let settings = [
        ("user.max_user_namespaces", "0", "1000"),
        ("user.max_net_namespaces", "0", "1000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    for (name, refuses, allows) in settings {
        let file = format!("/proc/sys/{}", name.replace('.', "/"));
        if fs::read_to_string(file).is_ok_and(|value| value.trim() == refuses) {
            return format!("run as root, or allow it with `sysctl -w {name}={allows}`");
        }
    }
    "run as root; in a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN (--privileged)".to_owned()
}

/// Starts one of the path's threads.
pub(super) fn start<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(f)
}
