//! Operators to draw networks from: made once per process, the same ones every time.

use std::sync::OnceLock;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::Member;
use quorumkeep_dkg::ids::Address;
use quorumkeep_node::Operator;
use quorumkeep_sharing::Index;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// How many operators there are to draw from.
pub const POOL: usize = 24;

/// One operator; every restart of its node needs its own copy of the key.
pub struct Identity {
    operator: Operator,
    public: bn254::PublicKey,
    possession: bn254::Signature,
    /// The operator's address.
    pub address: Address,
}

impl Identity {
    fn random(rng: &mut ChaCha20Rng) -> Self {
        let key = bn254::SecretKey::random(rng);
        let public = key.public();
        let address = Address::of(&public);
        let possession = key.prove_possession(&address.0);
        assert!(public.verify_possession(&address.0, &possession), "the pool's own proofs hold");
        Self { operator: Operator::new(key), public, possession, address }
    }

    /// The signing key.
    pub fn key(&self) -> bn254::SecretKey {
        self.operator.key().copy()
    }

    /// What runs a node.
    pub fn operator(&self) -> Operator {
        self.operator.copy()
    }

    /// The entry of a roster.
    pub fn member(&self, index: Index) -> Member {
        Member {
            index,
            address: self.address,
            key: self.public.clone(),
            possession: self.possession,
            socket: format!("node-{index}.sim:7000"),
        }
    }
}

/// All operators.
pub fn pool() -> &'static [Identity] {
    static POOLED: OnceLock<Vec<Identity>> = OnceLock::new();
    POOLED.get_or_init(|| {
        let mut rng = ChaCha20Rng::seed_from_u64(0x71_6b);
        (0..POOL).map(|_| Identity::random(&mut rng)).collect()
    })
}
