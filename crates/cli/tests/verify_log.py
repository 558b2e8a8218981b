"""Verifies a checkpoint, a proof of inclusion and a whole exported log, with none of Quorumkeep's code.

    verify_log.py VKEY-FILE CHECKPOINT-FILE PROOF-FILE [FOLDER-OF-AN-EXPORTED-LOG]

The formats are c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof and c2sp.org/tlog-tiles; the tree is that of
RFC 6962, and the algorithm that verifies a proof is in RFC 9162, section 2.1.3.2. Signatures are verified by the package
`cryptography`. Prints one JSON object; any failure is an exception.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves):
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def read_vkey(text):
    name, key_hash, key = text.strip().split("+", 2)
    key = base64.b64decode(key, validate=True)
    assert key[0] == 1 and len(key) == 33, "not an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_hash, "wrong hash of the key"
    return name, bytes.fromhex(key_hash), Ed25519PublicKey.from_public_bytes(key[1:])


def open_checkpoint(note, vkey):
    name, key_hash, key = vkey
    text, signatures = note.split("\n\n", 1)
    text += "\n"
    verified = False
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and signature[:4] == key_hash:
            key.verify(signature[4:], text.encode())
            verified = True
    assert verified, "no signature of the log"
    origin, size, root = text.splitlines()
    assert origin == name
    return int(size), base64.b64decode(root, validate=True)


def verify_inclusion(index, size, leaf, path, root):
    assert index < size
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn != 0
        if fn % 2 == 1 or fn == sn:
            r = node_hash(p, r)
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0 and r == root, "the proof does not lead to the root"


def read_proof(text):
    head, checkpoint = text.split("\n\n", 1)
    version, extra, index, *hashes = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    assert extra.startswith("extra ") and index.startswith("index ")
    return base64.b64decode(extra[6:]), int(index[6:]), [base64.b64decode(line) for line in hashes], checkpoint


def tile_name(index, width):
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return "/".join(parts) + ("" if width == 256 else f".p/{width}")


def read_entries(folder, size):
    entries = []
    while len(entries) < size:
        width = min(256, size - len(entries))
        bundle = (folder / "tile/entries" / tile_name(len(entries) // 256, width)).read_bytes()
        hashes = (folder / "tile/0" / tile_name(len(entries) // 256, width)).read_bytes()
        for place in range(width):
            length = int.from_bytes(bundle[:2], "big")
            entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            assert leaf_hash(entry) == hashes[32 * place : 32 * place + 32], f"entry {len(entries)}"
            entries.append(entry)
        assert bundle == b""
    return entries


def main(vkey_file, checkpoint_file, proof_file, folder=None):
    vkey = read_vkey(pathlib.Path(vkey_file).read_text())
    size, root = open_checkpoint(pathlib.Path(checkpoint_file).read_text(), vkey)
    entry, index, path, checkpoint = read_proof(pathlib.Path(proof_file).read_text())
    proof_size, proof_root = open_checkpoint(checkpoint, vkey)
    verify_inclusion(index, proof_size, leaf_hash(entry), path, proof_root)
    answer = {"size": size, "root": root.hex(), "index": index, "entry": json.loads(entry)}
    if folder:
        entries = read_entries(pathlib.Path(folder), size)
        assert tree_hash([leaf_hash(one) for one in entries]) == root, "the entries do not make the root"
        answer["entries"] = len(entries)
    print(json.dumps(answer))


main(*sys.argv[1:])
