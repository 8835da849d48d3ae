//! Asking the witnesses: all at once, the log's signatures only, one request at a time per URL (85-log.md).
//!
//! A *campaign* belongs to one head: it asks each witness until it has cosigned or a newer head takes over. What it
//! learns goes to the writer as reports. A witness that fails is asked again after a pause that doubles.
//! Not here: what one answer means (`answers`), whether a quorum holds (`writer`), the first question after a start (`guard`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as TurnLock, watch};
use tokio::time::Instant;
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::{Origin, SignedCheckpoint};
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Vkey;
use vitrine_spec::note::Signature;
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::verify_consistency;
use vitrine_spec::tree::TreeSize;

use crate::answers::{self, Meaning, Reply};
use crate::config::{BACK_OFF_FIRST, BACK_OFF_MAX, WITNESS_BODY_BYTES_MAX};
use crate::log::SignedHead;
use crate::metrics::{Asked, Metrics};
use crate::reader::Reader;
use crate::time::Time;

/// What proofs for witnesses are made from.
pub trait Tree: Send + Sync {
    /// The consistency proof between two sizes of this log.
    fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, String>;
    /// The root of this log at a size it has reached.
    fn root(&self, size: TreeSize) -> Result<Hash, String>;
}

impl Tree for Reader {
    fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, String> {
        Reader::consistency(self, from, to).map_err(|error| error.to_string())
    }

    fn root(&self, size: TreeSize) -> Result<Hash, String> {
        Reader::root(self, size).map_err(|error| error.to_string())
    }
}

/// A head whose note may leave the machine, as the witnesses are asked to cosign it.
#[derive(Debug)]
pub struct Asking {
    /// The note as it was signed.
    pub checkpoint: SignedCheckpoint,
}

impl Asking {
    /// The head that `Log::begin` made durable; `None` when its note does not parse, which our own always does.
    pub fn of(head: &SignedHead) -> Option<Asking> {
        SignedCheckpoint::parse(&head.note).ok().map(|checkpoint| Asking { checkpoint })
    }

    /// Its size.
    pub fn size(&self) -> TreeSize {
        self.checkpoint.size()
    }
}

/// What a campaign tells the writer.
#[derive(Debug)]
pub enum Report {
    /// Cosignatures of the campaign's head, each with the place of its line in the policy.
    Cosigned {
        /// The campaign.
        campaign: u64,
        /// Place in the policy's witness lines, and the signature.
        signatures: Vec<(usize, Signature)>,
    },
    /// A witness claims what would make this log's state old or forked: sign nothing until this is settled.
    Hold,
    /// The claim came without a log-signed note; the witness is out and the log goes on.
    Release,
    /// A log-signed note exists that this log does not contain: sign nothing, for ever.
    Stop(String),
}

/// How a witness stands, as `/readyz` and `status` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not asked since the start.
    Unasked,
    /// It cosigned a head of this size.
    Cosigned(TreeSize),
    /// It did not cosign the last time it was asked, for this reason; it is asked again.
    Failing(String),
    /// It made a claim that it did not prove, and is not asked again until the next start.
    Out(String),
    /// A person set it aside.
    SetAside,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Standing::Unasked => write!(f, "not asked yet"),
            Standing::Cosigned(size) => write!(f, "cosigned size {size}"),
            Standing::Failing(why) => write!(f, "no cosignature: {why}"),
            Standing::Out(why) => write!(f, "out until the next start: {why}"),
            Standing::SetAside => write!(f, "set aside by --set-aside"),
        }
    }
}

/// What only the holder of a witness's turn may read and change.
#[derive(Debug, Default)]
struct Turn {
    /// The size it cosigned last, as far as we know.
    known: Option<TreeSize>,
    /// Failures in a row.
    failures: u32,
    /// It is not asked before this.
    not_before: Option<Instant>,
}

impl Turn {
    fn succeeded(&mut self, size: TreeSize) {
        *self = Turn { known: Some(size), failures: 0, not_before: None };
    }

    fn failed(&mut self) {
        let pause = BACK_OFF_FIRST.saturating_mul(1 << self.failures.min(16)).min(BACK_OFF_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + pause);
    }
}

/// One witness: a submission prefix and the policy lines whose keys are asked for there.
#[derive(Debug)]
pub struct Member {
    /// Its key name.
    pub name: String,
    /// Its submission prefix, without a slash at the end.
    pub url: String,
    /// Where it is read.
    pub monitoring: String,
    /// Places of its lines in the policy.
    pub lines: Vec<usize>,
    /// The keys of these lines, in the same order.
    keys: Vec<Vkey>,
    turn: TurnLock<Turn>,
    out: AtomicBool,
    standing: Mutex<Standing>,
}

impl Member {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its keys, in the order of the policy.
    pub fn keys(&self) -> &[Vkey] {
        &self.keys
    }

    /// Whether it is no longer asked.
    pub fn is_out(&self) -> bool {
        self.out.load(Ordering::Acquire)
    }

    pub(crate) fn stands(&self, standing: Standing) {
        if let Standing::Out(why) = &standing {
            self.out.store(true, Ordering::Release);
            tracing::error!(witness = %self.name, url = %self.url, "witness is out: {why}");
        } else if let Standing::Failing(why) = &standing
            && self.standing() != standing
        {
            tracing::warn!(witness = %self.name, url = %self.url, "no cosignature: {why}");
        }
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

/// What a witness serves at its monitoring prefix.
#[derive(Debug)]
pub enum Seen {
    /// A note with a valid signature of this log.
    Note(Box<SignedCheckpoint>, Vec<u8>),
    /// 404: it never cosigned this log.
    Nothing,
    /// It could not be read, or what it serves is not signed by this log.
    Silent(String),
}

/// What came of asking one witness, claims settled.
#[derive(Debug)]
pub enum Outcome {
    /// It cosigned.
    Cosigned(Vec<(usize, Signature)>),
    /// It did not, and may later.
    Failed(String),
    /// It claimed something without proof.
    Claimed(String),
    /// A log-signed note that our tree does not contain.
    Forked(String),
}

/// All witnesses of the policy that have a URL.
pub struct Witnesses {
    origin: Origin,
    log_keys: Vec<Vkey>,
    /// In the order of the policy.
    pub members: Vec<Arc<Member>>,
    client: reqwest::Client,
    tree: Arc<dyn Tree>,
    evidence: PathBuf,
    metrics: Arc<Metrics>,
    wait: Duration,
    /// The newest head, whose size bounds what a witness may know; the campaign's number grows with it.
    newest: watch::Sender<(u64, TreeSize)>,
}

/// Why the witnesses of a policy cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum WitnessesError {
    /// The HTTP client could not be made.
    #[error("no HTTP client for the witnesses: {0}")]
    Client(String),
    /// A name on the command line that no witness line has.
    #[error("{option} {name}: the policy's witnesses with a URL are {known}")]
    Unknown {
        /// The option.
        option: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
}

/// What `Witnesses::new` is made of, besides the policy.
pub struct Parts {
    /// The log's origin.
    pub origin: Origin,
    /// The log's own keys, by which a note at a monitoring prefix counts.
    pub log_keys: Vec<Vkey>,
    /// Where proofs come from.
    pub tree: Arc<dyn Tree>,
    /// Where requests and answers are kept that may prove something.
    pub evidence: PathBuf,
    /// Where answers are counted.
    pub metrics: Arc<Metrics>,
    /// How long one exchange may take.
    pub wait: Duration,
}

impl Witnesses {
    /// One member per URL of the policy, in the order of its lines; `aside` and `monitoring` are by key name.
    pub fn new(
        policy: &Policy,
        aside: &[String],
        monitoring: &[(String, String)],
        parts: Parts,
    ) -> Result<Witnesses, WitnessesError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(parts.wait)
            .timeout(parts.wait)
            .pool_idle_timeout(Duration::from_secs(300))
            .tcp_nodelay(true)
            .user_agent(concat!("vitrine-log-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WitnessesError::Client(chain(&error)))?;
        let mut by_url: BTreeMap<String, usize> = BTreeMap::new();
        let mut members: Vec<Member> = Vec::new();
        for (place, line) in policy.witnesses.iter().enumerate() {
            let Some(url) = line.url.as_deref() else { continue };
            let url = url.trim_end_matches('/').to_owned();
            let at = *by_url.entry(url.clone()).or_insert(members.len());
            if at == members.len() {
                let name = line.vkey.name().to_owned();
                let read_at = monitoring.iter().find(|(other, _)| *other == name).map_or(&url, |(_, prefix)| prefix);
                members.push(Member {
                    monitoring: read_at.trim_end_matches('/').to_owned(),
                    name,
                    url,
                    lines: Vec::new(),
                    keys: Vec::new(),
                    turn: TurnLock::new(Turn::default()),
                    out: AtomicBool::new(false),
                    standing: Mutex::new(Standing::Unasked),
                });
            }
            if let Some(member) = members.get_mut(at) {
                member.lines.push(place);
                member.keys.push(line.vkey.clone());
            }
        }
        let known = || members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ");
        let named = aside.iter().map(|name| ("--set-aside", name));
        for (option, name) in named.chain(monitoring.iter().map(|(name, _)| ("--monitoring", name))) {
            if !members.iter().any(|member| member.name == *name) {
                return Err(WitnessesError::Unknown { option, name: name.clone(), known: known() });
            }
        }
        for member in members.iter().filter(|member| aside.contains(&member.name)) {
            member.out.store(true, Ordering::Release);
            member.stands(Standing::SetAside);
        }
        Ok(Witnesses {
            origin: parts.origin,
            log_keys: parts.log_keys,
            members: members.into_iter().map(Arc::new).collect(),
            client,
            tree: parts.tree,
            evidence: parts.evidence,
            metrics: parts.metrics,
            wait: parts.wait,
            newest: watch::Sender::new((0, TreeSize::new(0))),
        })
    }

    /// Says which head is the newest, before its note leaves; earlier campaigns end. Returns the new campaign's number.
    pub fn advance(&self, size: TreeSize) -> u64 {
        let mut number = 0;
        self.newest.send_modify(|newest| {
            newest.0 += 1;
            newest.1 = newest.1.max(size);
            number = newest.0;
        });
        number
    }

    /// Asks every witness for its cosignature of `asking`, until it gave one or another head is the newest.
    ///
    /// `place_done` are members that already cosigned it. Must be called within the runtime.
    pub fn campaign(
        self: &Arc<Self>,
        campaign: u64,
        asking: Arc<Asking>,
        done: &[usize],
        report: &Arc<dyn Fn(Report) + Send + Sync>,
    ) {
        for (at, member) in self.members.iter().enumerate() {
            if member.is_out() || done.contains(&at) {
                continue;
            }
            let (this, member, asking, report) =
                (Arc::clone(self), Arc::clone(member), Arc::clone(&asking), Arc::clone(report));
            tokio::spawn(async move { this.persist(campaign, &member, &asking, &*report).await });
        }
    }

    async fn persist(&self, campaign: u64, member: &Member, asking: &Asking, report: &(dyn Fn(Report) + Send + Sync)) {
        let mut newest = self.newest.subscribe();
        loop {
            let mut turn = tokio::select! {
                turn = member.turn.lock() => turn,
                _ = newest.wait_for(|(number, _)| *number != campaign) => return,
            };
            if let Some(until) = turn.not_before {
                // The pause holds no turn: a newer head waits by its own.
                drop(turn);
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    _ = newest.wait_for(|(number, _)| *number != campaign) => return,
                }
                turn = member.turn.lock().await;
                if turn.not_before.is_some_and(|later| later > until) {
                    continue;
                }
            }
            if newest.borrow().0 != campaign || member.is_out() {
                return;
            }
            let old = turn.known.unwrap_or(TreeSize::new(0));
            let outcome = self.ask(member, &mut turn, asking, old, Some(report)).await;
            match outcome {
                Outcome::Cosigned(signatures) => {
                    report(Report::Cosigned { campaign, signatures });
                    return;
                }
                Outcome::Failed(_) => {}
                Outcome::Claimed(_) => {
                    report(Report::Release);
                    return;
                }
                Outcome::Forked(proof) => {
                    report(Report::Stop(proof));
                    return;
                }
            }
        }
    }

    /// Asks once with `old`, at most once more from the size it names, and settles what it claims.
    async fn ask(
        &self,
        member: &Member,
        turn: &mut Turn,
        asking: &Asking,
        old: TreeSize,
        report: Option<&(dyn Fn(Report) + Send + Sync)>,
    ) -> Outcome {
        // Never beyond what is asked for: a later size known from elsewhere means that a newer head took over.
        let mut old = old.min(asking.size());
        let mut asked_again = false;
        let failure = loop {
            let request = match self.request(asking, old) {
                Ok(request) => request,
                Err(fault) => break fault,
            };
            let meaning = self.exchange(member, asking, &request).await;
            self.count(member, meaning.0.word());
            match meaning {
                (Meaning::Cosigned(found), _) => {
                    turn.succeeded(asking.size());
                    member.stands(Standing::Cosigned(asking.size()));
                    let lines = found.into_iter().filter_map(|(at, line)| Some((*member.lines.get(at)?, line)));
                    return Outcome::Cosigned(lines.collect());
                }
                (Meaning::Elsewhere(size), _) => {
                    turn.known = Some(size);
                    if size > asking.size() {
                        break format!("it is at size {size} already, this head has {}", asking.size());
                    }
                    if asked_again {
                        break format!("it named size {size} after a proof from size {old}, which it had named before");
                    }
                    (old, asked_again) = (size, true);
                }
                (Meaning::Ahead(size), reply) => {
                    let claim = format!("it says it cosigned size {size}, our head has {}", self.newest.borrow().1);
                    return self.settle(member, turn, claim, &request, &reply, report).await;
                }
                (Meaning::Disputed(text), reply) => {
                    if let Some(fault) = self.own_fault(asking, &request) {
                        break fault;
                    }
                    let claim = format!("it refuses a proof from size {old} that verifies here: {text}");
                    return self.settle(member, turn, claim, &request, &reply, report).await;
                }
                (Meaning::Refused(text) | Meaning::Busy(text) | Meaning::Unusable(text), _) => break text,
            }
        };
        turn.failed();
        member.stands(Standing::Failing(failure.clone()));
        Outcome::Failed(failure)
    }

    /// The guard's question: `old` is the head's own size, so that only a witness that is not ahead can say 200.
    pub(crate) async fn ask_not_ahead(&self, member: &Member, asking: &Asking) -> Outcome {
        let mut turn = member.turn.lock().await;
        self.ask(member, &mut turn, asking, asking.size(), None).await
    }

    fn count(&self, member: &Member, answer: &'static str) {
        self.metrics.witness_answers.get_or_create(&Asked { witness: member.name.clone(), answer }).inc();
    }

    fn request(&self, asking: &Asking, old: TreeSize) -> Result<AddCheckpoint, String> {
        let size = asking.size();
        let proof = if old.get() == 0 || old == size { Ok(Vec::new()) } else { self.tree.consistency(old, size) };
        match proof {
            Ok(proof) => Ok(AddCheckpoint { old, proof, checkpoint: asking.checkpoint.clone() }),
            Err(fault) => Err(format!("no proof from size {old} to {size}: {fault}")),
        }
    }

    /// Why our own request would not convince ourselves, if so.
    fn own_fault(&self, asking: &Asking, request: &AddCheckpoint) -> Option<String> {
        let new = &asking.checkpoint;
        let root = match self.tree.root(request.old) {
            Ok(root) => root,
            Err(fault) => return Some(format!("our root at size {}: {fault}", request.old)),
        };
        let verified = verify_consistency(request.old, &root, new.size(), new.root(), &request.proof);
        verified.err().map(|error| format!("our own proof from size {} does not verify here: {error}", request.old))
    }

    /// One request and what its answer means.
    async fn exchange(&self, member: &Member, asking: &Asking, request: &AddCheckpoint) -> (Meaning, Reply) {
        let post = self
            .client
            .post(format!("{}/add-checkpoint", member.url))
            .header(reqwest::header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(request.print());
        match self.reply(post).await {
            Ok(reply) => {
                let head = self.newest.borrow().1;
                (answers::read(&reply, &asking.checkpoint, &member.keys, head, Time::now().get()), reply)
            }
            Err(Unanswered::Busy(why)) => {
                (Meaning::Busy(why), Reply { status: 0, content_type: None, body: Vec::new() })
            }
            Err(Unanswered::Unusable(why)) => {
                (Meaning::Unusable(why), Reply { status: 0, content_type: None, body: Vec::new() })
            }
        }
    }

    async fn reply(&self, request: reqwest::RequestBuilder) -> Result<Reply, Unanswered> {
        let reading = async {
            let mut response = request.send().await.map_err(|error| Unanswered::Busy(chain(&error)))?;
            let status = response.status().as_u16();
            let content_type = response.headers().get(reqwest::header::CONTENT_TYPE);
            let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| Unanswered::Busy(chain(&error)))? {
                if body.len() + chunk.len() > WITNESS_BODY_BYTES_MAX {
                    let why = format!("{status} with more than {WITNESS_BODY_BYTES_MAX} bytes of body");
                    return Err(Unanswered::Unusable(why));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply { status, content_type, body })
        };
        match tokio::time::timeout(self.wait, reading).await {
            Ok(reply) => reply,
            Err(_) => Err(Unanswered::Busy(format!("no answer within {:?}", self.wait))),
        }
    }

    /// Reads what the witness serves for this log. Bytes count only by a signature of this log's keys.
    pub(crate) async fn read_prefix(&self, member: &Member) -> Seen {
        let url = format!("{}/{}/checkpoint", member.monitoring, self.origin.hash().hex());
        let reply = match self.reply(self.client.get(&url)).await {
            Ok(reply) => reply,
            Err(Unanswered::Busy(why) | Unanswered::Unusable(why)) => return Seen::Silent(format!("{url}: {why}")),
        };
        match reply.status {
            404 => return Seen::Nothing,
            // Whatever it is called: only the log's signature counts.
            200 => {}
            _ => return Seen::Silent(format!("{url}: {}", answers::shown(&reply))),
        }
        let note = match SignedCheckpoint::parse(&reply.body) {
            Ok(note) => note,
            Err(error) => return Seen::Silent(format!("{url}: no checkpoint: {error}")),
        };
        if *note.origin() != self.origin {
            return Seen::Silent(format!("{url}: origin {}, ours is {}", note.origin(), self.origin));
        }
        match note.verify_log(&self.log_keys) {
            Ok(_) => Seen::Note(Box::new(note), reply.body),
            Err(error) => Seen::Silent(format!("{url}: {error}")),
        }
    }

    /// Whether our tree, of `head` entries, contains what a log-signed note says; the reason when not.
    pub(crate) fn contains(&self, note: &SignedCheckpoint, head: TreeSize) -> Result<Result<(), String>, String> {
        let theirs = &note.checkpoint;
        if theirs.size > head {
            return Ok(Err(format!("this log signed size {}, this directory holds {head}", theirs.size)));
        }
        let root = self.tree.root(theirs.size)?;
        if root == theirs.root {
            return Ok(Ok(()));
        }
        Ok(Err(format!(
            "this log signed root {} for size {}, this directory has root {root}",
            theirs.root, theirs.size
        )))
    }

    /// A claim against our state: a log-signed note at its monitoring prefix decides, its word alone does not.
    async fn settle(
        &self,
        member: &Member,
        turn: &mut Turn,
        claim: String,
        request: &AddCheckpoint,
        reply: &Reply,
        report: Option<&(dyn Fn(Report) + Send + Sync)>,
    ) -> Outcome {
        if let Some(report) = report {
            report(Report::Hold);
        }
        tracing::error!(witness = %member.name, url = %member.url, "{claim}; reading its monitoring prefix");
        self.keep(member, "request", &request.print());
        self.keep(member, "answer", answers::shown(reply).as_bytes());
        turn.failed();
        let head = self.newest.borrow().1;
        let without = match self.read_prefix(member).await {
            Seen::Note(note, bytes) => match self.contains(&note, head) {
                Ok(Err(fork)) => {
                    self.keep(member, "note", &bytes);
                    return Outcome::Forked(format!(
                        "{fork}: the note is at {} and in {}",
                        member.monitoring,
                        self.evidence.display()
                    ));
                }
                Ok(Ok(())) => format!("the note it serves, size {}, is part of this log", note.size()),
                Err(fault) => fault,
            },
            Seen::Nothing => "it serves no note".to_owned(),
            Seen::Silent(why) => why,
        };
        let claim = format!("{claim}; not proven: {without}");
        if report.is_some() {
            member.stands(Standing::Out(claim.clone()));
        } else {
            member.stands(Standing::Failing(claim.clone()));
        }
        Outcome::Claimed(claim)
    }

    /// Keeps bytes that may prove something, as `evidence/<SHA-256, 16 digits>-<witness key name, letters only>-<what>`.
    /// The same bytes are kept once: a witness that repeats itself cannot fill the disk.
    pub(crate) fn keep(&self, member: &Member, what: &str, bytes: &[u8]) {
        let name: String =
            member.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
        let digest = vitrine_spec::hash::Hash::of(bytes).hex();
        let path = self.evidence.join(format!("{}-{name}-{what}", &digest[..16]));
        if path.exists() {
            return;
        }
        let kept = std::fs::create_dir_all(&self.evidence).and_then(|()| std::fs::write(&path, bytes));
        if let Err(error) = kept {
            tracing::error!(path = %path.display(), %error, "evidence was not kept");
        }
    }
}

enum Unanswered {
    Busy(String),
    Unusable(String),
}

/// An error with its causes: reqwest's own text hides that a connection was refused.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
