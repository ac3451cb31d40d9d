//! Attackers against a real server, doing what no honest client does. Afterwards, two bystanders in
//! the same room must have noticed nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic, and its modules are private"
)]

use std::process::ExitCode;

use gpys_testkit::attacks::arena::{Attack, Siege};
use gpys_testkit::attacks::{
    content, floods, h3, http, identity, messages, packets, reflection, rfc6455, sessions, slow,
    talk, tokens,
};
use libtest_mimic::{Arguments, Trial, run};

/// Attacks against a server with default settings.
const fn siege(name: &'static str, attacks: fn() -> Vec<Attack>) -> Siege {
    Siege { name, settings: Vec::new, attacks }
}

const SIEGES: [Siege; 23] = [
    siege("websocket_fragments", rfc6455::of_fragments),
    siege("websocket_control_frames", rfc6455::of_control),
    siege("websocket_reserved_bits_and_masks", rfc6455::of_bits),
    siege("websocket_lengths", rfc6455::of_lengths),
    siege("websocket_text", rfc6455::of_text),
    siege("websocket_closes", rfc6455::of_closes),
    siege("websocket_handshakes", http::of_upgrades),
    siege("http_requests", http::of_requests),
    siege("pages_again_and_again", content::of_pages),
    Siege { name: "map_file", settings: content::with_map, attacks: content::of_the_map },
    siege("packets", packets::attacks),
    siege("reflection", reflection::attacks),
    siege("http3_streams_and_frames", h3::of_streams),
    siege("http3_requests", h3::of_requests),
    siege("webtransport_sessions", sessions::attacks),
    siege("messages", messages::attacks),
    siege("talk", talk::attacks),
    siege("identities_and_origins", identity::attacks),
    Siege { name: "access_tokens", settings: tokens::hs256, attacks: tokens::of_hs256 },
    Siege {
        name: "access_tokens_of_a_public_key",
        settings: tokens::eddsa,
        attacks: tokens::of_eddsa,
    },
    siege("floods", floods::attacks),
    siege("slow_and_silent", slow::attacks),
    Siege { name: "crowds_at_the_gate", settings: floods::few, attacks: floods::of_handshakes },
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    if !args.list {
        let count: usize = SIEGES.iter().map(|siege| (siege.attacks)().len()).sum();
        eprintln!("{count} attacks in {} sieges", SIEGES.len());
    }
    let trial = |siege: Siege| Trial::test(siege.name, move || siege.run().map_err(Into::into));
    run(&args, SIEGES.into_iter().map(trial).collect()).exit_code()
}
