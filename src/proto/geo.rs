//! Positions, viewports and the grid of cells (docs/PROTOCOL.md, sections 2 and 7).

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Units of 1e-7 degree in a degree.
const UNITS_PER_DEGREE: f64 = 1e7;
/// The northernmost latitude, in units of 1e-7 degree.
pub const MAX_LAT: i32 = 900_000_000;
/// The antimeridian, in units of 1e-7 degree; stored positions are below it.
pub const MAX_LNG: i32 = 1_800_000_000;
/// All longitudes, in units of 1e-7 degree.
pub const CIRCLE: u32 = 3_600_000_000;
/// The coarsest cell level, where one cell is the whole world; the finest is 0.
pub const TOP_LEVEL: u8 = 19;
/// Finest step of a position in a frame, in units of 1e-7 degree: 7.8 cm, so that the largest
/// error of a position (half a step on both axes) is below 5 cm.
const FINEST_STEP: u32 = 7;

/// Why a position or a viewport is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeoError {
    /// Latitude is NaN, infinite or outside -90..=90 degrees.
    Latitude,
    /// Longitude is NaN, infinite or outside -180..=180 degrees.
    Longitude,
    /// A viewport whose south edge is north of its north edge.
    UpsideDown,
}

impl fmt::Display for GeoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latitude => "latitude is not a number from -90 to 90 degrees",
            Self::Longitude => "longitude is not a number from -180 to 180 degrees",
            Self::UpsideDown => "the viewport's south edge is north of its north edge",
        })
    }
}

impl Error for GeoError {}

/// A place on earth (WGS 84), in units of 1e-7 degree (1.1 cm at the equator).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    lat: i32,
    lng: i32,
}

impl Position {
    /// Makes a position from units of 1e-7 degree.
    ///
    /// # Errors
    /// If a coordinate is off its range.
    pub const fn new(lat: i32, lng: i32) -> Result<Self, GeoError> {
        if lat < -MAX_LAT || lat > MAX_LAT {
            return Err(GeoError::Latitude);
        }
        if lng < -MAX_LNG || lng > MAX_LNG {
            return Err(GeoError::Longitude);
        }
        Ok(Self { lat, lng: if lng == MAX_LNG { -MAX_LNG } else { lng } })
    }

    /// Makes a position from degrees.
    ///
    /// # Errors
    /// If a coordinate is NaN, infinite or off its range.
    pub fn from_degrees(lat: f64, lng: f64) -> Result<Self, GeoError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(GeoError::Latitude);
        }
        if !(-180.0..=180.0).contains(&lng) {
            return Err(GeoError::Longitude);
        }
        Self::new((lat * UNITS_PER_DEGREE).round() as i32, (lng * UNITS_PER_DEGREE).round() as i32)
    }

    /// Returns the latitude in units of 1e-7 degree.
    #[must_use]
    pub const fn lat(self) -> i32 {
        self.lat
    }

    /// Returns the longitude in units of 1e-7 degree, below the antimeridian's.
    #[must_use]
    pub const fn lng(self) -> i32 {
        self.lng
    }

    /// Returns latitude and longitude in degrees.
    #[must_use]
    pub fn degrees(self) -> (f64, f64) {
        (f64::from(self.lat) / UNITS_PER_DEGREE, f64::from(self.lng) / UNITS_PER_DEGREE)
    }

    /// Returns the units east of longitude -180 degrees.
    pub(super) const fn east(self) -> u32 {
        (self.lng as i64 + MAX_LNG as i64) as u32
    }

    /// Returns the units north of the south pole.
    pub(super) const fn north(self) -> u32 {
        (self.lat as i64 + MAX_LAT as i64) as u32
    }
}

/// Width and height of a cell at `level`, in units of 1e-7 degree.
#[must_use]
pub const fn cell_size(level: u8) -> u32 {
    FINEST_STEP << (10 + level)
}

/// Bits of a position within a cell at `level`, on each axis.
#[must_use]
pub const fn cell_bits(level: u8) -> u32 {
    if level < 3 { 10 + level as u32 } else { 13 }
}

/// Step of a position within a cell at `level`, in units of 1e-7 degree.
#[must_use]
pub const fn cell_step(level: u8) -> u32 {
    cell_size(level) >> cell_bits(level)
}

/// Number of columns of cells at `level`.
#[must_use]
pub const fn columns(level: u8) -> u32 {
    CIRCLE.div_ceil(cell_size(level))
}

/// Number of rows of cells at `level`.
#[must_use]
pub const fn rows(level: u8) -> u32 {
    (2 * MAX_LAT as u32 + 1).div_ceil(cell_size(level))
}

/// A square (in degrees) of the map: column and row at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// 0 (80 m) to [`TOP_LEVEL`] (the world).
    pub level: u8,
    /// Column, eastward from longitude -180 degrees.
    pub x: u32,
    /// Row, northward from the south pole.
    pub y: u32,
}

impl Cell {
    /// The one cell that holds the whole world.
    pub const WORLD: Self = Self { level: TOP_LEVEL, x: 0, y: 0 };

    /// Returns the cell at `level` that holds `position`.
    #[must_use]
    pub const fn at(level: u8, position: Position) -> Self {
        let size = cell_size(level);
        Self { level, x: position.east() / size, y: position.north() / size }
    }

    /// Returns the cell at a coarser `level` that holds this one.
    #[must_use]
    pub const fn ancestor(self, level: u8) -> Self {
        let up = level - self.level;
        Self { level, x: self.x >> up, y: self.y >> up }
    }

    /// Whether `position` lies in this cell.
    #[must_use]
    pub fn contains(self, position: Position) -> bool {
        Self::at(self.level, position) == self
    }

    /// Whether this cell and `other` have a place in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let level = self.level.max(other.level);
        self.ancestor(level) == other.ancestor(level)
    }

    /// Returns the cell's quarter of its parent: bit 0 for east, bit 1 for north.
    #[must_use]
    pub const fn quadrant(self) -> usize {
        ((self.x & 1) | (self.y & 1) << 1) as usize
    }

    /// Returns the steps of `position`, which must lie in this cell, on both axes.
    #[must_use]
    pub const fn steps(self, position: Position) -> (u32, u32) {
        let (size, step) = (cell_size(self.level), cell_step(self.level));
        ((position.east() - self.x * size) / step, (position.north() - self.y * size) / step)
    }

    /// Returns the position that steps stand for, clamped to the map's edges.
    #[must_use]
    pub fn position(self, x: u32, y: u32) -> Position {
        let (size, step) = (cell_size(self.level), cell_step(self.level));
        let middle = step / 2;
        let east = self.x as u64 * size as u64 + (x * step + middle) as u64;
        let north = self.y as u64 * size as u64 + (y * step + middle) as u64;
        Position {
            lat: (north.min(2 * MAX_LAT as u64) as i64 - i64::from(MAX_LAT)) as i32,
            lng: (east.min(u64::from(CIRCLE) - 1) as i64 - i64::from(MAX_LNG)) as i32,
        }
    }
}

/// The part of the map that a client shows: edges in units of 1e-7 degree, and the zoom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewport {
    /// Southern edge.
    pub south: i32,
    /// Western edge.
    pub west: i32,
    /// Northern edge.
    pub north: i32,
    /// Eastern edge; below `west` if the viewport crosses the antimeridian.
    pub east: i32,
    /// Zoom of the map in tenths (512-pixel tiles, as MapLibre counts).
    pub zoom: u8,
}

impl Viewport {
    /// The whole world, the viewport of a client that has not set one.
    pub const WORLD: Self =
        Self { south: -MAX_LAT, west: -MAX_LNG, north: MAX_LAT, east: MAX_LNG, zoom: 0 };

    /// Checks ranges and order of the edges.
    ///
    /// # Errors
    /// If an edge is off its range or the south edge is north of the north edge.
    pub fn validate(self) -> Result<Self, GeoError> {
        for lat in [self.south, self.north] {
            Position::new(lat, 0)?;
        }
        for lng in [self.west, self.east] {
            Position::new(0, lng)?;
        }
        if self.south > self.north {
            return Err(GeoError::UpsideDown);
        }
        Ok(self)
    }

    /// Width in units, from 0 to [`CIRCLE`].
    #[must_use]
    pub const fn width(self) -> u32 {
        let width = self.east as i64 - self.west as i64;
        (if width < 0 { width + CIRCLE as i64 } else { width }) as u32
    }

    /// Whether `position` lies within the edges.
    #[must_use]
    pub fn contains(self, position: Position) -> bool {
        let east_of_west =
            (i64::from(position.lng) - i64::from(self.west)).rem_euclid(i64::from(CIRCLE));
        (self.south..=self.north).contains(&position.lat) && east_of_west <= i64::from(self.width())
    }
}

/// Most cells in a cover. With fewer, a frame spends less on naming cells; with more, it carries
/// less from outside the viewport.
pub const MAX_COVER: u32 = 32;
/// Narrowest cell on the viewer's screen, in CSS pixels, so that small maps get fewer cells.
const MIN_CELL_PIXELS: u32 = 64;

/// The block of cells, at one level, that holds a viewport and a margin around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Level of all its cells.
    pub level: u8,
    /// Column of the south-west cell.
    pub x: u32,
    /// Row of the south-west cell.
    pub y: u32,
    /// Width in cells, at least 1.
    pub width: u32,
    /// Height in cells, at least 1.
    pub height: u32,
}

impl Cover {
    /// Returns the finest cover of at most [`MAX_COVER`] cells of a valid `viewport`, grown by an
    /// eighth on every side.
    #[must_use]
    pub fn of(viewport: Viewport) -> Self {
        let tall = (viewport.north - viewport.south) as u32;
        let south = i64::from(viewport.south) + i64::from(MAX_LAT) - i64::from(tall / 8);
        let north = i64::from(viewport.north) + i64::from(MAX_LAT) + i64::from(tall / 8);
        let south = south.max(0) as u32;
        let north = north.min(2 * i64::from(MAX_LAT)) as u32;
        let wide = viewport.width();
        let reach = u64::from(wide) + 2 * u64::from(wide / 8);
        let west = (i64::from(viewport.west) + i64::from(MAX_LNG) - i64::from(wide / 8))
            .rem_euclid(i64::from(CIRCLE)) as u32;
        let mut level = Self::finest_level(viewport.zoom);
        loop {
            let cover = Self::at(level, south, north, west, reach);
            let cells = u64::from(cover.width) * u64::from(cover.height);
            if cells <= u64::from(MAX_COVER) || level == TOP_LEVEL {
                return cover;
            }
            level += 1;
        }
    }

    /// Returns the finest level whose cells are at least [`MIN_CELL_PIXELS`] wide at `zoom`.
    fn finest_level(zoom: u8) -> u8 {
        let pixel = f64::from(CIRCLE) / (512.0 * (f64::from(zoom) / 10.0).exp2());
        let least = pixel * f64::from(MIN_CELL_PIXELS);
        (0..TOP_LEVEL).find(|&level| f64::from(cell_size(level)) >= least).unwrap_or(TOP_LEVEL)
    }

    fn at(level: u8, south: u32, north: u32, west: u32, reach: u64) -> Self {
        let size = cell_size(level);
        let (y, columns) = (south / size, columns(level));
        let height = north / size - y + 1;
        if reach >= u64::from(CIRCLE) {
            return Self { level, x: 0, y, width: columns, height };
        }
        let x = west / size;
        let end = u64::from(west) + reach;
        let last = if end < u64::from(CIRCLE) {
            (end / u64::from(size)) as u32
        } else {
            columns + ((end - u64::from(CIRCLE)) / u64::from(size)) as u32
        };
        let width = last - x + 1;
        if width >= columns {
            return Self { level, x: 0, y, width: columns, height };
        }
        Self { level, x, y, width, height }
    }

    /// Returns the number of cells.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.width * self.height
    }

    /// Returns false: a cover has at least one cell.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Returns the cell with this index, counted eastward, then northward, from the south-west.
    #[must_use]
    pub const fn cell(self, index: u32) -> Cell {
        let x = (self.x + index % self.width) % columns(self.level);
        Cell { level: self.level, x, y: self.y + index / self.width }
    }

    /// Returns the index of `cell`, if it is in this cover.
    #[must_use]
    pub fn index(self, cell: Cell) -> Option<u32> {
        let columns = columns(self.level);
        let dx = (cell.x + columns - self.x) % columns;
        let dy = cell.y.checked_sub(self.y)?;
        (cell.level == self.level && dx < self.width && dy < self.height)
            .then_some(dy * self.width + dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_positions_off_the_map() {
        for (lat, lng) in [(f64::NAN, 0.0), (90.1, 0.0), (f64::INFINITY, 0.0), (-91.0, 0.0)] {
            assert_eq!(Position::from_degrees(lat, lng), Err(GeoError::Latitude));
        }
        for lng in [f64::NAN, f64::NEG_INFINITY, 180.001] {
            assert_eq!(Position::from_degrees(0.0, lng), Err(GeoError::Longitude));
        }
        assert_eq!(Position::from_degrees(0.0, 180.0).unwrap().lng(), -MAX_LNG);
        assert_eq!(Position::new(0, i32::MIN), Err(GeoError::Longitude));
    }

    #[test]
    fn the_top_level_is_one_cell() {
        assert_eq!((columns(TOP_LEVEL), rows(TOP_LEVEL)), (1, 1));
        assert!(columns(0) <= 1 << 19 && rows(0) <= 1 << 18);
    }

    #[test]
    fn a_street_sized_viewport_gets_fine_cells() {
        // A phone's screen at zoom 17: about 240 m by 430 m at 46 degrees north.
        let view = Viewport {
            south: 457_000_000,
            north: 457_038_000,
            west: 143_000_000,
            east: 143_031_000,
            zoom: 170,
        };
        assert!(cell_step(Cover::of(view).level) == FINEST_STEP);
    }
}
