//! Frozen bytes: what was written once must stay readable, and what is written must not change unnoticed.
//!
//! A change here is a change of format: it needs a new version of that format, not a new expectation.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::hash::sha256;

use super::{app, rng};
use crate::{AppKey, Format, Kem, Suite, fo, readiness_q, sign_partial};

const KEM: &str = "93eb41eeaf7e3f2fe34670aef02509b20834180426b245bcd0e94f5964a671d0fbcd0e9916cdecb7f74f5836b3fc32fa14ff8b7e226a7f1b103f3684fad5cda50da84d509d9685b848e149529520d4c30bf12ebaafa61a2a80337217012baa22313032737a07a59cf51e3b30e5930407daebba12cf25ab7aadf11b2b29fe1da3";

#[cfg(feature = "age")]
const RECIPIENT: &str = "age1quorumkeep1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszkme82dn4qvxfstckwauvenkxvd754ydjcx2zlpuej0f67ftzelvc9urp3amy59d5m5mfmu5txh4skqcsy6tdu3agla0cfv0qdfxynand8kgakf42nq7e76p24rw5pgz8sfm5l6k7twpg8dndzyxextycsuqqqqqqqqqqqqgqqqqqwcnfd3kxjmn82706m9";
#[cfg(feature = "age")]
const STANZA_ARGS: &str =
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI YmlsbGluZw 1";

fn master() -> SecretScalar {
    SecretScalar::from_wide(&[7; 64])
}

fn app_key() -> AppKey {
    AppKey::from_bytes(&sign_partial(&master(), &app("billing", 1).q(Format::Age)).expose()).unwrap()
}

#[test]
fn points_of_identities() {
    let info = app("billing", 1);
    assert_eq!(
        hex::encode(info.q(Format::Age).to_bytes()),
        "92ad4d42c6d6fc89fe28164fde4378696cc84176f773f578babf6b184ed6a24960881fa312c18d13f3a2056d1cd6e0ef"
    );
    assert_eq!(
        hex::encode(info.q(Format::EigenX).to_bytes()),
        "911585a6d94fe2d745dfbbbc0a21db6881f7a9c602b8b46498538ff00237a23a7a8107ffa0c63fe429a1c20a35615f00"
    );
    assert_eq!(
        hex::encode(readiness_q(&info.network, &info.key_id).to_bytes()),
        "91ed66f66de92b1da741f0b01e629b4f14ab83de5b55b2da1db37b03c6da45fcf9f2a6016d26ecceac81dda2eb9154ee"
    );
}

#[test]
fn a_ciphertext() {
    let q = app("billing", 1).q(Format::Age);
    let kem = fo::encrypt(&Suite::QUORUMKEEP, &master().mul_g2(), &q, &[42; 16], &mut rng(1)).unwrap();
    assert_eq!(hex::encode(kem.to_bytes()), KEM);
    let stored = Kem::from_bytes(&hex::decode(KEM).unwrap()).unwrap();
    assert_eq!(*fo::decrypt(&Suite::QUORUMKEEP, &app_key(), &stored).unwrap(), [42; 16]);
}

#[cfg(feature = "age")]
#[test]
fn a_recipient_and_a_stanza() {
    use crate::agefile::{Recipient, Wrapped};

    let recipient = Recipient::new(app("billing", 1), master().mul_g2()).unwrap();
    assert_eq!(recipient.to_string(), RECIPIENT);
    let stanza = recipient.wrap(&[42; 16], &mut rng(1)).unwrap().to_stanza();
    assert_eq!(stanza.args.join(" "), STANZA_ARGS);
    assert_eq!(hex::encode(&stanza.body), KEM);
    assert_eq!(Wrapped::parse(&stanza).unwrap().unwrap().info, *recipient.info());
}

#[test]
fn an_eigenx_ciphertext() {
    let info = app("billing", 1);
    let ciphertext = crate::eigenx::encrypt(&master().mul_g2(), &info.app_id, b"hello", &mut rng(1)).unwrap();
    assert_eq!(hex::encode(sha256(&ciphertext)), "1d07126104d33390bc3eea19ea33ec99c1c82da4b52849b4d893d0cfdb47b057");
}
