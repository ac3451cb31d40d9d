//! The program under a service manager: signals in, notifications out.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills the program even if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn notifies_and_obeys_a_service_manager() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_owned()
    };
    let child = Command::new(env!("CARGO_BIN_EXE_gpys"))
        .args(["serve", "--listen", "127.0.0.1:0", "--quiet", "--log", "warn"])
        .current_dir(dir.path())
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let pid = Pid::from_raw(i32::try_from(running.0.id()).unwrap());
    assert_eq!(heard(), "READY=1");
    // A reload signal ends nothing, even without a certificate to reload.
    kill(pid, Signal::SIGHUP).unwrap();
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(heard(), "STOPPING=1");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn the_container_s_settings_are_valid() {
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/container.toml");
    let mut check = Command::new(env!("CARGO_BIN_EXE_gpys"));
    let check = check.args(["serve", "--check-config", "--config", settings]);
    assert!(check.env_clear().output().unwrap().status.success());
}
