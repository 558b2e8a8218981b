//! What `ten recover` looks at before a restart, and `ten verify --restarted` after it: real nodes of the stand-in, and a real
//! L1 (anvil) with a contract in the place of the enclave registry.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "kit/anvil.rs"]
mod anvil;
mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;
#[path = "kit/ten_world.rs"]
mod ten_world;

use std::fs;
use std::net::TcpListener;

use anvil::{Anvil, ECHO, REGISTRY, REVERTS};
use kit::Answer;
use serde_json::{Value, json};
use ten_world::{Taken, World};

/// What is found about running nodes and L1, as codes and levels.
fn findings(answer: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let all = answer["findings"].as_array().unwrap().iter();
    all.skip(1).map(|finding| (text(finding, "code"), text(finding, "level"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(code, level)| (code.to_owned(), level.to_owned())).collect()
}

/// A recovery that should pass; what it wrote is removed again.
fn recovered(world: &World, taken: &Taken, more: &[&str]) -> Value {
    let pinned = ["--rpc-key", &taken.rpc_key, "--volume-empty"];
    let report = world.recover(&taken.file, "network-secret", &[&pinned[..], more].concat()).ok();
    fs::remove_dir_all(world.kit.path("restore")).unwrap();
    report
}

fn refused(world: &World, taken: &Taken, more: &[&str], status: i32, code: &str) {
    let pinned = ["--rpc-key", &taken.rpc_key, "--volume-empty"];
    world.refuses(&taken.file, "network-secret", &[&pinned[..], more].concat(), status, code);
}

/// A network that is backed up and lost.
fn lost(world: &World) -> Taken {
    let taken = world.taken("network-secret", &["--node", &world.node("db", &["-genesis"], &[]).url]);
    world.clear("db");
    taken
}

/// Nobody listens there any more.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// T2, T3: a node that was started too early is found before anything is opened.
#[test]
fn what_answers_already_is_looked_at() {
    let world = World::new();
    let taken = lost(&world);
    let nobody = silent();
    let report = recovered(&world, &taken, &["--node", &nobody, "--node", &nobody]);
    let nothing = ("nothing_running", "ok");
    assert_eq!(findings(&report), pairs(&[nothing, nothing]));
    assert_eq!(report["findings"][1]["about"], format!("{nobody}/"));

    let early = world.node("early", &["-genesis"], &[]);
    refused(&world, &taken, &["--node", &nobody, "--node", &early.url], 4, "restore_unsafe");
    let zero = world.node("zero", &[], &[("ENCLAVE_SHAREDSECRET".to_owned(), format!("0x{}", "5a".repeat(32)))]);
    refused(&world, &taken, &["--node", &zero.url], 4, "restore_unsafe");
    // A node that waits for the secret has none, and a gateway is no node.
    let waiting = world.node("waiting", &[], &[]);
    let gateway = world.gateway("gw-1", "gw-1", &["-encryptionKeySource=new"]);
    let report = recovered(&world, &taken, &["--node", &waiting.url, "--node", &gateway.url]);
    let other = ("other_running", "warning");
    assert_eq!(findings(&report), pairs(&[other, other]));
}

/// T1, T2, T3: after the restart the RPC key tells, and nothing else is needed for it.
#[test]
fn a_restarted_node_is_checked_without_any_backup() {
    let world = World::new();
    let taken = lost(&world);
    let pinned = ["--rpc-key", &taken.rpc_key, "--volume", "db"];
    world.recover(&taken.file, "network-secret", &pinned).ok();
    let check = |url: &str, more: &[&str]| -> Answer {
        let fixed = ["ten", "verify", "--network", "uat", "--restarted", "--node", url, "--rpc-key", &taken.rpc_key];
        world.kit.run(&[&fixed[..], more].concat())
    };
    let codes = |answer: &Value| answer["findings"][0]["code"].as_str().unwrap().to_owned();
    let restored = world.node("db", &[], &world.environment());
    let report = check(&restored.url, &[]).ok();
    assert_eq!((codes(&report), &report["rpc_key"]), ("restored".to_owned(), &json!(taken.rpc_key)));
    // The node is there already: another restore of the same secret is warned of.
    fs::remove_dir_all(world.kit.path("restore")).unwrap();
    let again = recovered(&world, &taken, &["--node", &restored.url]);
    assert_eq!(findings(&again), pairs(&[("same_running", "warning")]));

    let prefixed: Vec<_> = vec![("ENCLAVE_SHAREDSECRET".to_owned(), format!("0x{}", "5a".repeat(32)))];
    for (database, flags, environment, code) in
        [("zero", &[][..], prefixed, "zero_secret"), ("early", &["-genesis"][..], Vec::new(), "other_secret")]
    {
        let wrong = check(&world.node(database, flags, &environment).url, &[]);
        assert_eq!(codes(&wrong.json), code);
        wrong.fails(5, "check_alarm");
    }
    check(&silent(), &[]).fails(6, "source_unreachable");
    check(&world.node("waiting", &[], &[]).url, &[]).fails(4, "node_refused");
    for more in [&["--backup-dir", "backups"][..], &["--age-hours-max", "1"], &["--signer", &world.signer]] {
        check(&restored.url, more).fails(2, "usage");
    }
    world.kit.run(&["ten", "verify", "--network", "uat", "--restarted", "--rpc-key", &taken.rpc_key]).fails(2, "usage");
}

/// L1 says what it knows of enclaves that live; the numbers are bits: 1 attested, 2 sequencer.
#[test]
fn l1_is_asked_about_the_enclaves_that_live() {
    let (world, Some(chain)) = (World::new(), Anvil::start()) else { return };
    let taken = lost(&world);
    let enclave = |number: u8| format!("0x{}{number:02x}", "c0".repeat(19));
    let registry = chain.deploy(REGISTRY);
    let asked = |registry: &str, enclaves: &[u8]| -> Vec<String> {
        let mut all: Vec<String> = ["--l1-rpc", &chain.url, "--registry", registry].map(str::to_owned).into();
        all.extend(enclaves.iter().flat_map(|&number| ["--enclave-id".to_owned(), enclave(number)]));
        all
    };
    let with = |role: &[&str], registry: &str, enclaves: &[u8]| {
        let asked = asked(registry, enclaves);
        let all: Vec<&str> = role.iter().copied().chain(asked.iter().map(String::as_str)).collect();
        recovered(&world, &taken, &all)
    };
    let sequencer = &["--role", "sequencer"][..];
    for (enclaves, code, level) in [
        (&[3][..], "sequencer_known", "ok"),
        (&[0, 1, 3], "sequencer_known", "ok"),
        (&[0, 1], "sequencer_grantable", "warning"),
        (&[0], "sequencer_lost", "warning"),
        (&[2], "sequencer_lost", "warning"),
    ] {
        let report = with(sequencer, &registry, enclaves);
        assert_eq!(findings(&report), pairs(&[(code, level)]), "{enclaves:?}");
        for (known, &number) in report["enclaves"].as_array().unwrap().iter().zip(enclaves) {
            let address = known["enclave"].as_str().unwrap().to_lowercase();
            let bits = (&known["attested"], &known["sequencer"]);
            assert_eq!((address, bits), (enclave(number), (&json!(number & 1 == 1), &json!(number & 2 == 2))));
        }
    }
    assert_eq!(findings(&with(&[], &registry, &[3])), pairs(&[("sequencer_known", "ok")]));
    // Without an RPC it is a reminder.
    assert_eq!(findings(&recovered(&world, &taken, sequencer)), pairs(&[("sequencer_unknown", "warning")]));

    let fails = |registry: &str, status: i32, code: &str| {
        let asked = asked(registry, &[3]);
        refused(&world, &taken, &asked.iter().map(String::as_str).collect::<Vec<_>>(), status, code);
    };
    fails(&chain.deploy(ECHO), 4, "answer_malformed");
    fails(&chain.deploy(REVERTS), 4, "contract_refused");
    // Nothing is deployed there.
    fails(&enclave(9), 4, "answer_malformed");
    let nobody = silent();
    let (registry, living) = (registry.as_str(), enclave(3));
    let of = |url: &'_ str| ["--l1-rpc", url, "--registry", registry, "--enclave-id", &living].map(str::to_owned);
    refused(&world, &taken, &of(&nobody).each_ref().map(String::as_str), 6, "source_unreachable");
    refused(&world, &taken, &of(&chain.url).each_ref().map(String::as_str)[..4], 2, "usage");
    refused(&world, &taken, &["--registry", registry], 2, "usage");
    let flipped = format!("0xC0{}", &enclave(3)[4..]);
    let arguments = ["--l1-rpc", &chain.url, "--registry", registry, "--enclave-id", &flipped];
    refused(&world, &taken, &arguments, 2, "usage");
}
