//! The manifest of a backup set: public, signed, and all that is needed beside the shares to recover.

use quorumkeep_curves::tags;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::bytes::{Blob, Hash, Hex};
use crate::canonical::{self, NotCanonical};
use crate::commitment::Commitment;
use crate::guardian::{self, Guardian, GuardianKey};
use crate::keys::{SignKey, Signature, VerifyKey};
use crate::names::Name;
use crate::placement::{self, Claim};
use crate::recogniser::{self, PublicKey};
use crate::scheme::{self, Scheme};
use crate::share::{self, Place};

/// Bytes of the longest manifest: 255 guardians.
pub const MANIFEST_BYTES_MAX: usize = 512 * 1024;
/// Containers of one set.
pub const CONTAINERS_MAX: usize = 8;

/// One share, as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareEntry {
    /// From 1, without a gap.
    pub index: u8,
    /// Who holds it, with the keys of that time.
    pub guardian: Guardian,
    /// Recognises the share.
    pub commitment: Commitment,
    /// SHA-256 of the sealed share.
    pub envelope_sha256: Hash,
}

/// A file that the key of the set opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// What is in it, such as `secret` or `keydata`.
    pub name: Name,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// The public description of a backup set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// Which custody it belongs to.
    pub custody: Hash,
    /// Random: no two sets are the same.
    pub nonce: Hash,
    /// The key that is backed up.
    pub key_id: Name,
    /// Whose share or copy of it.
    pub node_id: Name,
    /// From 1; rises with every set of the same key and node.
    pub generation: u32,
    /// When it was made.
    pub created_ms: u64,
    /// How the key of the set is shared.
    pub scheme: Scheme,
    /// Shares that recover.
    pub threshold: u8,
    /// All shares.
    pub shares: Vec<ShareEntry>,
    /// Recognises the key of the set: [`recogniser::key_hash`].
    pub key_hash: Hash,
    /// Commitments to the polynomial, with [`Scheme::Vss`].
    pub polynomial: Vec<Hex<48>>,
    /// Recognises the secret, if it is a private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// What the key opens. None: the key itself is the secret.
    pub containers: Vec<Container>,
    /// What was said of the placement.
    pub claim: Claim,
    /// Who made it.
    pub dealer: Name,
    /// His key.
    pub dealer_key: VerifyKey,
}

/// A manifest and its dealer's signature: the file that is kept beside the containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedManifest {
    /// What is signed.
    pub manifest: Manifest,
    /// By [`Manifest::dealer_key`].
    pub signature: Signature,
}

/// A manifest that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are none.
    #[error("this is no manifest: {0}")]
    Decode(#[from] NotCanonical),
    /// Another version of the format.
    #[error("the manifest has version {0}, not 1")]
    Version(u32),
    /// Not signed by the dealer it names.
    #[error("the signature of the manifest is wrong")]
    Signature,
    /// The indices are not 1, 2, 3, ...
    #[error("the shares are not numbered from 1 without a gap")]
    Indices,
    /// A commitment is no point.
    #[error("the commitment to share {0} is not valid")]
    Commitment(u8),
    /// Impossible numbers.
    #[error(transparent)]
    Scheme(#[from] scheme::Error),
    /// The polynomial does not fit scheme and threshold.
    #[error("the polynomial does not have one commitment per share that recovers")]
    Polynomial,
    /// Bad keys of a guardian.
    #[error(transparent)]
    Guardian(#[from] guardian::Error),
    /// A placement that lies.
    #[error(transparent)]
    Placement(#[from] placement::Error),
    /// Too many containers, or two with one name.
    #[error("the containers are too many, or two have one name")]
    Containers,
    /// Generations count from 1.
    #[error("generations count from 1")]
    Generation,
}

/// Why something is not the share it should be. It names what is wrong, so that a person can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareFault {
    /// The manifest has no share with this index.
    #[error("the set has no share {0}")]
    NoSuch(u8),
    /// The sealed bytes are not those of the manifest.
    #[error("this is not the envelope of the manifest: it was changed, or is of another set or generation")]
    Envelope,
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] guardian::Error),
    /// It opens, and is another share or damaged.
    #[error(transparent)]
    Share(#[from] share::Error),
    /// It is not what was committed to.
    #[error("this is not the share that the manifest commits to: wrong, changed, or of another set")]
    Commitment,
    /// It is not on the polynomial that the manifest commits to.
    #[error("this share is not on the polynomial of the set")]
    Polynomial,
}

/// Shares of which not one gives the right key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Not enough different, good shares.
    #[error("{good} good shares, but {needed} are needed")]
    TooFew {
        /// How many there are.
        good: usize,
        /// How many are needed.
        needed: u8,
    },
    /// The shares do not combine.
    #[error(transparent)]
    Scheme(#[from] scheme::Error),
    /// They combine to another key than the set has.
    #[error("the recovered key is not the key of this set")]
    NotRecognised,
    /// The dealer committed to wrong shares, and there are more groups of shares than are tried.
    #[error(
        "the first {tried} groups of shares that were tried do not give the key: the dealer committed to wrong shares; leave some out"
    )]
    GaveUp {
        /// Groups that were tried.
        tried: usize,
    },
    /// It is the right key, but its public key is not the one of the manifest.
    #[error("the secret does not belong to the public key of the manifest")]
    PublicKey,
}

/// What a new set is to be.
pub struct Plan {
    /// Which custody.
    pub custody: Hash,
    /// The key that is backed up.
    pub key_id: Name,
    /// Whose.
    pub node_id: Name,
    /// Which generation.
    pub generation: u32,
    /// How the key of the set is shared.
    pub scheme: Scheme,
    /// Shares that recover.
    pub threshold: u8,
    /// One share for each.
    pub guardians: Vec<Guardian>,
    /// What is said of the placement.
    pub claim: Claim,
    /// Recognises the secret.
    pub public_key: Option<PublicKey>,
    /// What the key opens.
    pub containers: Vec<Container>,
    /// Who makes it.
    pub dealer: Name,
    /// When.
    pub now_ms: u64,
}

/// A new set: public all of it; the envelopes are sealed.
pub struct NewSet {
    /// To be kept by everybody.
    pub manifest: SignedManifest,
    /// The sealed shares, in the order of the indices.
    pub envelopes: Vec<Blob>,
}

impl Plan {
    /// Shares `key`, seals every share to its guardian and signs the manifest. Before that the plan is checked.
    ///
    /// # Errors
    /// [`Error`]; then nothing was sealed.
    pub fn deal(self, key: &[u8], sign: &SignKey, rng: &mut impl CryptoRngCore) -> Result<NewSet, Error> {
        placement::analyse(self.threshold, &self.guardians)?.check(&self.claim)?;
        self.guardians.iter().try_for_each(Guardian::check)?;
        let count = u8::try_from(self.guardians.len()).map_err(|_| Error::Indices)?;
        let dealt = self.scheme.split(key, self.threshold, count, rng)?;
        let mut nonce = Hex([0; 32]);
        rng.fill_bytes(&mut nonce.0);
        let mut manifest = self.without_shares(nonce, key, dealt.commitments, sign.verify_key());
        let mut envelopes = Vec::with_capacity(dealt.shares.len());
        for ((index, guardian), share) in (1..=u8::MAX).zip(self.guardians).zip(&dealt.shares) {
            let place = manifest.place_of(index, &guardian.name);
            let plain = share::encode(&place, share).ok_or(Error::Indices)?;
            let commitment = Commitment::commit(share, index, &place.hash()).ok_or(Error::Commitment(index))?;
            let sealed = guardian.recipient.seal(&plain, rng)?;
            let envelope_sha256 = Hex(Sha256::digest(&sealed).into());
            manifest.shares.push(ShareEntry { index, guardian, commitment, envelope_sha256 });
            envelopes.push(Blob(sealed));
        }
        let signature = sign.sign(tags::CUSTODY_MANIFEST, &canonical::to_bytes(&manifest));
        Ok(NewSet { manifest: SignedManifest { manifest, signature }, envelopes })
    }

    fn without_shares(&self, nonce: Hash, key: &[u8], polynomial: Vec<Hex<48>>, dealer_key: VerifyKey) -> Manifest {
        Manifest {
            version: 1,
            custody: self.custody,
            nonce,
            key_id: self.key_id.clone(),
            node_id: self.node_id.clone(),
            generation: self.generation,
            created_ms: self.now_ms,
            scheme: self.scheme,
            threshold: self.threshold,
            shares: Vec::new(),
            key_hash: recogniser::key_hash(&nonce, key),
            polynomial,
            public_key: self.public_key.clone(),
            containers: self.containers.clone(),
            claim: self.claim.clone(),
            dealer: self.dealer.clone(),
            dealer_key,
        }
    }
}

impl SignedManifest {
    /// Reads a manifest file and checks all of it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let signed: Self = canonical::from_bytes(bytes, MANIFEST_BYTES_MAX)?;
        signed.check()?;
        Ok(signed)
    }

    /// Is it signed, whole, and true about its placement?
    ///
    /// # Errors
    /// [`Error`].
    pub fn check(&self) -> Result<(), Error> {
        let manifest = &self.manifest;
        let bytes = canonical::to_bytes(manifest);
        // With the signature and what is around it.
        if bytes.len() + 512 > MANIFEST_BYTES_MAX {
            return Err(NotCanonical::TooLong(MANIFEST_BYTES_MAX).into());
        }
        if !manifest.dealer_key.verify(tags::CUSTODY_MANIFEST, &bytes, &self.signature) {
            return Err(Error::Signature);
        }
        manifest.check()
    }
}

impl Manifest {
    /// Its identity: what guardians confirm and sessions name.
    #[must_use]
    pub fn hash(&self) -> Hash {
        canonical::hash(tags::CUSTODY_MANIFEST, self)
    }

    fn check(&self) -> Result<(), Error> {
        if self.version != 1 {
            return Err(Error::Version(self.version));
        }
        if self.generation == 0 {
            return Err(Error::Generation);
        }
        let count = u8::try_from(self.shares.len()).map_err(|_| Error::Indices)?;
        if self.shares.iter().map(|share| share.index).ne(1..=count) {
            return Err(Error::Indices);
        }
        self.scheme.check(self.threshold, count)?;
        let points = if self.scheme == Scheme::Vss { usize::from(self.threshold) } else { 0 };
        if self.polynomial.len() != points {
            return Err(Error::Polynomial);
        }
        if let Some(bad) = self.shares.iter().find(|share| !share.commitment.is_valid()) {
            return Err(Error::Commitment(bad.index));
        }
        let guardians: Vec<Guardian> = self.shares.iter().map(|share| share.guardian.clone()).collect();
        guardians.iter().try_for_each(Guardian::check)?;
        placement::analyse(self.threshold, &guardians)?.check(&self.claim)?;
        self.check_containers()
    }

    fn check_containers(&self) -> Result<(), Error> {
        let mut names: Vec<&Name> = self.containers.iter().map(|container| &container.name).collect();
        names.sort();
        let twice = names.windows(2).any(|pair| pair.first() == pair.last());
        if twice || names.len() > CONTAINERS_MAX { Err(Error::Containers) } else { Ok(()) }
    }

    /// What names the share `index` of `guardian`.
    fn place_of<'a>(&'a self, index: u8, guardian: &'a Name) -> Place<'a> {
        let Self { custody, key_id, node_id, generation, nonce, .. } = self;
        Place { custody: *custody, key_id, node_id, generation: *generation, nonce: *nonce, index, guardian }
    }

    /// What names a share, and who holds it.
    #[must_use]
    pub fn place(&self, index: u8) -> Option<(Place<'_>, &Name)> {
        let guardian = &self.entry(index)?.guardian.name;
        Some((self.place_of(index, guardian), guardian))
    }

    /// The entry of an index.
    #[must_use]
    pub fn entry(&self, index: u8) -> Option<&ShareEntry> {
        self.shares.get(usize::from(index).checked_sub(1)?)
    }

    /// The entry of a guardian.
    #[must_use]
    pub fn entry_of(&self, guardian: &Name) -> Option<&ShareEntry> {
        self.shares.iter().find(|share| share.guardian.name == *guardian)
    }

    /// Opens the envelope of `index` and checks the share in it: what a guardian does before he signs that he has it.
    ///
    /// # Errors
    /// [`ShareFault`].
    pub fn open(&self, index: u8, key: &GuardianKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ShareFault> {
        let entry = self.entry(index).ok_or(ShareFault::NoSuch(index))?;
        if Hex(Sha256::digest(sealed).into()) != entry.envelope_sha256 {
            return Err(ShareFault::Envelope);
        }
        let plain = key.open(&entry.guardian.recipient, sealed)?;
        self.check_bound(entry, &plain)
    }

    fn check_bound(&self, entry: &ShareEntry, plain: &[u8]) -> Result<Zeroizing<Vec<u8>>, ShareFault> {
        let share = share::decode(plain, &self.place_of(entry.index, &entry.guardian.name))?;
        self.check_share(entry.index, &share)?;
        Ok(share)
    }

    /// Is this bare share the one with this index?
    ///
    /// # Errors
    /// [`ShareFault`].
    pub fn check_share(&self, index: u8, share: &[u8]) -> Result<(), ShareFault> {
        let entry = self.entry(index).ok_or(ShareFault::NoSuch(index))?;
        let context = self.place_of(index, &entry.guardian.name).hash();
        if !entry.commitment.opens(share, index, &context) {
            return Err(ShareFault::Commitment);
        }
        let off = self.scheme == Scheme::Vss && !scheme::vss_holds(&self.polynomial, share);
        if off { Err(ShareFault::Polynomial) } else { Ok(()) }
    }

    /// Which share is this? Takes what was in an envelope, or the bare share.
    ///
    /// # Errors
    /// [`ShareFault`].
    pub fn identify(&self, bytes: &[u8]) -> Result<(u8, Zeroizing<Vec<u8>>), ShareFault> {
        if share::is_bound(bytes) {
            let index = share::index_of(bytes).ok_or(share::Error::Format)?;
            let entry = self.entry(index).ok_or(ShareFault::NoSuch(index))?;
            return Ok((index, self.check_bound(entry, bytes)?));
        }
        // A bare share says itself which it is: one commitment is computed, not all of them.
        let index = self.scheme.index_of(bytes).ok_or(ShareFault::Commitment)?;
        self.check_share(index, bytes)?;
        Ok((index, bytes.to_vec().into()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::guardian::Kind;
    use crate::people::tests::key;
    use crate::testing::{guardian, guardian_key};

    const NAMES: [&str; 3] = ["client-1", "bank-1", "vault-1"];

    fn plan(scheme: Scheme, public_key: Option<PublicKey>) -> Plan {
        Plan {
            custody: Hex([1; 32]),
            key_id: "k1".parse().unwrap(),
            node_id: "n1".parse().unwrap(),
            generation: 1,
            scheme,
            threshold: 2,
            guardians: NAMES.iter().map(|name| guardian(name, Kind::External, name)).collect(),
            claim: Claim { side_alone: [placement::Side::Outside].into(), ..Claim::default() },
            public_key,
            containers: Vec::new(),
            dealer: "olga".parse().unwrap(),
            now_ms: 5,
        }
    }

    fn new_set(scheme: Scheme, secret: &[u8], public_key: Option<PublicKey>) -> NewSet {
        plan(scheme, public_key).deal(secret, &key("olga"), &mut ChaCha20Rng::seed_from_u64(9)).unwrap()
    }

    /// `threshold` of `count`, and the bare shares.
    pub fn new_set_of(
        scheme: Scheme,
        threshold: u8,
        count: u8,
        secret: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> (Manifest, Vec<Zeroizing<Vec<u8>>>) {
        let mut manifest = new_set(scheme, secret, None).manifest.manifest;
        let dealt = scheme.split(secret, threshold, count, rng).unwrap();
        manifest.threshold = threshold;
        (manifest, dealt.shares)
    }

    fn shares(set: &NewSet) -> Vec<Zeroizing<Vec<u8>>> {
        let open = |(index, name): (u8, &&str)| {
            let sealed = &set.envelopes[usize::from(index) - 1].0;
            set.manifest.manifest.open(index, &guardian_key(name), sealed).unwrap()
        };
        (1..).zip(&NAMES).map(open).collect()
    }

    pub fn numbered(shares: &[Zeroizing<Vec<u8>>]) -> Vec<(u8, &[u8])> {
        (1..=u8::MAX).zip(shares.iter().map(|share| share.as_slice())).collect()
    }

    /// Shares of another secret combine to something; it is not given out. With SLIP-39 a wrong passphrase would do the same.
    #[test]
    fn b3_what_is_not_recognised_is_not_given() {
        for scheme in [Scheme::Shamir, Scheme::Slip39, Scheme::Vss] {
            let (set, other) = (new_set(scheme, &[3; 32], None), new_set(scheme, &[4; 32], None));
            let (own, foreign) = (shares(&set), shares(&other));
            let (own, foreign, manifest) = (numbered(&own), numbered(&foreign), &set.manifest.manifest);
            assert_eq!(**manifest.recover(&own[1..]).unwrap(), [3; 32]);
            assert_eq!(manifest.recover(&foreign[..2]).unwrap_err(), RecoverError::NotRecognised, "{scheme:?}");
            assert!(manifest.recover(&[foreign[0], own[1]]).is_err());
            let twice = manifest.recover(&[own[0], own[0]]).unwrap_err();
            assert_eq!(twice, RecoverError::TooFew { good: 1, needed: 2 });
        }
        let generator = "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let generator: Option<PublicKey> = generator.parse().ok();
        let right = new_set(Scheme::Shamir, &[&[0; 31][..], &[1]].concat(), generator.clone());
        assert!(right.manifest.manifest.recover(&numbered(&shares(&right))).is_ok());
        let wrong = new_set(Scheme::Shamir, &[2; 32], generator);
        let recovered = wrong.manifest.manifest.recover(&numbered(&shares(&wrong)));
        assert_eq!(recovered.unwrap_err(), RecoverError::PublicKey);
    }

    #[test]
    fn a_set_may_have_255_guardians() {
        let named = |number: u8| guardian(&format!("g{number}"), Kind::External, "all");
        let all: placement::Claim = Claim {
            side_alone: [placement::Side::Outside].into(),
            entity_alone: ["all".parse().unwrap()].into(),
            ..Claim::default()
        };
        let plan = Plan { guardians: (1..=255).map(named).collect(), claim: all, ..plan(Scheme::Shamir, None) };
        let set = plan.deal(&[3; 32], &key("olga"), &mut ChaCha20Rng::seed_from_u64(9)).unwrap();
        assert_eq!(set.manifest.check(), Ok(()));
        let open = |index: u8| {
            let sealed = &set.envelopes[usize::from(index) - 1].0;
            set.manifest.manifest.open(index, &guardian_key(&format!("g{index}")), sealed).unwrap()
        };
        let (one, last) = (open(1), open(255));
        assert_eq!(**set.manifest.manifest.recover(&[(1, &one), (255, &last)]).unwrap(), [3; 32]);
    }

    #[test]
    fn a_manifest_file_is_strict() {
        let set = new_set(Scheme::Vss, &[3; 32], None);
        let bytes = canonical::to_bytes(&set.manifest);
        assert_eq!(SignedManifest::decode(&bytes), Ok(set.manifest.clone()));
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [("\"threshold\":2", "\"threshold\":3"), ("\"key_id\":\"k1\"", "\"key_id\":\"k2\"")] {
            assert!(text.contains(from));
            assert_eq!(SignedManifest::decode(text.replace(from, to).as_bytes()), Err(Error::Signature), "{from}");
        }
        for other in [text.replace(',', ", "), text.replacen('{', "{\"also\":1,", 1)] {
            assert!(matches!(SignedManifest::decode(other.as_bytes()), Err(Error::Decode(_))));
        }
        let resigned = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = set.manifest.manifest.clone();
            change(&mut manifest);
            let signature = key("olga").sign(tags::CUSTODY_MANIFEST, &canonical::to_bytes(&manifest));
            SignedManifest { manifest, signature }.check().unwrap_err()
        };
        assert_eq!(resigned(&|manifest| manifest.version = 2), Error::Version(2));
        assert_eq!(resigned(&|manifest| manifest.generation = 0), Error::Generation);
        assert_eq!(resigned(&|manifest| manifest.shares.swap(0, 1)), Error::Indices);
        assert_eq!(resigned(&|manifest| manifest.polynomial.truncate(1)), Error::Polynomial);
        let identity = Commitment(Hex([0; 32]));
        assert_eq!(resigned(&|manifest| manifest.shares[1].commitment = identity), Error::Commitment(2));
        let container = Container { name: "secret".parse().unwrap(), bytes: 1, sha256: Hex([0; 32]) };
        assert_eq!(resigned(&|manifest| manifest.containers = vec![container.clone(); 2]), Error::Containers);
    }
}
