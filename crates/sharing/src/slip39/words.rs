//! The 1024 words. Which word a share has is secret, so looking one up takes the same time for all.

use std::sync::LazyLock;

use zeroize::Zeroizing;

/// Letters of the longest word.
const LETTERS: usize = 8;

/// Each word as the letters of a number, the first letter highest.
static WORDS: LazyLock<Vec<u64>> =
    LazyLock::new(|| include_str!("wordlist.txt").split_ascii_whitespace().filter_map(pack).collect());

/// All bits if `a == b`, else none.
const fn same(a: u64, b: u64) -> u64 {
    let differ = a ^ b;
    ((differ | differ.wrapping_neg()) >> 63).wrapping_sub(1)
}

/// None if it is too long for a word of the list.
fn pack(word: &str) -> Option<u64> {
    let mut letters = Zeroizing::new([0; LETTERS]);
    letters.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    letters.make_ascii_lowercase();
    Some(u64::from_be_bytes(*letters))
}

/// The number of a word, in any case; None if the list has no such word.
pub(super) fn number(word: &str) -> Option<u16> {
    let wanted = pack(word)?;
    let numbered = (0_u64..).zip(WORDS.iter());
    let (number, found) = numbered.fold((0, 0), |(number, found), (place, word)| {
        let hit = same(*word, wanted);
        (number | place & hit, found | hit)
    });
    (found != 0).then(|| u16::try_from(number).ok()).flatten()
}

/// Appends the word with this number, below 1024.
pub(super) fn append(text: &mut String, number: u16) {
    let word = (0_u64..).zip(WORDS.iter()).fold(0, |sum, (place, word)| sum | word & same(place, number.into()));
    text.extend(word.to_be_bytes().iter().take_while(|letter| **letter != 0).map(|letter| char::from(*letter)));
}
