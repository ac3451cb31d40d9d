//! What an upgrade to a WebSocket must have (RFC 6455, section 4.2.1) beside what the library
//! looks at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::http::request_info::Refusal;

/// The version that RFC 6455 is.
const VERSION: &str = "13";
/// Bytes of a key.
const KEY_LEN: usize = 16;

/// Refuses an upgrade that is none.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let token = |name: &HeaderName, token: &str| {
        let mut fields = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
        fields.any(|it| it.split(',').any(|it| it.trim().eq_ignore_ascii_case(token)))
    };
    if !token(&header::UPGRADE, "websocket") || !token(&header::CONNECTION, "upgrade") {
        return Err(Refusal::bad(
            "this is for WebSockets: a request needs `Upgrade: websocket` and `Connection: \
             Upgrade`, which a proxy in front must pass on",
        ));
    }
    let one = |name: &HeaderName| {
        let mut fields = headers.get_all(name).iter();
        fields.next().filter(|_| fields.next().is_none()).and_then(|it| it.to_str().ok())
    };
    if one(&header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(Refusal {
            status: StatusCode::UPGRADE_REQUIRED,
            words: "only version 13 of WebSocket is spoken".into(),
            field: Some((header::SEC_WEBSOCKET_VERSION, VERSION)),
        });
    }
    let key = one(&header::SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != KEY_LEN) {
        return Err(Refusal::bad("the Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    let length = headers.get_all(header::CONTENT_LENGTH).iter().any(|it| it != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::bad("an upgrade to a WebSocket has no body"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(changes: &[(&'static str, &'static str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        let whole = [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (name, value) in whole {
            headers.append(name, value.parse().unwrap());
        }
        for &(name, value) in changes {
            match value.strip_prefix('+') {
                Some(more) => drop(headers.append(name, more.parse().unwrap())),
                None => drop(headers.insert(name, value.parse().unwrap())),
            }
        }
        check(&headers).err().map(|it| it.status.as_u16())
    }

    #[test]
    fn a_key_is_sixteen_bytes_once() {
        assert_eq!(status(&[]), None);
        let none = [
            "",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ==\t=",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZWQh",
            "AAAAAAAAAAAAAAAAAAAAAA=A",
            "+dGhlIHNhbXBsZSBub25jZQ==",
        ];
        for key in none {
            assert_eq!(status(&[("sec-websocket-key", key)]), Some(400), "{key}");
        }
    }

    #[test]
    fn the_rest_is_what_the_rfc_says() {
        assert_eq!(status(&[("upgrade", "WebSocket")]), None);
        assert_eq!(status(&[("connection", "+close")]), None);
        assert_eq!(status(&[("content-length", "0")]), None);
        for (name, value) in [
            ("upgrade", "h2c"),
            ("connection", "keep-alive"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
        ] {
            assert_eq!(status(&[(name, value)]), Some(400), "{name}: {value}");
        }
        for version in ["8", "", "13, 99", "+13", "013"] {
            assert_eq!(status(&[("sec-websocket-version", version)]), Some(426), "{version}");
        }
    }
}
