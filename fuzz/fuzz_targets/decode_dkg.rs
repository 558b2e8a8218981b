//! Everything that stands on the board or on a node's disk: what is decoded is encoded to the same bytes again. The first
//! byte chooses the decoder.
#![no_main]
#![allow(missing_docs)]

use libfuzzer_sys::fuzz_target;
use quorumkeep_curves::bls::{G1, G2, Group};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::schnorr::Proof;
use quorumkeep_curves::tags;
use quorumkeep_dkg::announce::Announce;
use quorumkeep_dkg::app::{App, Format, Policy};
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::complain::Complain;
use quorumkeep_dkg::config::{Config, Genesis, Protocol, is_socket};
use quorumkeep_dkg::confirm::Confirm;
use quorumkeep_dkg::deal::{self, RawDeal};
use quorumkeep_dkg::envelope::{Envelope, record_id};
use quorumkeep_dkg::extract::{Extract, LinkProof, PlainExtract};
use quorumkeep_dkg::ids::{Address, Digest};
use quorumkeep_dkg::ledger::Ledger;
use quorumkeep_dkg::memory::Memory;
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::reconstruct::Reconstruct;
use quorumkeep_dkg::round::Phase;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::start::Start;
use quorumkeep_dkg::{limits, records};
use quorumkeep_fuzz::input::{exactly, split};
use quorumkeep_fuzz::seeds::{self, choose};
use quorumkeep_fuzz::world::World;

fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::decode(bytes) else { return };
    assert_eq!(envelope.encode(), bytes);
    let _ = records::body_hash(&envelope);
    assert_ne!(record_id(bytes), Digest::ZERO);
    if let Some(start) = Start::of(&envelope) {
        assert_eq!(start.encode(), envelope.body);
    }
}

fn block(bytes: &[u8]) {
    let Ok(block) = Block::decode(bytes) else { return };
    assert_eq!(block.encode(), bytes);
    assert!(block.records.len() <= limits::BLOCK_RECORDS_MAX);
}

fn config(bytes: &[u8]) {
    let Ok(config) = Config::decode(bytes) else { return };
    assert_eq!(config.encode(), bytes);
    assert!(config.n() <= limits::ROSTER_MAX);
    let _ = config.check();
    let _ = config.check_first(&config.network_id());
}

fn genesis(bytes: &[u8]) {
    if let Ok(genesis) = Genesis::decode(bytes) {
        assert_eq!(genesis.encode(), bytes);
    }
}

fn app(bytes: &[u8]) {
    let Ok(app) = App::decode(bytes) else { return };
    assert_eq!(app.encode(), bytes);
    let world = quorumkeep_dkg::ids::NetworkId::ZERO;
    let _ = app.check(&world, &quorumkeep_dkg::ids::KeyId::ZERO, None);
}

fn start(bytes: &[u8]) {
    if let Ok(start) = Start::decode(bytes) {
        assert_eq!(start.encode(), bytes);
    }
}

fn announce(bytes: &[u8]) {
    let Ok(announce) = Announce::decode(bytes) else { return };
    assert_eq!(announce.encode(), bytes);
    let _ = announce.has_valid_receive_key(&Digest::ZERO, &Address::ZERO);
}

/// A deal has no encoding of its own once it is decoded: it is read once more part by part and written again.
fn deal(bytes: &[u8]) {
    let decoded = RawDeal::decode(bytes);
    assert_eq!(decoded.is_ok(), deal::body_hash(bytes).is_ok());
    let Ok(raw) = decoded else { return };
    assert_eq!(raw.core(&Digest::ZERO, &Address::ZERO), raw.core(&Digest::ZERO, &Address::ZERO));
    match deal_again(bytes) {
        Ok(again) => assert_eq!(again, bytes),
        // The owed subgroup check; encoding a point needs it.
        Err(error) => assert_eq!(error, Decode::NotInSubgroup),
    }
}

fn deal_again(bytes: &[u8]) -> Result<Vec<u8>, Decode> {
    let mut reader = Reader::tagged(bytes, tags::DKG_DEAL)?;
    let mut out = Writer::new(tags::DKG_DEAL).finish();
    point::<G1>(&mut reader, &mut out)?;
    let protocol = Protocol::from_u8(reader.u8()?)?;
    let commitments = reader.list(limits::ROSTER_MAX)?;
    out.extend(Writer::raw().u8(protocol as u8).list(commitments).finish());
    (0..commitments).try_for_each(|_| match protocol {
        Protocol::Feldman => point::<G2>(&mut reader, &mut out),
        Protocol::Pedersen => point::<G1>(&mut reader, &mut out),
    })?;
    let ciphertexts = reader.list(2 * limits::ROSTER_MAX)?;
    out.extend(Writer::raw().list(ciphertexts).finish());
    out.extend(reader.take(32 * ciphertexts)?);
    let mut writer = Proof::<G1>::read(&mut reader)?.write(Writer::raw());
    let constant = reader.u8()?;
    writer = writer.u8(constant);
    if constant == 1 {
        writer = Proof::<G2>::read(&mut reader)?.write(writer);
    }
    out.extend(writer.finish());
    reader.finish()?;
    Ok(out)
}

/// An uncompressed point, written again.
fn point<G: Group>(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Decode> {
    reader.uncompressed_point::<G>()?.check()?.append_uncompressed(out);
    Ok(())
}

/// As with a deal: its points owe their subgroup check until it is verified.
fn extract(bytes: &[u8]) {
    if Extract::decode(bytes).is_err() {
        return;
    }
    match extract_again(bytes) {
        Ok(again) => assert_eq!(again.encode(), bytes),
        Err(error) => assert_eq!(error, Decode::NotInSubgroup),
    }
}

fn extract_again(bytes: &[u8]) -> Result<PlainExtract, Decode> {
    let mut reader = Reader::tagged(bytes, tags::DKG_EXTRACT)?;
    let count = reader.list(limits::ROSTER_MAX)?;
    let points = (0..count).map(|_| reader.uncompressed_point::<G2>()?.check()).collect::<Result<_, _>>()?;
    let (hiding, plain) = (reader.point::<G1>()?.check()?, reader.point::<G2>()?.check()?);
    Ok(PlainExtract { points, proof: LinkProof { hiding, plain, u: reader.scalar()?, v: reader.scalar()? } })
}

fn reconstruct(bytes: &[u8]) {
    if let Ok(reconstruct) = Reconstruct::decode(bytes) {
        assert_eq!(reconstruct.encode(), bytes);
    }
}

fn complain(bytes: &[u8]) {
    let Ok(complain) = Complain::decode(bytes) else { return };
    let opening = complain.opening.write(Writer::raw()).finish();
    let opening = exactly(&opening).expect("48 bytes");
    assert_eq!(Complain::encode(&complain.dealer, &complain.core, &opening), bytes);
}

fn confirm(bytes: &[u8]) {
    if let Ok(confirm) = Confirm::decode(bytes) {
        assert_eq!(confirm.encode(), bytes);
    }
}

fn output(bytes: &[u8]) {
    let Ok(output) = Output::decode(bytes) else { return };
    assert_eq!(output.encode(), bytes);
    assert!(output.settle_count() >= usize::from(output.threshold().get()));
}

/// A snapshot is the node's own and is sorted when it is written, so that only what was written by the program is the same
/// again: a second time nothing changes any more.
fn ledger(bytes: &[u8]) {
    let memory = Memory::default();
    let Ok(ledger) = Ledger::restore(bytes, &memory) else { return };
    let written = ledger.snapshot();
    let again = Ledger::restore(&written, &memory).expect("what was written is read");
    assert_eq!(again.snapshot(), written);
}

fn texts(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let _ = is_socket(text);
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
    if quorumkeep_dkg::app::is_app_id(text) {
        assert!(quorumkeep_ibe::AppId::parse(text).is_ok(), "two rules for application ids");
    }
}

fn secrets(bytes: &[u8]) {
    let Some(bytes) = exactly(bytes) else { return };
    if let Ok(secrets) = RoundSecrets::from_bytes(&bytes) {
        assert_eq!(*secrets.to_bytes(), bytes);
    }
}

/// What the fuzzer's operator posts in a round, without the false complaint and the Extract: its polynomial becomes public.
fn round(world: &World, suffix: &str) -> Vec<(String, Vec<u8>)> {
    let (memory, mut ledger, mut inputs) = (Memory::default(), world.start.clone(), Vec::new());
    let mut add = |name: &str, which, bytes: &[u8]| inputs.push((format!("{name}{suffix}"), choose(which, bytes)));
    for phase in world.phases().iter().copied() {
        let own = world.culprit(phase, &ledger).expect("the operator takes part");
        let (name, decoder) = match phase {
            Phase::Announce => ("announce", 5),
            Phase::Deal => ("deal", 6),
            Phase::Complain => ("complain", 7),
            Phase::Extract => ("extract", 13),
            Phase::Reconstruct => ("reconstruct", 14),
            Phase::Confirm => ("confirm", 8),
        };
        add(name, decoder, &own.body);
        let own = Some(own.encode()).filter(|_| !matches!(phase, Phase::Complain | Phase::Extract));
        let block = world.block(&ledger, world.honest(phase, &ledger).into_iter().chain(own.clone()).collect());
        ledger.apply(&block, &memory).expect("a block");
        if phase == Phase::Announce {
            add("envelope", 0, &own.expect("an Announce"));
            let block = world.block(&ledger, Vec::new());
            add("block", 1, &block.encode());
        }
        let block = world.block(&ledger, Vec::new());
        ledger.apply(&block, &memory).expect("a block");
    }
    let active = ledger.keys()[&world.key()].versions.active.clone().expect("a version");
    add("output", 9, &active.encode());
    add("ledger", 10, &ledger.snapshot());
    inputs
}

fn inputs() -> Vec<(String, Vec<u8>)> {
    let world = World::new(Protocol::Feldman);
    let mut inputs = round(&world, "");
    inputs.extend(round(&World::new(Protocol::Pedersen), "_pedersen"));
    inputs.push(("config".to_owned(), choose(2, &world.config.encode())));
    inputs.push((
        "genesis".to_owned(),
        choose(3, &quorumkeep_dkg::config::Genesis { name: "main".into(), players_min: 3 }.encode()),
    ));
    let app = App {
        id: "billing".into(),
        epoch: 1,
        format: Format::Age,
        policy: Policy::Public,
        owner: [1; 32],
        signature: [2; 64],
        previous_signature: [0; 64],
    };
    inputs.push(("app".to_owned(), choose(4, &app.encode())));
    let start = Start { instance: Digest([1; 32]), other: Digest([2; 32]) };
    inputs.push(("start".to_owned(), choose(15, &start.encode())));
    inputs.push(("socket".to_owned(), choose(11, b"127.0.0.1:7000")));
    inputs.push(("address".to_owned(), choose(11, world.address(0).to_string().as_bytes())));
    inputs.push(("secrets".to_owned(), choose(12, &*world.secrets[0].to_bytes())));
    inputs
}

const DECODERS: [fn(&[u8]); 16] = [
    envelope,
    block,
    config,
    genesis,
    app,
    announce,
    deal,
    complain,
    confirm,
    output,
    ledger,
    texts,
    secrets,
    extract,
    reconstruct,
    start,
];

fuzz_target!(
    init: seeds::write("decode_dkg", inputs),
    |data: &[u8]| {
        let (which, bytes) = split(data);
        DECODERS[usize::from(which) % DECODERS.len()](bytes);
    }
);
