//! What proxies report about their clients: `Forwarded` (RFC 7239), and the older
//! `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
//!
//! Any client can forge these headers, so they are read from the right, where the nearest proxy
//! wrote last, for as long as the previous hop is trusted by the operator.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::host::Host;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The error of two header families that name different clients. One comes from the proxy, the
/// other from the client and was passed on, and there is no telling which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// What a trusted proxy reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The client, or the last known hop.
    pub(crate) client: IpAddr,
    /// Whether the client's link is encrypted.
    pub(crate) secure: Option<bool>,
    /// The host that the client addressed.
    pub(crate) host: Option<Host>,
}

/// The trusted proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(pub(crate) Vec<IpNet>);

impl Proxies {
    /// Whether this address is a trusted proxy.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Reads what the trusted proxy at `peer` reports in these headers.
    ///
    /// # Errors
    /// If the headers contradict each other.
    pub(crate) fn read(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Said, Contradiction> {
        let standard = texts(headers, &header::FORWARDED);
        let standard: Vec<Hop> =
            standard.iter().flat_map(|it| split(it, ',')).map(Hop::parse).collect();
        let older: Vec<_> = list(headers, &FOR).iter().map(|it| node(it)).collect();
        let by_standard = self.walk(peer, standard.iter().map(|hop| hop.node));
        let by_older = self.walk(peer, older.iter().copied());
        let client = match (standard.iter().any(|hop| hop.named), older.is_empty()) {
            (true, false) if by_standard != by_older => return Err(Contradiction),
            (true, _) => by_standard,
            (false, _) => by_older,
        };
        // The scheme and the host are as the client sees them, so the first hop knows them.
        let secure = standard.iter().find_map(|hop| hop.secure);
        let host = standard.iter().find_map(|hop| hop.host.clone());
        Ok(Said {
            client,
            secure: secure.or_else(|| is_secure(list(headers, &PROTO).first()?)),
            host: host.or_else(|| Host::parse(list(headers, &HOST).first()?)),
        })
    }

    /// Returns the first untrusted hop from the right; a hop that hides its address is represented
    /// by the one behind it.
    fn walk(&self, peer: IpAddr, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.rev() {
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trust(hop) {
                break;
            }
        }
        client.to_canonical()
    }
}

/// Whether the request has headers that only a proxy adds.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    [header::FORWARDED, FOR, PROTO, HOST, header::VIA].iter().any(|it| headers.contains_key(it))
}

/// One element of `Forwarded`.
#[derive(Debug, Default)]
struct Hop {
    node: Option<IpAddr>,
    /// Whether the element names a client, even a hidden one.
    named: bool,
    secure: Option<bool>,
    host: Option<Host>,
}

impl Hop {
    fn parse(element: &str) -> Self {
        let mut hop = Self::default();
        for pair in split(element, ';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = unquoted(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => {
                    hop.named = true;
                    hop.node = node(&value);
                }
                "proto" => hop.secure = is_secure(&value),
                "host" => hop.host = Host::parse(&value),
                _ => {}
            }
        }
        hop
    }
}

/// All values of a header. A byte that is not text must not hide what a proxy wrote after it.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let fields = headers.get_all(name).into_iter();
    fields.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// The elements of a header without quoted strings, from left to right.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let texts = texts(headers, name);
    let elements = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    elements.filter(|element| !element.is_empty()).map(str::to_owned).collect()
}

/// Splits a list outside quotes, or everywhere if a quote is left open, since a client could use
/// one to hide what the proxy wrote after it.
fn split(text: &str, by: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let mut is_end = |character: char| {
        let is_end = character == by && !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        is_end
    };
    let parts = text.split(&mut is_end).collect();
    if quoted { text.split(by).collect() } else { parts }
}

/// A token, or the contents of a quoted string.
fn unquoted(text: &str) -> std::borrow::Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.into();
    };
    let mut escaped = false;
    let kept = inner.chars().filter(|&character| {
        escaped = character == '\\' && !escaped;
        !escaped
    });
    kept.collect::<String>().into()
}

/// The address of a hop: bare, with a port, in brackets or not; `None` if hidden.
fn node(text: &str) -> Option<IpAddr> {
    let text = unquoted(text);
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = match text.strip_prefix('[') {
        // RFC 7239 allows a port that is not a number.
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => address,
            _ => text.as_ref(),
        },
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_secure(proto: &str) -> Option<bool> {
    match unquoted(proto).to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "127.0.0.1";

    fn said(fields: &[(&'static str, &str)]) -> Result<Said, Contradiction> {
        let proxies = Proxies(vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.read(PEER.parse().unwrap(), &headers)
    }

    fn client(fields: &[(&'static str, &str)]) -> String {
        said(fields).unwrap().client.to_string()
    }

    #[test]
    fn the_client_is_the_first_untrusted_hop_from_the_right() {
        let of = |list: &str| client(&[("x-forwarded-for", list)]);
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("203.0.113.9, 192.0.2.1"), "192.0.2.1", "the first can be forged");
        assert_eq!(of("192.0.2.1,10.1.1.1 ,\t10.2.2.2"), "192.0.2.1");
        assert_eq!(of("10.3.3.3, 10.2.2.2"), "10.3.3.3", "inside");
        assert_eq!(of("192.0.2.1, unknown"), PEER);
        assert_eq!(of("192.0.2.1, nonsense, 10.1.1.1"), "10.1.1.1");
        assert_eq!(of(" , 192.0.2.1:4711 ,, "), "192.0.2.1");
        assert_eq!(of("2001:db8::7"), "2001:db8::7");
        assert_eq!(of("[2001:db8::7]:4711"), "2001:db8::7");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of(""), PEER);
        assert_eq!(of("\"203.0.113.9, 192.0.2.1"), "192.0.2.1", "quotes hide nothing here");
        assert_eq!(of("\u{e9}, 192.0.2.1"), "192.0.2.1");
        let two = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.1.1.1")];
        assert_eq!(client(&two), "192.0.2.1", "two fields are one list");
        assert_eq!(client(&[]), PEER);
    }

    #[test]
    fn the_standard_header_may_have_quotes_and_hidden_hops() {
        let of = |value: &str| client(&[("forwarded", value)]);
        assert_eq!(of("for=192.0.2.1;proto=https;by=10.0.0.1"), "192.0.2.1");
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        assert_eq!(of("for=\"[2001:db8:cafe::17]:_port\""), "2001:db8:cafe::17");
        assert_eq!(
            of("for=203.0.113.9, FOR = \"192.0.2.1:80\" ; host=x , for=10.0.0.1"),
            "192.0.2.1"
        );
        assert_eq!(of("for=192.0.2.1, for=_hidden"), PEER);
        assert_eq!(of("for=192.0.2.1, for=unknown, for=10.1.1.1"), "10.1.1.1");
        assert_eq!(of("for=\"a,b\\\";for=\", for=192.0.2.1"), "192.0.2.1", "quotes are kept");
        assert_eq!(of("for=\"192.0.2.1"), PEER, "an open quote");
        assert_eq!(of("for=\", for=192.0.2.1"), "192.0.2.1", "it hides nothing behind it");
        assert_eq!(of(";;=,for"), PEER);
        let all = said(&[("forwarded", "for=192.0.2.1;proto=HTTPS;host=\"map.example:8443\", for=10.0.0.1;proto=http;host=inner")]).unwrap();
        assert_eq!(all.secure, Some(true));
        assert_eq!(all.host, Host::parse("map.example:8443"));
    }

    #[test]
    fn scheme_and_host_are_lists_in_any_case() {
        let secure = |value: &str| said(&[("x-forwarded-proto", value)]).unwrap().secure;
        for value in ["https", "https,http", "HTTPS", " Https , http", "wss"] {
            assert_eq!(secure(value), Some(true), "{value}");
        }
        assert_eq!(secure("http,https"), Some(false));
        assert_eq!(secure("gopher"), None);
        let host = |value: &str| said(&[("x-forwarded-host", value)]).unwrap().host;
        assert_eq!(host("Map.example:8443, inner"), Host::parse("map.example:8443"));
        assert_eq!(host("a b"), None);
    }

    #[test]
    fn contradicting_headers_are_refused() {
        let both = |standard: &str, older: &str| {
            said(&[("forwarded", standard), ("x-forwarded-for", older)])
                .map(|it| it.client.to_string())
        };
        assert_eq!(both("for=203.0.113.9", "192.0.2.1"), Err(Contradiction));
        assert_eq!(both("for=unknown", "192.0.2.1"), Err(Contradiction));
        assert_eq!(both("for=192.0.2.1", "203.0.113.9, 192.0.2.1"), Ok("192.0.2.1".to_owned()));
        assert_eq!(both("proto=https", "192.0.2.1"), Ok("192.0.2.1".to_owned()));
    }
}
