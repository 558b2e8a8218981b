//! The demo's stage: a folder, free ports, and real processes of this very program, all of which go away again.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quorumkeep_store::files::{private_directory, write_new};
use serde_json::Value;

use crate::failure::{Code, Failure, Result};

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

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null()).env_remove("RUST_LOG");
        command
    }

    /// Runs one command of this program to its end and returns its JSON.
    pub fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).arg("--json").output()?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        if output.status.success() {
            return Ok(answer);
        }
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("no answer").to_owned();
        let shown = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Err(Failure::new(Code::Failed, format!("quorumkeep {shown}: {message}")))
    }

    /// Starts one command of this program and leaves it running; its logs go to `NAME.log`.
    pub fn spawn(&self, name: &str, arguments: &[&str]) -> Result<u32> {
        let log = File::options().create(true).append(true).open(self.path(&format!("{name}.log")))?;
        let mut command = self.command(arguments);
        command.arg("--json").arg("--log").arg("info").stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let listening = wait_for_line(&mut child);
        let pid = child.id();
        self.lock().push(Running { name: name.to_owned(), child });
        if listening { Ok(pid) } else { Err(self.did_not_start(name)) }
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

    /// Names and process ids of what runs.
    pub fn processes(&self) -> Vec<(String, u32)> {
        self.lock().iter().map(|process| (process.name.clone(), process.child.id())).collect()
    }

    /// Ends every process and removes the folder.
    pub fn clear(&self) {
        for mut process in self.lock().drain(..) {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
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

/// A server prints one line when it listens. False: it ended, or said nothing for 20 seconds.
fn wait_for_line(child: &mut Child) -> bool {
    let Some(mut out) = child.stdout.take() else { return false };
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut byte = [0u8; 1];
        let mut told = false;
        // Read to the end, so that the server never writes into a closed pipe.
        while matches!(out.read(&mut byte), Ok(1)) {
            if byte == *b"\n" && !told {
                told = said.send(()).is_ok();
            }
        }
    });
    heard.recv_timeout(Duration::from_secs(20)).is_ok()
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
