//! What the black-box tests share: the program in a folder of its own, and its answers.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub const PASSPHRASE: &str = "correct horse battery staple";

/// A folder with a passphrase file, and the program in it.
pub struct Kit {
    pub folder: tempfile::TempDir,
}

/// What the program answered.
pub struct Answer {
    pub status: i32,
    pub json: Value,
    pub stderr: String,
}

impl Answer {
    /// It worked.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!((self.status, &self.json["ok"]), (0, &Value::Bool(true)), "{} {}", self.json, self.stderr);
        self.json
    }

    /// It failed with this exit status and code, and says what to do.
    #[track_caller]
    pub fn fails(self, status: i32, code: &str) -> String {
        let error = &self.json["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{} {}", self.json, self.stderr);
        assert_eq!(self.json["ok"], Value::Bool(false));
        for field in ["message", "help"] {
            assert!(!error[field].as_str().unwrap().is_empty(), "{error}");
        }
        error["message"].as_str().unwrap().to_owned()
    }
}

impl Kit {
    pub fn new() -> Self {
        let kit = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(kit.path("pass"), format!("{PASSPHRASE}\n")).unwrap();
        fs::write(kit.path("wrong"), "something else\n").unwrap();
        kit
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, without a terminal, with the passphrase in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorumkeep"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").env("QUORUMKEEP_PASSPHRASE_FILE", self.path("pass"));
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it with `--json`.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let output = self.output(&with_json);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(stdout.lines().last().unwrap_or("")).unwrap_or(Value::Null);
        Answer {
            status: output.status.code().unwrap(),
            json,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// An operator `opN` whose node is at this port.
    pub fn operator(&self, number: u16) -> Value {
        let (dir, socket) = (format!("op{number}"), format!("127.0.0.1:{}", 40_000 + number));
        self.run(&["operator", "init", "--dir", &dir, "--socket", &socket]).ok()
    }

    /// A network of these operators in the folder `out`; `more` are further options.
    pub fn network(&self, operators: &[u16], out: &str, more: &[&str]) -> Answer {
        let orderer = self.orderer();
        let files: Vec<String> = operators.iter().map(|number| format!("op{number}/operator.json")).collect();
        let mut arguments = vec!["network", "init", "--orderer", &orderer, "--out", out, "--operator"];
        arguments.extend(files.iter().map(String::as_str));
        if !more.contains(&"--board") {
            arguments.extend(["--board", "127.0.0.1:40000"]);
        }
        arguments.extend(more);
        self.run(&arguments)
    }

    /// The public key of the orderer in `board`, made at first use.
    pub fn orderer(&self) -> String {
        let file = self.path("orderer.hex");
        if !file.exists() {
            let made = self.run(&["board", "init", "--dir", "board"]).ok();
            fs::write(&file, made["orderer"].as_str().unwrap()).unwrap();
        }
        fs::read_to_string(file).unwrap()
    }

    /// Changes a JSON file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path(name);
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(path, json.to_string()).unwrap();
    }
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
