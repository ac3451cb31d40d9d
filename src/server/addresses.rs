//! Names and addresses of this computer.

use std::net::IpAddr;

/// Addresses that other devices on the network can use, IPv4 first.
pub fn network() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(is_reachable)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Whether a browser on another device can use this address: a link-local one needs a zone, which
/// URLs lack.
fn is_reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
    }
}

/// Every name and address that a certificate for this computer should cover.
pub fn names() -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if let Some(host) = hostname::get().ok().and_then(|name| name.into_string().ok()) {
        let host = host.to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if !host.is_empty() && host.bytes().all(fits) && host != "localhost" {
            if !host.contains('.') {
                names.push(format!("{host}.local"));
            }
            names.push(host);
        }
    }
    names.extend(network().iter().map(IpAddr::to_string));
    names
}

/// An address as written in a URL.
pub fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_covers_loopback() {
        let names = names();
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn urls_put_brackets_around_ipv6() {
        assert_eq!(in_url("::1".parse().unwrap()), "[::1]");
        assert_eq!(in_url("10.0.0.1".parse().unwrap()), "10.0.0.1");
    }

    #[test]
    fn link_local_addresses_are_left_out() {
        assert!(!is_reachable(&"fe80::1".parse().unwrap()));
        assert!(!is_reachable(&"169.254.1.1".parse().unwrap()));
        assert!(is_reachable(&"192.168.1.7".parse().unwrap()));
    }
}
