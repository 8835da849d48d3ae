//! The program `witness` as a process of a test: made, served, asked, ended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::Log;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_witness")).current_dir(self.dir.path()).args(arguments).output().unwrap()
    }

    pub fn init(&self) -> String {
        let output =
            self.run(&["init", "--dir", "d", "--keys", "k", "--name", "witness.example/w1", "--url", "http://w/"]);
        assert!(output.status.success(), "{}", error(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn logs(&self, logs: &[&Log]) {
        fs::write(self.path("logs"), logs.iter().map(|log| log.lines()).collect::<String>()).unwrap();
    }

    pub fn serve(&self, more: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_witness"))
            .current_dir(self.dir.path())
            .args(["serve", "--dir", "d", "--keys", "k", "--listen", "127.0.0.1:0", "--logs", "logs"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let messages = lines(child.stderr.take().unwrap());
        let line = stdout.recv_timeout(PATIENCE).unwrap();
        let address = line.strip_prefix("witness listening on http://").unwrap().to_owned();
        Running { child, address, messages }
    }

    /// Serving that must be refused; its exit code and message.
    pub fn refused(&self, more: &[&str]) -> (i32, String) {
        let serve = ["serve", "--dir", "d", "--keys", "k", "--listen", "127.0.0.1:0", "--logs", "logs"];
        let output = self.run(&[serve.as_slice(), more].concat());
        assert!(output.stdout.is_empty());
        (output.status.code().unwrap(), error(&output))
    }
}

pub fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The lines of a pipe as they come.
pub fn lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

pub struct Running {
    pub child: Child,
    pub address: String,
    pub messages: Receiver<String>,
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a message that holds `words`.
    pub fn says(&self, words: &str) -> String {
        loop {
            let line = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never said {words:?}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    pub fn post(&self, body: &[u8]) -> (u16, String) {
        post(&self.address, body).unwrap()
    }

    pub fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer, unless the process ended before it was whole.
pub fn post(address: &str, body: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (length == Some(body.len())).then(|| (status, body.to_owned()))
}
