//! Reshares: a dealer hands on its own share, and nothing else.

use quorumkeep_curves::bls::{G2, Scalar};
use quorumkeep_sharing::{Commitment, Index, Polynomial, Threshold};
use rand_core::OsRng;
use serde_json::{Value, json};

use super::{ORDER_AND_ONE, Sharing, array, check, g2, not_on_curve, with, without};

/// A version of which two holders deal again: their dealings to a new player with index 9.
struct Reshare {
    old: Sharing,
    public: Commitment,
}

impl Reshare {
    fn new() -> Self {
        let old = Sharing::new(2);
        let public = old.f.commit();
        Self { old, public }
    }

    fn public_share(&self, dealer: u16) -> String {
        g2(&self.public.evaluate(Index::new(dealer).unwrap()))
    }

    fn holders(&self) -> Value {
        let holder = |index: u16| json!({ "index": index, "public_share": self.public_share(index) });
        json!([holder(1), holder(2), holder(3)])
    }

    /// What `dealer` deals when it adds `error` to the share that it holds.
    fn item(&self, dealer: u16, error: &Scalar) -> Value {
        let constant = self.old.f.evaluate(Index::new(dealer).unwrap()).add_public(error);
        let f = Polynomial::with_constant(constant, Threshold::new(3, 3).unwrap(), &mut OsRng);
        let previous = json!({ "index": dealer, "public_share": self.public_share(dealer) });
        with(Sharing { f, t: 3 }.item(9), &[("previous", previous)])
    }
}

#[test]
fn r3_a_changed_constant_is_refused() {
    let reshare = Reshare::new();
    let (good, changed) = (reshare.item(1, &Scalar::zero()), reshare.item(1, &Scalar::one()));
    let among = |item: &Value, dealer: Value| {
        with(item.clone(), &[("previous", json!({ "dealer": dealer, "public_shares": reshare.holders() }))])
    };
    check(&[
        (good.clone(), "valid", ""),
        (changed.clone(), "source_mismatch", "commitments[0]"),
        // Every share fits its commitments; nothing but the previous public share shows it.
        (without(&changed, "previous"), "valid", ""),
        (among(&good, json!(1)), "valid", ""),
        (among(&good, json!(ORDER_AND_ONE)), "valid", ""),
        (among(&changed, json!(1)), "source_mismatch", "commitments[0]"),
        (among(&good, json!(2)), "source_mismatch", "commitments[0]"),
        (among(&good, json!(4)), "unknown_dealer", "previous.dealer"),
        (among(&good, json!(0)), "index_zero", "previous.dealer"),
    ]);
}

#[test]
fn r3_compensating_constants_are_refused_each() {
    let reshare = Reshare::new();
    // Dealers 1 and 2 recover with lambda 2 and -1: errors 1 and 2 cancel in the group key.
    let two = Scalar::from_u64(2);
    let items = [reshare.item(1, &Scalar::one()), reshare.item(2, &two)];
    let constant = |item: &Value| G2::from_bytes(&array(&item["commitments"][0])).unwrap();
    let key = constant(&items[0]).mul_small(2) - constant(&items[1]);
    assert_eq!(key, *reshare.public.constant(), "the group key alone does not show it");
    check(&items.map(|item| (item, "source_mismatch", "commitments[0]")));
}

#[test]
fn r3_previous_holders_are_distinct_and_in_the_group() {
    let reshare = Reshare::new();
    let item = reshare.item(1, &Scalar::zero());
    let previous = |previous: Value| with(item.clone(), &[("previous", previous)]);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut holders = reshare.holders();
        change(&mut holders);
        previous(json!({ "dealer": 1, "public_shares": holders }))
    };
    let share = reshare.public_share(1);
    let path = "previous.public_shares";
    check(&[
        (changed(&|holders| holders[1]["index"] = json!(1)), "duplicate_index", &format!("{path}[1]")),
        (changed(&|holders| holders[2]["index"] = json!(0)), "index_zero", &format!("{path}[2].index")),
        (
            changed(&|holders| holders[2]["public_share"] = json!(not_on_curve())),
            "not_on_curve",
            &format!("{path}[2].public_share"),
        ),
        (changed(&|holders| holders[1]["more"] = json!(1)), "unknown_field", &format!("{path}[1]")),
        (previous(json!({ "index": 1 })), "missing_field", "previous.public_share"),
        (previous(json!({ "public_share": share })), "missing_field", "previous.index"),
        (previous(json!({ "public_shares": reshare.holders() })), "missing_field", "previous.dealer"),
        (previous(json!({ "index": 1, "public_share": share, "dealer": 1 })), "conflicting_fields", "previous.dealer"),
        (
            previous(json!({ "index": 1, "public_shares": reshare.holders(), "dealer": 1 })),
            "conflicting_fields",
            "previous.public_shares",
        ),
    ]);
}
