//! A timelock file of drand opens with our code: the construction is the same, byte for byte.

use quorumkeep_curves::bls::{G1, G2};
use sha2::{Digest, Sha256};

use super::{hex_field, vectors};
use crate::{AppKey, Suite, hash_identity};

/// The round whose signature the vectors hold.
const ROUND: u64 = 12_040_883;

fn quicknet() -> Option<(G2, G1, AppKey)> {
    let file = vectors("eigenx/peer_vectors.json")?;
    let network = &file["drand_quicknet"];
    assert_eq!(network["round"].as_u64(), Some(ROUND));
    let group_key = G2::from_bytes(&hex_field(network, "public_key_g2").unwrap()).unwrap();
    let signature = AppKey::from_bytes(&hex_field(network, "signature_g1").unwrap()).unwrap();
    let q = hash_identity(&Suite::DRAND_QUICKNET, &Sha256::digest(ROUND.to_be_bytes()));
    Some((group_key, q, signature))
}

#[test]
fn a_round_signature_is_the_key_of_its_round() {
    let Some((group_key, q, signature)) = quicknet() else { return };
    assert!(signature.verify(&q, &group_key));
    let next = hash_identity(&Suite::DRAND_QUICKNET, &Sha256::digest((ROUND + 1).to_be_bytes()));
    assert!(!signature.verify(&next, &group_key));
}

#[cfg(feature = "age")]
mod file {
    use std::io::Read;

    use age::DecryptError;
    use age_core::format::{FileKey, Stanza};
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::{ROUND, quicknet};
    use crate::fo::{decrypt, encrypt};
    use crate::tests::rng;
    use crate::{AppKey, Kem, Suite};

    /// The armored file of `TestDecryptText` without its first and last line; it holds `hello world`.
    ///
    /// Source: drand/tlock at 962ec50, `tlock_test.go` (Apache-2.0 or MIT).
    const ARMORED: &str = "\
        YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHRsb2NrIDEyMDQwODgzIDUyZGI5YmE3\
        MGUwY2MwZjZlYWY3ODAzZGQwNzQ0N2ExZjU0Nzc3MzVmZDNmNjYxNzkyYmE5NDYw\
        MGM4NGU5NzEKa1JjK01NSEUwS005b1V0SmNLTWZGb1JFVzBXN1JQbTNtdzZpVUJ1\
        cGNXVkZkZDJQb1h6U0JrK25TM01BNnBKNwpHZDl3REhmVU5hTldXTWw2cGVia2Jh\
        OUVNZGJDWnBuQVNtOWFIb3hqUitwaGFVT2xoS1ppZGl5ZHBLSStPS2N0CmxvT2ZP\
        SW9KaGtndTVTRnJUOGVVQTJUOGk3aTBwQlBzTDlTWUJUZEJQb28KLS0tIEl6Q1Js\
        WSt1RXp0d21CbEg0cTFVZGNJaW9pS2l0M0c0bHVxNlNjT2w3UUUKDI4cDlPHPgjy\
        UnBmtsw6U2LlKh8iDf0E1PfwDenmKFfQaAGm0WLxdlzP8Q==";

    /// drand's identity: the signature of a round opens its stanzas.
    struct Tlock(AppKey);

    impl age::Identity for Tlock {
        fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
            if stanza.tag != "tlock" || stanza.args.first()? != &ROUND.to_string() {
                return None;
            }
            let kem = Kem::from_bytes(&stanza.body).unwrap();
            let opened = decrypt(&Suite::DRAND_QUICKNET, &self.0, &kem);
            Some(opened.map(|key| FileKey::new(Box::new(*key))).map_err(|_| DecryptError::DecryptionFailed))
        }
    }

    fn open(file: &[u8], signature: &AppKey) -> Result<String, DecryptError> {
        let decryptor = age::Decryptor::new(file)?;
        let mut text = String::new();
        decryptor.decrypt([&Tlock(signature.copy()) as _].into_iter())?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn the_timelock_file_of_drands_own_test_opens() {
        let Some((_, _, signature)) = quicknet() else { return };
        let file = BASE64_STANDARD.decode(ARMORED).unwrap();
        assert_eq!(open(&file, &signature).unwrap(), "hello world");

        // A digit of the stanza's body: the file must not open.
        let body = file.windows(4).position(|window| window == b"kRc+").unwrap();
        let mut changed = file.clone();
        changed[body + 20] = if changed[body + 20] == b'A' { b'B' } else { b'A' };
        assert!(open(&changed, &signature).is_err());
    }

    #[test]
    fn what_we_encrypt_to_a_round_opens_with_its_signature() {
        let Some((group_key, q, signature)) = quicknet() else { return };
        let kem = encrypt(&Suite::DRAND_QUICKNET, &group_key, &q, &[7; 16], &mut rng(1)).unwrap();
        assert_eq!(*decrypt(&Suite::DRAND_QUICKNET, &signature, &kem).unwrap(), [7; 16]);
    }
}
