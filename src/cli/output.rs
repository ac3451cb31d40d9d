//! What the program prints, and the exit code that goes with it.

use std::fmt::Display;
use std::io::{self, stderr, stdout};
use std::process::ExitCode;

use gpys_server::terminal;

/// Prints a text on standard output.
///
/// # Errors
/// If standard output is closed.
pub fn say(text: &str) -> io::Result<()> {
    terminal::say(&mut stdout(), text.trim_end_matches('\n'))
}

/// Prints an error on standard error, and returns the exit code.
pub fn fail(error: &dyn Display, code: u8) -> ExitCode {
    // The exit code is all that is left if standard error is closed.
    let _ = terminal::say(&mut stderr(), &format_args!("gpys: {error}"));
    ExitCode::from(code)
}

/// Prints the text of a subcommand, or its error.
pub fn print(text: Result<String, impl Display>) -> ExitCode {
    match text {
        Ok(text) => match say(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format_args!("cannot write to standard output: {error}"), 1),
        },
        Err(error) => fail(&error, 1),
    }
}
