//! `quorumkeep vss check` against what goes wrong with sharings: items made here, vectors from outside, and the example
//! of `docs/vss-check.md`, run as it stands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;
#[path = "vss/reshare.rs"]
mod reshare;
#[path = "vss/vectors.rs"]
mod vectors;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use kit::Kit;
use quorumkeep_curves::bls::{G1, G2, Scalar, SecretScalar};
use quorumkeep_sharing::{Index, Polynomial, Threshold};
use rand_core::OsRng;
use serde_json::{Value, json};

const DOCS: &str = include_str!("../../../docs/vss-check.md");
/// The group order, and one less and one more than twice it.
const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
const TWICE_ORDER: &str = "e7db4ea6533afa906673b0101343b00aa77b4805fffcb7fdfffffffe00000002";
const ORDER_AND_ONE: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000002";

// --- Items.

struct Sharing {
    f: Polynomial,
    t: u16,
}

impl Sharing {
    fn new(t: u16) -> Self {
        Self { f: Polynomial::random(Threshold::new(t, t).unwrap(), &mut OsRng), t }
    }

    fn commitments(&self) -> Vec<String> {
        self.f.commit().points().iter().map(g2).collect()
    }

    fn share(&self, index: u16) -> String {
        hex::encode(*self.f.evaluate(Index::new(index).unwrap()).expose())
    }

    /// A good item of player `index`.
    fn item(&self, index: u16) -> Value {
        json!({
            "label": format!("player {index}"), "threshold": self.t, "index": index,
            "commitments": self.commitments(), "share": self.share(index),
        })
    }

    /// The same at a point that is given by its digits.
    fn item_at(&self, point: &str) -> Value {
        let x = Scalar::reduce_be(&array(&json!(point)));
        let share = hex::encode(*self.f.evaluate_at(&x).expose());
        with(without(&self.item(1), "index"), &[("point", json!(point)), ("share", json!(share))])
    }
}

fn g2(point: &G2) -> String {
    hex::encode(point.to_bytes())
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap().try_into().unwrap()
}

fn with(mut item: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        item[*name] = value.clone();
    }
    item
}

fn without(item: &Value, field: &str) -> Value {
    let mut item = item.clone();
    item.as_object_mut().unwrap().remove(field);
    item
}

/// Checks the items in one file; every one gets the expected result, at the expected field.
#[track_caller]
fn check(cases: &[(Value, &str, &str)]) {
    let kit = Kit::new();
    let items: Vec<&Value> = cases.iter().map(|(item, _, _)| item).collect();
    fs::write(kit.path("items.json"), json!({ "items": items }).to_string()).unwrap();
    let answer = kit.run(&["vss", "check", "items.json"]);
    let results = answer.json["items"].as_array().unwrap_or_else(|| panic!("{}", answer.json)).clone();
    assert_eq!(results.len(), cases.len());
    for (place, ((item, result, field), found)) in cases.iter().zip(&results).enumerate() {
        assert_eq!(found["result"], *result, "item {place}: {found}\n{item:#}");
        assert_eq!(found["field"].as_str().unwrap_or(""), *field, "item {place}: {found}");
        assert_eq!(found["item"], place);
        assert_eq!(found["label"], item["label"], "{found}");
    }
    let invalid = cases.iter().filter(|(_, result, _)| *result != "valid").count();
    assert_eq!((&answer.json["valid"], &answer.json["invalid"]), (&json!(cases.len() - invalid), &json!(invalid)));
    match invalid {
        0 => drop(answer.ok()),
        _ => drop(answer.fails(1, "not_valid")),
    }
}

#[test]
fn good_items_are_valid_and_one_wrong_item_stops_no_other() {
    let (small, large) = (Sharing::new(2), Sharing::new(100));
    check(&[(small.item(1), "valid", ""), (large.item(10), "valid", ""), (large.item(65535), "valid", "")]);
    let other = with(large.item(3), &[("share", json!(large.share(4)))]);
    check(&[(small.item(1), "valid", ""), (other, "share_mismatch", "share"), (large.item(3), "valid", "")]);
    // Above what the network itself uses as an index: the same as the point with that value.
    let beyond = large.item_at(&format!("{:064x}", 70_000));
    let index = with(without(&beyond, "point"), &[("index", json!(70_000))]);
    let upper = with(beyond.clone(), &[("share", json!(format!("0x{}", beyond["share"].as_str().unwrap())))]);
    check(&[(beyond, "valid", ""), (index, "valid", ""), (upper, "valid", "")]);
}

#[test]
fn v1_points_that_are_zero_or_equal_modulo_the_order_are_refused() {
    let sharing = Sharing::new(3);
    let item = sharing.item(1);
    let at = |point: &str| with(without(&item, "index"), &[("point", json!(point))]);
    let players = |players: Value| with(item.clone(), &[("players", players)]);
    check(&[
        (with(item.clone(), &[("index", json!(0))]), "index_zero", "index"),
        (at(&"0".repeat(64)), "index_zero", "point"),
        (at(ORDER), "index_reduces_to_zero", "point"),
        (at(TWICE_ORDER), "index_reduces_to_zero", "point"),
        // A point is reduced: this is index 1.
        (at(ORDER_AND_ONE), "valid", ""),
        (players(json!([1, 2, 3])), "valid", ""),
        (players(json!([1, 2, 0])), "index_zero", "players[2]"),
        (players(json!([1, ORDER, 3])), "index_reduces_to_zero", "players[1]"),
        (players(json!([1, 2, 1])), "duplicate_index", "players[2]"),
        (players(json!([1, 2, ORDER_AND_ONE])), "duplicate_index", "players[2]"),
        (players(json!([2, 3, 4])), "not_a_player", "players"),
        (players(json!([1, 2])), "threshold_out_of_range", "threshold"),
    ]);
}

#[test]
fn v2_points_outside_of_the_group_are_refused() {
    let sharing = Sharing::new(2);
    let good = sharing.commitments();
    let second = |point: &str| with(sharing.item(1), &[("commitments", json!([good[0], point]))]);
    let identity = format!("c0{}", "0".repeat(190));
    let above = format!(
        "9a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab{}",
        "0".repeat(96)
    );
    let without_flag = format!("{:x}{}", u8::from_str_radix(&good[1][..1], 16).unwrap() & 7, &good[1][1..]);
    let all_identity = json!([identity, identity]);
    let zero = "0".repeat(64);
    check(&[
        (second(&identity), "identity", "commitments[1]"),
        (second(&identity.replace("c00", "c01")), "not_canonical", "commitments[1]"),
        (second(&identity.replace("c0", "e0")), "not_canonical", "commitments[1]"),
        (second(&above), "not_canonical", "commitments[1]"),
        (second(&without_flag), "not_canonical", "commitments[1]"),
        (second(&not_on_curve()), "not_on_curve", "commitments[1]"),
        (second(&format!("{}00", good[1])), "wrong_digits", "commitments[1]"),
        (second(&good[1][1..]), "wrong_digits", "commitments[1]"),
        (second(&good[1].replace(char::is_numeric, "g")), "not_hex", "commitments[1]"),
        // The zero polynomial, whose every share satisfies the equation.
        (with(sharing.item(1), &[("commitments", all_identity), ("share", json!(zero))]), "identity", "commitments[0]"),
        (with(sharing.item(1), &[("commitments", json!([identity, good[1]]))]), "identity", "commitments[0]"),
        (with(sharing.item(1), &[("share", json!(ORDER))]), "share_not_below_order", "share"),
        (with(sharing.item(1), &[("share", json!("f".repeat(64)))]), "share_not_below_order", "share"),
    ]);
}

/// The encoding of the lowest `x` that belongs to no point.
fn not_on_curve() -> String {
    let encoding = |x: u8| {
        let mut bytes = [0; 96];
        (bytes[0], bytes[95]) = (0x80, x);
        bytes
    };
    let none = |bytes: &[u8; 96]| G2::from_bytes(bytes) == Err(quorumkeep_curves::Decode::NotOnCurve);
    hex::encode((1..).map(encoding).find(none).unwrap())
}

/// What [`changed_degree`] makes of a sharing with threshold 4, and the answer.
fn changed_degree(real: u16) -> Vec<(Value, &'static str, &'static str)> {
    let sharing = Sharing::new(real);
    // The share fits the vector that is longer or shorter than it may be.
    let item = with(sharing.item(2), &[("threshold", json!(4))]);
    let result = if real == 4 { ("valid", "") } else { ("wrong_length", "commitments") };
    vec![(item, result.0, result.1)]
}

#[test]
fn v3_raised_degree_is_refused() {
    check(&[changed_degree(4), changed_degree(5), changed_degree(7)].concat());
}

#[test]
fn v3_lowered_degree_is_refused() {
    check(&[changed_degree(3), changed_degree(2)].concat());
}

#[test]
fn v3_identity_tails_and_empty_vectors_are_refused() {
    let sharing = Sharing::new(3);
    let identity = format!("c0{}", "0".repeat(190));
    let tail = [sharing.commitments(), vec![identity.clone()]].concat();
    let lowered = [sharing.commitments(), vec![identity]].concat();
    let commitments = |list: Value| with(sharing.item(1), &[("commitments", list)]);
    check(&[
        (commitments(json!(tail)), "wrong_length", "commitments"),
        // As long as it should be, but of a lower degree.
        (with(commitments(json!(lowered)), &[("threshold", json!(4))]), "identity", "commitments[3]"),
        (commitments(json!([])), "wrong_length", "commitments"),
        (with(commitments(json!([])), &[("threshold", json!(0))]), "threshold_out_of_range", "threshold"),
        (with(sharing.item(1), &[("threshold", json!(1))]), "threshold_out_of_range", "threshold"),
        (with(sharing.item(1), &[("threshold", json!(1025))]), "threshold_out_of_range", "threshold"),
    ]);
}

// --- Hiding commitments.

#[test]
fn hiding_commitments_are_opened_by_share_and_blinder() {
    let h = G1::hash_to_curve(b"QUORUMKEEP-TEST", b"h");
    let (f, g) = (Sharing::new(3), Sharing::new(3));
    let coefficients = |sharing: &Sharing| -> Vec<SecretScalar> {
        // Three values and back: the polynomial's own coefficients stay inside of it.
        let [one, two, three] = [1, 2, 3].map(|i| sharing.f.evaluate(Index::new(i).unwrap()));
        let half = Scalar::from_u64(2).invert().unwrap();
        let first = two.sub(&one);
        let second = three.sub(&two).sub(&first).mul_public(&half);
        let slope = first.sub(&second.mul_public(&Scalar::from_u64(3)));
        vec![sharing.f.constant().copy(), slope, second]
    };
    let pairs = coefficients(&f).into_iter().zip(coefficients(&g));
    let commitments: Vec<String> =
        pairs.map(|(a, b)| hex::encode((a.mul_g1() + h.mul_secret(&b)).to_bytes())).collect();
    let item = json!({
        "label": "hiding", "threshold": 3, "index": 5, "commitments": commitments, "share": f.share(5),
        "h": hex::encode(h.to_bytes()), "blinder": g.share(5),
    });
    let plain: Vec<String> = coefficients(&f).iter().map(|a| hex::encode(a.mul_g1().to_bytes())).collect();
    let in_g1 = with(without(&without(&item, "h"), "blinder"), &[("commitments", json!(plain))]);
    let previous = json!({ "index": 5, "public_share": commitments[0] });
    let g1 = hex::encode(G1::generator().to_bytes());
    let minus_g1 = hex::encode((-G1::generator()).to_bytes());
    check(&[
        (item.clone(), "valid", ""),
        (in_g1, "valid", ""),
        (with(item.clone(), &[("blinder", json!(g.share(4)))]), "share_mismatch", "share"),
        (with(item.clone(), &[("share", json!(f.share(4)))]), "share_mismatch", "share"),
        (with(item.clone(), &[("index", json!(4))]), "share_mismatch", "share"),
        (without(&without(&item, "h"), "blinder"), "share_mismatch", "share"),
        (without(&item, "blinder"), "missing_field", "blinder"),
        (without(&item, "h"), "missing_field", "h"),
        (with(item.clone(), &[("h", json!(g1))]), "trivial_h", "h"),
        (with(item.clone(), &[("h", json!(minus_g1))]), "trivial_h", "h"),
        (with(item.clone(), &[("h", json!(format!("c0{}", "0".repeat(94))))]), "identity", "h"),
        (with(item.clone(), &[("blinder", json!(ORDER))]), "blinder_not_below_order", "blinder"),
        (with(item.clone(), &[("previous", previous)]), "conflicting_fields", "previous"),
        (with(item.clone(), &[("threshold", json!(4))]), "wrong_length", "commitments"),
        (with(f.item(5), &[("h", item["h"].clone()), ("blinder", item["blinder"].clone())]), "conflicting_fields", "h"),
    ]);
}

// --- The file.

#[test]
fn v6_fields_that_are_missing_unknown_or_of_another_kind_are_named() {
    let sharing = Sharing::new(2);
    let item = sharing.item(1);
    let set = |name: &str, value: Value| with(item.clone(), &[(name, value)]);
    let mut cases = vec![
        (set("index", json!(-1)), "wrong_type", "index"),
        (set("index", json!("1")), "wrong_type", "index"),
        (set("index", json!(1.5)), "wrong_type", "index"),
        (set("index", json!(4_294_967_296_u64)), "wrong_type", "index"),
        (set("point", json!(ORDER_AND_ONE)), "conflicting_fields", "point"),
        (set("share", json!(5)), "wrong_type", "share"),
        // A decimal share is no share: hexadecimal only.
        (set("share", json!("12345")), "wrong_digits", "share"),
        (set("share", json!("")), "wrong_digits", "share"),
        (set("commitments", json!("none")), "wrong_type", "commitments"),
        (set("commitments", json!([1, 2])), "wrong_type", "commitments[0]"),
        // An unknown field is found before the label is.
        (without(&set("comitments", json!([])), "label"), "unknown_field", ""),
        (set("previous", json!([1])), "not_an_object", "previous"),
        // What the parser could read as an object by its places.
        (set("previous", json!([1, null, null, null, null])), "not_an_object", "previous"),
        (json!([null, 2, 1, null, null, item["commitments"], null, item["share"], null, null]), "not_an_object", ""),
        // A check that is asked for with nothing is not left out.
        (set("previous", Value::Null), "not_an_object", "previous"),
        (set("players", Value::Null), "wrong_type", "players"),
        (set("point", Value::Null), "conflicting_fields", "point"),
        (with(item.clone(), &[("h", Value::Null), ("blinder", Value::Null)]), "conflicting_fields", "h"),
        (set("label", Value::Null), "wrong_type", "label"),
    ];
    for field in ["threshold", "index", "commitments", "share"] {
        cases.push((without(&item, field), "missing_field", field));
    }
    cases.push((json!(["not", "an", "object"]), "not_an_object", ""));
    cases.push((without(&item, "label"), "valid", ""));
    check(&cases);
    let kit = Kit::new();
    let twice = item.to_string().replacen('{', "{\"index\":1,", 1);
    fs::write(kit.path("twice"), twice).unwrap();
    let answer = kit.run(&["vss", "check", "twice"]);
    assert_eq!((answer.status, &answer.json["items"][0]["result"]), (1, &json!("duplicate_field")));
    for label in ["\u{1b}[31m", "\u{202e}dilav", "a\u{2028}b", "", &"x".repeat(129)] {
        fs::write(kit.path("label"), set("label", json!(label)).to_string()).unwrap();
        let answer = kit.run(&["vss", "check", "label"]);
        assert_eq!((answer.status, &answer.json["items"][0]["result"]), (1, &json!("bad_label")));
    }
    let escaped = item.to_string().replacen("\"share\":\"", "\"share\":\"\\u0030", 1);
    fs::write(kit.path("escaped"), escaped).unwrap();
    let answer = kit.run(&["vss", "check", "escaped"]);
    assert_eq!((answer.status, &answer.json["items"][0]["result"]), (1, &json!("wrong_type")));
}

#[test]
fn files_that_are_no_list_of_items_are_refused_as_a_whole() {
    let kit = Kit::new();
    let item = Sharing::new(2).item(1).to_string();
    let many = format!("{{\"items\":[{}]}}", vec!["{}"; 4097].join(","));
    let files: [(&str, String, &str); 12] = [
        ("empty", String::new(), "bad_file"),
        ("text", "share: 1234".to_owned(), "bad_file"),
        ("list", format!("[{item}]"), "bad_file"),
        ("listed", format!("[[{item}]]"), "bad_file"),
        ("null", "{\"items\":null}".to_owned(), "bad_file"),
        ("object", format!("{{\"items\":{item}}}"), "bad_file"),
        ("twice", format!("{{\"items\":[{item}],\"items\":[]}}"), "bad_file"),
        ("cut", item[..item.len() - 1].to_owned(), "bad_file"),
        ("nothing", "{\"items\":[]}".to_owned(), "bad_file"),
        ("beside", format!("{{\"items\":[{item}],\"itemz\":[]}}"), "unknown_field"),
        ("many", many, "bad_file"),
        ("large", " ".repeat((8 << 20) + 1), "bad_file"),
    ];
    for (name, text, code) in files {
        fs::write(kit.path(name), text).unwrap();
        kit.run(&["vss", "check", name]).fails(3, code);
    }
    kit.run(&["vss", "check", "nowhere"]).fails(3, "file_missing");
    kit.run(&["vss", "check"]).fails(2, "usage");
    let deep = format!("{{\"items\":{}", "[".repeat(1 << 20));
    fs::write(kit.path("deep"), deep).unwrap();
    kit.run(&["vss", "check", "deep"]).fails(3, "bad_file");
}

#[test]
fn no_answer_repeats_a_share() {
    let kit = Kit::new();
    let sharing = Sharing::new(2);
    let share = sharing.share(1);
    let item = sharing.item(1);
    let mut misplaced = item.clone();
    misplaced[&share] = json!(1);
    let items = json!({ "items": [
        item, with(item.clone(), &[("index", json!(share))]), misplaced, share, with(item.clone(), &[("share", json!([share]))]),
        with(item.clone(), &[("share", json!(format!("{share}ff")))]), with(item.clone(), &[("label", json!(1))]),
    ]});
    for (name, text) in [("items", items.to_string()), ("bare", json!(share).to_string()), ("raw", share.clone())] {
        fs::write(kit.path(name), &text).unwrap();
        for form in [&["vss", "check", name][..], &["--json", "--log", "trace", "vss", "check", name]] {
            let output = kit.output(form);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(!said.is_empty() && !said.contains(&share[..16]), "{said}");
        }
    }
}

#[test]
fn standard_input_is_read_and_people_get_a_line_for_each_item() {
    let kit = Kit::new();
    let item = Sharing::new(2).item(1);
    let mut child = kit.command(&["vss", "check", "-"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(item.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "items[0] (player 1): valid\n");
    assert!(output.status.success() && output.stderr.is_empty());
    fs::write(kit.path("file"), with(item, &[("threshold", json!(3))]).to_string()).unwrap();
    let output = kit.output(&["vss", "check", "file"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "items[0] (player 1): wrong_length: commitments: There are 2 commitments, and the threshold is 3.\n"
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("code: not_valid (exit status 1)"));
}

#[test]
fn the_example_of_the_document_runs_as_written() {
    let block = |language: &str| -> Vec<String> {
        let fence = format!("```{language}\n");
        DOCS.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let kit = Kit::new();
    fs::write(kit.path("dealings.json"), &block("json")[0]).unwrap();
    let commands = block("sh");
    assert_eq!(commands, ["quorumkeep vss check dealings.json\n", "quorumkeep vss check dealings.json --json\n"]);
    let output = kit.output(&["vss", "check", "dealings.json"]);
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8(said).unwrap(), block("text")[0]);
    assert_eq!(output.status.code(), Some(1));
    let answer = kit.run(&["vss", "check", "dealings.json"]);
    let expected: Value = serde_json::from_str(&block("json")[1]).unwrap();
    assert_eq!(answer.json, expected);
}
