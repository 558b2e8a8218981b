//! What a custody reads from others: requests, manifests, shares, envelopes, sessions, cards and names. The first byte chooses
//! the decoder.
//!
//! What is decoded is written the same again. Nothing is believed that was not signed, no bytes are a share that were not dealt,
//! and what opens is what was sealed. Manifests and shares are looked at a second time with the signature or the checksum made
//! right, so that what comes behind those is reached, too.
#![no_main]
#![allow(missing_docs)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use quorumkeep_curves::tags;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::canonical;
use quorumkeep_custody::guardian::{Guardian, GuardianKey, Kind, Recipient};
use quorumkeep_custody::manifest::{Manifest, Plan, SignedManifest};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::{Charter, Person, Role};
use quorumkeep_custody::placement::{Claim, Side};
use quorumkeep_custody::request::{Action, By, OpenRecovery, Process, Request, SetId, Signed};
use quorumkeep_custody::scheme::Scheme;
use quorumkeep_custody::session::{Approved, Bundle, Session, State};
use quorumkeep_custody::share;
use quorumkeep_fuzz::input::split;
use quorumkeep_fuzz::seeds::{self, choose};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::from_slice;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const NOW_MS: u64 = 1_770_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;
const MESSAGE: &[u8] = b"a share";

/// A custody with one set of every kind and an open session.
struct Fixed {
    custody: Hash,
    /// By scheme.
    sets: Vec<Set>,
    bundle: Bundle,
}

/// A set and its shares, in the order of their indices.
struct Set {
    signed: SignedManifest,
    shares: Vec<Zeroizing<Vec<u8>>>,
}

fn key(byte: u8) -> GuardianKey {
    GuardianKey::from_seed(Zeroizing::new([byte; 32]))
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let person = |(text, byte, role)| Person {
            name: name(text),
            key: key(byte).signing().verify_key(),
            roles: [role].into(),
        };
        let people = [("olga", 1, Role::Operations), ("boris", 2, Role::Owner), ("sara", 3, Role::Security)];
        let service = key(9).signing().verify_key();
        let people = people.map(person).to_vec();
        let charter = Charter { version: 1, name: name("fuzz"), nonce: Hex([5; 32]), people, service };
        let custody = charter.id();
        let sets: Vec<Set> = [Scheme::Shamir, Scheme::Slip39, Scheme::Vss].map(|scheme| set(custody, scheme)).into();
        let manifest = sets[0].signed.clone();
        let bundle = Bundle { charter, history: Vec::new(), session: session(custody, &manifest.manifest), manifest };
        Fixed { custody, sets, bundle }
    })
}

fn set(custody: Hash, scheme: Scheme) -> Set {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let guardians: Vec<Guardian> = (11..=13).map(guardian).collect();
    let plan = Plan {
        custody,
        key_id: name("k1"),
        node_id: name("n1"),
        generation: 1,
        scheme,
        threshold: 2,
        guardians,
        claim: Claim { survives_shares: 1, survives_sides: [Side::Server].into(), ..Claim::default() },
        public_key: None,
        containers: Vec::new(),
        dealer: name("olga"),
        now_ms: NOW_MS,
    };
    let secret = scheme.random_key(&mut rng);
    let new = plan.deal(&secret, &key(1).signing(), &mut rng).expect("dealt");
    let manifest = &new.manifest.manifest;
    let open = |(index, sealed): (u8, &_)| open_one(manifest, index, sealed);
    let shares = (1..).zip(&new.envelopes).map(open).collect();
    Set { signed: new.manifest, shares }
}

fn open_one(manifest: &Manifest, index: u8, sealed: &quorumkeep_custody::bytes::Blob) -> Zeroizing<Vec<u8>> {
    manifest.open(index, &key(10 + index), &sealed.0).expect("it opens")
}

/// With an encryption key of secp256k1: sealing to it is deterministic here, so that the committed inputs are.
fn guardian(byte: u8) -> Guardian {
    let key = key(byte);
    let (recipient, signing) = (key.secp256k1_recipient(), key.signing().verify_key());
    Guardian {
        name: name(&format!("g-{byte}")),
        kind: if byte == 11 { Kind::Server } else { Kind::External },
        entity: name(&format!("e-{byte}")),
        recipient,
        signing,
    }
}

fn signed(custody: Hash, by: (&str, u8), action: Action) -> Signed {
    let id = Hex([by.1; 16]);
    let by_person = By::Person(name(by.0));
    let request = Request { custody, id, by: by_person, at_ms: NOW_MS, expires_ms: NOW_MS + DAY_MS, action };
    request.sign(&key(by.1).signing())
}

fn session(custody: Hash, manifest: &Manifest) -> Session {
    let process = Process { recipient: key(20).age_recipient(), signing: key(20).signing().verify_key() };
    let open = OpenRecovery {
        set: SetId { key_id: name("k1"), node_id: name("n1"), generation: 1 },
        manifest_hash: manifest.hash(),
        process,
        recipient: key(21).secp256k1_recipient(),
        lifetime_ms: DAY_MS,
        reason: "ticket 7".to_owned(),
        break_glass: false,
    };
    let request = signed(custody, ("olga", 1), Action::OpenRecovery(open));
    let id = request.request.hash();
    let approve = |by| signed(custody, by, Action::Approve { request: id, people_head: custody });
    let opened = Approved { request, approvals: vec![approve(("boris", 2)), approve(("sara", 3))] };
    let (opened_ms, expires_ms, reason) = (NOW_MS, NOW_MS + DAY_MS, String::new());
    let (submissions, reported, committed, ended) = (Vec::new(), None, None, None);
    Session { id, opened, opened_ms, expires_ms, state: State::Open, submissions, reported, committed, ended, reason }
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn request(bytes: &[u8]) {
    let Ok(signed) = Signed::decode(bytes) else { return };
    assert_eq!(canonical::to_bytes(&signed), without_newline(bytes));
    let _ = (signed.request.action.event(), signed.request.action.seats());
    if signed.is_by(&key(1).signing().verify_key()) {
        assert_eq!(signed, fixed().bundle.session.opened.request, "a forged request");
    }
}

fn manifest(bytes: &[u8]) {
    if let Ok(signed) = SignedManifest::decode(bytes) {
        assert_eq!(canonical::to_bytes(&signed), without_newline(bytes));
        assert!(fixed().sets.iter().any(|set| set.signed == signed), "a forged manifest");
    }
    // As if its dealer had signed it.
    let Ok(mut signed) = from_slice::<SignedManifest>(bytes) else { return };
    let dealer = key(1).signing();
    signed.manifest.dealer_key = dealer.verify_key();
    signed.signature = dealer.sign(tags::CUSTODY_MANIFEST, &canonical::to_bytes(&signed.manifest));
    if signed.check().is_ok() {
        let manifest = &signed.manifest;
        assert!(usize::from(manifest.threshold) <= manifest.shares.len() && manifest.threshold > 1);
        assert!(manifest.identify(bytes).is_err(), "a manifest is no share");
        let again = canonical::to_bytes(&signed);
        assert_eq!(SignedManifest::decode(&again).as_ref(), Ok(&signed));
    }
}

fn plain_share(bytes: &[u8]) {
    let set = &fixed().sets[0];
    let (place, _) = set.signed.manifest.place(1).expect("there is a first share");
    if let Ok(share) = share::decode(bytes, &place) {
        assert_eq!(share::encode(&place, &share).as_deref().map(Vec::as_slice), Some(bytes));
    }
    // With its checksum.
    let whole = [bytes, Sha256::digest(bytes).as_slice()].concat();
    if let Ok(share) = share::decode(&whole, &place) {
        assert_eq!(share::encode(&place, &share).as_deref(), Some(&whole));
        assert_eq!(share::index_of(&whole), Some(1));
    }
}

fn identify(bytes: &[u8]) {
    for set in &fixed().sets {
        for bytes in [bytes.to_vec(), [bytes, Sha256::digest(bytes).as_slice()].concat()] {
            let Ok((index, share)) = set.signed.manifest.identify(&bytes) else { continue };
            assert_eq!(set.shares.get(usize::from(index) - 1), Some(&share), "a share that was not dealt");
        }
    }
}

fn envelope(recipient: &Recipient, bytes: &[u8]) {
    if let Ok(opened) = key(11).open(recipient, bytes) {
        assert_eq!(opened.as_slice(), MESSAGE, "a forged envelope");
    }
}

fn bundle(bytes: &[u8]) {
    let fixed = fixed();
    let Ok(bundle) = from_slice::<Bundle>(bytes) else { return };
    assert!(bundle.check_committed(&fixed.custody).is_err(), "nobody approved that");
    if bundle.check(&fixed.custody, NOW_MS).is_ok() {
        let good = &fixed.bundle;
        assert_eq!((&bundle.charter, &bundle.manifest), (&good.charter, &good.manifest), "a forged bundle");
        assert_eq!(bundle.session.opened.request, good.session.opened.request, "a forged session");
    }
    // Its own custody: nothing of it is known.
    let _ = bundle.check(&bundle.charter.id(), NOW_MS);
}

fn cards(bytes: &[u8]) {
    if let Ok(guardian) = canonical::from_bytes::<Guardian>(bytes, 4096)
        && guardian.check().is_ok()
    {
        let sealed = guardian.recipient.seal(MESSAGE, &mut ChaCha20Rng::seed_from_u64(2));
        assert!(sealed.is_ok(), "a key that was checked");
    }
    if let Ok(charter) = canonical::from_bytes::<Charter>(bytes, 1 << 16) {
        let _ = charter.roster();
    }
}

fn texts(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<Name>() {
        assert!(name.as_str() == text && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    }
    if let Ok(id) = text.parse::<SetId>() {
        assert_eq!(id.to_string().parse().as_ref(), Ok(&id));
    }
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert!(recipient.is_valid());
    }
    let _ = (text.parse::<Scheme>(), text.parse::<Role>(), text.parse::<Hash>());
}

fuzz_target!(init: seeds::write("decode_custody", inputs), |data: &[u8]| {
    let (decoder, bytes) = split(data);
    match decoder % 9 {
        0 => request(bytes),
        1 => manifest(bytes),
        2 => plain_share(bytes),
        3 => identify(bytes),
        4 => envelope(&key(11).secp256k1_recipient(), bytes),
        5 => envelope(&key(11).age_recipient(), bytes),
        6 => bundle(bytes),
        7 => cards(bytes),
        _ => texts(bytes),
    }
});

fn inputs() -> Vec<(String, Vec<u8>)> {
    let fixed = fixed();
    let sealed = |recipient: Recipient| recipient.seal(MESSAGE, &mut ChaCha20Rng::seed_from_u64(3)).expect("sealed");
    let mut inputs = vec![
        ("request".to_owned(), choose(0, &canonical::to_bytes(&fixed.bundle.session.opened.request))),
        ("approval".to_owned(), choose(0, &canonical::to_bytes(&fixed.bundle.session.opened.approvals[0]))),
        ("envelope_secp256k1".to_owned(), choose(4, &sealed(key(11).secp256k1_recipient()))),
        ("envelope_age".to_owned(), choose(5, &sealed(key(11).age_recipient()))),
        ("bundle".to_owned(), choose(6, &canonical::to_bytes(&fixed.bundle))),
        ("guardian".to_owned(), choose(7, &canonical::to_bytes(&guardian(11)))),
        ("charter".to_owned(), choose(7, &canonical::to_bytes(&fixed.bundle.charter))),
        ("set_id".to_owned(), choose(8, b"k1/n1/1")),
    ];
    for (set, scheme) in fixed.sets.iter().zip(["shamir", "slip39", "vss"]) {
        let (place, _) = set.signed.manifest.place(1).expect("there is a first share");
        let plain = share::encode(&place, &set.shares[0]).expect("it is a share");
        inputs.push((format!("manifest_{scheme}"), choose(1, &canonical::to_bytes(&set.signed))));
        inputs.push((format!("bare_{scheme}"), choose(3, &set.shares[0])));
        inputs.push((format!("bound_{scheme}"), choose(3, &plain)));
        if scheme == "shamir" {
            inputs.push(("share".to_owned(), choose(2, &plain)));
            // Without its checksum, which the target adds.
            inputs.push(("share_body".to_owned(), choose(2, &plain[..plain.len() - 32])));
        }
    }
    inputs
}
