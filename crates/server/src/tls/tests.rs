//! Who is let in and who is not, over real connections.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use rcgen::{KeyPair, PublicKeyData};
use rustls::NamedGroup;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::binding::{Binding, signed_hash};
use super::certificate::certify;
use super::*;
use crate::client::{Error, TlsReason};
use crate::http::Limits;
use crate::testkit::{Network, Served, anywhere, client, serve_at};

fn router() -> Router {
    Router::new().route("/", get(|| async { "here" }))
}

async fn serve(certificates: Arc<Certificates>) -> Served {
    serve_at(anywhere(), certificates, router(), Limits::default()).await
}

/// What a client with this pin says about a server with this certificate.
async fn ask(network: &Network, certificate: CertifiedKey, pin: Pin) -> Result<Vec<u8>, Error> {
    let served = serve(Certificates::fixed(network.identity(0), certificate)).await;
    client(pin, served.address).get("/").await.map(|body| body.to_vec())
}

fn refused(answer: Result<Vec<u8>, Error>) -> PinError {
    let error = answer.unwrap_err();
    assert!(!error.is_temporary());
    error.pin_error().cloned().unwrap_or_else(|| panic!("{error}"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn the_pinned_server_is_accepted_with_post_quantum_key_exchange() {
    let network = Network::new(2, 1);
    let served = serve(Certificates::new(network.identity(0), LIFETIME).unwrap()).await;
    assert_eq!(&client(network.pin(0), served.address).get("/").await.unwrap()[..], b"here");
    let orderer = serve(Certificates::new(network.orderer_identity(), LIFETIME).unwrap()).await;
    assert_eq!(&client(network.orderer_pin(), orderer.address).get("/").await.unwrap()[..], b"here");

    let connector = TlsConnector::from(client_config(network.pin(0)).unwrap());
    let tcp = TcpStream::connect(served.address).await.unwrap();
    let tls = connector.connect(ServerName::try_from("x.invalid").unwrap(), tcp).await.unwrap();
    let session = tls.get_ref().1;
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn another_operator_the_orderer_and_another_network_are_told_apart() {
    let (network, other) = (Network::new(2, 1), Network::new(2, 2));
    let issue = |identity: Identity| identity.issue(SystemTime::now(), LIFETIME).unwrap();
    let error = refused(ask(&network, issue(network.identity(1)), network.pin(0)).await);
    let (expected, found) = (network.identity(0).address(), network.identity(1).address());
    assert_eq!(error, PinError::OtherIdentity { expected, found });

    let error = refused(ask(&network, issue(network.identity(0)), network.orderer_pin()).await);
    assert!(matches!(error, PinError::OtherIdentity { expected, .. } if expected.is_zero()));

    let foreign = Identity::Operator { network: other.id, key: Arc::clone(&network.keys[0]) };
    let error = refused(ask(&network, issue(foreign), network.pin(0)).await);
    assert_eq!(error, PinError::ForeignNetwork { expected: network.id, found: other.id });

    let impostor = Network { orderer: other.orderer.clone(), ..Network::new(2, 1) };
    let impostor = Identity::Orderer { network: network.id, key: Arc::new(impostor.orderer) };
    assert_eq!(refused(ask(&network, issue(impostor), network.orderer_pin()).await), PinError::BadBinding);
}

#[tokio::test]
async fn certificates_have_their_time() {
    let network = Network::new(2, 1);
    let past = SystemTime::now() - Duration::from_secs(10 * 24 * 3600);
    let expired = network.identity(0).issue(past, LIFETIME).unwrap();
    let error = refused(ask(&network, expired, network.pin(0)).await);
    assert!(matches!(error, PinError::Expired { not_after, now } if not_after < now));

    let future = SystemTime::now() + Duration::from_secs(2 * 3600);
    let early = network.identity(0).issue(future, LIFETIME).unwrap();
    let error = refused(ask(&network, early, network.pin(0)).await);
    assert!(matches!(error, PinError::NotYetValid { not_before, now } if not_before > now));
}

/// A binding that operator 0 signs for this TLS key.
fn bind(network: &Network, key: &KeyPair, not_after: u64) -> Binding {
    let address = network.identity(0).address();
    let hash = signed_hash(&network.id, &address, &key.subject_public_key_info(), not_after);
    Binding { network: network.id, address, signature: network.keys[0].sign(&hash).to_bytes() }
}

#[tokio::test]
async fn an_unbound_or_altered_certificate_is_refused() {
    let network = Network::new(2, 1);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (from, until) = (now() - 60, now() + 3600);
    let pin = || network.pin(0);

    let unbound = certify(&key, from, until, None).unwrap();
    assert_eq!(refused(ask(&network, unbound, pin()).await), PinError::Unbound);

    let binding = bind(&network, &key, until);
    let good = certify(&key, from, until, Some(binding.encode())).unwrap();
    assert!(ask(&network, good, pin()).await.is_ok());

    let mut altered = binding.clone();
    altered.signature[63] ^= 1;
    let altered = certify(&key, from, until, Some(altered.encode())).unwrap();
    assert_eq!(refused(ask(&network, altered, pin()).await), PinError::BadBinding);

    let longer = certify(&key, from, until + 3600, Some(binding.encode())).unwrap();
    assert_eq!(refused(ask(&network, longer, pin()).await), PinError::BadBinding, "the end is signed");

    let mut trailing = binding.encode();
    trailing.push(0);
    let trailing = certify(&key, from, until, Some(trailing)).unwrap();
    assert_eq!(refused(ask(&network, trailing, pin()).await), PinError::Malformed);

    let thief = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let stolen = certify(&thief, from, until, Some(binding.encode())).unwrap();
    assert_eq!(refused(ask(&network, stolen, pin()).await), PinError::BadBinding, "the TLS key is signed");
}

#[tokio::test]
async fn a_certificate_without_its_private_key_is_refused() {
    let network = Network::new(2, 1);
    let real = network.identity(0).issue(SystemTime::now(), LIFETIME).unwrap();
    let other = network.identity(1).issue(SystemTime::now(), LIFETIME).unwrap();
    let mixed = CertifiedKey::new(real.cert.clone(), Arc::clone(&other.key));
    let error = ask(&network, mixed, network.pin(0)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { reason: TlsReason::Protocol(_), .. }), "{error}");
}

/// A ClientHello that offers TLS 1.2 and nothing newer, byte by byte: this build cannot even ask for it.
fn hello_tls12() -> Vec<u8> {
    let extensions: &[u8] = &[
        0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d, // supported_groups: x25519
        0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03, // signature_algorithms: ecdsa_secp256r1_sha256
    ];
    let mut body = vec![0x03, 0x03];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0x00, 0x00, 0x02, 0xc0, 0x2b, 0x01, 0x00]);
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(extensions);
    let mut hello = vec![0x16, 0x03, 0x01];
    hello.extend_from_slice(&(body.len() as u16 + 4).to_be_bytes());
    hello.extend_from_slice(&[0x01, 0x00]);
    hello.extend_from_slice(&(body.len() as u16).to_be_bytes());
    hello.extend_from_slice(&body);
    hello
}

#[tokio::test]
async fn tls_1_2_and_plain_text_are_refused() {
    let network = Network::new(2, 1);
    let served = serve(Certificates::new(network.identity(0), LIFETIME).unwrap()).await;
    let mut tcp = TcpStream::connect(served.address).await.unwrap();
    tcp.write_all(&hello_tls12()).await.unwrap();
    let mut alert = Vec::new();
    tcp.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert[0], 21, "an alert");
    assert_eq!(alert[5..7], [2, 70], "fatal, protocol_version");

    let mut tcp = TcpStream::connect(served.address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|window| window == b"here"));
}

#[tokio::test]
async fn certificates_are_renewed_without_breaking_connections() {
    let network = Network::new(2, 1);
    let certificates = Certificates::new(network.identity(0), Duration::from_secs(3)).unwrap();
    let first = certificates.current();
    let renewal = tokio::spawn(Arc::clone(&certificates).keep_fresh());
    let served = serve(Arc::clone(&certificates)).await;
    let old = client(network.pin(0), served.address);
    old.get("/").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_ne!(certificates.current().cert, first.cert);
    old.get("/").await.unwrap();
    client(network.pin(0), served.address).get("/").await.unwrap();
    assert!(served.metrics.text().contains("quorumkeep_http_connections 2"), "the first connection was kept");
    renewal.abort();
}
