//! The points of a GPX text. A faulty point costs only itself.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::cli::swarm::gpx::error::GpxErrorKind;
use crate::cli::swarm::gpx::notes::Notes;
use crate::cli::swarm::gpx::point::Point;
use crate::cli::swarm::gpx::time::parse_time;
use gpys_proto::geo::Position;
use gpys_server::terminal::quoted;

/// Largest longitude to accept, in degrees: some programs count on past 180.
const MOST_TURNS: f64 = 720.0;

/// Reads the points of tracks and routes, or of waypoints if there is nothing else: one list for
/// each segment.
///
/// # Errors
/// If the text is other XML, or broken before the first useful element.
pub(super) fn segments(text: &str, notes: &mut Notes) -> Result<Vec<Vec<Point>>, GpxErrorKind> {
    let mut parser = Parser::new(text, notes);
    parser.run()?;
    let Parser { mut segments, waypoints, .. } = parser;
    segments.retain(|points| !points.is_empty());
    if segments.is_empty() && !waypoints.is_empty() {
        notes.only_waypoints = true;
        segments.push(waypoints);
    }
    notes.points = segments.iter().map(Vec::len).sum();
    Ok(segments)
}

/// The kinds of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Root,
    Part,
    Point,
    Waypoint,
    Time,
    Other,
}

impl Tag {
    fn of(name: &str) -> Self {
        match name {
            "gpx" => Self::Root,
            "trk" | "trkseg" | "rte" => Self::Part,
            "trkpt" | "rtept" => Self::Point,
            "wpt" => Self::Waypoint,
            "time" => Self::Time,
            _ => Self::Other,
        }
    }
}

/// A point whose element is open.
#[derive(Debug)]
struct Open {
    is_waypoint: bool,
    position: Option<Position>,
    time: Option<f64>,
    /// Depth of open elements within it.
    depth: usize,
    /// The text of its `time` so far, while that is open.
    text: Option<String>,
}

struct Parser<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where in the text the reader started.
    base: usize,
    notes: &'a mut Notes,
    started: bool,
    closed: bool,
    segments: Vec<Vec<Point>>,
    waypoints: Vec<Point>,
    open: Option<Open>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, notes: &'a mut Notes) -> Self {
        Self {
            text,
            reader: reader(text),
            base: 0,
            notes,
            started: false,
            closed: false,
            segments: vec![Vec::new()],
            waypoints: Vec::new(),
            open: None,
        }
    }

    fn run(&mut self) -> Result<(), GpxErrorKind> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Eof) => break,
                Ok(event) => self.take(event)?,
                Err(error) => {
                    let at = self.base + offset(self.reader.error_position());
                    let (line, reason) = (self.line(at), error.to_string());
                    self.notes.broken += 1;
                    self.notes.first_broken.get_or_insert_with(|| (line, quoted(&reason)));
                    if !self.resume(at + 1) {
                        break;
                    }
                }
            }
        }
        self.finish();
        if !self.started {
            return Err(match self.notes.first_broken.take() {
                Some((line, reason)) => GpxErrorKind::Xml { line, reason },
                None => GpxErrorKind::NotXml,
            });
        }
        if !self.closed && self.notes.broken == 0 {
            self.notes.cut.get_or_insert("it is cut off");
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), GpxErrorKind> {
        match event {
            Event::Start(element) => self.enter(&element)?,
            Event::Empty(element) => {
                self.enter(&element)?;
                self.leave(Tag::of(element.local_name().as_ref()));
            }
            Event::End(element) => self.leave(Tag::of(element.local_name().as_ref())),
            Event::Text(text) => self.say(&text),
            Event::CData(text) => self.say(&text),
            Event::GeneralRef(reference) => {
                if let Ok(Some(character)) = reference.resolve_char_ref() {
                    self.say(character.encode_utf8(&mut [0; 4]));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Resumes at the next useful element after unreadable text; false if there is none.
    fn resume(&mut self, from: usize) -> bool {
        let rest = self.text.get(from..).unwrap_or_default();
        let next = rest.match_indices('<').find(|(at, _)| {
            let name =
                rest[at + 1..].split(|c: char| c.is_whitespace() || "/><".contains(c)).next();
            let name = name.unwrap_or_default();
            let local = name.rsplit(':').next().unwrap_or_default();
            matches!(Tag::of(local), Tag::Part | Tag::Point | Tag::Waypoint)
        });
        let Some((at, _)) = next else { return false };
        self.finish();
        self.base = from + at;
        self.reader = reader(&self.text[self.base..]);
        true
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|&&b| b == b'\n').count()
    }

    fn enter(&mut self, element: &BytesStart<'_>) -> Result<(), GpxErrorKind> {
        let name = element.local_name();
        let tag = Tag::of(name.as_ref());
        if !self.started && tag != Tag::Root {
            return Err(other_xml(name.as_ref()));
        }
        self.started = true;
        match tag {
            Tag::Part => {
                self.finish();
                self.segments.push(Vec::new());
            }
            Tag::Point | Tag::Waypoint => {
                self.finish();
                let is_waypoint = tag == Tag::Waypoint;
                let position = position(element);
                if let Err(reason) = &position {
                    self.notes.placeless += 1;
                    if self.notes.first_placeless.is_none() {
                        let line = self.line(self.base + offset(self.reader.buffer_position()));
                        self.notes.first_placeless = Some((line, reason.clone()));
                    }
                }
                let position = position.ok();
                self.open = Some(Open { is_waypoint, position, time: None, depth: 0, text: None });
            }
            Tag::Root | Tag::Time | Tag::Other => {
                if let Some(open) = &mut self.open {
                    open.depth += 1;
                    if tag == Tag::Time && open.depth == 1 {
                        open.text = Some(String::new());
                    }
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self, tag: Tag) {
        match tag {
            Tag::Root if self.open.is_none() => self.closed = true,
            Tag::Part | Tag::Point | Tag::Waypoint => self.finish(),
            Tag::Root | Tag::Time | Tag::Other => {
                let Some(open) = &mut self.open else { return };
                if tag == Tag::Time
                    && open.depth == 1
                    && let Some(text) = open.text.take()
                {
                    open.time = open.time.or_else(|| parse_time(&text));
                }
                open.depth = open.depth.saturating_sub(1);
            }
        }
    }

    /// Takes text within the open `time` of a point, and ignores all other text.
    fn say(&mut self, words: &str) {
        if let Some(open) = &mut self.open
            && open.depth == 1
            && let Some(text) = &mut open.text
        {
            text.push_str(words);
        }
    }

    /// Keeps the open point.
    fn finish(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some(position) = open.position else { return };
        let point = Point { position, time: open.time };
        if open.is_waypoint {
            self.waypoints.push(point);
        } else if let Some(segment) = self.segments.last_mut() {
            segment.push(point);
        }
    }
}

/// A reader that tolerates common faults in XML.
fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    reader
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn other_xml(name: &str) -> GpxErrorKind {
    GpxErrorKind::Foreign(match name.to_ascii_lowercase().as_str() {
        "kml" => "KML; convert it to GPX",
        "trainingcenterdatabase" => "TCX, a format of sports devices; convert it to GPX",
        "osm" => "OpenStreetMap data, not a track",
        "html" => "a web page; was it saved in place of the file?",
        "svg" => "a picture",
        _ => return GpxErrorKind::NotGpx(quoted(name)),
    })
}

/// The position of a point, or why it has none.
fn position(element: &BytesStart<'_>) -> Result<Position, String> {
    let (lat, lng) = (degrees(element, "lat")?, degrees(element, "lon")?);
    // Some programs count on past the antimeridian.
    let wrapped = if (-MOST_TURNS..=MOST_TURNS).contains(&lng) && lng.abs() > 180.0 {
        (lng + 180.0).rem_euclid(360.0) - 180.0
    } else {
        lng
    };
    Position::from_degrees(lat, wrapped).map_err(|error| error.to_string())
}

fn degrees(element: &BytesStart<'_>, name: &str) -> Result<f64, String> {
    let attribute = element.try_get_attribute(name).map_err(|e| quoted(&e.to_string()))?;
    let attribute = attribute.ok_or_else(|| format!("{name} is missing"))?;
    let text = unescape(&attribute.value).unwrap_or_default();
    // Some programs write numbers in their user's locale.
    let number =
        if text.contains('.') { text.trim().to_owned() } else { text.trim().replace(',', ".") };
    number.parse().map_err(|_| format!("{name}=\"{}\" is not a number", quoted(&text)))
}
