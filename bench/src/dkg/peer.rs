//! The peer: `commonware-cryptography`, Feldman's scheme with commitments in G2 (`MinSig`), through its public functions.

use std::num::NonZeroU32;
use std::time::Duration;

use commonware_codec::{DecodeExt, Encode, Read};
use commonware_cryptography::Signer;
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    Dealer, DealerPrivMsg, DealerPubMsg, Info, Logs, Output, Player, PlayerAck, Reveal, deal,
};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::bls12381::primitives::sharing::{Mode, Sharing};
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_parallel::Sequential;
use commonware_utils::ordered::{Map, Set};
use commonware_utils::{N3f1, TestRng, TryCollect};

use super::{Kind, Phases};
use crate::report::{Failure, timed};

type V = MinSig;
/// One message to the measured player: who sent it, its public part as bytes, its private part.
type Message = (PublicKey, Vec<u8>, DealerPrivMsg);

/// A network of `n` players in which everybody is honest, as the first player sees it.
pub struct Peer {
    info: Info<V, PublicKey>,
    me: PrivateKey,
    share: Option<Share>,
    messages: Vec<Message>,
    logs: Logs<V, PublicKey, N3f1>,
    acks: Vec<(PublicKey, PlayerAck<PublicKey>)>,
    dealer: Option<Dealer<V, PrivateKey>>,
}

impl Peer {
    /// `quick`: only as many dealers get everybody's acknowledgement as the result is made of; the others' messages are
    /// there all the same, and nothing that is timed changes.
    pub fn new(kind: Kind, n: u16, seed: u64) -> Result<Self, Failure> {
        let mut rng = TestRng::new(seed);
        let keys: Vec<PrivateKey> = (0..n).map(|i| PrivateKey::from_seed(seed + u64::from(i))).collect();
        let mut keys: Vec<(PublicKey, PrivateKey)> = keys.into_iter().map(|key| (key.public_key(), key)).collect();
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        let all: Set<PublicKey> = keys.iter().map(|(public, _)| public.clone()).try_collect().map_err(text)?;
        let (previous, shares) = previous(kind, &all, &mut rng)?;
        let mode = Mode::NonZeroCounter;
        let info =
            Info::new::<N3f1>(b"bench", 0, previous, mode, Reveal::V1, all.clone(), all).map_err(text)?;
        let me = keys.first().ok_or("no players")?.1.clone();
        let mut players = Vec::new();
        for (_, key) in &keys {
            players.push(Player::<V, PrivateKey>::new(info.clone(), key.clone()).map_err(text)?);
        }
        let (mut messages, mut acks, mut own) = (Vec::new(), Vec::new(), None);
        let mut logs = Logs::new(info.clone());
        let counted = usize::from(super::threshold(n));
        for (place, (public, key)) in keys.iter().enumerate() {
            let share = shares.as_ref().and_then(|shares| shares.get_value(public).cloned());
            let (mut dealer, public_part, private) =
                Dealer::start::<N3f1>(&mut rng, info.clone(), key.clone(), share).map_err(text)?;
            if place == 0 {
                // A second one with the same key, which takes the acknowledgements while the time is taken.
                own = Some(dealer_again(&info, key, &shares, &mut rng)?);
            }
            let bytes = public_part.encode().to_vec();
            for (player, (receiver, part)) in players.iter_mut().zip(private) {
                if receiver == me.public_key() {
                    messages.push((public.clone(), bytes.clone(), part.clone()));
                }
                if place >= counted {
                    continue;
                }
                let ack = player.dealer_message::<N3f1>(public.clone(), public_part.clone(), part).map_err(text)?;
                dealer.receive_player_ack(receiver, ack.ok_or("a repeat")?).map_err(text)?;
            }
            if place < counted {
                let (dealer, log) = dealer.finalize::<N3f1>().check(&info).ok_or("a log that does not check")?;
                logs.record(dealer, log);
            }
        }
        let (mut dealer, public_part, private) = own.ok_or("no own dealer")?;
        for ((public, key), (_, part)) in keys.iter().zip(private) {
            let mut player = Player::<V, PrivateKey>::new(info.clone(), key.clone()).map_err(text)?;
            let ack = player.dealer_message::<N3f1>(me.public_key(), public_part.clone(), part).map_err(text)?;
            acks.push((public.clone(), ack.ok_or("a repeat")?));
        }
        // What is measured begins with acknowledgements that this dealer has not seen.
        dealer.receive_player_ack(acks.first().ok_or("no acks")?.0.clone(), acks.first().ok_or("no acks")?.1.clone()).map_err(text)?;
        let share = shares.as_ref().and_then(|shares| shares.get_value(&me.public_key()).cloned());
        Ok(Self { info, me, share, messages, logs, acks, dealer: Some(dealer) })
    }
}
