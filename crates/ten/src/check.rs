//! Verdicts over what was read: pure functions with stable codes, for `ten verify`, `ten inventory` and monitoring.
//!
//! | question | function |
//! |---|---|
//! | is the configured backup key the expected one, in the form that the program reads? | [`configured_key`] |
//! | which network secret does a node run on? | [`rpc_key`], [`same_network`] |
//! | is what was captured of the right instance? | [`instance`] |
//! | are instances kept apart? | [`separate`] |
//! | is the newest backup new enough? | [`age`] |
//! | does it open, and to the right secret? | [`opened`], [`shares`] |
//!
//! # Security
//!
//! Only [`opened`] sees a secret, and drops it. What cannot be seen from outside is said to be unknown: a node does not tell which
//! backup key it is configured with, and a ciphertext does not show for which key it is. Only an attempt to open it does.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::ciphertext::{Ciphertext, NotOpened};
use crate::identity::Identity;
use crate::key::BackupPublicKey;
use crate::secret::{GatewayKey, NetworkSecret, NotASecret, RpcKey, Secret};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be checked.
    Unknown,
    /// A recovery would fail, or could.
    Failed,
    /// Somebody may be lying, or the network is open to everybody.
    Alarm,
}

macro_rules! codes {
    ($($name:ident = $text:literal, $level:ident, $meaning:literal;)*) => {
        /// What a check found. The texts are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }

            /// One sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    KeyExpected = "key_expected", Ok, "The configured backup key is the expected one.";
    KeyUnknown = "key_unknown", Unknown, "Nobody said what is configured; only opening a backup shows it.";
    KeyMissing = "key_missing", Failed, "No backup key is configured: there is no backup.";
    KeyPrefix = "key_prefix", Failed, "The configured backup key begins with 0x: a node refuses every backup.";
    KeyMalformed = "key_malformed", Failed, "The configured backup key is not 66 hexadecimal digits of a compressed point.";
    KeyOther = "key_other", Alarm, "The configured backup key is another: whoever has it can take the secret.";

    RpcKeyPinned = "rpc_key_pinned", Ok, "The RPC key is the pinned one.";
    RpcKeyUnpinned = "rpc_key_unpinned", Unknown, "No RPC key is pinned: whose secret this is cannot be seen.";
    RpcKeyOther = "rpc_key_differs", Alarm, "The RPC key is not the pinned one: another secret, or somebody in between.";
    SecretZero = "zero_secret", Alarm, "The node runs on the secret of 32 zero bytes, which everybody knows.";
    NetworkOne = "network_one", Ok, "All nodes run on one secret.";
    NetworkSplit = "network_split", Alarm, "Nodes of one network run on different secrets.";

    InstanceRight = "instance_right", Ok, "It is of the instance that was asked for.";
    NetworkWrong = "network_wrong", Failed, "It is of another network.";
    InstanceWrong = "instance_wrong", Failed, "It is of another instance of this network.";

    Separate = "separate", Ok, "Every instance has its own source, ciphertext and backup key.";
    SourceShared = "source_shared", Failed, "Two instances were read from one place: one of them has no backup.";
    CiphertextShared = "ciphertext_shared", Alarm, "Two instances have the same ciphertext, which is a copy: fresh ones always differ.";
    KeyShared = "key_shared", Failed, "Two instances have one backup key: whoever recovers one can open the other.";

    AgeGood = "age_good", Ok, "The newest backup is new enough.";
    AgeOver = "age_over", Failed, "The newest backup is too old.";
    AgeFuture = "age_future", Failed, "The newest backup is from the future: a clock is wrong.";

    BackupGood = "backup_good", Ok, "The newest backup is whole, and signed by somebody trusted.";
    BackupMissing = "backup_missing", Failed, "There is no backup.";
    BackupBad = "backup_bad", Failed, "A file that is named like a backup is none, or nobody trusted signed it.";
    SourceSilent = "source_silent", Failed, "The source gave no backup.";

    NotOpened = "not_opened", Unknown, "Nobody gave a key: whether the backup opens was not tried.";
    OpensRight = "opens_right", Ok, "It opens, and holds the right secret.";
    OpensUnrecognised = "opens_unrecognised", Unknown, "It opens; nothing was there by which its secret is recognised.";
    OpensNot = "opens_not", Failed, "It does not open with the backup key.";
    SecretOther = "secret_other", Alarm, "It opens, and holds another secret than the right one: somebody may have served his own.";
    CanaryOpens = "canary_opens", Ok, "The canary on the card opens.";
    CanaryOpensNot = "canary_opens_not", Failed, "The canary on the card does not open with the key.";
    SharesAll = "shares_all", Ok, "All shares were given, and all fit together.";
    SharesSome = "shares_some", Unknown, "Not all shares were given; nobody looked at the others.";
    ShareBad = "share_bad", Failed, "A share contradicts the others.";
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// About what: the name of a node, a gateway, a network.
    pub about: String,
    /// What was found.
    pub code: Code,
    /// How bad it is.
    pub level: Level,
    /// The values.
    pub detail: String,
}

impl Finding {
    /// With the level of its code.
    #[must_use]
    pub fn new(about: &str, code: Code, detail: impl Into<String>) -> Self {
        Self { about: about.to_owned(), code, level: code.level(), detail: detail.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { about, code, detail, .. } = self;
        write!(f, "{about}: {} [{}]", code.meaning(), code.text())?;
        if detail.is_empty() { Ok(()) } else { write!(f, " {detail}") }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// The worst of several; `Ok` of none.
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Level {
    findings.into_iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// Which program reads the configured key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A node: `ENCLAVE_BACKUPENCRYPTIONKEY`, where `0x` spoils the key.
    Node,
    /// A gateway: `-backupEncryptionKey`, where `0x` may be.
    Gateway,
}

/// Is what is configured the expected key, in the form that the program reads? `text` is none if nobody said.
#[must_use]
pub fn configured_key(about: &str, reader: Reader, text: Option<&str>, expected: &BackupPublicKey) -> Finding {
    let finding = |code, detail: String| Finding::new(about, code, detail);
    let Some(text) = text else { return finding(Code::KeyUnknown, String::new()) };
    if text.is_empty() {
        return finding(Code::KeyMissing, String::new());
    }
    let digits = match (reader, text.strip_prefix("0x")) {
        (Reader::Node, Some(_)) => return finding(Code::KeyPrefix, String::new()),
        (Reader::Gateway, Some(digits)) => digits,
        (_, None) => text,
    };
    let mut bytes = [0; 33];
    let decoded = hex::decode_to_slice(digits, &mut bytes).ok();
    let Some(key) = decoded.and_then(|()| BackupPublicKey::from_bytes(&bytes).ok()) else {
        return finding(Code::KeyMalformed, format!("({} characters)", text.chars().count()));
    };
    finding(if key == *expected { Code::KeyExpected } else { Code::KeyOther }, key.to_string())
}

/// Which secret a node runs on: never on zero, and on the pinned one if one is pinned.
#[must_use]
pub fn rpc_key(about: &str, read: &RpcKey, pinned: Option<&RpcKey>) -> Finding {
    let code = match pinned {
        _ if read.is_of_zero() => Code::SecretZero,
        None => Code::RpcKeyUnpinned,
        Some(pinned) if pinned == read => Code::RpcKeyPinned,
        Some(_) => Code::RpcKeyOther,
    };
    Finding::new(about, code, read.to_string())
}

/// Is a backup said to be for the expected key?
#[must_use]
pub fn said_key(about: &str, said: &BackupPublicKey, expected: &BackupPublicKey) -> Finding {
    Finding::new(about, if said == expected { Code::KeyExpected } else { Code::KeyOther }, said.to_string())
}

/// By what an opened secret is recognised.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The RPC key of a network.
    Network(&'a RpcKey),
    /// The data of a document of a gateway, in base64.
    Gateway(&'a str),
    /// Nobody gave anything.
    Nobody,
}

/// What came out when a backup was opened. The secret is dropped here.
#[must_use]
pub fn opened(about: &str, opened: Result<Secret, NotOpened>, whose: Whose<'_>) -> Finding {
    let secret = match opened {
        Ok(secret) => secret,
        Err(NotOpened::Secret(NotASecret::Zero)) => return Finding::new(about, Code::SecretZero, ""),
        Err(error) => return Finding::new(about, Code::OpensNot, format!("({error})")),
    };
    let right = match whose {
        Whose::Nobody => return Finding::new(about, Code::OpensUnrecognised, ""),
        Whose::Network(pinned) => NetworkSecret::new(secret).rpc_key().is_some_and(|found| found == *pinned),
        Whose::Gateway(document) => GatewayKey::new(secret).open_document(document).is_some(),
    };
    Finding::new(about, if right { Code::OpensRight } else { Code::SecretOther }, "")
}

/// The mnemonics that were given: how many of how many (0 if nobody knows), and the places of those that contradict the others.
#[must_use]
pub fn shares(about: &str, given: usize, of: usize, bad: &[String]) -> Finding {
    if !bad.is_empty() {
        return Finding::new(about, Code::ShareBad, format!("({})", bad.join("; ")));
    }
    let (code, of) = match of {
        0 => (Code::SharesSome, "an unknown number".to_owned()),
        of => (if given < of { Code::SharesSome } else { Code::SharesAll }, of.to_string()),
    };
    Finding::new(about, code, format!("({given} of {of})"))
}

/// Do all nodes of a network run on one secret? `read` is the name and the RPC key of each.
#[must_use]
pub fn same_network(network: &str, read: &[(&str, RpcKey)]) -> Finding {
    let mut by_key: BTreeMap<RpcKey, Vec<&str>> = BTreeMap::new();
    read.iter().for_each(|(name, key)| by_key.entry(*key).or_default().push(name));
    let groups = by_key.iter().map(|(key, names)| format!("{} on {key}", names.join(" and ")));
    match by_key.len() {
        0 | 1 => Finding::new(network, Code::NetworkOne, ""),
        _ => Finding::new(network, Code::NetworkSplit, groups.collect::<Vec<_>>().join(", ")),
    }
}

/// Is it of the instance that was asked for?
#[must_use]
pub fn instance(about: &str, found: &Identity, wanted: &Identity) -> Finding {
    let code = match () {
        () if found.network != wanted.network => Code::NetworkWrong,
        () if found.instance != wanted.instance => Code::InstanceWrong,
        () => return Finding::new(about, Code::InstanceRight, ""),
    };
    Finding::new(about, code, format!("it is of {found}, not of {wanted}"))
}

/// One instance as it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// Its name.
    pub name: &'a str,
    /// From where.
    pub source: &'a str,
    /// What came.
    pub ciphertext: &'a Ciphertext,
    /// For which key it is said to be.
    pub backup_key: &'a BackupPublicKey,
}

/// Are instances kept apart? One seed with many identities still has a key for each of them.
#[must_use]
pub fn separate(network: &str, captured: &[Captured<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    shared(network, captured, Code::SourceShared, |one| one.source.as_bytes(), &mut findings);
    shared(network, captured, Code::CiphertextShared, |one| one.ciphertext.as_bytes(), &mut findings);
    shared(network, captured, Code::KeyShared, |one| one.backup_key.as_bytes(), &mut findings);
    if findings.is_empty() {
        findings.push(Finding::new(network, Code::Separate, ""));
    }
    findings
}

/// One finding for each value that several have.
fn shared<'a>(
    network: &str,
    captured: &[Captured<'a>],
    code: Code,
    value: impl Fn(&Captured<'a>) -> &'a [u8],
    findings: &mut Vec<Finding>,
) {
    let mut by_value: BTreeMap<&[u8], Vec<&str>> = BTreeMap::new();
    captured.iter().for_each(|one| by_value.entry(value(one)).or_default().push(one.name));
    let several = by_value.into_values().filter(|names| names.len() > 1);
    findings.extend(several.map(|names| Finding::new(network, code, format!("({})", names.join(", ")))));
}

/// Is the newest backup new enough? Times are milliseconds since 1970; a minute of the future is forgiven.
#[must_use]
pub fn age(about: &str, captured_ms: u64, now_ms: u64, max_ms: u64) -> Finding {
    const CLOCKS_MS: u64 = 60_000;
    let code = match now_ms.checked_sub(captured_ms) {
        Some(age) if age > max_ms => Code::AgeOver,
        Some(_) => Code::AgeGood,
        None if captured_ms - now_ms > CLOCKS_MS => Code::AgeFuture,
        None => Code::AgeGood,
    };
    Finding::new(about, code, format!("{} s old", now_ms.saturating_sub(captured_ms) / 1000))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::key::BackupKey;
    use crate::secret::{NetworkSecret, Secret};

    fn key(seed: u8) -> BackupPublicKey {
        BackupKey::from_bytes(&[seed; 32]).unwrap().public()
    }

    fn rpc(seed: u8) -> RpcKey {
        NetworkSecret::new(Secret::new(&[seed; 32]).unwrap()).rpc_key().unwrap()
    }

    #[test]
    fn codes_are_distinct() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn every_code_is_explained() {
        let text = include_str!("../../../docs/ten.md");
        for code in Code::ALL {
            let level = serde_json::to_value(code.level()).unwrap();
            let row = format!("| `{}` | {} | {} |", code.text(), level.as_str().unwrap(), code.meaning());
            assert!(text.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_configured_key_is_read_as_the_program_reads_it() {
        let (mine, digits) = (key(1), key(1).to_string());
        let other = key(2).to_string();
        for (reader, text, code) in [
            (Reader::Node, Some(digits.clone()), Code::KeyExpected),
            (Reader::Node, Some(digits.to_uppercase()), Code::KeyExpected),
            (Reader::Node, Some(format!("0x{digits}")), Code::KeyPrefix),
            (Reader::Gateway, Some(format!("0x{digits}")), Code::KeyExpected),
            (Reader::Gateway, Some(format!("0x0x{digits}")), Code::KeyMalformed),
            (Reader::Node, Some(other), Code::KeyOther),
            (Reader::Node, Some(digits[2..].to_owned()), Code::KeyMalformed),
            (Reader::Node, Some(format!("{digits} ")), Code::KeyMalformed),
            (Reader::Node, Some(format!("04{}", "5a".repeat(64))), Code::KeyMalformed),
            (Reader::Node, Some("05".repeat(33)), Code::KeyMalformed),
            (Reader::Gateway, Some(String::new()), Code::KeyMissing),
            (Reader::Gateway, None, Code::KeyUnknown),
        ] {
            assert_eq!(configured_key("n", reader, text.as_deref(), &mine).code, code, "{reader:?} {text:?}");
        }
    }

    #[test]
    fn a_node_on_zero_is_an_alarm_even_if_that_is_pinned() {
        assert_eq!(rpc_key("n", &RpcKey::OF_ZERO, Some(&RpcKey::OF_ZERO)).code, Code::SecretZero);
        assert_eq!(rpc_key("n", &rpc(1), Some(&rpc(1))).code, Code::RpcKeyPinned);
        assert_eq!(rpc_key("n", &rpc(1), Some(&rpc(2))).code, Code::RpcKeyOther);
        let unpinned = rpc_key("n", &rpc(1), None);
        assert_eq!((unpinned.code, unpinned.level), (Code::RpcKeyUnpinned, Level::Unknown));
    }

    #[test]
    fn nodes_of_a_network_run_on_one_secret() {
        assert_eq!(same_network("net", &[]).code, Code::NetworkOne);
        assert_eq!(same_network("net", &[("a", rpc(1)), ("b", rpc(1))]).code, Code::NetworkOne);
        let split = same_network("net", &[("a", rpc(1)), ("b", rpc(2)), ("c", rpc(1))]);
        assert_eq!(split.code, Code::NetworkSplit);
        assert!(split.detail.contains("a and c on ") && split.detail.contains("b on "), "{split}");
    }

    #[test]
    fn t6_what_was_opened_is_recognised_or_not() {
        let secret = |byte| Secret::new(&[byte; 32]);
        let document = {
            use aes_gcm::aead::Aead;
            use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
            use base64::Engine;
            let cipher = Aes256Gcm::new((&[1; 32]).into());
            let sealed = cipher.encrypt(Nonce::from_slice(&[9; 12]), b"a user".as_slice()).unwrap();
            base64::engine::general_purpose::STANDARD.encode([&[9; 12], sealed.as_slice()].concat())
        };
        let pinned = rpc(1);
        for (given, whose, code) in [
            (1, Whose::Network(&pinned), Code::OpensRight),
            (2, Whose::Network(&pinned), Code::SecretOther),
            (1, Whose::Gateway(&document), Code::OpensRight),
            (2, Whose::Gateway(&document), Code::SecretOther),
            (1, Whose::Nobody, Code::OpensUnrecognised),
            (0, Whose::Nobody, Code::SecretZero),
        ] {
            let found = opened("b", secret(given).map_err(NotOpened::Secret), whose);
            assert_eq!(found.code, code, "{given} {whose:?}");
        }
        assert_eq!(opened("b", Err(NotOpened::Key), Whose::Nobody).code, Code::OpensNot);
    }

    #[test]
    fn all_shares_count_and_not_only_a_threshold() {
        let bad = ["bob.txt, line 1".to_owned()];
        assert_eq!(shares("s", 3, 3, &[]).code, Code::SharesAll);
        assert_eq!(shares("s", 2, 3, &[]).code, Code::SharesSome);
        assert_eq!(shares("s", 2, 0, &[]).code, Code::SharesSome);
        let found = shares("s", 3, 3, &bad);
        assert_eq!(found.code, Code::ShareBad);
        assert!(found.detail.contains("bob.txt"));
    }

    #[test]
    fn an_instance_is_the_one_that_was_asked_for() {
        let identity = |text: &str| text.parse::<Identity>().unwrap();
        let wanted = identity("ten://backup@mainnet/gateway/gw-01");
        for (found, code) in [
            ("ten://backup@mainnet/gateway/gw-01", Code::InstanceRight),
            ("ten://backup@mainnet/gateway/gw-02", Code::InstanceWrong),
            ("ten://backup@mainnet/network-secret", Code::InstanceWrong),
            ("ten://backup@testnet/gateway/gw-01", Code::NetworkWrong),
        ] {
            assert_eq!(instance("file", &identity(found), &wanted).code, code, "{found}");
        }
    }

    #[test]
    fn instances_that_are_not_kept_apart_are_named() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut fresh = || Ciphertext::canary(&key(1), &mut rng).unwrap();
        let (a, b) = (fresh(), fresh());
        let one = Captured { name: "gw-01", source: "http://1", ciphertext: &a, backup_key: &key(1) };
        let two = Captured { name: "gw-02", source: "http://2", ciphertext: &b, backup_key: &key(2) };
        let codes = |captured: &[Captured<'_>]| {
            separate("net", captured).iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[one, two]), [Code::Separate]);
        assert_eq!(codes(&[one, Captured { source: "http://1", ..two }]), [Code::SourceShared]);
        assert_eq!(codes(&[one, Captured { ciphertext: &a, ..two }]), [Code::CiphertextShared]);
        assert_eq!(codes(&[one, Captured { backup_key: &key(1), ..two }]), [Code::KeyShared]);
        let all = separate("net", &[one, Captured { name: "gw-02", ..one }]);
        assert_eq!((all.len(), worst(&all)), (3, Level::Alarm));
        assert!(all.iter().all(|finding| finding.detail == "(gw-01, gw-02)"));
    }

    #[test]
    fn a_backup_is_new_enough_or_not() {
        assert_eq!(age("n", 1_000, 5_000, 4_000).code, Code::AgeGood);
        assert_eq!(age("n", 1_000, 5_001, 4_000).code, Code::AgeOver);
        assert_eq!(age("n", 60_000, 0, 1).code, Code::AgeGood);
        assert_eq!(age("n", 60_001, 0, 1).code, Code::AgeFuture);
    }
}
