use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use crate::cli::swarm::gpx::*;
use crate::cli::swarm::walk::distance;

/// 2.2 m a step.
const STEP: f64 = 0.000_02;

fn gpx(inside: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<gpx version=\"1.1\">\n{inside}\n</gpx>\n")
}

/// A walk north of so many points, a second and 2.2 m apart. `change` says how a point is written
/// that is not as it should be.
fn walk(points: usize, change: impl Fn(usize) -> Option<String>) -> String {
    let point = |i| change(i).unwrap_or_else(|| point(46.0 + STEP * i as f64, "14", &clock(i)));
    let points: Vec<_> = (0..points).map(point).collect();
    gpx(&format!("<trk><name>a &amp; b</name><trkseg>\n{}\n</trkseg></trk>", points.join("\n")))
}

fn clock(seconds: usize) -> String {
    format!("2024-05-01T10:{:02}:{:02}Z", seconds / 60, seconds % 60)
}

fn point(lat: f64, lon: &str, time: &str) -> String {
    format!("<trkpt lat=\"{lat:.7}\" lon=\"{lon}\"><ele>5</ele><time>{time}</time></trkpt>")
}

fn at(i: usize, time: &str) -> String {
    point(46.0 + STEP * i as f64, "14", time)
}

fn plain() -> String {
    walk(60, |_| None)
}

fn parse(text: &str) -> Track {
    Track::parse(text.as_bytes()).unwrap()
}

fn error(text: &str) -> String {
    Track::parse(text.as_bytes()).unwrap_err().to_string()
}

/// Asserts that this is the plain walk of 59 s, there and back, give or take a spot of 5 m.
fn assert_plain(track: &Track) {
    assert_eq!(track.ways.len(), 1, "{}", track.notes);
    let round = track.ways[0].round();
    assert!((round - 118.0).abs() < 5.0, "{round}: {}", track.notes);
    assert!(longest_stand(&track.ways[0]) < 3.0, "{}", track.notes);
}

/// For how many seconds at most nobody on the way moves by a metre.
fn longest_stand(way: &Way) -> f64 {
    let (mut longest, mut since, mut place) = (0.0_f64, 0.0, way.at(0.0));
    for tick in 0..(way.round().min(100_000.0) * 4.0) as u32 {
        let now = f64::from(tick) / 4.0;
        if distance(place, way.at(now)) > 1.0 {
            (since, place) = (now, way.at(now));
        }
        longest = longest.max(now - since);
    }
    longest
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn several_segments_are_several_ways() {
    let segment = |lat: f64| {
        let (a, b) = ("2010-08-06T10:36:35Z", "2010-08-06T10:38:35");
        format!("<trkseg>{}{}</trkseg>", point(lat, "14", a), point(lat + 0.001, "14", b))
    };
    let text = format!("<trk>{}<trkseg/>{}</trk>", segment(45.0), segment(46.0));
    let track = parse(&gpx(&text));
    assert_eq!((track.ways.len(), track.notes.is_empty()), (2, true), "{}", track.notes);
    assert!((track.ways[0].round() - 240.0).abs() < 1e-6);
}

#[test]
fn a_track_without_times_is_walked() {
    let route = "<rte><rtept lat='45' lon='14'/><rtept lat='45.001' lon='14'/></rte>";
    let track = parse(&gpx(route));
    assert_eq!(track.notes.to_string(), "points without usable times are walked at 1.4 m/s");
    let pace = 2.0 * 111.3 / track.ways[0].round();
    assert!((pace - WALKING_PACE).abs() < 0.01, "{pace}");
    let waypoints = parse(&gpx(&route.replace("rtept", "wpt").replace("rte", "x")));
    assert_eq!(waypoints.ways.len(), 1);
    assert!(waypoints.notes.to_string().starts_with("there are only waypoints"));
    // The same time everywhere is none.
    let same = parse(&walk(60, |i| Some(at(i, "1970-01-01T00:00:00Z"))));
    assert!(same.notes.to_string().contains("walked at 1.4 m/s"), "{}", same.notes);
}

#[test]
fn a_clean_track_has_no_notes() {
    let track = parse(&plain());
    assert_plain(&track);
    assert!(track.notes.is_empty(), "{}", track.notes);
}

#[test]
fn one_bad_point_costs_itself() {
    for (bad, reason) in [
        ("<trkpt lat=\"NaN\" lon=\"14\"/>", "latitude is not"),
        ("<trkpt lat=\"46\" lon=\"inf\"/>", "longitude is not"),
        ("<trkpt lat=\"91\" lon=\"14\"/>", "latitude is not"),
        ("<trkpt lat=\"46\" lon=\"1e9\"/>", "longitude is not"),
        ("<trkpt lon=\"14\"/>", "lat is missing"),
        ("<trkpt lat=\"\" lon=\"14\"/>", "lat=\"\" is not a number"),
        ("<trkpt lat=\"north\" lon=\"14\"/>", "lat=\"north\" is not a number"),
        ("<trkpt lat=46 lon=\"14\"/>", ""),
    ] {
        let track = parse(&walk(60, |i| (i == 30).then(|| bad.to_owned())));
        assert_plain(&track);
        let notes = track.notes.to_string();
        let begin = "1 of 60 points left out for want of a place (line 34: ";
        assert!(notes.starts_with(begin) && notes.contains(reason), "{notes}");
    }
}

#[test]
fn a_longitude_past_the_antimeridian_is_wrapped() {
    for (text, degrees) in [
        ("180.0001", -179.9999),
        ("-180.096", 179.904),
        ("359", -1.0),
        ("540", -180.0),
        ("180", -180.0),
    ] {
        let track = parse(&gpx(&format!("<wpt lat='1' lon='{text}'/>")));
        let (_, lng) = track.ways[0].at(0.0);
        assert!((lng - degrees).abs() < 1e-6, "{text} became {lng}");
    }
    let east = |i: usize| point(-17.0, &format!("{}", 179.9995 + STEP * i as f64), &clock(i));
    let track = parse(&walk(60, |i| Some(east(i))));
    assert_plain(&track);
    assert!(track.notes.is_empty(), "{}", track.notes);
}

#[test]
fn numbers_with_a_comma_or_character_references_are_numbers() {
    let comma = |i: usize| Some(at(i, &clock(i)).replacen('.', ",", 1));
    assert_plain(&parse(&walk(60, comma)));
    let reference = |i: usize| Some(at(i, &clock(i)).replacen('.', "&#46;", 1));
    assert_plain(&parse(&walk(60, reference)));
}

#[test]
fn points_that_are_elsewhere_are_left_out() {
    for count in 1..=4 {
        let away = |i: usize| (30..30 + count).contains(&i).then(|| point(0.0, "0", &clock(i)));
        let track = parse(&walk(60, away));
        assert_plain(&track);
        let far = |i: usize| (30..30 + count).contains(&i).then(|| point(-33.0, "151", &clock(i)));
        let track = parse(&walk(60, far));
        assert_plain(&track);
        assert!(track.notes.to_string().contains("far off the others left out"));
    }
    let first = parse(&walk(60, |i| (i == 0).then(|| point(-33.0, "151", &clock(i)))));
    assert_plain(&first);
    assert!(first.notes.to_string().starts_with("1 point far off"), "{}", first.notes);
    // A flight of hours with the recorder switched off is two walks.
    let flight = |i: usize| (i >= 30).then(|| point(-33.0 + STEP * i as f64, "151", &clock(i)));
    assert_eq!(parse(&walk(60, flight)).ways.len(), 2);
}

#[test]
fn wrong_times_cost_themselves() {
    let changed =
        |wrong: &dyn Fn(usize) -> Option<String>| parse(&walk(60, |i| Some(at(i, &wrong(i)?))));
    let one =
        |index: usize, time: &'static str| changed(&|i| (i == index).then(|| time.to_owned()));
    for (index, time) in [
        (0, "2004-09-15T10:00:00Z"),
        (0, "2044-09-15T10:00:00Z"),
        (0, "2024-05-01T06:00:00Z"),
        (0, "2024-04-29T10:00:00Z"),
        (59, "2044-01-01T10:00:00Z"),
        (30, "2004-09-15T10:00:00Z"),
        (30, "2044-09-15T10:00:00Z"),
        (30, "2024-05-01T10:00:05Z"),
        (30, "2024-05-01T11:00:00Z"),
        (30, ""),
        (30, "yesterday"),
    ] {
        let track = one(index, time);
        assert_plain(&track);
        assert!(!track.notes.is_empty(), "{index} {time}");
    }
    let rollover = |i: usize| (i >= 30).then(|| clock(i).replace("2024", "2004"));
    assert_plain(&changed(&rollover));
    let forward = |i: usize| (i < 30).then(|| clock(i).replace("2024", "2004"));
    let track = changed(&forward);
    assert_plain(&track);
    assert_eq!(track.notes.to_string(), "the clock leaps once, which is left out");
    let set_back = |i: usize| (i >= 30).then(|| clock(i).replace("T10", "T09"));
    assert_plain(&changed(&set_back));
    // Of most points nobody knows the time: the others still give the pace.
    let rare = |i: usize| (!i.is_multiple_of(29)).then(String::new);
    assert_plain(&changed(&rare));
}

#[test]
fn nobody_stands_for_long() {
    // A night between two points, minutes of points at one place, and both ends of a recording.
    let night = |i: usize| (i >= 30).then(|| at(i, &clock(i).replace("T10", "T19")));
    let stay = |i: usize| (30..600).contains(&i).then(|| at(30, &clock(i)));
    let early = |i: usize| (i < 300).then(|| at(300, &clock(i)));
    for (points, change) in
        [(60, &night as &dyn Fn(usize) -> Option<String>), (700, &stay), (400, &early)]
    {
        let track = parse(&walk(points, change));
        let stand = longest_stand(&track.ways[0]);
        assert!(stand < pace::PAUSE + 6.0, "{stand}: {}", track.notes);
        assert!(track.notes.to_string().contains("1 pause cut to 20 s or less"), "{}", track.notes);
    }
    let track = parse(&walk(400, early));
    assert!(longest_stand(&track.ways[0]) < 6.0, "a start is no pause: {}", track.notes);
}

#[test]
fn a_track_that_leads_nowhere_is_stood_on() {
    let one = "<trk><trkseg><trkpt lat='1' lon='1'/></trkseg></trk>";
    for text in [gpx(one), walk(60, |i| Some(at(0, &clock(i))))] {
        let track = parse(&text);
        assert_eq!(track.notes.to_string(), "it leads nowhere, so people stand there");
        assert_eq!(track.ways.len(), 1);
    }
}

#[test]
fn times_are_read_from_all_that_xml_has() {
    let written = |write: &dyn Fn(&str) -> String| walk(60, |i| Some(at(i, &write(&clock(i)))));
    for text in [
        written(&|time| format!("<![CDATA[{time}]]>")),
        written(&|time| time.replace(':', "&#58;")),
        written(&|time| time.replace(':', "&#x3A;")),
        written(&|time| format!("\n  {time}<!-- GPS -->\n")),
        plain().replace("<gpx", "<!DOCTYPE gpx [<!ENTITY lol \"&lol;\">]><gpx"),
        plain().replace(
            "</trkpt>",
            "<extensions><n:x xmlns:n='g'><n:time>bad</n:time></n:x></extensions></trkpt>",
        ),
        plain().replace("<trk", "<g:trk").replace("</trk", "</g:trk").replace("time>", "g:time>"),
    ] {
        let track = parse(&text);
        assert_plain(&track);
        assert!(track.notes.is_empty(), "{}", track.notes);
    }
}

#[test]
fn every_encoding_of_xml_is_read() {
    let text = plain().replace("a &amp; b", "Žiga");
    let latin = |label: &str| {
        let text = plain().replace("\"1.0\"?", &format!("\"1.0\" encoding='{label}'?"));
        text.replace("a &amp; b", "\u{FF}").chars().map(|c| c as u8).collect::<Vec<_>>()
    };
    let marked = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    for bytes in [
        marked(b"\xEF\xBB\xBF", text.clone().into_bytes()),
        marked(&[0xFF, 0xFE], utf16(&text, false)),
        marked(&[0xFE, 0xFF], utf16(&text, true)),
        utf16(&text, false),
        utf16(&text, true),
        latin("ISO-8859-1"),
        latin("windows-1252"),
        latin("UTF-8"),
        latin("UTF-16"),
        latin("x-unknown"),
    ] {
        let track = Track::parse(&bytes).unwrap();
        assert_plain(&track);
        assert!(track.notes.is_empty(), "{}", track.notes);
    }
}

#[test]
fn gzip_is_known_by_its_bytes_and_bounded() {
    let packed = gzip(plain().as_bytes());
    assert_plain(&Track::parse(&packed).unwrap());
    assert_plain(&Track::parse(&gzip(&packed)).unwrap());
    let cut = Track::parse(&packed[..packed.len() - 9]).unwrap();
    assert!(cut.notes.to_string().contains("gzip data is damaged or cut off"), "{}", cut.notes);
    let bomb = gzip(&vec![b' '; 3 * content::MAX_BYTES]);
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(Track::parse(&bomb), Err(GpxErrorKind::Blank)));
    assert!(error("\u{1F}").contains("not GPX"));
    let broken = Track::parse(&[0x1F, 0x8B, 8, 0, 1, 2]).unwrap_err().to_string();
    assert!(broken.contains("gzip data that is damaged"), "{broken}");
}

#[test]
fn what_was_written_before_the_end_is_read() {
    let text = plain();
    for part in [0.5, 0.9, 0.99] {
        let cut = &text[..(text.len() as f64 * part) as usize];
        let track = parse(cut);
        let notes = track.notes.to_string();
        assert!(
            track.ways[0].round() > 50.0 && (notes.contains("cut off") || notes.contains("broken")),
            "{notes}"
        );
    }
    let quote = parse(&walk(60, |i| (i == 30).then(|| "<trkpt lat=\"46 lon=\"14\"/>".to_owned())));
    assert_plain(&quote);
    let missing = parse(&walk(60, |i| (i == 30).then(|| "<trkpt lat='46' lon=\"14/>".to_owned())));
    assert!(
        missing.notes.to_string().contains("broken XML left out (line 34"),
        "{}",
        missing.notes
    );
    assert_plain(&missing);
    for name in ["Tom & Jerry", "a < b", "<b>bold", "&nbsp;", "x</trk>"] {
        assert_plain(&parse(&plain().replace("a &amp; b", name)));
    }
}

#[test]
fn what_is_something_else_is_named() {
    assert_eq!(error(" \n"), "the file is empty");
    assert_eq!(error("\0\0"), "the file is empty");
    assert!(error("<html></html>").contains("a web page"));
    assert!(error("<?xml version='1.0'?><kml/>").contains("KML"));
    assert!(error("<TrainingCenterDatabase>").contains("TCX"));
    assert_eq!(error("<a>"), "this is not GPX: its first element is <a> instead of <gpx>");
    assert_eq!(error("46.0,14.0"), "this is not GPX: there is no element <gpx> in it");
    assert!(error("{\"type\": \"FeatureCollection\"}").contains("GeoJSON"));
    assert!(error("{}").contains("JSON"));
    assert!(error("PK\u{3}\u{4}..").contains("ZIP archive (as KMZ is)"));
    assert!(error("..\u{8}\u{8}.....FIT").contains("FIT"));
    assert!(error("version https://git-lfs.github.com/spec/v1").contains("Git LFS"));
    assert!(error("$GPGGA,1").contains("NMEA"));
    let nothing = "there is no track, route or waypoint with a place in it";
    assert_eq!(error(&gpx("")), nothing);
    let bad = "<trk><trkseg><trkpt lat='1'/><trkpt lat='2'/></trkseg></trk>";
    assert_eq!(
        error(&gpx(bad)),
        format!("{nothing}: 2 of 2 points left out for want of a place (line 3: lon is missing)")
    );
    assert!(error("<gpx").starts_with("broken XML in line 1: "));
}

#[test]
fn a_terminal_is_told_nothing_by_a_file() {
    let evil = "\u{1b}]0;x\u{7}\u{1b}[2J\u{202E}\r\n";
    for text in [
        format!("<{}/>", evil.replace(['\r', '\n'], "")),
        gpx(&format!("<wpt lat='{evil}' lon='1'/>")),
        gpx(&format!("<wpt {evil}='1'/>")),
    ] {
        let told = error(&text);
        assert!(!told.chars().any(|c| c.is_control() || c == '\u{202E}'), "{told:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Track::read(Path::new("no/such\u{1b}.gpx")).unwrap_err().to_string();
    assert!(error.starts_with("no/such\u{FFFD}.gpx: cannot be read: "), "{error}");
}

/// What a hostile or broken file is made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => (-95.0_f64..95.0, -400.0_f64..400.0, 0_i64..1_000_000).prop_map(|(lat, lon, s)| {
            let time = ::time::OffsetDateTime::from_unix_timestamp(1_714_557_600 + s).unwrap();
            let (date, clock) = (time.date(), time.time());
            format!("<trkpt lat='{lat}' lon='{lon}'><time>{date}T{clock}Z</time></trkpt>")
        }),
        2 => (0_u32..30, 0_u32..90).prop_map(|(i, s)| at(i as usize, &clock(s as usize))),
        1 => proptest::sample::select(vec![
            "<trkseg>", "</trkseg>", "<trk>", "</trk>", "<rte>", "<rtept lat='1' lon='1'/>", "<wpt",
            "<trkpt lat='", "lon=\"", "'>", "</trkpt>", "<time>", "<![CDATA[", "]]>", "<!--", "-->",
            "&#", "&#0;", ";", "<?", "<!DOCTYPE", "é", "\u{1b}", "</gpx>", "<gpx>", "<time>2024-",
        ]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), gzipped in any::<bool>()) {
        let bytes = if gzipped { [&[0x1F, 0x8B, 8, 0], &*bytes].concat() } else { bytes };
        let _ = Track::parse(&bytes);
    }

    #[test]
    fn whatever_is_read_can_be_walked(inside in pieces(), cut in 0_usize..4_000) {
        let mut text = gpx(&inside);
        if cut < text.len() {
            text.truncate(text.floor_char_boundary(cut));
        }
        let Ok(track) = Track::parse(text.as_bytes()) else { return Ok(()) };
        prop_assert!(!track.ways.is_empty());
        prop_assert!(!track.notes.to_string().contains(char::is_control));
        for way in &track.ways {
            prop_assert!(way.round() > 0.0 && way.round().is_finite());
            for tick in 0..200 {
                let time = way.round() * f64::from(tick) / 100.0;
                let (a, b) = (way.at(time), way.at(time + 0.1));
                prop_assert!((-90.0..=90.0).contains(&a.0) && a.1.is_finite(), "{a:?}");
                // At 70 m/s, or more where a step crosses many degrees near a pole.
                prop_assert!(distance(a, b) < 25.0, "{} m in 0.1 s", distance(a, b));
            }
        }
    }
}
