//! Vectors from outside: another system's dealings and reshares, and points outside of the subgroup.

use std::fs;
use std::path::PathBuf;

use quorumkeep_curves::bls::{G1, Scalar, SecretScalar};
use quorumkeep_curves::hash::{keccak256, sha256};
use quorumkeep_sharing::Polynomial;
use serde_json::{Value, json};

use super::{ORDER, Sharing, array, check, g2, with};

/// As in the crate `curves`: the folder in `QUORUMKEEP_VECTORS`, else `shared/vectors` beside the workspace.
fn load(path: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("QUORUMKEEP_VECTORS").map_or_else(beside, PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join(path)) else {
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

/// Another system's point, as that system hashes it: not reduced.
fn node_id(address: &[u8; 20]) -> String {
    hex::encode(keccak256(address))
}

/// Every dealing and every final share of the other system, and each of them with every kind of change.
#[test]
fn eigenx_dealings_are_valid_and_v1_v3_changes_of_them_are_not() {
    let Some(file) = load("eigenx/feldman_dkg.json") else { return };
    for vector in list(&file["vectors"]) {
        let dealers = list(&vector["dealers"]);
        let ids: Vec<String> = dealers.iter().map(|d| node_id(&array(&d["dealer"]))).collect();
        let item = |commitments: &Value, id: &str, share: &Value| {
            json!({
                "threshold": vector["t"], "point": id, "players": ids, "commitments": commitments, "share": share,
            })
        };
        let mut cases = Vec::new();
        for dealer in dealers {
            let shares = ids.iter().zip(list(&dealer["shares_be"]));
            cases.extend(shares.map(|(id, share)| (item(&dealer["commitments_g2"], id, share), "valid", "")));
        }
        let sums = ids.iter().zip(list(&vector["final_shares_be"]));
        cases.extend(sums.map(|(id, share)| (item(&vector["combined_commitments_g2"], id, share), "valid", "")));
        for place in 0..cases.len() {
            let (good, next) = (cases[place].0.clone(), cases[(place + 1) % cases.len()].0.clone());
            let commitments = list(&good["commitments"]);
            let longer = [commitments, &commitments[..1]].concat();
            let shorter = commitments[1..].to_vec();
            cases.push((with(good.clone(), &[("share", next["share"].clone())]), "share_mismatch", "share"));
            cases.push((with(good.clone(), &[("commitments", json!(longer))]), "wrong_length", "commitments"));
            cases.push((with(good.clone(), &[("commitments", json!(shorter))]), "wrong_length", "commitments"));
            cases.push((with(good, &[("point", json!(ORDER))]), "index_reduces_to_zero", "point"));
        }
        check(&cases);
    }
}

/// The dealings of the other system's reshare, rebuilt from their description, against the shares before; and the dealer
/// that deals from another version, as in its incident.
#[test]
fn eigenx_reshare_r3_a_stale_source_is_refused() {
    let (Some(file), Some(start)) = (load("eigenx/reshare.json"), load("eigenx/feldman_dkg.json")) else { return };
    let vector = &start["vectors"][0];
    let holders: Vec<Value> = list(&vector["dealers"])
        .iter()
        .zip(list(&vector["final_shares_be"]))
        .map(|(dealer, share)| {
            let share = SecretScalar::from_be_bytes(&array(share)).unwrap();
            json!({ "point": node_id(&array(&dealer["dealer"])), "public_share": g2(&share.mul_g2()) })
        })
        .collect();
    let mut cases = Vec::new();
    for case in list(&file["cases"]) {
        for (number, dealer) in (1..).zip(list(&vector["dealers"])) {
            let source = &vector["final_shares_be"][number - 1];
            let stale = &dealer["shares_be"][0];
            for (constant, result, field) in [(source, "valid", ""), (stale, "source_mismatch", "commitments[0]")] {
                let text = format!("eigenx-interop-vector|{}|d{number}|k1", case["label"].as_str().unwrap());
                let slope = SecretScalar::from_public(&Scalar::reduce_be(&sha256(text.as_bytes())));
                let constant = SecretScalar::from_be_bytes(&array(constant)).unwrap();
                let f = Polynomial::from_coefficients(vec![constant, slope]).unwrap();
                let previous = json!({ "dealer": holders[number - 1]["point"], "public_shares": holders });
                let item = Sharing { f, t: 2 }.item_at(holders[1]["point"].as_str().unwrap());
                cases.push((with(item, &[("previous", previous)]), result, field));
            }
        }
    }
    check(&cases);
}

/// Points outside of the subgroup from elsewhere, compressed, as the second commitment.
#[test]
fn v2_eip2537_points_outside_of_the_subgroup_are_refused() {
    let (g1, g2) = (load("eip2537/fail-mul_G1_bls.json"), load("eip2537/fail-mul_G2_bls.json"));
    let (Some(g1), Some(g2)) = (g1, g2) else { return };
    let sharing = Sharing::new(2);
    let (in_g1, in_g2) = (hex::encode(G1::generator().to_bytes()), sharing.commitments()[0].clone());
    let mut cases = Vec::new();
    for (file, coordinates, first) in [(g1, 1, in_g1), (g2, 2, in_g2)] {
        let vector = list(&file).iter().find(|v| v["Name"].as_str().unwrap().ends_with("not_in_correct_subgroup"));
        let input = hex::decode(vector.unwrap()["Input"].as_str().unwrap()).unwrap();
        let point = compressed(&input, coordinates);
        let item = with(sharing.item(1), &[("commitments", json!([first, point]))]);
        cases.push((item, "not_in_subgroup", "commitments[1]"));
    }
    check(&cases);
}

/// The compressed form of a point whose coordinates have 64 bytes for each element of the base field.
fn compressed(point: &[u8], coordinates: usize) -> String {
    let half: [u8; 48] = array(&json!(
        "0d0088f51cbff34d258dd3db21a5d66bb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555"
    ));
    let elements: Vec<&[u8]> = point.chunks_exact(64).map(|element| &element[16..]).collect();
    let (x, y) = elements[..2 * coordinates].split_at(coordinates);
    // The ZCash format: the highest element first, and it decides the sign unless it is 0.
    let sign = y.iter().rev().find(|element| element.iter().any(|byte| *byte != 0)).is_some_and(|y| **y > half[..]);
    let mut bytes: Vec<u8> = x.iter().rev().flat_map(|element| element.to_vec()).collect();
    bytes[0] |= if sign { 0xa0 } else { 0x80 };
    hex::encode(bytes)
}
