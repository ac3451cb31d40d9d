//! The tests of a path, on Linux. Each is by itself able to open one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gpys::path::{Bandwidth, EmulatedPath, Namespace, PathSettings};

/// Every test, by its name.
pub const ALL: [(&str, fn()); 12] = [
    ("udp_takes_the_delay_each_way", udp_takes_the_delay_each_way),
    ("tcp_survives_loss", tcp_survives_loss),
    ("nothing_comes_through_where_all_is_lost", nothing_comes_through_where_all_is_lost),
    ("tcp_passes_where_udp_is_blocked", tcp_passes_where_udp_is_blocked),
    ("a_bottleneck_has_its_rate", a_bottleneck_has_its_rate),
    ("a_rebinding_changes_the_port", a_rebinding_changes_the_port),
    ("threads_and_programs_are_where_they_start", threads_and_programs_are_where_they_start),
    ("nothing_is_left_behind", nothing_is_left_behind),
    ("link_runs_both_ends", link_runs_both_ends),
    ("link_exits_as_the_command_does", link_exits_as_the_command_does),
    ("link_ends_what_it_started", link_ends_what_it_started),
    ("a_doctor_finds_udp_blocked", a_doctor_finds_udp_blocked),
];

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);
const MS: Duration = Duration::from_millis(1);

fn open(settings: PathSettings) -> EmulatedPath {
    EmulatedPath::open(settings, settings, 7).unwrap()
}

/// A UDP socket at an end.
fn udp(end: &Namespace) -> UdpSocket {
    let address = end.address();
    let socket = end.run(move || UdpSocket::bind((address, 0))).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Waits for a condition.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} does not come");
        thread::sleep(MS);
    }
}

/// Receives a datagram; returns its text and its sender.
fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 2_000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8(buffer[..len].to_vec()).unwrap(), from)
}

fn udp_takes_the_delay_each_way() {
    let path = open(PathSettings { delay: MS * 25, ..PathSettings::default() });
    let (near, far) = (udp(path.near()), udp(path.far()));
    let sent = Instant::now();
    near.send_to(b"ping", far.local_addr().unwrap()).unwrap();
    let (text, from) = receive(&far);
    assert!(sent.elapsed() >= MS * 25, "{:?}", sent.elapsed());
    assert_eq!((text.as_str(), from), ("ping", near.local_addr().unwrap()));
    far.send_to(b"pong", from).unwrap();
    assert_eq!(receive(&near).0, "pong");
    assert!(sent.elapsed() >= MS * 50, "{:?}", sent.elapsed());
    for counters in path.counters() {
        // 20 bytes of IPv4, 8 of UDP, 4 of text.
        assert_eq!((counters.packets, counters.bytes), (1, 32), "{counters:?}");
        assert_eq!((counters.delivered, counters.delivered_bytes), (1, 32), "{counters:?}");
    }
}

/// Sends bytes from the near end to the far one over TCP; returns what came.
fn send_over_tcp(path: &EmulatedPath, bytes: &[u8]) -> Vec<u8> {
    let address = path.far().address();
    let listener = path.far().run(move || TcpListener::bind((address, 0))).unwrap();
    let to = listener.local_addr().unwrap();
    let receiver = thread::spawn(move || {
        let mut received = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
        received
    });
    let mut stream = path.near().run(move || TcpStream::connect(to)).unwrap();
    stream.write_all(bytes).unwrap();
    drop(stream);
    receiver.join().unwrap()
}

fn tcp_survives_loss() {
    let path =
        open(PathSettings { delay: MS, loss: 0.02, reorder: 0.01, ..PathSettings::default() });
    let bytes: Vec<u8> = (0..500_000_u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(send_over_tcp(&path, &bytes), bytes);
    let [there, back] = path.counters();
    assert!(there.lost > 0 && there.bytes > bytes.len() as u64, "{there:?}");
    // Packets, not the super-segments that devices with offloads are handed.
    assert!(there.bytes / there.packets <= 1_500 && there.packets > 333, "{there:?}");
    assert!(back.packets > 10, "{back:?}");
}

fn nothing_comes_through_where_all_is_lost() {
    let path = open(PathSettings { delay: MS * 25, ..PathSettings::default() });
    path.set(PathSettings { loss: 1.0, ..PathSettings::default() }, PathSettings::default());
    let (near, far) = (udp(path.near()), udp(path.far()));
    for _ in 0..20 {
        near.send_to(b"ping", far.local_addr().unwrap()).unwrap();
    }
    until("the loss of all", || path.counters()[0].lost == 20);
    // Nothing is under way any more, so what comes first is what is sent now.
    path.set(PathSettings::default(), PathSettings::default());
    near.send_to(b"after", far.local_addr().unwrap()).unwrap();
    assert_eq!(receive(&far).0, "after");
    assert_eq!(path.counters()[0].delivered, 1);
}

fn tcp_passes_where_udp_is_blocked() {
    let path = open(PathSettings { udp_blocked: true, ..PathSettings::default() });
    let (near, far) = (udp(path.near()), udp(path.far()));
    near.send_to(b"ping", far.local_addr().unwrap()).unwrap();
    assert_eq!(send_over_tcp(&path, b"hello"), b"hello");
    assert_eq!(path.counters()[0].blocked, 1);
    far.set_nonblocking(true).unwrap();
    assert!(far.recv(&mut [0; 10]).is_err());
}

fn a_bottleneck_has_its_rate() {
    let rate = Bandwidth {
        bits_per_second: 1_000_000.try_into().unwrap(),
        trace: None,
        queue: gpys::path::Queue::Bytes(20_000),
    };
    let path = open(PathSettings { rate: Some(rate), ..PathSettings::default() });
    let (near, far) = (udp(path.near()), udp(path.far()));
    let sent = Instant::now();
    // 1,000 bytes each, with their headers: 8 ms; 20 of them fit.
    for i in 0..200 {
        near.send_to(format!("{i:0972}").as_bytes(), far.local_addr().unwrap()).unwrap();
    }
    until("an overflow", || path.counters()[0].packets == 200);
    let counters = path.counters()[0];
    let kept = 200 - counters.overflowed;
    // While they are sent, the path lets some go.
    assert!(kept >= 20 && kept as u128 <= 20 + sent.elapsed().as_millis() / 8, "{counters:?}");
    for i in 0..kept {
        let (text, _) = receive(&far);
        assert!(sent.elapsed() >= MS * 8 * (i as u32 + 1), "{text} {:?}", sent.elapsed());
    }
    assert!(path.counters()[0].longest_wait >= MS * 8 * 18, "{counters:?}");
}

fn a_rebinding_changes_the_port() {
    let path = open(PathSettings { delay: MS * 5, ..PathSettings::default() });
    let (near, far) = (udp(path.near()), udp(path.far()));
    let mut ports = BTreeSet::new();
    let mut last = near.local_addr().unwrap();
    for turn in 1..4 {
        near.send_to(b"ping", far.local_addr().unwrap()).unwrap();
        let (_, from) = receive(&far);
        assert_eq!(from.ip(), path.near().address());
        assert!(ports.insert(from.port()), "{ports:?} {from}");
        far.send_to(b"pong", from).unwrap();
        let (text, by) = receive(&near);
        assert_eq!((text.as_str(), by), ("pong", far.local_addr().unwrap()));
        last = if turn == 1 { near.local_addr().unwrap() } else { last };
        path.rebind();
        // The old port is nobody's.
        far.send_to(b"lost", from).unwrap();
        until("a packet for nobody", || path.counters()[1].unknown_port == turn);
    }
    assert!(ports.contains(&last.port()), "{ports:?} {last}");
}

/// The network namespace of the calling thread, as the kernel names it.
fn namespace() -> String {
    fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string()
}

fn threads_and_programs_are_where_they_start() {
    let path = open(PathSettings::default());
    let (near, far) = (path.near().run(namespace), path.far().run(namespace));
    assert_eq!(BTreeSet::from([&near, &far, &namespace()]).len(), 3);
    // A runtime that is built there works there, wherever it is used.
    let runtime = path
        .near()
        .run(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).build())
        .unwrap();
    let tasks: Vec<_> = (0..20).map(|_| runtime.spawn(async { namespace() })).collect();
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap(), near);
    }
    let blocking = runtime.spawn(async { tokio::task::spawn_blocking(namespace).await });
    assert_eq!(runtime.block_on(blocking).unwrap().unwrap(), near);
    drop(runtime);
    let mut command = Command::new("readlink");
    command.arg("/proc/self/ns/net").stdout(Stdio::piped());
    let child = path.far().spawn(command).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), far);
    // The loopback device is up in both.
    for end in [path.near(), path.far()] {
        let local = end.run(|| UdpSocket::bind(("127.0.0.1", 0))).unwrap();
        local.set_read_timeout(Some(PATIENCE)).unwrap();
        local.send_to(b"me", local.local_addr().unwrap()).unwrap();
        assert_eq!(receive(&local).0, "me");
    }
    assert_eq!(path.near().address(), IpAddr::from([10, 77, 0, 1]));
}

/// What this process has: namespaces of its threads, and files of the path.
fn holdings() -> (BTreeSet<String>, usize) {
    let namespaces = fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_link(task.unwrap().path().join("ns/net")).ok())
        .map(|link| link.display().to_string())
        .collect();
    let files = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|file| fs::read_link(file.unwrap().path()).ok())
        .filter(|link| link.ends_with("tun") || link.to_string_lossy().contains("eventfd"))
        .count();
    (namespaces, files)
}

fn nothing_is_left_behind() {
    // Whether paths are allowed here was tried by opening one, whose threads may still be listed.
    until("the end of the trial", || holdings().0.len() == 1);
    let before = holdings();
    let path = open(PathSettings::default());
    assert_eq!(holdings().0.len(), before.0.len() + 2);
    assert_eq!(holdings().1, before.1 + 3);
    drop(path);
    // A thread that was waited for is listed for a moment more.
    until("the end of the threads", || holdings() == before);
}

fn gpys_link() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpys"));
    command.arg("netem");
    command
}

/// Standard error of a run, once it has exited with this code.
fn words(output: &Output, code: i32) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words}");
    words
}

fn link_runs_both_ends() {
    // The far end listens after a while; the near end does not start before.
    let far = format!("exec '{}' --quiet", env!("CARGO_BIN_EXE_gpys"));
    let near = ["swarm", "https://10.77.0.2:4433", "--people", "4", "--for", "1s"];
    let output = gpys_link()
        .args(["--delay", "5ms", "--loss", "1%", "--far", &far, "--"])
        .arg(env!("CARGO_BIN_EXE_gpys"))
        .args(near)
        .output()
        .unwrap();
    let words = words(&output, 0);
    for part in ["delay 5ms", "near end 10.77.0.1, far end 10.77.0.2", "near to far: ", "packets"] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

fn link_exits_as_the_command_does() {
    for (line, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)] {
        let output = gpys_link().args(["--", "sh", "-c", line]).output().unwrap();
        words(&output, code);
    }
    let output = gpys_link().args(["--", "/there-is-no-such-program"]).output().unwrap();
    assert!(words(&output, 127).contains("/there-is-no-such-program cannot be started"));
}

fn link_ends_what_it_started() {
    let far = format!("sleep 1000 & exec '{}' --quiet", env!("CARGO_BIN_EXE_gpys"));
    let mut child = gpys_link()
        .args(["--far", &far, "--", "sh", "-c", "echo ready; exec sleep 1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let output = child.wait_with_output().unwrap();
    // All who write to standard error are gone, or this would not have come to its end.
    assert!(words(&output, 143).contains("far to near: "));
}

fn a_doctor_finds_udp_blocked() {
    let far = format!("exec '{}' --quiet", env!("CARGO_BIN_EXE_gpys"));
    let output = gpys_link()
        .args(["--delay", "5ms", "--block-udp", "--far", &far, "--"])
        .arg(env!("CARGO_BIN_EXE_gpys"))
        .args(["doctor", "https://10.77.0.2:4433", "--json"])
        .output()
        .unwrap();
    words(&output, 1);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["transports"]["wt"]["works"], false, "{report:#}");
    assert_eq!(report["transports"]["ws"]["works"], true, "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    let quic = steps.iter().find(|step| step["topic"] == "quic").unwrap();
    assert!(quic["says"].as_str().unwrap().contains("UDP blocked: no answer"), "{quic}");
    assert!(quic["advice"].as_str().unwrap().contains("UDP port 4433"), "{quic}");
}
