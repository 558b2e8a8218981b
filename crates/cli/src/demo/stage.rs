//! The demo's stage: a folder, free ports, and real processes of this very program, all of which go away again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quorumkeep_store::files::{private_directory, write_new};
use serde_json::Value;

use crate::failure::{Code, Failure, Result};

/// The hidden command that runs a stand-in of TEN, and how that says where it serves.
const STAND_IN: &str = "stand-in-ten";
const LISTENING: &str = "listening on ";

/// A process that was started.
struct Running {
    name: String,
    child: Child,
}

/// The processes and the folder. Clones share them, so that Ctrl-C can end everything from outside.
#[derive(Clone)]
pub struct Stage {
    dir: PathBuf,
    program: PathBuf,
    running: Arc<Mutex<Vec<Running>>>,
}

impl Stage {
    /// A new folder under the system's temporary directory.
    pub fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("quorumkeep-demo-").tempdir()?.keep();
        private_directory(&dir)?;
        Ok(Self { dir, program: std::env::current_exe()?, running: Arc::default() })
    }

    /// The folder, or something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        write_new(&path, bytes, 0o600)?;
        Ok(path)
    }

    fn command(&self, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments.iter().map(|argument| argument.as_ref()));
        command.current_dir(&self.dir).stdin(Stdio::null()).env_remove("RUST_LOG");
        command
    }

    /// Runs one command of this program to its end: did it succeed, and its JSON.
    fn answer(&self, arguments: &[impl AsRef<str>]) -> Result<(bool, Value)> {
        let output = self.command(arguments).arg("--json").output()?;
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Ok((output.status.success(), answer))
    }

    /// Runs one command of this program and returns its JSON.
    pub fn run(&self, arguments: &[impl AsRef<str>]) -> Result<Value> {
        let (succeeded, answer) = self.answer(arguments)?;
        if succeeded {
            return Ok(answer);
        }
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("no answer").to_owned();
        Err(Failure::new(Code::Failed, format!("{}: {message}", shown(arguments))))
    }

    /// Runs one command of this program that must fail with this code, and returns its JSON.
    pub fn refused(&self, arguments: &[impl AsRef<str>], code: &str) -> Result<Value> {
        let (succeeded, answer) = self.answer(arguments)?;
        let found = answer.pointer("/error/code").and_then(Value::as_str);
        match found {
            Some(found) if found == code && !succeeded => Ok(answer),
            found => {
                let found = found.unwrap_or(if succeeded { "no failure" } else { "no answer" });
                let message = format!("{} must fail with {code}, and gave: {found}", shown(arguments));
                Err(Failure::new(Code::Failed, message))
            }
        }
    }

    /// Starts one command of this program and leaves it running; its logs go to `NAME.log`.
    pub fn spawn(&self, name: &str, arguments: &[impl AsRef<str>]) -> Result<()> {
        let mut command = self.command(arguments);
        command.arg("--json").arg("--log").arg("info");
        self.launch(name, command, |_| true).map(drop)
    }

    /// Starts a stand-in with nothing but these settings in its environment, and leaves it running. Gives its URL.
    pub fn stand_in(&self, name: &str, arguments: &[impl AsRef<str>], settings: &[(&str, &str)]) -> Result<String> {
        let mut command = self.command(&["demo", STAND_IN]);
        command.args(arguments.iter().map(|argument| argument.as_ref()));
        command.env_clear().envs(settings.iter().copied());
        let line = self.launch(name, command, |line| line.starts_with(LISTENING))?;
        Ok(format!("http://{}", line.trim_start_matches(LISTENING)))
    }

    /// Starts it, waits for the line that says that it serves, and gives that line.
    fn launch(&self, name: &str, mut command: Command, serves: fn(&str) -> bool) -> Result<String> {
        let log = File::options().create(true).append(true).open(self.path(&format!("{name}.log")))?;
        let mut child = command.stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let line = wait_for_line(&mut child, log, serves);
        self.lock().push(Running { name: name.to_owned(), child });
        line.ok_or_else(|| self.did_not_start(name))
    }

    fn did_not_start(&self, name: &str) -> Failure {
        let log = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
        let last = log.lines().last().unwrap_or("it said nothing").to_owned();
        Failure::new(Code::Failed, format!("{name} did not start: {last}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `kill -9`.
    pub fn kill(&self, name: &str) {
        let mut running = self.lock();
        for process in running.iter_mut().filter(|process| process.name == name) {
            // Already gone is as good as killed.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        running.retain(|process| process.name != name);
    }

    /// `kill -9` of everything.
    pub fn kill_all(&self) {
        for mut process in self.lock().drain(..) {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// Names and process ids of what runs.
    pub fn processes(&self) -> Vec<(String, u32)> {
        self.lock().iter().map(|process| (process.name.clone(), process.child.id())).collect()
    }

    /// Ends every process and removes the folder.
    pub fn clear(&self) {
        self.kill_all();
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// Forgets the processes without ending them: `--keep`.
    pub fn keep(&self) {
        self.lock().drain(..).for_each(drop);
    }
}

/// A text field of an answer, or nothing.
pub fn field<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The command, without its options.
fn shown(arguments: &[impl AsRef<str>]) -> String {
    let words = arguments.iter().take(2).map(|argument| argument.as_ref()).collect::<Vec<_>>();
    format!("quorumkeep {}", words.join(" "))
}

/// The line with which a server says that it serves. None: it ended, or did not say so for 20 seconds.
fn wait_for_line(child: &mut Child, mut log: File, serves: fn(&str) -> bool) -> Option<String> {
    let out = child.stdout.take()?;
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Read to the end, so that the server never writes into a closed pipe.
        for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            let _ = writeln!(log, "{line}");
            if serves(&line) {
                // Nobody waits any more after the first one.
                let _ = said.send(line);
            }
        }
    });
    heard.recv_timeout(Duration::from_secs(20)).ok()
}

/// So many ports that are free now.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<Vec<_>>>()?;
    let port = |listener: &TcpListener| Ok(listener.local_addr()?.port());
    listeners.iter().map(port).collect()
}

/// Copies the files of a directory, as a thief with one look at the disk would.
pub fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    private_directory(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && wanted(&name) {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Asks again and again until there is an answer.
pub fn poll<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > Duration::from_secs(seconds) {
            return Err(Failure::new(Code::Failed, format!("{what}: not within {seconds} s")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
