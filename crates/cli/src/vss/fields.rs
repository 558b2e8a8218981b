//! One item of the file: every field is read by itself, so that a refusal names it.

use quorumkeep_curves::bls::{G1, G2, Group, OnCurve, Scalar, SecretScalar};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::equation::{Dealing, Hiding};
use super::reason::{Reason, Refusal};
use super::{PLAYERS_MAX, THRESHOLD_MAX, Verdict};

type Read<T> = Result<T, Refusal>;

const LABEL_BYTES_MAX: usize = 128;
/// Hexadecimal digits of a scalar.
const SCALAR_DIGITS: usize = 64;

/// A field as it stands in the file. `null` stands in it: a check that is asked for with it is not left out.
#[derive(Clone, Copy, Default)]
pub struct Raw<'a>(pub Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Fields<'a> {
    label: Raw<'a>,
    threshold: Raw<'a>,
    index: Raw<'a>,
    point: Raw<'a>,
    players: Raw<'a>,
    commitments: Raw<'a>,
    h: Raw<'a>,
    share: Raw<'a>,
    blinder: Raw<'a>,
    previous: Raw<'a>,
}

/// One dealer's previous public share, or all of them and which one counts.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Previous<'a> {
    index: Raw<'a>,
    point: Raw<'a>,
    public_share: Raw<'a>,
    dealer: Raw<'a>,
    public_shares: Raw<'a>,
}

/// A holder of the version before.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Holder<'a> {
    index: Raw<'a>,
    point: Raw<'a>,
    public_share: Raw<'a>,
}

/// Reads an item and checks what it says.
pub fn judge(item: &RawValue) -> Verdict {
    let labelled = || {
        let fields: Fields<'_> = object(item, "")?;
        Ok((label(fields.label)?, fields))
    };
    match labelled() {
        Ok((label, fields)) => Verdict { label, result: check(&fields) },
        Err(refusal) => Verdict { label: None, result: Err(refusal) },
    }
}

fn check(fields: &Fields<'_>) -> Read<()> {
    let threshold = threshold(fields.threshold)?;
    let at = one_place(fields.index, fields.point, "")?;
    players(fields.players, at, threshold)?;
    let commitments = texts(fields.commitments, "commitments", usize::MAX)?;
    if commitments.len() != threshold {
        let message = format!("There are {} commitments, and the threshold is {threshold}.", commitments.len());
        return Err(Refusal::new(Reason::WrongLength, "commitments").saying(message));
    }
    match commitments.first() {
        Some(first) if digits(first).len() == 2 * G1::COMPRESSED => in_group::<G1>(fields, at, &commitments),
        _ => in_group::<G2>(fields, at, &commitments),
    }
}

fn in_group<G: Group>(fields: &Fields<'_>, at: Scalar, commitments: &[&str]) -> Read<()> {
    let commitments = points::<G>(commitments)?;
    let h = hiding_generator::<G>(fields)?;
    let share = scalar(fields.share, "share", Reason::ShareNotBelowOrder)?;
    let hiding = match h {
        Some(h) => Some(Hiding { h, blinder: scalar(fields.blinder, "blinder", Reason::BlinderNotBelowOrder)? }),
        None => None,
    };
    let source = fields.previous.0.map(previous::<G>).transpose()?;
    Dealing { at, commitments, share, hiding, source }.check()
}

// --- What is neither a point of a curve nor a secret.

fn label(raw: Raw<'_>) -> Read<Option<String>> {
    let Some(raw) = raw.0 else { return Ok(None) };
    let label: String = read(raw, "label")?;
    if label.is_empty() || label.len() > LABEL_BYTES_MAX || !label.chars().all(is_printable) {
        return Err(Refusal::new(Reason::BadLabel, "label"));
    }
    Ok(Some(label))
}

/// Neither a control character nor one that is invisible or turns the line around: the verdict stands behind the label.
fn is_printable(character: char) -> bool {
    let hides =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_control() && !hides
}

fn threshold(raw: Raw<'_>) -> Read<usize> {
    let threshold: u32 = read(needed(raw, "threshold")?, "threshold")?;
    let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
    if !(2..=THRESHOLD_MAX).contains(&threshold) {
        return Err(Refusal::new(Reason::ThresholdOutOfRange, "threshold"));
    }
    Ok(threshold)
}

/// Every player's evaluation point, if they are given: distinct, and the item's own among them.
fn players(raw: Raw<'_>, own: Scalar, threshold: usize) -> Read<()> {
    let Some(raw) = raw.0 else { return Ok(()) };
    let mut scalars = Vec::new();
    for (place, raw) in list(raw, "players", PLAYERS_MAX)?.into_iter().enumerate() {
        scalars.push(either_place(raw, &format!("players[{place}]"))?);
    }
    distinct(&scalars, "players")?;
    if !scalars.contains(&own) {
        return Err(Refusal::new(Reason::NotAPlayer, "players"));
    }
    if scalars.len() < threshold {
        return Err(Refusal::new(Reason::ThresholdOutOfRange, "threshold"));
    }
    Ok(())
}

fn distinct(scalars: &[Scalar], path: &str) -> Read<()> {
    let mut seen = std::collections::HashSet::new();
    match scalars.iter().position(|scalar| !seen.insert(scalar.to_be_bytes())) {
        Some(place) => Err(Refusal::new(Reason::DuplicateIndex, format!("{path}[{place}]"))),
        None => Ok(()),
    }
}

/// `index` or `point`, one of them: an evaluation point, never 0.
fn one_place(index: Raw<'_>, point: Raw<'_>, path: &str) -> Read<Scalar> {
    match (index.0, point.0) {
        (Some(raw), None) => small(raw, &join(path, "index")),
        (None, Some(raw)) => hashed(raw, &join(path, "point")),
        (None, None) => Err(Refusal::new(Reason::MissingField, join(path, "index"))),
        (Some(_), Some(_)) => Err(Refusal::new(Reason::ConflictingFields, join(path, "point"))),
    }
}

/// An integer, or a string of hexadecimal digits.
fn either_place(raw: &RawValue, path: &str) -> Read<Scalar> {
    if raw.get().starts_with('"') { hashed(raw, path) } else { small(raw, path) }
}

fn small(raw: &RawValue, path: &str) -> Read<Scalar> {
    match read(raw, path)? {
        0_u32 => Err(Refusal::new(Reason::IndexZero, path)),
        index => Ok(Scalar::from_u64(u64::from(index))),
    }
}

fn hashed(raw: &RawValue, path: &str) -> Read<Scalar> {
    let mut bytes = [0; SCALAR_DIGITS / 2];
    decode(text(raw, path)?, &mut bytes, path)?;
    let scalar = Scalar::reduce_be(&bytes);
    match (bytes == [0; SCALAR_DIGITS / 2], scalar.is_zero()) {
        (true, _) => Err(Refusal::new(Reason::IndexZero, path)),
        (_, true) => Err(Refusal::new(Reason::IndexReducesToZero, path)),
        _ => Ok(scalar),
    }
}

// --- Points and scalars.

fn points<G: Group>(texts: &[&str]) -> Read<Vec<G>> {
    let texts = texts.iter().enumerate();
    texts.map(|(place, text)| point_of(text, &format!("commitments[{place}]"))).collect()
}

fn point<G: Group>(raw: &RawValue, path: &str) -> Read<G> {
    point_of(text(raw, path)?, path)
}

fn point_of<G: Group>(text: &str, path: &str) -> Read<G> {
    let mut bytes = vec![0; G::COMPRESSED];
    decode(text, &mut bytes, path)?;
    // The one encoding of the identity; whatever else has its flag is no encoding of anything.
    if bytes.first().is_some_and(|first| first & 0x40 != 0) {
        let is_identity =
            bytes.split_first().is_some_and(|(first, rest)| *first == 0xc0 && rest.iter().all(|b| *b == 0));
        return Err(Refusal::new(if is_identity { Reason::Identity } else { Reason::NotCanonical }, path));
    }
    OnCurve::<G>::from_slice(&bytes).and_then(OnCurve::check).map_err(|error| Refusal::point(error, path))
}

/// The second generator of hiding commitments, if the item has them.
fn hiding_generator<G: Group>(fields: &Fields<'_>) -> Read<Option<G>> {
    let raw = match (fields.h.0, fields.blinder.0) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(Refusal::new(Reason::MissingField, "h")),
        (Some(_), None) => return Err(Refusal::new(Reason::MissingField, "blinder")),
        (Some(raw), Some(_)) => raw,
    };
    if G::COMPRESSED != G1::COMPRESSED {
        return Err(Refusal::new(Reason::ConflictingFields, "h").saying("Hiding commitments are points of G1."));
    }
    if fields.previous.0.is_some() {
        let message = "A hiding commitment has no previous public share.";
        return Err(Refusal::new(Reason::ConflictingFields, "previous").saying(message));
    }
    let h: G = point(raw, "h")?;
    if h == G::generator() || h == -G::generator() {
        return Err(Refusal::new(Reason::TrivialH, "h"));
    }
    Ok(Some(h))
}

fn scalar(raw: Raw<'_>, path: &str, above: Reason) -> Read<SecretScalar> {
    let mut bytes = Zeroizing::new([0; SCALAR_DIGITS / 2]);
    decode(text(needed(raw, path)?, path)?, &mut *bytes, path)?;
    SecretScalar::from_be_bytes(&bytes).map_err(|_| Refusal::new(above, path))
}

/// The public share of which the constant must be.
fn previous<G: Group>(raw: &RawValue) -> Read<G> {
    let fields: Previous<'_> = object(raw, "previous")?;
    let conflict = |field| Err(Refusal::new(Reason::ConflictingFields, join("previous", field)));
    let Some(list) = fields.public_shares.0 else {
        if fields.dealer.0.is_some() {
            return conflict("dealer");
        }
        one_place(fields.index, fields.point, "previous")?;
        return point(needed(fields.public_share, "previous.public_share")?, "previous.public_share");
    };
    if [fields.index, fields.point, fields.public_share].iter().any(|field| field.0.is_some()) {
        return conflict("public_shares");
    }
    let dealer = either_place(needed(fields.dealer, "previous.dealer")?, "previous.dealer")?;
    of_dealer(dealer, list)
}

fn of_dealer<G: Group>(dealer: Scalar, raw: &RawValue) -> Read<G> {
    let path = "previous.public_shares";
    let (mut scalars, mut shares) = (Vec::new(), Vec::new());
    for (place, raw) in list(raw, path, THRESHOLD_MAX)?.into_iter().enumerate() {
        let path = format!("{path}[{place}]");
        let holder: Holder<'_> = object(raw, &path)?;
        let field = join(&path, "public_share");
        scalars.push(one_place(holder.index, holder.point, &path)?);
        shares.push(point(needed(holder.public_share, &field)?, &field)?);
    }
    distinct(&scalars, path)?;
    let place = scalars.iter().position(|scalar| *scalar == dealer);
    let share = place.and_then(|place| shares.get(place)).copied();
    share.ok_or_else(|| Refusal::new(Reason::UnknownDealer, "previous.dealer"))
}

// --- JSON.

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn needed<'a>(raw: Raw<'a>, path: &str) -> Read<&'a RawValue> {
    raw.0.ok_or_else(|| Refusal::new(Reason::MissingField, path))
}

/// The parser would also take a list for an object.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &str) -> Read<T> {
    if !raw.get().starts_with('{') {
        return Err(Refusal::new(Reason::NotAnObject, path));
    }
    serde_json::from_str(raw.get()).map_err(|error| Refusal::object(&error, path))
}

fn read<T: DeserializeOwned>(raw: &RawValue, path: &str) -> Read<T> {
    serde_json::from_str(raw.get()).map_err(|_| Refusal::new(Reason::WrongType, path))
}

/// A string without escapes, borrowed. Escapes are not even tried: the parser would copy a secret to undo them.
fn text<'a>(raw: &'a RawValue, path: &str) -> Read<&'a str> {
    let plain = if raw.get().contains('\\') { None } else { serde_json::from_str(raw.get()).ok() };
    plain.ok_or_else(|| Refusal::new(Reason::WrongType, path))
}

fn list<'a>(raw: &'a RawValue, path: &str, max: usize) -> Read<Vec<&'a RawValue>> {
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Refusal::new(Reason::WrongType, path))?;
    if list.len() > max {
        return Err(Refusal::new(Reason::TooMany, path).saying(format!("More than {max} are not read.")));
    }
    Ok(list)
}

fn texts<'a>(raw: Raw<'a>, path: &str, max: usize) -> Read<Vec<&'a str>> {
    let items = list(needed(raw, path)?, path, max)?.into_iter().enumerate();
    items.map(|(place, raw)| text(raw, &format!("{path}[{place}]"))).collect()
}

fn digits(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

/// Exactly as many digits as `out` needs.
fn decode(text: &str, out: &mut [u8], path: &str) -> Read<()> {
    let digits = digits(text);
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::new(Reason::NotHex, path));
    }
    let (wanted, found) = (2 * out.len(), digits.len());
    hex::decode_to_slice(digits, out).map_err(|_| {
        Refusal::new(Reason::WrongDigits, path).saying(format!("{wanted} hexadecimal digits are needed, not {found}."))
    })
}
