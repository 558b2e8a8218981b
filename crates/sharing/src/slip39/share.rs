//! One mnemonic.

use zeroize::Zeroizing;

use super::cipher::Setting;
use super::error::Parse;
use super::{WORDS_MAX, checksum, words};

const WORDS_MIN: usize = 20;
/// Words before the value: identifier, flag, exponent, and the numbers of the group and the member.
const HEADER_WORDS: usize = 4;
const WORD_BITS: usize = 10;

/// What a mnemonic says openly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 15 bits that are the same in all shares of a set.
    pub identifier: u16,
    /// Can more sets be made of the same encrypted secret? All new ones are.
    pub extendable: bool,
    /// 0 to 15: the work is `10000 * 2^e` iterations.
    pub exponent: u8,
    /// The group, from 0.
    pub group: u8,
    /// Groups that are needed, from 1.
    pub group_threshold: u8,
    /// Groups that exist.
    pub group_count: u8,
    /// The member in its group, from 0.
    pub member: u8,
    /// Members of this group that are needed, from 1.
    pub member_threshold: u8,
}

impl Header {
    pub(super) const fn setting(&self) -> Setting {
        Setting { identifier: self.identifier, extendable: self.extendable, exponent: self.exponent }
    }

    fn words(&self) -> [u16; HEADER_WORDS] {
        let first = u32::from(self.identifier) << 5 | u32::from(self.extendable) << 4 | u32::from(self.exponent);
        let numbers =
            [self.group, self.group_threshold - 1, self.group_count - 1, self.member, self.member_threshold - 1];
        let second = numbers.iter().fold(0, |sum, number| sum << 4 | u32::from(*number));
        [first >> 10, first & 1023, second >> 10, second & 1023].map(|word| word as u16)
    }

    fn read(words: [u16; HEADER_WORDS]) -> Self {
        let [a, b, c, d] = words.map(u32::from);
        let (first, second) = (a << 10 | b, c << 10 | d);
        let number = |shift: u32| (second >> shift & 15) as u8;
        Self {
            identifier: (first >> 5) as u16,
            extendable: first >> 4 & 1 == 1,
            exponent: (first & 15) as u8,
            group: number(16),
            group_threshold: number(12) + 1,
            group_count: number(8) + 1,
            member: number(4),
            member_threshold: number(0) + 1,
        }
    }
}

/// One share: secret but for its header.
pub struct Share {
    pub(super) header: Header,
    pub(super) value: Zeroizing<Vec<u8>>,
}

impl Share {
    /// Reads a mnemonic: words of the list, in any case, between white space.
    ///
    /// # Errors
    /// [`Parse`]: what is wrong and where.
    pub fn parse(mnemonic: &str) -> Result<Self, Parse> {
        let words = numbers(mnemonic)?;
        let padding = padding(words.len()).ok_or(Parse::Words(words.len()))?;
        let header = Header::read(words.first_chunk().copied().unwrap_or_default());
        if !checksum::holds(&words, header.extendable) {
            return Err(Parse::Checksum(checksum::locate(&words, header.extendable)));
        }
        if header.group_count < header.group_threshold {
            return Err(Parse::GroupThreshold { threshold: header.group_threshold, count: header.group_count });
        }
        let value = words.get(HEADER_WORDS..words.len() - checksum::WORDS).unwrap_or_default();
        Ok(Self { header, value: unpack(value, padding).ok_or(Parse::Padding)? })
    }

    /// The words, with one space between them: secret.
    #[must_use]
    pub fn mnemonic(&self) -> Zeroizing<String> {
        let mut words = Zeroizing::new(Vec::with_capacity(WORDS_MAX));
        words.extend_from_slice(&self.header.words());
        pack(&self.value, &mut words);
        let sum = checksum::create(&words, self.header.extendable);
        words.extend_from_slice(&sum);
        let mut text = Zeroizing::new(String::with_capacity(WORDS_MAX * 9));
        for word in words.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            words::append(&mut text, *word);
        }
        text
    }

    /// The public part.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Bits of the secret.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.value.len() * 8
    }
}

fn numbers(mnemonic: &str) -> Result<Zeroizing<Vec<u16>>, Parse> {
    let mut numbers = Zeroizing::new(Vec::with_capacity(WORDS_MAX));
    for (place, word) in (1..).zip(mnemonic.split_whitespace()) {
        let number = words::number(word).ok_or(Parse::UnknownWord(place))?;
        if place > WORDS_MAX {
            return Err(Parse::Words(mnemonic.split_whitespace().count()));
        }
        numbers.push(number);
    }
    if numbers.len() < WORDS_MIN { Err(Parse::Words(numbers.len())) } else { Ok(numbers) }
}

/// Bits of padding before the value; None if no secret has so many words.
fn padding(words: usize) -> Option<usize> {
    let bits = words.checked_sub(HEADER_WORDS + checksum::WORDS)? * WORD_BITS;
    Some(bits % 16).filter(|padding| *padding <= 8)
}

/// The bytes behind the padding; None if the padding is not zero.
fn unpack(words: &[u16], padding: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(words.len() * WORD_BITS / 8));
    // The padding counts as if the first byte were longer.
    let (mut held, mut waiting) = (0u32, 0);
    let mut skip = padding;
    for word in words {
        (held, waiting) = (held << WORD_BITS | u32::from(*word), waiting + WORD_BITS);
        if skip > 0 {
            waiting -= skip;
            if held >> waiting != 0 {
                return None;
            }
            skip = 0;
        }
        while waiting >= 8 {
            waiting -= 8;
            bytes.push((held >> waiting & 0xff) as u8);
        }
        held &= (1 << waiting) - 1;
    }
    Some(bytes)
}

/// Appends the value's words: zeros in front, so that it fills whole words.
fn pack(value: &[u8], words: &mut Vec<u16>) {
    let bits = value.len() * 8;
    let mut waiting = bits.next_multiple_of(WORD_BITS) - bits;
    let mut held = 0u32;
    for byte in value {
        (held, waiting) = (held << 8 | u32::from(*byte), waiting + 8);
        if waiting >= WORD_BITS {
            waiting -= WORD_BITS;
            words.push((held >> waiting & 1023) as u16);
        }
        held &= (1 << waiting) - 1;
    }
}
