//! Proxies in front of a server, and what they pass on.

use http::{HeaderMap, header};

use crate::cli::doctor::report::{Finding, Step, Topic, Watch};
use gpys_client::server_info::{Config, Seen, Target};

/// Warns of a URL whose path GPyS does not serve.
pub(super) fn path(target: &Target) -> Option<Step> {
    let path = target.uri.path();
    let own = ["", "/", "/bench", "/bench/"].contains(&path) || path.starts_with("/r/");
    if own {
        return None;
    }
    let says = format!("{path} is not a GPyS path; the next checks are of {}", target.base());
    let advice = "GPyS cannot run below a path: give it its own host name.";
    Some(Watch::start(Topic::Path, None).stop(Finding::warning(says, advice)))
}

/// Judges what a proxy passes on, if a proxy can be seen.
pub(super) fn proxy(target: &Target, config: &Config, headers: &HeaderMap) -> Option<Step> {
    let watch = Watch::start(Topic::Proxy, None);
    // GPyS itself sends neither.
    let named = [header::VIA, header::SERVER].iter().find_map(|name| headers.get(name));
    let named = named.and_then(|name| name.to_str().ok());
    let Some(Seen { host, origin_allowed, forwarded }) = &config.seen else { return None };
    let here = target.uri.authority().map_or("", |authority| authority.as_str());
    let same = same_host(host, here, target.tls);
    if named.is_none() && same && forwarded == "none" {
        return None;
    }
    let who = named.unwrap_or("a proxy");
    let finding = if !same && !origin_allowed {
        Finding::failure(
            format!("{who} passes on the Host {host} instead of {here}"),
            "Make the proxy pass on the Host header with its port (nginx: `proxy_set_header Host \
             $http_host;`), or start the server with --public-url.",
        )
    } else {
        match forwarded.as_str() {
            "believed" => {
                Finding::ok(format!("behind {who}, whose X-Forwarded headers are believed"))
            }
            "ignored" => Finding::note(
                format!("behind {who}, whose X-Forwarded headers are not believed"),
                "Start the server with --trusted-proxy and the proxy's address, so that limits per \
                 address count clients.",
            ),
            _ => Finding::note(
                format!("behind {who}, which does not name its clients"),
                "Make it send X-Forwarded-For, and start the server with --trusted-proxy and the \
                 proxy's address, so that limits per address count clients.",
            ),
        }
    };
    Some(watch.stop(finding))
}

/// Whether two hosts are the same, with or without the scheme's default port.
fn same_host(one: &str, other: &str, tls: bool) -> bool {
    let default = if tls { ":443" } else { ":80" };
    let bare = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(default).unwrap_or(&host).trim_end_matches('.').to_owned()
    };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Verdict;

    fn judged(host: &str, allowed: bool, forwarded: &str, server: Option<&str>) -> Option<Step> {
        let config = serde_json::json!({
            "protocol": 2, "webtransport": "https://map.example:4433/wt",
            "websocket": "wss://map.example/ws", "venue": null,
            "seen": { "host": host, "originAllowed": allowed, "forwarded": forwarded },
        });
        let mut headers = HeaderMap::new();
        if let Some(server) = server {
            headers.insert(header::SERVER, server.parse().unwrap());
        }
        let target = Target::parse("https://map.example/").unwrap();
        proxy(&target, &serde_json::from_value(config).unwrap(), &headers)
    }

    #[test]
    fn reports_a_proxy_and_what_it_passes_on() {
        assert_eq!(judged("map.example", true, "none", None), None);
        let is = |step: Option<Step>, verdict, words: &str| {
            let step = step.unwrap();
            assert!(step.verdict == verdict && step.says.contains(words), "{step:?}");
        };
        let nginx = Some("nginx/1.22.1");
        is(judged("map.example:443", true, "believed", nginx), Verdict::Ok, "behind nginx/1.22.1");
        is(judged("map.example", true, "ignored", nginx), Verdict::Note, "not believed");
        is(judged("map.example", true, "none", nginx), Verdict::Note, "does not name its clients");
        let words = "passes on the Host 127.0.0.1:8080 instead of map.example";
        is(judged("127.0.0.1:8080", false, "none", None), Verdict::Failure, words);
        is(judged("127.0.0.1:8080", true, "believed", nginx), Verdict::Ok, "behind");
    }

    #[test]
    fn warns_of_a_path_that_is_not_its_own() {
        let told = |url| path(&Target::parse(url).unwrap()).is_some();
        assert!(told("https://map.example/map/") && told("https://map.example/map/r/lobby"));
        for own in ["https://a.example", "https://a.example/r/x", "https://a.example/bench"] {
            assert!(!told(own), "{own}");
        }
    }
}
