//! `H` of the protocol is keccak256 (the EVM's); SHA-256 appears where an outside format asks for it.

use sha3::Digest;

/// `H(bytes)`: keccak256, the variant of Ethereum (not SHA3-256).
#[must_use]
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    sha3::Keccak256::digest(bytes).into()
}

/// `H(parts_0 || parts_1 || ...)`: keccak256 over the plain concatenation, without copying it.
///
/// # Security
///
/// The concatenation is not injective. Callers give parts whose lengths are fixed by the format.
#[must_use]
pub fn keccak256_many(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = sha3::Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(hex::encode(keccak256(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex::encode(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(keccak256_many(&[b"ab", b"", b"c"]), keccak256(b"abc"));
    }
}
