//! Validators of a response, and the conditional requests that use them (RFC 9110, section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The validators of one version of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// A strong entity tag, with its quotes.
    pub(crate) etag: HeaderValue,
    /// When the version was last modified, if known.
    pub(crate) modified: Option<SystemTime>,
}

/// The outcome of a request's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send the response.
    Send,
    /// The client already has this version (304).
    NotModified,
    /// A precondition failed (412).
    Failed,
}

impl Validators {
    /// Evaluates the conditions of a GET or HEAD in the RFC's order (section 13.2.2).
    pub(crate) fn evaluate(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(header::IF_MATCH) {
            if !self.is_among(headers, &header::IF_MATCH, false) {
                return Verdict::Failed;
            }
        } else if let Some(changed) = self.changed_since(headers, &header::IF_UNMODIFIED_SINCE)
            && changed
        {
            return Verdict::Failed;
        }
        let known = if headers.contains_key(header::IF_NONE_MATCH) {
            self.is_among(headers, &header::IF_NONE_MATCH, true)
        } else {
            self.changed_since(headers, &header::IF_MODIFIED_SINCE) == Some(false)
        };
        if known { Verdict::NotModified } else { Verdict::Send }
    }

    /// Whether a part of this version fits the client's copy (`If-Range`).
    pub(crate) fn fits_part(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(header::IF_RANGE) else { return true };
        if condition.as_bytes().contains(&b'"') {
            return condition == self.etag;
        }
        // A date is as good as a strong tag only if it matches exactly.
        date(condition).is_some_and(|date| self.modified.map(whole_second) == Some(date))
    }

    /// Adds the validators to a response's headers.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(header::ETAG, self.etag.clone());
        let modified = self.modified.map(httpdate::fmt_http_date).map(HeaderValue::try_from);
        if let Some(Ok(modified)) = modified {
            headers.insert(header::LAST_MODIFIED, modified);
        }
    }

    /// Whether the lists in this header contain the tag or `*`. Weak tags match only where the
    /// comparison is weak.
    fn is_among(&self, headers: &HeaderMap, name: &HeaderName, weak: bool) -> bool {
        let fields = headers.get_all(name).into_iter();
        fields.flat_map(|field| tags(field.as_bytes())).any(|(is_weak, tag)| {
            tag == b"*" || (tag == self.etag.as_bytes() && (weak || !is_weak))
        })
    }

    /// Whether the version is newer than the date in this header, if both dates are known.
    fn changed_since(&self, headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
        let date = date(headers.get(name)?)?;
        self.modified.map(|modified| whole_second(modified) > date)
    }
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Drops fractions of a second, which header dates cannot express.
fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Parses a list of entity tags: whether each is weak, and the tag with its quotes. Skips
/// malformed entries.
fn tags(mut list: &[u8]) -> Vec<(bool, &[u8])> {
    let mut tags = Vec::new();
    while let Some((first, rest)) = list.split_first() {
        let start = if list.starts_with(b"W/\"") { 2 } else { 0 };
        match first {
            b' ' | b'\t' | b',' => list = rest,
            b'*' => {
                tags.push((false, &list[..1]));
                list = rest;
            }
            b'"' | b'W' if list.get(start) == Some(&b'"') => {
                let opened = &list[start..];
                let Some(end) = opened.iter().skip(1).position(|byte| *byte == b'"') else { break };
                let (tag, after) = opened.split_at(end + 2);
                tags.push((start > 0, tag));
                list = after;
            }
            _ => {
                let next = list.iter().position(|byte| *byte == b',').unwrap_or(list.len());
                list = &list[next..];
            }
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &HeaderName, values: &[&'static str]) -> Verdict {
        let modified = Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500));
        let validators = Validators { etag: HeaderValue::from_static("\"a,b\""), modified };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        validators.evaluate(&headers)
    }

    #[test]
    fn a_current_copy_is_not_sent_again() {
        for known in [
            &["\"a,b\""][..],
            &["*"],
            &["W/\"a,b\""],
            &["\"x\", \"a,b\""],
            &["\"x\"", "\"y\",\"a,b\""],
            &["nonsense, \"a,b\""],
        ] {
            assert_eq!(verdict(&header::IF_NONE_MATCH, known), Verdict::NotModified, "{known:?}");
        }
        for unknown in ["\"a\"", "a,b", "\"a,b", "W/a,b", "", "w/\"a,b\"", "\"*\"", "\"\""] {
            let outcome = verdict(&header::IF_NONE_MATCH, &[unknown]);
            assert_eq!(outcome, Verdict::Send, "{unknown}");
        }
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(verdict(&header::IF_MODIFIED_SINCE, &[same]), Verdict::NotModified);
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        assert_eq!(verdict(&header::IF_MODIFIED_SINCE, &[before]), Verdict::Send);
        assert_eq!(verdict(&header::IF_MODIFIED_SINCE, &["yesterday"]), Verdict::Send);
    }

    #[test]
    fn a_failed_precondition_sends_nothing() {
        assert_eq!(verdict(&header::IF_MATCH, &["\"x\""]), Verdict::Failed);
        assert_eq!(verdict(&header::IF_MATCH, &["W/\"a,b\""]), Verdict::Failed);
        assert_eq!(verdict(&header::IF_MATCH, &["\"a,b\""]), Verdict::Send);
        assert_eq!(verdict(&header::IF_MATCH, &["*"]), Verdict::Send);
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        assert_eq!(verdict(&header::IF_UNMODIFIED_SINCE, &[before]), Verdict::Failed);
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(verdict(&header::IF_UNMODIFIED_SINCE, &[same]), Verdict::Send);
    }

    #[test]
    fn a_part_must_belong_to_the_client_s_version() {
        let modified = Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500));
        let validators = Validators { etag: HeaderValue::from_static("\"a\""), modified };
        let fits = |condition| {
            let headers = [(header::IF_RANGE, HeaderValue::from_static(condition))];
            validators.fits_part(&headers.into_iter().collect())
        };
        assert!(fits("\"a\""));
        assert!(fits("Sun, 06 Nov 1994 08:49:37 GMT"));
        for other in ["\"b\"", "W/\"a\"", "Sun, 06 Nov 1994 08:49:38 GMT", "nonsense", ""] {
            assert!(!fits(other), "{other}");
        }
        assert!(validators.fits_part(&HeaderMap::new()));
    }
}
