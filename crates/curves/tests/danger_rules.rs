//! What the simulator's switch for subgroup checks does. Its own process: a removed rule is removed for all threads.
#![cfg(feature = "danger_rules")]

use quorumkeep_curves::Decode;
use quorumkeep_curves::bls::{G2, OnCurve};
use quorumkeep_curves::rules::{self, Rule};

#[test]
fn a_removed_subgroup_check_lets_everything_in() {
    let outside = (0_u8..=255)
        .filter_map(|x| {
            let mut bytes = [0; 96];
            (bytes[0], bytes[95]) = (0x80, x);
            OnCurve::<G2>::from_bytes(&bytes).ok()
        })
        .find(|point| point.check() == Err(Decode::NotInSubgroup));
    let Some(outside) = outside else {
        panic!("no point outside the subgroup was found");
    };
    rules::remove(Rule::SubgroupCheck);
    assert!(!rules::on(Rule::SubgroupCheck) && rules::on(Rule::ExactLength));
    assert!(outside.check().is_ok());
    rules::restore_all();
    assert_eq!(outside.check(), Err(Decode::NotInSubgroup));
}
