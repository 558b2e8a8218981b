//! Guardians and people for the tests of this crate.

use zeroize::Zeroizing;

use crate::guardian::{Guardian, GuardianKey, Kind};

/// The key of a guardian: a function of his name.
pub fn guardian_key(name: &str) -> GuardianKey {
    let mut seed = Zeroizing::new([0xa5; 32]);
    seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    GuardianKey::from_seed(seed)
}

/// A guardian with an age recipient.
pub fn guardian(name: &str, kind: Kind, entity: &str) -> Guardian {
    let key = guardian_key(name);
    Guardian {
        name: name.parse().unwrap(),
        kind,
        entity: entity.parse().unwrap(),
        recipient: key.age_recipient(),
        signing: key.signing().verify_key(),
    }
}
