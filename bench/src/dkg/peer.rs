//! The peer: `commonware-cryptography`, Feldman's scheme with commitments in G2 (`MinSig`), through its public functions.

use std::num::NonZeroU32;

use commonware_codec::{Copying, Decode, Encode};
use commonware_cryptography::Signer;
use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    Dealer, DealerPrivMsg, DealerPubMsg, Info, Logs, Output, Player, PlayerAck, Reveal, deal,
};
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_cryptography::bls12381::primitives::sharing::Mode;
use commonware_cryptography::bls12381::primitives::variant::MinSig;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_parallel::Sequential;
use commonware_utils::ordered::{Map, Set};
use commonware_utils::{N3f1, TestRng, TryCollect};

use super::{Kind, Times, millis, threshold};
use crate::report::{Failure, timed_processor as timed};

/// One message to the measured player: who sent it, its public part as bytes, its private part.
type Message = (PublicKey, Vec<u8>, DealerPrivMsg);
/// The version that is handed on, and everybody's share of it.
type Previous = (Option<Output<MinSig, PublicKey>>, Option<Map<PublicKey, Share>>);

/// A round of `n` honest players, as the middle one of them sees it.
pub struct Peer {
    info: Info<MinSig, PublicKey>,
    me: PrivateKey,
    share: Option<Share>,
    size: NonZeroU32,
    messages: Vec<Message>,
    logs: Logs<MinSig, PublicKey, N3f1>,
    dealer: Dealer<MinSig, PrivateKey>,
    acks: Vec<(PublicKey, PlayerAck<PublicKey>)>,
}

impl Peer {
    /// Everybody deals; the logs of the first `t` other dealers, with everybody's acknowledgements, are what the result is
    /// made of. The peer takes `t` logs and looks at no more.
    pub fn new(kind: Kind, n: u16) -> Result<Self, Failure> {
        let mut rng = TestRng::new(u64::from(n));
        let all = (0..n).map(|i| PrivateKey::from_seed(u64::from(i)));
        let mut keys: Vec<PrivateKey> = all.collect();
        keys.sort_by_key(Signer::public_key);
        let set: Set<PublicKey> = keys.iter().map(Signer::public_key).try_collect()?;
        let (previous, shares) = previous(kind, &set, &mut rng)?;
        let info = Info::new::<N3f1>(b"bench", 0, previous, Mode::NonZeroCounter, Reveal::V1, set.clone(), set)?;
        let mut players = Vec::new();
        for key in &keys {
            players.push(Player::<MinSig, _>::new(info.clone(), key.clone())?);
        }
        let share_of = |key: &PrivateKey| shares.as_ref().and_then(|all| all.get_value(&key.public_key()).cloned());
        let (mut logs, mut messages, mut own) = (Logs::new(info.clone()), Vec::new(), None);
        let (middle, mut counted) = (keys.len() / 2, 0);
        for (place, key) in keys.iter().enumerate() {
            let (mut dealer, public, private) =
                Dealer::start::<N3f1>(&mut rng, info.clone(), key.clone(), share_of(key))?;
            let to_me = private.get(middle).ok_or("no players")?.1.clone();
            messages.push((key.public_key(), public.encode().to_vec(), to_me));
            if place == middle {
                own = Some((dealer, acknowledge(&mut players, key, &public, private)?));
                continue;
            }
            if counted == threshold(n) {
                continue;
            }
            counted += 1;
            let acks = acknowledge(&mut players, key, &public, private)?;
            for (player, ack) in acks {
                dealer.receive_player_ack(player, ack)?;
            }
            let (dealer, log) = dealer.finalize::<N3f1>().check(&info).ok_or("a log that does not check")?;
            logs.record(dealer, log);
        }
        let (dealer, acks) = own.ok_or("no dealers")?;
        let me = keys.get(middle).ok_or("no players")?.clone();
        let (share, size) = (share_of(&me), NonZeroU32::new(n.into()).ok_or("no players")?);
        Ok(Self { info, me, share, size, messages, logs, dealer, acks })
    }

    /// One node's work, phase by phase.
    pub fn round(&mut self, times: &mut Times) -> Result<(), Failure> {
        let mut rng = TestRng::new(1);
        let (info, share) = (self.info.clone(), self.share.clone());
        let (dealing, started) = timed(|| Dealer::start::<N3f1>(&mut rng, info, self.me.clone(), share));
        drop(started?);
        let (decoding, decoded) = timed(|| self.decode());
        let mut player = Player::<MinSig, _>::new(self.info.clone(), self.me.clone())?;
        let (verifying, verified) = timed(|| receive(&mut player, decoded?));
        verified?;
        let (acknowledging, acknowledged) = timed(|| {
            let mut acks = self.acks.iter().cloned();
            acks.try_for_each(|(player, ack)| self.dealer.receive_player_ack(player, ack))
        });
        acknowledged?;
        let logs = self.logs.clone();
        let (finishing, result) = timed(|| player.finalize::<N3f1>(&mut rng, logs, &Sequential));
        let (output, _) = result.map_err(|error| format!("{error:?}"))?;
        let (publics, ()) = timed(|| output.public().precompute_partial_publics());
        times.push("dealing", millis(dealing));
        times.push("verify", millis(verifying));
        times.push("public_shares", millis(publics));
        times.push("node", millis(dealing + decoding + verifying + acknowledging + finishing + publics));
        Ok(())
    }

    fn decode(&self) -> Result<Vec<(PublicKey, DealerPubMsg<MinSig>, DealerPrivMsg)>, Failure> {
        let decode = |(dealer, bytes, private): &Message| {
            let public = DealerPubMsg::decode_cfg(Copying(bytes), &self.size)?;
            Ok((dealer.clone(), public, private.clone()))
        };
        self.messages.iter().map(decode).collect()
    }
}

fn receive(
    player: &mut Player<MinSig, PrivateKey>,
    messages: Vec<(PublicKey, DealerPubMsg<MinSig>, DealerPrivMsg)>,
) -> Result<(), Failure> {
    for (dealer, public, private) in messages {
        player.dealer_message::<N3f1>(dealer, public, private)?.ok_or("a repeat")?;
    }
    Ok(())
}

/// Everybody's acknowledgement of one dealer's message.
fn acknowledge(
    players: &mut [Player<MinSig, PrivateKey>],
    dealer: &PrivateKey,
    public: &DealerPubMsg<MinSig>,
    private: Vec<(PublicKey, DealerPrivMsg)>,
) -> Result<Vec<(PublicKey, PlayerAck<PublicKey>)>, Failure> {
    let mut acks = Vec::new();
    for (player, (receiver, part)) in players.iter_mut().zip(private) {
        let ack = player.dealer_message::<N3f1>(dealer.public_key(), public.clone(), part)?;
        acks.push((receiver, ack.ok_or("a repeat")?));
    }
    Ok(acks)
}

fn previous(kind: Kind, players: &Set<PublicKey>, rng: &mut TestRng) -> Result<Previous, Failure> {
    if kind == Kind::Generation {
        return Ok((None, None));
    }
    let (output, shares) = deal::<MinSig, _, N3f1>(rng, Mode::NonZeroCounter, players.clone())?;
    Ok((Some(output), Some(shares)))
}
