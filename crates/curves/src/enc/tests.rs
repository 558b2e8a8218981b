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
