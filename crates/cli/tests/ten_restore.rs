//! Disaster and recovery with the commands of an operator, and real processes of the stand-in that are started with the files
//! that `ten recover` writes. What would restart the wrong thing is refused before anything is written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod kit;
#[path = "kit/stand_in.rs"]
mod stand_in;
#[path = "kit/ten_world.rs"]
mod ten_world;

use std::fs;
use std::path::Path;

use kit::names;
use serde_json::Value;
use stand_in::http;
use ten_world::{INSTANCES, Taken, World};

/// T1, T3, T4: the files that are written start a node, a sequencer too, with the right secret, and it is in no log.
#[test]
fn a_network_is_lost_and_two_guardians_bring_it_back() {
    let world = World::new();
    let sequencer = world.node("db", &["-genesis"], &[]);
    let taken = world.taken("network-secret", &["--node", &sequencer.url]);
    drop(sequencer);
    world.clear("db");
    let pinned = ["--rpc-key", &taken.rpc_key, "--volume", "db", "--role", "sequencer"];
    let report = world.recover(&taken.file, "network-secret", &pinned).ok();
    assert_eq!((&report["rpc_key"], &report["recognised"]), (&Value::from(taken.rpc_key.clone()), &Value::from(true)));
    let environment = world.environment();
    let secret = environment[0].1.clone();
    assert_eq!(environment[0].0, "ENCLAVE_SHAREDSECRET");
    for flags in [&["-genesis"][..], &[]] {
        let restored = world.node("db", flags, &environment);
        assert!(!World::shown(&restored).contains(&secret), "T4: the level of the restore wins over the one before");
        let again = world.backup("network-secret", &["--node", &restored.url, "--rpc-key", &taken.rpc_key]).ok();
        assert_eq!(again["finding"]["code"], "rpc_key_pinned");
    }
    assert!(
        names(&world.kit.path("db")).is_empty(),
        "the setting was there from the first start: nothing was invented"
    );
    world.kit.run(&["ten", "wipe", "--dir", "restore"]).ok();
    assert!(!world.kit.path("restore").exists());
}

/// T2, T3: a volume with anything on it would win over what is restored.
#[test]
fn a_volume_that_was_used_is_refused_until_it_is_emptied() {
    let world = World::new();
    let taken = world.taken("network-secret", &["--node", &world.node("db", &["-genesis"], &[]).url]);
    drop(world.node("early", &["-genesis"], &[]));
    let volume = ["--rpc-key", &taken.rpc_key, "--volume", "early"];
    world.refuses(&taken.file, "network-secret", &volume, 4, "restore_unsafe");
    world.refuses(&taken.file, "network-secret", &volume[..2], 4, "restore_unsafe");
    world.clear("early");
    world.recover(&taken.file, "network-secret", &volume).ok();
    let restored = world.node("early", &["-genesis"], &world.environment());
    world.backup("network-secret", &["--node", &restored.url, "--rpc-key", &taken.rpc_key]).ok();
}

/// T1, T6: who serves a secret of his own, or none, gives nothing that is kept, and nothing that is restored.
#[test]
fn a_secret_of_somebody_in_between_is_never_written() {
    let world = World::new();
    let honest = world.taken("network-secret", &["--node", &world.node("db", &["-genesis"], &[]).url]);
    let liar = world.node("liar", &["-genesis"], &[]);
    let node = ["--node", &liar.url, "--rpc-key", &honest.rpc_key];
    world.backup("network-secret", &node).fails(5, "rpc_key_differs");
    let zero = world.node("zero", &[], &[("ENCLAVE_SHAREDSECRET".to_owned(), format!("0x{}", "5a".repeat(32)))]);
    world.backup("network-secret", &["--node", &zero.url]).fails(4, "zero_secret");
    // Whoever did not pin has a backup of the liar, signed by his own people.
    let fooled = world.taken("network-secret", &["--node", &liar.url]);
    let pinned = ["--rpc-key", &honest.rpc_key, "--volume-empty"];
    world.refuses(&fooled.file, "network-secret", &pinned, 5, "rpc_key_differs");
    // Nor as a bare ciphertext, of the liar's and of zeros: what the zero node gives opens to 32 zero bytes.
    let card = ["--card", "keys/network-secret/backup-key.json"];
    let question = r#"{"jsonrpc":"2.0","id":1,"method":"ten_backupSharedSecret","params":[]}"#;
    for (url, status, code) in [(&liar.url, 5, "rpc_key_differs"), (&zero.url, 4, "zero_secret")] {
        let answer: Value = serde_json::from_str(&http(url, Some(question))).unwrap();
        fs::write(world.kit.path("bare.hex"), answer["result"].as_str().unwrap()).unwrap();
        world.refuses("bare.hex", "network-secret", &[&pinned[..], &card].concat(), status, code);
    }
    world.refuses(&honest.file, "gateway-gw-1", &pinned, 1, "not_recognised");
}

fn flags(world: &World) -> Vec<String> {
    fs::read_to_string(world.kit.path("restore/gateway.args")).unwrap().lines().map(str::to_owned).collect()
}

/// T5 and the sealed key: two gateways come back on another machine, each with its own key and documents.
#[test]
fn gateways_come_back_with_their_own_keys() {
    let world = World::new();
    let mut known: Vec<(Taken, String)> = Vec::new();
    for name in ["gw-1", "gw-2"] {
        let running = world.gateway(name, name, &["-encryptionKeySource=new"]);
        let document = world.document(&running.url, name);
        let source = format!("{name}={}", running.url);
        known.push((world.taken(&format!("gateway-{name}"), &["--gateway", &source]), document));
    }
    for (index, name) in ["gw-1", "gw-2"].into_iter().enumerate() {
        let (instance, (taken, document)) = (format!("gateway-{name}"), &known[index]);
        let with = |document: &'_ str, volume: &'_ str| {
            ["--gateway", name, "--document", document, "--volume", volume].map(str::to_owned)
        };
        let refuses = |file: &str, arguments: [String; 6], status: i32, code: &str| {
            world.refuses(file, &instance, &arguments.each_ref().map(String::as_str), status, code);
        };
        fs::create_dir(world.kit.path("new")).unwrap();
        refuses(&taken.file, with(document, name), 4, "restore_unsafe");
        refuses(&taken.file, with(&known[1 - index].1, "new"), 1, "not_recognised");
        refuses(&known[1 - index].0.file, with(document, "new"), 4, "other_instance");
        let good = with(document, "new");
        world.recover(&taken.file, &instance, &good.each_ref().map(String::as_str)).ok();
        restart(&world, name);
        fs::remove_dir_all(world.kit.path("restore")).unwrap();
        fs::remove_dir_all(world.kit.path("new")).unwrap();
    }
}

/// Starts a gateway on another machine with the flags of the restore, then without them, as docs/ten.md says.
fn restart(world: &World, name: &str) {
    let (flags, machine) = (flags(world), "-machine=new");
    let digits = flags[0].strip_prefix("-encryptionKeySource=hex:").unwrap();
    let given: Vec<&str> = flags.iter().map(String::as_str).chain([machine]).collect();
    let first = world.gateway("new", name, &given);
    assert!(!first.log.join("\n").contains(digits), "T5: it is in no log");
    drop(first);
    let second = world.gateway("new", name, &["-encryptionKeySource=", machine]);
    assert!(!World::shown(&second).contains(digits), "T5: it is sealed, and the flag is gone");
    for user in ["gw-1", "gw-2"] {
        let read = http(&format!("{}/stand-in/documents/{user}", second.url), None);
        assert_eq!(read == "session", user == name, "{name} reads its own documents only");
    }
}

/// Instances are told apart by their keys: the words of one open no other.
#[test]
fn the_words_of_another_instance_open_nothing() {
    let world = World::new();
    let keys: Vec<String> = INSTANCES.iter().map(|instance| world.backup_key(instance)).collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    let running = world.gateway("gw-1", "gw-1", &["-encryptionKeySource=new"]);
    let taken = world.taken("gateway-gw-1", &["--gateway", &format!("gw-1={}", running.url)]);
    let arguments = ["--gateway", "gw-1", "--unrecognised", "--volume-empty"];
    world.refuses(&taken.file, "gateway-gw-2", &arguments, 1, "not_recognised");
    world.refuses(&taken.file, "network-secret", &arguments, 1, "not_recognised");
    let other = ["--gateway", "gw-2", "--unrecognised", "--volume-empty"];
    world.refuses(&taken.file, "gateway-gw-2", &other, 4, "other_instance");
    assert!(Path::new(&world.kit.path(&taken.file)).exists());
}
