use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Client;

use super::*;
use crate::tls::provider::provider;

type Served = Result<TlsStream<DuplexStream>>;
type Dialled = Result<Client<DuplexStream>>;

/// A server with a certificate, and a client that trusts it and speaks `versions`.
fn configs(
    versions: &[&'static SupportedProtocolVersion],
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key);
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server.unwrap()), Arc::new(client))
}

/// Both ends of a handshake over a stream that holds this many bytes each way.
async fn shake(versions: &[&'static SupportedProtocolVersion], len: usize) -> (Served, Dialled) {
    let (server, client) = configs(versions);
    let (near, far) = duplex(len);
    let name = ServerName::try_from("localhost").unwrap();
    tokio::join!(TlsStream::accept(server, near), TlsConnector::from(client).connect(name, far))
}

async fn connected(len: usize) -> (TlsStream<DuplexStream>, Client<DuplexStream>) {
    let (served, dialled) = shake(rustls::ALL_VERSIONS, len).await;
    (served.unwrap(), dialled.unwrap())
}

fn is_empty<S>(stream: &TlsStream<S>) -> bool {
    stream.incoming.capacity() == 0 && stream.plain.is_empty() && stream.outgoing.is_empty()
}

#[tokio::test]
async fn bytes_go_both_ways_in_any_pieces_and_leave_no_buffer() {
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for len in [250, 1_000, 65_536] {
            let (served, dialled) = shake(&[version], len).await;
            let (mut server, mut client) = (served.unwrap(), dialled.unwrap());
            let (up, down) = (
                async {
                    client.write_all(&bytes).await.unwrap();
                    client.flush().await.unwrap();
                    let mut read = vec![0; bytes.len()];
                    client.read_exact(&mut read).await.unwrap();
                    read
                },
                async {
                    let mut read = vec![0; bytes.len()];
                    server.read_exact(&mut read).await.unwrap();
                    server.write_all(&read).await.unwrap();
                    server.flush().await.unwrap();
                    read
                },
            );
            let (down, up) = tokio::join!(up, down);
            assert!(up == bytes && down == bytes, "{version:?} {len}");
            assert!(is_empty(&server), "{version:?} {len}");
        }
    }
}

#[tokio::test]
async fn a_farewell_ends_the_stream_and_silence_does_not() {
    let (mut server, mut client) = connected(1_000).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut read = Vec::new();
    server.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"last");
    server.write_all(b"mine").await.unwrap();
    server.shutdown().await.unwrap();
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"mine");

    let (mut server, client) = connected(1_000).await;
    drop(client);
    let error = server.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn new_keys_are_answered() {
    let (mut server, mut client) = connected(1_000).await;
    for round in 0..3_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), round);
        server.write_all(&[round]).await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), round);
    }
    assert!(is_empty(&server));
}

#[tokio::test]
async fn garbage_is_answered_with_an_alert_before_and_after_the_handshake() {
    let (server, _) = configs(rustls::ALL_VERSIONS);
    for garbage in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0x16, 3, 1, 0xFF, 0xFF, 1]] {
        let (near, mut far) = duplex(1_000);
        far.write_all(garbage).await.unwrap();
        let error = TlsStream::accept(Arc::clone(&server), near).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let mut alert = Vec::new();
        far.read_to_end(&mut alert).await.unwrap();
        assert_eq!((alert.first(), alert.len()), (Some(&0x15), 7), "{garbage:?}");
    }

    let (mut server, client) = connected(1_000).await;
    let (mut raw, mut tls) = client.into_inner();
    raw.write_all(&[0x17, 3, 3, 0, 40]).await.unwrap();
    raw.write_all(&[9; 40]).await.unwrap();
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(server.read_u8().await.is_err() && server.write_u8(0).await.is_err());
    server.shutdown().await.unwrap();
    drop(server);
    let mut alert = Vec::new();
    raw.read_to_end(&mut alert).await.unwrap();
    tls.read_tls(&mut alert.as_slice()).unwrap();
    let told = tls.process_new_packets().unwrap_err();
    assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
}

#[tokio::test]
async fn a_handshake_message_that_never_ends_is_bounded() {
    let (server, _) = configs(rustls::ALL_VERSIONS);
    let (near, mut far) = duplex(1_000);
    let flood = async move {
        // A ClientHello of 64 KiB, in records of a hundred bytes.
        let mut first = vec![0x16, 3, 1, 0, 100, 1, 0, 0xFF, 0xFF];
        first.resize(5 + 100, 0);
        while far.write_all(&first).await.is_ok() {
            (first[5], first[7], first[8]) = (0, 0, 0);
        }
    };
    let (accepted, ()) = tokio::join!(TlsStream::accept(server, near), flood);
    assert_eq!(accepted.unwrap_err().kind(), ErrorKind::InvalidData);
}
