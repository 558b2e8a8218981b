use proptest::prelude::*;
use proptest::sample::subsequence;
use quorumkeep_curves::bls::{G1, G2, SecretScalar};

use super::{Nodes, app, index};
use crate::{Format, PreparedShare, RecoverError, recover, recover_named, sign_partial, verify_partial};

#[test]
fn a_partial_verifies_for_its_node_and_identity_only() {
    let nodes = Nodes::new(2, 3, 1);
    let (q, other_q) = (app("a", 0).q(Format::Age), app("b", 0).q(Format::Age));
    let (_, partial) = nodes.partial(1, &q);
    assert!(verify_partial(&nodes.public_shares[0].1, &q, &partial));
    assert!(!verify_partial(&nodes.public_shares[1].1, &q, &partial));
    assert!(!verify_partial(&nodes.public_shares[0].1, &other_q, &partial));
    let prepared = |place: usize| PreparedShare::new(&nodes.public_shares[place].1);
    assert!(prepared(0).verify(&q, &partial));
    assert!(!prepared(1).verify(&q, &partial));
    assert!(!prepared(0).verify(&other_q, &partial));
}

#[test]
fn the_identity_verifies_nothing() {
    let nodes = Nodes::new(2, 3, 1);
    let q = app("a", 0).q(Format::Age);
    let (_, partial) = nodes.partial(1, &q);
    assert!(!PreparedShare::new(&G2::identity()).verify(&q, &partial));
    assert!(!PreparedShare::new(&nodes.public_shares[0].1).verify(&G1::identity(), &partial));
    let nothing = sign_partial(&SecretScalar::zero(), &q);
    assert!(!PreparedShare::new(&G2::identity()).verify(&q, &nothing));
    assert!(!verify_partial(&G2::identity(), &q, &nothing));
}

#[test]
fn every_subset_of_the_threshold_gives_the_same_key() {
    let nodes = Nodes::new(3, 5, 2);
    let q = app("billing", 7).q(Format::Age);
    let expected = nodes.app_key(&q);
    for mask in 0u16..32 {
        let chosen: Vec<u16> = (1..=5).filter(|j| mask >> (j - 1) & 1 == 1).collect();
        let result = recover(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &nodes.partials(&chosen, &q));
        if chosen.len() < 3 {
            assert_eq!(result.err(), Some(RecoverError::TooFew { have: chosen.len(), need: 3 }));
        } else {
            assert_eq!(*result.unwrap().expose(), *expected.expose(), "{chosen:?}");
        }
    }
}

#[test]
fn v1_duplicates_and_strangers_are_refused() {
    let nodes = Nodes::new(3, 4, 3);
    let q = app("billing", 0).q(Format::Age);
    let run = |indices: &[u16]| {
        let partials = nodes.partials(indices, &q);
        recover(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials).err().unwrap()
    };
    assert_eq!(run(&[1, 2, 2]), RecoverError::Duplicate { index: index(2) });
    assert_eq!(run(&[1, 2, 2, 3]), RecoverError::Duplicate { index: index(2) });
    assert_eq!(run(&[1, 2, 9]), RecoverError::Unknown { index: index(9) });
    assert_eq!(run(&[]), RecoverError::TooFew { have: 0, need: 3 });

    let mut shares = nodes.public_shares.clone();
    shares.push(shares[0]);
    let result = recover(nodes.threshold, &q, &nodes.group_key, &shares, &nodes.partials(&[1, 2, 3], &q));
    assert_eq!(result.err(), Some(RecoverError::Duplicate { index: index(1) }));
}

#[test]
fn one_bad_partial_is_named_and_the_key_comes_out() {
    let nodes = Nodes::new(3, 5, 4);
    let (q, other_q) = (app("billing", 0).q(Format::Age), app("payroll", 0).q(Format::Age));
    for bad in 1..=5u16 {
        let mut partials = nodes.partials(&[5, 4, 3, 2, 1], &q);
        partials[usize::from(5 - bad)] = nodes.partial(bad, &other_q);
        let recovered = recover_named(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials).unwrap();
        assert!(recovered.key.verify(&q, &nodes.group_key));
        // The three lowest indices are tried first; a bad surplus partial is never looked at.
        let expected = if bad <= 3 { vec![index(bad)] } else { vec![] };
        assert_eq!(recovered.culprits, expected);
    }
}

#[test]
fn too_few_good_partials_name_every_culprit() {
    let nodes = Nodes::new(3, 4, 5);
    let (q, other_q) = (app("billing", 0).q(Format::Age), app("payroll", 0).q(Format::Age));
    let mut partials = nodes.partials(&[1, 3], &q);
    // Another identity, and another node's partial under one's own index.
    partials.push(nodes.partial(4, &other_q));
    partials.push((index(2), nodes.partial(3, &q).1));
    let result = recover(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials);
    assert_eq!(result.err(), Some(RecoverError::Bad { culprits: vec![index(2), index(4)] }));
}

#[test]
fn r2_partials_of_another_version_are_never_combined() {
    let (old, new) = (Nodes::new(2, 3, 6), Nodes::new(2, 3, 7));
    let q = app("billing", 0).q(Format::Age);
    let mixed = vec![old.partial(1, &q), new.partial(2, &q)];
    let result = recover(new.threshold, &q, &new.group_key, &new.public_shares, &mixed);
    assert_eq!(result.err(), Some(RecoverError::Bad { culprits: vec![index(1)] }));

    // A consistent set of another key: everything verifies and still the result is refused.
    let result = recover(old.threshold, &q, &new.group_key, &old.public_shares, &old.partials(&[1, 2], &q));
    assert_eq!(result.err(), Some(RecoverError::GroupKey));
}

#[test]
fn errors_of_two_that_cancel_are_named() {
    let nodes = Nodes::new(16, 20, 8);
    let q = app("billing", 0).q(Format::Age);
    let error = SecretScalar::from_public(&quorumkeep_curves::bls::Scalar::from_u64(3));
    // On one side of the halves, and on both.
    for (first, second) in [(1, 2), (9, 10), (3, 16), (15, 16)] {
        let mut partials = nodes.partials(&(1..=20).collect::<Vec<u16>>(), &q);
        let share = |j: u16| nodes.polynomial.evaluate(index(j));
        partials[usize::from(first - 1)].1 = sign_partial(&share(first).add(&error), &q);
        partials[usize::from(second - 1)].1 = sign_partial(&share(second).sub(&error), &q);
        let recovered = recover_named(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials).unwrap();
        assert_eq!(recovered.culprits, [index(first), index(second)]);
    }
}

#[test]
fn nobody_is_named_for_public_shares_of_another_key() {
    let (old, new) = (Nodes::new(16, 20, 9), Nodes::new(16, 20, 10));
    let q = app("billing", 0).q(Format::Age);
    let partials = old.partials(&(1..=20).collect::<Vec<u16>>(), &q);
    let result = recover(old.threshold, &q, &new.group_key, &old.public_shares, &partials);
    assert_eq!(result.err(), Some(RecoverError::GroupKey));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// With up to `n - t` liars the key comes out whatever the order, and only liars are named.
    #[test]
    fn liars_delay_but_do_not_stop(
        seed in any::<u64>(),
        liars in subsequence((1..=20u16).collect::<Vec<_>>(), 0..=7),
        order in Just((1..=20u16).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let nodes = Nodes::new(13, 20, seed);
        let (q, other_q) = (app("billing", 0).q(Format::Age), app("payroll", 0).q(Format::Age));
        let partials: Vec<_> =
            order.iter().map(|j| nodes.partial(*j, if liars.contains(j) { &other_q } else { &q })).collect();
        let recovered =
            recover_named(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials).unwrap();
        prop_assert_eq!(*recovered.key.expose(), *nodes.app_key(&q).expose());
        let named: Vec<u16> = recovered.culprits.iter().map(|culprit| culprit.get()).collect();
        prop_assert!(named.is_empty() || named == liars);
    }
}
