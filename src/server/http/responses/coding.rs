//! Negotiation of the content coding (RFC 9110, section 12.5.3).

use http::{HeaderMap, header};

/// Weight of a coding with `q=1`, counted in halves of the thousandths that RFC 9110 allows.
const WHOLE: u16 = 2_000;
/// Weight of plain bytes for a client that does not mention them: acceptable, but below any coding
/// that it names.
const LEAST: u16 = 1;

/// The content coding of a body; of equal weights, the later variant wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Coding {
    /// No coding.
    Identity,
    /// Gzip (RFC 1952).
    Gzip,
    /// Brotli (RFC 7932).
    Brotli,
}

impl Coding {
    /// The value of `Content-Encoding`; `None` for plain bytes.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// The weights in a client's `Accept-Encoding`.
#[derive(Debug, Default)]
struct Preferences {
    identity: Option<u16>,
    gzip: Option<u16>,
    brotli: Option<u16>,
    others: Option<u16>,
}

impl Preferences {
    fn read(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let fields = headers.get_all(header::ACCEPT_ENCODING).into_iter();
        for entry in fields.filter_map(|field| field.to_str().ok()).flat_map(|it| it.split(',')) {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let Some(weight) = weight(parameters) else { continue };
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "identity" => &mut preferences.identity,
                "gzip" | "x-gzip" => &mut preferences.gzip,
                "br" => &mut preferences.brotli,
                "*" => &mut preferences.others,
                _ => continue,
            };
            *place = Some(weight);
        }
        preferences
    }

    fn weight(&self, coding: Coding) -> u16 {
        let (named, unnamed) = match coding {
            Coding::Identity => (self.identity, LEAST),
            Coding::Gzip => (self.gzip, 0),
            Coding::Brotli => (self.brotli, 0),
        };
        named.or(self.others).unwrap_or(unnamed)
    }
}

/// Parses the weight in the parameters of a coding; `None` if it is invalid.
fn weight(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(WHOLE);
    }
    let (name, value) = parameters.split_once('=')?;
    if !name.trim_end().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim_start();
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(2 * thousandths),
        "1" if thousandths == 0 => Some(WHOLE),
        _ => None,
    }
}

/// Chooses the coding that the client prefers; `None` if it accepts none of those offered.
pub(crate) fn choose(
    headers: &HeaderMap,
    offered: impl IntoIterator<Item = Coding>,
) -> Option<Coding> {
    let preferences = Preferences::read(headers);
    let weighed = offered.into_iter().map(|coding| (preferences.weight(coding), coding));
    weighed.filter(|(weight, _)| *weight > 0).max().map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const ALL: [Coding; 3] = [Coding::Identity, Coding::Gzip, Coding::Brotli];

    fn chosen(fields: &[&'static str], offered: &[Coding]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(field));
        }
        choose(&headers, offered.iter().copied())
    }

    #[test]
    fn chooses_the_coding_that_the_client_prefers() {
        use Coding::{Brotli, Gzip, Identity};
        for (fields, best) in [
            (&[][..], Some(Identity)),
            (&[""], Some(Identity)),
            (&["gzip, deflate, br, zstd"], Some(Brotli)),
            (&["gzip, deflate"], Some(Gzip)),
            (&["x-gzip"], Some(Gzip)),
            (&["GZIP;Q=1.000"], Some(Gzip)),
            (&["gzip", "br"], Some(Brotli)),
            (&["br;q=0.5, gzip;q=0.6"], Some(Gzip)),
            (&["br ; q=0.5,gzip; q = 0.5"], Some(Brotli)),
            (&["br;q=0.001"], Some(Brotli)),
            (&["br;q=0, gzip;q=0"], Some(Identity)),
            (&["identity, br;q=0.5"], Some(Identity)),
            (&["*"], Some(Brotli)),
            (&["br;q=0, *"], Some(Gzip)),
            (&["*;q=0, gzip"], Some(Gzip)),
            (&["zstd, deflate"], Some(Identity)),
            (&["identity;q=0, *;q=0.5"], Some(Brotli)),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["*;q=0, identity;q=0.1"], Some(Identity)),
            // A coding with an invalid weight is ignored.
            (&["br;q=2, br;level=1, gzip;q=1.5, br;q=0.1234, br;q=-1, br;q="], Some(Identity)),
        ] {
            assert_eq!(chosen(fields, &ALL), best, "{fields:?}");
        }
        assert_eq!(chosen(&["br, gzip"], &[Identity]), Some(Identity));
        assert_eq!(chosen(&["br, identity;q=0"], &[Identity]), None);
    }
}
