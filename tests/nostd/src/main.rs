//! A verdict in a program without `std`: what an updater in a boot loader or an enclave links (`./check`, step "no std").
//!
//! Judges every case of the verdict vectors with an allocator of 64 MiB that frees nothing; its exit code is how many came out
//! otherwise. Not here: any use of it beside that.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use vitrine_spec::hash::Hash;
use vitrine_spec::json::{self, Value};
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Pins, Proof, Question, Verdict, Witnessing, verify_update};

const VECTORS: &[u8] = include_bytes!("../../../spec/vectors/verdict/updates.json");
const ARENA_BYTES: usize = 64 << 20;

/// Memory that is handed out once.
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: `used` only grows, so that no two callers get the same bytes.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ARENA_BYTES]), used: AtomicUsize::new(0) };

// SAFETY: what is handed out is aligned, inside the arena, and nobody else's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.bytes.get().cast::<u8>();
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let at = (start as usize + used).checked_next_multiple_of(layout.align())? - start as usize;
            at.checked_add(layout.size()).filter(|end| *end <= ARENA_BYTES)
        });
        match taken {
            Ok(used) => {
                let at = (start as usize + used).next_multiple_of(layout.align()) - start as usize;
                // SAFETY: `at` plus the size is inside the arena, as was just checked.
                unsafe { start.add(at) }
            }
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

unsafe extern "C" {
    safe fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}

/// What C calls. Exit code: cases that came out otherwise; 255 when the vectors are not what they were.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    match wrong() {
        Some((0, 30..)) => 0,
        Some((0, _)) | None => 255,
        Some((wrong, _)) => c_int::try_from(wrong).unwrap_or(254),
    }
}

/// Cases that came out otherwise, and all of them.
fn wrong() -> Option<(usize, usize)> {
    let vectors = json::parse(VECTORS).ok()?;
    let Value::Array(cases) = vectors.get("verdicts")? else { return None };
    let mut wrong = 0;
    for case in cases {
        let verdict = judge(&vectors, case)?;
        if Some(verdict.code.as_str()) != case.get("code")?.as_text() {
            wrong += 1;
        }
    }
    Some((wrong, cases.len()))
}

fn judge(vectors: &Value, case: &Value) -> Option<Verdict> {
    let text = |name: &str| case.get(name).or_else(|| vectors.get(name)).and_then(Value::as_text);
    let policy = Policy::parse(text("policy")?).ok()?;
    let trust = TrustFile::parse(text("trust")?).ok()?;
    let pins = Pins::new(policy, trust, Witnessing::Unwitnessed).ok()?;
    let file = case.get("file")?;
    let (Value::Int(size), Value::Array(names)) = (file.get("size")?, case.get("proofs")?) else { return None };
    let named: Vec<(&str, &str)> = names
        .iter()
        .map(|name| {
            let name = name.as_text()?;
            Some((name, vectors.get("proofs")?.get(name)?.as_text()?))
        })
        .collect::<Option<_>>()?;
    let proofs: Vec<Proof<'_>> = named.iter().map(|(name, proof)| Proof { name, bytes: proof.as_bytes() }).collect();
    let name = String::from(file.get("name")?.as_text()?);
    let file = File {
        name: &name,
        sha256: Hash::from_hex(file.get("sha256")?.as_text()?).ok()?,
        size: u64::try_from(*size).ok()?,
    };
    let now = match case.get("now") {
        Some(Value::Int(now)) => u64::try_from(*now).ok(),
        _ => None,
    };
    Some(verify_update(&Question::new(file, &proofs, &pins, now)))
}
