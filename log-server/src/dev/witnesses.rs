//! The witnesses of a development log: one process each, which end with this one.
//!
//! Each watches its standard input, whose other end this process holds: after `kill -9` the system closes it. They are in process
//! groups of their own, so that Ctrl-C reaches this process alone, which lets the log leave before its witnesses.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::DevError;
use super::ending::Ending;
use super::folder::{Folder, LOOPBACK_ANY, NAMES};

/// How long a witness may take to say where it listens, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Running witnesses.
pub(super) struct Witnesses {
    running: Vec<Running>,
    urls: Vec<String>,
}

struct Running {
    id: u32,
    /// Held, never written to: its end is the witness's.
    stdin: Option<ChildStdin>,
    ended: Receiver<()>,
}

impl Witnesses {
    /// Starts all of them where they listened before, as far as those ports are free.
    pub(super) fn start(folder: &Folder, program: &Path, stop: &Arc<Ending>) -> Result<Witnesses, DevError> {
        let before = folder.witness_addresses();
        let mut started = Witnesses { running: Vec::new(), urls: Vec::new() };
        for (at, name) in NAMES.into_iter().enumerate() {
            let before = before.get(at).copied().filter(|address| TcpListener::bind(address).is_ok());
            let (running, url) = start(folder, program, name, before.unwrap_or(LOOPBACK_ANY), stop)?;
            started.running.push(running);
            started.urls.push(url);
        }
        Ok(started)
    }

    /// Their addresses.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Ends all of them, and waits until they have.
    pub(super) fn end(mut self) {
        self.running.iter_mut().for_each(|running| drop(running.stdin.take()));
        let until = Instant::now() + PATIENCE;
        for running in &self.running {
            if running.ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
                // One that hangs is ended; it repairs itself at its next start.
                if let Some(id) = i32::try_from(running.id).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(id, Signal::KILL);
                }
            }
        }
    }
}

fn start(
    folder: &Folder,
    program: &Path,
    name: &'static str,
    listen: SocketAddr,
    stop: &Arc<Ending>,
) -> Result<(Running, String), DevError> {
    let log = folder.path(&format!("{name}.log"));
    let failed = |what: String| DevError::Witness { name: name.to_owned(), what, log: log.clone() };
    let errors = File::options().create(true).append(true).open(&log).map_err(|error| failed(error.to_string()))?;
    let mut child = Command::new(program)
        .args(["serve", "--until-stdin-ends", "--listen", &listen.to_string(), "--logs", "logs.list"])
        .args(["--dir", name, "--keys", &format!("{name}.keys")])
        .current_dir(folder.dir())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(format!("did not start: {error}")))?;
    let (id, stdin) = (child.id(), child.stdin.take());
    let (say, said) = channel();
    let (tell, ended) = channel();
    let stop = Arc::clone(stop);
    let watched = log.clone();
    std::thread::spawn(move || {
        let status = watch(&mut child, &say);
        // Nobody listens any more when this was the end of all.
        let _ = tell.send(());
        let what =
            status.map_or_else(|error| format!("cannot be watched: {error}"), |status| last_words(status, &watched));
        stop.because(DevError::Witness { name: name.to_owned(), what, log: watched });
    });
    let running = Running { id, stdin, ended };
    match said.recv_timeout(PATIENCE) {
        Ok(url) => Ok((running, url)),
        Err(_) => {
            drop(running.stdin);
            // Whether it hangs or has ended is said by the file that the message names.
            let _ = running.ended.recv_timeout(PATIENCE);
            let said = last_error(&log);
            Err(failed(format!("does not say where it listens{}{said}", if said.is_empty() { "" } else { ": " })))
        }
    }
}

/// Says the address once it is printed, and returns when the process has ended.
fn watch(child: &mut Child, say: &Sender<String>) -> std::io::Result<ExitStatus> {
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(|out| out.lines().map_while(Result::ok)) {
        if let Some(url) = line.strip_prefix("witness listening on ") {
            // Whoever started it may have given up.
            let _ = say.send(url.trim_end_matches('/').to_owned());
        }
    }
    child.wait()
}

fn last_words(status: ExitStatus, log: &Path) -> String {
    match last_error(log).as_str() {
        "" => format!("ended ({status})"),
        said => format!("ended ({status}): {said}"),
    }
}

/// The error with which a witness ended, if it ended with one.
fn last_error(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().next_back().and_then(|line| line.strip_prefix("error: ")).unwrap_or_default().to_owned()
}
