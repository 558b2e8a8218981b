//! Entries, checkpoints, proofs, public keys and bundles of an audit log. The first byte chooses the decoder.
//!
//! What is decoded is written the same again. A checkpoint that is believed, and a proof that holds, are those that the log's
//! key signed; proofs of any shape for trees of any size end, and show nothing.
#![no_main]
#![allow(missing_docs)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use quorumkeep_audit::tile::{bundle, parse_bundle, parse_hashes};
use quorumkeep_audit::tree::{check_consistency, check_inclusion, leaf_hash, node_hash};
use quorumkeep_audit::{Checkpoint, Entry, InclusionProof, LogKey, Verifier, printable};
use quorumkeep_fuzz::input::{Input, split};
use quorumkeep_fuzz::seeds::{self, choose};

/// A log of two entries.
struct Fixed {
    key: LogKey,
    entry: Vec<u8>,
    root: [u8; 32],
    note: Vec<u8>,
    proof: InclusionProof,
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let key = LogKey::from_seed("quorumkeep.custody/fuzz", &[7; 32]).expect("a key");
        let mut full = Entry::new(1_770_000_000_000, "share.deliver", "anna\u{202e}\n");
        full.approvers = vec!["berta".to_owned()];
        full.details.insert("medium".to_owned(), "paper".to_owned());
        full.envelope_sha256 = Some("ab".repeat(32));
        full.share_index = Some(3);
        let entry = full.to_bytes().expect("an entry");
        let sibling = leaf_hash(b"before");
        let root = node_hash(&sibling, &leaf_hash(&entry));
        let note = Checkpoint::sign(&key, 2, root).expect("signed");
        let proof = InclusionProof { index: 1, entry: entry.clone(), path: vec![sibling], checkpoint: note.clone() };
        Fixed { key, entry, root, note, proof }
    })
}

fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::from_bytes(bytes) else { return };
    assert_eq!(entry.to_bytes().expect("it was decoded"), bytes);
    assert!(bytes.iter().all(|byte| (0x20..=0x7e).contains(byte)));
    assert!(!printable(&entry.operator).chars().any(char::is_control));
}

fn checkpoint(bytes: &[u8]) {
    let fixed = fixed();
    if let Ok(head) = Checkpoint::open(bytes, fixed.key.verifier()) {
        assert_eq!((head.size, head.root), (2, fixed.root), "a forged checkpoint");
    }
    let _ = Checkpoint::bare_signature(bytes);
}

fn proof(bytes: &[u8]) {
    let fixed = fixed();
    let Ok(proof) = InclusionProof::from_bytes(bytes) else { return };
    assert_eq!(proof.to_bytes(), bytes);
    if proof.verify(fixed.key.verifier()).is_ok() {
        assert_eq!((&proof.entry, proof.index), (&fixed.entry, 1), "a forged proof");
    }
}

fn verifier(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(verifier) = Verifier::decode(text) {
        assert_eq!(verifier.encode(), text.trim_ascii());
    }
}

fn files(bytes: &[u8]) {
    let (entries, whole) = parse_bundle(bytes);
    assert_eq!(whole, bundle(entries) == bytes);
    let (width, hashes) = split(bytes);
    if let Some(parsed) = parse_hashes(hashes, width.into()) {
        assert_eq!(parsed.concat(), hashes);
    }
}

/// Paths of any shape and sizes of any size: they end, and they show nothing about this tree.
fn paths(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut number = || input.take(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (size, place) = (number(), number());
    let path: Vec<[u8; 32]> = bytes.as_chunks::<32>().0.to_vec();
    let root = fixed().root;
    assert!(check_inclusion(&path, size, &root, place, &[9; 32]).is_err());
    if place > 0 {
        assert!(check_consistency(&path, size, &root, place, &[9; 32]).is_err());
    }
}

fuzz_target!(init: seeds::write("decode_audit", inputs), |data: &[u8]| {
    let (decoder, bytes) = split(data);
    match decoder % 6 {
        0 => entry(bytes),
        1 => checkpoint(bytes),
        2 => proof(bytes),
        3 => verifier(bytes),
        4 => files(bytes),
        _ => paths(bytes),
    }
});

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let fixed = fixed();
    vec![
        ("entry", choose(0, &fixed.entry)),
        ("checkpoint", choose(1, &fixed.note)),
        ("proof", choose(2, &fixed.proof.to_bytes())),
        ("verifier", choose(3, fixed.key.verifier().encode().as_bytes())),
        ("files", choose(4, &bundle([fixed.entry.as_slice(), b"", b"x"]))),
        ("paths", choose(5, &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 77])),
    ]
}
