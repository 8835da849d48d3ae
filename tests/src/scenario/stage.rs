//! The commands of a story, played on a whole log with three witnesses.
//!
//! The binaries stand for themselves; `submit`, `build`, `add`, `open` and `sign` are `log-client` with the arguments that every
//! story would repeat. A story that begins with `log of accesses` has such a log, one that begins with `log of either kind` is
//! played on both, but for the lines that begin with `of-accesses` or `of-releases`. Nothing sleeps in place of a condition:
//! `until` asks again until the answer is the one told.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vitrine_log_client::event_file::EventFile;
use vitrine_spec::edge::Edge;
use vitrine_spec::envelope::{Envelope, Submission};
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Seed;
use vitrine_spec::request::{AttachRequest, ReadRequest};
use vitrine_spec::words::{Name, Time};

use super::makers::Makers;
use super::{Line, Want, read};
use crate::demo::product::now;
use crate::harness::forge;
use crate::harness::process::{Outcome, PATIENCE, Server, run};
use crate::harness::world::{WITNESSES, World};

/// Before every story: the charter and the vault's first sign of life are logged, so that indices are known.
const BEFORE: &str = "until get /readyz -> 200 `\"published\":2`";

/// The first line of a story about accesses.
const ACCESSES: &str = "log of accesses";

/// The first line of a story that is true of accesses and of releases.
const EITHER: &str = "log of either kind";

/// Bytes before a sealed record in an object of one: `zero` and `exchange` leave them.
const FRAME: usize = 12;

/// How long `until` waits before it asks again: only how soon a story goes on depends on it.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What came of a command.
struct Answer {
    code: Option<i32>,
    /// Everything it said, headers included.
    said: String,
    /// The body alone; of a program its standard output.
    body: String,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Answer {
        Answer { code: outcome.code, said: format!("{}{}", outcome.out, outcome.err), body: outcome.out }
    }
}

impl Answer {
    fn done() -> Answer {
        Answer { code: Some(0), said: String::new(), body: String::new() }
    }
}

/// A log, its witnesses, and what a story has started and named.
pub struct Stage {
    world: World,
    /// The log takes accesses, not releases.
    accesses: bool,
    makers: Makers,
    /// Witnesses beside the three.
    others: BTreeMap<String, Server>,
    names: BTreeMap<String, String>,
    begun: Option<JoinHandle<Result<Outcome, String>>>,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

/// Plays a story on a new log in `folder`, until its first line that does not come out as told.
///
/// # Errors
/// The line, what was told and what came.
pub fn play(folder: &Path, text: &str) -> Result<(), String> {
    let lines = read(text)?;
    let (kinds, lines): (&[bool], &[Line]) = match lines.split_first() {
        Some((first, rest)) if first.text.trim() == ACCESSES => (&[true], rest),
        Some((first, rest)) if first.text.trim() == EITHER => (&[false, true], rest),
        Some(_) | None => (&[false], &lines),
    };
    for accesses in kinds {
        let (name, world) = if *accesses {
            ("accesses", World::create_access(&folder.join("accesses"), "story.example/log"))
        } else {
            ("releases", World::create(&folder.join("releases"), "story.example/log"))
        };
        play_on(Stage::new(world?, *accesses)?, lines).map_err(|why| format!("log of {name}, {why}"))?;
    }
    Ok(())
}

fn play_on(mut stage: Stage, lines: &[Line]) -> Result<(), String> {
    for line in read(BEFORE)?.iter().chain(lines) {
        stage.line(line).map_err(|why| format!("line {}: {}\n{why}", line.number, line.text))?;
    }
    if stage.begun.is_some() {
        return Err("`begin` without `finish`".to_owned());
    }
    stage.others.clear();
    stage.world.stop()
}

impl Stage {
    fn new(world: World, accesses: bool) -> Result<Stage, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|e| e.to_string())?;
        let names = [
            ("LOG", world.url()),
            ("ORIGIN", world.origin.clone()),
            ("FINGERPRINT", world.fingerprint.clone()),
            ("NOW", now().to_string()),
        ];
        let names = names.map(|(name, value)| (name.to_owned(), value)).into();
        let (makers, others) = (Makers::default(), BTreeMap::new());
        Ok(Stage { world, accesses, makers, others, names, begun: None, runtime, client })
    }

    fn line(&mut self, line: &Line) -> Result<(), String> {
        let words: Vec<String> =
            line.words.iter().map(|word| if word.open { self.named(&word.text) } else { word.text.clone() }).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let words = match words.split_first() {
            Some((&"of-accesses", rest)) if self.accesses => rest,
            Some((&"of-releases", rest)) if !self.accesses => rest,
            Some((&("of-accesses" | "of-releases"), _)) => return Ok(()),
            _ => words.as_slice(),
        };
        let (again, words) = match words.split_first() {
            Some((&"until", rest)) => (true, rest),
            _ => (false, words),
        };
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.command(words)?;
            match self.judge(line, &answer) {
                Ok(()) => return Ok(()),
                Err(why) if !again || Instant::now() >= until => return Err(format!("{why}\n{}", self.errors())),
                Err(_) => std::thread::sleep(ASK_AGAIN),
            }
        }
    }

    fn judge(&self, line: &Line, answer: &Answer) -> Result<(), String> {
        let (code, wants) = line.wanted.as_ref().map_or((0, [].as_slice()), |(code, wants)| (*code, wants.as_slice()));
        let came = |what: String| Err(format!("  {what}\n  {:?}\n{}", answer.code, answer.said));
        if answer.code != Some(i32::from(code)) {
            return came(format!("not {code}"));
        }
        for (want, open) in wants {
            let fill = |text: &str| if *open { self.named(text) } else { text.to_owned() };
            let (kept, words) = match want {
                Want::Says(words) => (answer.said.contains(&fill(words)), words),
                Want::SaysNot(words) => (!answer.said.contains(&fill(words)), words),
                Want::Is(words) => (answer.body == fill(words), words),
            };
            if !kept {
                return came(format!("not as told: {:?}", fill(words)));
            }
        }
        Ok(())
    }

    /// `text` with every `$NAME` replaced; what has no value stays as it is.
    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.names.iter().rev() {
            text = text.replace(&format!("${name}"), value);
        }
        text
    }

    /// What the log server wrote last.
    fn errors(&self) -> String {
        let text = self.world.read("log.err").unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn command(&mut self, words: &[&str]) -> Result<Answer, String> {
        match words {
            ["begin", rest @ ..] => {
                let (program, arguments) = self.program(rest)?;
                let folder = self.world.folder.clone();
                self.begun = Some(std::thread::spawn(move || run(&folder, &program, &arguments)));
                Ok(Answer::done())
            }
            ["finish"] => {
                let begun = self.begun.take().ok_or("nothing was begun")?;
                begun.join().map_err(|_| "what was begun panicked")?.map(Answer::from)
            }
            ["let", name, "id", file] if let Ok(sent) = self.sent(file) => {
                self.names.insert((*name).to_owned(), sent.envelope.id().hex());
                Ok(Answer::done())
            }
            ["let", name, "id", file] => {
                let shown = run(&self.world.folder, "log-client", ["--json", "show", file])?.expect_code(0)?;
                let id = shown.out.split_once("\"event_id\":").map(|(_, rest)| rest.trim_start());
                let id = id.and_then(|rest| rest.split('"').nth(1)).ok_or("no event_id is shown")?.to_owned();
                self.names.insert((*name).to_owned(), id);
                Ok(Answer::done())
            }
            ["let", name, "lookup", file] => {
                let found = self.lookup(file)?;
                self.names.insert((*name).to_owned(), found);
                Ok(Answer::done())
            }
            ["let", name, "sha256", file] => {
                let bytes = fs::read(self.world.path(file)).map_err(|e| format!("{file}: {e}"))?;
                self.names.insert((*name).to_owned(), Hash::of(&bytes).hex());
                Ok(Answer::done())
            }
            ["open", issuer, rest @ ..] => {
                let options = rest.iter().position(|word| word.starts_with("--")).unwrap_or(rest.len());
                let (fields, options) = rest.split_at(options);
                self.world.open_with(issuer, fields, options).map(|()| Answer::done())
            }
            ["sign", file, signers @ ..] => self.sign(file, signers),
            ["read", name] => {
                let text = self.world.read(name)?;
                Ok(Answer { code: Some(0), said: text.clone(), body: text })
            }
            ["join", issuer] if self.accesses => {
                self.makers.join_of_accesses(&self.world, issuer).map(|()| Answer::done())
            }
            ["join", issuer] => Makers::join_of_builds(&self.world, issuer).map(|()| Answer::done()),
            ["make", issuer, name] => self.make(issuer, name).map(|()| Answer::done()),
            ["build", issuer, name, more @ ..] => self.build(issuer, name, more).map(|()| Answer::done()),
            ["attach", issuer, file] => self.attach(issuer, file),
            ["add", issuer, count] => self.add(issuer, count.parse().map_err(|_| "no number")?),
            ["start" | "stop" | "kill", ..] => self.process(words),
            ["get", path] => {
                let url = format!("{}{path}", self.world.url());
                self.send(self.client.get(url))
            }
            ["post", path, body, rest @ ..] => {
                let kind = rest.first().copied().unwrap_or("application/json");
                let url = format!("{}{path}", self.world.url());
                let request = self.client.post(url).header("content-type", kind);
                self.send(request.body(self.body(body)?))
            }
            ["announce", path, count, rest @ ..] => {
                self.announce(path, count, rest.first().copied().unwrap_or("application/json"))
            }
            ["read-sealed", key, from, to, how @ ..] => self.read_sealed(key, from, to, how),
            ["add-checkpoint", witness, old, size, rest @ ..] => self.add_checkpoint(witness, old, size, rest),
            ["copy" | "move" | "delete" | "truncate" | "flip" | "same" | "write" | "zero" | "exchange", ..] => {
                self.files(words)
            }
            _ => {
                let (program, arguments) = self.program(words)?;
                run(&self.world.folder, &program, &arguments).map(Answer::from)
            }
        }
    }

    /// A program of ours and its arguments; `submit ISSUER FILE...` is short for `log-client submit`.
    fn program(&self, words: &[&str]) -> Result<(String, Vec<String>), String> {
        match words {
            [program @ ("log-client" | "log-server" | "witness"), rest @ ..] => {
                Ok(((*program).to_owned(), rest.iter().map(|word| (*word).to_owned()).collect()))
            }
            ["submit", issuer, rest @ ..] => {
                let (key, spool) = (format!("{issuer}.key"), format!("spool-{issuer}"));
                let url = self.world.url();
                let mut args = vec!["submit", "--log", &url, "--policy", "policy", "--key", &key, "--spool", &spool];
                args.extend(rest);
                Ok(("log-client".to_owned(), args.into_iter().map(str::to_owned).collect()))
            }
            _ => Err("no such command".to_owned()),
        }
    }

    /// Makes `<name>.json`, a build by an issuer whose builder is `https://<issuer>.example/farm`.
    fn build(&self, issuer: &str, name: &str, more: &[&str]) -> Result<(), String> {
        self.world.write(name, name)?;
        let (builder, number) = (format!("builder_id=https://{issuer}.example/farm"), format!("invocation_id={name}"));
        let (from, to) = (format!("started={}", now()), format!("finished={}", now()));
        let mut more = more.to_vec();
        more.extend(["--file", name, "--field", "purl=pkg:generic/story@1.0", "--field", "source.uri=git:story"]);
        more.extend(["--field", "source.digest.gitTree=0123456789abcdef0123456789abcdef01234567"]);
        more.extend(["--field", "build_type=https://story.example/type"]);
        more.extend(["--field", "build_site=CH-ZH-1", "--field", "signing_site=CH-ZH-1"]);
        more.extend([&builder, &number, &from, &to].into_iter().flat_map(|field| ["--field", field.as_str()]));
        self.world.event("build", issuer, &format!("{name}.json"), &more)
    }

    /// Makes `<name>.json`, the next event of an issuer, and `<name>`, of which its subject is the digest.
    fn make(&mut self, issuer: &str, name: &str) -> Result<(), String> {
        if self.accesses {
            return self.makers.access(&self.world, issuer, name);
        }
        self.build(issuer, name, &[])?;
        let (key, file) = (format!("{issuer}.key"), format!("{name}.json"));
        self.world.client(&["event", "sign", "--key", &key, &file])?.expect_code(0).map(|_| ())
    }

    /// Signs an event or a charter with the keys of these names, one after the other.
    fn sign(&self, file: &str, signers: &[&str]) -> Result<Answer, String> {
        let envelope = Envelope::parse(self.world.read(file)?.as_bytes(), 0).map_err(|refusal| refusal.to_string())?;
        let event = EventFile::of(envelope)?;
        let what = if event.kind() == Some("charter") { "charter" } else { "event" };
        for signer in signers {
            let key = format!("{signer}.key");
            self.world.client(&[what, "sign", "--key", &key, file])?.expect_code(0)?;
        }
        Ok(Answer::done())
    }

    /// How `/lookup` finds an event: by its place when it is of a sealed type, which no index holds by its identity.
    fn lookup(&self, file: &str) -> Result<String, String> {
        let envelope = match self.sent(file) {
            Ok(sent) => sent.envelope,
            Err(_) => Envelope::parse(self.world.read(file)?.as_bytes(), 1).map_err(|refusal| refusal.to_string())?,
        };
        let event = Event::read(envelope).map_err(|refusal| refusal.to_string())?;
        Ok(match event.statement.header.place().filter(|_| event.statement.kind.is_sealed()) {
            Some(at) => format!("issuer={}&epoch={}&seq={}", at.issuer, at.epoch, at.seq),
            None => format!("event_id={}", event.id.hex()),
        })
    }

    /// Puts a file into the log, for an event of the issuer to name.
    fn attach(&self, issuer: &str, file: &str) -> Result<Answer, String> {
        let bytes = fs::read(self.world.path(file)).map_err(|e| format!("{file}: {e}"))?;
        let sha256 = Hash::of(&bytes);
        let request = AttachRequest {
            origin: self.world.origin.clone(),
            sha256,
            size: bytes.len() as u64,
            media_type: "text/plain".to_owned(),
            issuer: Name::new(issuer).ok_or("no name")?,
            expires: Time::new(now() + 60),
        };
        let key = forge::key(&self.world.path(&format!("{issuer}.key")))?;
        let authorization = request.authorization(&key).map_err(|e| e.to_string())?;
        let url = format!("{}/attachments/{}", self.world.url(), sha256.hex());
        self.send(self.client.put(url).header("authorization", authorization).body(bytes))
    }

    /// What is sent of an event, when a file holds that and not the event alone.
    fn sent(&self, file: &str) -> Result<Submission, String> {
        Submission::parse(self.world.read(file)?.as_bytes(), 1).map_err(|refusal| refusal.to_string())
    }

    /// Logs so many events at once.
    fn add(&mut self, issuer: &str, count: usize) -> Result<Answer, String> {
        let taken = |number: &usize| self.world.path(&format!("add-{number}.json")).exists();
        let first = (1..).find(|number| !taken(number)).unwrap_or(1);
        let names: Vec<String> = (first..first + count).map(|number| format!("add-{number}")).collect();
        names.iter().try_for_each(|name| self.make(issuer, name))?;
        let files: Vec<String> = names.iter().map(|name| format!("{name}.json")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (program, arguments) = self.program(&[&["submit", issuer], files.as_slice()].concat())?;
        run(&self.world.folder, &program, &arguments).map(Answer::from)
    }

    fn witness_number(name: &str) -> Option<usize> {
        WITNESSES.iter().position(|known| *known == name)
    }

    fn process(&mut self, words: &[&str]) -> Result<Answer, String> {
        if let ["start", name, more @ ..] = words {
            match (*name, Stage::witness_number(name)) {
                ("log", _) => self.world.start_log(more)?,
                (_, Some(number)) => self.world.start_witness(number)?,
                (name, None) => {
                    let keys = format!("{name}.keys");
                    let args =
                        ["serve", "--dir", name, "--keys", &keys, "--listen", "127.0.0.1:0", "--logs", "log.list"];
                    let errors = self.world.path(&format!("{name}.err"));
                    let server = Server::start(&self.world.folder, "witness", args, &errors)?;
                    self.others.insert(name.to_owned(), server);
                }
            }
            return Ok(Answer::done());
        }
        let [how, name] = words else { return Err("start, stop or kill takes one name".to_owned()) };
        let server = match (*name, Stage::witness_number(name)) {
            ("log", _) => self.world.log.take(),
            (_, Some(number)) => self.world.witnesses[number].take(),
            (name, None) => self.others.remove(name),
        };
        let server = server.ok_or_else(|| format!("{name} does not run"))?;
        if *how == "kill" {
            server.kill();
            return Ok(Answer::done());
        }
        let status = server.stop()?;
        Ok(Answer { code: status.code(), said: status.to_string(), body: String::new() })
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|e| format!("{e:?}"))?;
            let status = i32::from(answer.status().as_u16());
            let mut said = String::new();
            for (name, value) in answer.headers() {
                said.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
            }
            let body = answer.bytes().await.map_err(|e| format!("{e:?}"))?;
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { code: Some(status), said: format!("{said}\n{body}"), body })
        })
    }

    /// The head of a request that promises a body of so many bytes, and none of them: the server answers all the same.
    fn announce(&self, path: &str, count: &str, kind: &str) -> Result<Answer, String> {
        let url = self.world.url();
        let address = url.trim_start_matches("http://");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: {count}\r\n\r\n"
        );
        let mut said = String::new();
        let exchange = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(head.as_bytes())?;
            stream.read_to_string(&mut said)
        });
        exchange.map_err(|e| format!("{e}: {said}"))?;
        let code = said.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = said.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned());
        Ok(Answer { code, said, body })
    }

    /// A body as it is written, or `event:FILE` for the submission of an event file.
    fn body(&self, text: &str) -> Result<Vec<u8>, String> {
        if let Some(file) = text.strip_prefix("event:") {
            if let Ok(sent) = self.sent(file) {
                return Ok(sent.print());
            }
            return Ok(format!("{{\"envelope\":{}}}", self.world.read(file)?.trim_end()).into_bytes());
        }
        Ok(text.as_bytes().to_vec())
    }

    /// Asks a witness for its cosignature of the log's head at `size=`, signed with the log's keys, as a continuation of
    /// `old=`; with `fork` of another head of that size, with `signed-by=KEYS` under other keys, with `unproven` without the
    /// proof of consistency.
    fn add_checkpoint(&self, witness: &str, old: &str, size: &str, how: &[&str]) -> Result<Answer, String> {
        let number = |word: &str, name: &str| -> Result<u64, String> {
            let digits = word.strip_prefix(name).ok_or_else(|| format!("{word} is not {name}N"))?;
            digits.parse().map_err(|_| format!("{word} has no number"))
        };
        let (old, size) = (number(old, "old=")?, number(size, "size=")?);
        let mut leaves: Vec<Hash> = forge::entries(&self.world.path("log"), self.world.published()?)?
            .iter()
            .map(|entry| leaf_hash(entry))
            .collect();
        if leaves.len() < usize::try_from(size).map_err(|e| e.to_string())? {
            return Err(format!("the log has {} entries", leaves.len()));
        }
        leaves.truncate(usize::try_from(size).map_err(|e| e.to_string())?);
        let mut edge = Edge::empty();
        edge.append(&leaves);
        let root = if how.contains(&"fork") { Hash::of(b"another history") } else { edge.root() };
        let keys = how.iter().find_map(|word| word.strip_prefix("signed-by=")).unwrap_or("log.keys");
        let keys = ["log-ed25519.key", "log-mldsa44.key"]
            .iter()
            .map(|name| forge::key(&self.world.path(keys).join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let note = forge::checkpoint(&self.world.origin, size, root, &keys, now())?;
        let proof = if old == 0 || old >= size || how.contains(&"unproven") {
            String::new()
        } else {
            self.consistency(old, size)?
        };
        let body = [format!("old {old}\n{proof}\n").into_bytes(), note].concat();
        let url = format!("{}/add-checkpoint", self.witness_url(witness)?);
        self.send(self.client.post(url).body(body))
    }

    /// Asks for sealed records with the key of a reader's file: signed for this log, for a minute and for what is asked for, but
    /// with `origin=O` for another log, with `for=SECONDS` for as long, with `signed=TO` for another end.
    fn read_sealed(&self, key: &str, from: &str, to: &str, how: &[&str]) -> Result<Answer, String> {
        let told = |name: &str| how.iter().find_map(|word| word.strip_prefix(name));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        let lasts =
            told("for=").map_or(Ok(60), |text| text.parse::<i64>().map_err(|_| format!("{text} is no number")))?;
        let request = ReadRequest {
            origin: told("origin=").unwrap_or(&self.world.origin).to_owned(),
            from: number(from)?,
            to: number(told("signed=").unwrap_or(to))?,
            purpose: "SUPERVISOR_AUDIT".to_owned(),
            expires: Time::new(now().saturating_add_signed(lasts)),
        };
        let file = self.world.read(key)?;
        let line = file.lines().next().unwrap_or_default();
        let seed = Seed::parse(line).map_err(|e| format!("{key}: {e}"))?;
        let authorization = request.authorization(&seed).map_err(|e| format!("{key}: {e}"))?;
        let url = format!("{}/sealed/{from}-{to}", self.world.url());
        self.send(self.client.get(url).header("authorization", authorization))
    }

    fn witness_url(&self, name: &str) -> Result<String, String> {
        let server = match Stage::witness_number(name) {
            Some(number) => self.world.witnesses[number].as_ref(),
            None => self.others.get(name),
        };
        server.map(|server| server.url.clone()).ok_or_else(|| format!("{name} does not run"))
    }

    /// The log's own proof, one hash a line.
    fn consistency(&self, old: u64, size: u64) -> Result<String, String> {
        let url = format!("{}/proof/consistency?from={old}&to={size}", self.world.url());
        let answer = self.send(self.client.get(url))?;
        let body: serde_json::Value =
            serde_json::from_str(&answer.body).map_err(|e| format!("{e}: {}", answer.body))?;
        let hashes = body["hashes"].as_array().ok_or("no hashes")?;
        Ok(hashes.iter().filter_map(|hash| hash.as_str()).map(|hash| format!("{hash}\n")).collect())
    }

    fn files(&self, words: &[&str]) -> Result<Answer, String> {
        let path = |name: &str| self.world.path(name);
        let fault = |e: std::io::Error| e.to_string();
        match words {
            ["copy", from, to] => copy(&path(from), &path(to)).map_err(fault)?,
            ["move", from, to] => fs::rename(path(from), path(to)).map_err(fault)?,
            ["delete", name] if path(name).is_dir() => fs::remove_dir_all(path(name)).map_err(fault)?,
            ["delete", name] => fs::remove_file(path(name)).map_err(fault)?,
            ["write", name, text] => self.world.write(name, text)?,
            ["truncate", name, "0"] => each(&path(name), &|bytes| bytes.clear()).map_err(fault)?,
            ["truncate", name] => each(&path(name), &|bytes| bytes.truncate(bytes.len() / 2)).map_err(fault)?,
            ["flip", name] => each(&path(name), &|bytes| flip(bytes, None)).map_err(fault)?,
            ["flip", name, at] => {
                let at = Some(at.parse().map_err(|_| "no place in the file")?);
                each(&path(name), &|bytes| flip(bytes, at)).map_err(fault)?;
            }
            ["zero", name] => {
                each(&path(name), &|bytes| bytes.iter_mut().skip(FRAME).for_each(|byte| *byte = 0)).map_err(fault)?
            }
            ["exchange", one, other] => {
                let (mut left, mut right) =
                    (fs::read(path(one)).map_err(fault)?, fs::read(path(other)).map_err(fault)?);
                left.iter_mut().zip(&mut right).skip(FRAME).for_each(|(left, right)| std::mem::swap(left, right));
                fs::write(path(one), left).and_then(|()| fs::write(path(other), right)).map_err(fault)?;
            }
            ["same", one, other] => {
                if fs::read(path(one)).map_err(fault)? != fs::read(path(other)).map_err(fault)? {
                    return Err(format!("{one} and {other} differ"));
                }
            }
            _ => return Err("wrong number of words".to_owned()),
        }
        Ok(Answer::done())
    }
}

/// Copies a file, or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Changes a file, or every file in a folder.
fn each(path: &Path, change: &dyn Fn(&mut Vec<u8>)) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            each(&entry?.path(), change)?;
        }
        return Ok(());
    }
    let mut bytes = fs::read(path)?;
    change(&mut bytes);
    fs::write(path, bytes)
}

/// Changes one bit, in the middle unless told where.
fn flip(bytes: &mut [u8], at: Option<usize>) {
    let at = at.unwrap_or(bytes.len() / 2);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}
