//! `enc`: the injective encoding of everything that is hashed, signed or stored.
//!
//! Integers are big-endian and of fixed width, arrays of fixed length are raw, byte strings and lists carry a `u32`
//! length, a tag is a byte string. Points are compressed. Decoding and encoding again gives the same bytes.
//!
//! # Source
//!
//! The product's protocol specification, section "Bytes".

use crate::bls::{Group, OnCurve, Scalar};
use crate::hash::keccak256;
use crate::tags::Tag;

/// Why bytes were refused. It carries no detail: the bytes may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Decode {
    /// The input ends before the value does.
    #[error("the input is too short")]
    Truncated,
    /// Bytes are left after the value.
    #[error("bytes follow the value")]
    Trailing,
    /// A length is above the bound that the caller gave.
    #[error("a length is above its bound")]
    TooLong,
    /// The domain separation tag, or a type or version byte, is another one.
    #[error("the tag is another one")]
    Tag,
    /// The value has another, canonical encoding, or a flag bit of another form.
    #[error("the encoding is not canonical")]
    NotCanonical,
    /// A scalar is not below the group order.
    #[error("the scalar is not below the group order")]
    ScalarRange,
    /// The coordinates do not satisfy the curve equation.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// The point is on the curve but not in the subgroup of prime order.
    #[error("the point is not in the subgroup of prime order")]
    NotInSubgroup,
    /// The point is the identity.
    #[error("the point is the identity")]
    Identity,
    /// Two parts that must belong together do not.
    #[error("the parts do not belong together")]
    Mismatch,
    /// A value is outside the set that the format allows.
    #[error("the value is not allowed")]
    Value,
}

/// Builds `enc(...)`. Every method takes and returns the writer, so that an encoding reads as one expression.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An encoding that starts with `tag` as a byte string.
    pub fn new(tag: Tag) -> Self {
        Self::raw().bytes(tag.as_bytes())
    }

    /// An encoding without a tag, for parts that are put into a tagged one.
    pub const fn raw() -> Self {
        Self { bytes: Vec::new() }
    }

    /// One byte.
    pub fn u8(self, value: u8) -> Self {
        self.fixed(&[value])
    }

    /// Two bytes, big-endian.
    pub fn u16(self, value: u16) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Four bytes, big-endian.
    pub fn u32(self, value: u32) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Eight bytes, big-endian.
    pub fn u64(self, value: u64) -> Self {
        self.fixed(&value.to_be_bytes())
    }

    /// Raw bytes whose length the format fixes.
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A byte string: `u32` length, then the bytes.
    ///
    /// A length above `u32::MAX` saturates; no value of the product comes near it, and a reader refuses it.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.list(bytes.len()).fixed(bytes)
    }

    /// The `u32` length of a list whose items the caller writes next.
    pub fn list(self, length: usize) -> Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }

    /// A point, compressed (48 or 96 bytes).
    pub fn point<G: Group>(mut self, point: &G) -> Self {
        point.append_compressed(&mut self.bytes);
        self
    }

    /// A scalar, 32 bytes big-endian.
    pub fn scalar(self, scalar: &Scalar) -> Self {
        self.fixed(&scalar.to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// `H(enc(...))`: keccak256 of the bytes.
    #[must_use]
    pub fn hash(self) -> [u8; 32] {
        keccak256(&self.bytes)
    }
}

/// Reads what [`Writer`] wrote. Every length has an explicit bound; nothing is allocated before it is checked.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the start.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A reader of a value that begins with `tag`.
    ///
    /// # Errors
    ///
    /// [`Decode::Tag`] for another tag.
    pub fn tagged(bytes: &'a [u8], tag: Tag) -> Result<Self, Decode> {
        let mut reader = Self::new(bytes);
        reader.tag(tag)?;
        Ok(reader)
    }

    /// Reads `tag` as a byte string.
    ///
    /// # Errors
    ///
    /// [`Decode::Tag`] when another tag stands there.
    pub fn tag(&mut self, tag: Tag) -> Result<(), Decode> {
        let found = self.bytes(tag.as_bytes().len()).map_err(|_| Decode::Tag)?;
        if found == tag.as_bytes() { Ok(()) } else { Err(Decode::Tag) }
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn u8(&mut self) -> Result<u8, Decode> {
        Ok(u8::from_be_bytes(self.fixed()?))
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn u16(&mut self) -> Result<u16, Decode> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn u32(&mut self) -> Result<u32, Decode> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn u64(&mut self) -> Result<u64, Decode> {
        Ok(u64::from_be_bytes(self.fixed()?))
    }

    /// `N` raw bytes.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Decode> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Decode::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// `length` raw bytes, borrowed.
    ///
    /// # Errors
    ///
    /// [`Decode::Truncated`].
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Decode> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Decode::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// [`Decode::TooLong`] above `max`, [`Decode::Truncated`].
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], Decode> {
        let length = self.list(max)?;
        self.take(length)
    }

    /// The length of a list of at most `max` items.
    ///
    /// # Errors
    ///
    /// [`Decode::TooLong`] above `max`, [`Decode::Truncated`].
    pub fn list(&mut self, max: usize) -> Result<usize, Decode> {
        let length = usize::try_from(self.u32()?).map_err(|_| Decode::TooLong)?;
        if length > max {
            return Err(Decode::TooLong);
        }
        Ok(length)
    }

    /// A compressed point, its subgroup check still owed.
    ///
    /// # Errors
    ///
    /// As [`OnCurve::from_slice`], and [`Decode::Truncated`].
    pub fn point<G: Group>(&mut self) -> Result<OnCurve<G>, Decode> {
        OnCurve::from_slice(self.take(G::COMPRESSED)?)
    }

    /// An uncompressed point, its subgroup check still owed.
    ///
    /// # Errors
    ///
    /// As [`OnCurve::from_uncompressed_slice`], and [`Decode::Truncated`].
    pub fn uncompressed_point<G: Group>(&mut self) -> Result<OnCurve<G>, Decode> {
        OnCurve::from_uncompressed_slice(self.take(G::UNCOMPRESSED)?)
    }

    /// A scalar below `r`, 32 bytes big-endian.
    ///
    /// # Errors
    ///
    /// [`Decode::ScalarRange`], [`Decode::Truncated`].
    pub fn scalar(&mut self) -> Result<Scalar, Decode> {
        Scalar::from_be_bytes(&self.fixed()?)
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`Decode::Trailing`] when bytes are left.
    pub const fn finish(self) -> Result<(), Decode> {
        if self.rest.is_empty() { Ok(()) } else { Err(Decode::Trailing) }
    }
}

#[cfg(test)]
mod tests;
