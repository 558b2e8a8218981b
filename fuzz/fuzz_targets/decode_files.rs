//! Files, databases, JSON, certificates and frames that come from people, disks and other servers. The first byte chooses the decoder.
//!
//! What is read is written the same again, as a value. A database in which bytes were changed is refused, or gives rows that
//! were in it: never other secrets. What the command line reads is compiled in from its own folder.
#![no_main]
#![allow(missing_docs)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::enc::Writer;
use quorumkeep_dkg::config::{Genesis, Protocol};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use quorumkeep_dkg::ledger::Ledger;
use quorumkeep_fuzz::input::{Input, split};
use quorumkeep_fuzz::seeds::{self, choose};
use quorumkeep_fuzz::world::{NAME, T, World};
use quorumkeep_node::evidence::{Claim, Evidence};
use quorumkeep_node::status::Status;
use quorumkeep_node::store::{Batch, Loaded, OwnRecord, RoundSecret, ShareRow, Store};
use quorumkeep_server::board::orderer::Posted;
use quorumkeep_server::board::roster::{Governed, Roster};
use quorumkeep_server::board::{BoardFile, GovernedJson, SignedHead};
use quorumkeep_server::client::board::parse_blocks;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::node_api::{
    AppQuery, OwnerBody, PartialAnswer, PubkeyAnswer, PubkeyQuery, RegisterBody, SealedAnswer, SignBody,
};
use quorumkeep_server::problem::Problem;
use quorumkeep_server::sealed::{self, Passphrase};
use quorumkeep_server::tls::{Certificates, Identity, Pin};
use quorumkeep_sharing::{gf256, slip39};
use quorumkeep_store::{Binding, KekProvider, SaltFileKek, SqliteStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

#[path = "../../crates/cli/src/draft.rs"]
#[allow(dead_code)]
mod draft;
#[path = "../../crates/cli/src/failure.rs"]
#[allow(dead_code)]
mod failure;
#[path = "../../crates/cli/src/operator_file.rs"]
#[allow(dead_code)]
mod operator_file;
#[path = "../../crates/cli/src/pointer.rs"]
#[allow(dead_code)]
mod pointer;
#[path = "../../crates/cli/src/report.rs"]
#[allow(dead_code)]
mod report;
#[path = "../../crates/cli/src/vss/mod.rs"]
#[allow(dead_code)]
mod vss;

use draft::Draft;
use operator_file::OperatorFile;
use pointer::Pointer;

/// A folder that is removed at the end of the process, if that ends well.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path()
}

fn file(bytes: &[u8]) -> PathBuf {
    let path = folder().join("file");
    fs::write(&path, bytes).expect("written");
    path
}

// --- Files.

fn network_file(bytes: &[u8]) {
    let Ok(read) = NetworkFile::load(&file(bytes)) else { return };
    let path = folder().join("again");
    read.save(&path).expect("written");
    assert_eq!(NetworkFile::load(&path).expect("read back"), read);
}

fn operator_file(bytes: &[u8]) {
    let Ok(read) = OperatorFile::load(&file(bytes)) else { return };
    let again = read.to_json().unwrap_or_default();
    assert_eq!(OperatorFile::load(&file(again.as_bytes())).ok(), Some(read));
}

fn draft_file(bytes: &[u8]) {
    let Ok(read) = Draft::load(&file(bytes)) else { return };
    let _ = (read.describe(), read.signed());
    let written = read.to_json().unwrap_or_default();
    let Ok(again) = Draft::load(&file(written.as_bytes())) else { panic!("a draft is not read back") };
    assert_eq!(again.to_json().ok(), Some(written));
}

fn board_file(bytes: &[u8]) {
    let folder = folder().join("board");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("board.json"), bytes).expect("written");
    let Ok(read) = BoardFile::load(&folder) else { return };
    fs::remove_file(folder.join("board.json")).expect("removed");
    read.create(&folder).expect("written");
    assert_eq!(BoardFile::load(&folder).expect("read back"), read);
}

/// With a work factor above this nothing is tried: that it is bounded has a test of its own, and scrypt is not ours.
const LOG_N_MAX: u64 = 4;
const SECRET: &[u8] = b"an operator's secret";

fn sealed_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let factors = text.split("-> scrypt ").skip(1).filter_map(|rest| rest.split_whitespace().nth(1));
    if factors.into_iter().any(|factor| factor.parse::<u64>().map_or(true, |factor| factor > LOG_N_MAX)) {
        return;
    }
    let passphrase = Passphrase::new("correct horse").expect("not empty");
    if let Ok(secret) = sealed::open(bytes, &passphrase) {
        assert_eq!(*secret, SECRET, "a changed file opens");
    }
}

fn vss_items(bytes: &[u8]) {
    if let Ok(verdicts) = vss::check(bytes) {
        assert!((1..=vss::ITEMS_MAX).contains(&verdicts.len()));
        for refusal in verdicts.iter().filter_map(|verdict| verdict.result.as_ref().err()) {
            assert!(!refusal.reason.text().is_empty() && !refusal.message.is_empty());
        }
    }
}

fn identity_pointer(bytes: &[u8]) {
    let Some(pointer) = Pointer::decode(bytes) else { return };
    let decode = |text: String| {
        let (_, bytes) = bech32::decode(&text).ok()?;
        Pointer::decode(&bytes)
    };
    // Bech32 as the crate reads it has a limit of length, which age's use of it does not have.
    if pointer.encode().len() < 500 {
        assert_eq!(decode(pointer.encode()), Some(pointer));
    }
}

// --- JSON of other servers and of clients.

fn again<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("JSON");
    let again: T = serde_json::from_slice(&written).expect("read back");
    assert_eq!(serde_json::to_vec(&again).expect("JSON"), written);
}

fn body(bytes: &[u8]) {
    let (which, bytes) = split(bytes);
    const BODIES: [fn(&[u8]); 11] = [
        again::<SignBody>,
        again::<OwnerBody>,
        again::<RegisterBody>,
        again::<AppQuery>,
        again::<PubkeyAnswer>,
        again::<PartialAnswer>,
        again::<SealedAnswer>,
        again::<Posted>,
        again::<GovernedJson>,
        again::<SignedHead>,
        again::<Status>,
    ];
    match usize::from(which) % (BODIES.len() + 2) {
        11 => {
            let problem = Problem::from_response(400, bytes);
            let clean = |text: &str| !text.chars().any(char::is_control) && text.chars().count() <= 400;
            assert!(clean(&problem.title) && clean(&problem.detail) && clean(&problem.kind));
        }
        12 => drop(serde_json::from_slice::<PubkeyQuery>(bytes)),
        which => BODIES[which](bytes),
    }
}

// --- What other servers and operators send.

/// A certificate of operator 1, behind the number of the decoder. Its TLS key was random, so it is kept.
const CERTIFICATE: &[u8] = include_bytes!("../corpus/decode_files/certificate");
/// How the public key of a certificate begins, and how long it is.
const SPKI_HEAD: &[u8] = &[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const SPKI_BYTES: usize = 91;

/// Whatever else is changed in a certificate that is believed: not its public key.
fn certificate(bytes: &[u8]) {
    if is_of_operator(bytes) {
        let spki = CERTIFICATE.windows(SPKI_BYTES).find(|part| part.starts_with(SPKI_HEAD)).expect("a public key");
        assert!(bytes.windows(SPKI_BYTES).any(|part| part == spki), "another TLS key is believed");
    }
}

fn is_of_operator(certificate: &[u8]) -> bool {
    let (world, now) = (world(), 1_800_000_000);
    let (network, address, key) = (world.network, world.address(0), world.keys[0].public());
    let orderer = Pin::Orderer { network, key: world.orderer.verifying_key() };
    assert!(orderer.check(certificate, now).is_err(), "an operator is believed to be the orderer");
    Pin::Operator { network, address, key }.check(certificate, now).is_ok()
}

/// The one that is kept, as long as the code believes it; else a new one, for a century.
fn seed_certificate(world: &World) -> Vec<u8> {
    if CERTIFICATE.get(1..).is_some_and(is_of_operator) {
        return CERTIFICATE.to_vec();
    }
    let identity = Identity::Operator { network: world.network, key: Arc::new(world.keys[0].copy()) };
    let lifetime = Duration::from_secs(100 * 365 * 24 * 3600);
    let made = Certificates::new(identity, lifetime).expect("a certificate").current();
    choose(9, &made.cert[0])
}

fn blocks(bytes: &[u8]) {
    let Some(blocks) = parse_blocks(bytes, 1, 8) else { return };
    let framed = blocks.iter().fold(Writer::raw(), |writer, block| writer.bytes(&block.encode())).finish();
    assert_eq!(framed, bytes);
}

/// A record that the orderer is asked to put on the board, before and after the first configuration.
fn governed(bytes: &[u8]) {
    let Ok(envelope) = Envelope::decode(bytes) else { return };
    let (world, mut roster) = (world(), Roster::new(world().network));
    if roster.check(&envelope).is_ok() {
        assert_eq!(envelope.body, world.config.encode(), "another first configuration is accepted");
        return;
    }
    roster.apply(Governed::Config(world.config.digest(), Arc::new(world.config.clone())));
    if roster.check(&envelope).is_ok() {
        assert!(envelope.signatures.len() >= usize::from(T), "too few signatures are accepted");
    }
}

/// A claim and a log. An orderer's signature stands in the way of every other log, so nothing is ever shown by one.
fn evidence(bytes: &[u8]) {
    let Ok(evidence) = Evidence::decode(bytes) else { return };
    assert_eq!(evidence.encode(), bytes);
    assert!(evidence.verify(&evidence.network).is_err(), "evidence that nobody made");
}

/// A mnemonic of SLIP-39, and a share of bytes.
fn shares(bytes: &[u8]) {
    if let Ok(share) = gf256::Share::decode(bytes) {
        assert_eq!(*share.encode(), bytes);
    }
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(share) = slip39::Share::parse(text) else { return };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(*share.mnemonic(), words.to_ascii_lowercase());
    let _ = slip39::combine(&[share], &slip39::Passphrase::EMPTY, 0);
}

fn world() -> &'static World {
    thread_local! {
        static WORLD: &'static World = Box::leak(Box::new(World::new(Protocol::Feldman)));
    }
    WORLD.with(|world| *world)
}

// --- The database of a node.

const KEY: KeyId = KeyId([0xa1; 32]);
const BINDING: Binding = Binding { network: [0x11; 32], address: [0x22; 20] };
const DATABASE: &str = "node.db";

fn kek(directory: &Path) -> Box<dyn KekProvider> {
    Box::new(SaltFileKek::new(directory, Zeroizing::new([0x77; 32])))
}

fn share(number: u8) -> ShareRow {
    let share = SecretScalar::from_be_bytes(&[number; 32]).expect("a scalar");
    ShareRow { key: KEY, version: VersionId([number; 32]), round: u64::from(number), index: 3, share }
}

fn own_record(round: u64) -> OwnRecord {
    OwnRecord { key: KEY, round, kind: Kind::Deal, subject: Digest::ZERO, bytes: vec![7; 90] }
}

/// The files of a database with two shares, two rounds' secrets, records, blocks and a pin.
fn template() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = private("template");
        let mut store = SqliteStore::create(&folder.join(DATABASE), BINDING, kek(&folder)).expect("created");
        let secret = |round| RoundSecret { key: KEY, round, bytes: Zeroizing::new([round as u8; 64]) };
        let batch = Batch {
            blocks: vec![(1, b"one".to_vec()), (2, b"two".to_vec())],
            snapshot: Some((1, b"ledger".to_vec())),
            records: vec![own_record(1), own_record(2)],
            round_secrets: vec![secret(1), secret(2)],
            shares: vec![share(1), share(2)],
            pins: vec![(KEY, [7; 96])],
            ..Batch::default()
        };
        store.commit(&batch).expect("committed");
        drop(store);
        let files = fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("listed"));
        files.map(|file| (name(&file), fs::read(file.path()).expect("read"))).collect()
    })
}

fn name(file: &fs::DirEntry) -> String {
    file.file_name().to_string_lossy().into_owned()
}

/// An empty folder that only this user may read.
fn private(name: &str) -> PathBuf {
    let folder = folder().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("a mode");
    folder
}

/// Changes up to eight places of one of the files, then opens the database and reads everything.
fn database(bytes: &[u8]) {
    let folder = private("database");
    for (name, content) in template() {
        let path = folder.join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let mut input = Input::new(bytes);
    let (name, content) = &template()[usize::from(input.byte()) % template().len()];
    let changed = OpenOptions::new().write(true).open(folder.join(name)).expect("opened");
    for _ in 0..8 {
        let at = (input.word() << 8 | usize::from(input.byte())) % content.len().max(1);
        let with = input.take(2);
        let with: Vec<u8> = with.iter().zip(&content[at.min(content.len())..]).map(|(new, old)| new ^ old).collect();
        changed.write_all_at(&with, at as u64).expect("changed");
    }
    drop(changed);
    let store = SqliteStore::open(&folder.join(DATABASE), BINDING, kek(&folder));
    if let Ok(loaded) = store.and_then(|store| store.load()) {
        check(&loaded);
    }
}

/// Nothing is in it that was not written.
fn check(loaded: &Loaded) {
    for row in &loaded.shares {
        let expected = [share(1), share(2)];
        let original = expected.iter().find(|share| share.version == row.version).expect("a version that was written");
        assert_eq!((row.key, row.round, row.index), (original.key, original.round, original.index));
        assert_eq!(*row.share.expose(), *original.share.expose(), "another share");
    }
    for row in &loaded.round_secrets {
        assert!([1, 2].contains(&row.round) && *row.bytes == [row.round as u8; 64], "another secret");
    }
    for row in &loaded.records {
        assert_eq!(*row, own_record(row.round), "another record");
    }
    assert!(loaded.pins.iter().all(|pin| *pin == (KEY, [7; 96])), "another pin");
}

// --- Inputs.

fn small_sealed_file() -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new("correct horse".to_owned().into());
    recipient.set_work_factor(1);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient));
    let mut sealed = Vec::new();
    let mut stream = encryptor.expect("a recipient").wrap_output(&mut sealed).expect("a header");
    std::io::Write::write_all(&mut stream, SECRET).expect("in memory");
    stream.finish().expect("in memory");
    sealed
}

/// 128 bits, one share, no work.
const MNEMONIC: &str = "duckling enlarge academic academic agency result length solution fridge kidney coal piece deal \
                        husband erode duke ajar critical decision keyboard";

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let world = world();
    let network = NetworkFile::new(world.config.clone(), "127.0.0.1:7100".to_owned(), NAME);
    let path = folder().join("network.json");
    network.save(&path).expect("written");
    let operator = OperatorFile::new(&world.keys[0], "127.0.0.1:7001").ok().and_then(|file| file.to_json().ok());
    let mut draft = Draft::new(world.network, &world.config)
        .with_config(&world.config)
        .with_genesis(&Genesis { name: NAME.into(), players_min: 3 });
    let _ = draft.sign(&world.keys[0]);
    let draft = draft.to_json().unwrap_or_default();
    let board = BoardFile {
        network: world.network,
        anchor: Digest(world.config.orderer),
        interval_ms: 1000,
        listen: "127.0.0.1:7100".parse().expect("an address"),
    };
    let pointer = [&[1, 0, 0, 0, 2][..], b"/n", &[0, 0, 0, 2], b"/o"].concat();
    let key = hex::encode(KEY.0);
    let sign = format!(
        "{{\"key\":\"{key}\",\"app\":\"billing\",\"owner\":{{\"recipient\":\"age1\",\"nonce\":\"{key}\",\"expires_ms\":1,\"signature\":\"00\"}}}}"
    );
    let block = world.block(&Ledger::new(world.network, world.config.orderer), vec![vec![1, 2, 3]]);
    let framed = Writer::raw().bytes(&block.encode()).finish();
    let claim = Claim::Missing { culprit: world.address(0), kind: Kind::Deal, round: 1, key: KEY };
    let claimed = Evidence { network: world.network, claim, blocks: vec![block.clone()] }.encode();
    let governed = |key, kind, body| world.governed(key, kind, body).encode();
    let genesis = Genesis { name: "other".into(), players_min: 3 };
    let problem = serde_json::to_vec(&Problem::new(quorumkeep_server::problem::Code::Busy, "later")).expect("JSON");
    let json = |which: u8, bytes: &[u8]| choose(6, &choose(which, bytes));
    let document = include_str!("../../docs/vss-check.md");
    let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    vec![
        ("network_file", choose(0, &fs::read(path).expect("read"))),
        ("operator_file", choose(1, operator.unwrap_or_default().as_bytes())),
        ("draft", choose(2, draft.as_bytes())),
        ("board_file", choose(3, &serde_json::to_vec(&board).expect("JSON"))),
        ("sealed_file", choose(4, &small_sealed_file())),
        ("vss_items", choose(5, example.as_bytes())),
        ("body_sign", json(0, sign.as_bytes())),
        ("body_register", json(2, format!("{{\"key\":\"{key}\",\"app\":\"00\"}}").as_bytes())),
        ("body_app_query", json(3, format!("{{\"key\":\"{key}\",\"id\":\"billing\"}}").as_bytes())),
        ("body_problem", json(11, &problem)),
        ("database", choose(7, &[0, 0, 0, 100, 1, 1, 0, 32, 0, 7, 7])),
        ("pointer", choose(8, &pointer)),
        ("certificate", seed_certificate(world)),
        ("blocks", choose(10, &framed)),
        ("mnemonic", choose(13, MNEMONIC.as_bytes())),
        ("byte_share", choose(13, &[3, 0x70, 0xd3, 0x1b, 0x89])),
        ("evidence", choose(12, &claimed)),
        ("governed_config", choose(11, &governed(KeyId::ZERO, Kind::Config, world.config.encode()))),
        (
            "governed_genesis",
            choose(11, &governed(KeyId::derive(&world.network, "other"), Kind::Genesis, genesis.encode())),
        ),
    ]
}

const DECODERS: [fn(&[u8]); 14] = [
    network_file,
    operator_file,
    draft_file,
    board_file,
    sealed_file,
    vss_items,
    body,
    database,
    identity_pointer,
    certificate,
    blocks,
    governed,
    evidence,
    shares,
];

fuzz_target!(
    init: seeds::write("decode_files", inputs),
    |data: &[u8]| {
        let (which, bytes) = split(data);
        DECODERS[usize::from(which) % DECODERS.len()](bytes);
    }
);
