//! The board log, read from the orderer, and evidence that is made of it.

use std::path::{Path, PathBuf};

use quorumkeep_dkg::block::Block;
use quorumkeep_node::evidence::{Claim, Evidence};
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

/// Writes evidence of every wrong answer that its operator signed into this folder, one file per operator; gives the files.
pub async fn keep_wrong_partials(session: &Session, answers: &[Answer], folder: &Path) -> Result<Vec<PathBuf>> {
    let signed = |answer: &Answer| match &answer.outcome {
        Outcome::Signed(signed) => Some(signed.as_ref().clone()),
        _ => None,
    };
    let signed: Vec<_> = answers.iter().filter_map(signed).collect();
    let Some(first) = signed.first().cloned() else { return Ok(Vec::new()) };
    let blocks = read(session, true).await?;
    let mut evidence = Evidence { network: session.file().network, claim: Claim::Partial(first), blocks };
    let mut files = Vec::new();
    for one in signed {
        let path = folder.join(format!("{}.evidence", one.node));
        evidence.claim = Claim::Partial(one);
        if let Err(reason) = evidence.verify(&session.file().network) {
            warn(&format!("no evidence was written: {reason}"));
            continue;
        }
        write_new(&path, &evidence.encode(), 0o644)?;
        warn(&format!("evidence is in {}; show it to others with: quorumkeep evidence verify", path.display()));
        files.push(path);
    }
    Ok(files)
}
