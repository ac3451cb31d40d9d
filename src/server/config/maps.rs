//! Which map is drawn below the people, and which hosts it comes from.

use std::net::Ipv6Addr;
use std::path::Path;

use url::{Host, Url};

use crate::config::archive::Archive;
use crate::config::reader::Reader;
use crate::config::sources::Given;

/// Most hosts beside the style's own: all of them are in a header of every answer.
const MOST_HOSTS: usize = 32;

/// Which map is drawn; without a style and a file it is the built-in one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Maps {
    /// The URL of a MapLibre style.
    pub style: Option<String>,
    /// The origin of the style, and other hosts that its tiles, glyphs and sprites come from, as a
    /// content security policy has them: `https://tiles.example`, `https://*.tiles.example`.
    pub hosts: Vec<String>,
    /// A file with a map.
    pub file: Option<Archive>,
    /// What is not wrong, but not what somebody wants either.
    pub warnings: Vec<String>,
}

impl Maps {
    /// Checks what was given; what is wrong is noted by the reader.
    pub(super) fn read(given: &Given, reader: &mut Reader<'_>) -> Self {
        let mut maps = Self::default();
        let plain_pages = given.one("http").is_some();
        if let Some(url) = reader.check(given.one("map-style"), |text| style(text, plain_pages)) {
            maps.hosts.push(url.origin().ascii_serialization());
            maps.warnings.extend(insecure(&url, "map-style"));
            maps.style = given.one("map-style").map(|(_, text, _)| text.trim().to_owned());
        }
        let all = given.all("map-hosts").into_iter();
        let each =
            all.flat_map(|(name, list, from)| list.split(',').map(move |it| (name, it, from)));
        for one in each.filter(|(_, text, _)| !text.trim().is_empty()) {
            let Some(host) = reader.check(Some(one), |text| source(text.trim(), plain_pages))
            else {
                continue;
            };
            if !maps.hosts.contains(&host) {
                maps.hosts.push(host);
            }
        }
        if maps.hosts.len() > MOST_HOSTS {
            reader.wrong.push(format!(
                "map-hosts has more than {MOST_HOSTS} hosts; name several at once, like \
                https://*.tiles.example"
            ));
        }
        if given.one("map-hosts").is_some() && given.one("map-style").is_none() {
            reader.wrong.push(
                "map-hosts is given without map-style: these are hosts that a style needs".into(),
            );
        }
        maps.file = reader.check(given.one("pmtiles"), |text| Archive::open(Path::new(text)));
        if let Some(file) = &maps.file {
            maps.warnings.extend(file.strange_layers());
            if maps.style.is_some() {
                maps.warnings
                    .push("map-style and pmtiles are both given: pages show the style".into());
            }
        }
        maps
    }

    /// A setting as TOML; `None` if it is not set or not one of these.
    pub(super) fn value(&self, name: &str) -> Option<toml::Value> {
        match name {
            "map-style" => Some(self.style.clone()?.into()),
            "map-hosts" => {
                let others: Vec<_> = self.hosts.iter().skip(1).cloned().collect();
                (!others.is_empty()).then(|| others.into())
            }
            "pmtiles" => Some(self.file.as_ref()?.path.display().to_string().into()),
            _ => None,
        }
    }
}

/// The URL of a style that browsers can load.
fn style(text: &str, plain_pages: bool) -> Result<Url, String> {
    let text = text.trim();
    let local = || {
        "it is a file of this computer, but browsers load the style by themselves: put it on a web \
        server and give its https:// URL"
            .to_owned()
    };
    if Path::new(text).exists() || text.starts_with("file:") {
        return Err(local());
    }
    let Ok(url) = Url::parse(text) else {
        return Err("it should be the https:// URL of a MapLibre style".into());
    };
    if url.path().ends_with(".pmtiles") || url.scheme() == "pmtiles" {
        return Err(
            "it is a PMTiles archive, not a style; download it and give it as pmtiles".into()
        );
    }
    match url.scheme() {
        "https" | "http" => {}
        "mapbox" => {
            return Err(
                "only Mapbox's own library reads mapbox:// URLs; give the https:// URL of a \
                MapLibre style"
                    .into(),
            );
        }
        // A drive of Windows.
        drive if drive.len() == 1 => return Err(local()),
        _ => return Err("it should be the https:// URL of a MapLibre style".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("browsers load no URL with a user or a password in it".into());
    }
    nameable(&url.host().ok_or("it names no host")?)?;
    may_be_plain(&url, plain_pages)?;
    Ok(url)
}

/// A host as a content security policy has it, and nothing that could end the policy.
fn source(text: &str, plain_pages: bool) -> Result<String, String> {
    let right = "it should be like https://tiles.example or https://*.tiles.example";
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
        return Err("an address has no subdomains".into());
    }
    nameable(&host)?;
    may_be_plain(&url, plain_pages)?;
    let origin = url.origin().ascii_serialization();
    Ok(origin.replacen("://", &format!("://{wildcard}"), 1))
}

/// Whether a content security policy can name the host. URLs allow more in it than policies do,
/// among it what ends a directive.
fn nameable(host: &Host<&str>) -> Result<(), String> {
    match host {
        Host::Ipv6(_) => {
            Err("a content security policy names no IPv6 address; give a name or an IPv4 address"
                .into())
        }
        Host::Ipv4(_) => Ok(()),
        Host::Domain(name) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            let good = !name.is_empty() && name.len() <= 253 && name.bytes().all(plain);
            let labels = name.strip_suffix('.').unwrap_or(name).split('.').all(|it| !it.is_empty());
            if good && labels { Ok(()) } else { Err("its host is no name of a host".into()) }
        }
    }
}

/// Pages come over https and load nothing over http, unless from the same computer.
fn may_be_plain(url: &Url, plain_pages: bool) -> Result<(), String> {
    if url.scheme() == "https" || is_local(url) || plain_pages {
        return Ok(());
    }
    Err("pages come over https://, and browsers let them load nothing over http://; use https://"
        .into())
}

fn insecure(url: &Url, name: &str) -> Option<String> {
    if is_local(url) {
        return Some(format!(
            "{name} is on localhost: only a browser on this computer finds it there"
        ));
    }
    let plain = url.scheme() == "http";
    plain.then(|| format!("{name} is http://: browsers load it in the pages of plain HTTP alone"))
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
    use crate::config::{Config, Flags};

    fn load(style: Option<&str>, hosts: &[&str]) -> Result<Maps, String> {
        let map_hosts = hosts.iter().map(|it| (*it).to_owned()).collect();
        let flags = Flags { map_style: style.map(Into::into), map_hosts, ..Flags::default() };
        Config::load(&flags, |_| None, None).map(|it| it.map).map_err(|it| it.to_string())
    }

    #[test]
    fn hosts_are_what_a_policy_can_name() {
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
    fn nothing_that_is_no_host_gets_into_the_policy() {
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
    fn a_style_that_no_browser_loads_is_refused_with_the_reason() {
        for (style, why) in [
            ("Cargo.toml", "a file of this computer"),
            ("file:///etc/style.json", "a file of this computer"),
            ("C:\\maps\\style.json", "a file of this computer"),
            ("styles/none.json", "the https:// URL"),
            ("styles.example/style.json", "the https:// URL"),
            ("ftp://styles.example/style.json", "the https:// URL"),
            ("mapbox://styles/mapbox/streets-v11", "Mapbox's own library"),
            ("https://tiles.example/map.pmtiles", "PMTiles archive"),
            ("pmtiles://https://tiles.example/map.pmtiles", "PMTiles archive"),
            ("https://user:secret@styles.example/style.json", "a user or a password"),
            ("http://styles.example/style.json", "over https://"),
            ("https://[::1]/style.json", "IPv6"),
            ("https://a.example;script-src*/style.json", "no name of a host"),
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
    fn a_style_that_only_some_find_is_warned_of() {
        for (style, http, warning) in [
            ("http://127.0.0.1:8090/style.json", None, "on localhost"),
            ("https://localhost/style.json", None, "on localhost"),
            ("http://styles.example/style.json", Some("127.0.0.1:0"), "plain HTTP alone"),
        ] {
            let http = http.map(str::to_owned);
            let flags = Flags { map_style: Some(style.into()), http, ..Flags::default() };
            let maps = Config::load(&flags, |_| None, None).unwrap().map;
            assert!(maps.warnings[0].contains(warning), "{style}: {:?}", maps.warnings);
        }
    }
}
