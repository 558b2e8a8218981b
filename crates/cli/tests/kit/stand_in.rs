//! Processes of the stand-in of TEN, which is built with the feature `stand-in` of quorumkeep-ten.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use quorumkeep_ten::source::{Client, Endpoint, Error, Limits};

use super::kit::Kit;

/// The program; none, said aloud, if it is not built and not required.
pub fn program() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_quorumkeep")).with_file_name("ten-stand-in");
    let found = program.exists();
    let required = env::var("QUORUMKEEP_REQUIRE_ALL").as_deref() == Ok("1");
    assert!(found || !required, "the stand-in is required and not built: --features quorumkeep-ten/stand-in");
    if !found {
        eprintln!("skipped: the stand-in is not built");
    }
    found.then_some(program)
}

/// A process that serves.
pub struct Running {
    child: Child,
    pub url: String,
    /// What it logged before it served.
    pub log: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// The command line as everybody on the machine sees it.
    pub fn command_line(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).unwrap()
    }
}

/// Starts it; it must come so far that it serves.
pub fn start(program: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().copied()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let address = line.strip_prefix("listening on ").map(str::to_owned);
        log.push(line);
        address
    });
    Running { child, url: format!("http://{}", address.unwrap()), log }
}

/// A node with a database in the folder, and what its network has published.
pub fn node(kit: &Kit, program: &Path, database: &str, more: &[&str], environment: &[(&str, &str)]) -> Running {
    let mut arguments = vec!["node".to_owned()];
    arguments.push(format!("-db={}", kit.path(database).display()));
    arguments.push(format!("-da={}", kit.path("published").display()));
    arguments.extend(more.iter().map(|&flag| flag.to_owned()));
    start(program, &arguments, environment)
}

/// A gateway with a volume of that name, and its documents beside it.
pub fn gateway(kit: &Kit, program: &Path, volume: &str, more: &[&str]) -> Running {
    let mut arguments = vec!["gateway".to_owned(), "-insideEnclave".to_owned(), "-dbType=cosmosDB".to_owned()];
    arguments.push(format!("-data={}", kit.path(volume).display()));
    arguments.push(format!("-cosmos={}", kit.path("documents").display()));
    arguments.extend(more.iter().map(|&flag| flag.to_owned()));
    start(program, &arguments, &[])
}

/// What a server answers under status 200, to `GET` or to `POST`; empty if the status is another.
pub fn http(url: &str, body: Option<&'static str>) -> String {
    let (client, at): (_, Endpoint) = (Client::new(None, Limits::default()), url.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        match body {
            Some(body) => client.post_json(&at, body).await,
            None => client.get(&at).await,
        }
    });
    match answer {
        Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Err(Error::Status { .. }) => String::new(),
        Err(error) => panic!("{error}"),
    }
}
