//! A map in one file, checked at startup: a PMTiles archive of version 3
//! (<https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md>).

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::config::foreign;

/// Length of the header in bytes.
const HEADER: usize = 127;
/// Maximum bytes of the root directory, by the specification.
const MOST_ROOT: u64 = 16_384;
/// Maximum bytes of metadata to read, compressed or not.
const MOST_METADATA: u64 = 4 * 1024 * 1024;
/// Layers that pages can draw; any street map has at least one of them.
const KNOWN_LAYERS: [&str; 2] = ["earth", "roads"];

/// The content of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiles {
    /// Mapbox vector tiles.
    Vector,
    /// Images.
    Raster,
}

/// An archive that pages can read.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// The file.
    pub path: PathBuf,
    /// The content of its tiles.
    pub tiles: Tiles,
    /// The layers of its tiles, if the metadata lists them.
    layers: Vec<String>,
}

/// The fields of a header.
struct Header<'a>(&'a [u8; HEADER]);

impl Header<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|index| self.byte(at + index))
    }

    /// The start and the length of a section, from this place in the header.
    fn section(&self, at: usize) -> (u64, u64) {
        (u64::from_le_bytes(self.array(at)), u64::from_le_bytes(self.array(at + 8)))
    }

    fn degrees(&self, at: usize) -> f64 {
        f64::from(i32::from_le_bytes(self.array(at))) / 1e7
    }

    /// Whether its bounds contain any place; pages request nothing outside them.
    fn covers_something(&self) -> bool {
        let [west, south, east, north] = [102, 106, 110, 114].map(|at| self.degrees(at));
        west < east && south < north
    }
}

impl Archive {
    /// Checks the file's header, root directory and metadata.
    ///
    /// # Errors
    /// With what is wrong and how to fix it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err("no such file".into());
            }
            Err(error) => return Err(format!("it cannot be read: {error}")),
            Ok(found) if found.is_dir() => {
                return Err("it is a directory; choose the .pmtiles file in it".into());
            }
            Ok(found) if !found.is_file() => return Err("it is not a regular file".into()),
            Ok(_) => {}
        }
        let read = |error: std::io::Error| format!("it cannot be read: {error}");
        let mut file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start).map_err(read)?;
        if let Some(why) = foreign::what(&start) {
            return Err(why);
        }
        let Some(header) = start.first_chunk().map(Header) else {
            return Err(format!("it is cut off after {length} bytes; copy or download it again"));
        };
        Self::check(path, &mut file, length, &header)
    }

    fn check(
        path: &Path,
        file: &mut File,
        length: u64,
        header: &Header<'_>,
    ) -> Result<Self, String> {
        let [root, metadata, leaves, data] = [8, 24, 40, 56].map(|at| header.section(at));
        let ends = [root, metadata, leaves, data].map(|(start, count)| start.saturating_add(count));
        let end = ends.into_iter().max().unwrap_or_default();
        if end > length {
            return Err(format!(
                "it is cut off: it should have {end} bytes but has {length}; copy or download it again"
            ));
        }
        let tiles = kind(header.byte(99))?;
        let packing = header.byte(97);
        readable(packing, "directories")?;
        readable(header.byte(98), "tiles")?;
        if data.1 == 0 {
            return Err("it has no tiles; extract it again for an area that has some".into());
        }
        let broken = || "its root directory is broken; copy or download it again".to_owned();
        if root.1 > MOST_ROOT {
            return Err(broken());
        }
        let root = section(file, root, packing, MOST_METADATA).ok_or_else(broken)?;
        if varint(&root).ok_or_else(broken)? == 0 {
            return Err("it has no tiles; extract it again for an area that has some".into());
        }
        let (min_zoom, max_zoom) = (header.byte(100), header.byte(101));
        if min_zoom > max_zoom || max_zoom > 30 {
            return Err(format!("its zoom range, {min_zoom} to {max_zoom}, is invalid"));
        }
        if !header.covers_something() {
            return Err("its bounds contain no place; extract or download it again".into());
        }
        let metadata = (metadata.1 <= MOST_METADATA)
            .then(|| section(file, metadata, packing, MOST_METADATA))
            .flatten()
            .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            .unwrap_or_default();
        let layers = metadata["vector_layers"].as_array().into_iter().flatten();
        Ok(Self {
            path: path.to_owned(),
            tiles,
            layers: layers.filter_map(|it| it["id"].as_str().map(str::to_owned)).collect(),
        })
    }

    /// Returns a warning if pages can draw little of it, because they do not know its layers.
    pub(super) fn strange_layers(&self) -> Option<String> {
        let known = |layer: &String| KNOWN_LAYERS.contains(&layer.as_str());
        if self.tiles == Tiles::Raster || self.layers.is_empty() || self.layers.iter().any(known) {
            return None;
        }
        Some(format!(
            "{} has the layers {}, but pages draw those of the Protomaps basemap (earth, roads, \
            water ...); use an extract of that, or set your own style as map-style",
            self.path.display(),
            self.layers.join(", ")
        ))
    }
}

fn kind(tiles: u8) -> Result<Tiles, String> {
    match tiles {
        1 => Ok(Tiles::Vector),
        2..=5 => Ok(Tiles::Raster),
        0 => Err("it does not state its tile type; convert it again with `pmtiles convert`".into()),
        6 => Err("its tiles are MapLibre tiles (MLT), which pages cannot read; use Mapbox vector \
            tiles (MVT)"
            .into()),
        other => Err(format!("its tiles are of type {other}, which pages cannot read")),
    }
}

/// Checks that pages can decompress it: their library knows gzip only.
fn readable(packing: u8, what: &str) -> Result<(), String> {
    let name = match packing {
        0..=2 => return Ok(()),
        3 => "Brotli".to_owned(),
        4 => "Zstandard".to_owned(),
        other => format!("method {other}"),
    };
    Err(format!("its {what} are compressed with {name}, which browsers cannot read; use gzip"))
}

/// Reads a section and decompresses it, to at most this many bytes.
fn section(file: &mut File, (start, count): (u64, u64), packing: u8, most: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(start)).ok()?;
    let packed = file.take(count);
    let mut bytes = Vec::new();
    if packing == 2 {
        MultiGzDecoder::new(packed).take(most).read_to_end(&mut bytes).ok()?;
    } else {
        packed.take(most).read_to_end(&mut bytes).ok()?;
    }
    Some(bytes)
}

/// Decodes the number at the start of the bytes, seven bits a byte, lowest first.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// An archive with one tile.
    fn archive(metadata: &str) -> Vec<u8> {
        // One entry: tile 0, once, of 4 bytes, at offset 0.
        let (root, metadata, tile) = (gzip(&[1, 0, 1, 4, 1]), gzip(metadata.as_bytes()), b"tile");
        let mut bytes = vec![0; HEADER];
        bytes[..8].copy_from_slice(b"PMTiles\x03");
        let mut at = HEADER;
        for (place, length) in [(8, root.len()), (24, metadata.len()), (40, 0), (56, tile.len())] {
            bytes[place..place + 8].copy_from_slice(&(at as u64).to_le_bytes());
            bytes[place + 8..place + 16].copy_from_slice(&(length as u64).to_le_bytes());
            at += length;
        }
        (bytes[97], bytes[98], bytes[99]) = (2, 2, 1);
        (bytes[100], bytes[101]) = (0, 14);
        for (place, units) in [(102, 14), (106, 45), (110, 16), (114, 46)] {
            let units: i32 = 10_000_000 * units;
            bytes[place..place + 4].copy_from_slice(&units.to_le_bytes());
        }
        [bytes, root, metadata, tile.to_vec()].concat()
    }

    fn opened(bytes: &[u8]) -> Result<Archive, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Archive::open(file.path())
    }

    fn with(change: impl Fn(&mut Vec<u8>)) -> Result<Archive, String> {
        let mut bytes = archive("{}");
        change(&mut bytes);
        opened(&bytes)
    }

    #[test]
    fn reads_the_type_of_tiles_and_their_layers() {
        let map = opened(&archive(r#"{"vector_layers":[{"id":"earth"}]}"#)).unwrap();
        assert_eq!(map.tiles, Tiles::Vector);
        assert_eq!(map.strange_layers(), None);
        for picture in 2..=5 {
            assert_eq!(with(|it| it[99] = picture).unwrap().tiles, Tiles::Raster);
        }
        let odd = opened(&archive(r#"{"vector_layers":[{"id":"transportation"}]}"#)).unwrap();
        assert!(odd.strange_layers().unwrap().contains("transportation"));
        assert_eq!(opened(&archive("no JSON")).unwrap().strange_layers(), None);
    }

    #[test]
    fn rejects_what_pages_cannot_read_with_the_reason() {
        let whole = archive("{}");
        for (wrong, why) in [
            (opened(&whole[..100]), "cut off after 100 bytes"),
            (opened(&whole[..whole.len() - 1]), "is cut off: it should have"),
            (with(|it| it[98] = 3), "tiles are compressed with Brotli"),
            (with(|it| it[97] = 4), "directories are compressed with Zstandard"),
            (with(|it| it[99] = 0), "does not state its tile type"),
            (with(|it| it[99] = 6), "MLT"),
            (with(|it| it[99] = 77), "of type 77"),
            (with(|it| it[64..72].fill(0)), "no tiles"),
            (with(|it| it[HEADER] = 0), "root directory is broken"),
            (with(|it| it[64..72].fill(0xFF)), "is cut off"),
            (with(|it| it[100] = 20), "zoom range, 20 to 14"),
            (with(|it| it[102..118].fill(0)), "contain no place"),
        ] {
            let said = wrong.unwrap_err();
            assert!(said.contains(why), "{said}, not {why}");
        }
        assert!(Archive::open(Path::new("config")).unwrap_err().contains("directory"));
        assert!(Archive::open(Path::new("/none")).unwrap_err().contains("no such file"));
        #[cfg(unix)]
        assert!(Archive::open(Path::new("/dev/null")).unwrap_err().contains("not a regular file"));
    }
}
