//! The one equation for all dealings. The tests of the crate see its verdict only: dealings that it refuses are checked
//! again one by one.

use quorumkeep_curves::bls::SecretScalar;

use super::*;

#[test]
fn right_dealings_need_one_equation_and_a_wrong_one_breaks_it() {
    let index = Index::new(5).unwrap();
    let number = |n| SecretScalar::from_public(&Scalar::from_u64(n));
    let dealings: Vec<SecretScalar> = (1..4).map(number).collect();
    let images: Vec<G2> = dealings.iter().map(SecretScalar::mul_g2).collect();
    let holds = |images: &[G2]| combination_holds(index, images, &dealings.iter().collect::<Vec<_>>());
    assert!(holds(&images));
    for place in 0..images.len() {
        let mut altered = images.clone();
        altered[place] += G2::generator();
        assert!(!holds(&altered), "the image of dealing {place}");
    }
    let mut swapped = images;
    swapped.swap(0, 2);
    assert!(!holds(&swapped), "their sums are equal");
}
