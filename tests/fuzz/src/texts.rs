//! Targets for the text formats: keys, notes, checkpoints, policies, proofs, tiles, trust files (docs/10 to docs/50, docs/90).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use vitrine_spec::add_checkpoint::{AddCheckpoint, Known, check_growth};
use vitrine_spec::checkpoint::{Checkpoint, SignedCheckpoint};
use vitrine_spec::cosignature::{self, CosignatureError};
use vitrine_spec::evidence::Evidence;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed, Vkey};
use vitrine_spec::limits::{
    ADD_CHECKPOINT_BYTES_MAX, COSIGNATURE_TIME_MAX, ENTRY_BYTES_MAX, EVIDENCE_BYTES_MAX, NOTE_BYTES_MAX,
    NOTE_SIGNATURES_MAX, POLICY_LINES_MAX, PROOF_HASHES_MAX, TILE_WIDTH, TLOG_PROOF_BYTES_MAX,
};
use vitrine_spec::note::{self, Note, Signature};
use vitrine_spec::policy::{Member, Policy};
use vitrine_spec::text;
use vitrine_spec::tiles;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::trust::{Fingerprint, TrustFile};
use vitrine_spec::wrap;

use crate::oracle;

/// Decimals, hexadecimal and base64 have one spelling [H-5] [H-6] [H-7].
pub fn text(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    let plain =
        !given.is_empty() && given.bytes().all(|b| b.is_ascii_digit()) && (given == "0" || !given.starts_with('0'));
    assert_eq!(text::decimal(given).ok(), given.parse::<u64>().ok().filter(|_| plain));
    if let Ok(read) = text::unhex::<32>(given) {
        assert_eq!(text::hex(&read), given);
    }
    let read = text::unb64(given);
    assert_eq!(text::unb64_array::<32>(given).ok().map(Vec::from), read.clone().ok().filter(|read| read.len() == 32));
    if let Ok(read) = read {
        assert_eq!(text::b64(&read), given);
    }
}

/// A vkey and a private key print as they were read [N-2] [N-3].
pub fn vkey(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    let strict = Vkey::parse_strict(given);
    match Vkey::parse(given) {
        Ok(key) => {
            assert_eq!(key.to_string(), given);
            assert_eq!(Vkey::new(key.name(), key.kind(), key.public()).as_ref(), Ok(&key));
            assert!(given.starts_with(&key.keyid()));
            assert_eq!(key.public().len(), key.kind().public_bytes());
            assert!(strict.is_err() || strict == Ok(key));
        }
        Err(error) => assert_eq!(strict, Err(error)),
    }
    if let Ok(seed) = Seed::parse(given) {
        assert_eq!(*seed.private_text(), given);
        assert_eq!(Vkey::parse(&seed.vkey().to_string()), Ok(seed.vkey()));
    }
}

/// A reader's public key prints as it was read.
pub fn reader(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    if let Ok((name, public)) = wrap::parse_reader_text(given) {
        assert_eq!(wrap::reader_text(&name, &public), given);
        assert_eq!(public.len(), wrap::XWING_PUBLIC_BYTES);
    }
}

/// A note, and its lines alone, print as they were read [N-6].
pub fn note(bytes: &[u8]) {
    if let Ok(lines) = note::parse_signatures(bytes) {
        assert_eq!(lines.iter().map(Signature::line).collect::<String>().as_bytes(), bytes);
    }
    let Ok(note) = Note::parse(bytes) else { return };
    assert!(bytes.len() <= NOTE_BYTES_MAX && (1..=NOTE_SIGNATURES_MAX).contains(&note.signatures.len()));
    assert_eq!(note.print().as_bytes(), bytes);
    assert_eq!(Note::new(note.text.clone(), note.signatures.clone()).as_ref(), Ok(&note));
    let lines = bytes.strip_prefix(note.text.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n")).unwrap();
    assert_eq!(note::parse_signatures(lines).as_ref(), Ok(&note.signatures));
    assert!(note.verify(&[]).is_err());
}

/// A checkpoint prints as it was read, alone and under signatures [K-1].
pub fn checkpoint(bytes: &[u8]) {
    if let Some(read) = std::str::from_utf8(bytes).ok().and_then(|text| Checkpoint::parse(text).ok()) {
        assert_eq!(read.text().as_bytes(), bytes);
    }
    let Ok(signed) = SignedCheckpoint::parse(bytes) else { return };
    assert_eq!(signed.note.print().as_bytes(), bytes);
    assert_eq!(signed.checkpoint.text(), signed.note.text);
    let again = SignedCheckpoint::new(signed.checkpoint.clone(), signed.note.signatures.clone());
    assert_eq!(again, Ok(signed));
}

/// Times and signatures decode to what encodes again; what was cosigned verifies, with any bit changed it does not [C-1] [C-2].
pub fn cosignature(bytes: &[u8]) {
    for kind in [KeyKind::Ed25519, KeyKind::Cosign, KeyKind::MlDsa44] {
        if let Some((time, signature)) = cosignature::decode(kind, bytes) {
            assert_eq!(signature.len(), kind.signature_bytes());
            assert_eq!(cosignature::encode(time, signature), bytes);
        }
    }
    let Ok(signed) = SignedCheckpoint::parse(bytes) else { return };
    let seed = Seed::new("witness.example", KeyKind::Cosign, [7; 32]).unwrap();
    let time = signed.size().get() & COSIGNATURE_TIME_MAX;
    let message = cosignature::message(KeyKind::Cosign, seed.name(), time, &signed.checkpoint).unwrap();
    let mut made = cosignature::encode(time, &seed.sign_ed25519(&message).unwrap());
    let line = Signature::by(&seed.vkey(), made.clone()).unwrap();
    assert_eq!(cosignature::verify(&seed.vkey(), &signed, &line), Ok(time));
    let late = cosignature::encode(COSIGNATURE_TIME_MAX + 1, &made[8..]);
    let line = Signature::by(&seed.vkey(), late).unwrap();
    let refused = cosignature::verify(&seed.vkey(), &signed, &line);
    assert_eq!(refused, Err(CosignatureError::Time { got: COSIGNATURE_TIME_MAX + 1 }));
    let bit = bytes.len() % (8 * made.len());
    made[bit / 8] ^= 1 << (bit % 8);
    let line = Signature::by(&seed.vkey(), made).unwrap();
    assert!(cosignature::verify(&seed.vkey(), &signed, &line).is_err());
    for (line, kind) in signed.note.signatures.iter().zip([KeyKind::MlDsa44, KeyKind::Cosign].into_iter().cycle()) {
        let public = match kind {
            KeyKind::MlDsa44 => vec![1; kind.public_bytes()],
            KeyKind::Ed25519 | KeyKind::Cosign => seed.vkey().public().to_vec(),
        };
        if let Ok(key) = Vkey::new(&line.name, kind, &public) {
            assert!(cosignature::verify(&key, &signed, line).is_err(), "{key:?} never signed anything");
        }
    }
}

/// A policy printed line by line is read as the same; its members exist, a quorum needs somebody and everybody is enough [P-1] [P-3] [P-4].
pub fn policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse(bytes) else { return };
    for lines in [policy.logs.len(), policy.witnesses.len(), policy.groups.len()] {
        assert!(lines <= POLICY_LINES_MAX);
    }
    let printed = print_policy(&policy);
    let again = Policy::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{}", String::from_utf8_lossy(&printed)));
    assert_eq!(again, policy);
    let all: BTreeSet<_> = policy.witnesses.iter().map(|line| line.name.clone()).collect();
    assert_eq!(all.len(), policy.witnesses.len());
    assert!(policy.satisfied(&all));
    assert_eq!(policy.satisfied(&BTreeSet::new()), policy.is_quorum_none());
    assert!(policy.signatures_needed_max() <= policy.witnesses.len());
    // One witness more never breaks a quorum.
    let mut some = BTreeSet::new();
    let mut met = policy.is_quorum_none();
    for name in all {
        some.insert(name);
        assert!(policy.satisfied(&some) || !met);
        met = policy.satisfied(&some);
    }
    let _ = policy.check_one_witness_two_keys();
}

fn print_policy(policy: &Policy) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |words: &[&[u8]]| {
        out.extend(words.join(&b' '));
        out.push(b'\n');
    };
    let name = |member: Member| match member {
        Member::Witness(at) => policy.witnesses[at].name.as_bytes(),
        Member::Group(at) => policy.groups[at].name.as_bytes(),
    };
    for log in &policy.logs {
        let (vkey, url) = (log.vkey.to_string(), log.url.as_deref().unwrap_or_default());
        line(&[b"log", vkey.as_bytes(), url.as_bytes()]);
    }
    for witness in &policy.witnesses {
        let (vkey, url) = (witness.vkey.to_string(), witness.url.as_deref().unwrap_or_default());
        line(&[b"witness", witness.name.as_bytes(), vkey.as_bytes(), url.as_bytes()]);
    }
    for group in &policy.groups {
        let threshold = group.threshold.to_string();
        let mut words = vec![b"group".as_slice(), group.name.as_bytes(), threshold.as_bytes()];
        words.extend(group.members.iter().map(|member| name(*member)));
        line(&words);
    }
    line(&[b"quorum", policy.quorum.map_or(b"none".as_slice(), name)]);
    out
}

/// A proof prints as it was read; its path holds exactly when RFC 9162 says so [F-1] [F-2].
pub fn tlog_proof(bytes: &[u8]) {
    let Ok(proof) = TlogProof::parse(bytes) else { return };
    assert_eq!(proof.print(), bytes);
    assert!(bytes.len() <= TLOG_PROOF_BYTES_MAX && proof.hashes.len() <= PROOF_HASHES_MAX);
    assert!(proof.extra.as_ref().is_none_or(|extra| (1..=ENTRY_BYTES_MAX).contains(&extra.len())));
    let signed = proof.signed_checkpoint().unwrap();
    let leaf = proof.extra_leaf_hash().unwrap_or_else(|| leaf_hash(b""));
    let root = oracle::inclusion(leaf, proof.index.get(), signed.size().get(), &proof.hashes);
    assert_eq!(proof.verify_place(&leaf).is_ok(), root == Some(*signed.root()));
    // The same path under the root that it leads to holds.
    if let Some(root) = root {
        let place = vitrine_spec::proof::verify_inclusion(&leaf, proof.index, signed.size(), &proof.hashes, &root);
        assert_eq!(place, Ok(()));
    }
}

/// A request prints as it was read; a witness takes exactly the growth that RFC 9162 takes [W-2] [W-5] [W-6] [W-7].
pub fn add_checkpoint(bytes: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(bytes) else { return };
    assert_eq!(request.print(), bytes);
    assert!(bytes.len() <= ADD_CHECKPOINT_BYTES_MAX && request.proof.len() <= PROOF_HASHES_MAX);
    let (old, new) = (request.old.get(), request.checkpoint.size().get());
    let fresh = check_growth(&request, None);
    assert!(old == 0 || fresh.is_err(), "nothing is known, and {old} was taken");
    let stale = Known { size: TreeSize::new(old ^ 1), root: *request.checkpoint.root() };
    for refusal in [fresh.err(), check_growth(&request, Some(&stale)).err()].into_iter().flatten() {
        assert!(matches!(refusal.status(), 400 | 409 | 422), "{refusal}");
        assert!(refusal.body().ends_with('\n'));
    }
    if old == 0 || old >= new {
        return;
    }
    let first = Hash::of(b"the root of a full tree");
    let roots = oracle::consistency(old, new, first, &request.proof);
    let known = Known { size: request.old, root: roots.map_or(first, |(from, _)| from) };
    let want = roots.is_some_and(|(_, to)| to == *request.checkpoint.root());
    assert_eq!(check_growth(&request, Some(&known)).is_ok(), want);
}

/// Evidence prints as it was read, and convinces only where one log's key stands under two heads that no tree explains [Y-1] to [Y-6].
pub fn evidence(bytes: &[u8]) {
    static KEYS: OnceLock<Vec<Vkey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors/evidence/files.json");
        let vectors = std::fs::read_to_string(vectors).expect("the vectors are there");
        let mut keys: Vec<Vkey> = vectors.split('"').filter_map(|text| Vkey::parse(text).ok()).collect();
        keys.sort_by_key(ToString::to_string);
        keys.dedup();
        assert!(keys.len() > 1, "only {} keys: have the vectors moved?", keys.len());
        keys
    });
    let Ok(evidence) = Evidence::parse(bytes) else { return };
    assert_eq!(evidence.print(), bytes);
    assert!(bytes.len() <= EVIDENCE_BYTES_MAX);
    let Ok(forked) = evidence.verify(keys) else { return };
    let first = evidence.first();
    assert_eq!((first.origin(), first.size(), *first.root()), (&forked.origin, forked.first.0, forked.first.1));
    assert!(!forked.first_signers.is_empty());
    let Some(second) = evidence.second() else {
        return assert!(first.size() == TreeSize::ZERO && *first.root() != Hash::of(b""));
    };
    assert_eq!((second.origin(), second.size(), *second.root()), (&forked.origin, forked.second.0, forked.second.1));
    assert!(!forked.second_signers.is_empty());
    let (from, to) = (first.size().get(), second.size().get());
    match evidence.proof() {
        None => assert!(from == to && first.root() != second.root()),
        Some(proof) => {
            assert!(0 < from && from < to && proof.root != *first.root());
            let roots = oracle::consistency(from, to, proof.root, &proof.path);
            assert_eq!(roots, Some((proof.root, *second.root())));
        }
    }
}

/// A path of a tile or a bundle prints as it was read [T-1] [T-3].
pub fn tile_path(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = tiles::parse_path(given) else { return };
    assert_eq!(path.path(), given);
    assert_eq!(tiles::TileId::parse(given).is_ok(), tiles::BundleId::parse(given).is_err());
    match path {
        tiles::Path::Tile(tile) => {
            assert_eq!(tiles::TileId::new(tile.level(), tile.index(), tile.width()), Ok(tile));
            // The smallest tree that has it, unless it is beyond every tree.
            let end = tile.end().get();
            assert!(end == u64::MAX || (tile.is_within(TreeSize::new(end)) && !tile.is_within(TreeSize::new(end - 1))));
        }
        tiles::Path::Bundle(bundle) => {
            assert_eq!(tiles::BundleId::new(bundle.index(), bundle.width()), Ok(bundle));
            assert!(bundle.start().get() <= bundle.end().get());
        }
    }
}

/// Entries and hashes are framed as they were read, with nothing left over; the first byte says how many [T-2] [T-6].
pub fn tile(bytes: &[u8]) {
    let Some((width, rest)) = bytes.split_first() else { return };
    let width = u16::from(*width) + 1;
    assert!(width <= TILE_WIDTH);
    if let Ok(entries) = tiles::entries(rest, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(tiles::encode_bundle(entries.into_iter()).as_deref(), Ok(rest));
    }
    let hashes = Hash::slice_of(rest);
    assert_eq!(hashes.is_some(), rest.len() % 32 == 0);
    if let Some(hashes) = hashes {
        assert_eq!(tiles::encode_tile(&hashes), rest);
    }
}

/// Blank lines and comments change nothing, an unknown key anywhere is refused, a stream has somebody who may release [V-1] [V-7].
pub fn trust(bytes: &[u8]) {
    let Ok(given) = std::str::from_utf8(bytes) else { return };
    if let Ok(fingerprint) = Fingerprint::parse(given) {
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Ok(fingerprint));
    }
    let Ok(trust) = TrustFile::parse(given) else { return };
    let again = TrustFile::parse(&format!("# before\n\n{given}\n\n# after\n")).unwrap();
    assert_eq!(format!("{again:?}"), format!("{trust:?}"));
    assert!(TrustFile::parse(&format!("{given}\nno_such_key = 1\n")).is_err());
    assert!(trust.charter_version > 0);
    for issuer in trust.issuers() {
        assert_eq!(trust.issuer(&issuer.name, issuer.epoch).map(|found| &found.vkey), Some(&issuer.vkey));
        assert_eq!(trust.key(&issuer.vkey.keyid()).map(|found| &found.name), Some(&issuer.name));
    }
    for stream in trust.streams() {
        assert_eq!(trust.stream(&stream.package_id, &stream.channel), Some(stream));
        assert!(trust.issuers().any(|issuer| issuer.name == stream.issuer && issuer.may("update")));
    }
}
