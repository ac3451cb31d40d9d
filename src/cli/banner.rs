//! The text printed when the server is ready: where to open the page, here and on a phone.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use fast_qr::QRBuilder;

use gpys_server::Server;
use gpys_server::addresses::{in_url, network};
use gpys_server::host::Origin;

/// Returns the addresses of the page, with a QR code for a phone.
///
/// # Errors
/// If a socket has failed.
pub(crate) fn banner(server: &Server) -> std::io::Result<String> {
    let banner = Banner {
        https: server.https_address()?,
        web_transport: server.web_transport_address()?,
        http: server.http_address()?,
        warns: server.warns(),
        public: server.public_url(),
        domains: server.domains(),
    };
    Ok(banner.text())
}

/// What the text depends on.
#[derive(Clone, Copy, Debug)]
struct Banner<'a> {
    /// Address of HTTPS.
    https: SocketAddr,
    /// Address of WebTransport.
    web_transport: SocketAddr,
    /// Address of plain HTTP.
    http: Option<SocketAddr>,
    /// Whether browsers warn about the certificate.
    warns: bool,
    /// The public URL of the page, if it is set.
    public: Option<&'a Origin>,
    /// The names for which the server obtains a certificate.
    domains: &'a [String],
}

impl Banner<'_> {
    /// The text, with a QR code for the first address on the network.
    fn text(&self) -> String {
        let mut text = String::from("GPyS is ready.\n\n  On this computer\n");
        let here = self.http.filter(|http| reaches_loopback(http.ip()));
        if let Some(http) = here {
            line(&mut text, &format!("http://localhost{}/", port(http.port(), 80)));
        }
        if reaches_loopback(self.https.ip()) {
            line(&mut text, &self.url("localhost"));
        }
        let others = self.others();
        if !others.is_empty() {
            text.push_str(match self.domains {
                _ if self.public.is_some() => "\n  From anywhere\n",
                [] => "\n  On a phone or another computer on this network\n",
                _ => "\n  From anywhere, once the log reports the certificate\n",
            });
            others.iter().for_each(|url| line(&mut text, url));
        }
        if self.warns {
            text.push_str(
                "\n  Browsers warn once about an https address, because the certificate is\n  \
                 self-signed: continue anyway, or end the warnings with `gpys certs`.\n",
            );
        }
        if let Some(code) = others.first().and_then(|url| QRBuilder::new(url.as_str()).build().ok())
        {
            text.push('\n');
            text.push_str(&code.to_str());
            text.push('\n');
        }
        let udp = self.web_transport.port();
        let _ = write!(
            text,
            "\n  WebTransport needs UDP port {udp}; without it clients use WebSocket."
        );
        text.push_str("\n  Ctrl-C stops the server.\n");
        text
    }

    /// The addresses for other devices: the public one, or else the names, or else those on the
    /// network, IPv4 first because it is easier to type.
    fn others(&self) -> Vec<String> {
        if let Some(public) = self.public {
            return vec![format!("{public}/")];
        }
        if !self.domains.is_empty() {
            return self.domains.iter().map(|name| self.url(name)).collect();
        }
        let ip = self.https.ip().to_canonical();
        let addresses = match ip {
            ip if ip.is_loopback() => Vec::new(),
            IpAddr::V4(ip) if ip.is_unspecified() => {
                network().into_iter().filter(IpAddr::is_ipv4).collect()
            }
            ip if ip.is_unspecified() => network(),
            ip => vec![ip],
        };
        addresses.into_iter().map(|address| self.url(&in_url(address))).collect()
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}{}/", port(self.https.port(), 443))
    }
}

fn line(text: &mut String, url: &str) {
    text.push_str("    ");
    text.push_str(url);
    text.push('\n');
}

fn port(port: u16, default: u16) -> String {
    if port == default { String::new() } else { format!(":{port}") }
}

fn reaches_loopback(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_addresses_that_open_the_page() {
        let mut banner = Banner {
            https: "192.0.2.7:4433".parse().unwrap(),
            web_transport: "192.0.2.7:4434".parse().unwrap(),
            http: Some("127.0.0.1:8080".parse().unwrap()),
            warns: true,
            public: None,
            domains: &[],
        };
        let text = banner.text();
        assert!(text.contains("    http://localhost:8080/\n"), "{text}");
        assert!(text.contains("    https://192.0.2.7:4433/\n"), "{text}");
        assert!(!text.contains("https://localhost"), "{text}");
        assert!(text.contains("UDP port 4434"), "{text}");
        assert!(text.contains('█'), "a QR code");
        banner.https = "127.0.0.1:443".parse().unwrap();
        let text = banner.text();
        assert!(text.contains("    https://localhost/\n"), "{text}");
        assert!(!text.contains("another computer"), "{text}");
        let domains = ["gpys.example".to_owned()];
        let text = Banner { domains: &domains, warns: false, ..banner }.text();
        assert!(text.contains("    https://gpys.example/\n"), "{text}");
        assert!(!text.contains("warn"), "{text}");
        let public = Origin::parse("https://map.example");
        let text = Banner { public: public.as_ref(), domains: &domains, ..banner }.text();
        assert!(text.contains("From anywhere\n    https://map.example/\n"), "{text}");
    }
}
