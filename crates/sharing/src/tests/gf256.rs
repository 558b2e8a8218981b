//! Byte-wise Shamir: known shares of another program, every subset, every refusal.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::gf256::*;

fn decode(text: &str) -> Share {
    Share::decode(&hex::decode(text).unwrap()).unwrap()
}

/// Public test data of Turnkey's QuorumOS, made with vsss-rs.
#[test]
fn shares_of_quorum_os() {
    let shares = [
        "01661fc0cc265daa4e7bde354c281dcc23a80c590249",
        "027bb5fb26d326e0fc421cf604e495e3d3e4bd24ab0e",
        "0370d31b89800f2f9255abb73ca0ed0f8329d20fcc33",
    ];
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        assert_eq!(*combine(2, &[decode(shares[one]), decode(shares[other])]).unwrap(), *b"my cute little secret");
    }
    assert_eq!(*combine(2, &shares.map(decode)).unwrap(), *b"my cute little secret");
}

/// The field against its definition: polynomials over GF(2), multiplied and divided.
#[test]
fn the_field_is_that_of_fips_197() {
    let product = |a: u16, b: u16| {
        let long = (0..8).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ a << bit);
        (8..15).rev().fold(long, |rest, bit| if rest >> bit & 1 == 1 { rest ^ 0x11b << (bit - 8) } else { rest })
    };
    // f(x) = c x through (0, 0) and (1, c): interpolation multiplies.
    for c in 0..=255_u8 {
        for x in 0..=255_u8 {
            let value = interpolate(&[(0, &[0]), (1, &[c])], x).unwrap();
            assert_eq!(u16::from(value[0]), product(c.into(), x.into()), "{c} * {x}");
        }
    }
}

fn shares(t: u8, n: u8) -> Vec<Share> {
    split(b"correct horse battery staple", t, n, &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
}

fn refusal(t: u8, shares: &[Share]) -> Error {
    combine(t, shares).err().unwrap()
}

#[test]
fn b7_duplicates_lengths_zeros_and_contradictions_are_refused() {
    let again = |share: &Share| Share::decode(&share.encode()).unwrap();
    let five = shares(3, 5);
    assert_eq!(refusal(3, &five[..2]), Error::TooFew { given: 2, needed: 3 });
    assert_eq!(refusal(3, &[again(&five[0]), again(&five[1]), again(&five[0])]), Error::Duplicate(1));
    let mut long = five[2].encode();
    long.push(0);
    assert_eq!(refusal(3, &[again(&five[0]), again(&five[1]), Share::decode(&long).unwrap()]), Error::Length);
    let mut wrong = five[4].encode();
    wrong[3] ^= 1;
    let given = [again(&five[0]), again(&five[1]), again(&five[2]), Share::decode(&wrong).unwrap()];
    assert_eq!(refusal(3, &given), Error::Contradiction(5));
    assert_eq!(Share::decode(&[0, 1, 2]).err(), Some(Error::Zero));
    assert_eq!(Share::decode(&[4]).err(), Some(Error::Length));
    assert_eq!(Share::decode(&[]).err(), Some(Error::Length));
    assert_eq!(Share::decode(&vec![4; SECRET_BYTES_MAX + 2]).err(), Some(Error::Length));
}

#[test]
fn b4_what_may_not_be_made() {
    let made = |secret: &[u8], t, n| split(secret, t, n, &mut ChaCha20Rng::seed_from_u64(1)).err();
    for (t, n) in [(0, 3), (1, 3), (4, 3), (2, 1), (2, 0)] {
        assert_eq!(made(b"secret", t, n), Some(Error::Threshold { t, n }));
    }
    assert_eq!(made(b"", 2, 3), Some(Error::Secret(0)));
    assert_eq!(made(&vec![1; SECRET_BYTES_MAX + 1], 2, 3), Some(Error::Secret(SECRET_BYTES_MAX + 1)));
    assert_eq!(combine(1, &shares(2, 2)).err(), Some(Error::Threshold { t: 1, n: 255 }));
}

proptest! {
    #[test]
    fn any_threshold_recovers(secret in prop::collection::vec(any::<u8>(), 1..80), t in 2_u8..8, more in 0_u8..8, seed: u64) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let shares = split(&secret, t, t + more, &mut rng).unwrap();
        prop_assert_eq!(&*combine(t, &shares[usize::from(more)..]).unwrap(), &secret);
        prop_assert_eq!(&*combine(t, &shares).unwrap(), &secret);
    }

    /// One share fewer fits every secret: each value at 0 has a polynomial through them.
    #[test]
    fn fewer_say_nothing(t in 2_u8..6, guess: u8, seed: u64) {
        let shares = split(&[9], t, t, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap();
        let mut points: Vec<(u8, &[u8])> = shares[1..].iter().map(|share| (share.index(), share.value())).collect();
        let constant = [guess];
        points.push((0, &constant));
        prop_assert!(interpolate(&points, 1).is_ok());
    }
}

/// What time a product takes depends on nothing: it looks nothing up and decides nothing (CVE-2023-25000).
#[test]
fn b6_the_product_has_no_table_and_no_branch() {
    let source = include_str!("../gf256.rs");
    let body = source.split("const fn mul(").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
    let body = body.split_once('{').unwrap().1;
    for word in ["if ", "match ", "[", ".get(", "&&", "||", " / ", " % ", "return", "break"] {
        assert!(!body.contains(word), "{word:?} in the product");
    }
    assert!(body.contains("while bit < 8"), "eight rounds for every factor");
}
