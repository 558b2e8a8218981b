use super::*;
use crate::bls::{G1, G2};
use crate::tags;

#[test]
fn layout() {
    let bytes = Writer::new(Tag::new("AB")).u8(1).u16(2).u32(3).u64(4).fixed(&[9, 9]).bytes(b"xyz").list(7).finish();
    assert_eq!(hex::encode(bytes), "00000002414201000200000003000000000000000409090000000378797a00000007");
}

#[test]
fn round_trip_and_bounds() {
    let bytes = Writer::new(tags::SCHNORR)
        .u64(u64::MAX)
        .bytes(b"abc")
        .point(&G1::generator())
        .point(&G2::generator())
        .scalar(&Scalar::from_u64(5))
        .finish();
    let mut reader = Reader::new(&bytes);
    reader.tag(tags::SCHNORR).unwrap();
    assert_eq!(reader.u64().unwrap(), u64::MAX);
    assert_eq!(reader.clone().bytes(2), Err(Decode::TooLong));
    assert_eq!(reader.bytes(3).unwrap(), b"abc");
    assert_eq!(reader.point::<G1>().unwrap().check(), Ok(G1::generator()));
    assert_eq!(reader.point::<G2>().unwrap().check(), Ok(G2::generator()));
    assert_eq!(reader.clone().finish(), Err(Decode::Trailing));
    assert_eq!(reader.scalar().unwrap(), Scalar::from_u64(5));
    assert_eq!(reader.u8(), Err(Decode::Truncated));
    assert_eq!(reader.finish(), Ok(()));
    assert_eq!(Reader::new(&bytes).tag(tags::BLS_BATCH), Err(Decode::Tag));
}

#[test]
fn a_huge_length_is_refused_before_anything_is_read() {
    assert_eq!(Reader::new(&[0xff; 8]).bytes(1 << 20), Err(Decode::TooLong));
    assert_eq!(Reader::new(&[0, 0, 0, 9, 1]).bytes(9), Err(Decode::Truncated));
}

/// Byte strings and a list of them, each with its length.
fn encoded(fields: &[Vec<u8>], list: &[Vec<u8>]) -> Vec<u8> {
    let writer = fields.iter().fold(Writer::new(tags::SCHNORR), |writer, field| writer.bytes(field));
    let writer = writer.list(list.len());
    list.iter().fold(writer, |writer, field| writer.bytes(field)).finish()
}

/// All bytes in one row, cut at other places.
fn cut(all: &[u8], places: &[proptest::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(all.len() + 1)).collect();
    places.sort_unstable();
    let starts = [0].into_iter().chain(places.iter().copied());
    let ends = places.iter().copied().chain([all.len()]);
    starts.zip(ends).map(|(from, to)| all[from..to].to_vec()).collect()
}

proptest::proptest! {
    /// `[a, $, b]` and `[a], [b]`: the same bytes cut into other fields, or moved from a field into the list, are other bytes.
    #[test]
    fn v14_fields_cannot_move_over_their_boundaries(
        all in proptest::collection::vec(0u8..4, 0..40),
        first in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 0..4),
        second in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 0..4),
        (listed_first, listed_second) in (0usize..4, 0usize..4),
    ) {
        let (one, two) = (cut(&all, &first), cut(&all, &second));
        let split = |fields: &[Vec<u8>], listed: usize| {
            let (fields, list) = fields.split_at(fields.len().saturating_sub(listed));
            (fields.to_vec(), list.to_vec())
        };
        let (one, two) = (split(&one, listed_first), split(&two, listed_second));
        // A structure knows how many fields it has; only then are two of them compared.
        if one.0.len() == two.0.len() {
            proptest::prop_assert_eq!(encoded(&one.0, &one.1) == encoded(&two.0, &two.1), one == two);
        }
    }
}
