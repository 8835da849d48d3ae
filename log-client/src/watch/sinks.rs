//! Where alerts go: a command, a webhook, a file, or standard output; each says whether it has one (docs/watch.md).
//!
//! An alert is delivered when every sink has confirmed it: the command ended with 0, the address answered with a status of
//! success, the file is durable. One that has not is tried again for a while; then the others are told that it has not, and
//! whoever asked keeps the alert. Not here: remembering what was delivered (`engine`).

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt as _;
use vitrine_spec::key::Seed;
use vitrine_spec::text::b64;

use super::alert::{Alert, FORMAT};
use crate::clock;
use crate::deliver::pause_before;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::Webhook;
use crate::limits::ALERT_COMMAND_TIMEOUT;
use crate::output::clean;

/// One place that alerts go to.
pub trait Sink {
    /// What it is called in messages.
    fn name(&self) -> String;
    /// Hands over an alert; an error says why it is not there, or may not be.
    fn send(&self, alert: &Alert) -> Result<(), String>;
}

/// All places that alerts go to.
pub struct Sinks {
    sinks: Vec<Box<dyn Sink>>,
    wait: Duration,
    pause: fn(Duration),
}

impl Sinks {
    /// Each alert goes to all of `sinks`; one that does not take it is tried again for `wait`.
    pub fn new(sinks: Vec<Box<dyn Sink>>, wait: Duration, pause: fn(Duration)) -> Sinks {
        Sinks { sinks, wait, pause }
    }

    /// What they are called.
    pub fn names(&self) -> String {
        self.sinks.iter().map(|sink| sink.name()).collect::<Vec<_>>().join(", ")
    }

    /// Waits, as between two tries.
    pub fn pause(&self, pause: Duration) {
        (self.pause)(pause);
    }

    /// Delivers an alert to all of them.
    ///
    /// # Errors
    /// Exit 4: one of them has not confirmed it; the others, which have, were told so too.
    pub fn deliver(&self, alert: &Alert) -> Result<(), Failure> {
        let (mut failed, mut took) = (Vec::new(), Vec::new());
        for sink in &self.sinks {
            match self.tries(sink.as_ref(), alert) {
                Ok(()) => took.push(sink),
                Err(why) => failed.push((sink.name(), why)),
            }
        }
        let Some((name, why)) = failed.first() else { return Ok(()) };
        let text = format!(
            "an alert ({}) could not be delivered to {name}: {why}; the watch does not go on before it is",
            alert.code
        );
        let undelivered = Alert::new(&alert.log, "alert.undelivered", &alert.id, text)
            .with("id", alert.id.clone())
            .with("sinks", failed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        for sink in took {
            // The failure below says it, whatever becomes of this.
            let _ = sink.send(&undelivered);
        }
        let mut failure = Failure::new(
            Exit::Unreachable,
            "alert.undelivered",
            "an alert could not be delivered, and the watch does not go on before it is",
        )
        .side("alert", format!("{}: {}", alert.code, alert.text));
        for (name, why) in &failed {
            failure = failure.side("sink", name).side("reason", why);
        }
        Err(failure
            .now("mend the sink; the alert is delivered by the next run, perhaps a second time to those that have it"))
    }

    fn tries(&self, sink: &dyn Sink, alert: &Alert) -> Result<(), String> {
        let (mut attempt, mut left) = (0, self.wait);
        loop {
            let why = match sink.send(alert) {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            let Some(pause) = pause_before(attempt, None, left) else { return Err(why) };
            attempt += 1;
            left = left.saturating_sub(pause);
            (self.pause)(pause);
        }
    }
}

/// A command of the shell: gets the alert on standard input, and confirms it by ending with 0.
pub struct ToCommand {
    /// For `sh -c`.
    pub command: String,
    /// How long it may take.
    pub limit: Duration,
}

impl ToCommand {
    /// With the limit of every command.
    pub fn new(command: String) -> ToCommand {
        ToCommand { command, limit: ALERT_COMMAND_TIMEOUT }
    }
}

impl Sink for ToCommand {
    fn name(&self) -> String {
        format!("the command `{}`", self.command)
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        let line = alert.line();
        // Written beside the wait: a command that does not read must not hold up the limit.
        let writer = child.stdin.take().map(|mut stdin| std::thread::spawn(move || stdin.write_all(line.as_bytes())));
        let ended = wait(&mut child, self.limit);
        // A command that ended without reading has confirmed all the same: that is its affair.
        drop(writer);
        match ended? {
            status if status.success() => Ok(()),
            status => Err(format!("it ended with {status}")),
        }
    }
}

/// Waits for a command; one that takes too long is ended with all that it started.
fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(status),
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            None => break,
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().map_err(|error| error.to_string())?;
    Err(format!("it had not ended after {} s and was killed", limit.as_secs()))
}

/// A webhook: a signed `POST`, confirmed by any status of success.
pub struct ToWebhook {
    /// The address.
    pub hook: Webhook,
    /// Signs each alert.
    pub key: Seed,
}

/// What is signed of an alert: the format, the time in seconds since 1970, and the body, each of the first two with a newline.
pub fn signed_bytes(time: u64, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{FORMAT}\n{time}\n").into_bytes();
    message.extend_from_slice(body);
    message
}

impl Sink for ToWebhook {
    fn name(&self) -> String {
        self.hook.host()
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        let (body, time) = (alert.line().into_bytes(), clock::now());
        let signature = self.key.sign_ed25519(&signed_bytes(time, &body)).map_err(|error| error.to_string())?;
        let headers = [
            ("vitrine-alert-time", time.to_string()),
            ("vitrine-alert-key", self.key.vkey().keyid()),
            ("vitrine-alert-signature", b64(&signature)),
        ];
        self.hook.post(&headers, body).map_err(|error| error.to_string())
    }
}

/// A file that alerts are appended to, one JSON line each, durable before the next.
pub struct ToFile {
    /// Where.
    pub path: PathBuf,
}

impl Sink for ToFile {
    fn name(&self) -> String {
        format!("the file {}", self.path.display())
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        self.append(alert.line().as_bytes()).map_err(|error| error.to_string())
    }
}

impl ToFile {
    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let new = !self.path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        // A line that a stop cut short gets its end, so that the next one stands alone; its alert comes again.
        let torn = ends_within_a_line(&mut file)?;
        file.write_all(&[if torn { &b"\n"[..] } else { &[] }, line].concat())?;
        file.sync_all()?;
        if new { files::sync_parent(&self.path) } else { Ok(()) }
    }
}

fn ends_within_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Standard output, where nothing else was given.
pub struct ToOutput {
    /// As JSON lines.
    pub json: bool,
}

impl Sink for ToOutput {
    fn name(&self) -> String {
        "standard output".to_owned()
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        let line = if self.json { alert.line() } else { format!("{}\n", clean(&told(alert))) };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| error.to_string())
    }
}

/// An alert for a person.
pub fn told(alert: &Alert) -> String {
    format!("ALERT {}: {}", alert.code, alert.text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// A sink that fails so often, and remembers what it has.
    struct Fails(RefCell<u32>, Rc<RefCell<Vec<&'static str>>>);

    impl Sink for Fails {
        fn name(&self) -> String {
            "test".to_owned()
        }

        fn send(&self, alert: &Alert) -> Result<(), String> {
            let mut left = self.0.borrow_mut();
            if *left > 0 {
                *left -= 1;
                return Err("busy".to_owned());
            }
            self.1.borrow_mut().push(alert.code);
            Ok(())
        }
    }

    fn alert() -> Alert {
        Alert::new("example.com/log", "issuer.new", "7", "entry 7: a new issuer")
    }

    fn command(text: &str) -> ToCommand {
        ToCommand { command: text.to_owned(), limit: Duration::from_secs(30) }
    }

    #[test]
    fn a_sink_that_is_busy_is_tried_again() {
        let took = Rc::new(RefCell::new(Vec::new()));
        let fails = |times| -> Vec<Box<dyn Sink>> { vec![Box::new(Fails(RefCell::new(times), Rc::clone(&took)))] };
        Sinks::new(fails(2), Duration::from_secs(60), |_| ()).deliver(&alert()).unwrap();
        assert_eq!(*took.borrow(), ["issuer.new"]);
        let failure = Sinks::new(fails(u32::MAX), Duration::from_secs(60), |_| ()).deliver(&alert()).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Unreachable, "alert.undelivered"));
        assert!(failure.to_string().contains("busy"), "{failure}");
    }

    #[test]
    fn those_that_have_it_are_told_that_another_has_not() {
        let took = Rc::new(RefCell::new(Vec::new()));
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Fails(RefCell::new(0), Rc::clone(&took))),
            Box::new(Fails(RefCell::new(u32::MAX), Rc::new(RefCell::new(Vec::new())))),
        ];
        Sinks::new(sinks, Duration::ZERO, |_| ()).deliver(&alert()).unwrap_err();
        assert_eq!(*took.borrow(), ["issuer.new", "alert.undelivered"]);
    }

    #[test]
    fn a_command_confirms_by_ending_with_zero() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("got");
        command(&format!("cat > '{}'", path.display())).send(&alert()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), alert().line());
        command("exit 0").send(&alert()).unwrap();
        assert!(command("exit 3").send(&alert()).unwrap_err().contains('3'));
        assert!(command("/nowhere/at/all").send(&alert()).unwrap_err().contains("127"));
        let slow = ToCommand { command: "sleep 600 & wait".to_owned(), limit: Duration::from_millis(50) };
        assert!(slow.send(&alert()).unwrap_err().contains("was killed"));
    }

    #[test]
    fn a_file_gets_whole_lines_also_after_a_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        let sink = ToFile { path: path.clone() };
        sink.send(&alert()).unwrap();
        sink.send(&alert()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), alert().line().repeat(2));
        std::fs::write(&path, "{\"torn").unwrap();
        sink.send(&alert()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{{\"torn\n{}", alert().line()));
        assert!(ToFile { path: dir.path().join("none/alerts") }.send(&alert()).is_err());
    }

    #[test]
    fn what_is_signed_holds_the_time_and_every_byte() {
        assert_eq!(signed_bytes(7, b"{}\n"), b"vitrine.example/alert@v0\n7\n{}\n");
    }
}
