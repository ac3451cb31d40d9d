//! Real packets through a real path, and `gpys netem`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a test may panic"
)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod path_linux;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("skipped: an emulated path needs Linux");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use gpys::path::{EmulatedPath, PathSettings, isolate};
    use libtest_mimic::{Arguments, Trial, run};

    let mut args = Arguments::from_args();
    // One looks at all threads of the process.
    args.test_threads = Some(1);
    // Before the harness starts a thread.
    let opened = isolate()
        .and_then(|()| EmulatedPath::open(PathSettings::default(), PathSettings::default(), 1))
        .map(drop);
    let is_required = std::env::var("GPYS_REQUIRE_PATH").is_ok_and(|value| value == "1");
    let is_skipped = opened.is_err() && !is_required;
    if let Err(error) = opened {
        eprintln!("{}: {error}", if is_skipped { "skipped" } else { "GPYS_REQUIRE_PATH" });
    }
    let trials = path_linux::ALL.iter().map(|&(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_ignored_flag(is_skipped)
    });
    run(&args, trials.collect()).exit_code()
}
