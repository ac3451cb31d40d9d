//! A map in one file, read in ranges.

use std::io::SeekFrom;
use std::path::Path;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Longest range in one answer, in bytes; readers of this format ask for far less.
const MAX_RANGE: u64 = 8 * 1024 * 1024;

/// Answers a request for a range of the file.
pub(crate) async fn answer(path: &Path, range: Option<&HeaderValue>) -> Response {
    match read(path, range.and_then(|range| range.to_str().ok())).await {
        Ok(Some((first, bytes, length))) => {
            let last = first + bytes.len() as u64 - 1;
            let headers = [
                (header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}")),
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CACHE_CONTROL, "no-cache".to_owned()),
            ];
            (StatusCode::PARTIAL_CONTENT, headers, bytes).into_response()
        }
        Ok(None) => {
            let words = format!("ask for one range of at most {MAX_RANGE} bytes\n");
            (StatusCode::RANGE_NOT_SATISFIABLE, words).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the map file cannot be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "the map file cannot be read\n").into_response()
        }
    }
}

async fn read(path: &Path, range: Option<&str>) -> std::io::Result<Option<(u64, Vec<u8>, u64)>> {
    let mut file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let Some((first, count)) = range.and_then(|range| parse(range, length)) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(first)).await?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes).await?;
    Ok((!bytes.is_empty()).then_some((first, bytes, length)))
}

/// The first byte and the count of a `bytes=FIRST-LAST` range within `length` bytes.
fn parse(range: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    let last = last.min(length.checked_sub(1)?);
    let count = last.checked_sub(first)?.checked_add(1)?;
    (count <= MAX_RANGE).then_some((first, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_the_file() {
        assert_eq!(parse("bytes=0-9", 100), Some((0, 10)));
        assert_eq!(parse("bytes=90-200", 100), Some((90, 10)));
        assert_eq!(parse("bytes=5-", 10), Some((5, 5)));
        for bad in ["bytes=9-5", "bytes=100-", "bytes=-5", "bytes=0-1,3-4", "lines=0-1", ""] {
            assert_eq!(parse(bad, 100), None, "{bad}");
        }
        assert_eq!(parse("bytes=0-", 0), None);
        assert_eq!(parse("bytes=0-", MAX_RANGE + 1), None);
    }
}
