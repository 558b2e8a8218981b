use std::sync::Arc;

use quorumkeep_curves::bls::{G2, Scalar, SecretScalar};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;
use quorumkeep_dkg::config::{
    Authority, Config, Genesis, Member, Protocol, SUITE_BLS12381_G2, Windows, governed_header, sign_governed,
};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_dkg::output::Output;
use quorumkeep_sharing::{Index, Threshold};
use rand_core::OsRng;

use super::agreement::Word;
use super::error::Outcome;
use super::*;
use crate::client::board::GovernedRecord;

/// Three operators, `t = 2`.
struct World {
    keys: Vec<bn254::SecretKey>,
    file: NetworkFile,
}

impl World {
    fn new() -> Self {
        crate::tls::install_provider();
        let keys: Vec<_> = (0..3).map(|_| bn254::SecretKey::random(&mut OsRng)).collect();
        let member = |(index, key): (u16, &bn254::SecretKey)| {
            let address = Address::of(&key.public());
            let possession = key.prove_possession(&address.0);
            Member {
                index: Index::new(index).unwrap(),
                address,
                key: key.public(),
                possession,
                socket: format!("127.0.0.1:{index}"),
            }
        };
        let config = Config {
            sequence: 0,
            salt: [7; 32],
            previous: Digest::ZERO,
            threshold: Threshold::new(2, 3).unwrap(),
            protocol: Protocol::Feldman,
            suite: SUITE_BLS12381_G2,
            interval: 40,
            windows: Windows { announce: 10, deal: 10, complain: 10, confirm: 10 },
            settle_margin: 1,
            finality: 0,
            owners: Vec::new(),
            authority: Authority::Roster,
            orderer: ed25519_dalek::SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes(),
            last_index: 3,
            roster: (1..).zip(&keys).map(member).collect(),
        };
        Self { keys, file: NetworkFile::new(config, "127.0.0.1:9".to_owned(), "main") }
    }

    fn record(&self, kind: Kind, key: KeyId, body: Vec<u8>, signers: usize) -> GovernedRecord {
        let header = governed_header(self.file.network, key, kind);
        let mut envelope = Envelope { header, body, signatures: Vec::new() };
        self.keys.iter().take(signers).for_each(|key| sign_governed(&mut envelope, key));
        GovernedRecord { height: 1, record: envelope.encode() }
    }

    fn config(&self, config: &Config, signers: usize) -> GovernedRecord {
        self.record(Kind::Config, KeyId::ZERO, config.encode(), signers)
    }

    fn successor(&self, of: &Config, interval: u32) -> Config {
        Config { sequence: of.sequence + 1, previous: of.digest(), interval, ..of.clone() }
    }

    fn session(&self) -> Session {
        let governance = Governance::first(&self.file);
        let in_force = governance.newest().clone();
        let reports = Vec::new();
        let board = Session::board_of(&self.file).unwrap();
        Session { file: self.file.clone(), board, governance, in_force, reports, board_error: None }
    }

    fn address(&self, number: usize) -> Address {
        self.file.first_config.roster[number].address
    }

    fn word(&self, number: usize, output: &Arc<Output>) -> Word {
        Word { node: self.address(number), output: Arc::clone(output) }
    }

    fn answers(&self) -> Vec<Answer> {
        let answer = |number| Answer { node: self.address(number), socket: String::new(), outcome: Outcome::Good };
        (0..3).map(answer).collect()
    }
}

/// An output with this group key and these public shares, as a peer would send it.
pub(super) fn output(
    network: NetworkId,
    key: KeyId,
    round: u64,
    points: &[G2; 2],
    shares: &[(u16, Address, G2)],
) -> Arc<Output> {
    let mut writer =
        Writer::new(tags::DKG_OUTPUT).fixed(&network.0).fixed(&key.0).u64(round).u16(1).fixed(&[5; 32]).list(0).list(0);
    writer = points.iter().fold(writer.list(2), |writer, point| writer.fixed(&point.to_bytes()));
    writer = writer.list(shares.len());
    for (index, address, point) in shares {
        writer = writer.u16(*index).fixed(&address.0).fixed(&point.to_bytes());
    }
    Arc::new(Output::decode(&writer.finish()).unwrap())
}

fn point(value: u64) -> G2 {
    G2::generator().mul(&Scalar::from_u64(value))
}

fn simple(world: &World, round: u64, group_key: u64) -> Arc<Output> {
    let shares: Vec<_> =
        (0..3).map(|number| (number as u16 + 1, world.address(number), point(50 + number as u64))).collect();
    output(world.file.network, world.session().key_id("main"), round, &[point(group_key), point(9)], &shares)
}

#[test]
fn the_config_chain_is_folded_and_what_does_not_fit_is_left_out() {
    let world = World::new();
    let first = world.file.first_config.clone();
    let second = world.successor(&first, 50);
    let forked = world.successor(&first, 60);
    let third = world.successor(&second, 70);
    let key = KeyId::derive(&world.file.network, "main");
    let genesis = Genesis { name: "main".to_owned(), players_min: 3 }.encode();
    let records = [
        world.config(&third, 3), // before its predecessor
        world.config(&first, 1), // too few signatures
        world.config(&first, 2),
        world.record(Kind::Genesis, key, genesis.clone(), 1), // too few signatures
        world.config(&second, 1),                             // too few signatures
        world.config(&second, 2),
        world.config(&forked, 3),
        GovernedRecord { height: 1, record: vec![1, 2, 3] },
    ];
    let folded = Governance::fold(&world.file, &records[..2]).unwrap();
    assert!(!folded.is_posted());
    let folded = Governance::fold(&world.file, &records).unwrap();
    assert!(folded.is_posted() && !folded.has_key(&key));
    assert_eq!(folded.newest().digest(), second.digest(), "a fork does not replace what came first");
    assert!(folded.by_digest(&forked.digest()).is_some(), "but the nodes may say that it is in force");
    assert!(folded.by_digest(&third.digest()).is_none());
    let with_key = Governance::fold(&world.file, &[world.record(Kind::Genesis, key, genesis, 2)]).unwrap();
    assert!(with_key.has_key(&key));
}

#[test]
fn r11_a_group_key_needs_t_operators_and_a_liar_is_named() {
    let world = World::new();
    let session = world.session();
    let (old, new, lie) = (simple(&world, 40, 7), simple(&world, 80, 7), simple(&world, 120, 8));
    let weigh = |words: &[Word]| session.weigh("main", words, world.answers());

    let agreed =
        weigh(&[world.word(0, &new), world.word(1, &old), world.word(2, &lie)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((*agreed.group_key(), agreed.output.id()), (point(7), new.id()), "two versions, one key: the later one");
    assert!(matches!(agreed.answers[2].outcome, Outcome::Bad(_)));
    assert_eq!(agreed.signers, vec![world.address(0), world.address(1)]);

    let alone = weigh(&[world.word(0, &new), world.word(1, &lie)]);
    assert!(matches!(alone, Err(SessionError::NoAgreement { found: 1, needed: 2, .. })));
    assert!(matches!(weigh(&[]), Err(SessionError::NoAgreement { found: 0, .. })));
}

#[test]
fn r11_another_group_key_than_the_pinned_one_is_an_alarm() {
    let world = World::new();
    let mut session = world.session();
    session.file.pin("main", &point(7)).unwrap();
    let (same, other) = (simple(&world, 40, 7), simple(&world, 40, 8));
    assert!(session.weigh("main", &[world.word(0, &same), world.word(1, &same)], world.answers()).is_ok());
    let changed = session.weigh("main", &[world.word(0, &other), world.word(1, &other)], world.answers());
    let Err(SessionError::GroupKeyChanged { operators, .. }) = changed else { panic!("no alarm") };
    assert_eq!(operators, vec![world.address(0), world.address(1)]);
    // One operator alone cannot stop a client whose key is pinned.
    let words = [world.word(0, &same), world.word(1, &same), world.word(2, &other)];
    assert!(session.weigh("main", &words, world.answers()).is_ok());
}

#[test]
fn r11_no_key_is_pinned_while_the_board_is_not_read() {
    let world = World::new();
    let mut session = world.session();
    let error = crate::client::Error::Timeout { socket: "127.0.0.1:9".into(), what: "connection" };
    session.board_error = Some(error);
    let seen = simple(&world, 40, 7);
    let weigh =
        |session: &Session| session.weigh("main", &[world.word(0, &seen), world.word(1, &seen)], world.answers());
    assert!(matches!(weigh(&session), Err(SessionError::BoardNeeded { .. })));
    session.file.pin("main", &point(7)).unwrap();
    assert!(weigh(&session).is_ok(), "what is pinned needs no board");
}

#[tokio::test]
async fn r6_a_newer_configuration_than_the_board_shows_ends_it() {
    let world = World::new();
    let mut session = world.session();
    let report = |place: usize| {
        let node = NodeClient::new(&world.file.network, &world.file.first_config.roster[place]).unwrap();
        let status: quorumkeep_node::status::Status = serde_json::from_value(serde_json::json!({
            "network": world.file.network, "address": node.address, "height": 9, "head": Digest::ZERO,
            "config": Digest([1; 32]), "config_sequence": 1, "threshold": 2, "operators": [], "keys": [], "apps": [],
            "ready": true, "suspended": null, "halted": false,
        }))
        .unwrap();
        NodeReport { node, result: Ok(status) }
    };
    session.reports = vec![report(0)];
    assert!(session.check_governance().is_ok(), "one may lie");
    session.reports = vec![report(0), report(1)];
    let Err(SessionError::StaleGovernance { reported: 1, known: 0, .. }) = session.check_governance() else {
        panic!("not noticed")
    };
    let next = world.successor(&world.file.first_config, 50);
    session.governance = Governance::fold(&world.file, &[world.config(&next, 2)]).unwrap();
    assert!(session.check_governance().is_ok());
}

#[test]
fn an_application_is_what_t_nodes_say() {
    use quorumkeep_ibe::AppId;
    use quorumkeep_node::status::AppStatus;

    let world = World::new();
    let (session, app) = (world.session(), AppId::parse("billing").unwrap());
    let word = |epoch| {
        let (key, id) = (session.key_id("main"), "billing".to_owned());
        Some(AppStatus { key, id, epoch, format: "age".to_owned(), policy: "public".to_owned() })
    };
    let weigh = |seen: &[Option<AppStatus>]| session.weigh_application("main", &app, seen, world.answers());
    assert_eq!(weigh(&[word(2), word(1), word(2)]).unwrap().identity.epoch, 2);
    assert!(matches!(weigh(&[None, word(1), None]), Err(SessionError::UnknownApp { .. })));
    assert!(matches!(weigh(&[None, word(1), word(2)]), Err(SessionError::AppUnclear { found: 1, needed: 2, .. })));
    assert!(matches!(weigh(&[word(1)]), Err(SessionError::TooFewNodes { found: 1, needed: 2, .. })));
}

mod answers {
    use quorumkeep_dkg::app::Policy;
    use quorumkeep_ibe::{AppId, AppIdentity, Format, sign_partial};
    use quorumkeep_node::serving::partial_hash;

    use super::super::partials::Ask;
    use super::*;
    use crate::node_api::PartialAnswer;

    /// One node's correct answer and everything to check it with.
    fn answer(world: &World) -> (Ask, NodeClient, PartialAnswer) {
        let member = &world.file.first_config.roster[0];
        let node = NodeClient::new(&world.file.network, member).unwrap();
        let share = SecretScalar::random(&mut OsRng);
        let key = KeyId::derive(&world.file.network, "main");
        let shares =
            [(1, world.address(0), share.mul_g2()), (2, world.address(1), point(5)), (3, world.address(2), point(6))];
        let output = output(world.file.network, key, 40, &[point(7), point(9)], &shares);
        let identity = AppIdentity {
            network: world.file.network.0,
            key_id: key.0,
            app_id: AppId::parse("billing").unwrap(),
            epoch: 0,
        };
        let q = identity.q(Format::Age);
        let partial = sign_partial(&share, &q).expose();
        let hash = partial_hash(&world.file.network, &key, &output.id(), (&identity, Format::Age), &partial);
        let answer = PartialAnswer {
            version: output.id(),
            index: 1,
            node: node.address,
            partial: hex::encode(*partial),
            signature: hex::encode(world.keys[0].sign(&hash).to_bytes()),
        };
        let application = Application { identity, format: Format::Age, policy: Policy::Public };
        (Ask { network: world.file.network, output, application, q, owner: None }, node, answer)
    }

    #[test]
    fn a_partial_is_taken_only_if_its_signature_and_its_equation_hold() {
        let world = World::new();
        let (ask, node, good) = answer(&world);
        let share = ask.output.shares()[0];
        let read = |answer: &PartialAnswer| ask.read(answer.clone(), &node, &share).map(drop);
        assert!(read(&good).is_ok());
        let wrong = |change: &dyn Fn(&mut PartialAnswer)| {
            let mut answer = good.clone();
            change(&mut answer);
            match read(&answer).unwrap_err() {
                Outcome::Bad(what) => what,
                Outcome::Signed(signed) if signed.node == node.address => "signed",
                other => panic!("{other:?}"),
            }
        };
        assert!(wrong(&|answer| answer.index = 2).contains("another node"));
        assert!(wrong(&|answer| answer.node = world.address(1)).contains("another node"));
        assert!(wrong(&|answer| answer.partial.truncate(94)).contains("malformed"));
        assert!(wrong(&|answer| answer.signature.replace_range(..2, "00")).contains("signature"));
        // A wrong partial under a right signature: evidence against its signer.
        let forged = sign_partial(&SecretScalar::random(&mut OsRng), &ask.q).expose();
        let application = (&ask.application.identity, Format::Age);
        let hash = partial_hash(&ask.network, ask.output.key(), &ask.output.id(), application, &forged);
        let signature = hex::encode(world.keys[0].sign(&hash).to_bytes());
        let error = wrong(&|answer| {
            answer.partial = hex::encode(*forged);
            answer.signature.clone_from(&signature);
        });
        assert_eq!(error, "signed");
    }
}
