//! WebTransport against WebSocket, on bad networks: `cargo bench --bench latency`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpys_latency::main()
}
