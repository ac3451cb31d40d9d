//! Sees to it that the page is built in again whenever it changes.

fn main() {
    // The directory is watched, so it has to be there, also before the page is built.
    if let Err(error) = std::fs::create_dir_all("web/dist") {
        println!("cargo::warning=web/dist cannot be made: {error}");
    }
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
