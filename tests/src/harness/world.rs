//! A whole log in one folder: keys, charter, three witnesses, policies, the server, issuers; all by the binaries' commands.
//!
//! A second log, for accesses, is a world of its own in a folder inside, before the same witnesses. The files have fixed names,
//! so that what a test or a person types next is short. Not here: events (`log-client event`).

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use vitrine_spec::note::Note;

use super::process::{Outcome, Server, run};

/// The witnesses of every world.
pub const WITNESSES: [&str; 3] = ["w1", "w2", "w3"];

/// The readers of every log that takes accesses, with their roles; the key of each is `<name>.reader`.
pub const READERS: [(&str, &str); 2] = [("supervisor", "supervisor"), ("second-eye", "vault")];

/// The site of every log and of the issuers that name one.
pub const SITE: &str = "CH-ZH-1";

/// What a log takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Releases,
    Accesses,
}

impl Takes {
    const fn types(self) -> &'static [&'static str] {
        match self {
            Takes::Releases => &["build", "rebuild", "code-review", "update", "verdict", "rules", "correction"],
            Takes::Accesses => &["access", "erasure", "rules", "correction"],
        }
    }
}

/// A log with its witnesses.
pub struct World {
    /// Everything is in here.
    pub folder: PathBuf,
    /// The keys of the witnesses, and what `witness init` printed of them.
    pub witness_folder: PathBuf,
    /// The log's name.
    pub origin: String,
    /// The fingerprint of its charter.
    pub fingerprint: String,
    /// The witnesses that run.
    pub witnesses: Vec<Option<Server>>,
    /// The server, when it runs.
    pub log: Option<Server>,
    ports: [Option<String>; 4],
    /// When the charter says that it was recorded; now when nothing is said.
    begun: Option<String>,
}

impl World {
    /// A log of releases: makes keys and charter, starts the witnesses, writes `policy` (both keys of each witness, 2 of 3) for
    /// verifiers and `server.policy` (either key) for the server, initialises `log` and starts it.
    ///
    /// # Errors
    /// The command that did not do what it should.
    pub fn create(folder: &Path, origin: &str) -> Result<World, String> {
        World::alone(folder, origin, Takes::Releases)
    }

    /// The same, with a charter that was recorded at this time: a log that seems to have run for a while.
    ///
    /// # Errors
    /// The command that did not do what it should.
    pub fn create_begun(folder: &Path, origin: &str, begun: &str) -> Result<World, String> {
        let mut world = World::with_witnesses(folder, origin)?;
        world.begun = Some(begun.to_owned());
        world.ready(Takes::Releases)
    }

    /// The same with a log of accesses, whose readers are [`READERS`].
    ///
    /// # Errors
    /// The command that did not do what it should.
    pub fn create_access(folder: &Path, origin: &str) -> Result<World, String> {
        World::alone(folder, origin, Takes::Accesses)
    }

    /// A log of releases and, in the folder `access` inside, a log of accesses; the witnesses are the first world's and know both.
    ///
    /// # Errors
    /// The command that did not do what it should.
    pub fn create_two(folder: &Path, releases: &str, accesses: &str) -> Result<(World, World), String> {
        let mut first = World::with_witnesses(folder, releases)?;
        first.prepare(Takes::Releases)?;
        let mut second = World::empty(&first.path("access"), &first.folder, accesses)?;
        second.prepare(Takes::Accesses)?;
        first.write("log.list", first.read("log.list")? + &second.read("log.list")?)?;
        first.start_witnesses()?;
        second.ports.clone_from(&first.ports);
        for world in [&mut first, &mut second] {
            world.write_policies()?;
            world.start_log(&[])?;
        }
        Ok((first, second))
    }

    fn alone(folder: &Path, origin: &str, takes: Takes) -> Result<World, String> {
        World::with_witnesses(folder, origin)?.ready(takes)
    }

    fn ready(mut self, takes: Takes) -> Result<World, String> {
        self.prepare(takes)?;
        self.start_witnesses()?;
        self.write_policies()?;
        self.start_log(&[])?;
        Ok(self)
    }

    /// A world without anything in it, whose witnesses are those of another folder.
    fn empty(folder: &Path, witness_folder: &Path, origin: &str) -> Result<World, String> {
        let whole = |path: &Path| path.canonicalize().map_err(|e| format!("{}: {e}", path.display()));
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(World {
            folder: whole(folder)?,
            witness_folder: whole(witness_folder)?,
            origin: origin.to_owned(),
            fingerprint: String::new(),
            witnesses: Vec::new(),
            log: None,
            ports: [const { None }; 4],
            begun: None,
        })
    }

    fn with_witnesses(folder: &Path, origin: &str) -> Result<World, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut world = World::empty(folder, folder, origin)?;
        for name in WITNESSES {
            let (dir, keys, full) = (name.to_owned(), format!("{name}.keys"), format!("{name}.example"));
            let init = run(&world.folder, "witness", ["init", "--dir", &dir, "--keys", &keys, "--name", &full])?
                .expect_code(0)?;
            world.write(&format!("{name}.txt"), &init.out)?;
            world.witnesses.push(None);
        }
        Ok(world)
    }

    /// Makes the keys of everybody but the witnesses, the charter, and the log with it.
    fn prepare(&mut self, takes: Takes) -> Result<(), String> {
        let keygen = self.server(&["keygen", "--keys", "log.keys", "--origin", &self.origin])?;
        self.write("log.txt", &keygen.out)?;
        self.write("log.list", lines(&keygen.out, "log "))?;
        for role in ["operator", "supervisor"] {
            self.key(role)?;
        }
        let mut charter = vec!["charter", "new", "--origin", &self.origin, "--log-keys", "log.txt"];
        charter.extend(["--operator", "operator.key", "--supervisor", "supervisor.key"]);
        charter.extend(takes.types().iter().flat_map(|name| ["--type", name]));
        let site = format!("{SITE}=Zurich");
        charter.extend(["--site", &site, "--out", "charter.json"]);
        let begun = self.begun.clone();
        charter.extend(begun.iter().flat_map(|begun| ["--recorded", begun.as_str()]));
        let readers = match takes {
            Takes::Releases => Vec::new(),
            Takes::Accesses => self.make_readers()?,
        };
        charter.extend(readers.iter().flat_map(|reader| ["--reader", reader.as_str()]));
        self.client(&charter)?.expect_code(0)?;
        for role in ["operator.key", "supervisor.key"] {
            self.client(&["charter", "sign", "--key", role, "charter.json"])?.expect_code(0)?;
        }
        let init = self.server(&["init", "--dir", "log", "--keys", "log.keys", "--charter", "charter.json"])?;
        let print = init.out.lines().find_map(|line| line.strip_prefix("fingerprint"));
        print.ok_or("init prints no fingerprint")?.trim().clone_into(&mut self.fingerprint);
        Ok(())
    }

    /// Makes the key of each reader; what the charter says of them.
    fn make_readers(&self) -> Result<Vec<String>, String> {
        let mut readers = Vec::new();
        for (name, role) in READERS {
            let file = format!("{name}.reader");
            self.client(&["key", "new", "--kind", "reader", "--name", name, "--out", &file])?.expect_code(0)?;
            readers.push(format!("{name}:{role}:{file}"));
        }
        Ok(readers)
    }

    fn start_witnesses(&mut self) -> Result<(), String> {
        (0..WITNESSES.len()).try_for_each(|number| self.start_witness(number))
    }

    /// Starts a witness, at the port that it had before; those of a second log are started by the world of the first.
    ///
    /// # Errors
    /// What it said instead of its address.
    pub fn start_witness(&mut self, number: usize) -> Result<(), String> {
        let name = WITNESSES[number];
        let keys = format!("{name}.keys");
        let listen = self.listen(number);
        let args = ["serve", "--dir", name, "--keys", &keys, "--listen", &listen, "--logs", "log.list"];
        let server = Server::start(&self.folder, "witness", args, &self.path(&format!("{name}.err")))?;
        self.ports[number] = Some(server.url.trim_start_matches("http://").to_owned());
        self.witnesses[number] = Some(server);
        Ok(())
    }

    /// The address that a server had before, else a new one that nothing is given by chance while the server is down.
    fn listen(&self, number: usize) -> String {
        self.ports[number].clone().unwrap_or_else(free_address)
    }

    /// Writes both policies from what the witnesses printed and where they listen.
    fn write_policies(&self) -> Result<(), String> {
        let mut from = vec!["--from".to_owned(), "log.txt".to_owned()];
        for (number, name) in WITNESSES.iter().enumerate() {
            let path = self.witness_folder.join(format!("{name}.txt"));
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let port = self.ports[number].as_deref().unwrap_or_default();
            let placed: String = lines(&text, "witness ")
                .lines()
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(line, _)| format!("{line} http://{port}\n"))
                .collect();
            self.write(&format!("{name}.policy"), &placed)?;
            from.extend(["--from".to_owned(), format!("{name}.policy")]);
        }
        for (keys, out) in [("any", "server.policy"), ("both", "policy")] {
            let mut args = vec!["policy", "make", "--keys", keys, "--quorum", "2", "--out", out];
            args.extend(from.iter().map(String::as_str));
            self.client(&args)?.expect_code(0)?;
        }
        Ok(())
    }

    /// Starts the log server, at the port that it had before.
    ///
    /// # Errors
    /// What it said instead of its address.
    pub fn start_log(&mut self, more: &[&str]) -> Result<(), String> {
        let listen = self.listen(3);
        let mut args =
            vec!["serve", "--dir", "log", "--keys", "log.keys", "--listen", &listen, "--policy", "server.policy"];
        args.extend(["--min-free", "1048576"]);
        args.extend(more);
        let server = Server::start(&self.folder, "log-server", args, &self.path("log.err"))?;
        self.ports[3] = Some(server.url.trim_start_matches("http://").to_owned());
        self.log = Some(server);
        Ok(())
    }

    /// Kills the server with SIGKILL and starts it again.
    ///
    /// # Errors
    /// As [`World::start_log`].
    pub fn kill_log(&mut self) -> Result<(), String> {
        if let Some(server) = self.log.take() {
            server.kill();
        }
        self.start_log(&[])
    }

    /// Stops everything; each process must end by itself.
    ///
    /// # Errors
    /// A process that ended with an error, or not at all.
    pub fn stop(&mut self) -> Result<(), String> {
        let servers = self.log.take().into_iter().chain(self.witnesses.iter_mut().filter_map(Option::take));
        for server in servers {
            let status = server.stop()?;
            if !status.success() {
                return Err(format!("a server ended with {status} after SIGTERM"));
            }
        }
        Ok(())
    }

    /// The log's address; the one it had when it does not run.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.ports[3].as_deref().unwrap_or("127.0.0.1:9"))
    }

    /// Size of the published checkpoint, from the data directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn published(&self) -> Result<u64, String> {
        let text = self.read("log/checkpoint")?;
        let note = Note::parse(text.as_bytes()).map_err(|e| e.to_string())?;
        let size = note.text.lines().nth(1).and_then(|line| line.parse().ok());
        size.ok_or_else(|| "log/checkpoint has no size".to_owned())
    }

    /// Runs `log-client` in the folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client(&self, args: &[&str]) -> Result<Outcome, String> {
        run(&self.folder, "log-client", args)
    }

    /// Runs `log-server` in the folder, which must succeed.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn server(&self, args: &[&str]) -> Result<Outcome, String> {
        run(&self.folder, "log-server", args)?.expect_code(0)
    }

    /// Makes the key `<name>.key`, named `<name>.example`.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn key(&self, name: &str) -> Result<(), String> {
        let (full, file) = (format!("{name}.example"), format!("{name}.key"));
        self.client(&["key", "new", "--name", &full, "--out", &file])?.expect_code(0).map(|_| ())
    }

    /// Makes an event file `<file>` of an issuer; `more` goes on the command line.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn event(&self, kind: &str, issuer: &str, file: &str, more: &[&str]) -> Result<(), String> {
        let mut args = vec!["event", "new", kind, "--origin", &self.origin, "--issuer", issuer, "--out", file];
        args.extend(more);
        self.client(&args)?.expect_code(0).map(|_| ())
    }

    /// Submits event files with the key of their issuer, and waits for the proofs.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn submit(&self, issuer: &str, files: &[&str]) -> Result<Outcome, String> {
        let (key, url, spool) = (format!("{issuer}.key"), self.url(), format!("spool-{issuer}"));
        let mut args = vec!["submit", "--log", &url, "--policy", "policy", "--key", &key, "--spool", &spool];
        args.extend(files);
        self.client(&args)?.expect_code(0)
    }

    /// Opens an issuer: makes its key and an opening that it and the operator sign.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn open(&self, issuer: &str, fields: &[&str]) -> Result<(), String> {
        self.open_with(issuer, fields, &[])
    }

    /// As [`World::open`]; `arguments` goes on the command line too.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn open_with(&self, issuer: &str, fields: &[&str], arguments: &[&str]) -> Result<(), String> {
        self.key(issuer)?;
        let (key, file) = (format!("{issuer}.key"), format!("open-{issuer}.json"));
        let mut more = vec!["--vkey", &key, "--cosigner", "operator.key", "--field", "heartbeat_s=86400"];
        more.extend(["--field", "jurisdiction=CH"]);
        more.extend(fields.iter().flat_map(|field| ["--field", field]));
        more.extend(arguments);
        self.event("issuer-open", issuer, &file, &more)?;
        for signer in [key.as_str(), "operator.key"] {
            self.client(&["event", "sign", "--key", signer, &file])?.expect_code(0)?;
        }
        self.submit(issuer, &[&file]).map(|_| ())
    }

    /// Opens an issuer of accesses at [`SITE`].
    ///
    /// # Errors
    /// The command and what it said.
    pub fn open_accesses(&self, issuer: &str) -> Result<(), String> {
        self.open_with(issuer, &["types.access=strict", &format!("sites={SITE}")], &["--site", SITE])
    }

    /// Pins the charter, the policy and every issuer into `trust`.
    ///
    /// # Errors
    /// The command and what it said.
    pub fn trust(&self, out: &str, more: &[&str]) -> Result<Outcome, String> {
        let url = self.url();
        let mut args =
            vec!["trust", "init", "--log", &url, "--charter", &self.fingerprint, "--policy", "policy", "--out", out];
        args.extend(more);
        self.client(&args)?.expect_code(0)
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads a file of the folder.
    ///
    /// # Errors
    /// Its path and why not.
    pub fn read(&self, name: &str) -> Result<String, String> {
        fs::read_to_string(self.path(name)).map_err(|e| format!("{name}: {e}"))
    }

    /// Writes a file of the folder.
    ///
    /// # Errors
    /// Its path and why not.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<(), String> {
        fs::write(self.path(name), bytes).map_err(|e| format!("{name}: {e}"))
    }
}

fn lines(text: &str, prefix: &str) -> String {
    text.lines().filter(|line| line.starts_with(prefix)).map(|line| format!("{line}\n")).collect()
}

/// A loopback address with a port below those that the system gives to whoever asks for any.
fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap_or(0);
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return format!("127.0.0.1:{port}");
        }
    }
}
