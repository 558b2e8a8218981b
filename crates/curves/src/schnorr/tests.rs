use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::tags;

fn proof<G: Group>(seed: u64, context: &[u8]) -> (G, Proof<G>) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let secret = SecretScalar::random(&mut rng);
    let public = G::mul_generator(&secret);
    let nonce = SecretScalar::random(&mut rng);
    let proof = prove(tags::SCHNORR, context, &secret, &public, nonce);
    (public, proof)
}

fn bound_to_everything<G: Group>() {
    let (public, good) = proof::<G>(1, b"context");
    let (other, _) = proof::<G>(2, b"context");
    assert!(verify(tags::SCHNORR, b"context", &public, &good));
    assert!(!verify(tags::BLS_BATCH, b"context", &public, &good));
    assert!(!verify(tags::SCHNORR, b"contexT", &public, &good));
    assert!(!verify(tags::SCHNORR, b"context", &other, &good));
    let mut bad = good;
    bad.response += Scalar::one();
    assert!(!verify(tags::SCHNORR, b"context", &public, &bad));
    let mut bad = good;
    bad.commitment += G::generator();
    assert!(!verify(tags::SCHNORR, b"context", &public, &bad));
}

#[test]
fn v4_a_proof_is_bound_to_everything() {
    bound_to_everything::<G1>();
    bound_to_everything::<G2>();
}

#[test]
fn v2_the_identity_proves_nothing() {
    let nothing = Proof { commitment: G1::identity(), response: Scalar::zero() };
    assert!(!verify(tags::SCHNORR, b"", &G1::identity(), &nothing));
    let item = Item { tag: tags::SCHNORR, context: b"", public: &G1::identity(), proof: &nothing };
    assert!(!verify_batch(&[item, item]));
}

fn batches<G: Group>() {
    let contexts: Vec<Vec<u8>> = (0..5).map(|i| vec![i; usize::from(i)]).collect();
    let mut proofs: Vec<(G, Proof<G>)> =
        contexts.iter().zip(10..).map(|(context, seed)| proof(seed, context)).collect();
    let check = |proofs: &[(G, Proof<G>)]| {
        let items: Vec<Item<'_, G>> = proofs
            .iter()
            .zip(&contexts)
            .map(|((public, proof), context)| Item { tag: tags::SCHNORR, context, public, proof })
            .collect();
        verify_batch(&items)
    };
    assert!(check(&[]));
    assert!(check(&proofs[..1]));
    assert!(check(&proofs));
    // Errors that would cancel in a plain sum.
    proofs[1].1.response += Scalar::one();
    proofs[3].1.response -= Scalar::one();
    assert!(!check(&proofs));
    assert!(!check(&proofs[..2]));
    assert!(check(&proofs[..1]));
}

#[test]
fn a_batch_holds_when_each_holds() {
    batches::<G1>();
    batches::<G2>();
}

#[test]
fn v6_encoding_is_canonical() {
    let (_, good) = proof::<G2>(1, b"");
    let bytes = good.write(Writer::raw()).finish();
    assert_eq!(bytes.len(), Proof::<G2>::LENGTH);
    assert_eq!(bytes.len(), 128);
    let mut reader = Reader::new(&bytes);
    assert_eq!(Proof::<G2>::read(&mut reader), Ok(good));
    assert_eq!(reader.finish(), Ok(()));
    let mut large = bytes.clone();
    large[96..].fill(0xff);
    assert_eq!(Proof::<G2>::read(&mut Reader::new(&large)), Err(Decode::ScalarRange));
    assert_eq!(Proof::<G2>::read(&mut Reader::new(&bytes[..127])), Err(Decode::Truncated));
}
