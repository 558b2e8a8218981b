//! What wires, machines and clocks do to honest operators, and what an attacker makes of old records and of the wire
//! between peers: done by hand, before chosen blocks. The names begin with the attacks of `docs/attacks.md`.

use std::collections::BTreeSet;

use quorumkeep_dkg::envelope::{Envelope, Kind as Record};
use quorumkeep_dkg::ids::VersionId;
use quorumkeep_dkg::secret::RoundSecrets;
use quorumkeep_dkg::transcript::{Failure, FaultKind};
use quorumkeep_node::Event;

use super::play;
use crate::plan::{Faults, Plan};
use crate::report::Places;
use crate::strategies::{Kind, liar};
use crate::world::World;

/// A round of [`Plan::new`] begins here; `ANNOUNCE`, `DEAL`, `COMPLAIN` and `CONFIRM` are its phases' first blocks.
const INTERVAL: u64 = 20;
const ANNOUNCE: u64 = 1;
const DEAL: u64 = 4;
const COMPLAIN: u64 = 7;
const CONFIRM: u64 = 10;
/// The first block after the round.
const OVER: u64 = 13;

fn at(round: u64, offset: u64) -> u64 {
    round * INTERVAL + offset
}

/// Plays a plan with something done before each block; every promise must hold. Peers talk to each other, so that the
/// plan alone predicts nothing.
fn drive(plan: Plan, before_block: impl FnMut(&mut World)) -> World {
    let plan = Plan { faults: Faults { peers: true, ..plan.faults }, ..plan };
    plan.check().unwrap();
    let mut world = World::new(plan, false);
    world.run_with(before_block).map_err(|violation| violation.what).unwrap();
    world
}

/// The height of the block that comes next.
fn next(world: &World) -> u64 {
    world.height() + 1
}

fn all_but(n: usize, out: &[usize]) -> Places {
    (0..n).filter(|place| !out.contains(place)).collect()
}

/// Of this operator's records of this kind none reaches the board in this round.
fn lose(world: &mut World, round: u64, place: usize, kind: Record) {
    if next(world) / INTERVAL != round {
        return;
    }
    let sender = world.seats[place].address();
    let is_lost = |bytes: &[u8]| {
        Envelope::decode(bytes).is_ok_and(|envelope| (envelope.header.sender, envelope.header.kind) == (sender, kind))
    };
    world.chains[0].pool.retain(|pending| !is_lost(&pending.bytes));
}

/// The records on the board of this kind.
fn posted(world: &World, kind: Record) -> Vec<Envelope> {
    let records = world.chains[0].blocks.iter().flat_map(|block| &block.records);
    records.filter_map(|bytes| Envelope::decode(bytes).ok()).filter(|envelope| envelope.header.kind == kind).collect()
}

fn active(world: &World) -> VersionId {
    world.state().unwrap().versions.active.as_ref().unwrap().id()
}

/// The operators that hold the newest active version.
fn holders(world: &World) -> Places {
    let active = active(world);
    (0..world.seats.len()).filter(|place| world.seats[*place].holds(&world.key, &active)).collect()
}

fn all_active(world: &World) -> bool {
    world.reports.iter().all(|report| report.end == Ok(()) && report.faults.is_empty())
}

/// Every set of at least `t` operators of `0..n`, as the ones that are missing.
fn absentees(n: usize, t: usize) -> impl Iterator<Item = Vec<usize>> {
    let all = (0..1u32 << n).map(move |bits| (0..n).filter(|place| bits >> place & 1 == 1).collect::<Vec<_>>());
    all.filter(move |missing| missing.len() <= n - t)
}

#[test]
fn v5_any_t_operators_hand_the_key_on() {
    for (n, t) in [(4, 3), (5, 3)] {
        for missing in absentees(n, t) {
            let world = drive(Plan::new(n, t).rounds(3), |world| {
                missing.iter().for_each(|place| lose(world, 2, *place, Record::Announce));
            });
            // The oracle compares every share on every disk with the public one at its index.
            let report = &world.reports[1];
            assert_eq!((&report.players, &report.qualified), (&all_but(n, &missing), &all_but(n, &missing)));
            assert!(all_active(&world), "{missing:?} of {n} are missing");
            assert_eq!(holders(&world), all_but(n, &[]));
        }
    }
}

#[test]
fn r1_whichever_record_is_lost_everybody_has_the_same_dealers() {
    let kinds = [Record::Announce, Record::Deal, Record::Confirm];
    for (n, t) in [(4, 3), (5, 3), (6, 4), (7, 5)] {
        for (place, kind) in (0..n).zip(kinds.into_iter().cycle()) {
            let world = drive(Plan::new(n, t).rounds(2), |world| lose(world, 2, place, kind));
            let (announced, dealt) = (kind != Record::Announce, kind == Record::Confirm);
            let but = |is_in: bool| all_but(n, if is_in { &[] } else { std::slice::from_ref(&place) });
            let report = &world.reports[1];
            assert_eq!((&report.players, &report.qualified), (&but(announced), &but(dealt)), "{kind:?} of {place}");
            assert!(all_active(&world));
        }
    }
}

/// No message between two peers has a part in the outcome: without any of them every version is the same.
#[test]
fn r1_v9_what_peers_say_to_each_other_changes_nothing() {
    let plan = Plan::new(5, 3).bad_dealing(0, 1).rounds(3);
    let (silent, talking) = (play(plan.clone()), drive(plan, |_| {}));
    let reports = |world: &World| world.reports.iter().take(3).cloned().collect::<Vec<_>>();
    assert_eq!(reports(&silent), reports(&talking));
}

#[test]
fn r2_a_node_cut_off_in_any_phase_is_with_the_others_two_rounds_later() {
    for place in 0..4 {
        for offset in [ANNOUNCE, DEAL, COMPLAIN, CONFIRM, CONFIRM + 2] {
            let mut after_two = Places::new();
            let world = drive(Plan::new(4, 3).rounds(5), |world| {
                if next(world) == at(2, offset) {
                    world.seats[place].deaf_until = at(2, OVER);
                    world.seats[place].mute_until = at(2, OVER);
                }
                if next(world) == at(3, OVER) + 1 {
                    after_two = holders(world);
                }
            });
            assert!(all_active(&world), "{place} from {offset} on");
            assert_eq!(after_two, all_but(4, &[]), "{place} from {offset} on");
        }
    }
}

#[test]
fn r2_twenty_rounds_with_another_node_cut_off_in_each() {
    let world = drive(Plan::new(4, 3).rounds(21), |world| {
        let (round, offset) = (next(world) / INTERVAL, next(world) % INTERVAL);
        let place = round as usize % 4;
        if round >= 2 && offset == 1 + 3 * (round / 4) % 12 {
            world.seats[place].deaf_until = at(round, OVER);
        }
    });
    assert!(all_active(&world));
    assert!(world.reports.len() > 20);
    assert_eq!(holders(&world), all_but(4, &[]));
}

/// Whoever reads the board sees the good ones only: the players with the bad ones complain.
#[test]
fn r8_good_dealings_for_t_minus_1_only_put_the_dealer_out() {
    let world = play(Plan::new(7, 5).act(Kind::BadDealing, &[0], &[5, 6]).rounds(4));
    for report in &world.reports[..4] {
        assert_eq!((&report.qualified, report.end), (&all_but(7, &[0]), Ok(())));
    }
    assert_eq!(holders(&world), all_but(7, &[]));
}

/// As soon as the Confirms are on the board, all but `t - 1` see nothing for a round: the oracle asks after every block
/// whether some kept version has `t` honest holders.
#[test]
fn r8_a_partition_right_after_the_confirms_forgets_no_version() {
    for lonely in [[0, 1, 2, 3], [0, 2, 4, 6]] {
        for offset in [CONFIRM + 1, CONFIRM + 2] {
            let world = drive(Plan::new(7, 5).rounds(5), |world| {
                if next(world) == at(2, offset) {
                    let cut_off = all_but(7, &lonely);
                    cut_off.iter().for_each(|place| world.seats[*place].deaf_until = at(3, OVER));
                }
            });
            let ends: Vec<_> = world.reports.iter().map(|report| report.end.is_ok()).collect();
            assert!(!ends[2] && ends[3] && ends[4], "{lonely:?} from {offset} on: {ends:?}");
            assert_eq!(holders(&world), all_but(7, &[]));
        }
    }
}

#[test]
fn r9_machines_that_die_at_one_commit_in_five_keep_one_key() {
    for seed in 1..=6 {
        let faults = Faults { crash: 200, peers: true, ..Faults::default() };
        let world = play(Plan { faults, ..Plan::new(5, 3).seed(seed).rounds(4) });
        assert!(world.tally.crashes > 20 && world.tally.activated > 0, "{:?}", world.tally);
    }
}

#[test]
fn r10_a_node_that_slept_for_three_rounds_has_its_old_place() {
    let world = drive(Plan::new(4, 3).rounds(6), |world| {
        if next(world) == at(2, 0) {
            world.seats[1].deaf_until = at(4, OVER);
        }
    });
    let players = |round: usize| world.reports[round - 1].players.clone();
    assert_eq!((players(2), players(4)), (all_but(4, &[1]), all_but(4, &[1])));
    assert_eq!((players(5), players(6)), (all_but(4, &[]), all_but(4, &[])));
    assert_eq!((world.config().unwrap().sequence, holders(&world)), (0, all_but(4, &[])));
}

#[test]
fn r7_every_record_of_the_rounds_before_comes_again_and_frames_nobody() {
    let world = drive(Plan::new(5, 3).rounds(4), |world| {
        let next = next(world);
        // Of the round before and the one before that, in the same phase and in others.
        for back in [INTERVAL, INTERVAL - 3, INTERVAL - 6, INTERVAL + 3, 2 * INTERVAL] {
            let Some(height) = next.checked_sub(back).filter(|height| *height > 0) else { continue };
            let records = world.chains[0].blocks[height as usize - 1].records.clone();
            records.iter().take(40).for_each(|bytes| world.post_now(bytes));
        }
    });
    assert!(all_active(&world));
    assert!(world.reports.iter().all(|report| report.qualified == all_but(5, &[])));
}

/// The board has the good deal, every peer got another bad one from the same dealer.
#[test]
fn r5_bad_between_peers_and_good_on_the_board_is_nobodys_fault() {
    let world = drive(Plan::new(5, 3).rounds(2), |world| {
        let offset = next(world) % INTERVAL;
        if next(world) < INTERVAL || offset != DEAL + 1 {
            return;
        }
        for place in 1..5 {
            let (info, mut plain) = liar::honest_deal(world, 0).unwrap();
            plain.ciphertexts[place][0] ^= 1;
            let bytes = liar::seal(world, 0, &info, &plain).unwrap();
            world.handle(place, Event::Peer(bytes)).unwrap();
        }
    });
    assert!(all_active(&world));
    assert!(world.reports.iter().all(|report| report.qualified == all_but(5, &[])));
    assert!(posted(&world, Record::Complain).is_empty());
}

/// A liar's node tells its peers what is right; the board has something else.
#[test]
fn r5_good_between_peers_and_bad_on_the_board_is_a_complaint() {
    let world = drive(Plan::new(5, 3).bad_dealing(0, 1).rounds(2), |_| {});
    for report in &world.reports[..2] {
        assert_eq!((&report.qualified, report.end), (&all_but(5, &[0]), Ok(())));
        assert_eq!(report.faults, BTreeSet::from([(0, FaultKind::Dealing.to_string())]));
    }
}

/// Peers get deals and receipts in another's name, of other rounds and of no round at all.
#[test]
fn v7_v11_what_no_dealer_said_leaves_no_trace_between_peers() {
    let world = drive(Plan::new(4, 3).rounds(3), |world| {
        let deals = posted(world, Record::Deal);
        let Some(deal) = deals.last().cloned() else { return };
        let (thief, victim) = (world.seats[1].who().key(), world.seats[0].address());
        for (sender, digest) in [(victim, deal.header.digest), (world.seats[1].address(), Default::default())] {
            for kind in [Record::Deal, Record::Ack] {
                let mut envelope = deal.clone();
                (envelope.header.sender, envelope.header.digest, envelope.header.kind) = (sender, digest, kind);
                let hash = quorumkeep_dkg::records::body_hash(&envelope).unwrap();
                let forged = Envelope::signed(envelope.header, envelope.body, &hash, &thief).encode();
                (0..4).for_each(|place| world.handle(place, Event::Peer(forged.clone())).unwrap());
            }
        }
    });
    assert!(all_active(&world));
    assert_eq!(holders(&world), all_but(4, &[]));
}

/// `t - 1` Confirms: nobody keeps anything of the round, and the next one is another session.
#[test]
fn r12_r14_a_round_that_fails_leaves_nothing_behind() {
    let (mut digests, mut kept) = (Vec::new(), Vec::new());
    let world = drive(Plan::new(5, 3).rounds(4), |world| {
        [0, 1, 2].into_iter().for_each(|place| lose(world, 2, place, Record::Confirm));
        let (round, offset) = (next(world) / INTERVAL, next(world) % INTERVAL);
        if offset == COMPLAIN && (2..=4).contains(&round) {
            digests.push((world.info().unwrap().digest(), world.info().unwrap().source.as_ref().unwrap().id()));
        }
        if next(world) == at(2, OVER) + 1 {
            for seat in &world.seats {
                let disk = seat.store.disk();
                assert!(disk.round_secret(&world.key, at(2, 0)).is_none(), "secrets of a round that failed");
                kept.push(disk.versions().map(|(_, version)| *version).collect::<Vec<_>>());
            }
        }
    });
    let failure = Failure::TooFewConfirms { found: 2, needed: 3 };
    assert_eq!(world.reports[1].end, Err(failure));
    assert!([0, 2, 3].into_iter().all(|round: usize| world.reports[round].end.is_ok()));
    assert_ne!(digests[0].0, digests[1].0, "a new attempt is a new session");
    assert_eq!(digests[0].1, digests[1].1, "from the same version");
    assert!(kept.iter().all(|versions| *versions == [digests[0].1]), "{kept:?}");
}

/// After a round that succeeded: no secret of the round, and no share of any version but the two that are kept.
#[test]
fn r14_old_shares_and_the_secrets_of_rounds_leave_every_disk() {
    drive(Plan::new(4, 3).rounds(6), |world| {
        let (round, offset) = (next(world) / INTERVAL, next(world) % INTERVAL);
        if round == 0 || offset != OVER + 1 {
            return;
        }
        let kept: Vec<VersionId> = world.state().unwrap().versions.kept().iter().map(|output| output.id()).collect();
        for seat in &world.seats {
            let disk = seat.store.disk();
            assert!((1..=round).all(|number| disk.round_secret(&world.key, at(number, 0)).is_none()));
            assert!(disk.versions().all(|(_, version)| kept.contains(version)));
        }
    });
}

/// As many honest nodes as may be missing are cut off while the others deal: nobody opens an honest dealing.
#[test]
fn v8d_a_partition_makes_no_honest_node_unveil_a_dealing() {
    for plan in [Plan::new(7, 5), Plan::new(7, 5).pedersen()] {
        for offset in [ANNOUNCE, DEAL, COMPLAIN] {
            let plan = Plan { b: 0, players_min: 5, ..plan.clone() };
            let world = drive(plan.rounds(3), |world| {
                let (round, at_offset) = (next(world) / INTERVAL, next(world) % INTERVAL);
                if round > 0 && at_offset == offset {
                    [2, 5].into_iter().for_each(|place| world.seats[place].deaf_until = at(round, offset + 4));
                }
            });
            assert!(posted(&world, Record::Complain).is_empty());
            // Only of dealers that did not open their commitments, and never of so many that too few are secret.
            let published: BTreeSet<usize> =
                world.reports.iter().flat_map(|report| report.reconstructed.clone()).collect();
            assert!(published.iter().all(|place| [2, 5].contains(place)), "{published:?}");
            assert!(world.reports.iter().all(|report| report.qualified.len() - report.reconstructed.len() >= 5));
        }
    }
}

/// What a node says about a wrong dealing names the dealer and holds nothing of what was dealt.
#[test]
fn v8f_nothing_that_nodes_say_holds_a_dealing_that_was_complained_of() {
    let mut dealt: Vec<Vec<u8>> = Vec::new();
    let world = drive(Plan::new(5, 3).bad_dealing(0, 1).rounds(3), |world| {
        if next(world) % INTERVAL == COMPLAIN && next(world) > INTERVAL {
            dealt.extend(dealings(world));
        }
    });
    assert!(dealt.len() >= 3 * 20 && world.told.iter().any(|text| text.contains("dealing")), "{:?}", world.told);
    let reports = format!("{:?}", world.reports);
    for share in dealt {
        let turned: Vec<u8> = share.iter().rev().copied().collect();
        for form in [hex::encode(&share), hex::encode(&turned), format!("{share:?}"), format!("{turned:?}")] {
            assert!(!reports.contains(&form) && world.told.iter().all(|text| !text.contains(&form)));
        }
    }
}

/// Every dealing of the running round that its player can open.
fn dealings(world: &World) -> Vec<Vec<u8>> {
    let (info, transcript) = (world.info().unwrap(), world.round().unwrap().transcript().unwrap());
    let mut dealt = Vec::new();
    for seat in &world.seats {
        let disk = seat.store.disk();
        let secrets = RoundSecrets::from_bytes(disk.round_secret(&world.key, info.trigger.round()).unwrap()).unwrap();
        for deal in transcript.qualified() {
            let dealing = deal.decrypt(&info, &seat.address(), secrets.receive());
            dealt.extend(dealing.map(|dealing| dealing.share.copy().declassify().to_be_bytes().to_vec()));
        }
    }
    dealt
}

#[test]
fn v9_late_repeated_lost_and_reordered_records_give_one_version_or_none() {
    for seed in 1..=8 {
        let faults = Faults { lose: 100, repeat: 300, delay: 4, deaf: 10, mute: 10, peers: true, crash: 0 };
        let world = play(Plan { faults, ..Plan::new(5, 3).seed(seed).rounds(4) });
        assert!(world.tally.rounds >= 4);
    }
}

/// The orderer's clock jumps by ten minutes, forward and back, from block to block.
#[test]
fn v9_a_clock_that_jumps_decides_nothing() {
    let world = drive(Plan::new(4, 3).rounds(3), |world| {
        let jump = [0, 1_200_000, 600_000];
        world.chains[0].skew_ms = jump[next(world) as usize % 3];
    });
    assert!(all_active(&world));
}
