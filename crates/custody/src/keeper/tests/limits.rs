//! What a custody keeps has bounds: answers, requests and sessions go when their time is over, and stay gone.

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn cora(world: &mut World) -> Result<Answer, Refusal> {
    // She may not; refused requests remove what is over, too.
    world.person("cora", Action::RetryDelivery { set: "k1/n1/1".parse().unwrap(), index: 1 })
}

#[test]
fn answers_and_waiting_requests_go_when_the_request_has_expired() {
    let mut world = World::with_guardians();
    let (seen, pending) = (world.memory.count(Table::Seen), world.memory.count(Table::Pending));
    assert_eq!((seen, pending), (10, 5));
    let last = world.sign(By::Person("olga".parse().unwrap()), Action::AddGuardian(guardian("x", Kind::Paper, "x")));
    world.handle(&last).unwrap();
    world.now_ms += HOUR_MS;
    assert!(cora(&mut world).is_err());
    assert_eq!(world.memory.count(Table::Seen), 11, "what has not expired stays");
    assert!(matches!(world.handle(&last), Ok(Answer::Waiting { .. })));
    world.now_ms += 1;
    // 11 answers, 6 requests: two decisions.
    assert!(cora(&mut world).is_err());
    assert_eq!(world.memory.count(Table::Seen) + world.memory.count(Table::Pending), 17 - BATCH);
    assert!(cora(&mut world).is_err());
    assert_eq!((world.memory.count(Table::Seen), world.memory.count(Table::Pending)), (0, 0));
    // Forgotten, and refused all the same: also by a clock that is set back.
    assert_eq!(world.handle(&last), Err(Refusal::Expired));
    world.now_ms -= HOUR_MS;
    assert_eq!(world.handle(&last), Err(Refusal::Expired));
    assert_eq!(View::new(&world.memory).guardians().unwrap().len(), 5);
    world.now_ms += HOUR_MS;
    assert!(matches!(world.person("olga", last.request.action), Ok(Answer::Waiting { .. })));
}

#[test]
fn what_is_kept_is_bounded_by_what_is_alive() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    for _ in 0..400 {
        world.now_ms += HOUR_MS / 10;
        world.person("olga", Action::RetryDelivery { set: set.clone(), index: 1 }).unwrap();
    }
    // A request lives for an hour, in which there are ten others.
    assert!(world.memory.count(Table::Seen) <= 12, "{}", world.memory.count(Table::Seen));
    assert!(world.memory.count(Table::Due) <= 13, "with the latest expiry");
}

#[test]
fn the_shares_of_a_session_go_when_it_expires_and_the_session_later() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open.clone(), &["boris", "sara"]);
    world.submit(session, &set, 3).unwrap();
    let sealed = |world: &World| -> usize {
        let stored: Session = Draft::new(&world.memory).get(Table::Session, &session.to_string()).unwrap().unwrap();
        stored.submissions.iter().map(|submission| submission.sealed.0.len()).sum()
    };
    world.now_ms += HOUR_MS;
    assert!(cora(&mut world).is_err());
    assert!(sealed(&world) > 0, "it is open");
    world.now_ms += 1;
    assert!(cora(&mut world).is_err());
    assert_eq!((sealed(&world), world.bundle(session).session.state), (0, State::Expired));
    let told: Vec<&Entry> = world.entries.iter().filter(|entry| entry.event == "recovery.expire").collect();
    assert_eq!((told.len(), told[0].details["shares_removed"].as_str()), (1, "1"));
    world.now_ms += SESSION_KEPT_MS;
    while world.memory.count(Table::Due) > 3 {
        assert!(cora(&mut world).is_err());
    }
    assert!(View::new(&world.memory).bundle(&session).unwrap().is_none());
    assert_eq!(world.memory.count(Table::DueSession), 0);
    assert_eq!(world.submit_again(session), Err(Refusal::UnknownSession(session)));
    // The key of its process is not forgotten.
    assert!(matches!(world.person("olga", open), Err(Refusal::ProcessKey)));
}

/// Between the second approval and the end of the process's own time the shares are needed.
#[test]
fn the_shares_of_a_committed_session_stay_until_they_are_of_no_use() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let open = world.open_action(&set, false);
    let Ok(Answer::Waiting { request: session, .. }) = world.person("olga", open) else { panic!() };
    world.approve("boris", session).unwrap();
    world.approve("sara", session).unwrap();
    for index in [2, 3, 5] {
        world.submit(session, &set, index).unwrap();
    }
    world.report(session, &[2, 3, 5], &[], true).unwrap();
    let commit = world.commit_action(session);
    world.approved("olga", commit, &["sara", "boris"]);
    let shares = |world: &World| {
        let stored: Session = Draft::new(&world.memory).get(Table::Session, &session.to_string()).unwrap().unwrap();
        stored.submissions.iter().filter(|submission| !submission.sealed.0.is_empty()).count()
    };
    // The session is open for an hour, and the request that asked for it for another.
    world.now_ms += HOUR_MS + 1;
    assert!(cora(&mut world).is_err());
    assert_eq!(shares(&world), 3);
    world.bundle(session).check(&world.custody, world.now_ms).unwrap();
    world.now_ms += HOUR_MS;
    assert!(cora(&mut world).is_err());
    assert_eq!(shares(&world), 0);
    assert_eq!(world.bundle(session).check(&world.custody, world.now_ms), Err(SessionError::State(State::Expired)));
}

fn removal(name: &str) -> Action {
    Action::RemoveGuardian { name: name.parse().unwrap(), signing: guardian_key(name).signing().verify_key() }
}

#[test]
fn a_removed_guardian_gets_nothing_and_is_named() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    for index in [1, 3, 4] {
        world.confirm(&set, index).unwrap();
    }
    assert!(View::new(&world.memory).sets("", world.now_ms).unwrap()[0].recoverable);
    assert!(matches!(world.person("boris", removal("client-1")), Err(Refusal::Role(..))));
    let stale = Action::RemoveGuardian { name: "client-1".parse().unwrap(), signing: key("other").verify_key() };
    assert!(matches!(world.person("olga", stale), Err(Refusal::GuardianUnknown(_))));
    let open = world.open_action(&set, false);
    let session = world.approved("olga", open, &["boris", "sara"]);
    let share = world.sealed_share(session, &set, 3);
    world.approved("olga", removal("client-1"), &["sara"]);
    // He is refused by name, whatever he asks.
    let removed = Err(Refusal::GuardianRemoved("client-1".parse().unwrap()));
    assert_eq!(world.deliver(&set, 3).map(|_| ()), removed);
    let submit = Action::SubmitShare { session, index: 3, sealed: share.clone() };
    assert_eq!(world.guardian("client-1", submit).map(|_| ()), removed);
    let new = world.plan(2).deal(&[6; 32], &key("olga"), &mut world.rng).unwrap();
    let create = Action::CreateSet { manifest: new.manifest, envelopes: new.envelopes };
    assert_eq!(world.person("olga", create).map(|_| ()), removed);
    // The set that names him says so, and does not count his share.
    let view = View::new(&world.memory).sets("", world.now_ms).unwrap().remove(0);
    assert_eq!((view.confirmed, view.recoverable), (2, false));
    let named: Vec<&str> = view.shares.iter().filter(|s| s.removed).map(|s| s.guardian.as_str()).collect();
    assert_eq!(named, ["client-1"]);
    // His name with other keys is another guardian: nothing that was made for the first is his.
    let other = Guardian { name: "client-1".parse().unwrap(), ..guardian("client-1b", Kind::External, "client") };
    world.approved("olga", Action::AddGuardian(other.clone()), &["sara"]);
    let sign = |world: &mut World, action: Action| {
        let by = By::Guardian("client-1".parse().unwrap());
        let signed = world.request(by, action).sign(&guardian_key("client-1b").signing());
        world.handle(&signed).map(|_| ())
    };
    assert_eq!(sign(&mut world, Action::Deliver { set: set.clone(), index: 3 }), removed);
    assert_eq!(sign(&mut world, Action::SubmitShare { session, index: 3, sealed: share }), removed);
    let fail = Action::ReportFailure { set, index: 3, reason: "x".into() };
    assert_eq!(sign(&mut world, fail), removed);
    assert!(View::new(&world.memory).sets("", world.now_ms).unwrap()[0].shares[2].removed);
    let mut plan = world.plan(2);
    plan.guardians[2] = other;
    let new = plan.deal(&[6; 32], &key("olga"), &mut world.rng).unwrap();
    let create = Action::CreateSet { manifest: new.manifest, envelopes: new.envelopes };
    assert_eq!(world.person("olga", create), Ok(Answer::Done));
    assert!(!View::new(&world.memory).sets("", world.now_ms).unwrap()[1].shares[2].removed);
}

/// What somebody signed before he left would count again with his key.
#[test]
fn a_key_that_left_never_comes_back() {
    let mut world = World::with_guardians();
    world.approved("olga", removal("client-1"), &["sara"]);
    let refused = |world: &mut World, action: Action| world.person("olga", action).unwrap_err().code();
    let old = guardian("client-1", Kind::External, "client");
    assert_eq!(refused(&mut world, Action::AddGuardian(old.clone())), "key_retired");
    let fresh = guardian("fresh", Kind::External, "fresh");
    assert_eq!(
        refused(&mut world, Action::AddGuardian(Guardian { signing: old.signing, ..fresh.clone() })),
        "key_retired"
    );
    let sealing = Guardian { recipient: old.recipient, ..fresh };
    assert_eq!(refused(&mut world, Action::AddGuardian(sealing)), "key_retired");
    let mut thief = person("thief", &[Role::Owner]);
    thief.key = old.signing;
    let change = world.change(vec![thief], &[]);
    assert_eq!(refused(&mut world, change), "key_retired");
    // People: other roles with the same key are no return; another key is.
    let roles = world.change(vec![person("cora", &[Role::Auditor])], &["cora"]);
    world.approved("olga", roles, &["boris", "sara"]);
    let remove = world.change(Vec::new(), &["cora"]);
    world.approved("olga", remove, &["boris", "sara"]);
    let back = world.change(vec![person("cora", &[Role::Auditor])], &[]);
    assert_eq!(refused(&mut world, back), "key_retired");
    let mut card = guardian("corina", Kind::External, "x");
    card.signing = key("cora").verify_key();
    assert_eq!(refused(&mut world, Action::AddGuardian(card)), "key_retired");
    let mut again = person("cora", &[Role::Auditor]);
    again.key = key("cora-2").verify_key();
    let back = world.change(vec![again], &[]);
    world.approved("olga", back, &["boris", "sara"]);
}

/// Whoever sends a refused request again and again does not fill the log.
#[test]
fn a_refused_request_is_recorded_once() {
    let mut world = World::with_guardians();
    let set = world.create(1, &[5; 32]);
    let retry = world.sign(By::Person("cora".parse().unwrap()), Action::RetryDelivery { set: set.clone(), index: 1 });
    let first = world.handle(&retry);
    assert!(matches!(first, Err(Refusal::Role(..))));
    let entries = world.entries.len();
    for _ in 0..100 {
        assert_eq!(world.handle(&retry), first);
    }
    assert_eq!((world.entries.len(), world.memory.count(Table::Refused)), (entries, 1));
    // Another request for the same is another one; and another reason is told.
    assert!(cora(&mut world).is_err());
    assert_eq!(world.entries.len(), entries + 1);
    let more = world.change(vec![person("cora", &[Role::Operations])], &["cora"]);
    world.approved("olga", more, &["boris", "sara"]);
    assert_eq!(world.handle(&retry), Ok(Answer::Done), "what is allowed now is done");
    // What was refused is forgotten with the request.
    world.now_ms += HOUR_MS + 1;
    while world.memory.count(Table::Due) > 3 {
        world.person("olga", Action::RetryDelivery { set: set.clone(), index: 2 }).unwrap();
    }
    assert_eq!(world.memory.count(Table::Refused), 0);
    assert_eq!(world.handle(&retry), Err(Refusal::Expired));
}

/// Only the process of a session gets the sealed shares; what everybody can read has none.
#[test]
fn sealed_shares_are_for_the_process_alone() {
    let (mut world, _, session) = World::recovering();
    let view = View::new(&world.memory);
    let shown = [view.bundle(&session).unwrap().unwrap().session, view.sessions().unwrap().remove(0)];
    for shown in shown.into_iter().chain(view.session(&session).unwrap()) {
        assert_eq!(shown.submissions.len(), 3);
        assert!(shown.submissions.iter().all(|submission| submission.sealed.0.is_empty()));
    }
    let collect = Action::Collect { session };
    assert!(matches!(world.person("olga", collect.clone()), Err(Refusal::Requester(_))));
    assert!(matches!(world.guardian("client-1", collect.clone()), Err(Refusal::Requester(_))));
    let forged = world.request(By::Process(session), collect).sign(&key("olga"));
    assert!(matches!(world.handle(&forged), Err(Refusal::Signature(_))));
    let shares = world.collect(session).unwrap();
    assert_eq!(shares.iter().filter(|share| !share.sealed.0.is_empty()).count(), 3);
    assert_eq!(world.entries.last().unwrap().event, "recovery.collect");
    world.person("sara", Action::AbortRecovery { session, reason: "x".into() }).unwrap();
    assert_eq!(world.collect(session), Err(Refusal::SessionState("aborted")));
}

/// Requests that anybody may have read and sent again say nothing of their author.
#[test]
fn only_what_is_new_has_an_author() {
    let mut world = World::with_guardians();
    let author =
        |world: &World, signed: &Signed| View::new(&world.memory).author(signed, &world.custody, world.now_ms).unwrap();
    let asked = world.sign(By::Person("olga".parse().unwrap()), removal("client-1"));
    assert_eq!(author(&world, &asked), Some(key("olga").verify_key()));
    let mut forged = asked.clone();
    forged.request.action = removal("bank-1");
    assert_eq!(author(&world, &forged), None);
    world.handle(&asked).unwrap();
    assert_eq!(author(&world, &asked), None, "answered");
    let refused = world.sign(By::Person("cora".parse().unwrap()), removal("client-1"));
    assert!(author(&world, &refused).is_some() && world.handle(&refused).is_err());
    assert_eq!(author(&world, &refused), None, "refused");
    let later = world.sign(By::Guardian("bank-1".parse().unwrap()), removal("client-1"));
    assert!(author(&world, &later).is_some());
    let mut foreign = later.request.clone();
    foreign.custody = Hex([1; 32]);
    assert_eq!(author(&world, &foreign.sign(&guardian_key("bank-1").signing())), None);
    world.now_ms += HOUR_MS + 1;
    assert_eq!(author(&world, &later), None, "expired");
}
