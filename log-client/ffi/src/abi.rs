//! The C interface, printed into `vitrine.h` by cbindgen: the only `unsafe` code of this project's products.
//!
//! Nothing that the caller passes is kept or freed here; what is returned is freed by `vitrine_free` alone. No panic leaves.
//! Not here: what any of it means (`judge`).
#![expect(
    unsafe_code,
    reason = "the interface of C: pointers from outside are read, under the contract of each function"
)]

use std::ffi::{CString, c_char};
use std::panic::catch_unwind;
use std::slice;

use vitrine_spec::hash::Hash;
use vitrine_spec::verdict::{File, Proof};

use crate::judge::{Answer as Judged, Given, judge, usage};

/// The layout of the structures below, for the member `abi` of a question. Another one is refused, never guessed at.
pub const VITRINE_ABI: u32 = 1;
/// Judge without a time: no cosignature is too far ahead, no release too early and no checkpoint too old; the verdict says so.
pub const VITRINE_NO_TIME: u32 = 1;
/// Take a policy that says `quorum none`; the verdict says so.
pub const VITRINE_UNWITNESSED: u32 = 2;

/// Proofs, and bundles, of one question.
const EVIDENCE_MAX: usize = 1_024;

/// Bytes of the caller, read during the call and not kept. `data` may be null when `length` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

/// Is this file an update as policy and trust file want it? Set all of it to zeros first, then what is asked.
#[repr(C)]
pub struct Question {
    /// `VITRINE_ABI`.
    pub abi: u32,
    /// `VITRINE_NO_TIME` and `VITRINE_UNWITNESSED`, or 0.
    pub flags: u32,
    /// The bytes of `policy`.
    pub policy: Bytes,
    /// The bytes of `trust.toml`.
    pub trust: Bytes,
    /// Bundles (`FILE.vitrine`); may be null when there are none.
    pub bundles: *const Bytes,
    /// How many, at most 1,024.
    pub bundle_count: usize,
    /// Proofs (`FILE.tlog-proof`); may be null when there are none.
    pub proofs: *const Bytes,
    /// How many, at most 1,024.
    pub proof_count: usize,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file.
    pub size: u64,
    /// Its name, for messages alone.
    pub name: Bytes,
    /// The time, in seconds since 1970. 0 is 1970, not "none": see `VITRINE_NO_TIME`.
    pub now: u64,
    /// What `floor` of an earlier answer said to store. Null `data`: a rollback is not checked. No bytes behind other `data`:
    /// this machine has verified nothing yet.
    pub floor: Bytes,
    /// The file `watched` of a watch on this machine. Null `data`: there is none.
    pub watched: Bytes,
}

/// What came of it. Both texts are UTF-8 and end in a zero byte; `vitrine_free` frees them.
#[repr(C)]
pub struct Answer {
    /// 0 verified, 1 not verified, 2 something passed in cannot be used, 5 not yet: nothing is wrong, something is missing.
    pub exit_code: i32,
    /// The verdict: an object with `verdict`, `code`, `reason`, `checked` and `not_checked`.
    pub json: *mut c_char,
    /// The floor to store in place of the one passed in; null when that is to stay as it is.
    pub floor: *mut c_char,
}

/// Answers a question; returns `exit_code`. Only 0 is a yes.
///
/// Whatever `answer` held before is overwritten, not freed. Without `answer` there is no verdict, and 2 is returned. May be
/// called from any thread, and from many at once.
///
/// # Safety
/// `question` is null or points to a question whose pointers point to as many bytes, or `vitrine_bytes`, as is said beside them,
/// none of which changes during the call. `answer` is null or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrine_verify(question: *const Question, answer: *mut Answer) -> i32 {
    if answer.is_null() {
        return 2;
    }
    // SAFETY: the caller's promise about `question`. A panic unwinds through no structure that is used afterwards.
    let judged = catch_unwind(|| unsafe { ask(question) }).unwrap_or_else(|_| Judged {
        exit: 1,
        json: INTERNAL.to_owned(),
        floor: None,
    });
    let exit_code = i32::from(judged.exit);
    let text = |text: String| CString::new(text).unwrap_or_default().into_raw();
    let floor = judged.floor.map_or(std::ptr::null_mut(), text);
    // SAFETY: the caller's promise about `answer`, which is not null.
    unsafe { answer.write(Answer { exit_code, json: text(judged.json), floor }) };
    exit_code
}

/// Frees both texts of an answer and sets them to null, so that a second call does nothing. Null is taken.
///
/// # Safety
/// `answer` is null, or was filled in by `vitrine_verify` and its texts are as they were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrine_free(answer: *mut Answer) {
    // SAFETY: the caller's promise: null, or a structure that nobody else uses now.
    let Some(answer) = (unsafe { answer.as_mut() }) else { return };
    for text in [&mut answer.json, &mut answer.floor] {
        let text = std::mem::replace(text, std::ptr::null_mut());
        if !text.is_null() {
            // SAFETY: `vitrine_verify` made it with `into_raw`, and here it is taken once.
            drop(unsafe { CString::from_raw(text) });
        }
    }
}

/// What is answered when this library itself went wrong: never a yes.
const INTERNAL: &str = r#"{"checked":[],"code":"internal","not_checked":[],"reason":"the verifier ended in an error of its own; nothing was verified","verdict":"not-verified"}"#;

/// # Safety
/// As [`vitrine_verify`], for `question`.
unsafe fn ask(question: *const Question) -> Judged {
    let wrong = |reason: &str| usage("argument", "what was passed to vitrine_verify cannot be used", reason);
    // SAFETY: the caller's promise: null, or a question.
    let Some(question) = (unsafe { question.as_ref() }) else { return wrong("the question is null") };
    if question.abi != VITRINE_ABI {
        return wrong(&format!("the question is of interface {}, this is {VITRINE_ABI}", question.abi));
    }
    if question.flags & !(VITRINE_NO_TIME | VITRINE_UNWITNESSED) != 0 {
        return wrong(&format!("flags {:#x} hold one that does not exist", question.flags));
    }
    // SAFETY: the caller's promise about every pointer in it.
    let read = || unsafe {
        Ok::<_, String>((
            bytes("policy", question.policy)?,
            bytes("trust", question.trust)?,
            bytes("name", question.name)?,
            list("bundles", question.bundles, question.bundle_count)?,
            list("proofs", question.proofs, question.proof_count)?,
            optional("floor", question.floor)?,
            optional("watched", question.watched)?,
        ))
    };
    let (policy, trust, name, bundles, proofs, floor, watched) = match read() {
        Ok(read) => read,
        Err(reason) => return wrong(&reason),
    };
    let name = String::from_utf8_lossy(name);
    let (bundles, proofs) = (numbered("bundle", &bundles), numbered("proof", &proofs));
    judge(&Given {
        policy,
        trust,
        bundles: &named(&bundles),
        proofs: &named(&proofs),
        file: File { name: &name, sha256: Hash::new(question.sha256), size: question.size },
        now: (question.flags & VITRINE_NO_TIME == 0).then_some(question.now),
        floor,
        watched,
        unwitnessed: question.flags & VITRINE_UNWITNESSED != 0,
    })
}

/// # Safety
/// `bytes.data` is null or points to `bytes.length` bytes that stay as they are for as long as the result is used.
unsafe fn bytes<'a>(what: &str, bytes: Bytes) -> Result<&'a [u8], String> {
    match bytes.length {
        0 => Ok(&[]),
        _ if bytes.data.is_null() => Err(format!("{what}: null with length {}", bytes.length)),
        length if isize::try_from(length).is_err() => Err(format!("{what}: length {length} is more than there can be")),
        // SAFETY: the caller's promise; not null, and no longer than any object.
        length => Ok(unsafe { slice::from_raw_parts(bytes.data, length) }),
    }
}

/// # Safety
/// As [`bytes`].
unsafe fn optional<'a>(what: &str, given: Bytes) -> Result<Option<&'a [u8]>, String> {
    if given.data.is_null() && given.length == 0 {
        return Ok(None);
    }
    // SAFETY: as it was promised to this function.
    unsafe { bytes(what, given) }.map(Some)
}

/// # Safety
/// `items` is null or points to `count` structures, each as [`bytes`] wants it.
unsafe fn list<'a>(what: &str, items: *const Bytes, count: usize) -> Result<Vec<&'a [u8]>, String> {
    match count {
        0 => Ok(Vec::new()),
        _ if items.is_null() => Err(format!("{what}: null with count {count}")),
        1..=EVIDENCE_MAX => {
            // SAFETY: the caller's promise; not null, and few.
            let items = unsafe { slice::from_raw_parts(items, count) };
            // SAFETY: the caller's promise about each.
            items.iter().map(|item| unsafe { bytes(what, *item) }).collect()
        }
        _ => Err(format!("{what}: {count} are above {EVIDENCE_MAX}")),
    }
}

/// Evidence with the name that messages give it: `proof 1`.
fn numbered<'a>(what: &str, items: &[&'a [u8]]) -> Vec<(String, &'a [u8])> {
    (1..).zip(items).map(|(number, bytes)| (format!("{what} {number}"), *bytes)).collect()
}

fn named<'a>(items: &'a [(String, &'a [u8])]) -> Vec<Proof<'a>> {
    items.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}
