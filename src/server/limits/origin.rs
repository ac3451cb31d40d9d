//! Which pages may connect, by origin.
//!
//! A browser sends the origin of the connecting page; a page of another site is refused on both
//! transports. Native clients send none and are admitted, unless the operator requires an origin.
//!
//! Scheme and port count: another port of this host, or its plain HTTP, may be served by a
//! stranger. Behind a proxy or with mapped ports, the server does not know its page's own port, so
//! it learns it: a page requests `/config.json` at its own address before it connects, and no page
//! can make a browser send that request under another page's address.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::host::{Host, Origin};
use crate::lock::lock;

/// Maximum number of learnt origins, in addition to the configured ones.
const LEARNT: usize = 256;

/// The pages that may connect.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// For each listener of this server's own pages, whether it speaks TLS, and its port.
    pub(crate) listeners: Vec<(bool, u16)>,
    /// Where users open the page, from the configuration.
    pub(crate) public: Option<Origin>,
    /// Origins allowed by the operator, as browsers write them; `*` allows any.
    pub(crate) allowed: Vec<String>,
    /// Whether a client that sends no Origin is refused.
    pub(crate) required: bool,
    /// Origins of own pages learnt from their requests, newest first.
    pub(crate) learnt: Mutex<VecDeque<Origin>>,
}

/// The host that a session is addressed to, and whether its link is encrypted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressed<'a> {
    pub(crate) host: Option<&'a Host>,
    /// `None` where a proxy may have terminated TLS.
    pub(crate) secure: Option<bool>,
}

impl Origins {
    /// Whether a page of this origin may open a WebTransport session at this authority.
    pub(crate) fn admit(&self, origin: Option<&str>, authority: Option<&str>) -> bool {
        let host = authority.and_then(Host::parse);
        self.admit_at(origin, Addressed { host: host.as_ref(), secure: Some(true) })
    }

    /// Whether a page of this origin may connect to the host that it addressed.
    pub(crate) fn admit_at(&self, origin: Option<&str>, addressed: Addressed<'_>) -> bool {
        let Some(text) = origin else { return !self.required };
        if self.allowed.iter().any(|allowed| allowed == "*" || allowed == text) {
            return true;
        }
        let Some(page) = Origin::parse(text) else { return false };
        let is_allowed = |text: &String| Origin::parse(text).as_ref() == Some(&page);
        self.public.as_ref() == Some(&page)
            || self.allowed.iter().any(is_allowed)
            || self.is_own(&page, addressed)
            || lock(&self.learnt).contains(&page)
    }

    /// Whether the page is served by the host that it addressed, on a known port.
    fn is_own(&self, page: &Origin, Addressed { host, secure }: Addressed<'_>) -> bool {
        let Some(host) = host else { return false };
        // A server that listens on IPv4 alone tells its pages on localhost to connect to 127.0.0.1.
        let is_local = page.name == "localhost" && host.name == "127.0.0.1";
        if page.name != host.name && !is_local {
            return false;
        }
        let is_same = page.port == host.port_or_default(page.secure)
            && secure.is_none_or(|secure| secure == page.secure);
        is_same || self.listeners.contains(&(page.secure, page.port))
    }

    /// Remembers the origin of a page that requested `/config.json`, if it asked at its own
    /// address.
    pub(crate) fn learn(&self, page: &Origin, host: &Host, secure: Option<bool>) {
        let is_there = page.name == host.name
            && page.port == host.port_or_default(page.secure)
            && secure.is_none_or(|secure| secure == page.secure);
        let is_known = self.listeners.contains(&(page.secure, page.port))
            || self.public.as_ref() == Some(page);
        let mut learnt = lock(&self.learnt);
        if is_there && !is_known && !learnt.contains(page) {
            learnt.truncate(LEARNT - 1);
            learnt.push_front(page.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins {
            listeners: vec![(true, 4433), (false, 8080)],
            allowed: vec!["https://friend.example".to_owned()],
            ..Origins::default()
        }
    }

    #[test]
    fn only_own_and_allowed_pages_may_connect() {
        let mut origins = origins();
        let admit = |origin, host| origins.admit(Some(origin), Some(host));
        assert!(origins.admit(None, Some("localhost:4433")), "a native client");
        assert!(admit("http://localhost:8080", "localhost:4433"));
        assert!(admit("http://localhost:8080", "127.0.0.1:4433"), "redirected by the server");
        assert!(
            !admit("http://localhost:9999", "127.0.0.1:4433"),
            "another server on this computer"
        );
        assert!(!admit("http://localhost.evil.example:8080", "127.0.0.1:4433"));
        assert!(admit("https://192.168.1.7:4433", "192.168.1.7:4433"));
        assert!(admit("https://[fe80::1]:4433", "[fe80::1]:4433"));
        assert!(admit("https://gpys.example", "gpys.example"), "the session's own port");
        assert!(admit("https://friend.example", "localhost:4433"));
        assert!(admit("https://friend.example:443", "localhost:4433"), "its default port");
        assert!(!admit("http://friend.example", "localhost:4433"), "another scheme");
        assert!(!admit("https://evil.example", "localhost:4433"));
        assert!(!admit("https://localhost:9999", "localhost:4433"));
        assert!(!admit("null", "localhost:4433"));
        assert!(!admit("https://localhost:4433.evil.example", "localhost:4433"));
        assert!(!admit("https://localhost:4433/page", "localhost:4433"));
        assert!(!origins.admit(Some("https://localhost:4433"), None));
        origins.required = true;
        assert!(!origins.admit(None, Some("localhost:4433")), "a native client");
        assert!(origins.admit(Some("https://localhost:4433"), Some("localhost:4433")));
    }

    #[test]
    fn scheme_and_port_count() {
        let origins = origins();
        assert!(!origins.admit(Some("http://localhost:4433"), Some("localhost:4433")));
        assert!(!origins.admit(Some("https://localhost:8080"), Some("localhost:4433")));
        // A server of plain HTTP on the path need not be the one that has the certificate.
        assert!(!origins.admit(Some("http://gpys.example"), Some("gpys.example")));
        let host = Host::parse("gpys.example").unwrap();
        let at = |origin, secure| {
            origins.admit_at(Some(origin), Addressed { host: Some(&host), secure })
        };
        assert!(!at("http://gpys.example", Some(true)));
        assert!(at("https://gpys.example", Some(true)));
        assert!(at("https://gpys.example", None), "a proxy terminates TLS");
        assert!(at("http://gpys.example", None), "a proxy without TLS");
        assert!(!at("https://gpys.example:8443", None));
    }

    #[test]
    fn learns_a_page_behind_a_proxy_from_a_request_at_its_own_address() {
        let origins = origins();
        let page = "https://map.example";
        let admit = |page| origins.admit(Some(page), Some("map.example:4433"));
        let learn = |page: &str, host: &str, secure| {
            origins.learn(&Origin::parse(page).unwrap(), &Host::parse(host).unwrap(), secure);
        };
        learn(page, "other.example", None);
        learn(page, "map.example:9999", None);
        learn("http://map.example:8443", "map.example:8443", Some(true));
        assert!(!admit(page) && !admit("https://map.example:9999"));
        assert!(!admit("http://map.example:8443"), "TLS was used, so the page is not plain");
        learn(page, "map.example", None);
        assert!(admit(page));
        assert!(origins.admit(Some(page), Some("udp.example:4433")), "at any host for UDP");
        for port in 1..=2 * LEARNT {
            let host = format!("map.example:{port}");
            learn(&format!("https://{host}"), &host, None);
        }
        assert!(lock(&origins.learnt).len() <= LEARNT);
    }

    #[test]
    fn the_public_address_may_connect_to_any_host() {
        let public = Origin::parse("https://map.example");
        let origins = Origins { public, ..origins() };
        assert!(origins.admit(Some("https://map.example"), Some("127.0.0.1:4433")));
        assert!(!origins.admit(Some("http://map.example"), Some("127.0.0.1:4433")));
        assert!(!origins.admit(Some("https://map.example:8443"), Some("127.0.0.1:4433")));
    }
}
