//! Clients that request files again and again, and clients that request but do not read.

use crate::scratch;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::attacks::arena::{Attack, MEMORY, PATIENCE, Settings, Target, answer, limit};
use crate::attacks::socket::{connect, narrow, read_head};
use crate::attacks::tools::patiently;

/// Length of the map file: more than any buffer holds.
const MAP_BYTES: u64 = 32 * 1024 * 1024;
/// The range that a reader requests.
const RANGE: &str = "Range: bytes=0-8388607\r\n";
/// Number of deaf readers, and how much memory the server may use for all of them. Whole responses
/// would take 1.2 GB.
const DEAF: usize = 150;
const DEAF_BYTES: f64 = 96e6;

/// A server with a map file.
pub fn with_map() -> Settings {
    let path = scratch("hostile.pmtiles");
    let mut header = [0; 132];
    header[..8].copy_from_slice(b"PMTiles\x03");
    // A root directory with one entry, no metadata, no leaves, and one long tile.
    for (at, section) in
        [(8, (127, 5)), (24, (127, 0)), (40, (127, 0)), (56, (132, MAP_BYTES - 132))]
    {
        let (start, length): (u64, u64) = section;
        header[at..at + 8].copy_from_slice(&start.to_le_bytes());
        header[at + 8..at + 16].copy_from_slice(&length.to_le_bytes());
    }
    header[97..100].copy_from_slice(&[1, 1, 1]);
    for (at, degrees) in [(102, -180), (106, -85), (110, 180), (114, 85)] {
        header[at..at + 4].copy_from_slice(&(degrees * 10_000_000_i32).to_le_bytes());
    }
    header[127..].copy_from_slice(&[1, 0, 1, 10, 1]);
    let mut file = File::create(&path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(MAP_BYTES).unwrap();
    vec![("pmtiles", path.display().to_string())]
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// The server's response, read until it closes.
async fn response(target: &Target, request: &str) -> String {
    let mut stream = TcpStream::connect(target.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// The length of a response's body, from its head.
fn length(head: &str) -> u64 {
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    length.map_or(0, |length| length.parse().unwrap())
}

/// The largest file that the page names, or the page itself if it was not built.
async fn largest(target: &Target) -> String {
    let page = response(target, &get("/", "Connection: close\r\n")).await;
    let mut largest = (0, "/".to_owned());
    for path in page.split('"').filter(|it| it.starts_with("/assets/")) {
        let head = get(path, "Connection: close\r\n").replacen("GET", "HEAD", 1);
        largest = largest.max((length(&response(target, &head).await), path.to_owned()));
    }
    largest.1
}

/// Sends a request again and again over one TLS connection, and reads every response.
async fn ask_again(target: &Target, request: String, times: usize) {
    let mut stream = BufReader::with_capacity(1 << 16, connect(target).await);
    let asking = async move {
        for _ in 0..times {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let length = length(&String::from_utf8(head).unwrap());
            let mut body = (&mut stream).take(length);
            let read = tokio::io::copy(&mut body, &mut tokio::io::sink()).await.unwrap();
            assert_eq!(read, length);
        }
    };
    // In a separate task: within one, the fastest reader would starve the others.
    tokio::spawn(asking).await.unwrap();
}

/// Requests part of the map file and reads nothing.
async fn deaf(target: &Target) -> TcpStream {
    let mut stream = narrow(target.http).await;
    stream.write_all(get("/map.pmtiles", RANGE).as_bytes()).await.unwrap();
    patiently("the start of an answer", stream.peek(&mut [0])).await.unwrap();
    stream
}

/// Waits until the server closes this connection, reading `count` bytes now and then.
async fn until_ended(mut stream: TcpStream, count: usize) {
    let ending = async {
        let mut bytes = vec![0; count];
        // A client that does not read notices the close only by writing.
        while stream.write_all(b"G").await.is_ok() {
            if count > 0 && stream.read_exact(&mut bytes).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, ending)
        .await
        .expect("the server keeps a reader that does not read");
}

/// Attacks on the page's files.
pub fn of_pages() -> Vec<Attack> {
    let mut attacks: Vec<_> = ["br", "gzip", "identity"]
        .into_iter()
        .map(|coding| {
            let attack =
                Attack::new(format!("content::a_file_as_{coding}_again"), async move |target| {
                    let request =
                        get(&largest(target).await, &format!("Accept-Encoding: {coding}\r\n"));
                    ask_again(target, request, 60).await;
                });
            attack.counted(answer("2xx"))
        })
        .collect();
    let attack = Attack::new("content::a_file_revalidated_again", async |target| {
        let path = largest(target).await;
        let request = get(&path, "If-None-Match: *\r\n").repeat(2_000);
        let mut stream = connect(target).await;
        let (reader, mut writer) = tokio::io::split(&mut stream);
        let asking = async {
            writer.write_all(request.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let reading = async {
            // Each response has at least a hundred bytes of headers.
            let mut answers = reader.take(200_000);
            tokio::io::copy(&mut answers, &mut tokio::io::sink()).await.unwrap();
        };
        tokio::select! {
            () = asking => {}
            () = reading => {}
        }
    });
    attacks.push(attack.counted(answer("3xx")));
    attacks
}

/// Attacks on the map file.
pub fn of_the_map() -> Vec<Attack> {
    let mut attacks = vec![
        Attack::new("content::readers_that_do_not_read", async |target| {
            let before = target.count(MEMORY).await;
            let all = join_all((0..DEAF).map(|_| deaf(target))).await;
            let more = target.count(MEMORY).await - before;
            assert!(more < DEAF_BYTES, "{more} bytes for {DEAF} readers that do not read");
            join_all(all.into_iter().map(|stream| until_ended(stream, 0))).await;
        })
        .counted(limit("stalled")),
        Attack::new("content::a_reader_of_a_few_bytes_at_a_time", async |target| {
            until_ended(deaf(target).await, 32).await;
        })
        .counted(limit("stalled")),
    ];
    for number in 0..6 {
        let name = format!("content::a_part_of_the_map_again_{number}");
        let attack = Attack::new(name, async |target| {
            ask_again(target, get("/map.pmtiles", RANGE), 6).await;
        });
        attacks.push(attack.counted(answer("2xx")));
    }
    for (range, status) in [
        ("bytes=-5", 206),
        ("bytes=-0", 416),
        ("bytes=99999999999999999999-", 416),
        ("bytes=9-5", 200),
        ("bytes=0-0,1-1,2-2,3-3", 200),
        ("bytes=0-18446744073709551615", 206),
        ("bytes=-18446744073709551615", 206),
        ("furlongs=1-2", 200),
    ] {
        let attack = Attack::new(format!("content::a_range_of_{range}"), async move |target| {
            let mut stream = connect(target).await;
            let request = get("/map.pmtiles", &format!("Range: {range}\r\n"));
            stream.write_all(request.as_bytes()).await.unwrap();
            let (head, _) = patiently("an answer", read_head(&mut stream)).await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{range}: {head}");
        });
        attacks.push(attack.counted(answer(&format!("{}xx", status / 100))));
    }
    attacks
}
