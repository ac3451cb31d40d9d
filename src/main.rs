//! The `gpys` program.
fn main() {}
