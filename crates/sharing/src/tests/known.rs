//! Vectors from outside, at EigenX's evaluation points: `keccak256(address) mod r`.

use std::path::PathBuf;

use quorumkeep_curves::hash::{keccak256, sha256};
use serde_json::Value;

use super::*;

/// As in the crate `curves`: the folder in `QUORUMKEEP_VECTORS`, else `shared/vectors` beside the workspace.
pub(crate) fn load(path: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("QUORUMKEEP_VECTORS").map_or_else(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(path)) else {
        let required = std::env::var_os("QUORUMKEEP_REQUIRE_VECTORS").is_some_and(|v| v == "1");
        assert!(!required, "the vectors {path} are required and absent");
        eprintln!("skipped: no vectors at {path}");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().unwrap().trim_start_matches("0x");
    hex::decode(text).unwrap().try_into().unwrap()
}

fn scalar(value: &Value) -> Scalar {
    Scalar::from_be_bytes(&array(value)).unwrap()
}

fn secret(value: &Value) -> SecretScalar {
    SecretScalar::from_be_bytes(&array(value)).unwrap()
}

fn node_id(address: &[u8; 20]) -> Scalar {
    Scalar::reduce_be(&keccak256(address))
}

/// The address that the vectors give participant `i`.
fn address(i: u8) -> [u8; 20] {
    let mut address = [0; 20];
    address[19] = i;
    address
}

fn points(value: &Value) -> Vec<G2> {
    list(value).iter().map(|point| G2::from_bytes(&array(point)).unwrap()).collect()
}

#[test]
fn eigenx_node_ids_and_lagrange() {
    let Some(file) = load("eigenx/node_ids_lagrange.json") else {
        return;
    };
    for vector in list(&file["node_id"]) {
        let address = array(&vector["address"]);
        assert_eq!(keccak256(&address), array(&vector["keccak256"]));
        assert_eq!(node_id(&address), scalar(&vector["fr_be"]));
    }
    for vector in list(&file["lagrange"]) {
        let lambdas = list(&vector["lambdas_at_0"]);
        let ids: Vec<Scalar> = lambdas.iter().map(|l| node_id(&array(&l["address"]))).collect();
        let expected: Vec<Scalar> = lambdas.iter().map(|l| scalar(&l["lambda_be"])).collect();
        assert_eq!(lagrange::at_zero_scalars(&ids).unwrap(), expected);
    }
}

#[test]
fn eigenx_feldman_dkg() {
    let Some(file) = load("eigenx/feldman_dkg.json") else {
        return;
    };
    for vector in list(&file["vectors"]) {
        let dealers = list(&vector["dealers"]);
        let ids: Vec<Scalar> = dealers.iter().map(|d| node_id(&array(&d["dealer"]))).collect();
        let mut commitments = Vec::new();
        let mut shares: Vec<SecretScalar> = ids.iter().map(|_| SecretScalar::zero()).collect();
        for dealer in dealers {
            let coefficients = list(&dealer["coeffs_be"]).iter().map(secret).collect();
            let f = Polynomial::from_coefficients(coefficients).unwrap();
            let commitment = f.commit();
            assert_eq!(commitment.points(), points(&dealer["commitments_g2"]));
            let compressed: Vec<u8> = commitment.points().iter().flat_map(G2::to_bytes).collect();
            assert_eq!(sha256(&compressed), array(&dealer["commitment_hash_sha256"]));
            let expected = list(&dealer["shares_be"]);
            for ((id, expected), sum) in ids.iter().zip(expected).zip(&mut shares) {
                let dealing = f.evaluate_at(id);
                let mut bytes: [u8; 32] = array(expected);
                assert_eq!(*dealing.expose(), bytes);
                bytes[31] ^= 1;
                assert_ne!(*dealing.expose(), bytes, "the comparison must see a flipped bit");
                assert_eq!(dealing.mul_g2(), commitment.evaluate_at(id));
                *sum = sum.add(&dealing);
            }
            commitments.push(commitment);
        }
        let sum = Commitment::sum(&commitments.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(sum.points(), points(&vector["combined_commitments_g2"]));
        assert_eq!(sum.constant().to_bytes(), array(&vector["mpk_g2"]));
        for ((id, share), expected) in ids.iter().zip(&shares).zip(list(&vector["final_shares_be"])) {
            assert_eq!(*share.expose(), array(expected));
            assert_eq!(share.mul_g2(), sum.evaluate_at(id));
        }
        let t = usize::try_from(vector["t"].as_u64().unwrap()).unwrap();
        let lambdas = lagrange::at_zero_scalars(&ids[ids.len() - t..]).unwrap();
        let images: Vec<G2> = shares[ids.len() - t..].iter().map(SecretScalar::mul_g2).collect();
        assert_eq!(G2::msm(&images, &lambdas), *sum.constant());
    }
}

/// The new shares of the incidents: good, mixed dealer sets, mixed sources.
#[test]
fn eigenx_reshare() {
    let (Some(file), Some(start)) = (load("eigenx/reshare.json"), load("eigenx/feldman_dkg.json")) else {
        return;
    };
    let ids: Vec<Scalar> = (1..=3).map(|i| node_id(&address(i))).collect();
    let vector = &start["vectors"][0];
    let old: Vec<SecretScalar> = list(&vector["final_shares_be"]).iter().map(secret).collect();
    let mpk = G2::from_bytes(&array(&vector["mpk_g2"])).unwrap();
    for case in list(&file["cases"]) {
        let new: Vec<SecretScalar> = list(&case["new_shares_be"]).iter().map(secret).collect();
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            let lambdas = lagrange::at_zero_scalars(&[ids[i], ids[j]]).unwrap();
            let key = G2::msm(&[new[i].mul_g2(), new[j].mul_g2()], &lambdas);
            let expected = case["pairs_reconstruct_mpk"][format!("[{i} {j}]")].as_bool().unwrap();
            assert_eq!(key == mpk, expected, "{} {i} {j}", case["label"]);
        }
    }
    // The good case from its dealings: f_i(x) = x_i + k1_i * x, k1_i hashed from the label.
    let label = file["cases"][0]["label"].as_str().unwrap();
    let lambdas = lagrange::at_zero_scalars(&ids).unwrap();
    for (player, expected) in ids.iter().zip(list(&file["cases"][0]["new_shares_be"])) {
        let mut share = SecretScalar::zero();
        for ((dealer, lambda), number) in old.iter().zip(&lambdas).zip(1..) {
            let text = format!("eigenx-interop-vector|{label}|d{number}|k1");
            let slope = Scalar::reduce_be(&sha256(text.as_bytes()));
            let coefficients = vec![dealer.copy(), SecretScalar::from_public(&slope)];
            let f = Polynomial::from_coefficients(coefficients).unwrap();
            share = share.add(&f.evaluate_at(player).mul_public(lambda));
        }
        assert_eq!(*share.expose(), array(expected));
    }
}
