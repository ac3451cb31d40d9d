//! What the page shows below the peers, and the page itself.

use std::path::Path;

use crate::config::archive::Archive;
use crate::config::maps;
use crate::config::parse::{directory, expect, put};
use crate::config::print::{list, path, text};
use crate::config::setting::{Setting, Takes};
use crate::config::venue::Venue;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "venue",
        takes: Takes::One("LAT,LNG,LABEL"),
        help: "Show a purple pin at this position in degrees, such as 45.75,14.36,\"Main stage\"",
        absent: None,
        read: |draft, text| {
            let kind = "LATITUDE,LONGITUDE,LABEL in degrees, such as 45.75,14.36,Main stage";
            put(&mut draft.config.venue, expect(kind, Venue::parse(text)).map(Some))
        },
        print: |config| config.venue.as_ref().map(text),
    },
    Setting {
        name: "map-style",
        takes: Takes::One("URL"),
        help: "Draw the map in the MapLibre style at this URL",
        absent: Some("a built-in map of countries"),
        read: |draft, text| {
            let url = maps::style(text, draft.config.http.is_some())?;
            draft.config.map.style = Some(text.trim().to_owned());
            draft.config.map.hosts = vec![url.origin().ascii_serialization()];
            draft.style = Some(url);
            Ok(())
        },
        print: |config| config.map.style.as_ref().map(text),
    },
    Setting {
        name: "map-hosts",
        takes: Takes::Many("HOSTS"),
        help: "Let the style load tiles, glyphs and sprites from these hosts, besides its own, \
               such as https://a.tiles.example,https://*.tiles.example. Browsers load nothing \
               from other hosts",
        absent: None,
        read: |draft, text| {
            let host = maps::source(text, draft.config.http.is_some())?;
            if !draft.config.map.hosts.contains(&host) {
                draft.config.map.hosts.push(host);
            }
            Ok(())
        },
        print: |config| {
            let others = config.map.hosts.get(1..).filter(|others| !others.is_empty());
            others.map(list)
        },
    },
    Setting {
        name: "pmtiles",
        takes: Takes::One("FILE"),
        help: "Draw the map from this PMTiles archive, with vector tiles of the Protomaps basemap \
               or with raster tiles",
        absent: None,
        read: |draft, text| {
            draft.config.map.file = Some(Archive::open(Path::new(text))?);
            Ok(())
        },
        print: |config| config.map.file.as_ref().map(|file| path(&file.path)),
    },
    Setting {
        name: "web-dir",
        takes: Takes::One("DIR"),
        help: "Serve the page live from this directory, to develop it",
        absent: Some("the built-in page"),
        read: |draft, text| put(&mut draft.config.web_dir, directory(text).map(Some)),
        print: |config| config.web_dir.as_deref().map(path),
    },
];
