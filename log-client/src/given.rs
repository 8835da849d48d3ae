//! Things as people give them on the command line: keys, files, digests, references (cli.md).
//!
//! Each is read once, here, with a message that says what was expected. Not here: what they are put together to (`draft`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use vitrine_spec::envelope::Submission;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::limits::ATTACHMENT_BYTES_MAX;
use vitrine_spec::text::{decimal, hex};
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words::{is_name, is_text};

use crate::draft::{At, Attached, Reference, Subject};
use crate::event_file::EventFile;
use crate::exit::Failure;
use crate::files;
use crate::http::Log;
use crate::keyfile::{self, ReaderPublic};
use crate::limits::{EVENT_FILE_BYTES_MAX, KEY_FILE_BYTES_MAX};

/// A vkey from its text, from a file that holds it, or from a private key file.
pub fn public_key(text: &str) -> Result<Option<Vkey>, Failure> {
    if let Ok(vkey) = Vkey::parse(text) {
        return Ok(Some(vkey));
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(None);
    }
    let held = files::read_text(path, KEY_FILE_BYTES_MAX)?;
    if held.starts_with("PRIVATE+KEY+") {
        return Ok(Some(keyfile::read(path)?.vkey()));
    }
    Ok(Vkey::parse(held.trim_end_matches('\n')).ok())
}

/// A reader's signing vkey and sealing key from its private key file, or from a file with its public side.
pub fn reader(path: &Path) -> Result<(Vkey, Vec<u8>), Failure> {
    let held = files::read_text(path, KEY_FILE_BYTES_MAX)?;
    if held.starts_with("PRIVATE+KEY+") {
        let key = keyfile::read_reader(path)?;
        return Ok((key.sign.vkey(), key.seal.public()));
    }
    let wrong = |why: &str| {
        Failure::usage("reader.key", "this is not a reader's key")
            .side("file", path.display())
            .side("reason", why)
            .now("give what `log-client key new --kind reader` wrote or printed")
    };
    match ReaderPublic::parse(&held) {
        Some(Ok(public)) if public.sign.kind() == KeyKind::Ed25519 => Ok((public.sign, public.seal)),
        Some(Ok(_)) => Err(wrong("a reader signs with an Ed25519 key of type 0x01")),
        Some(Err(why)) => Err(wrong(&why)),
        None => Err(wrong("there is no xwing: text in it")),
    }
}

/// A keyid from its text, or from whatever `public_key` takes.
pub fn keyid(text: &str) -> Result<String, Failure> {
    if vitrine_spec::words::is_keyid(text) {
        return Ok(text.to_owned());
    }
    public_key(text)?.map(|vkey| vkey.keyid()).ok_or_else(|| wrong_key(text))
}

/// What is said about a key that is none.
pub fn wrong_key(text: &str) -> Failure {
    Failure::usage("event.key", "this is neither a vkey nor a file with a key")
        .side("given", text)
        .now("give a vkey, or a file with a vkey or a private key")
}

/// 16 random bytes, hex.
pub fn nonce() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::usage("event.random", "the system gave no randomness").side("system", error))?;
    Ok(hex(&bytes))
}

/// SHA-256 and size of a file of any size.
pub fn digest(path: &Path) -> Result<(String, u64), Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage("file.read", "a file cannot be read").side("file", path.display()).side("system", error)
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

/// Whether a text is 64 lowercase hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `REL=FILE` or `REL=HEX[@ORIGIN]`; the event, where it was a file. A sealed event by its id is `REL=HEX@ISSUER/EPOCH/SEQ`.
pub fn reference(text: &str) -> Result<(Reference, Option<EventFile>), Failure> {
    let (rel, target) = text.split_once('=').ok_or_else(|| {
        Failure::usage("event.ref", "a reference is REL=FILE or REL=EVENT_ID")
            .side("given", text)
            .now("for example --ref releases=build.json")
    })?;
    let rel = rel.to_owned();
    let (id, rest) = match target.split_once('@') {
        Some((id, rest)) if is_sha256(id) => (id, Some(rest)),
        Some(_) | None => (target, None),
    };
    if is_sha256(id) {
        let at = rest.and_then(place);
        let origin = rest.filter(|_| at.is_none()).map(str::to_owned);
        return Ok((Reference { rel, event_id: id.to_owned(), origin, at }, None));
    }
    let event = event(Path::new(target))?;
    if event.wants_place() {
        return Err(Failure::usage(
            "event.ref",
            "the event referred to has no place yet, so its event_id is not known",
        )
        .side("file", target)
        .now("submit it first; `submit` writes the event as logged back into its file"));
    }
    let at = if event.is_sealed() { at(&event) } else { None };
    Ok((Reference { rel, event_id: event.id().hex(), origin: None, at }, Some(event)))
}

/// An event from a file that holds it: an event file, a submission with its sealed record, or a tlog-proof with its leaf.
pub fn event(path: &Path) -> Result<EventFile, Failure> {
    let bytes = files::read(path, EVENT_FILE_BYTES_MAX)?;
    let malformed = |why: String| {
        Failure::refused("event.malformed", "there is no event in this file")
            .side("file", path.display())
            .side("reason", why)
    };
    if let Ok(proof) = TlogProof::parse(&bytes) {
        let leaf = proof.extra.ok_or_else(|| malformed("the proof has no `extra` line with the leaf".to_owned()))?;
        return EventFile::parse(&leaf).map_err(malformed);
    }
    match Submission::parse(&bytes, 1) {
        Ok(submission) => EventFile::of(submission.envelope).map_err(malformed),
        Err(_) => EventFile::parse_named(path, &bytes),
    }
}

/// What an erasure erases: a file as [`event`] reads it, an index of the log, or `HEX@ISSUER/EPOCH/SEQ`.
pub fn target(text: &str, log: Option<&Log>) -> Result<(String, At), Failure> {
    if let Some((id, at)) = text.split_once('@').filter(|(id, _)| is_sha256(id)) {
        let at = place(at).ok_or_else(|| {
            Failure::usage("event.target", "the place of a record is ISSUER/EPOCH/SEQ").side("given", text)
        })?;
        return Ok((id.to_owned(), at));
    }
    let event = match decimal(text) {
        Ok(index) => {
            let log = log.ok_or_else(|| {
                Failure::usage("event.target", "an index is looked up in the log")
                    .side("given", text)
                    .now("give --log URL too")
            })?;
            let leaf = log.entry(LeafIndex::new(index))?;
            EventFile::parse(&leaf).map_err(|why| {
                Failure::refused("event.malformed", "this entry is not an event")
                    .side("index", index)
                    .side("reason", why)
            })?
        }
        Err(_) => event(Path::new(text))?,
    };
    match at(&event).filter(|_| event.is_sealed()) {
        Some(at) => Ok((event.id().hex(), at)),
        None => {
            Err(Failure::refused("event.target", "only sealed records are erased; everything else in a log is public")
                .side("given", text)
                .side("its type", event.kind().unwrap_or_default()))
        }
    }
}

fn at(event: &EventFile) -> Option<At> {
    Some(At {
        issuer: event.header_text("issuer")?.to_owned(),
        epoch: event.header_int("epoch")?,
        seq: event.header_int("seq")?,
    })
}

/// `ISSUER/EPOCH/SEQ`.
fn place(text: &str) -> Option<At> {
    let mut parts = text.split('/');
    let issuer = parts.next().filter(|name| is_name(name))?.to_owned();
    let (epoch, seq) = (decimal(parts.next()?).ok()?, decimal(parts.next()?).ok()?);
    parts.next().is_none().then_some(At { issuer, epoch, seq })
}

/// `NAME=PATH` or `NAME=SHA256`: what a rebuild produced for one of the files.
pub fn produced(given: &[String], subjects: &mut [Subject]) -> Result<(), Failure> {
    for text in given {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage("event.produced", "what was produced is NAME=PATH or NAME=SHA256").side("given", text)
        })?;
        let names: Vec<String> = subjects.iter().map(|subject| subject.name.clone()).collect();
        let subject = subjects.iter_mut().find(|subject| subject.name == name).ok_or_else(|| {
            Failure::usage("event.produced", "no such file was to be reproduced")
                .side("given", name)
                .side("files", names.join(", "))
                .now("name the files with --ref reproduces=build.json or --subject NAME=SHA256")
        })?;
        subject.produced = Some(if is_sha256(value) { value.to_owned() } else { digest(Path::new(value))?.0 });
    }
    Ok(())
}

/// `MEDIA/TYPE=PATH`.
pub fn attachment(text: &str) -> Result<Attached, Failure> {
    let (media_type, path) = text.split_once('=').ok_or_else(|| {
        Failure::usage("event.attach", "an attachment is MEDIA/TYPE=PATH")
            .side("given", text)
            .now("for example --attach application/json=provenance.json")
    })?;
    attached(media_type, Path::new(path))
}

/// A file as an attachment: what an event says of it, and the log asks for.
pub fn attached(media_type: &str, path: &Path) -> Result<Attached, Failure> {
    if !is_text(media_type, 100) {
        return Err(Failure::usage("attach.media-type", "a media type is a text of 1 to 100 bytes")
            .side("given", media_type)
            .now("for example application/pdf"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(name) = name.as_deref().filter(|name| !is_text(name, 256)) {
        return Err(Failure::usage("attach.name", "an event cannot hold the name of this file")
            .side("file", path.display())
            .side("its bytes", name.len())
            .side("rule", "256 bytes at most, without control characters")
            .now("give the file another name"));
    }
    // A longer one is not read to its end first.
    if let Some(found) = path.metadata().ok().filter(|found| found.len() > ATTACHMENT_BYTES_MAX) {
        return Err(Failure::usage("attach.size", "a file is larger than an attachment can be")
            .side("file", path.display())
            .side("its bytes", found.len())
            .side("limit", ATTACHMENT_BYTES_MAX));
    }
    let (sha256, size) = digest(path)?;
    Ok(Attached { sha256, size, media_type: media_type.to_owned(), name })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{World, values};
    use vitrine_spec::words::{Name, Time};

    #[test]
    fn a_sealed_event_is_referred_to_with_its_place_and_erased_by_it() {
        let world = World::access();
        let (issuer, now) = (Name::new("gateway").unwrap(), crate::world::NOW);
        let key = crate::world::event_key("gateway");
        let made = crate::readers::sealer(&world, &world.policy(), &world.fingerprint(), &issuer, &key, now);
        let signed = made.unwrap().0.seal(vec![values("1")], Time::new(now)).unwrap();
        let indices: Vec<usize> = signed.iter().map(|event| world.submit_signed(event).unwrap()).collect();
        let dir = tempfile::tempdir().unwrap();
        let (proof, kept) = (dir.path().join("a.tlog-proof"), dir.path().join("a.json"));
        std::fs::write(&proof, world.proof(indices[1], None)).unwrap();
        std::fs::write(&kept, signed[1].waiting().submission()).unwrap();
        let id = signed[1].event_id.hex();
        let at = At { issuer: "gateway".to_owned(), epoch: 1, seq: 3 };
        for file in [&proof, &kept] {
            assert_eq!(target(file.to_str().unwrap(), None).unwrap(), (id.clone(), at.clone()));
            let (reference, _) = reference(&format!("about={}", file.display())).unwrap();
            assert_eq!((reference.event_id, reference.at), (id.clone(), Some(at.clone())));
        }
        let by_place = format!("{id}@gateway/1/3");
        assert_eq!(target(&by_place, None).unwrap(), (id.clone(), at.clone()));
        let (found, _) = reference(&format!("about={by_place}")).unwrap();
        assert_eq!((found.at, found.origin), (Some(at), None));
        let (elsewhere, _) = reference(&format!("about={id}@example.com/log")).unwrap();
        assert_eq!((elsewhere.at, elsewhere.origin.as_deref()), (None, Some("example.com/log")));
        std::fs::write(&proof, world.proof(indices[0], None)).unwrap();
        let failure = target(proof.to_str().unwrap(), None).unwrap_err();
        assert!(failure.to_string().contains("sealing-key"), "{failure}");
        assert_eq!(target("7", None).unwrap_err().code, "event.target", "an index needs the log");
    }
}
