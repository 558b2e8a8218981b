//! Why an item is not valid. The texts are stable: auditors' programs depend on them.

use quorumkeep_curves::Decode;

macro_rules! reasons {
    ($($name:ident = $text:literal, $meaning:literal;)*) => {
        /// Why an item is not valid.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason { $(#[doc = $meaning] $name,)* }

        impl Reason {
            /// Every reason.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One sentence, as in the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

reasons! {
    NotAnObject = "not_an_object", "The item is not a JSON object.";
    UnknownField = "unknown_field", "The item has a field that is not in this document.";
    DuplicateField = "duplicate_field", "A field stands twice.";
    MissingField = "missing_field", "A field that is needed is not there.";
    ConflictingFields = "conflicting_fields", "Two fields exclude each other.";
    WrongType = "wrong_type", "A field is of another JSON type or null, a string has escapes, or a number is negative, broken or above its range.";
    BadLabel = "bad_label", "A label is empty, longer than 128 bytes, or has characters that cannot be seen.";
    TooMany = "too_many", "A list is longer than its bound.";
    NotHex = "not_hex", "A character is not a hexadecimal digit.";
    WrongDigits = "wrong_digits", "The number of hexadecimal digits is another one.";

    ThresholdOutOfRange = "threshold_out_of_range", "The threshold is below 2, above 1024 or above the number of players.";
    IndexZero = "index_zero", "An evaluation point is 0, where the secret lies.";
    IndexReducesToZero = "index_reduces_to_zero", "An evaluation point is a multiple of the group order, which is 0 as well.";
    DuplicateIndex = "duplicate_index", "Two players, or two previous holders, have one evaluation point, modulo the group order.";
    NotAPlayer = "not_a_player", "The item's evaluation point is not among those of the players.";

    WrongLength = "wrong_length", "There are more or fewer commitments than the threshold: the degree was raised or lowered.";
    NotCanonical = "not_canonical", "A point is not in its one compressed encoding.";
    NotOnCurve = "not_on_curve", "A point's coordinate belongs to no point of the curve.";
    NotInSubgroup = "not_in_subgroup", "A point is on the curve, but not in the subgroup of prime order.";
    Identity = "identity", "A point is the identity.";
    TrivialH = "trivial_h", "The second generator is the first one or its negative, so that the commitments bind nobody.";

    ShareNotBelowOrder = "share_not_below_order", "The share is not below the group order; it is not reduced.";
    BlinderNotBelowOrder = "blinder_not_below_order", "The blinder is not below the group order; it is not reduced.";
    UnknownDealer = "unknown_dealer", "The dealer is not among the previous holders.";
    SourceMismatch = "source_mismatch", "The first commitment is not the dealer's previous public share: it hands on another secret.";
    ShareMismatch = "share_mismatch", "The share is not the value of the committed polynomial at the evaluation point.";
}

/// A reason, and where it was found.
#[derive(Debug)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The field, as a path in the item.
    pub field: String,
    /// What is wrong, without any value of the file.
    pub message: String,
}

impl Refusal {
    /// A refusal with the reason's own sentence.
    pub fn new(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, field: field.into(), message: reason.meaning().to_owned() }
    }

    /// The same, said more exactly.
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Why a point was refused.
    pub fn point(error: Decode, field: impl Into<String>) -> Self {
        let reason = match error {
            Decode::NotOnCurve => Reason::NotOnCurve,
            Decode::NotInSubgroup => Reason::NotInSubgroup,
            Decode::Identity => Reason::Identity,
            _ => Reason::NotCanonical,
        };
        Self::new(reason, field)
    }

    /// Why a JSON object was refused.
    pub fn object(error: &serde_json::Error, path: &str) -> Self {
        if let Some(name) = unknown_field(error) {
            return Self::new(Reason::UnknownField, path).saying(format!("There is {name} in the item."));
        }
        let text = error.to_string();
        let reason = if text.starts_with("duplicate field") { Reason::DuplicateField } else { Reason::NotAnObject };
        Self::new(reason, path)
    }
}

/// The unknown field that the parser names. A name that may be a misplaced value is not repeated.
pub fn unknown_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let name = text.strip_prefix("unknown field `")?.split('`').next().unwrap_or_default();
    let is_name = (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Some(if is_name { format!("an unknown field \"{name}\"") } else { "an unknown field".to_owned() })
}
