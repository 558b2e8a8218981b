//! RS1024: a Reed-Solomon code over GF(1024). It detects any three wrong words, so one wrong word can be located.

const GENERATOR: [u32; 10] = [
    0x00E0_E040,
    0x01C1_C080,
    0x0383_8100,
    0x0707_0200,
    0x0E0E_0009,
    0x1C0C_2412,
    0x3808_6C24,
    0x3090_FC48,
    0x21B1_F890,
    0x03F3_F120,
];
/// Words of a checksum.
pub(super) const WORDS: usize = 3;

fn step(sum: u32, word: u32) -> u32 {
    let top = sum >> 20;
    let reduced = (0..).zip(GENERATOR).fold(0, |all, (bit, part)| all ^ part & 0u32.wrapping_sub(top >> bit & 1));
    (sum & 0xF_FFFF) << 10 ^ word ^ reduced
}

const fn customization(extendable: bool) -> &'static [u8] {
    if extendable { b"shamir_extendable" } else { b"shamir" }
}

fn polymod(words: &[u16], extendable: bool) -> u32 {
    let prefix = customization(extendable).iter().map(|byte| u32::from(*byte));
    prefix.chain(words.iter().map(|word| u32::from(*word))).fold(1, step)
}

/// The three words that make the code word complete.
pub(super) fn create(words: &[u16], extendable: bool) -> [u16; WORDS] {
    let sum = [0; WORDS].into_iter().fold(polymod(words, extendable), step) ^ 1;
    [20, 10, 0].map(|shift| (sum >> shift & 1023) as u16)
}

/// Is it a code word?
pub(super) fn holds(words: &[u16], extendable: bool) -> bool {
    polymod(words, extendable) == 1
}

/// The place, from 1, of the only word that could be wrong; None if one wrong word does not explain it.
pub(super) fn locate(words: &[u16], extendable: bool) -> Option<usize> {
    let syndrome = polymod(words, extendable) ^ 1;
    // The code is linear: a difference contributes the same whatever stands around it.
    let explains = |place: &usize| {
        let behind = words.len() - place;
        (1..1024).any(|difference| (0..behind).fold(difference, |sum, _| step(sum, 0)) == syndrome)
    };
    (1..=words.len()).find(explains)
}
