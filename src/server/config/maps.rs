//! The map below the peers, and the hosts that it comes from.

use std::net::Ipv6Addr;
use std::path::Path;

use url::{Host, Url};

use crate::config::archive::Archive;

/// Maximum hosts besides the style's own: the header of every answer names them all.
pub(super) const MOST_HOSTS: usize = 32;

/// The map below the peers; without a style and a file it is the built-in one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Maps {
    /// The URL of a MapLibre style.
    pub style: Option<String>,
    /// The origin of the style, and other hosts of its tiles, glyphs and sprites, as a content
    /// security policy writes them: `https://tiles.example`, `https://*.tiles.example`.
    pub hosts: Vec<String>,
    /// A map in a file.
    pub file: Option<Archive>,
    /// What works, but perhaps not as the operator wants.
    pub warnings: Vec<String>,
}

impl Maps {
    /// Notes what works, but perhaps not as the operator wants.
    pub(super) fn warn(&mut self, style: Option<&Url>) {
        self.warnings.extend(style.and_then(insecure));
        if let Some(file) = &self.file {
            self.warnings.extend(file.strange_layers());
            if self.style.is_some() {
                let both = "map-style and pmtiles are both set; pages show the style";
                self.warnings.push(both.to_owned());
            }
        }
    }
}

/// Parses the URL of a style that browsers can load.
pub(super) fn style(text: &str, plain_pages: bool) -> Result<Url, String> {
    let text = text.trim();
    let local = || {
        "it is a file on this computer, but browsers fetch the style: put it on a web server \
        and set its https:// URL"
            .to_owned()
    };
    if Path::new(text).exists() || text.starts_with("file:") {
        return Err(local());
    }
    let Ok(url) = Url::parse(text) else {
        return Err("expected the https:// URL of a MapLibre style".into());
    };
    if url.path().ends_with(".pmtiles") || url.scheme() == "pmtiles" {
        return Err(
            "it is a PMTiles archive, not a style; download it and set it as pmtiles".into()
        );
    }
    match url.scheme() {
        "https" | "http" => {}
        "mapbox" => {
            return Err(
                "only Mapbox's own library reads mapbox:// URLs; set the https:// URL of a \
                MapLibre style"
                    .into(),
            );
        }
        // A Windows drive.
        drive if drive.len() == 1 => return Err(local()),
        _ => return Err("expected the https:// URL of a MapLibre style".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("browsers reject URLs with a user or a password".into());
    }
    nameable(&url.host().ok_or("it has no host")?)?;
    may_be_plain(&url, plain_pages)?;
    Ok(url)
}

/// Parses a host as a content security policy writes it, and nothing that could end the policy.
pub(super) fn source(text: &str, plain_pages: bool) -> Result<String, String> {
    let right = "expected a host such as https://tiles.example or https://*.tiles.example";
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").ok_or(right)?;
    if !matches!(scheme, "https" | "http") {
        return Err(right.into());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (wildcard, rest) = match rest.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", rest),
    };
    if rest.contains(['/', '?', '#', '@', '\\', ' ', '%']) || rest.contains('*') {
        return Err(right.into());
    }
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| right)?;
    let host = url.host().ok_or(right)?;
    if !wildcard.is_empty() && !matches!(host, Host::Domain(_)) {
        return Err("an IP address has no subdomains".into());
    }
    nameable(&host)?;
    may_be_plain(&url, plain_pages)?;
    let origin = url.origin().ascii_serialization();
    Ok(origin.replacen("://", &format!("://{wildcard}"), 1))
}

/// Checks that a content security policy can name the host. URLs allow characters in hosts that
/// policies do not, some of which end a directive.
fn nameable(host: &Host<&str>) -> Result<(), String> {
    match host {
        Host::Ipv6(_) => Err(
            "a content security policy cannot name an IPv6 address; use a name or an IPv4 address"
                .into(),
        ),
        Host::Ipv4(_) => Ok(()),
        Host::Domain(name) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            let good = !name.is_empty() && name.len() <= 253 && name.bytes().all(plain);
            let labels = name.strip_suffix('.').unwrap_or(name).split('.').all(|it| !it.is_empty());
            if good && labels { Ok(()) } else { Err("its host is not a valid host name".into()) }
        }
    }
}

/// Checks that pages may load the URL: over https they load nothing over http, except from the
/// same computer.
fn may_be_plain(url: &Url, plain_pages: bool) -> Result<(), String> {
    if url.scheme() == "https" || is_local(url) || plain_pages {
        return Ok(());
    }
    Err("pages come over https://, so browsers load nothing over http://; use https://".into())
}

fn insecure(url: &Url) -> Option<String> {
    if is_local(url) {
        let local = "map-style is on localhost, where only browsers on this computer find it";
        return Some(local.to_owned());
    }
    let plain = "map-style is http://, so browsers load it in pages over plain HTTP only";
    (url.scheme() == "http").then(|| plain.to_owned())
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Config;
    use crate::config::sources::Sources;

    fn load(style: Option<&str>, hosts: &[&str]) -> Result<Maps, String> {
        let hosts = hosts.iter().map(|host| ("map-hosts", *host));
        let flags =
            Sources::default().flags(style.map(|url| ("map-style", url)).into_iter().chain(hosts));
        Config::load(&flags).map(|it| it.map).map_err(|it| it.to_string())
    }

    #[test]
    fn writes_hosts_as_a_policy_does() {
        let hosts = ["https://A.tiles.example/, https://*.cdn.example", "https://b.example:8443"];
        let maps = load(Some("https://styles.example/style.json?key=1"), &hosts).unwrap();
        let named = [
            "https://styles.example",
            "https://a.tiles.example",
            "https://*.cdn.example",
            "https://b.example:8443",
        ];
        assert_eq!(maps.hosts, named);
        assert_eq!(maps.style.as_deref(), Some("https://styles.example/style.json?key=1"));
        assert_eq!(maps.warnings, Vec::<String>::new());
        let idn = load(Some("https://kärtchen.example:443/s.json"), &[]).unwrap();
        assert_eq!(idn.hosts, ["https://xn--krtchen-5wa.example"]);
    }

    #[test]
    fn keeps_out_of_the_policy_what_is_not_a_host() {
        for bad in [
            "*",
            "https://*",
            "https://*.",
            "https:",
            "tiles.example",
            "data:",
            "blob:",
            "'unsafe-inline'",
            "wss://tiles.example",
            "https://tiles.example/path",
            "https://tiles.example?x",
            "https://a.example; script-src *",
            "https://a.example;script-src",
            "https://a.example'",
            "https://a.example\"",
            "https://a.example\r\nx: y",
            "https://a.*.example",
            "https://**.example",
            "https://user@a.example",
            "https://a..example",
            "https://*.127.0.0.1",
            "https://[::1]",
            "https://a.example:x",
            "https://a.example:99999",
            "http://tiles.example",
            "https://%2a.example",
        ] {
            let style = Some("https://styles.example/style.json");
            let wrong = load(style, &[bad]).unwrap_err();
            assert!(wrong.starts_with("--map-hosts is "), "{bad}: {wrong}");
        }
        assert!(load(None, &["https://a.example"]).unwrap_err().contains("without map-style"));
        let many: Vec<_> = (0..40).map(|it| format!("https://{it}.example")).collect();
        let style = Some("https://styles.example/style.json");
        assert!(load(style, &[&many.join(",")]).unwrap_err().contains("more than 32"));
    }

    #[test]
    fn rejects_a_style_that_browsers_cannot_load() {
        for (style, why) in [
            ("Cargo.toml", "a file on this computer"),
            ("file:///etc/style.json", "a file on this computer"),
            ("C:\\maps\\style.json", "a file on this computer"),
            ("styles/none.json", "the https:// URL"),
            ("styles.example/style.json", "the https:// URL"),
            ("ftp://styles.example/style.json", "the https:// URL"),
            ("mapbox://styles/mapbox/streets-v11", "Mapbox's own library"),
            ("https://tiles.example/map.pmtiles", "PMTiles archive"),
            ("pmtiles://https://tiles.example/map.pmtiles", "PMTiles archive"),
            ("https://user:secret@styles.example/style.json", "a user or a password"),
            ("http://styles.example/style.json", "over https://"),
            ("https://[::1]/style.json", "IPv6"),
            ("https://a.example;script-src*/style.json", "not a valid host name"),
            ("https://", "the https:// URL"),
        ] {
            let wrong = load(Some(style), &[]).unwrap_err();
            assert!(
                wrong.starts_with("--map-style is ") && wrong.contains(why),
                "{style}: {wrong}"
            );
        }
    }

    #[test]
    fn warns_of_a_style_that_some_browsers_cannot_load() {
        for (style, http, warning) in [
            ("http://127.0.0.1:8090/style.json", None, "on localhost"),
            ("https://localhost/style.json", None, "on localhost"),
            ("http://styles.example/style.json", Some("127.0.0.1:0"), "plain HTTP only"),
        ] {
            let http = http.map(|address| ("http", address));
            let pairs = [("map-style", style)].into_iter().chain(http);
            let maps = Config::from_pairs(pairs).unwrap().map;
            assert!(maps.warnings[0].contains(warning), "{style}: {:?}", maps.warnings);
        }
    }
}
