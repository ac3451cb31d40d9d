//! Recorded tracks (GPX 1.0 and 1.1).
//!
//! Only what a walker needs is read: the points of track segments and routes, and their times.
//! Everything else, extensions included, is skipped, because files from the field are rarely
//! clean. `quick-xml` does the reading: the `gpx` crate stops at elements that it does not know,
//! and its last release is years old.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::walk::Path as Way;
use crate::proto::geo::Position;

/// Pace where a file has no times, in metres per second.
pub const WALKING_PACE: f64 = 1.4;

/// What is wrong with a file. Displayed, it is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {kind}")]
pub struct GpxError {
    /// The file's name as it was given.
    pub file: String,
    /// What is wrong with it.
    pub kind: GpxErrorKind,
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum GpxErrorKind {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Blank,
    /// It is some other format.
    #[error("this is not GPX: its first element is {0} instead of <gpx>")]
    NotGpx(String),
    /// It is not well-formed XML.
    #[error("broken XML in line {line}: {reason}")]
    Xml {
        /// Where the reader noticed.
        line: usize,
        /// What it says.
        reason: String,
    },
    /// It ends before its last element does.
    #[error("the file is cut off: <{0}> is never closed")]
    CutOff(String),
    /// A point is not a place.
    #[error("the point in line {line} has no place: {reason}")]
    Point {
        /// Where.
        line: usize,
        /// Why.
        reason: String,
    },
    /// There is nowhere to go.
    #[error("there is no track or route of two or more points in it")]
    NoTrack,
}

/// A track: the ways of its segments, each to be walked by itself.
#[derive(Clone, Debug)]
pub struct Track {
    /// The segments that lead somewhere, at least one.
    pub ways: Vec<Way>,
    /// Whether a segment has no usable times and is walked at [`WALKING_PACE`].
    pub paced: bool,
}

impl Track {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not GPX, or leads nowhere.
    pub fn read(path: &Path) -> Result<Self, GpxError> {
        let named = |kind| GpxError { file: path.display().to_string(), kind };
        let text = std::fs::read(path).map_err(|error| named(error.into()))?;
        Self::parse(&text).map_err(named)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// If they are not GPX, or lead nowhere.
    pub fn parse(text: &[u8]) -> Result<Self, GpxErrorKind> {
        // Places and times are ASCII; names in an old encoding are no reason to fail.
        let segments = Parser::new(&String::from_utf8_lossy(text)).segments()?;
        let paced = segments.iter().filter(|points| points.len() > 1).any(|s| times(s).is_none());
        let ways: Vec<_> = segments.iter().filter_map(|segment| way(segment)).collect();
        if ways.is_empty() { Err(GpxErrorKind::NoTrack) } else { Ok(Self { ways, paced }) }
    }
}

/// Where a file's segments lead, one list of places each, whatever their times.
///
/// # Errors
/// If the file cannot be read or is not GPX.
pub fn places(path: &Path) -> Result<Vec<Vec<Position>>, GpxError> {
    let named = |kind| GpxError { file: path.display().to_string(), kind };
    let text = std::fs::read(path).map_err(|error| named(error.into()))?;
    let segments = Parser::new(&String::from_utf8_lossy(&text)).segments().map_err(named)?;
    let places = |points: Vec<Point>| points.iter().map(|point| point.position).collect();
    Ok(segments.into_iter().map(places).collect())
}

/// A point as the file has it.
#[derive(Clone, Copy, Debug)]
struct Point {
    position: Position,
    /// In seconds since 1970.
    time: Option<f64>,
}

/// The points' times, if every point has one, none goes back, and any passes at all.
fn times(points: &[Point]) -> Option<Vec<f64>> {
    let times: Vec<f64> = points.iter().map(|point| point.time).collect::<Option<_>>()?;
    let ordered = times.is_sorted() && times.last() > times.first();
    ordered.then_some(times)
}

fn way(points: &[Point]) -> Option<Way> {
    let places: Vec<_> = points.iter().map(|point| point.position).collect();
    match times(points) {
        Some(times) => Way::timed(&places, &times),
        None => Way::paced(&places, WALKING_PACE),
    }
}

/// The state of reading one file.
struct Parser<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Whether there was an element.
    started: bool,
    /// Names of the open elements.
    open: Vec<String>,
    segments: Vec<Vec<Point>>,
    point: Option<Point>,
    /// Text of the open `time` element of a point.
    time: String,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let (open, segments) = (Vec::new(), Vec::new());
        let reader = Reader::from_str(text);
        Self { text, reader, started: false, open, segments, point: None, time: String::new() }
    }

    fn segments(mut self) -> Result<Vec<Vec<Point>>, GpxErrorKind> {
        if self.text.trim().is_empty() {
            return Err(GpxErrorKind::Blank);
        }
        loop {
            let event = self.reader.read_event().map_err(|error| self.broken(&error))?;
            match event {
                Event::Start(element) => {
                    self.enter(&element)?;
                }
                Event::Empty(element) => {
                    let name = self.enter(&element)?;
                    self.leave(&name);
                    self.open.pop();
                }
                Event::End(element) => {
                    let name = element.local_name().as_ref().to_owned();
                    self.leave(&name);
                    self.open.pop();
                }
                Event::Text(text) if self.in_time() => {
                    self.time.push_str(&text);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match self.open.pop() {
            Some(element) => Err(GpxErrorKind::CutOff(element)),
            None if !self.started => Err(GpxErrorKind::NotGpx("none".to_owned())),
            None => Ok(self.segments),
        }
    }

    fn line(&self) -> usize {
        let read = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let read = &self.text.as_bytes()[..read.min(self.text.len())];
        1 + read.iter().filter(|&&byte| byte == b'\n').count()
    }

    fn broken(&self, error: &quick_xml::Error) -> GpxErrorKind {
        GpxErrorKind::Xml { line: self.line(), reason: error.to_string() }
    }

    /// Whether the reader is directly within the `time` of a point.
    fn in_time(&self) -> bool {
        self.point.is_some()
            && matches!(&*self.open, [.., point, time] if is_point(point) && time == "time")
    }

    fn enter(&mut self, element: &BytesStart<'_>) -> Result<String, GpxErrorKind> {
        let name = element.local_name().as_ref().to_owned();
        if self.open.is_empty() && name != "gpx" {
            return Err(GpxErrorKind::NotGpx(format!("<{name}>")));
        }
        if name == "trkseg" || name == "rte" {
            self.segments.push(Vec::new());
        } else if is_point(&name) {
            let position = self.position(element)?;
            self.point = Some(Point { position, time: None });
            self.time.clear();
        }
        self.started = true;
        self.open.push(name.clone());
        Ok(name)
    }

    fn leave(&mut self, name: &str) {
        if name == "time" && self.in_time() {
            let time = parse_time(&self.time);
            if let Some(point) = &mut self.point {
                point.time = time;
            }
        } else if is_point(name)
            && let Some(point) = self.point.take()
            && let Some(segment) = self.segments.last_mut()
        {
            segment.push(point);
        }
    }

    fn position(&self, element: &BytesStart<'_>) -> Result<Position, GpxErrorKind> {
        let bad = |reason: String| GpxErrorKind::Point { line: self.line(), reason };
        let degrees = |name: &str| -> Result<f64, GpxErrorKind> {
            let attribute = element.try_get_attribute(name).map_err(|e| bad(e.to_string()))?;
            let attribute = attribute.ok_or_else(|| bad(format!("{name} is missing")))?;
            let text = &attribute.value;
            text.trim().parse().map_err(|_| bad(format!("{name}=\"{text}\" is not a number")))
        };
        let (lat, lon) = (degrees("lat")?, degrees("lon")?);
        Position::from_degrees(lat, lon).map_err(|error| bad(error.to_string()))
    }
}

fn is_point(name: &str) -> bool {
    name == "trkpt" || name == "rtept"
}

/// Seconds since 1970. Some devices leave the zone out; it is UTC then, as GPX says.
fn parse_time(text: &str) -> Option<f64> {
    let text = text.trim();
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let time = parse(text).or_else(|| parse(&format!("{text}Z")))?;
    Some(time.unix_timestamp_nanos() as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpx(inside: &str) -> String {
        format!("<?xml version=\"1.0\"?>\n<gpx version=\"1.1\">\n{inside}\n</gpx>\n")
    }

    fn error(text: &str) -> String {
        Track::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn several_segments_are_several_ways() {
        let segment = |lat: f64| {
            format!(
                "<trkseg><trkpt lat=\"{lat}\" lon=\"14\"><time>2010-08-06T10:36:35Z</time></trkpt>\
                 <trkpt lat=\"{}\" lon=\"14\"><ele>5</ele><time>2010-08-06T10:38:35</time></trkpt>\
                 </trkseg>",
                lat + 0.001
            )
        };
        let text = format!("<trk>{}<trkseg/>{}</trk>", segment(45.0), segment(46.0));
        let track = Track::parse(gpx(&text).as_bytes()).unwrap();
        assert_eq!((track.ways.len(), track.paced), (2, false));
        assert!((track.ways[0].round() - 240.0).abs() < 1e-6);
    }

    #[test]
    fn a_track_without_times_is_walked() {
        let text = gpx("<rte><rtept lat='45' lon='14'/><rtept lat='45.001' lon='14'/></rte>");
        let track = Track::parse(text.as_bytes()).unwrap();
        assert!(track.paced);
        let pace = 2.0 * 111.3 / track.ways[0].round();
        assert!((pace - WALKING_PACE).abs() < 0.01, "{pace}");
    }

    #[test]
    fn times_that_go_back_are_no_times() {
        let point = |lat: f64, time: &str| {
            format!("<trkpt lat='{lat}' lon='14'><time>{time}</time></trkpt>")
        };
        let points = point(45.0, "2010-08-06T10:36:35Z") + &point(45.001, "2010-08-06T10:36:30Z");
        let text = gpx(&format!("<trk><trkseg>{points}</trkseg></trk>"));
        assert!(Track::parse(text.as_bytes()).unwrap().paced);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(error(" \n"), "the file is empty");
        assert_eq!(
            error("<html></html>"),
            "this is not GPX: its first element is <html> instead of <gpx>"
        );
        assert_eq!(error(&gpx("")), "there is no track or route of two or more points in it");
        assert_eq!(error(&gpx("<wpt lat='1' lon='1'/>")), error(&gpx("")));
        let one = "<trk><trkseg><trkpt lat='1' lon='1'/></trkseg></trk>";
        assert_eq!(error(&gpx(one)), error(&gpx("")));
        assert_eq!(error("<gpx><trk><trkseg>"), "the file is cut off: <trkseg> is never closed");
        assert!(error("<gpx>\n<trk></gpx>").starts_with("broken XML in line 2: "));
        let bad = |attributes: &str| error(&gpx(&format!("<trk><trkseg><trkpt {attributes}/>")));
        assert_eq!(bad("lat='1'"), "the point in line 3 has no place: lon is missing");
        assert_eq!(
            bad("lat='north' lon='1'"),
            "the point in line 3 has no place: lat=\"north\" is not a number"
        );
        assert!(bad("lat='91' lon='1'").contains("-90 to 90"));
        assert!(bad("lat='NaN' lon='1'").contains("-90 to 90"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Track::read(Path::new("no/such.gpx")).unwrap_err().to_string();
        assert!(error.starts_with("no/such.gpx: cannot be read: "), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = Track::parse(&[0xFF, 0xFE, 0, 1, 2]).unwrap_err().to_string();
        assert_eq!(error, "this is not GPX: its first element is none instead of <gpx>");
        assert!(Track::parse(&[0xFF, 0xFE, 0, 1, 2, b'<', 0]).is_err());
    }
}
