//! An L1 of its own: anvil, which tests find by QUORUMKEEP_ANVIL, with contracts in the place of the enclave registry.
//!
//! The contracts are assembled by hand, so that no compiler is needed:
//!
//! ```text
//! REGISTRY  isAttested(a) = a & 1, isSequencer(a) = (a >> 1) & 1
//!           PUSH1 0 CALLDATALOAD PUSH1 e0 SHR  PUSH4 6d46e987 EQ  PUSH1 4 CALLDATALOAD SWAP1 SHR  PUSH1 1 AND
//!           PUSH1 0 MSTORE PUSH1 20 PUSH1 0 RETURN
//! ECHO      returns its argument, which is no bool
//! REVERTS   PUSH1 0 PUSH1 0 REVERT
//! ```

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use quorumkeep_ten::source::{Client, Endpoint, Limits};
use serde_json::{Value, json};

pub const REGISTRY: &str = "60003560e01c636d46e98714600435901c60011660005260206000f3";
pub const ECHO: &str = "60043560005260206000f3";
pub const REVERTS: &str = "60006000fd";

/// A chain that ends with the test.
pub struct Anvil {
    child: Child,
    pub url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    /// None, said aloud, if there is no anvil and none is required.
    pub fn start() -> Option<Self> {
        let Ok(program) = env::var("QUORUMKEEP_ANVIL") else {
            let required = env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() == Ok("1");
            assert!(!required, "anvil is required; QUORUMKEEP_ANVIL names it, and ./test tools installs it");
            eprintln!("skipped: QUORUMKEEP_ANVIL names no anvil");
            return None;
        };
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", "0", "--accounts", "1"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned)).unwrap();
        // It writes down every question, and waits if nobody reads.
        thread::spawn(move || lines.for_each(drop));
        Some(Self { child, url: format!("http://{address}") })
    }

    /// One question of JSON-RPC.
    pub fn ask(&self, method: &str, params: &Value) -> Value {
        let at: Endpoint = self.url.parse().unwrap();
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
        let answer = runtime.block_on(async { Client::new(None, limits).post_json(&at, request).await }).unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["result"].take()
    }

    /// Every transaction is mined at once, but not before its hash is given out.
    fn receipt(&self, hash: &Value) -> Value {
        for _ in 0..500 {
            let receipt = self.ask("eth_getTransactionReceipt", &json!([hash]));
            if !receipt.is_null() {
                return receipt;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{hash} is not mined");
    }

    /// Deploys a contract with this code; its address.
    pub fn deploy(&self, code: &str) -> String {
        let from = self.ask("eth_accounts", &json!([]))[0].clone();
        let size = code.len() / 2;
        // PUSH1 size PUSH1 0c PUSH1 0 CODECOPY PUSH1 size PUSH1 0 RETURN
        let data = format!("0x60{size:02x}600c60003960{size:02x}6000f3{code}");
        let hash = self.ask("eth_sendTransaction", &json!([{ "from": from, "data": data }]));
        let receipt = self.receipt(&hash);
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt["contractAddress"].as_str().unwrap().to_owned()
    }
}
