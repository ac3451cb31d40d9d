//! Which content coding a client gets (RFC 9110, section 12.5.3).

use http::{HeaderMap, header};

/// Weight of what a client names with `q=1`; twice the thousandths that a weight may have.
const WHOLE: u16 = 2_000;
/// Weight of plain bytes for a client that says nothing of them: it takes them, but has named
/// others.
const LEAST: u16 = 1;

/// How an answer's bytes are coded; a later one is preferred where the client does not care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Coding {
    /// As they are.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// What `Content-Encoding` says; nothing for plain bytes.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// The weights that a client gave.
#[derive(Debug, Default)]
struct Wishes {
    identity: Option<u16>,
    gzip: Option<u16>,
    brotli: Option<u16>,
    others: Option<u16>,
}

impl Wishes {
    fn read(headers: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        let fields = headers.get_all(header::ACCEPT_ENCODING).into_iter();
        for wish in fields.filter_map(|field| field.to_str().ok()).flat_map(|it| it.split(',')) {
            let (name, parameters) = wish.split_once(';').unwrap_or((wish, ""));
            let Some(weight) = weight(parameters) else { continue };
            let place = match name.trim().to_ascii_lowercase().as_str() {
                "identity" => &mut wishes.identity,
                "gzip" | "x-gzip" => &mut wishes.gzip,
                "br" => &mut wishes.brotli,
                "*" => &mut wishes.others,
                _ => continue,
            };
            *place = Some(weight);
        }
        wishes
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

/// The weight in the parameters behind a coding's name; `None` if they are no such thing.
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

/// The coding that the client likes best of those that there are; `None` if it takes none.
pub(crate) fn choose(
    headers: &HeaderMap,
    offered: impl IntoIterator<Item = Coding>,
) -> Option<Coding> {
    let wishes = Wishes::read(headers);
    let weighed = offered.into_iter().map(|coding| (wishes.weight(coding), coding));
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
    fn a_client_gets_what_it_likes_best() {
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
            // What is no weight is as if its coding had not been named.
            (&["br;q=2, br;level=1, gzip;q=1.5, br;q=0.1234, br;q=-1, br;q="], Some(Identity)),
        ] {
            assert_eq!(chosen(fields, &ALL), best, "{fields:?}");
        }
        assert_eq!(chosen(&["br, gzip"], &[Identity]), Some(Identity));
        assert_eq!(chosen(&["br, identity;q=0"], &[Identity]), None);
    }
}
