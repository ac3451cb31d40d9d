//! The latency benchmark's report, from made-up figures.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

use gpys_latency::report::plot::{Shows, plots};
use gpys_latency::report::{html, markdown, text, write_plots};
use gpys_latency::results::{Bar, Deadline, Machine, Percentiles, Ratio, Results, Row, Step};
use quick_xml::Reader;
use quick_xml::events::Event;

/// A name that breaks anything that does not escape it.
const NASTY: &str = "a<b> & \"c\" | 'd' ]]> *e* `f`\u{1b}[31m";
const LOSSES: [u32; 5] = [0, 1, 2, 5, 10];
/// Transport or library, client, and how much loss ages the picture, as a factor.
const SYSTEMS: [(&str, &str, f64); 6] = [
    ("WebTransport", "native", 0.1),
    ("WebSocket", "native", 1.0),
    ("WebTransport", "Chromium", 0.12),
    ("WebSocket", "Chromium", 1.1),
    ("Socket.IO", "native", 1.6),
    ("ws (one queue each, without a bound)", "native", 1.4),
];

/// How many people each server carries.
const MOST: [(&str, u32); 3] = [("WebTransport", 900), ("WebSocket", 700), ("Socket.IO", 90)];

fn percentiles(p50: f64, p99: f64) -> Percentiles {
    let p90 = f64::midpoint(p50, p99);
    Percentiles { count: 100_000, p50, p90, p99, p999: 1.6 * p99, max: 2.5 * p99 }
}

/// A row whose ages are spread exponentially from `p50`.
fn row(scenario: &str, (system, client, _): (&str, &str, f64), p50: f64, p99: f64) -> Row {
    let start = 0.8 * p50;
    let share = |age: f64| (-(age - start) / (p99 - start) * 100_f64.ln()).exp().min(1.0);
    let ages = (0..400).map(|step| 10_f64.powf(f64::from(step) / 100.0));
    Row {
        scenario: scenario.to_owned(),
        path: "25 ms each way".to_owned(),
        system: system.to_owned(),
        client: client.to_owned(),
        people: 20,
        observers: 16,
        hz: 60,
        seconds: 36.0,
        rounds: 3,
        message_age_ms: percentiles(p50, 0.9 * p99),
        picture_age_ms: percentiles(p50, p99),
        stale_share: share(100.0),
        deadlines: vec![
            Deadline { ms: 50.0, share: 0.5, or_newer_share: 0.6 },
            Deadline { ms: 100.0, share: 0.99996, or_newer_share: 1.0 },
            Deadline { ms: 150.0, share: 1.0, or_newer_share: 1.0 },
        ],
        round_p99_ms: vec![0.9 * p99, p99, 1.2 * p99],
        join_ms: (client == "native").then(|| percentiles(120.0, 180.0)),
        down_bytes_per_second: Some(23_456.0),
        up_bytes_per_second: Some(1_234.5),
        down_packets_per_second: Some(61.25),
        up_packets_per_second: Some(30.5),
        path_late: vec![(1.0, 0.02), (2.0, 0.0015)],
        void: 1,
        server_us_per_update: Some(1.75),
        tail: ages.map(|age| (age, share(age))).collect(),
        timeline: Vec::new(),
    }
}

/// A timeline with a blackout from 5 s to 10 s, recovered after `recovery` s.
fn blackout(p50: f64, recovery: f64) -> Vec<(f64, f64, f64)> {
    let age = |at: f64| match at {
        _ if at < 5.0 => p50,
        _ if at < 10.0 + recovery => p50 + 1000.0 * (at - 5.0),
        _ => p50,
    };
    (0..200).map(|step| f64::from(step) / 10.0).map(|at| (at, age(at), 1.3 * age(at))).collect()
}

fn step(system: &str, people: u32, most: u32) -> Step {
    let load = f64::from(people) / f64::from(most);
    Step {
        system: system.to_owned(),
        people,
        age_p99_ms: 20.0 + 80.0 * load.powi(4),
        server_share: load.min(1.0),
        load_share: 0.4 * load,
        received_share: load.recip().min(1.0),
        carried: people <= most,
    }
}

fn bar(what: &str, value: f64, bar: f64, at_least: bool, unit: &str) -> Bar {
    let (low, high) = (0.9 * value, 1.1 * value);
    let (what, unit, interval) = (what.to_owned(), unit.to_owned(), bar < 1.5);
    Bar { what, value, low, high, interval, bar, at_least, unit }
}

fn ratio(figure: &str, value: f64) -> Ratio {
    Ratio {
        scenario: "clean".to_owned(),
        figure: figure.to_owned(),
        over: "WebSocket".to_owned(),
        under: "WebTransport".to_owned(),
        value,
        low: 0.5 * value,
        high: 2.0 * value,
    }
}

fn made_up() -> Results {
    let mut rows = Vec::new();
    for system in SYSTEMS {
        rows.push(row("clean", system, 9.0 + system.2, 30.0 * (1.0 + system.2)));
        for loss in LOSSES {
            let name = format!("50 ms round trip, {loss} % loss");
            let p99 = 45.0 + 60.0 * f64::from(loss) * system.2 + 10.0 * system.2;
            rows.push(row(&name, system, 34.0, p99));
        }
        let mut dark = row("blackout of 5 s", system, 34.0, 4000.0);
        dark.timeline = blackout(34.0, system.2);
        rows.push(dark);
    }
    let loads = |(system, most): (&'static str, u32)| {
        [4, 8, 10, 12].map(|tenths| step(system, most * tenths / 10, most))
    };
    Results {
        machine: Machine {
            cpu: NASTY.to_owned(),
            cores: 2,
            kernel: "6.1.0".to_owned(),
            congestion: "TCP by tahoe".to_owned(),
        },
        began: "2001-02-03T04:05:06Z".to_owned(),
        quick: true,
        seed: 4,
        rows,
        capacity: MOST.into_iter().flat_map(loads).collect(),
        ratios: vec![ratio("message age p99", 1.5), ratio("server CPU per sample", 0.25)],
        bars: vec![
            bar("clean: age p50, WebTransport / WebSocket", 0.97, 1.1, false, "x"),
            bar("1 % loss: age p99, WebSocket / WebTransport", 1.7, 2.0, true, "x"),
            bar("UDP blocked: first frame", f64::NAN, 1.0, false, "s"),
        ],
        notes: vec![NASTY.to_owned(), "No Chromium was found. ".repeat(12)],
    }
}

/// All text of well-formed XML, checking that elements are closed in order.
fn xml_text(xml: &str) -> String {
    let mut reader = Reader::from_str(xml);
    let mut xml_text = String::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Text(text) => xml_text += &text,
            Event::GeneralRef(name) => match &*name {
                "lt" => xml_text.push('<'),
                "gt" => xml_text.push('>'),
                "amp" => xml_text.push('&'),
                "quot" => xml_text.push('"'),
                "apos" => xml_text.push('\''),
                other => panic!("&{other};"),
            },
            Event::Start(start) => {
                start.attributes().for_each(|attribute| drop(attribute.unwrap()));
            }
            Event::Eof => return xml_text,
            _ => {}
        }
    }
}

/// [`NASTY`] without the character that XML cannot hold.
fn nasty() -> String {
    NASTY.replace('\u{1b}', "")
}

#[test]
fn the_terminal_shows_every_row_and_bar_in_120_columns() {
    let results = made_up();
    let text = text(&results);
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    for row in &results.rows {
        assert!(text.contains(&format!("== {} ==", row.scenario)));
    }
    let rows = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(rows("WebTransport in Chromium "), 7);
    assert_eq!(rows("Socket.IO "), 7 + 1 + 1 + 4, "scenarios, carried, at equal CPU, steps");
    let bar = |what: &str| text.lines().find(|line| line.starts_with(what)).unwrap();
    assert!(bar("clean: age p50").contains(" met "));
    let missed: Vec<&str> = bar("1 % loss: age").split_whitespace().skip(8).collect();
    assert_eq!(missed.join(" "), "MISSED 1.70 x at least 2 x 1.53 to 1.87 x (rounds)");
    let met: Vec<&str> = bar("clean: age p50").split_whitespace().skip(6).collect();
    assert_eq!(met.join(" "), "met 0.97 x at most 1.1 x 0.87 to 1.07 x");
    assert!(bar("UDP blocked").contains(" NOT MEASURED "));
    assert!(text.lines().any(|line| line == format!("- {}", nasty())), "no control characters");
    assert!(text.contains("smoke test"));
}

#[test]
fn a_terminal_row_aligns_with_its_columns() {
    let mut results = made_up();
    results.rows.truncate(1);
    results.ratios.clear();
    let text = text(&results);
    let row = text.lines().find(|line| line.starts_with("WebTransport ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    let message = ["9.10", "29.7", "74.2"];
    let picture = ["9.10", "33.0", "50.0", ">99.9", "100"];
    let others = ["<0.01", "120", "23.5", "1.23", "1.75"];
    assert_eq!(cells[1..], [&message[..], &picture, &others].concat());
    let units = text.lines().find(|line| line.trim().starts_with("ms ")).unwrap();
    assert_eq!(units.chars().count(), row.chars().count(), "both end at the last column");
}

#[test]
fn every_report_has_the_ratios_and_the_deadlines() {
    let results = made_up();
    let (text, page, markdown) = (text(&results), html(&results), markdown(&results, "plots"));
    let line = text.lines().find(|line| line.starts_with("WebSocket / WebTransport ")).unwrap();
    let cells: Vec<&str> =
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let ratios = ["-", "1.50 (0.75 to 3.00)", "-", "0.25 (0.12 to 0.50)"];
    assert_eq!(cells[1..], ratios);
    for out in [&page, &markdown] {
        let ratios = ratios.iter().map(|cell| out.contains(cell)).collect::<Vec<_>>();
        assert_eq!(ratios, [true; 4]);
    }
    assert!(
        markdown.contains(" 50.0 | \\>99.9 | 100 | 100 |"),
        "a few that miss are not rounded away"
    );
    assert!(markdown.contains("| known in time 100 ms (%) |"));
    assert!(text.contains("TCP by tahoe") && page.contains("TCP by tahoe"));
    assert!(markdown.contains("20 people (16 of them observe) at 60 Hz"));
}

/// The cells of a system in the table of this caption, without its name.
fn cells_of(text: &str, caption: &str, system: &str) -> Vec<String> {
    let table = text.split(&format!("== {caption} ==")).nth(1).unwrap();
    let line = table.lines().find(|line| line.starts_with(system)).unwrap();
    line[system.len()..]
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_capacity_that_the_load_limits_is_a_lower_bound() {
    let caption = "Most people that a server of one core carried";
    let mut results = made_up();
    let carried = |results: &Results| cells_of(&text(results), caption, "WebTransport");
    assert_eq!(carried(&results)[0], "900");
    let with = |results: &mut Results, server: f64, load: f64| {
        for step in results.capacity.iter_mut().filter(|step| !step.carried) {
            (step.server_share, step.load_share) = (server, load);
        }
    };
    with(&mut results, 0.7, 0.7);
    assert_eq!(carried(&results)[0], "900");
    assert_eq!(text(&results).matches("  no, neither was busy\n").count(), MOST.len());
    with(&mut results, 0.7, 0.9);
    assert_eq!(carried(&results)[0], ">= 900");
    assert_eq!(text(&results).matches("  no, or the load\n").count(), MOST.len());
    assert!(markdown(&results, "plots").contains(r"| \>= 900 |"));
}

#[test]
fn systems_are_compared_with_the_same_processor_time() {
    let results = made_up();
    let cells = |system| cells_of(&text(&results), "With the same processor time", system);
    // Loads of 40 and 80 % of the core: half of it is a quarter of the way.
    assert_eq!(cells("WebTransport"), ["-", "-", "450", "29.7", "675", "48.9"]);
    assert_eq!(cells("Socket.IO"), ["-", "-", "45", "29.7", "68", "48.9"]);
}

#[test]
fn the_page_is_well_formed_and_has_every_row_and_bar() {
    let results = made_up();
    let page = html(&results);
    let xml_text = xml_text(&page);
    for row in &results.rows {
        assert!(xml_text.contains(&row.scenario) && xml_text.contains(&row.system));
    }
    let count = |what: &str| page.matches(what).count();
    let capacity = 2 * MOST.len() + results.capacity.len();
    let body = results.rows.len() + results.bars.len() + 1 + capacity;
    assert_eq!(count("<th scope=\"row\">"), body);
    assert_eq!(count("<caption>"), count("<table>"));
    assert_eq!(count("<svg "), plots(&results).len());
    for verdict in ["good\">met", "bad\">MISSED", "bad\">NOT MEASURED"] {
        assert_eq!(count(verdict), 1, "{verdict}");
    }
    assert_eq!(xml_text.matches(&nasty()).count(), 2, "the machine and the note");
    assert_eq!(count("http"), count("http://www.w3.org/2000/svg"), "nothing external");
    assert!(!page.contains("NaN"));
}

#[test]
fn every_plot_is_well_formed_and_uniquely_named() {
    let mut results = made_up();
    // Two scenarios with one slug, one of them with everything that must be escaped.
    for name in ["clean!", NASTY] {
        results.rows.push(row(name, SYSTEMS[0], 9.0, 30.0));
    }
    let plots = plots(&results);
    let names: Vec<&str> = plots.iter().map(|plot| plot.name.as_str()).collect();
    let expected = [
        "tail-clean",
        "tail-50-ms-round-trip-0-loss",
        "tail-50-ms-round-trip-1-loss",
        "tail-50-ms-round-trip-2-loss",
        "tail-50-ms-round-trip-5-loss",
        "tail-50-ms-round-trip-10-loss",
        "tail-blackout-of-5-s",
        "timeline-blackout-of-5-s",
        "tail-clean-2",
        "tail-a-b-c-d-e-f-31m",
        "loss-50-ms-round-trip",
        "capacity",
    ];
    assert_eq!(names, expected);
    for plot in &plots {
        let xml_text = xml_text(&plot.svg);
        assert!(plot.svg.contains("<title") && plot.svg.contains("<desc"));
        assert!(plot.svg.contains("(prefers-color-scheme:dark)"));
        assert!(plot.svg.contains(&format!("id=\"{}-title\"", plot.name)));
        assert!(!plot.svg.contains("NaN") && !plot.svg.contains("inf"), "{}", plot.name);
        assert!(xml_text.contains("WebTransport") && plot.alternative.len() > 20);
        let ticks = match plot.shows {
            Shows::Scenario(_) => ["20", "100"],
            Shows::Loss => ["0", "10"],
            Shows::Capacity => ["50", "1,000"],
        };
        assert!(ticks.iter().all(|tick| plot.svg.contains(&format!(">{tick}</text>"))));
        if let Shows::Scenario(scenario) = &plot.shows {
            assert!(xml_text.contains(&scenario.replace('\u{1b}', "")));
        }
    }
}

#[test]
fn losses_are_read_from_scenario_names() {
    let of = |names: &[&str]| {
        let mut results = made_up();
        results.rows = names.iter().map(|name| row(name, SYSTEMS[0], 9.0, 30.0)).collect();
        let loss = plots(&results).into_iter().filter(|plot| plot.shows == Shows::Loss);
        loss.map(|plot| (plot.name, plot.svg.matches(" % loss: ").count())).collect::<Vec<_>>()
    };
    let family = |name: &str, members| vec![(format!("loss-{name}"), members)];
    assert_eq!(of(&["a, 0.5 % loss", "a, 10% loss", "a, no loss"]), family("a", 3));
    assert_eq!(of(&["a", "a with 2 % loss", "b", "c, burst loss"]), family("a", 2));
    assert_eq!(of(&["a, 1 % loss, 60 Hz", "a, 2 % loss, 60 Hz"]), family("a-60-hz", 2));
    assert_eq!(of(&["a, 1 % loss", "b, 2 % loss", "lossless", "% loss"]), []);
}

#[test]
fn markdown_refers_to_the_written_files() {
    let results = made_up();
    let folder = tempfile::tempdir().unwrap();
    let written = write_plots(&results, &folder.path().join("plots")).unwrap();
    let markdown = markdown(&results, "plots/");
    assert_eq!(written.len(), markdown.matches("](plots/").count());
    for path in &written {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(markdown.contains(&format!("](plots/{name})")), "{name}");
        xml_text(&std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn markdown_rows_have_as_many_cells_as_their_heads() {
    let results = made_up();
    let markdown = markdown(&results, "plots");
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut rows = 0;
    for table in markdown.split("\n\n").filter(|part| part.starts_with('|')) {
        let head = cells(table.lines().next().unwrap());
        assert!(table.lines().all(|line| cells(line) == head), "{table}");
        rows += table.lines().count() - 2;
    }
    let capacity = 2 * MOST.len() + results.capacity.len();
    assert_eq!(rows, results.rows.len() + results.bars.len() + 1 + capacity);
    let escaped = r#"- a\<b\> \& "c" \| 'd' \]\]\> \*e\* \`f\`\[31m"#;
    assert!(markdown.contains(escaped), "{markdown}");
}

#[test]
fn an_empty_run_reports_nothing() {
    let mut results = made_up();
    results.rows.clear();
    results.capacity.clear();
    results.ratios.clear();
    results.bars.clear();
    results.notes.clear();
    assert!(plots(&results).is_empty());
    xml_text(&html(&results));
    assert!(!text(&results).contains("NaN") && !markdown(&results, "plots").contains("NaN"));
}

#[test]
fn invalid_figures_are_reported_as_absent() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e-300, 1e300] {
        let mut results = made_up();
        let count = u64::from(odd != 0.0);
        let all = Percentiles { count, p50: odd, p90: odd, p99: odd, p999: odd, max: odd };
        for row in &mut results.rows {
            (row.message_age_ms, row.picture_age_ms, row.join_ms) = (all, all, Some(all));
            (row.stale_share, row.seconds, row.round_p99_ms) = (odd, odd, vec![odd]);
            (row.down_bytes_per_second, row.server_us_per_update) = (Some(odd), None);
            (row.tail, row.timeline) = (vec![(odd, odd), (1.0, odd)], vec![(odd, odd, odd)]);
        }
        for step in &mut results.capacity {
            (step.age_p99_ms, step.server_share, step.received_share) = (odd, odd, odd);
        }
        for ratio in &mut results.ratios {
            (ratio.value, ratio.low, ratio.high) = (odd, odd, odd);
        }
        for bar in &mut results.bars {
            (bar.value, bar.low, bar.high) = (odd, odd, odd);
        }
        for out in [text(&results), html(&results), markdown(&results, "plots")] {
            assert!(!out.contains("NaN"), "{odd}");
        }
        xml_text(&html(&results));
        if !odd.is_finite() {
            let absent = text(&results);
            let row = absent.lines().find(|line| line.starts_with("Socket.IO ")).unwrap();
            assert_eq!(row.split_whitespace().skip(1).filter(|cell| *cell == "-").count(), 9);
            assert!(absent.contains("NOT MEASURED") && !absent.contains(" met "));
        }
    }
}
