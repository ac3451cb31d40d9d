//! The page as it was built when this program was.

use gpys_server::Page;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

/// The page's files; none if the page was not built before the program.
#[must_use]
pub fn page() -> Page {
    Page::new(Built::iter().filter_map(|path| Some((path.to_string(), Built::get(&path)?.data))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_page_is_compressed() {
        let len = |path: &str| Built::get(path).map(|file| file.data.len());
        for path in Built::iter() {
            let coded = [".br", ".gz"].map(|end| len(&format!("{path}{end}")));
            if let [Some(brotli), Some(gzip)] = coded {
                let plain = len(&path).unwrap();
                assert!(brotli < plain && gzip < plain, "{path}: {plain}, {gzip}, {brotli}");
            }
        }
        // The page may not have been built before the program.
        if len("index.html").is_some() {
            let coded = [len("index.html.br"), len("index.html.gz")];
            assert!(!coded.contains(&None), "web/dist was built without its compressed files");
        }
    }
}
