//! Parsing and validation of requests (RFC 9114, section 4; RFC 9220).

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method};
use wtransport_proto::error::ErrorCode;

use crate::webtransport::h3::fields::{self, Field};

/// The `:protocol` of a WebTransport session.
const PROTOCOL: &str = "webtransport";
/// Connection-specific fields, which are malformed in HTTP/3 (RFC 9114, section 4.2).
const CONNECTION_FIELDS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A request for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The host that it names.
    pub(crate) authority: String,
    /// The path with its query.
    pub(crate) path: String,
    /// The origin of the page that sent it, if a page did.
    pub(crate) origin: Option<String>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It cannot be decoded, which ends the whole connection.
    Undecodable,
    /// It is malformed.
    Malformed,
    /// It is valid but asks for something other than a session.
    Unwanted,
}

impl Refusal {
    /// The error code for its stream, or for the connection if it cannot be decoded.
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::Undecodable => ErrorCode::Decompression,
            Self::Malformed => ErrorCode::Message,
            Self::Unwanted => ErrorCode::RequestRejected,
        }
    }
}

/// The pseudo-fields of a request.
#[derive(Debug, Default)]
struct Pseudo {
    method: Option<String>,
    scheme: Option<String>,
    authority: Option<String>,
    path: Option<String>,
    protocol: Option<String>,
}

impl Pseudo {
    fn take(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        let field = match name {
            ":method" => &mut self.method,
            ":scheme" => &mut self.scheme,
            ":authority" => &mut self.authority,
            ":path" => &mut self.path,
            ":protocol" => &mut self.protocol,
            _ => return Err(Refusal::Malformed),
        };
        if field.is_some() {
            return Err(Refusal::Malformed);
        }
        *field = Some(value);
        Ok(())
    }
}

/// The regular fields that matter here. Each may occur once, because two values would be
/// ambiguous.
#[derive(Debug, Default)]
struct Regular {
    host: Option<String>,
    origin: Option<String>,
    content_length: Option<String>,
}

impl Regular {
    fn take(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        // Field names must be in lower case.
        let is_good = HeaderName::from_lowercase(name.as_bytes()).is_ok()
            && !CONNECTION_FIELDS.contains(&name)
            && (name != "te" || value == "trailers");
        let field = match name {
            "host" => &mut self.host,
            "origin" => &mut self.origin,
            "content-length" => &mut self.content_length,
            _ => return if is_good { Ok(()) } else { Err(Refusal::Malformed) },
        };
        if field.is_some() {
            return Err(Refusal::Malformed);
        }
        *field = Some(value);
        Ok(())
    }
}

impl Request {
    /// Parses the field section of a HEADERS frame.
    ///
    /// # Errors
    /// If the request is undecodable, malformed, or not for a session.
    pub(super) fn parse(section: &[u8]) -> Result<Self, Refusal> {
        let fields = fields::decode(section).map_err(|_| Refusal::Undecodable)?;
        Self::from_fields(fields)
    }

    fn from_fields(fields: Vec<Field>) -> Result<Self, Refusal> {
        let (mut pseudo, mut regular) = (Pseudo::default(), None::<Regular>);
        for (name, value) in fields {
            if !is_value(&value) {
                return Err(Refusal::Malformed);
            }
            match &mut regular {
                None if name.starts_with(':') => pseudo.take(&name, value)?,
                regular => regular.get_or_insert_default().take(&name, value)?,
            }
        }
        let Regular { host, origin, content_length } = regular.unwrap_or_default();
        // A session's stream carries capsules, not content (RFC 9297, section 3.4).
        if !matches!(content_length.as_deref(), None | Some("0")) && pseudo.is_connect() {
            return Err(Refusal::Malformed);
        }
        let (authority, path) = pseudo.target(host.as_deref())?;
        Ok(Self { authority, path, origin })
    }
}

impl Pseudo {
    fn is_connect(&self) -> bool {
        self.method.as_deref() == Some("CONNECT")
    }

    /// The host and path of a valid request for a session.
    fn target(self, host: Option<&str>) -> Result<(String, String), Refusal> {
        let is_connect = self.is_connect();
        let Self { method: Some(method), scheme, authority, path, protocol } = self else {
            return Err(Refusal::Malformed);
        };
        if Method::from_bytes(method.as_bytes()).is_err() || protocol.is_some() && !is_connect {
            return Err(Refusal::Malformed);
        }
        if authority.as_deref().or(host).is_none_or(|it| !is_authority(it))
            || authority.as_deref().zip(host).is_some_and(|(one, other)| one != other)
        {
            return Err(Refusal::Malformed);
        }
        if is_connect && protocol.is_none() {
            // A plain CONNECT names only a host (RFC 9114, section 4.4).
            let is_good = scheme.is_none() && path.is_none() && authority.is_some();
            return Err(if is_good { Refusal::Unwanted } else { Refusal::Malformed });
        }
        let (Some(scheme), Some(path)) = (scheme, path) else { return Err(Refusal::Malformed) };
        if !is_path(&path, &method) || scheme.parse::<Scheme>().is_err() {
            return Err(Refusal::Malformed);
        }
        match (authority, protocol.as_deref()) {
            (Some(authority), Some(PROTOCOL)) if scheme == "https" => Ok((authority, path)),
            // Required by RFC 8441, section 4; WebTransport's scheme is https.
            (None, Some(_)) | (_, Some(PROTOCOL)) => Err(Refusal::Malformed),
            _ => Err(Refusal::Unwanted),
        }
    }
}

/// Whether this is a valid field value (RFC 9110, section 5.5).
fn is_value(value: &str) -> bool {
    HeaderValue::from_bytes(value.as_bytes()).is_ok() && value == value.trim_matches([' ', '\t'])
}

/// Whether this is a host with an optional port and no user name.
fn is_authority(authority: &str) -> bool {
    authority.parse::<Authority>().is_ok() && !authority.contains('@')
}

/// Whether this is a valid path for a request with this method; fragments are not allowed.
fn is_path(path: &str, method: &str) -> bool {
    let is_absolute = path.starts_with('/') || path == "*" && method == "OPTIONS";
    is_absolute && !path.contains('#') && path.parse::<PathAndQuery>().is_ok()
}

#[cfg(test)]
mod tests {
    use wtransport_proto::qpack::Encoder;

    use super::*;

    const GOOD: [(&str, &str); 5] = [
        (":method", "CONNECT"),
        (":scheme", "https"),
        (":authority", "localhost:4433"),
        (":path", "/wt?x"),
        (":protocol", "webtransport"),
    ];

    fn parse(fields: &[(&str, &str)]) -> Result<Request, Refusal> {
        Request::parse(&Encoder::encode(fields.iter().copied()))
    }

    /// Parses the good request with some fields changed in place, or removed if changed to `-`,
    /// followed by more fields.
    fn changed(changes: &[(&str, &str)], more: &[(&str, &str)]) -> Result<Request, Refusal> {
        let change = |(name, value)| {
            let changed = changes.iter().find(|(other, _)| *other == name);
            (name, changed.map_or(value, |(_, value)| *value))
        };
        let mut fields: Vec<_> = GOOD.into_iter().map(change).collect();
        fields.retain(|(_, value)| *value != "-");
        fields.extend(more);
        parse(&fields)
    }

    #[test]
    fn parses_a_browser_s_request() {
        let more = [
            ("sec-webtransport-http3-draft02", "1"),
            ("origin", "https://localhost:4433"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
            ("te", "trailers"),
            ("host", "localhost:4433"),
            ("x-empty", ""),
        ];
        let request = changed(&[], &more).unwrap();
        assert_eq!(request.authority, "localhost:4433");
        assert_eq!(request.path, "/wt?x");
        assert_eq!(request.origin.as_deref(), Some("https://localhost:4433"));
        assert_eq!(changed(&[], &[]).unwrap().origin, None);
    }

    #[test]
    fn rejects_invalid_pseudo_fields() {
        for (name, value) in [
            (":method", "-"),
            (":method", ""),
            (":method", "CON NECT"),
            (":method", "connect"),
            (":method", "GET"),
            (":scheme", "-"),
            (":scheme", ""),
            (":scheme", "http"),
            (":scheme", "https:"),
            (":authority", "-"),
            (":authority", ""),
            (":authority", "me@localhost"),
            (":authority", "local host"),
            (":authority", "[::1"),
            (":path", "-"),
            (":path", ""),
            (":path", "wt"),
            (":path", "*"),
            (":path", "/wt#there"),
            (":path", "/w t"),
            (":path", "/wt\0"),
            (":path", "https://localhost/wt"),
        ] {
            assert_eq!(changed(&[(name, value)], &[]), Err(Refusal::Malformed), "{name} {value:?}");
        }
        for extra in [GOOD[0], GOOD[4], (":status", "200"), (":admin", "1"), (":", "x"), ("", "x")]
        {
            assert_eq!(changed(&[], &[extra]), Err(Refusal::Malformed), "{extra:?}");
        }
        let late = [&[("accept", "*/*")], &GOOD[..]].concat();
        assert_eq!(parse(&late), Err(Refusal::Malformed), "after a regular field");
        let late = [&GOOD[..4], &[("accept", "*/*"), GOOD[4]]].concat();
        assert_eq!(parse(&late), Err(Refusal::Malformed), "after a regular field");
        assert_eq!(parse(&[]), Err(Refusal::Malformed));
    }

    #[test]
    fn rejects_invalid_fields() {
        for (name, value) in [
            ("Accept", "x"),
            ("x y", "z"),
            ("x\u{e9}", "z"),
            ("x:y", "z"),
            ("x", "a\nb"),
            ("x", "a\rb"),
            ("x", "a\0b"),
            ("x", "a\u{7f}b"),
            ("x", " a"),
            ("x", "a\t"),
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("te", "trailers, gzip"),
            ("te", ""),
            ("host", ""),
            ("host", "elsewhere"),
            ("host", "LOCALHOST:4433"),
            ("content-length", "1"),
            ("content-length", "-1"),
            ("content-length", "x"),
        ] {
            assert_eq!(changed(&[], &[(name, value)]), Err(Refusal::Malformed), "{name} {value:?}");
        }
        for twice in ["origin", "host", "content-length"] {
            let value = if twice == "content-length" { "0" } else { "localhost:4433" };
            let twice = [(twice, value), (twice, value)];
            assert!(changed(&[], &twice[..1]).is_ok());
            assert_eq!(changed(&[], &twice), Err(Refusal::Malformed), "{twice:?}");
        }
        assert!(changed(&[], &[("x", "a\tb"), ("x", "again"), ("x", "\u{e9}")]).is_ok());
    }

    #[test]
    fn valid_requests_for_anything_else_are_unwanted() {
        let get = [(":method", "GET"), (":scheme", "https"), (":path", "/wt")];
        let with = |more: &[(&'static str, &'static str)]| parse(&[&get, more].concat());
        assert_eq!(with(&[GOOD[2]]), Err(Refusal::Unwanted));
        assert_eq!(with(&[("host", "localhost")]), Err(Refusal::Unwanted));
        assert_eq!(with(&[GOOD[2], ("content-length", "7")]), Err(Refusal::Unwanted));
        assert_eq!(with(&[]), Err(Refusal::Malformed), "no host");
        assert_eq!(with(&[GOOD[2], ("connection", "close")]), Err(Refusal::Malformed));
        let options = [(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), GOOD[2]];
        assert_eq!(parse(&options), Err(Refusal::Unwanted));
        let tunnel = [(":method", "CONNECT"), GOOD[2]];
        assert_eq!(parse(&tunnel), Err(Refusal::Unwanted));
        assert_eq!(parse(&[tunnel[0]]), Err(Refusal::Malformed));
        assert_eq!(parse(&[tunnel[0], ("host", "x")]), Err(Refusal::Malformed));
        assert_eq!(parse(&[tunnel[0], tunnel[1], (":path", "/")]), Err(Refusal::Malformed));
        assert_eq!(changed(&[(":protocol", "websocket")], &[]), Err(Refusal::Unwanted));
        let no_authority = [(":protocol", "websocket"), (":authority", "-")];
        assert_eq!(changed(&no_authority, &[("host", "x")]), Err(Refusal::Malformed));
    }
}
