//! SLIP-39: the official vectors, every refusal, and what a pool with surplus and bad shares gives.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;
use crate::tests::known::load;

const TREZOR: &[u8] = b"TREZOR";

fn parse(lines: &[&str]) -> Result<Vec<Share>, Parse> {
    lines.iter().map(|line| Share::parse(line)).collect()
}

fn secret_of(lines: &[&str]) -> Result<Vec<u8>, String> {
    let shares = parse(lines).map_err(|error| error.to_string())?;
    let combined =
        combine(&shares, &Passphrase::new(TREZOR).unwrap(), EXPONENT_MAX).map_err(|error| error.to_string())?;
    assert!(combined.bad.is_empty() && combined.unchecked.is_empty());
    Ok(combined.secret.to_vec())
}

#[test]
fn b1_the_official_vectors() {
    let Some(vectors) = load("slip39/vectors.json") else { return };
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 45);
    for vector in vectors {
        let lines: Vec<&str> = vector[1].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let (title, expected) = (vector[0].as_str().unwrap(), vector[2].as_str().unwrap());
        match secret_of(&lines) {
            Ok(secret) => assert_eq!(hex::encode(secret), expected, "{title}"),
            Err(error) => assert_eq!(expected, "", "{title}: {error}"),
        }
        for share in parse(&lines).unwrap_or_default() {
            assert!(lines.contains(&share.mnemonic().as_str()), "{title}: written differently");
        }
    }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A set with little work.
fn set(t: u8, groups: &[(u8, u8)], seed: u64) -> (Vec<u8>, Vec<Vec<Share>>) {
    let mut rng = rng(seed);
    let mut secret = vec![0; 32];
    rng.fill_bytes(&mut secret);
    let groups = groups.iter().map(|(threshold, count)| Group { threshold: *threshold, count: *count }).collect();
    let plan = Plan { threshold: t, groups, exponent: 0 };
    let shares = split(&secret, &Passphrase::EMPTY, &plan, &mut rng).unwrap();
    (secret, shares)
}

/// These shares of a set, as (group, member), as if they had been typed again.
fn pool(set: &[Vec<Share>], places: &[(usize, usize)]) -> Vec<Share> {
    places.iter().map(|(group, member)| again(&set[*group][*member])).collect()
}

fn again(share: &Share) -> Share {
    Share::parse(&share.mnemonic()).unwrap()
}

fn open(shares: &[Share]) -> Result<Combined, Error> {
    combine(shares, &Passphrase::EMPTY, EXPONENT_MAX)
}

fn refusal(shares: &[Share]) -> Error {
    open(shares).err().expect("it should not combine")
}

#[test]
fn every_threshold_of_a_set_recovers_and_one_less_does_not() {
    for t in 2..=5 {
        let (secret, shares) = set(1, &[(t, 5)], t.into());
        for mask in 1_u32..32 {
            let places: Vec<(usize, usize)> =
                (0..5).filter(|place| mask >> place & 1 == 1).map(|place| (0, place)).collect();
            match open(&pool(&shares, &places)) {
                Ok(combined) => {
                    assert!(*combined.secret == secret && places.len() >= t.into() && combined.bad.is_empty())
                }
                Err(error) => {
                    let groups = vec![(1, places.len(), t.into())];
                    assert_eq!(error, Error::TooFew { complete: 0, needed: 1, groups });
                }
            }
        }
    }
}

#[test]
fn groups_recover_with_any_threshold_of_them() {
    let (secret, shares) = set(2, &[(1, 1), (2, 3), (3, 5)], 9);
    for places in [
        vec![(0, 0), (1, 0), (1, 2)],
        vec![(1, 1), (1, 2), (2, 0), (2, 2), (2, 4)],
        vec![(2, 1), (0, 0), (2, 3), (2, 4)],
    ] {
        assert_eq!(*open(&pool(&shares, &places)).unwrap().secret, secret);
    }
    let combined = open(&pool(&shares, &[(0, 0), (2, 1), (1, 0), (1, 2)])).unwrap();
    assert_eq!((combined.unchecked, combined.bad), (vec![2], vec![]));
    let error = refusal(&pool(&shares, &[(0, 0), (1, 1), (2, 0), (2, 1)]));
    assert_eq!(error, Error::TooFew { complete: 1, needed: 2, groups: vec![(2, 1, 2), (3, 2, 3)] });
}

/// The same share with one bit of its value changed and a right checksum.
fn damaged(share: &Share) -> Share {
    let (header, mut value) = (share.header, share.value.clone());
    value[5] ^= 4;
    Share { header, value }
}

#[test]
fn b7_a_bad_share_beyond_the_threshold_is_named() {
    let (secret, shares) = set(1, &[(2, 5)], 11);
    let mut given = pool(&shares, &[(0, 0), (0, 1), (0, 2), (0, 3)]);
    for place in 0..4 {
        let good = core::mem::replace(&mut given[place], damaged(&shares[0][place]));
        let combined = open(&given).unwrap();
        assert_eq!((&*combined.secret, combined.bad), (&secret, vec![place + 1]));
        given[place] = good;
    }
    let two = [damaged(&shares[0][0]), again(&shares[0][1])];
    assert_eq!(refusal(&two), Error::Digest(vec![1, 2]));
}

#[test]
fn b7_a_bad_group_beyond_the_threshold_is_named() {
    let (secret, shares) = set(2, &[(1, 1), (1, 1), (2, 2)], 12);
    let mut given = pool(&shares, &[(0, 0), (1, 0), (2, 0), (2, 1)]);
    given[2] = damaged(&shares[2][0]);
    let combined = open(&given).unwrap();
    assert_eq!((&*combined.secret, combined.bad), (&secret, vec![3, 4]));
    given = pool(&shares, &[(0, 0), (1, 0), (2, 0), (2, 1)]);
    given[1] = damaged(&shares[1][0]);
    let combined = open(&given).unwrap();
    assert_eq!((&*combined.secret, combined.bad), (&secret, vec![2]));
    assert_eq!(refusal(&given[..2]), Error::Digest(vec![1, 2]));
}

#[test]
fn b7_a_share_twice_counts_as_a_mistake() {
    let (_, shares) = set(1, &[(2, 3)], 13);
    let error = refusal(&pool(&shares, &[(0, 0), (0, 1), (0, 0)]));
    assert_eq!(error, Error::Duplicate { first: 1, second: 3 });
}

#[test]
fn b2_a_share_of_another_set_is_named() {
    let ((_, mine), (_, other)) = (set(1, &[(2, 3)], 14), set(1, &[(2, 3)], 15));
    let given = [again(&mine[0][0]), again(&other[0][2]), again(&mine[0][1])];
    assert_eq!(refusal(&given), Error::Mixed { field: Field::Identifier, shares: vec![2] });
    // The same identifier by chance: the digest tells them apart, and a third share which one it is.
    let mut foreign = damaged(&other[0][2]);
    foreign.header = mine[0][2].header;
    let given = [again(&mine[0][0]), foreign, again(&mine[0][1])];
    assert_eq!(open(&given).unwrap().bad, [2]);
}

#[test]
fn b5_much_work_is_refused_before_it_is_done() {
    let (_, shares) = set(1, &[(2, 3)], 16);
    let mut given = pool(&shares, &[(0, 0), (0, 1)]);
    given.iter_mut().for_each(|share| share.header.exponent = 15);
    assert_eq!(refusal(&given), Error::Exponent { exponent: 15, most: EXPONENT_MAX });
    assert_eq!(iterations(15), 327_680_000);
}

#[test]
fn b4_what_may_not_be_made() {
    let made = |secret: &[u8], plan: &Plan| split(secret, &Passphrase::EMPTY, plan, &mut rng(1)).err().unwrap();
    let plan = |t, groups: &[(u8, u8)]| Plan {
        threshold: t,
        groups: groups.iter().map(|(threshold, count)| Group { threshold: *threshold, count: *count }).collect(),
        exponent: 0,
    };
    let simple = Plan::simple(2, 3);
    for length in [0, 1, 14, 15, 17, 31, 33, 34, 64] {
        assert_eq!(made(&vec![1; length], &simple), Error::Secret(length));
    }
    let secret = [7; 16];
    assert_eq!(made(&secret, &plan(1, &[(1, 2)])), Error::OneOfMany(2));
    assert_eq!(made(&secret, &plan(3, &[(2, 3), (2, 3)])), Error::Threshold { t: 3, n: 2 });
    assert_eq!(made(&secret, &plan(1, &[(4, 3)])), Error::Threshold { t: 4, n: 3 });
    assert_eq!(made(&secret, &plan(1, &[(2, 17)])), Error::Threshold { t: 2, n: 17 });
    assert_eq!(made(&secret, &plan(1, &[(1, 1); 17])), Error::Threshold { t: 1, n: 17 });
    assert_eq!(made(&secret, &plan(0, &[(2, 3)])), Error::Threshold { t: 0, n: 1 });
    assert_eq!(made(&secret, &plan(1, &[(0, 3)])), Error::Threshold { t: 0, n: 3 });
    assert_eq!(made(&secret, &plan(1, &[])), Error::Threshold { t: 1, n: 0 });
    assert_eq!(made(&secret, &Plan { exponent: 16, ..simple.clone() }), Error::Exponent { exponent: 16, most: 15 });
    assert_eq!(Passphrase::new("Käse".as_bytes()).err(), Some(Error::Passphrase));
    assert_eq!(Passphrase::new(b"two\nlines").err(), Some(Error::Passphrase));
    let shares = split(&secret, &Passphrase::EMPTY, &Plan { exponent: 0, ..simple }, &mut rng(2)).unwrap();
    assert!(shares[0].iter().all(|share| share.header().extendable && share.bits() == 128));
}

#[test]
fn a_wrong_word_is_located() {
    let (_, shares) = set(1, &[(2, 3)], 17);
    let mnemonic = shares[0][0].mnemonic();
    let words: Vec<&str> = mnemonic.split(' ').collect();
    assert_eq!(words.len(), 33);
    for place in [0, 3, 4, 17, 32] {
        let mut wrong = words.clone();
        wrong[place] = if words[place] == "academic" { "acid" } else { "academic" };
        assert_eq!(Share::parse(&wrong.join(" ")).err(), Some(Parse::Checksum(Some(place + 1))));
        wrong[place] = "quorumkeep";
        assert_eq!(Share::parse(&wrong.join(" ")).err(), Some(Parse::UnknownWord(place + 1)));
        wrong[place] = "academi";
        assert_eq!(Share::parse(&wrong.join(" ")).err(), Some(Parse::UnknownWord(place + 1)));
    }
    let mut swapped = words.clone();
    swapped.swap(8, 20);
    assert!(matches!(Share::parse(&swapped.join(" ")), Err(Parse::Checksum(_))));
    for length in [0, 19, 21, 22, 32, 34, 60] {
        let line = words.iter().cycle().take(length).copied().collect::<Vec<_>>().join(" ");
        assert!(matches!(Share::parse(&line), Err(Parse::Words(_) | Parse::Checksum(_))), "{length} words");
    }
    let typed = format!("  {}\t{}\n", words[..5].join("   ").to_uppercase(), words[5..].join("\n"));
    assert_eq!(*Share::parse(&typed).unwrap().mnemonic(), *mnemonic);
}

#[test]
fn passphrases_and_exponents_matter_and_nothing_else() {
    let secret = [0x5a; 32];
    let passphrase = Passphrase::new(TREZOR).unwrap();
    let plan = Plan { exponent: 2, ..Plan::simple(3, 5) };
    let shares = split(&secret, &passphrase, &plan, &mut rng(20)).unwrap().remove(0);
    assert_eq!(*combine(&shares[1..4], &passphrase, 2).unwrap().secret, secret);
    // No error: this is how the format hides a second wallet.
    assert_ne!(*open(&shares[..3]).unwrap().secret, secret);
    assert_eq!(combine(&shares[..3], &passphrase, 1).err(), Some(Error::Exponent { exponent: 2, most: 1 }));
}
