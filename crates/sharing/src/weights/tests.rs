//! Weights are as short as they are meant to be; that they are right, the interpolation tests say.

use super::*;

fn weights(values: &[u16]) -> Weights {
    let indices: Vec<Index> = values.iter().map(|value| Index::new(*value).unwrap()).collect();
    Weights::short(&indices, *values.iter().max().unwrap()).unwrap()
}

#[test]
fn small_indices_have_small_integers_for_weights() {
    let terms = |values| weights(values).terms;
    let term = |negative, weight| (negative, Scalar::from_u64(weight));
    // 3, -3, 1.
    assert_eq!(terms(&[1, 2, 3]), [term(false, 3), term(true, 3), term(false, 1)]);
    assert_eq!(weights(&[1, 2, 3]).scale, None);
    // 4/3 and -1/3.
    assert_eq!(terms(&[1, 4]), [term(false, 4), term(true, 1)]);
    assert_eq!(weights(&[1, 4]).scale, Scalar::from_u64(3).invert());
    // The order of the indices is the caller's: -5/4, 9/4.
    assert_eq!(terms(&[9, 5]), [term(true, 5), term(false, 9)]);
    assert_eq!(weights(&[9, 5]).scale, Scalar::from_u64(4).invert());
}

#[test]
fn every_integer_has_its_prime_factors() {
    let primes = Primes::up_to(30);
    assert_eq!(primes.primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
    let factors = |n, sign| {
        let mut row = vec![0; 10];
        primes.factor(n, sign, &mut row);
        row
    };
    assert_eq!(factors(1, 1), [0; 10]);
    assert_eq!(factors(24, 1), [3, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(factors(30, -1), [-1, -1, -1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(factors(29, 2), [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
}

/// A weight that could be as long as the group order is none.
#[test]
fn a_product_is_below_two_to_the_254() {
    let primes = Primes::up_to(3);
    let two = Scalar::from_u64(2);
    let power = |n| core::iter::repeat_n(two, n).product::<Scalar>();
    for n in [0, 1, 63, 64, 65, 189, 190, 249] {
        assert_eq!(primes.product([i32::try_from(n).unwrap()].into_iter()), Some(power(n)), "2^{n}");
    }
    for n in [250, 254, 255, 400] {
        assert_eq!(primes.product([n].into_iter()), None, "2^{n}");
    }
    assert_eq!(primes.product([2, 3].into_iter()), Some(Scalar::from_u64(108)));
    assert_eq!(primes.product([-1].into_iter()), None);
}
