//! Line plots drawn as SVG that is readable on light and dark, in print, and by screen readers.

use quick_xml::escape::escape;

use super::axis::Axis;

/// The whole picture, in px.
const WIDTH: f64 = 860.0;
/// The plot area: its left, its top, its minimum height.
const LEFT: f64 = 68.0;
const TOP: f64 = 58.0;
const HEIGHT: f64 = 320.0;
/// Below the plot area: numbers and the axis title.
const BELOW: f64 = 52.0;
/// The distance between line labels, and the maximum length of one.
const LEADING: f64 = 19.0;
const LONGEST_NAME: usize = 36;
/// Width of a letter at 12 px, a safe estimate for common fonts.
const LETTER: f64 = 7.4;
/// A label's piece of line, with its margins.
const SWATCH: f64 = 34.0;
/// The distance between marks along a line of many points.
const BETWEEN_MARKS: f64 = 96.0;
/// Points of a line closer than this are merged.
const SAME: f64 = 0.4;

/// Line styles; without colour, they differ in dash and mark.
pub(super) const STYLES: usize = 8;
const DASHES: [&str; STYLES] =
    ["", "7 3", "2 3", "10 3 2 3", "14 4", "5 2 1 2 1 2", "1 2", "10 3 5 3"];
/// The colours by class, on light and dark; all have a contrast of at least 3 to 1.
const CSS: &str = "\
.chart{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
.chart .ground{fill:#fff}.chart .ink{fill:#17202b}.chart .soft{fill:#566270}\
.chart .grid{stroke:#e3e7ec}.chart .fine{stroke:#f1f3f6}.chart .frame{stroke:#8b96a3}\
.chart .bar{stroke:#d02f2f}.chart .barname{fill:#d02f2f}\
.chart .c0{color:#0b57d0}.chart .c1{color:#b8470a}.chart .c2{color:#0f7b5f}\
.chart .c3{color:#9c2f8f}.chart .c4{color:#6b7a00}.chart .c5{color:#008299}\
.chart .c6{color:#b3123f}.chart .c7{color:#5d4bb5}\
@media (prefers-color-scheme:dark){\
.chart .ground{fill:#131b25}.chart .ink{fill:#eaf0f6}.chart .soft{fill:#a0adbb}\
.chart .grid{stroke:#2a3645}.chart .fine{stroke:#1c2633}.chart .frame{stroke:#6b7a8b}\
.chart .bar{stroke:#ff7a70}.chart .barname{fill:#ff7a70}\
.chart .c0{color:#8ab8ff}.chart .c1{color:#ffa76b}.chart .c2{color:#4fd1a5}\
.chart .c3{color:#f08fe2}.chart .c4{color:#d3e04a}.chart .c5{color:#56d6ee}\
.chart .c6{color:#ff8ba7}.chart .c7{color:#b8abff}}";

/// A chart.
pub(super) struct Chart {
    /// Unique among the charts of one page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// How to read it.
    pub(super) legend: String,
    /// A text alternative for those who cannot see it.
    pub(super) summary: String,
    /// From left to right.
    pub(super) x: Axis,
    /// From bottom to top.
    pub(super) y: Axis,
    /// The lines, the first on top.
    pub(super) lines: Vec<Line>,
    /// Where the line labels are.
    pub(super) order: Order,
}

/// Where the line labels are, always right of the plot area.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// At the height where each line ends.
    Ends,
    /// From the top, ordered by how far right the lines end.
    Furthest,
}

/// One line.
pub(super) struct Line {
    /// The label; lines of one name share it.
    pub(super) name: String,
    /// Which of [`STYLES`].
    pub(super) style: usize,
    /// Whether it is thin, without marks or a label.
    pub(super) thin: bool,
    /// Which points are filled if every point has a mark; otherwise marks are spaced out.
    pub(super) filled: Option<Vec<bool>>,
    /// Its points, from left to right.
    pub(super) points: Vec<(f64, f64)>,
    /// Vertical lines: position, from, to.
    pub(super) spans: Vec<(f64, f64, f64)>,
}

/// A chart's plot area, in px.
struct Frame {
    right: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, place: f64) -> f64 {
        LEFT + place * (self.right - LEFT)
    }

    fn y(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - TOP)
    }
}

impl Chart {
    /// The chart as a complete SVG file that can also be embedded in a page.
    pub(super) fn svg(&self) -> String {
        let named: Vec<&Line> = self.lines.iter().filter(|line| !line.thin).collect();
        let longest = named.iter().map(|line| shorten(&line.name).chars().count()).max();
        let names = SWATCH + 12.0 + LETTER * longest.unwrap_or(0) as f64;
        let height = HEIGHT.max(named.len() as f64 * LEADING);
        let frame = Frame { right: WIDTH - names, bottom: TOP + height };
        let full = frame.bottom + BELOW;
        let id = xml(&self.id);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" width=\"{WIDTH}\" height=\"{full}\" \
             viewBox=\"0 0 {WIDTH} {full}\">\n<title id=\"{id}-title\">{}</title>\n\
             <desc id=\"{id}-desc\">{} {}</desc>\n<style>{CSS}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{full}\" rx=\"6\"/>\n",
            xml(&self.title),
            xml(&self.legend),
            xml(&self.summary),
        );
        out +=
            &text("ink", LEFT, 24.0, "start", "font-size=\"15\" font-weight=\"600\"", &self.title);
        out += &text("soft", LEFT, 43.0, "start", "", &self.legend);
        self.axes(&frame, &mut out);
        for line in self.lines.iter().rev() {
            line.draw(&frame, self, &mut out);
        }
        self.names(&frame, &named, &mut out);
        out + "</svg>\n"
    }

    fn axes(&self, frame: &Frame, out: &mut String) {
        let Frame { right, bottom } = *frame;
        let line = |class: &str, from: (f64, f64), to: (f64, f64), more: &str| {
            let ((x1, y1), (x2, y2)) = (from, to);
            format!(
                "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" \
                 y2=\"{y2:.1}\"{more}/>\n"
            )
        };
        let class = |name: &str| if name.is_empty() { "fine" } else { "grid" };
        for (value, name) in &self.x.ticks {
            let x = frame.x(self.x.place(*value));
            *out += &line(class(name), (x, TOP), (x, bottom), "");
            *out += &text("soft", x, bottom + 18.0, "middle", "", name);
        }
        for (value, name) in &self.y.ticks {
            let y = frame.y(self.y.place(*value));
            *out += &line(class(name), (LEFT, y), (right, y), "");
            *out += &text("soft", LEFT - 8.0, y + 4.0, "end", "", name);
        }
        *out += &line("frame", (LEFT, bottom), (right, bottom), "");
        *out += &line("frame", (LEFT, TOP), (LEFT, bottom), "");
        let dashed = " stroke-dasharray=\"3 3\"";
        if let Some((value, name)) = self.x.mark.filter(|mark| self.x.has(mark.0)) {
            let x = frame.x(self.x.place(value));
            *out += &line("bar", (x, TOP), (x, bottom), dashed);
            *out += &text("barname", x + 5.0, TOP + 13.0, "start", "", name);
        }
        if let Some((value, name)) = self.y.mark.filter(|mark| self.y.has(mark.0)) {
            let y = frame.y(self.y.place(value));
            *out += &line("bar", (LEFT, y), (right, y), dashed);
            *out += &text("barname", LEFT + 6.0, y - 5.0, "start", "", name);
        }
        let middle = f64::midpoint(LEFT, right);
        *out += &text("ink", middle, bottom + 40.0, "middle", "", self.x.title);
        let middle = f64::midpoint(TOP, bottom);
        let turned = format!("transform=\"rotate(-90 16 {middle})\"");
        *out += &text("ink", 16.0, middle, "middle", &turned, self.y.title);
    }

    /// Draws the line labels, each next to a piece of its line.
    fn names(&self, frame: &Frame, named: &[&Line], out: &mut String) {
        let end = |line: &Line| line.points.last().copied().unwrap_or_default();
        let mut places: Vec<(f64, &Line)> = match self.order {
            Order::Ends => {
                named.iter().map(|line| (frame.y(self.y.place(end(line).1)), *line)).collect()
            }
            Order::Furthest => named.iter().map(|line| (-end(line).0, *line)).collect(),
        };
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        if self.order == Order::Furthest {
            places.iter_mut().for_each(|place| place.0 = 0.0);
        }
        // Moves labels down where two would overlap, then up again from the lower end.
        let mut lowest = TOP + 6.0;
        for (y, _) in &mut places {
            *y = y.max(lowest);
            lowest = *y + LEADING;
        }
        let mut highest = frame.bottom;
        for (y, _) in places.iter_mut().rev() {
            *y = y.min(highest);
            highest = *y - LEADING;
        }
        for (y, line) in places {
            let (from, to) = (frame.right + 8.0, frame.right + 2.0 + SWATCH);
            *out += &format!(
                "<g class=\"c{}\"><path d=\"M{from:.1} {y:.1}H{to:.1}\" fill=\"none\" \
                 stroke=\"currentColor\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>",
                line.style,
                line.dash()
            );
            *out += &mark(line.style, f64::midpoint(from, to), y, true);
            *out += "</g>\n";
            *out += &text("ink", to + 6.0, y + 4.0, "start", "", &shorten(&line.name));
        }
    }
}

impl Line {
    fn dash(&self) -> &'static str {
        match DASHES[self.style % STYLES] {
            "" => "none",
            dash => dash,
        }
    }

    fn draw(&self, frame: &Frame, chart: &Chart, out: &mut String) {
        let place = |(x, y)| (frame.x(chart.x.place(x)), frame.y(chart.y.place(y)));
        let points: Vec<(f64, f64)> = self.points.iter().copied().map(place).collect();
        let mut path = String::new();
        let mut last: Option<(f64, f64)> = None;
        for (index, &(x, y)) in points.iter().enumerate() {
            let near = last.is_some_and(|(a, b)| (x - a).hypot(y - b) < SAME);
            if !near || index + 1 == points.len() {
                path += &format!("{}{x:.1} {y:.1}", if last.is_some() { "L" } else { "M" });
                last = Some((x, y));
            }
        }
        let mut spans = String::new();
        for &(x, low, high) in &self.spans {
            let ((x, low), (_, high)) = (place((x, low)), place((x, high)));
            spans += &format!("M{x:.1} {low:.1}V{high:.1}");
        }
        let width = if self.thin { "1\" opacity=\"0.75" } else { "2" };
        *out += &format!(
            "<g class=\"c{}\"><path d=\"{path}\" fill=\"none\" stroke=\"currentColor\" \
             stroke-width=\"{width}\" stroke-linejoin=\"round\" stroke-dasharray=\"{}\"/>",
            self.style,
            self.dash()
        );
        if !spans.is_empty() {
            *out += &format!("<path d=\"{spans}\" stroke=\"currentColor\"/>");
        }
        match &self.filled {
            Some(filled) => {
                for (&(x, y), filled) in points.iter().zip(filled) {
                    *out += &mark(self.style, x, y, *filled);
                }
            }
            None if self.thin => {}
            None => {
                // Overlapping lines have their marks at different positions.
                let start = BETWEEN_MARKS * (self.style as f64 + 0.5) / STYLES as f64;
                for (x, y) in along(&points, start) {
                    *out += &mark(self.style, x, y, true);
                }
            }
        }
        *out += "</g>\n";
    }
}

/// Positions along a line, the first after `start` px.
fn along(points: &[(f64, f64)], start: f64) -> Vec<(f64, f64)> {
    let mut places = Vec::new();
    let mut left = start;
    for pair in points.windows(2) {
        let [(ax, ay), (bx, by)] = [pair[0], pair[1]];
        let length = (bx - ax).hypot(by - ay);
        let mut done = 0.0;
        while length - done >= left {
            done += left;
            left = BETWEEN_MARKS;
            places.push((ax + (bx - ax) * done / length, ay + (by - ay) * done / length));
        }
        left -= length - done;
    }
    places
}

/// The mark of a style, about 9 px wide.
fn mark(style: usize, x: f64, y: f64, filled: bool) -> String {
    let shape = match style % STYLES {
        0 => "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        1 => "m-3.5 -3.5h7v7h-7z",
        2 => "m0 -4.5l4.5 8h-9z",
        3 => "m0 -5l5 5l-5 5l-5 -5z",
        4 => "m0 4.5l4.5 -8h-9z",
        5 => "m-1.5 -4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
        6 => "m0 -5l1.5 3.5l3.5 1.5l-3.5 1.5l-1.5 3.5l-1.5 -3.5l-3.5 -1.5l3.5 -1.5z",
        _ => "m-5 -2h10v4h-10z",
    };
    let look = match filled {
        true => "fill=\"currentColor\"",
        false => "class=\"ground\" stroke=\"currentColor\" stroke-width=\"1.5\"",
    };
    format!("<path d=\"M{x:.1} {y:.1}{shape}\" {look}/>")
}

fn text(class: &str, x: f64, y: f64, anchor: &str, more: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{}\
         </text>\n",
        xml(content)
    )
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Escapes `content` as text or an attribute of XML or HTML, dropping characters that XML forbids.
pub(super) fn xml(content: &str) -> String {
    let allowed = |c: &char| {
        let control = c.is_control() && !matches!(c, '\n' | '\t');
        !control && !matches!(c, '\u{FFFE}' | '\u{FFFF}')
    };
    escape(content.chars().filter(allowed).collect::<String>()).into_owned()
}
