//! Against RFC 6962's recursive definition, against the vectors of the reference implementation, and every size up to 600.

use proptest::prelude::*;

use super::*;

/// Every leaf in memory; nodes as RFC 6962 defines them.
struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = TreeError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, TreeError> {
        let (low, high) = (index << level, (index + 1) << level);
        assert!(high <= self.0.len() as u64, "node ({level}, {index}) is not in the tree");
        Ok(mth(&self.0[low as usize..high as usize]))
    }
}

/// `MTH(D[n])`, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        more => {
            let k = (1..).map(|bit| 1 << bit).take_while(|k| *k < more.len()).last().unwrap_or(1);
            node_hash(&mth(&more[..k]), &mth(&more[k..]))
        }
    }
}

fn leaves(count: usize) -> Leaves {
    Leaves((0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect())
}

fn grown(leaves: &[Hash]) -> Frontier {
    let mut edge = Frontier::default();
    leaves.iter().for_each(|leaf| edge.push::<TreeError>(*leaf, |_, _, _| Ok(())).unwrap());
    edge
}

// Entries and roots of the Merkle tree tests of Certificate Transparency (github.com/transparency-dev/merkle, testonly).
const ENTRIES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut edge = Frontier::default();
    assert_eq!(hex::encode(edge.root()), ROOTS[0]);
    for (entry, root) in ENTRIES.iter().zip(&ROOTS[1..]) {
        edge.push::<TreeError>(leaf_hash(&hex::decode(entry).unwrap()), |_, _, _| Ok(())).unwrap();
        assert_eq!(hex::encode(edge.root()), *root);
    }
}

#[test]
fn the_edge_and_every_node_are_as_rfc_6962_defines_them() {
    let mut tree = leaves(600);
    let mut edge = Frontier::default();
    for size in 0..600 {
        assert_eq!(edge.root(), mth(&tree.0[..size]), "{size}");
        assert_eq!(root(&mut tree, size as u64).unwrap(), edge.root());
        assert_eq!(Frontier::from_parts(size as u64, edge.roots().to_vec()).unwrap(), edge);
        let leaf = tree.0[size];
        let mut count = 0;
        edge.push::<TreeError>(leaf, |level, index, hash| {
            assert_eq!(tree.node(level, index).unwrap(), *hash);
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 1 + (size as u64).trailing_ones());
    }
}

#[test]
fn another_number_of_roots_is_refused() {
    assert!(Frontier::from_parts(3, vec![[0; 32]]).is_err());
    assert!(Frontier::from_parts(SIZE_MAX + 1, vec![[0; 32]; 2]).is_err());
    assert!(Frontier::from_parts(0, Vec::new()).is_ok());
}

#[test]
fn every_leaf_of_small_trees_is_proved_and_no_other() {
    let mut tree = leaves(70);
    for size in 1..70_u64 {
        let root = mth(&tree.0[..size as usize]);
        for index in 0..size {
            let path = inclusion(&mut tree, size, index).unwrap();
            let leaf = tree.0[index as usize];
            check_inclusion(&path, size, &root, index, &leaf).unwrap();
            for other in (0..size).filter(|other| *other != index) {
                assert!(check_inclusion(&path, size, &root, other, &leaf).is_err());
            }
        }
    }
}

#[test]
fn every_pair_of_small_trees_is_proved() {
    let mut tree = leaves(70);
    for size in 0..70_u64 {
        let root = mth(&tree.0[..size as usize]);
        for old in 0..=size {
            let old_root = mth(&tree.0[..old as usize]);
            let path = consistency(&mut tree, size, old).unwrap();
            check_consistency(&path, size, &root, old, &old_root).unwrap();
        }
    }
}

#[test]
fn what_is_not_in_the_tree_has_no_proof() {
    let mut tree = leaves(5);
    assert!(inclusion(&mut tree, 5, 5).is_err());
    assert!(consistency(&mut tree, 5, 6).is_err());
    let (root, leaf) = (mth(&tree.0), tree.0[0]);
    for (size, index) in [(0, 0), (5, 5), (u64::MAX, 1), (SIZE_MAX + 1, 0)] {
        assert!(check_inclusion(&[], size, &root, index, &leaf).is_err());
        assert!(check_consistency(&[], size, &root, size.saturating_add(1), &leaf).is_err());
    }
    // The largest sizes that are answered at all, with proofs of any length: no overflow, no endless loop.
    for length in 0..70 {
        let path = vec![[7; 32]; length];
        assert!(check_inclusion(&path, SIZE_MAX, &root, SIZE_MAX - 1, &leaf).is_err());
        assert!(check_consistency(&path, SIZE_MAX, &root, SIZE_MAX - 1, &leaf).is_err());
        assert!(check_consistency(&path, SIZE_MAX, &root, 1 << 61, &leaf).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn inclusion_of_every_leaf(size in 1_u64..600) {
        let mut tree = leaves(size as usize);
        let root = grown(&tree.0).root();
        for index in 0..size {
            let path = inclusion(&mut tree, size, index).unwrap();
            check_inclusion(&path, size, &root, index, &tree.0[index as usize]).unwrap();
        }
    }

    #[test]
    fn consistency_with_every_earlier_tree(size in 1_u64..600) {
        let mut tree = leaves(size as usize);
        let root = grown(&tree.0).root();
        let mut edge = Frontier::default();
        for old in 0..=size {
            let path = consistency(&mut tree, size, old).unwrap();
            check_consistency(&path, size, &root, old, &edge.root()).unwrap();
            if old < size {
                edge.push::<TreeError>(tree.0[old as usize], |_, _, _| Ok(())).unwrap();
            }
        }
    }

    #[test]
    fn a_changed_proof_shows_nothing(size in 2_u64..300, pick in any::<u64>(), at in any::<usize>(), bit in 0_usize..256) {
        let mut tree = leaves(size as usize);
        let root = grown(&tree.0).root();
        let index = pick % size;
        let leaf = tree.0[index as usize];
        let good = inclusion(&mut tree, size, index).unwrap();
        let mut bad = good.clone();
        let place = at % bad.len();
        bad[place][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check_inclusion(&bad, size, &root, index, &leaf).is_err());
        prop_assert!(check_inclusion(&good[1..], size, &root, index, &leaf).is_err());
        prop_assert!(check_inclusion(&[good.clone(), vec![leaf]].concat(), size, &root, index, &leaf).is_err());

        let old = 1 + pick % (size - 1);
        let old_root = grown(&tree.0[..old as usize]).root();
        let mut proof = consistency(&mut tree, size, old).unwrap();
        let place = at % proof.len();
        proof[place][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check_consistency(&proof, size, &root, old, &old_root).is_err());
        proof.pop();
        prop_assert!(check_consistency(&proof, size, &root, old, &old_root).is_err());
    }
}
