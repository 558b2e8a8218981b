//! The life of a custody in memory.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use zeroize::Zeroizing;

use super::*;
use crate::bytes::Hex;
use crate::delivery::{ATTEMPTS_MAX, LIFETIME_MS, Receipt, State as DeliveryState};
use crate::guardian::{GuardianKey, Kind};
use crate::manifest::Plan;
use crate::people::tests::{key, people, person};
use crate::placement::{Claim, Side};
use crate::records::Memory;
use crate::request::{Findings, OpenRecovery, Process, Recognised, Recovered, Request, SealedOutput, SetId};
use crate::scheme::Scheme;
use crate::session::{Bundle, Error as SessionError, State, Verdict};
use crate::testing::{guardian, guardian_key};
use crate::view::View;

const NAMES: [(&str, Kind, &str); 5] = [
    ("server-1", Kind::Server, "us"),
    ("server-2", Kind::Server, "us"),
    ("client-1", Kind::External, "client"),
    ("bank-1", Kind::External, "bank"),
    ("vault-1", Kind::Paper, "vault"),
];

mod limits;

struct World {
    memory: Memory,
    custody: Hash,
    service: SignKey,
    rng: ChaCha20Rng,
    now_ms: u64,
    entries: Vec<Entry>,
}

impl World {
    fn new() -> Self {
        let service = key("service");
        let name = "test".parse().unwrap();
        let charter =
            Charter { version: 1, name, nonce: Hex([1; 32]), people: people(), service: service.verify_key() };
        let (writes, entries) = found(&charter, 1).unwrap();
        let mut memory = Memory::default();
        memory.commit(writes);
        Self { memory, custody: charter.id(), service, rng: ChaCha20Rng::seed_from_u64(1), now_ms: 1_000_000, entries }
    }

    /// With a session to which enough shares were submitted.
    fn recovering() -> (Self, SetId, Hash) {
        let mut world = Self::with_guardians();
        let set = world.create(1, &[5; 32]);
        let open = world.open_action(&set, false);
        let session = world.approved("olga", open, &["boris", "sara"]);
        for index in [2, 3, 5] {
            world.submit(session, &set, index).unwrap();
        }
        (world, set, session)
    }

    fn with_guardians() -> Self {
        let mut world = Self::new();
        for (name, kind, entity) in NAMES {
            world.approved("olga", Action::AddGuardian(guardian(name, kind, entity)), &["sara"]);
        }
        world
    }

    fn request(&mut self, by: By, action: Action) -> Request {
        let mut id = Hex([0; 16]);
        self.rng.fill_bytes(&mut id.0);
        let (at_ms, expires_ms) = (self.now_ms, self.now_ms + 3_600_000);
        Request { custody: self.custody, id, by, at_ms, expires_ms, action }
    }

    fn sign(&mut self, by: By, action: Action) -> Signed {
        let signing = match &by {
            By::Person(name) => key(name.as_str()),
            By::Guardian(name) => guardian_key(name.as_str()).signing(),
            By::Process(_) => process_key().signing(),
        };
        self.request(by, action).sign(&signing)
    }

    fn handle(&mut self, signed: &Signed) -> Result<Answer, Refusal> {
        let keeper = Keeper { custody: self.custody, service: &self.service };
        let decision = keeper.handle(&self.memory, signed, self.now_ms).unwrap();
        if decision.answer.is_err() {
            let remembered = |(table, _): &(Table, String)| *table >= Table::Pending;
            assert!(decision.writes.keys().all(remembered), "what is refused changes nothing");
        }
        assert!(decision.writes.is_empty() || !decision.entries.is_empty(), "what is done is recorded");
        self.memory.commit(decision.writes);
        self.entries.extend(decision.entries.into_iter().map(fitting));
        decision.answer
    }

    fn person(&mut self, name: &str, action: Action) -> Result<Answer, Refusal> {
        let signed = self.sign(By::Person(name.parse().unwrap()), action);
        self.handle(&signed)
    }

    fn guardian(&mut self, name: &str, action: Action) -> Result<Answer, Refusal> {
        let signed = self.sign(By::Guardian(name.parse().unwrap()), action);
        self.handle(&signed)
    }

    fn approve_action(&self, request: Hash) -> Action {
        let people_head = crate::session::head(&self.custody, &View::new(&self.memory).history().unwrap());
        Action::Approve { request, people_head }
    }

    fn approve(&mut self, name: &str, request: Hash) -> Result<Answer, Refusal> {
        let approve = self.approve_action(request);
        self.person(name, approve)
    }

    /// Asks, and has these people approve: the hash of the request.
    fn approved(&mut self, name: &str, action: Action, by: &[&str]) -> Hash {
        let Ok(Answer::Waiting { request, .. }) = self.person(name, action) else { panic!("it does not wait") };
        let last = by.iter().map(|name| self.approve(name, request).unwrap()).last();
        assert_eq!(last, Some(Answer::CarriedOut { request }));
        request
    }

    fn plan(&self, generation: u32) -> Plan {
        Plan {
            custody: self.custody,
            key_id: "k1".parse().unwrap(),
            node_id: "n1".parse().unwrap(),
            generation,
            scheme: Scheme::Shamir,
            threshold: 3,
            guardians: NAMES.iter().map(|(name, kind, entity)| guardian(name, *kind, entity)).collect(),
            claim: Claim { survives_shares: 2, survives_sides: [Side::Server].into(), ..Claim::default() },
            public_key: None,
            containers: Vec::new(),
            dealer: "olga".parse().unwrap(),
            now_ms: self.now_ms,
        }
    }

    fn create(&mut self, generation: u32, secret: &[u8]) -> SetId {
        let new = self.plan(generation).deal(secret, &key("olga"), &mut self.rng).unwrap();
        let id = id_of(&new.manifest.manifest);
        let action = Action::CreateSet { manifest: new.manifest, envelopes: new.envelopes };
        assert_eq!(self.person("olga", action), Ok(Answer::Done));
        id
    }

    fn deliver(&mut self, set: &SetId, index: u8) -> Result<Delivered, Refusal> {
        let (name, ..) = NAMES[usize::from(index) - 1];
        match self.guardian(name, Action::Deliver { set: set.clone(), index })? {
            Answer::Envelope(delivered) => Ok(*delivered),
            other => panic!("{other:?}"),
        }
    }

    fn confirm(&mut self, set: &SetId, index: u8) -> Result<Answer, Refusal> {
        let (name, ..) = NAMES[usize::from(index) - 1];
        let delivered = self.deliver(set, index)?;
        let manifest = &delivered.manifest.manifest;
        manifest.open(index, &guardian_key(name), &delivered.envelope.0).unwrap();
        let receipt = Receipt::of(manifest, manifest.entry(index).unwrap()).sign(&guardian_key(name).signing());
        self.guardian(name, Action::Confirm { set: set.clone(), index, receipt })
    }

    fn states(&self, set: &SetId) -> Vec<DeliveryState> {
        let sets = View::new(&self.memory).sets(&set.record(), self.now_ms).unwrap();
        sets[0].shares.iter().map(|share| share.state).collect()
    }

    fn open_action(&self, set: &SetId, break_glass: bool) -> Action {
        let manifest_hash = View::new(&self.memory).manifest(set).unwrap().unwrap().manifest.hash();
        let process = process_key();
        Action::OpenRecovery(OpenRecovery {
            set: set.clone(),
            manifest_hash,
            process: Process { recipient: process.age_recipient(), signing: process.signing().verify_key() },
            recipient: guardian_key("recipient").age_recipient(),
            lifetime_ms: 3_600_000,
            reason: "ticket 7: the node is gone".into(),
            break_glass,
        })
    }

    fn submit(&mut self, session: Hash, set: &SetId, index: u8) -> Result<Answer, Refusal> {
        let (name, ..) = NAMES[usize::from(index) - 1];
        let sealed = self.sealed_share(session, set, index);
        self.guardian(name, Action::SubmitShare { session, index, sealed })
    }

    /// A share for a session that may be gone.
    fn submit_again(&mut self, session: Hash) -> Result<Answer, Refusal> {
        self.guardian("client-1", Action::SubmitShare { session, index: 3, sealed: Blob(vec![1]) })
    }

    fn sealed_share(&mut self, session: Hash, set: &SetId, index: u8) -> Blob {
        let (name, ..) = NAMES[usize::from(index) - 1];
        let (manifest, envelope) = {
            let view = View::new(&self.memory);
            (view.manifest(set).unwrap().unwrap().manifest, view.envelope(set, index).unwrap().unwrap())
        };
        let share = manifest.open(index, &guardian_key(name), &envelope.0).unwrap();
        let plain = crate::share::encode(&manifest.place(index).unwrap().0, &share).unwrap();
        let plain = self.bundle(session).session.wrap(plain);
        Blob(process_key().age_recipient().seal(&plain, &mut self.rng).unwrap())
    }

    fn change(&self, add: Vec<crate::people::Person>, remove: &[&str]) -> Action {
        let after = crate::session::head(&self.custody, &View::new(&self.memory).history().unwrap());
        Action::ChangePeople { after, add, remove: remove.iter().map(|name| name.parse().unwrap()).collect() }
    }

    fn bundle(&self, session: Hash) -> Bundle {
        View::new(&self.memory).bundle(&session).unwrap().unwrap()
    }

    /// What the process of a session gets.
    fn collect(&mut self, session: Hash) -> Result<Vec<Submission>, Refusal> {
        let signed = self.sign(By::Process(session), Action::Collect { session });
        match self.handle(&signed)? {
            Answer::Shares(shares) => Ok(shares),
            other => panic!("{other:?}"),
        }
    }

    fn report(&mut self, session: Hash, good: &[u8], bad: &[u8], recognised: bool) -> Result<Answer, Refusal> {
        let bad = bad.iter().map(|index| (*index, "wrong".to_owned())).collect();
        let sealed = SealedOutput { name: "secret".parse().unwrap(), bytes: 7, sha256: Hex([7; 32]) };
        let recovered = recognised.then(|| Recovered { recognised: [Recognised::Key].into(), outputs: vec![sealed] });
        self.find(Findings { session, good: good.to_vec(), bad, recovered })
    }

    fn find(&mut self, findings: Findings) -> Result<Answer, Refusal> {
        let signed = self.sign(By::Process(findings.session), Action::Report(findings));
        self.handle(&signed)
    }

    /// A commit of what the process found last.
    fn commit_action(&self, session: Hash) -> Action {
        Action::CommitRecovery { findings: self.bundle(session).session.findings().unwrap().clone() }
    }
}

fn process_key() -> GuardianKey {
    GuardianKey::from_seed(Zeroizing::new([0x77; 32]))
}

#[test]
fn a_set_is_delivered_confirmed_and_recovered() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    for index in 1..=5 {
        assert_eq!(world.confirm(&set, index), Ok(Answer::Done));
    }
    let view = View::new(&world.memory).sets("", world.now_ms).unwrap();
    assert!(view[0].active && view[0].recoverable);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    for index in [2, 3, 5] {
        assert_eq!(world.submit(session, &set, index), Ok(Answer::Done));
    }
    let bundle = world.bundle(session);
    bundle.check(&world.custody, world.now_ms).unwrap();
    let manifest = &bundle.manifest.manifest;
    let process = process_key();
    let submissions = world.collect(session).unwrap();
    let shares: Vec<_> = submissions
        .iter()
        .map(|submission| process.open(&process.age_recipient(), &submission.sealed.0).unwrap())
        .map(|plain| manifest.identify(bundle.session.unwrap(&plain).unwrap()).unwrap())
        .collect();
    let shares: Vec<(u8, &[u8])> = shares.iter().map(|(index, share)| (*index, share.as_slice())).collect();
    assert_eq!(**manifest.recover(&shares).unwrap(), [5; 32]);
    assert_eq!(world.report(session, &[2, 3, 5], &[], true), Ok(Answer::Done));
    assert_eq!(world.bundle(session).check_committed(&world.custody).unwrap_err(), SessionError::NotCommitted);
    let commit = world.commit_action(session);
    world.approved("olga", commit, &["sara", "boris"]);
    let bundle = world.bundle(session);
    bundle.check_committed(&world.custody).unwrap();
    let done = world.sign(By::Process(session), Action::Complete { session });
    assert_eq!(world.handle(&done), Ok(Answer::Done));
    assert_eq!(world.bundle(session).session.state, State::Completed);
    assert!(world.bundle(session).session.submissions.iter().all(|submission| submission.sealed.0.is_empty()));
    let events: Vec<&str> = world.entries.iter().map(|entry| entry.event.as_str()).collect();
    for event in ["backup.create", "backup.deliver", "backup.confirm", "recovery.open", "recovery.submit"] {
        assert!(events.contains(&event), "{event}");
    }
    let opened = world.entries.iter().find(|entry| entry.event == "recovery.open").unwrap();
    assert_eq!(opened.approvers, ["person:boris", "person:sara"]);
    assert!(opened.to_bytes().is_ok());
}

#[test]
fn p8_approvals_count_people_for_one_hash() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request, .. }) = world.person("both", open.clone()) else { panic!() };
    assert!(matches!(world.approve("both", request), Err(Refusal::SelfApproval(_))));
    assert!(matches!(world.approve("cora", request), Err(Refusal::Role(..))));
    assert!(matches!(world.approve("boris", request), Ok(Answer::Waiting { .. })));
    assert!(matches!(world.approve("boris", request), Err(Refusal::ApprovedAlready(_))));
    // Another request for the same, even with one field changed, has no approvals.
    let Ok(Answer::Waiting { request: other, approvals }) = world.person("both", open) else { panic!() };
    assert!(other != request && approvals.is_empty());
    assert_eq!(world.approve("sara", request), Ok(Answer::CarriedOut { request }));
    assert!(matches!(world.approve("sara", request), Err(Refusal::Decided(_))));
    // The other one is for a secret that has a session now.
    assert!(matches!(world.approve("sara", other), Ok(Answer::Waiting { .. })));
    assert!(matches!(world.approve("boris", other), Err(Refusal::SessionOpen(_))));
}

#[test]
fn p8_who_left_has_not_approved() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", open) else { panic!() };
    world.approve("boris", request).unwrap();
    // The owner who approved is replaced by another one.
    let change = world.change(vec![person("bella", &[Role::Owner])], &["boris"]);
    world.approved("olga", change, &["both", "sara"]);
    assert!(matches!(world.approve("sara", request), Ok(Answer::Waiting { .. })), "his approval is gone");
    assert_eq!(world.approve("bella", request), Ok(Answer::CarriedOut { request }));
    world.bundle(request).check(&world.custody, world.now_ms).unwrap();
    // And a session whose approver leaves afterwards is approved no more.
    let change = world.change(Vec::new(), &["bella"]);
    world.approved("olga", change, &["both", "sara"]);
    let bundle = world.bundle(request);
    assert_eq!(bundle.check(&world.custody, world.now_ms).unwrap_err(), SessionError::NotApproved);
}

#[test]
fn p8_requests_expire_and_are_rejected() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", open.clone()) else { panic!() };
    world.approve("boris", request).unwrap();
    world.now_ms += 3_600_001;
    assert_eq!(world.approve("sara", request), Err(Refusal::Decided("expired")));
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", open) else { panic!() };
    let reject = |reason: &str| Action::Reject { request, reason: reason.into() };
    assert!(matches!(world.person("cora", reject("no")), Err(Refusal::Role(..))));
    assert!(matches!(world.person("sara", reject("")), Err(Refusal::Text(_))));
    assert_eq!(world.person("sara", reject("not today")), Ok(Answer::Done));
    assert_eq!(world.approve("boris", request), Err(Refusal::Decided("rejected")));
}

#[test]
fn p11_a_repeated_request_gets_the_first_answer_and_another_body_a_refusal() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let by = By::Guardian("client-1".parse().unwrap());
    let signed = world.sign(by.clone(), Action::Deliver { set: set.clone(), index: 3 });
    let first = world.handle(&signed).unwrap();
    world.now_ms += 1000;
    assert_eq!(world.handle(&signed).unwrap(), first);
    let sets = View::new(&world.memory).sets("", world.now_ms).unwrap();
    assert_eq!(sets[0].shares[2].attempts, 1, "handed out again, and sent once");
    let retry = world.sign(By::Person("olga".parse().unwrap()), Action::RetryDelivery { set: set.clone(), index: 4 });
    assert_eq!(world.handle(&retry), Ok(Answer::Done));
    let entries = world.entries.len();
    assert_eq!(world.handle(&retry), Ok(Answer::Done));
    assert_eq!(world.entries.len(), entries, "nothing was done twice");
    let mut other = signed.request.clone();
    other.action = Action::ReportFailure { set, index: 3, reason: "x".into() };
    let other = other.sign(&guardian_key("client-1").signing());
    assert_eq!(world.handle(&other), Err(Refusal::Conflict));
}

#[test]
fn strangers_and_forged_requests_are_refused_and_leave_no_entry() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let entries = world.entries.len();
    let action = Action::Deliver { set: set.clone(), index: 3 };
    let by = |name: &str| By::Guardian(name.parse().unwrap());
    let forged = world.request(by("client-1"), action.clone()).sign(&guardian_key("bank-1").signing());
    assert!(matches!(world.handle(&forged), Err(Refusal::Signature(_))));
    assert!(matches!(world.guardian("nobody", action.clone()), Err(Refusal::Requester(_))));
    let mut foreign = world.request(by("client-1"), action.clone());
    foreign.custody = Hex([9; 32]);
    assert_eq!(world.handle(&foreign.sign(&guardian_key("client-1").signing())), Err(Refusal::Custody));
    let mut late = world.request(by("client-1"), action.clone());
    late.expires_ms = world.now_ms - 1;
    assert_eq!(world.handle(&late.sign(&guardian_key("client-1").signing())), Err(Refusal::Expired));
    let mut early = world.request(by("client-1"), action.clone());
    (early.at_ms, early.expires_ms) = (world.now_ms + 600_000, world.now_ms + 700_000);
    assert_eq!(world.handle(&early.sign(&guardian_key("client-1").signing())), Err(Refusal::Future));
    let mut long = world.request(by("client-1"), action.clone());
    long.expires_ms += LIFETIME_MS_MAX;
    assert_eq!(world.handle(&long.sign(&guardian_key("client-1").signing())), Err(Refusal::Lifetime));
    assert_eq!(world.entries.len(), entries);
    // Somebody else's share: he is known, so that it is recorded.
    assert!(matches!(world.guardian("bank-1", action), Err(Refusal::NotYours(..))));
    let last = world.entries.last().unwrap();
    assert_eq!((last.result, last.reason.as_deref()), (Outcome::Refused, Some("share_not_yours")));
}

#[test]
fn delivery_walks_its_states() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    assert_eq!(world.states(&set), [DeliveryState::Pending; 5]);
    let receipt = Hex([0; 64]);
    let confirm = |index| Action::Confirm { set: set.clone(), index, receipt };
    assert!(matches!(world.guardian("client-1", confirm(3)), Err(Refusal::Delivery(_))), "a made-up receipt");
    let first = world.deliver(&set, 3).unwrap();
    assert!(first.voucher.is_signed(&world.service.verify_key(), &first.signature));
    let again = world.deliver(&set, 3).unwrap();
    assert_eq!(first, again, "the same bytes and the same voucher");
    // No receipt within a day.
    world.now_ms += LIFETIME_MS + 1;
    assert_eq!(world.states(&set)[2], DeliveryState::Failed);
    for attempt in 2..=ATTEMPTS_MAX {
        world.deliver(&set, 3).unwrap();
        let failed = Action::ReportFailure { set: set.clone(), index: 3, reason: format!("attempt {attempt}") };
        world.guardian("client-1", failed).unwrap();
    }
    assert!(matches!(world.deliver(&set, 3), Err(Refusal::Delivery(crate::delivery::Error::Attempts))));
    let retry = Action::RetryDelivery { set: set.clone(), index: 3 };
    assert!(matches!(world.person("boris", retry.clone()), Err(Refusal::Role(..))));
    world.person("olga", retry).unwrap();
    assert_eq!(world.confirm(&set, 3), Ok(Answer::Done));
    assert_eq!(world.states(&set)[2], DeliveryState::Confirmed);
    assert_eq!(world.confirm(&set, 3), Ok(Answer::Done), "a repeated receipt changes nothing");
    let failed = Action::ReportFailure { set, index: 3, reason: "x".into() };
    assert!(matches!(world.guardian("client-1", failed), Err(Refusal::Delivery(_))));
}

#[test]
fn b2_generations_cannot_be_mixed() {
    let mut world = World::with_guardians();
    let one = world.create(1, &[5; 32]);
    let plan = world.plan(1).deal(&[6; 32], &key("olga"), &mut world.rng).unwrap();
    let action = Action::CreateSet { manifest: plan.manifest, envelopes: plan.envelopes };
    assert_eq!(world.person("olga", action), Err(Refusal::Generation(2)));
    let two = world.create(2, &[6; 32]);
    let view = View::new(&world.memory);
    let (old, new) = (view.manifest(&one).unwrap().unwrap(), view.manifest(&two).unwrap().unwrap());
    let envelope = view.envelope(&one, 3).unwrap().unwrap();
    let share = old.manifest.open(3, &guardian_key("client-1"), &envelope.0).unwrap();
    let plain = crate::share::encode(&old.manifest.place(3).unwrap().0, &share).unwrap();
    let fault = new.manifest.identify(&plain).unwrap_err();
    assert_eq!(fault.to_string(), "this share is of generation 1");
    assert_eq!(new.manifest.identify(&share).unwrap_err(), crate::manifest::ShareFault::Commitment);
    let wrong = new.manifest.open(3, &guardian_key("client-1"), &envelope.0).unwrap_err();
    assert_eq!(wrong, crate::manifest::ShareFault::Envelope);
}

#[test]
fn sets_that_lie_are_refused() {
    let mut world = World::with_guardians();
    let refused = |world: &mut World, change: &dyn Fn(&mut SignedManifest, &mut Vec<Blob>)| {
        let new = world.plan(1).deal(&[5; 32], &key("olga"), &mut world.rng).unwrap();
        let (mut manifest, mut envelopes) = (new.manifest, new.envelopes);
        change(&mut manifest, &mut envelopes);
        // Signed again, so that only the lie is wrong.
        manifest.signature = key("olga")
            .sign(quorumkeep_curves::tags::CUSTODY_MANIFEST, &crate::canonical::to_bytes(&manifest.manifest));
        world.person("olga", Action::CreateSet { manifest, envelopes }).unwrap_err().code()
    };
    assert_eq!(refused(&mut world, &|manifest, _| manifest.manifest.claim.survives_shares = 3), "placement_refused");
    assert_eq!(refused(&mut world, &|manifest, _| manifest.manifest.threshold = 1), "manifest_invalid");
    assert_eq!(
        refused(&mut world, &|manifest, _| manifest.manifest.dealer = "boris".parse().unwrap()),
        "manifest_invalid"
    );
    assert_eq!(refused(&mut world, &|manifest, _| manifest.manifest.custody = Hex([0; 32])), "manifest_invalid");
    assert_eq!(refused(&mut world, &|_, envelopes| drop(envelopes.pop())), "envelope_mismatch");
    assert_eq!(refused(&mut world, &|_, envelopes| envelopes.swap(0, 1)), "envelope_mismatch");
    assert_eq!(refused(&mut world, &|_, envelopes| envelopes.push(Blob(vec![1]))), "envelope_mismatch");
    let other_key = guardian("other", Kind::External, "bank");
    let replace = |manifest: &mut SignedManifest, _: &mut Vec<Blob>| {
        manifest.manifest.shares[3].guardian.recipient = other_key.recipient.clone();
    };
    assert_eq!(refused(&mut world, &replace), "guardian_differs");
    let unsigned = world.plan(1).deal(&[5; 32], &key("boris"), &mut world.rng).unwrap();
    let action = Action::CreateSet { manifest: unsigned.manifest, envelopes: unsigned.envelopes };
    assert_eq!(world.person("olga", action).unwrap_err().code(), "manifest_invalid");
}

#[test]
fn a_bad_submission_is_named_and_may_be_given_again() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, true);
    let session = world.approved("olga", open, &["boris"]);
    assert!(world.entries.iter().any(|entry| entry.event == "recovery.break_glass"), "it is loud");
    assert!(View::new(&world.memory).overview("", world.now_ms).unwrap().sessions[0].break_glass);
    let garbage = Action::SubmitShare { session, index: 3, sealed: Blob(vec![1]) };
    world.guardian("client-1", garbage).unwrap();
    assert_eq!(world.submit(session, &set, 3), Err(Refusal::Submitted(3)));
    let foreign = Action::SubmitShare { session, index: 4, sealed: Blob(vec![1]) };
    assert!(matches!(world.guardian("client-1", foreign), Err(Refusal::NotYours(..))));
    assert!(matches!(world.report(Hex([3; 32]), &[], &[3], false), Err(Refusal::Requester(_))));
    world.report(session, &[], &[3], false).unwrap();
    let verdicts: Vec<Verdict> =
        world.bundle(session).session.submissions.into_iter().map(|submission| submission.verdict).collect();
    assert_eq!(verdicts, [Verdict::Bad("wrong".into())]);
    assert_eq!(world.submit(session, &set, 3), Ok(Answer::Done));
    // Not recognised: nothing to commit.
    let commit = world.commit_action(session);
    assert_eq!(world.person("olga", commit), Err(Refusal::SessionState("open")));
    world.now_ms += 3_600_001;
    assert_eq!(world.submit(session, &set, 4), Err(Refusal::SessionState("expired")));
}

#[test]
fn a_session_can_be_ended_by_those_who_may() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let abort = Action::AbortRecovery { session, reason: "false alarm".into() };
    assert!(matches!(world.person("cora", abort.clone()), Err(Refusal::Role(..))));
    assert!(matches!(world.guardian("client-1", abort.clone()), Err(Refusal::Requester(_))));
    assert_eq!(world.person("sara", abort), Ok(Answer::Done));
    assert_eq!(world.submit(session, &set, 3), Err(Refusal::SessionState("aborted")));
    assert!(matches!(
        world.bundle(session).check(&world.custody, world.now_ms),
        Err(SessionError::State(State::Aborted))
    ));
}

#[test]
fn a_forged_bundle_is_not_believed() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let good = world.bundle(session);
    let fails = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        bundle.check(&world.custody, world.now_ms).unwrap_err()
    };
    assert_eq!(fails(&|bundle| bundle.charter.nonce = Hex([0; 32])), SessionError::Charter);
    assert_eq!(fails(&|bundle| drop(bundle.session.opened.approvals.pop())), SessionError::NotApproved);
    assert_eq!(
        fails(&|bundle| bundle.session.opened.approvals[1] = bundle.session.opened.approvals[0].clone()),
        SessionError::NotApproved
    );
    assert_eq!(fails(&|bundle| bundle.session.id = Hex([0; 32])), SessionError::NotApproved);
    let thief = guardian_key("thief").age_recipient();
    let replace = |bundle: &mut Bundle| {
        if let Action::OpenRecovery(open) = &mut bundle.session.opened.request.request.action {
            open.process.recipient = thief.clone();
        }
    };
    assert_eq!(fails(&replace), SessionError::NotApproved);
    assert_eq!(fails(&|bundle| bundle.manifest.manifest.generation = 2), SessionError::Manifest);
    let own = |bundle: &mut Bundle| {
        let change = Action::ChangePeople {
            after: bundle.charter.id(),
            add: vec![person("thief", &[Role::Owner])],
            remove: Vec::new(),
        };
        let (at_ms, expires_ms) = (1, 2);
        let request = Request {
            custody: bundle.charter.id(),
            id: Hex([0; 16]),
            by: By::Person("olga".parse().unwrap()),
            at_ms,
            expires_ms,
            action: change,
        };
        bundle.history.push(Approved { request: request.sign(&key("olga")), approvals: Vec::new() });
    };
    assert_eq!(fails(&own), SessionError::History(0));
}

#[test]
fn infra_clients_fetch_confirm_and_recover_under_the_same_rules() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let share = ShareRef {
        client: "client-1".parse().unwrap(),
        key_id: "k1".parse().unwrap(),
        node_id: "n1".parse().unwrap(),
        index: 3,
    };
    let service = key("service");
    let keeper = Keeper { custody: world.custody, service: &service };
    let Recipient::Age(registered) = guardian_key("client-1").age_recipient() else { panic!() };
    let wrong = keeper.infra_deliver(&world.memory, &share, b"age1other", world.now_ms).unwrap();
    assert_eq!(wrong.decision.answer.unwrap_err().code(), "public_key_differs");
    let told = keeper.infra_deliver(&world.memory, &share, registered.as_bytes(), world.now_ms).unwrap();
    world.memory.commit(told.decision.writes);
    let delivered = told.value.unwrap();
    let told = keeper.infra_confirm(&world.memory, &share, &Word::Received, world.now_ms).unwrap();
    world.memory.commit(told.decision.writes);
    assert_eq!(told.value, Some(DeliveryState::Delivered), "a word is no receipt");
    let manifest = delivered.manifest.manifest;
    let receipt = Receipt::of(&manifest, manifest.entry(3).unwrap()).sign(&guardian_key("client-1").signing());
    let told = keeper.infra_confirm(&world.memory, &share, &Word::Confirmed(receipt), world.now_ms).unwrap();
    world.memory.commit(told.decision.writes);
    assert_eq!(told.value, Some(DeliveryState::Confirmed));

    let secret = (&share.key_id, &share.node_id);
    let bare = manifest.open(3, &guardian_key("client-1"), &delivered.envelope.0).unwrap();
    let none = keeper.infra_recover(&world.memory, secret, (&share.client, Some(&bare)), &mut world.rng, world.now_ms);
    assert_eq!(none.unwrap().decision.answer.unwrap_err().code(), "session_missing");
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let recover = |world: &mut World, bytes: Option<&[u8]>| {
        let keeper = Keeper { custody: world.custody, service: &service };
        let told = keeper.infra_recover(&world.memory, secret, (&share.client, bytes), &mut world.rng, world.now_ms);
        let told = told.unwrap();
        world.memory.commit(told.decision.writes);
        told.decision.answer.map(|_| told.value.unwrap())
    };
    let progress = recover(&mut world, Some(&bare)).unwrap();
    assert_eq!((progress.submitted, progress.needed, progress.committed), (1, 3, false));
    assert_eq!(recover(&mut world, Some(&bare)).unwrap().submitted, 1, "B7: the same share again");
    let mut flipped = bare.to_vec();
    flipped[7] ^= 1;
    assert_eq!(recover(&mut world, Some(&flipped)).unwrap_err().code(), "share_bad");
    assert_eq!(recover(&mut world, Some(&bare[..20])).unwrap_err().code(), "share_bad");
    assert_eq!(recover(&mut world, None).unwrap().submitted, 1);
    let submission = &world.collect(session).unwrap()[0];
    let plain = process_key().open(&process_key().age_recipient(), &submission.sealed.0).unwrap();
    let bundle = world.bundle(session);
    assert_eq!(*manifest.identify(bundle.session.unwrap(&plain).unwrap()).unwrap().1, *bare);
}

use crate::guardian::Recipient;

/// A change that was asked for before another one, and perhaps signed with a key that is gone, is overtaken.
#[test]
fn changes_of_people_follow_each_other() {
    let mut world = World::with_guardians();
    let first = world.change(vec![person("zoe", &[Role::Auditor])], &[]);
    let second = world.change(vec![person("yann", &[Role::Auditor])], &[]);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", first) else { panic!() };
    world.approved("olga", second, &["boris", "sara"]);
    world.approve("boris", request).unwrap();
    assert_eq!(world.approve("sara", request), Err(Refusal::Overtaken));
    let remove = world.change(Vec::new(), &["yann"]);
    world.approved("olga", remove, &["boris", "sara"]);
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let good = world.bundle(session);
    good.check(&world.custody, world.now_ms).unwrap();
    // Repeated, left out or moved, they are no history.
    for order in [&[0, 1, 0][..], &[1], &[1, 0]] {
        let mut bundle = good.clone();
        bundle.history = order.iter().map(|at| good.history[*at].clone()).collect();
        assert!(matches!(bundle.check(&world.custody, world.now_ms), Err(SessionError::History(_))), "{order:?}");
    }
}

/// Somebody who asked with a key that was replaced since has not asked.
#[test]
fn p8_a_revoked_key_asks_for_nothing() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", open) else { panic!() };
    let mut olga = person("olga", &[Role::Operations]);
    olga.key = key("olga-2").verify_key();
    let change = world.change(vec![olga], &["olga"]);
    world.approved("both", change, &["boris", "sara"]);
    world.approve("boris", request).unwrap();
    assert!(matches!(world.approve("sara", request), Ok(Answer::Waiting { .. })), "nothing is carried out");
}

/// What a host may write into a session by itself changes nothing that was signed.
#[test]
fn a_host_cannot_bring_an_old_session_back() {
    let mut world = World::with_guardians();
    let (one, two) = (world.create(1, &[5; 32]), world.create(2, &[6; 32]));
    let open = world.open_action(&one, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    world.now_ms += 3 * 3_600_000;
    let mut bundle = world.bundle(session);
    bundle.session.expires_ms = u64::MAX;
    assert_eq!(bundle.check(&world.custody, world.now_ms).unwrap_err(), SessionError::State(State::Expired));
    // A set under the name of another one.
    let Action::OpenRecovery(mut named) = world.open_action(&two, false) else { panic!() };
    named.set = one;
    let manifest = View::new(&world.memory).manifest(&two).unwrap().unwrap();
    let asked = world.sign(By::Person("olga".parse().unwrap()), Action::OpenRecovery(named));
    let approve = world.approve_action(asked.request.hash());
    let approvals = ["boris", "sara"].map(|name| world.sign(By::Person(name.parse().unwrap()), approve.clone()));
    bundle.session.id = asked.request.hash();
    (bundle.session.opened, bundle.manifest) = (Approved { request: asked, approvals: approvals.to_vec() }, manifest);
    assert_eq!(bundle.check(&world.custody, world.now_ms).unwrap_err(), SessionError::Manifest);
    // Opened by somebody who may not ask.
    let open = world.open_action(&two, false);
    let asked = world.sign(By::Person("cora".parse().unwrap()), open);
    let approve = world.approve_action(asked.request.hash());
    let approvals = ["boris", "sara"].map(|name| world.sign(By::Person(name.parse().unwrap()), approve.clone()));
    bundle.session.id = asked.request.hash();
    bundle.session.opened = Approved { request: asked, approvals: approvals.to_vec() };
    assert_eq!(bundle.check(&world.custody, world.now_ms).unwrap_err(), SessionError::NotApproved);
}

/// Whatever somebody sends, its entry can be written.
#[test]
fn p9_no_request_makes_an_entry_that_cannot_be_written() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let long = "\u{202e}".repeat(20_000);
    let add = (0..300).map(|number| person(&format!("p{number}"), &[Role::Auditor])).collect();
    let change = world.change(add, &[]);
    let bad = (0..=255).map(|index| (index, long.clone())).collect();
    let actions = [
        Action::ReportFailure { set, index: 3, reason: long.clone() },
        Action::Report(Findings { session: Hex([1; 32]), good: Vec::new(), bad, recovered: None }),
        Action::AbortRecovery { session: Hex([1; 32]), reason: long.clone() },
        change,
    ];
    for action in actions {
        let refused = world.guardian("client-1", action);
        assert!(refused.is_err());
        world.entries.last().unwrap().to_bytes().unwrap();
    }
}

mod trust;
