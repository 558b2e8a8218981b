//! Many dealings for one player, checked at once.

use quorumkeep_curves::bls::{G2, Scalar, SecretScalar};
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::schnorr::batch_coefficient;
use quorumkeep_curves::tags;
use zeroize::Zeroizing;

use crate::{Commitment, Index};

/// Checks the dealings that one player received: `s_d*G2 == C_d(index)` for every dealer `d`.
///
/// One random combination `(sum rho_d s_d)*G2 == sum rho_d C_d(index)` answers for all; only when it fails are they
/// checked one by one.
///
/// # Errors
///
/// The positions of all bad dealings, in order.
///
/// # Security
///
/// The 128-bit `rho_d` are hashed from both sides of every equation, dealings included, so colluding dealers cannot
/// choose errors that cancel. What is hashed never leaves.
pub fn verify_dealings(index: Index, dealings: &[(&Commitment, &SecretScalar)]) -> Result<(), Vec<usize>> {
    let mut images: Vec<G2> = dealings.iter().map(|(c, _)| c.evaluate(index)).collect();
    G2::normalize(&mut images);
    let secrets: Vec<&SecretScalar> = dealings.iter().map(|(_, dealing)| *dealing).collect();
    if secrets.len() > 1 && combination_holds(index, &images, &secrets) {
        return Ok(());
    }
    let pairs = images.iter().zip(secrets).enumerate();
    let bad = pairs.filter(|(_, (image, dealing))| dealing.mul_g2() != **image);
    let bad: Vec<usize> = bad.map(|(position, _)| position).collect();
    if bad.is_empty() { Ok(()) } else { Err(bad) }
}

fn combination_holds(index: Index, images: &[G2], secrets: &[&SecretScalar]) -> bool {
    let seed = batch_seed(index, images, secrets);
    let numbers = (0_u32..).take(images.len());
    let rho: Vec<Scalar> = numbers.map(|number| batch_coefficient(&seed, number)).collect();
    let mut sum = SecretScalar::zero();
    for (dealing, rho) in secrets.iter().zip(&rho) {
        sum = sum.add(&dealing.mul_public(rho));
    }
    sum.mul_g2() == G2::msm(images, &rho)
}

fn batch_seed(index: Index, images: &[G2], secrets: &[&SecretScalar]) -> [u8; 32] {
    let mut writer = Writer::new(tags::SHARING_BATCH).u16(index.get()).list(images.len());
    writer = images.iter().fold(writer, Writer::point);
    let mut bytes = Zeroizing::new(Vec::with_capacity(32 * secrets.len()));
    for dealing in secrets {
        bytes.extend_from_slice(&*dealing.expose());
    }
    writer.fixed(&quorumkeep_curves::hash::keccak256(&bytes)).hash()
}

#[cfg(test)]
mod tests;
