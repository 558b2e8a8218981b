//! The names of things never change by accident: whoever changes an encoding, or what a proof or a signature covers, has to
//! change a line here, too. Signers and verifiers share that code, so nothing else would notice.

use quorumkeep_curves::hash::keccak256;

use super::World;
use super::rounds::{confirm_all, deal_of, dealt};
use crate::app::{App, Format, Policy};
use crate::block::BlockRef;
use crate::complain::Complain;
use crate::confirm::proof_context;
use crate::deal::{RawDeal, body_hash};
use crate::envelope::{Header, Kind, signing_hash};
use crate::ids::{Address, Digest, KeyId, NetworkId};
use crate::reconstruct::Reconstruct;

/// Compares each name with the line of the list that begins with it.
fn compare(found: &[(&str, [u8; 32])], frozen: &str) {
    let lines: Vec<String> = found.iter().map(|(name, hash)| format!("{name} {}", Digest(*hash))).collect();
    assert_eq!(lines.join("\n"), frozen.trim());
}

#[test]
fn hashes_of_a_generation() {
    for (mut world, frozen) in [(World::new(4, 3, 140), FELDMAN), (World::pedersen(4, 3, 140), PEDERSEN)] {
        world.begin();
        let start = u64::from(world.config.interval);
        world.to_height(start);
        let secrets = world.announce_all();
        world.to_height(start + 2);
        let (info, me) = (world.info(), world.address(0));
        let deal = deal_of(&mut world, 0, &secrets[0]);
        let raw = RawDeal::decode(&deal.encode()).unwrap();
        let found = [
            ("network", world.network.0),
            ("trigger", world.round().trigger_digest().0),
            ("info", info.digest().0),
            ("hiding base", keccak256(&info.h.map(|h| h.to_bytes().to_vec()).unwrap_or_default())),
            ("commitment", deal.commitment.hash()),
            ("core", raw.core(&info.digest(), &me).0),
            ("signed for a deal", body_hash(&deal.encode()).unwrap().0),
            ("ciphertexts", keccak256(deal.ciphertexts.as_flattened())),
        ];
        compare(&found, frozen);
    }
}

#[test]
fn hashes_of_a_result() {
    let mut world = World::new(4, 3, 141);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    let (info, transcript) = (world.info(), world.round().transcript().unwrap().clone());
    let output = transcript.outcome().unwrap().as_ref().unwrap().clone();
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let context = proof_context(&info, &world.address(0), &output.id(), &transcript.cut());
    let found = [("version", output.id().0), ("output", keccak256(&output.encode())), ("confirm", keccak256(&context))];
    compare(&found, RESULT);
}

#[test]
fn hashes_of_headers_blocks_and_applications() {
    let (network, key) = (NetworkId([1; 32]), KeyId([2; 32]));
    let header = Header {
        network,
        key,
        round: 0x0102_0304_0506_0708,
        digest: Digest([3; 32]),
        kind: Kind::Confirm,
        sender: Address([4; 20]),
        recipient: Address([5; 20]),
    };
    let owner = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
    let app = App::sign(&network, &key, ("app", 7), (Format::EigenX, Policy::Public), &owner, None);
    let origin = BlockRef::origin(&network);
    let block = crate::block::Block::sign(&network, &origin, 9, vec![vec![1], vec![2, 3]], &owner);
    let found = [
        ("words", keccak256(&header.to_words())),
        ("signed", signing_hash(&header, &Digest([8; 32])).0),
        ("key", KeyId::derive(&network, "main").0),
        ("application", app.hash(&network, &key)),
        ("origin", origin.hash.0),
        ("block", block.reference(&network).hash.0),
        ("complaint", Complain::subject(&Address([4; 20]), &Digest([3; 32])).0),
        ("reconstruction", Reconstruct::subject(&Address([4; 20])).0),
    ];
    compare(&found, NAMES);
}

const FELDMAN: &str = "
network 689aac7da4424ae75484f93dc26a4a0d7371afb9f17f9975abb13233eba4a691
trigger ccb64926d7b61f9a37357f32e1bfc8c5e4889a64e7944dbc1708857d52ecc752
info a1b25ff9a087e6f8ded2747ba64b54b2be1feb82ecabac116364f4ca85590c35
hiding base c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470
commitment 5d1bb87dab67284685d02a165592aa6657c77d2dfe791d6584c72b1007f5a1f7
core 3de57ef014893f36850bc547eda95401ae009eea937cef16ed4da1af321764d4
signed for a deal a8f55cf2d492d25371bfa919b47cc2f889a38c073a66cd9454035a72957e51e2
ciphertexts 417d23b04081e61fc102b418d9ab88e67c3408d056adc15c071500796bb1192c
";
const PEDERSEN: &str = "
network dbd86bea61158e82fc4d1b849ea5de12a8a419c479b981946249820bed8f6bd7
trigger 9830c56262205b5dc831d48d95a2817927ddb8ba6b6e4a1c6277b444af167ab0
info cd7540f96b594ad4c1d654a1afa73005a9166100c1b99c8f07e38650d36b8bed
hiding base 43d488a7392306149ed667bc696f57e79c7fdefe7969eeae6337c3e20eebdef4
commitment 77a83f3bf8056ea49e071f4494062bfc5a28f80da689fdefc6496ce7eba1c839
core 937ce6aabb8e11678fb46e7b290196d9fda27055345e7179b3cc32c22763912e
signed for a deal 45ec7756bf527e3a25b5b19c67deb5397811b75da1991c4060bccfab696abc1f
ciphertexts 7cbd96a1cc763e83ca5901b21acb30b0b01a063c9c5b23a7a9e6b397da26520e
";
const RESULT: &str = "
version 9c9c008e7cd439d4318f0547fd625bfbaa46852b58c4a6bcd819d5217032c50c
output aeed1413c0fe0f9ca6c9478ff49addb997ece2f885e31801d71cbde0b8784183
confirm d79b093012ac43357c54cef3124132c12e2226e7d5893154628da6ed8ecaac93
";
const NAMES: &str = "
words a74d8f8c53661abe24faa2920ecd0d087eaa3f65fff88c9a916cb47505c4c52e
signed fefb7676378fc3ce84cc4ebedf6425a34a04ed2c3bfa0274f1c80f23dd4dab83
key 47aae411c8759ac71461b5a327bd030695346f4f569f976890b699ba6c782588
application 08097ca823b6c7109106e84feb074a65fb24a2db22dc525316265cd76ee80ad7
origin bd6bb8039cac2662da1a3c8cc6f402c6f9fdff71450b7ff61333b0d5ed431a9e
block 4bfea185630ffdebd4bfcb1fb6d9987fc87c961fa017349eb8ac6c24d99a980d
complaint 9ffcc24c30db3075f28155405d6542ba3bb2c2427b0ae11bd79951d50bda93e3
reconstruction 096172dff854a4d9f67fb972ad494924c83beb6624b06ec2b047119c5c20978e
";
