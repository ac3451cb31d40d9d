//! Requirements of a WebSocket upgrade (RFC 6455, section 4.2.1) that the library does not check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::http::request_info::Refusal;

/// The protocol version of RFC 6455.
const VERSION: &str = "13";
/// Length of a `Sec-WebSocket-Key`, decoded, in bytes.
const KEY_LEN: usize = 16;

/// Refuses an invalid upgrade request.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let token = |name: &HeaderName, token: &str| {
        let mut fields = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
        fields.any(|it| it.split(',').any(|it| it.trim().eq_ignore_ascii_case(token)))
    };
    if !token(&header::UPGRADE, "websocket") || !token(&header::CONNECTION, "upgrade") {
        return Err(Refusal::bad(
            "this address is for WebSockets: a request needs `Upgrade: websocket` and \
             `Connection: Upgrade`, which a proxy in front must forward",
        ));
    }
    let one = |name: &HeaderName| {
        let mut fields = headers.get_all(name).iter();
        fields.next().filter(|_| fields.next().is_none()).and_then(|it| it.to_str().ok())
    };
    if one(&header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(Refusal {
            status: StatusCode::UPGRADE_REQUIRED,
            reason: "only version 13 of WebSocket is supported".into(),
            field: Some((header::SEC_WEBSOCKET_VERSION, VERSION)),
        });
    }
    let key = one(&header::SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != KEY_LEN) {
        return Err(Refusal::bad("the Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    let length = headers.get_all(header::CONTENT_LENGTH).iter().any(|it| it != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::bad("a WebSocket upgrade must not have a body"));
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
    fn requires_one_key_of_sixteen_bytes() {
        assert_eq!(status(&[]), None);
        let invalid = [
            "",
            "x",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ==\t=",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZWQh",
            "AAAAAAAAAAAAAAAAAAAAAA=A",
            "+dGhlIHNhbXBsZSBub25jZQ==",
        ];
        for key in invalid {
            assert_eq!(status(&[("sec-websocket-key", key)]), Some(400), "{key}");
        }
    }

    #[test]
    fn requires_the_other_headers_of_the_rfc() {
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
