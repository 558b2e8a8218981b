//! What nobody believes because a custody says so.

use super::*;
use crate::register::{Error as RegisterError, Register};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl World {
    /// The changes of people so far.
    fn changes(&self) -> Vec<Approved> {
        View::new(&self.memory).history().unwrap()
    }

    fn register(&self) -> Register {
        View::new(&self.memory).register().unwrap()
    }

    /// What a dealer finds who pins the custody.
    fn believed(&self, register: &Register, guardian: &str) -> Result<Guardian, RegisterError> {
        register.check(&self.custody)?.guardian(&name(guardian)).cloned()
    }
}

#[test]
fn a_dealer_seals_to_keys_that_people_approved() {
    let mut world = World::with_guardians();
    let bank = guardian("bank-1", Kind::External, "bank");
    let good = world.register();
    assert_eq!(world.believed(&good, "bank-1"), Ok(bank.clone()));
    assert_eq!(world.believed(&good, "nobody"), Err(RegisterError::Unknown(name("nobody"))));
    let unapproved = Err(RegisterError::NotApproved(name("bank-1")));
    let fails = |change: &dyn Fn(&mut Approved)| {
        let mut register = good.clone();
        let of_bank = |approved: &&mut Approved| matches!(&approved.request.request.action, Action::AddGuardian(guardian) if *guardian == bank);
        change(register.guardians.iter_mut().find(of_bank).unwrap());
        register
    };
    // Another key, kind or entity under the same signature; and signed anew by somebody who may not.
    let thief = guardian_key("thief").age_recipient();
    let replaced = Guardian { recipient: thief, ..bank.clone() };
    let edited = fails(&|approved| approved.request.request.action = Action::AddGuardian(replaced.clone()));
    assert_eq!(world.believed(&edited, "bank-1"), unapproved);
    let asked = world.sign(By::Person(name("olga")), Action::AddGuardian(replaced));
    let approve = world.approve_action(asked.request.hash());
    for by in ["olga", "boris", "cora"] {
        let approvals = vec![world.sign(By::Person(name(by)), approve.clone())];
        let forged = fails(&|approved| *approved = Approved { request: asked.clone(), approvals: approvals.clone() });
        assert_eq!(world.believed(&forged, "bank-1"), unapproved, "{by}");
    }
    let bare = fails(&|approved| approved.approvals.clear());
    assert_eq!(world.believed(&bare, "bank-1"), unapproved);
    // Two of one name, and the register of another custody.
    let mut twice = good.clone();
    twice.guardians.extend(good.guardians.clone());
    assert_eq!(world.believed(&twice, "bank-1"), unapproved);
    assert!(matches!(good.check(&Hex([9; 32])), Err(RegisterError::People(SessionError::Charter))));
}

/// What was approved by somebody who left is approved no more; the same card again renews it, and another one does not.
#[test]
fn a_registration_is_renewed_when_its_approver_left() {
    let mut world = World::with_guardians();
    let change = world.change(Vec::new(), &["sara"]);
    world.approved("olga", change, &["both", "boris"]);
    let shown = world.register();
    assert_eq!(world.believed(&shown, "bank-1"), Err(RegisterError::NotApproved(name("bank-1"))));
    let card = guardian("bank-1", Kind::External, "bank");
    world.approved("olga", Action::AddGuardian(card.clone()), &["both"]);
    let shown = world.register();
    assert_eq!(world.believed(&shown, "bank-1"), Ok(card.clone()));
    let other = Guardian { entity: name("elsewhere"), ..card };
    assert!(matches!(world.person("olga", Action::AddGuardian(other)), Err(Refusal::GuardianExists(_))));
}

/// Approvers sign over what the process found, and the process hands over nothing else.
#[test]
fn p8_a_commit_is_for_what_the_process_found() {
    let (mut world, _, session) = World::recovering();
    world.report(session, &[2, 3, 5], &[], true).unwrap();
    let found = world.bundle(session).session.findings().unwrap().clone();
    let with = |sha256: Hash| {
        let mut other = found.clone();
        other.recovered.as_mut().unwrap().outputs[0].sha256 = sha256;
        other
    };
    // Operations asks for another output than the process signed.
    let other = Action::CommitRecovery { findings: with(Hex([8; 32])) };
    assert_eq!(world.person("olga", other), Err(Refusal::Findings));
    // The process finds something else while the first commit waits: that one is for nothing any more.
    let commit = world.commit_action(session);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", commit) else { panic!() };
    world.approve("boris", request).unwrap();
    world.find(with(Hex([9; 32]))).unwrap();
    assert_eq!(world.approve("sara", request), Err(Refusal::Findings));
    assert_eq!(world.bundle(session).session.state, State::Recognised);
    let commit = world.commit_action(session);
    world.approved("olga", commit, &["sara", "boris"]);
    let good = world.bundle(session);
    assert_eq!(good.check_committed(&world.custody).unwrap().outputs[0].sha256, Hex([9; 32]));
    // A host that shows other findings, unsigned, of the first report, or signed by another process.
    let first = world.sign(By::Process(session), Action::Report(found.clone()));
    let forged = world.request(By::Process(session), Action::Report(with(Hex([9; 32])))).sign(&key("olga"));
    for reported in [None, Some(first), Some(forged)] {
        let mut bundle = good.clone();
        bundle.session.reported = reported;
        assert_eq!(bundle.check_committed(&world.custody), Err(SessionError::Findings));
    }
    let mut bundle = good;
    if let Action::CommitRecovery { findings } = &mut bundle.session.committed.as_mut().unwrap().request.request.action
    {
        *findings = found.clone();
    }
    bundle.session.reported = Some(world.sign(By::Process(session), Action::Report(found)));
    assert_eq!(bundle.check_committed(&world.custody), Err(SessionError::NotCommitted));
}

#[test]
fn findings_are_bounded() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let findings = |good: Vec<u8>, why: &str, outputs: usize| {
        let sealed = SealedOutput { name: name("secret"), bytes: 7, sha256: Hex([7; 32]) };
        let recovered = Recovered { recognised: [Recognised::Key].into(), outputs: vec![sealed; outputs] };
        Findings { session, good, bad: vec![(1, why.to_owned())], recovered: Some(recovered) }
    };
    let long = "x".repeat(crate::request::REASON_CHARS_MAX + 1);
    for bad in [findings(vec![1; 256], "x", 1), findings(vec![], &long, 1), findings(vec![], "x", 9)] {
        assert!(matches!(world.find(bad), Err(Refusal::Text(_))));
    }
    assert_eq!(world.find(findings(vec![1; 255], &long[1..], 8)), Ok(Answer::Done));
}

/// Whoever is committed first wins; the process believes that a session was ended only if somebody who may has signed it.
#[test]
fn a_session_is_completed_or_ended_and_never_both() {
    for ends in [true, false] {
        let mut world = World::with_guardians();
        let set = world.create(1, &[5; 32]);
        let open = world.open_action(&set, false);
        let session = world.approved("olga", open, &["boris", "sara"]);
        for index in [2, 3, 5] {
            world.submit(session, &set, index).unwrap();
        }
        world.report(session, &[2, 3, 5], &[], true).unwrap();
        let commit = world.commit_action(session);
        world.approved("olga", commit, &["sara", "boris"]);
        let done = world.sign(By::Process(session), Action::Complete { session });
        let again = world.sign(By::Process(session), Action::Complete { session });
        let abort = |session| Action::AbortRecovery { session, reason: "false alarm".into() };
        if !ends {
            world.handle(&done).unwrap();
            assert_eq!(world.person("sara", abort(session)), Err(Refusal::SessionState("completed")));
            assert_eq!(world.handle(&again), Ok(Answer::Done), "said again after a crash");
            assert_eq!(world.bundle(session).ended_by(&world.custody), Ok(None));
            continue;
        }
        world.person("sara", abort(session)).unwrap();
        assert_eq!(world.handle(&done), Err(Refusal::SessionState("aborted")));
        let good = world.bundle(session);
        assert_eq!(good.ended_by(&world.custody), Ok(Some(&name("sara"))));
        let by = |world: &mut World, who: &str, action: Action| {
            let mut bundle = good.clone();
            bundle.session.ended = Some(world.sign(By::Person(name(who)), action));
            bundle.ended_by(&world.custody).unwrap().cloned()
        };
        assert_eq!(by(&mut world, "boris", abort(session)), Some(name("boris")));
        assert_eq!(by(&mut world, "cora", abort(session)), None, "she may not");
        assert_eq!(by(&mut world, "sara", abort(Hex([3; 32]))), None, "another session");
        let mut bundle = good.clone();
        bundle.session.ended.as_mut().unwrap().request.at_ms += 1;
        assert_eq!(bundle.ended_by(&world.custody), Ok(None), "not signed");
    }
}

/// A guardian signs for sets that somebody of operations made, and for no others.
#[test]
fn a_receipt_is_for_a_dealer_of_operations() {
    let mut world = World::with_guardians();
    let deal = |world: &mut World, dealer: &str, sign: &str, custody: Hash| {
        let plan = Plan { dealer: name(dealer), custody, ..world.plan(1) };
        plan.deal(&[5; 32], &key(sign), &mut world.rng).unwrap().manifest
    };
    let custody = world.custody;
    let checked = world.register().check(&custody).unwrap();
    let good = deal(&mut world, "olga", "olga", custody);
    assert_eq!(checked.dealer(&good.manifest), Ok(()));
    for (dealer, sign, of) in [
        ("boris", "boris", custody),
        ("olga", "thief", custody),
        ("thief", "thief", custody),
        ("olga", "olga", Hex([3; 32])),
    ] {
        let set = deal(&mut world, dealer, sign, of);
        set.check().unwrap();
        assert_eq!(checked.dealer(&set.manifest), Err(RegisterError::Dealer(name(dealer))), "{dealer} {sign}");
    }
    let change = world.change(Vec::new(), &["olga"]);
    world.approved("both", change, &["boris", "sara"]);
    let checked = world.register().check(&custody).unwrap();
    assert!(checked.dealer(&good.manifest).is_err(), "she left");
}

/// A removal that somebody knew who approved cannot be withheld: not from a guardian, not from the process, not from a dealer.
#[test]
fn p8_a_withheld_removal_is_seen() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let before = world.changes();
    let change = world.change(Vec::new(), &["cora"]);
    world.approved("olga", change, &["boris", "sara"]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let good = world.bundle(session);
    good.check(&world.custody, world.now_ms).unwrap();
    let mut cut = good.clone();
    cut.history = before.clone();
    assert_eq!(cut.check(&world.custody, world.now_ms), Err(SessionError::Withheld));
    // The opening was approved before a change, and the commit after it.
    for index in [2, 3, 5] {
        world.submit(session, &set, index).unwrap();
    }
    world.report(session, &[2, 3, 5], &[], true).unwrap();
    let shown = world.changes();
    let change = world.change(vec![person("zoe", &[Role::Auditor])], &[]);
    world.approved("olga", change, &["boris", "sara"]);
    let commit = world.commit_action(session);
    world.approved("olga", commit, &["sara", "boris"]);
    let mut cut = world.bundle(session);
    cut.check_committed(&world.custody).unwrap();
    cut.history = shown;
    cut.check(&world.custody, world.now_ms).unwrap();
    assert_eq!(cut.check_committed(&world.custody), Err(SessionError::Withheld));
    // A guardian who was registered after it.
    world.approved("olga", Action::AddGuardian(guardian("late", Kind::External, "late")), &["sara"]);
    let mut register = world.register();
    assert!(world.believed(&register, "late").is_ok());
    register.history = before;
    assert_eq!(world.believed(&register, "late"), Err(RegisterError::People(SessionError::Withheld)));
}

/// An approval counts when it names the people of the moment in which it comes; one that names none of this custody never does.
#[test]
fn p8_an_approval_names_the_people_of_now() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request, .. }) = world.person("olga", open) else { panic!() };
    let early = world.approve_action(request);
    let late = Action::Approve { request, people_head: Hex([7; 32]) };
    assert_eq!(world.person("sara", late), Err(Refusal::Overtaken));
    world.approve("boris", request).unwrap();
    let change = world.change(Vec::new(), &["cora"]);
    world.approved("olga", change, &["boris", "sara"]);
    assert_eq!(world.person("sara", early), Err(Refusal::Overtaken));
    assert_eq!(world.approve("sara", request), Ok(Answer::CarriedOut { request }));
    world.bundle(request).check(&world.custody, world.now_ms).unwrap();
}
