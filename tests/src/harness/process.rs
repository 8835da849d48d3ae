//! One server process and one command: started, waited for, stopped by their own ids.
//!
//! A server is ready when it prints the line with its address; nothing here sleeps in place of that.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to print its address, and to end after a signal.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long one command may run: far longer than any of ours takes, far shorter than CI's limit.
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// How long [`until`] waits before it asks again: only how soon the caller goes on depends on it.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Asks again until the answer is yes.
///
/// # Errors
/// What the question says when it cannot be asked, or `what` after [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() >= end {
            return Err(format!("after {} s still not: {what}", PATIENCE.as_secs()));
        }
        std::thread::sleep(ASK_AGAIN);
    }
    Ok(())
}

/// The folder of the three binaries.
///
/// `VITRINE_BIN_DIR` when it is set; else the folder that this very program was built into, after one
/// `cargo build` of the binaries, so that no test runs a stale server.
///
/// # Panics
/// When the binaries cannot be built: there is nothing to test then.
#[must_use]
#[expect(clippy::panic, clippy::expect_used, reason = "without binaries there is nothing to go on with")]
pub fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("VITRINE_BIN_DIR") {
            return PathBuf::from(folder);
        }
        let own = std::env::current_exe().expect("this program has a path");
        let folder = own
            .ancestors()
            .find(|folder| folder.join("deps").is_dir())
            .unwrap_or_else(|| panic!("{} is not below a cargo target folder", own.display()))
            .to_owned();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        cargo.args(["build", "--locked", "--quiet", "--bins", "-p", "vitrine-log-server", "-p", "vitrine-log-client"]);
        cargo.args(["-p", "vitrine-witness", "--manifest-path"]);
        cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
        cargo.arg("--target-dir").arg(folder.parent().expect("a profile folder is in a target folder"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.status().unwrap_or_else(|e| panic!("cargo: {e}"));
        assert!(status.success(), "the binaries do not build: {status}");
        folder
    })
}

/// A running server; ended with the value.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// The address it printed, as a URL without a slash at its end.
    pub url: String,
    /// Where its standard error goes.
    pub errors: PathBuf,
}

impl Server {
    /// Starts `binary` and waits for its line `<binary> listening on <url>`.
    ///
    /// # Errors
    /// Its exit status and standard error when it ends before, or when it says nothing for [`PATIENCE`].
    pub fn start<A: AsRef<OsStr>>(
        folder: &Path,
        binary: &str,
        args: impl IntoIterator<Item = A>,
        errors: &Path,
    ) -> Result<Server, String> {
        let file =
            File::options().create(true).append(true).open(errors).map_err(|e| format!("{}: {e}", errors.display()))?;
        let mut child = Command::new(binaries().join(binary))
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|e| format!("{binary}: {e}"))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut server = Server { child, lines, url: String::new(), errors: errors.to_owned() };
        let until = Instant::now() + PATIENCE;
        let mark = format!("{binary} listening on ");
        loop {
            match server.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix(&mark) {
                        server.url = url.trim_end_matches('/').to_owned();
                        return Ok(server);
                    }
                }
                Err(_) => {
                    let status = server.child.try_wait().ok().flatten();
                    let said = std::fs::read_to_string(errors).unwrap_or_default();
                    return Err(format!("{binary} printed no address ({}): {said}", shown(status)));
                }
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A process that has ended already is what the caller wants.
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL, as `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// SIGTERM; its exit status.
    ///
    /// # Errors
    /// When it has not ended after [`PATIENCE`].
    pub fn stop(mut self) -> Result<ExitStatus, String> {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it has not ended after [`PATIENCE`].
    pub fn ended(&mut self) -> Result<ExitStatus, String> {
        let until = Instant::now() + PATIENCE;
        // Its standard output closes when it ends; the wait after that is short.
        while self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        if Instant::now() >= until {
            return Err(format!("process {} has not ended after {PATIENCE:?}", self.child.id()));
        }
        self.child.wait().map_err(|e| e.to_string())
    }

    /// CPU seconds (user and system) and resident bytes so far, from `/proc`; zeros where there is none.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time, seconds.
    pub cpu_s: f64,
    /// Resident set now, bytes.
    pub resident_bytes: u64,
    /// The largest resident set so far, bytes.
    pub resident_max_bytes: u64,
}

impl Usage {
    /// Reads `/proc/<id>/stat` and `/proc/<id>/status`.
    #[must_use]
    pub fn of(id: u32) -> Usage {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name in brackets may hold blanks; the fields after it do not.
        let fields: Vec<f64> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
        let ticks = fields.get(11).copied().unwrap_or(0.0) + fields.get(12).copied().unwrap_or(0.0);
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let kilobytes = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        Usage {
            cpu_s: ticks / 100.0,
            resident_bytes: kilobytes("VmRSS:") * 1024,
            resident_max_bytes: kilobytes("VmHWM:") * 1024,
        }
    }
}

fn shown(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "still running".to_owned(), |s| s.to_string())
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub line: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Outcome {
    /// Itself when it ended with `code`.
    ///
    /// # Errors
    /// The command line, both codes and what it printed.
    pub fn expect_code(self, code: i32) -> Result<Outcome, String> {
        if self.code == Some(code) {
            Ok(self)
        } else {
            Err(format!(
                "{}\n  exit code {:?}, expected {code}\n  {}\n  {}",
                self.line,
                self.code,
                self.out.trim(),
                self.err.trim()
            ))
        }
    }

    /// Itself when it ended with `code` and said `words` on either stream.
    ///
    /// # Errors
    /// As [`Outcome::expect_code`].
    pub fn expect(self, code: i32, words: &str) -> Result<Outcome, String> {
        let outcome = self.expect_code(code)?;
        if outcome.out.contains(words) || outcome.err.contains(words) {
            Ok(outcome)
        } else {
            Err(format!(
                "{}\n  does not say {words:?}\n  {}\n  {}",
                outcome.line,
                outcome.out.trim(),
                outcome.err.trim()
            ))
        }
    }
}

/// Runs `binary`, one of ours or any program by its path, in `folder` to its end.
///
/// # Errors
/// When it cannot be started or read, or has not ended after ten minutes.
pub fn run<A: AsRef<OsStr>>(folder: &Path, binary: &str, args: impl IntoIterator<Item = A>) -> Result<Outcome, String> {
    let mut command = Command::new(binaries().join(binary));
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = std::iter::once(OsStr::new(binary))
        .chain(command.get_args())
        .map(|a| a.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    let child = command.spawn().map_err(|e| format!("{line}: {e}"))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (ended, waits) = channel::<()>();
    // Ends the command when nobody has hung up by then; says whether it did.
    let watch = std::thread::spawn(move || {
        let late = waits.recv_timeout(RUN_LIMIT) == Err(RecvTimeoutError::Timeout);
        if let Some(id) = id.filter(|_| late) {
            let _ = kill_process(id, Signal::KILL);
        }
        late
    });
    let output = child.wait_with_output().map_err(|e| format!("{line}: {e}"));
    drop(ended);
    if watch.join().unwrap_or(false) {
        return Err(format!("{line}: has not ended after {} s", RUN_LIMIT.as_secs()));
    }
    let output = output?;
    Ok(Outcome {
        line,
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
