//! WebTransport against WebSocket, on a network that misbehaves: `cargo bench --bench latency`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpys_latency::main()
}
