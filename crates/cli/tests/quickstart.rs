//! `docs/quickstart.md`, run as it stands: every `sh` block in order, in one shell, in an empty folder.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use quorumkeep_server::problem::Code;

const QUICKSTART: &str = include_str!("../../../docs/quickstart.md");
const CLI: &str = include_str!("../../../docs/cli.md");
const API: &str = include_str!("../../../docs/api.md");
/// How the document writes its ports: this and two more digits.
const PORTS: &str = "127.0.0.1:71";

/// The contents of every fenced block of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A prefix like [`PORTS`] whose hundred ports nobody uses, below those that the system hands out by itself.
fn free_ports() -> String {
    let is_free = |prefix: &u16| (0..20).all(|last| TcpListener::bind(("127.0.0.1", prefix * 100 + last)).is_ok());
    let first = 110 + u16::try_from(std::process::id() % 100).unwrap();
    let prefix = (first..first + 100).find(is_free).unwrap();
    format!("127.0.0.1:{prefix}")
}

/// One script that stops at the first error and takes its servers with it.
fn script(ports: &str) -> String {
    let mut script = "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n".to_owned();
    for block in blocks(QUICKSTART, "sh") {
        script.push_str(&block.replace(PORTS, ports));
        script.push('\n');
    }
    script
}

/// A folder with the program under both of its names.
fn programs(folder: &Path) -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_quorumkeep"));
    for name in ["quorumkeep", "age-plugin-quorumkeep"] {
        symlink(built, folder.join(name)).unwrap();
    }
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn the_quickstart_runs_as_written() {
    let (bin, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = script(&free_ports());
    fs::write(bin.path().join("script"), &script).unwrap();
    let output = Command::new("bash")
        .arg("-x")
        .arg(bin.path().join("script"))
        .current_dir(work.path())
        .env("PATH", programs(bin.path()))
        .env_remove("QUORUMKEEP_PASSPHRASE_FILE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n--- output\n{out}\n--- errors\n{error}", output.status);
}

/// The help of a command, unwrapped.
fn help(command: &[String]) -> String {
    let program = Command::new(env!("CARGO_BIN_EXE_quorumkeep")).args(command).arg("--help").output().unwrap();
    String::from_utf8(program.stdout).unwrap()
}

/// The names in the first column of a part of a help text.
fn names<'a>(help: &'a str, part: &str) -> Vec<&'a str> {
    let body = help.split(&format!("\n{part}:\n")).nth(1).unwrap_or_default();
    let lines = body.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

/// Every command that does something by itself, with or without commands below it.
fn leaves(command: &[String]) -> Vec<Vec<String>> {
    let text = help(command);
    let usage = text.lines().find(|line| line.starts_with("Usage: ")).unwrap();
    let own = (!usage.contains("<COMMAND>")).then(|| command.to_vec());
    let below = names(&text, "Commands");
    own.into_iter().chain(below.iter().flat_map(|name| leaves(&[command, &[(*name).to_owned()]].concat()))).collect()
}

/// `--option` or `-o, --option`; a line of a description may begin with a dash as well.
fn is_option(line: &str) -> bool {
    let long = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
    long.starts_with("--")
}

#[test]
fn every_command_and_option_is_in_the_reference() {
    let commands = leaves(&[]);
    assert!(commands.len() > 15, "{commands:?}");
    assert!(
        commands.contains(&vec!["demo".to_owned()]) && commands.contains(&vec!["demo".to_owned(), "ten".to_owned()])
    );
    for command in commands {
        let heading = format!("### `quorumkeep {}`\n", command.join(" "));
        let section = CLI.split(&heading).nth(1).unwrap_or_else(|| panic!("docs/cli.md lacks: {heading}"));
        let section = section.split("\n#").next().unwrap();
        for line in help(&command).lines().map(str::trim_start).filter(|line| is_option(line)) {
            let option = line.split_whitespace().find(|word| word.starts_with("--")).unwrap();
            let everywhere = ["--json", "--log", "--help", "--version"].contains(&option);
            let row = format!("| `{option}");
            assert!(everywhere || section.contains(&row), "docs/cli.md lacks {option} of {heading}");
        }
    }
}

#[test]
fn the_codes_of_the_http_interface_are_in_its_document_and_no_others() {
    let mut rows = Vec::new();
    for code in Code::ALL {
        rows.push(format!("| `{}` | {} | {} |", code.as_str(), code.status(), code.title()));
    }
    let table = API.split("<!-- codes").nth(1).and_then(|rest| rest.split("<!-- end of codes").next()).unwrap();
    let written: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(written, rows, "docs/api.md");
}
