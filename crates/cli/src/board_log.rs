//! The board log, read from the orderer, and evidence that is made of it.

use std::path::Path;

use quorumkeep_dkg::block::Block;
use quorumkeep_node::evidence::{Claim, Evidence, SignedPartial};
use quorumkeep_server::session::{Answer, Outcome, Session};
use quorumkeep_store::files::write_new;

use crate::failure::{Code, Failure, Result};
use crate::progress::Progress;
use crate::report::warn;

/// Blocks of one answer of the board.
const BLOCKS: usize = 1000;

/// All blocks up to the head.
pub async fn read(session: &Session, as_json: bool) -> Result<Vec<Block>> {
    let head = session.board().head().await?.height;
    let mut progress = Progress::new("reading the board", None, as_json);
    let mut blocks: Vec<Block> = Vec::new();
    while (blocks.len() as u64) < head {
        let from = blocks.len() as u64 + 1;
        let some = session.board().blocks(from, BLOCKS, 0).await?;
        if some.is_empty() {
            return Err(Failure::new(
                Code::Unreachable,
                format!("the board has no block {from} although its head is {head}"),
            ));
        }
        progress.add(some.iter().map(|block| block.records.iter().map(Vec::len).sum::<usize>()).sum());
        blocks.extend(some);
    }
    Ok(blocks)
}

/// Writes evidence of every wrong answer that its operator signed into this folder, one file per operator. What cannot be
/// written is told and stops nobody: whoever decrypts has what he came for.
pub async fn keep_wrong_partials(session: &Session, answers: &[Answer], folder: &Path) {
    let signed = |answer: &Answer| match &answer.outcome {
        Outcome::Signed(signed) => Some(signed.as_ref().clone()),
        _ => None,
    };
    let signed: Vec<SignedPartial> = answers.iter().filter_map(signed).collect();
    let Some(first) = signed.first() else { return };
    let blocks = match read(session, true).await {
        Ok(blocks) => blocks,
        Err(error) => return warn(&format!("no evidence was written: {error}")),
    };
    let mut evidence = Evidence { network: session.file().network, claim: Claim::Partial(first.clone()), blocks };
    for one in signed {
        let path = folder.join(format!("{}.evidence", one.node));
        evidence.claim = Claim::Partial(one);
        match keep(&evidence, &path) {
            Ok(()) => warn(&format!("evidence is in {0}; show it: quorumkeep evidence verify {0}", path.display())),
            Err(error) => warn(&format!("no evidence was written: {error}")),
        }
    }
}

/// Only evidence that holds is written.
fn keep(evidence: &Evidence, path: &Path) -> Result<()> {
    evidence.verify(&evidence.network).map_err(|reason| Failure::new(Code::NotShown, reason))?;
    Ok(write_new(path, &evidence.encode(), 0o644)?)
}
