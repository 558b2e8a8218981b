use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use age::{DecryptError, Identity as _, Recipient as _};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::bech32_encode;
use age_core::secrecy::ExposeSecret;
use bech32::Hrp;
use proptest::prelude::*;
use quorumkeep_curves::bls::G2;

use super::{Nodes, app, rng};
use crate::agefile::{
    AppKeySource, FixedKey, Identity, ParseRecipientError, Recipient, STANZAS_MAX, SourceError, StanzaError,
    StanzaInfo, Wrapped,
};
use crate::{AppKey, Format, recover};

fn recipient(nodes: &Nodes, info: &StanzaInfo) -> Recipient {
    Recipient::new(info.clone(), nodes.group_key).unwrap()
}

fn identity(nodes: &Nodes, info: &StanzaInfo) -> Identity {
    Identity::new(FixedKey { info: info.clone(), key: nodes.app_key(&info.q(Format::Age)) })
}

fn seal(recipients: &[&dyn age::Recipient], plaintext: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let encryptor = age::Encryptor::with_recipients(recipients.iter().copied()).unwrap();
    let mut writer = encryptor.wrap_output(&mut file).unwrap();
    writer.write_all(plaintext).unwrap();
    writer.finish().unwrap();
    file
}

fn open(file: &[u8], identity: &dyn age::Identity) -> Result<Vec<u8>, DecryptError> {
    let mut plaintext = Vec::new();
    age::Decryptor::new(file)?.decrypt([identity].into_iter())?.read_to_end(&mut plaintext)?;
    Ok(plaintext)
}

/// Nodes as a source: partials are made on demand, one of them bad.
struct Network {
    nodes: Nodes,
    requests: Rc<Cell<usize>>,
}

impl AppKeySource for Network {
    fn app_key(&self, request: &StanzaInfo) -> Result<AppKey, SourceError> {
        self.requests.set(self.requests.get() + 1);
        if request.network != [1; 32] {
            return Err(SourceError::NotMine);
        }
        if request.app_id.as_str() == "refused" {
            return Err(SourceError::Failed("policy".into()));
        }
        let nodes = &self.nodes;
        let q = request.q(Format::Age);
        let mut partials = nodes.partials(&[2, 3, 4], &q);
        partials.push(nodes.partial(1, &app("other", 0).q(Format::Age)));
        recover(nodes.threshold, &q, &nodes.group_key, &nodes.public_shares, &partials)
            .map_err(|error| SourceError::Failed(Box::new(error)))
    }
}

#[test]
fn a_file_opens_with_a_key_that_the_nodes_make_on_demand() {
    let (nodes, requests) = (Nodes::new(3, 4, 30), Rc::new(Cell::new(0)));
    let info = app("billing", 3);
    let plaintext = vec![42; 200_000];
    let file = seal(&[&recipient(&nodes, &info)], &plaintext);
    assert!(file.starts_with(b"age-encryption.org/v1\n-> quorumkeep AQEB"));
    let identity = Identity::new(Network { nodes, requests: requests.clone() });
    assert_eq!(open(&file, &identity).unwrap(), plaintext);
    assert_eq!(requests.get(), 1);
}

#[test]
fn a_prepared_recipient_seals_as_well() {
    let (nodes, info) = (Nodes::new(2, 3, 31), app("billing", 0));
    let prepared = recipient(&nodes, &info).prepare().unwrap();
    assert_eq!(open(&seal(&[&prepared], b"x"), &identity(&nodes, &info)).unwrap(), b"x");
}

#[test]
fn another_application_epoch_network_or_key_does_not_open() {
    let (nodes, info) = (Nodes::new(2, 3, 32), app("billing", 0));
    let file = seal(&[&recipient(&nodes, &info)], b"x");
    for other in [
        app("billing", 1),
        app("payroll", 0),
        StanzaInfo { network: [9; 32], ..info.clone() },
        StanzaInfo { key_id: [9; 32], ..info.clone() },
    ] {
        assert!(matches!(open(&file, &identity(&nodes, &other)), Err(DecryptError::NoMatchingKeys)));
    }
    let stranger = Nodes::new(2, 3, 33);
    assert!(matches!(open(&file, &identity(&stranger, &info)), Err(DecryptError::DecryptionFailed)));
}

#[test]
fn a_stanza_that_is_refused_does_not_hide_one_that_opens() {
    let nodes = Nodes::new(3, 4, 34);
    let (refused, foreign) = (app("refused", 0), StanzaInfo { network: [9; 32], ..app("billing", 0) });
    let x25519 = age::x25519::Identity::generate();
    let file = seal(
        &[
            &recipient(&nodes, &refused),
            &recipient(&nodes, &foreign),
            &x25519.to_public(),
            &recipient(&nodes, &app("billing", 0)),
        ],
        b"x",
    );
    let only_refused = seal(&[&recipient(&nodes, &refused), &recipient(&nodes, &foreign)], b"x");
    let identity = Identity::new(Network { nodes, requests: Rc::default() });
    assert_eq!(open(&file, &identity).unwrap(), b"x");
    assert_eq!(open(&file, &x25519).unwrap(), b"x");
    assert!(matches!(open(&only_refused, &identity), Err(DecryptError::Io(_))));
}

#[test]
fn a_file_of_many_stanzas_asks_nobody() {
    let (nodes, requests) = (Nodes::new(3, 4, 35), Rc::new(Cell::new(0)));
    let wrapped = recipient(&nodes, &app("billing", 0)).wrap(&[7; 16], &mut rng(1)).unwrap();
    let identity = Identity::new(Network { nodes, requests: requests.clone() });
    let stanzas: Vec<Stanza> = (0..=STANZAS_MAX).map(|_| wrapped.to_stanza()).collect();
    assert!(matches!(identity.unwrap_stanzas(&stanzas), Some(Err(DecryptError::InvalidHeader))));
    assert_eq!(requests.get(), 0);
    assert!(identity.unwrap_stanzas(&stanzas[1..]).unwrap().is_ok());
}

#[test]
fn the_recipient_carries_no_label() {
    let nodes = Nodes::new(2, 3, 36);
    let (stanzas, labels) =
        recipient(&nodes, &app("billing", 0)).wrap_file_key(&FileKey::new(Box::new([7; 16]))).unwrap();
    assert_eq!((stanzas.len(), labels.len()), (1, 0));
}

#[test]
fn every_changed_byte_of_a_stanza_is_refused() {
    let (nodes, info) = (Nodes::new(2, 3, 37), app("billing", 10));
    let wrapped = recipient(&nodes, &info).wrap(&[7; 16], &mut rng(1)).unwrap();
    let key = nodes.app_key(&info.q(Format::Age));
    assert_eq!(wrapped.unwrap_file_key(&key).unwrap().expose_secret(), &[7; 16]);
    let stanza = || wrapped.to_stanza();
    for position in 0..128 {
        let mut changed = stanza();
        changed.body[position] ^= 1;
        let parsed = Wrapped::parse(&changed).unwrap().unwrap();
        assert!(parsed.unwrap_file_key(&key).is_err(), "byte {position}");
    }
}

#[test]
fn malformed_stanzas_are_refused_and_foreign_ones_ignored() {
    let (nodes, info) = (Nodes::new(2, 3, 38), app("ab", 10));
    let stanza = recipient(&nodes, &info).wrap(&[7; 16], &mut rng(1)).unwrap().to_stanza();
    let with = |position: usize, text: &str| {
        let mut args = stanza.args.clone();
        args[position] = text.to_owned();
        Wrapped::from_parts(&args, &stanza.body).err()
    };
    assert_eq!(Wrapped::parse(&stanza).unwrap().unwrap().info, info);
    let zeros = "A".repeat(43);
    for (position, text) in [
        (0, "AAAA"),
        (0, &*format!("{zeros}=")),
        (1, &*"A".repeat(44)),
        // Stray bits after the last byte: a second spelling.
        (1, &*format!("{}B", &zeros[1..])),
        (2, ""),
        (2, "YWI="),
        (2, "YSBi"),
        (3, "010"),
        (3, "+10"),
        (3, "-1"),
        (3, ""),
        (3, "18446744073709551616"),
    ] {
        assert_eq!(with(position, text), Some(StanzaError::Arguments), "{position} {text}");
    }
    assert_eq!(Wrapped::from_parts(&stanza.args[..3], &stanza.body), Err(StanzaError::Arguments));
    assert_eq!(Wrapped::from_parts(&stanza.args, &stanza.body[1..]), Err(StanzaError::Body));
    assert!(Wrapped::parse(&Stanza { tag: "X25519".to_owned(), args: vec![], body: vec![] }).is_none());
}

#[test]
fn a_recipient_is_checked_when_it_is_parsed() {
    let (nodes, info) = (Nodes::new(2, 3, 39), app("billing", 1));
    let recipient = recipient(&nodes, &info);
    let (text, payload) = (recipient.to_string(), recipient.to_payload());
    assert!(text.starts_with("age1quorumkeep1"));
    assert_eq!(text.parse(), Ok(recipient.clone()));
    assert_eq!(text.to_uppercase().parse::<Recipient>(), Err(ParseRecipientError::Prefix));
    for position in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[position] = if changed[position] == b'q' { b'p' } else { b'q' };
        assert!(String::from_utf8(changed).unwrap().parse::<Recipient>().is_err(), "character {position}");
    }
    let other = bech32_encode(Hrp::parse("age1other").unwrap(), &payload);
    assert_eq!(other.parse::<Recipient>(), Err(ParseRecipientError::Prefix));

    let with = |position: usize, value: &[u8]| {
        let mut changed = payload.clone();
        changed[position..position + value.len()].copy_from_slice(value);
        Recipient::from_payload(&changed).err()
    };
    assert_eq!(with(0, &[2]), Some(ParseRecipientError::Version(2)));
    assert!(matches!(with(65, &[0xc0; 1]), Some(ParseRecipientError::GroupKey(_))));
    assert!(matches!(with(173, b" "), Some(ParseRecipientError::AppId(_))));
    assert!(matches!(with(173, &[0xff]), Some(ParseRecipientError::Payload(_))));
    assert!(matches!(with(172, &[6]), Some(ParseRecipientError::Payload(_))));
    for length in 0..payload.len() {
        assert!(Recipient::from_payload(&payload[..length]).is_err());
    }
    assert!(Recipient::new(info, G2::identity()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn recipients_and_stanzas_come_back(network in any::<[u8; 32]>(), key_id in any::<[u8; 32]>(), name in "[!-~]{1,128}", epoch in any::<u64>()) {
        let info = StanzaInfo { network, key_id, ..app(&name, epoch) };
        let recipient = Recipient::new(info.clone(), Nodes::new(2, 3, 40).group_key).unwrap();
        prop_assert_eq!(recipient.to_string().parse::<Recipient>(), Ok(recipient.clone()));
        let wrapped = recipient.wrap(&[7; 16], &mut rng(epoch)).unwrap();
        prop_assert_eq!(Wrapped::parse(&wrapped.to_stanza()), Some(Ok(wrapped)));
    }

    #[test]
    fn arbitrary_payloads_and_texts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in any::<String>()) {
        if let Ok(recipient) = Recipient::from_payload(&bytes) {
            prop_assert_eq!(recipient.to_payload(), bytes);
        }
        prop_assert!(text.parse::<Recipient>().is_err());
    }
}
