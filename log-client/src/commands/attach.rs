//! `attach`: documents into a log, for events to name (cli.md; spec/docs/77-requests.md, 85-log.md).
//!
//! Each file is read twice, once for its digest and once while it is sent, and is never in memory as a whole. Nothing is sent
//! before all of them were read. Not here: the events that name them (`event new --attach`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::json;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::request::AttachRequest;
use vitrine_spec::words::{Name, Time};

use super::event_new::origin_of;
use crate::clock;
use crate::deliver::pause_before;
use crate::draft::Attached;
use crate::exit::{Exit, Failure};
use crate::given::{attached, digest};
use crate::http::{Answer, HttpError, Log};
use crate::keyfile;
use crate::limits::ATTACH_REQUEST_S;
use crate::output::{Out, Report};
use crate::upload::Upload;

/// `attach`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints SHA-256, size, media type and name of each file; with --json, `attachments` is what an event
holds of them.
An event names them with `event new --attach MEDIA/TYPE=PATH`. Before an event names it the log
gives an attachment to nobody, and deletes it after 24 hours; once named it is public.

Example:
  log-client attach --log URL --key farm.key --issuer farm \\
    --media-type application/json provenance.json
  log-client event new build ... \\
    --attach application/json=provenance.json --field provenance=SHA256")]
pub struct Attach {
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// The issuer's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who puts them: an open issuer
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// What they are
    #[arg(long, value_name = "T", default_value = "application/octet-stream")]
    media_type: String,
    /// Seconds to go on trying from the first time that a file is not taken; 0 tries once
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait: u64,
    /// The documents: plain files of up to 1 GiB
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A file, and what was found in it.
pub(super) struct Document {
    path: PathBuf,
    sha256: Hash,
    /// What an event says of it.
    pub(super) attached: Attached,
}

/// What a request is signed with.
pub(super) struct Putter<'a> {
    /// The log.
    pub(super) log: &'a Log,
    /// Its name.
    pub(super) origin: String,
    /// Who puts.
    pub(super) issuer: Name,
    /// Its key.
    pub(super) key: Seed,
    /// How long to go on trying.
    pub(super) wait: Duration,
}

/// What the log says of one that it has.
#[derive(Deserialize)]
struct Stored {
    sha256: String,
    new: bool,
}

/// Runs `attach`.
pub fn run(args: &Attach, out: &Out) -> Result<Exit, Failure> {
    let key = keyfile::read_event_key(&args.key)?;
    let issuer = Name::new(&args.issuer).ok_or_else(|| {
        Failure::usage("attach.issuer", "this is not the name of an issuer").side("given", &args.issuer)
    })?;
    let documents: Vec<Document> =
        args.files.iter().map(|path| document(path, &args.media_type)).collect::<Result<_, _>>()?;
    let log = Log::new(&args.log)?;
    let putter = Putter { origin: origin_of(&log)?, log: &log, issuer, key, wait: Duration::from_secs(args.wait) };
    let bar = out.progress(documents.iter().map(|document| document.attached.size).sum(), "bytes sent");
    let mut files = Vec::new();
    for document in &documents {
        let Attached { sha256, size, media_type, name } = &document.attached;
        let new = putter.put(document, &bar).map_err(|failure| {
            bar.finish_and_clear();
            let failure = failure.side("file", document.path.display());
            if files.is_empty() { failure } else { failure.side("files before it", format!("{} are put", files.len())) }
        })?;
        bar.suspend(|| {
            out.line(&format!("{sha256} {size} {media_type} {}", name.as_deref().unwrap_or_default()));
            let what = if new { "stored" } else { "there already" };
            if !out.is_json() {
                out.note(&format!("{}: {what}", document.path.display()));
            }
        });
        files.push(json!({"file": document.path.display().to_string(), "sha256": sha256, "new": new}));
    }
    bar.finish_and_clear();
    let stored = files.iter().filter(|file| file["new"] == true).count();
    let mut attachments: Vec<Attached> = documents.into_iter().map(|document| document.attached).collect();
    attachments.sort();
    attachments.dedup_by(|a, b| a.sha256 == b.sha256);
    let list = Value::Array(attachments.iter().map(Attached::value).collect()).to_jcs();
    let reason =
        format!("the log has {} attachments: {stored} stored now, {} there already", files.len(), files.len() - stored);
    let report = Report::done("attach", reason)
        .not_checked("that the log keeps them: one that no event names within 24 hours is deleted")
        .with("attachments", serde_json::from_slice::<serde_json::Value>(&list).unwrap_or_default())
        .with("files", files);
    Ok(out.report_beside_data(&report))
}

/// A file that can be put.
pub(super) fn document(path: &Path, media_type: &str) -> Result<Document, Failure> {
    // What is no plain file may be read once only, or never end.
    if path == Path::new("-") || path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Failure::usage("attach.file", "this is not a plain file, and an attachment is read twice")
            .side("given", path.display())
            .now("write it into a file first"));
    }
    let attached = attached(media_type, path)?;
    let sha256 = Hash::from_hex(&attached.sha256).map_err(|error| Failure::usage("attach.file", error.to_string()))?;
    Ok(Document { path: path.to_owned(), sha256, attached })
}

impl Putter<'_> {
    /// Puts one, again and again while the log is busy or away; whether it was new there.
    pub(super) fn put(&self, document: &Document, bar: &ProgressBar) -> Result<bool, Failure> {
        let before = bar.position();
        let (mut attempt, mut until) = (0, None);
        loop {
            bar.set_position(before);
            // Signed anew each time: a request that waited may be too old.
            let authorization = self.authorization(document)?;
            let upload = Upload::open(&document.path, document.attached.size, bar.clone());
            let upload = upload.map_err(|error| {
                Failure::usage("file.read", "a file cannot be read a second time").side("system", error)
            })?;
            let path = format!("attachments/{}", document.attached.sha256);
            let error = match self.log.put_signed(&path, &authorization, upload) {
                Ok(answer) => return stored(&answer, document, self.log),
                Err(error) => error,
            };
            unchanged(document)?;
            let left =
                until.get_or_insert_with(|| Instant::now() + self.wait).saturating_duration_since(Instant::now());
            let asked = match &error {
                HttpError::Status { retry_after, .. } => *retry_after,
                HttpError::Address { .. }
                | HttpError::Unreachable { .. }
                | HttpError::BrokenOff { .. }
                | HttpError::TooLarge { .. } => None,
            };
            match pause_before(attempt, asked, left).filter(|_| error.is_transient()) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(self.refused(error)),
            }
            attempt += 1;
        }
    }

    fn authorization(&self, document: &Document) -> Result<String, Failure> {
        let request = AttachRequest {
            origin: self.origin.clone(),
            sha256: document.sha256,
            size: document.attached.size,
            media_type: document.attached.media_type.clone(),
            issuer: self.issuer.clone(),
            expires: Time::new(clock::now() + ATTACH_REQUEST_S),
        };
        request.authorization(&self.key).map_err(|error| {
            Failure::usage("key.kind", "this key does not sign requests")
                .side("key", self.key.vkey().keyid())
                .side("rule", error)
        })
    }

    /// What a refusal means to whoever holds the key.
    fn refused(&self, error: HttpError) -> Failure {
        let again = error.is_transient();
        let failure = Failure::from(error).side("issuer", &self.issuer).side("key", self.key.vkey().keyid());
        match failure.code.as_str() {
            "issuer-unknown" | "issuer-closed" | "signer-set" => {
                failure.now("issuers, their keys, and which are open: log-client show issuers --log URL --policy FILE")
            }
            "expired" => failure.now("compare this machine's clock with the log's"),
            "quota" => failure.now(
                "log the events that name what was put, then run it again; what no event names is deleted after 24 hours",
            ),
            _ if again => failure.now("run the same command again later, or with a longer --wait"),
            _ => failure,
        }
    }
}

/// An answer of success, which says of which attachment it is.
fn stored(answer: &Answer, document: &Document, log: &Log) -> Result<bool, Failure> {
    let said: Option<Stored> = serde_json::from_slice(&answer.body).ok();
    let said = said.filter(|said| said.sha256 == document.attached.sha256 && said.new == (answer.status == 201));
    said.map(|said| said.new).ok_or_else(|| {
        Failure::new(Exit::Unreachable, "answer.not-the-log", "this address does not answer as a log does")
            .side("asked", log.url())
            .side("answer", answer.status)
            .now("check the address")
    })
}

/// A file that changed since its digest was taken is not what was signed for, whatever the log said of it.
fn unchanged(document: &Document) -> Result<(), Failure> {
    let (sha256, size) = digest(&document.path)?;
    if (&sha256, size) == (&document.attached.sha256, document.attached.size) {
        return Ok(());
    }
    let Attached { sha256: before, size: bytes, .. } = &document.attached;
    Err(Failure::usage("attach.changed", "the file changed while it was sent")
        .side("before", format!("{before}, {bytes} bytes"))
        .side("now", format!("{sha256}, {size} bytes"))
        .now("run it again when nobody writes the file"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::world::{ORIGIN, event_key};

    /// A log that gives these answers, one a connection, and what each request said after its head; `at` is done before each.
    fn serve(
        answers: Vec<(String, String)>,
        at: impl Fn() + Send + 'static,
    ) -> (Log, std::thread::JoinHandle<Vec<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let log = Log::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answer_all = move || {
            let one = |(status, body): (String, String)| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut byte) = (Vec::new(), [0u8; 1]);
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.push(byte[0]);
                }
                let head = String::from_utf8(request).unwrap();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut sent = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut sent).unwrap();
                at();
                let length = body.len();
                let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).unwrap();
                sent
            };
            answers.into_iter().map(one).collect()
        };
        (log, std::thread::spawn(answer_all))
    }

    fn put(log: &Log, path: &Path, wait: u64) -> Result<bool, Failure> {
        let (issuer, key) = (Name::new("release").unwrap(), event_key("release"));
        let putter = Putter { log, origin: ORIGIN.to_owned(), issuer, key, wait: Duration::from_secs(wait) };
        putter.put(&document(path, "text/plain").unwrap(), &ProgressBar::hidden())
    }

    fn problem(status: &str, code: &str) -> (String, String) {
        (status.to_owned(), format!(r#"{{"code":"{code}","detail":"why"}}"#))
    }

    fn says(status: &str, new: bool) -> (String, String) {
        (status.to_owned(), format!(r#"{{"sha256":"{}","new":{new}}}"#, Hash::of(b"a document").hex()))
    }

    #[test]
    fn a_busy_log_is_asked_again_and_a_refusal_is_final() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a document").unwrap();
        let busy = || problem("503 Service Unavailable\r\nretry-after: 0", "starting");
        let (log, server) = serve(vec![busy(), busy(), says("201 Created", true)], || {});
        assert_eq!(put(&log, file.path(), 30), Ok(true));
        assert_eq!(server.join().unwrap(), vec![b"a document".to_vec(); 3], "the whole file each time");
        let (log, server) = serve(vec![says("200 OK", false)], || {});
        assert_eq!(put(&log, file.path(), 0), Ok(false));
        server.join().unwrap();
        for (answer, code, exit) in [
            (busy(), "starting", Exit::Unreachable),
            (problem("429 Too Many Requests", "quota"), "quota", Exit::Unreachable),
            (problem("403 Forbidden", "signer-set"), "signer-set", Exit::NotVerified),
            (says("201 Created", false), "answer.not-the-log", Exit::Unreachable),
            (("200 OK".to_owned(), "<html>".to_owned()), "answer.not-the-log", Exit::Unreachable),
        ] {
            let (log, server) = serve(vec![answer], || {});
            let failure = put(&log, file.path(), 0).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit), (code, exit));
            assert!(failure.now.is_some(), "{code}: nothing to do is named");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a document").unwrap();
        let path = file.path().to_owned();
        let answers = vec![problem("422 Unprocessable Content", "value")];
        let (log, server) = serve(answers, move || std::fs::write(&path, b"another one").unwrap());
        assert_eq!(put(&log, file.path(), 30).unwrap_err().code, "attach.changed");
        server.join().unwrap();
    }

    #[test]
    fn what_cannot_be_attached_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), b"").unwrap();
        std::fs::write(path("turned\u{202e}"), b"").unwrap();
        std::fs::File::create(path("long")).unwrap().set_len((1 << 30) + 1).unwrap();
        let code = |path: &Path, media_type: &str| document(path, media_type).err().map(|failure| failure.code);
        assert_eq!(code(&path("a"), "text/plain"), None, "an empty one is one");
        for (file, media_type, want) in [
            (folder.path().to_owned(), "text/plain", "attach.file"),
            (PathBuf::from("-"), "text/plain", "attach.file"),
            (path("none"), "text/plain", "file.read"),
            (path("a"), "", "attach.media-type"),
            (path("a"), "text/plain\n", "attach.media-type"),
            (path("turned\u{202e}"), "text/plain", "attach.name"),
            (path("long"), "text/plain", "attach.size"),
        ] {
            assert_eq!(code(&file, media_type).as_deref(), Some(want), "{}", file.display());
        }
    }
}
