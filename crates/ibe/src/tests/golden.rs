//! Frozen bytes: what was written once must stay readable, and what is written must not change unnoticed.
//!
//! A change here is a change of format: it needs a new version of that format, not a new expectation.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::hash::sha256;

use super::{app, rng};
use crate::{AppKey, Format, Kem, Suite, fo, readiness_q, sign_partial};

const KEM: &str = "";

fn master() -> SecretScalar {
    SecretScalar::from_wide(&[7; 64])
}

fn app_key() -> AppKey {
    AppKey::from_bytes(&sign_partial(&master(), &app("billing", 1).q(Format::Age)).expose()).unwrap()
}

#[test]
fn points_of_identities() {
    let info = app("billing", 1);
    assert_eq!(hex::encode(info.q(Format::Age).to_bytes()), "");
    assert_eq!(hex::encode(info.q(Format::EigenX).to_bytes()), "");
    assert_eq!(hex::encode(readiness_q(&info.network, &info.key_id).to_bytes()), "");
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
    assert_eq!(recipient.to_string(), "");
    let stanza = recipient.wrap(&[42; 16], &mut rng(1)).unwrap().to_stanza();
    assert_eq!(stanza.args.join(" "), "");
    assert_eq!(hex::encode(&stanza.body), KEM);
    assert_eq!(Wrapped::parse(&stanza).unwrap().unwrap().info, *recipient.info());
}

#[test]
fn an_eigenx_ciphertext() {
    let info = app("billing", 1);
    let ciphertext = crate::eigenx::encrypt(&master().mul_g2(), &info.app_id, b"hello", &mut rng(1)).unwrap();
    assert_eq!(hex::encode(sha256(&ciphertext)), "");
}

#[test]
#[ignore = "timing"]
fn timing() {
    let q = app("billing", 1).q(Format::Age);
    let y = master().mul_g2();
    let e = fo::Encryptor::new(Suite::QUORUMKEEP, &y, &q).unwrap();
    let k = app_key();
    let kem = e.encrypt(&[1; 16], &mut rng(1)).unwrap();
    let mut r = rng(1);
    let t = |name: &str, f: &mut dyn FnMut()| {
        let s = std::time::Instant::now();
        for _ in 0..300 { f(); }
        println!("{name} {:?}", s.elapsed() / 300);
    };
    t("hash", &mut || drop(std::hint::black_box(app("billing", 1).q(Format::Age))));
    t("cold", &mut || drop(fo::encrypt(&Suite::QUORUMKEEP, &y, &q, &[1; 16], &mut r)));
    t("cached", &mut || drop(e.encrypt(&[1; 16], &mut rng(1))));
    t("decrypt", &mut || drop(fo::decrypt(&Suite::QUORUMKEEP, &k, &kem)));
    t("verify", &mut || drop(k.verify(&q, &y)));
    t("sign", &mut || drop(sign_partial(&master(), &q)));
    let nodes = super::Nodes::new(14, 21, 1);
    let p = nodes.partials(&(1..=21).collect::<Vec<_>>(), &q);
    t("recover 14/21", &mut || drop(crate::recover(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &p)));
}
