// The offline verdict of Vitrine for C and everything that calls C. Printed by cbindgen from log-client/ffi/src/abi.rs: change
// that, not this. How to use it: docs/embedding.md.


#ifndef VITRINE_H
#define VITRINE_H

#include <stddef.h>
#include <stdint.h>

// The layout of the structures below, for the member `abi` of a question. Another one is refused, never guessed at.
#define VITRINE_ABI 1

// Judge without a time: no cosignature is too far ahead, no release too early and no checkpoint too old; the verdict says so.
#define VITRINE_NO_TIME 1

// Take a policy that says `quorum none`; the verdict says so.
#define VITRINE_UNWITNESSED 2

// Bytes of the caller, read during the call and not kept. `data` may be null when `length` is 0.
typedef struct {
  // The first byte.
  const uint8_t *data;
  // How many.
  size_t length;
} vitrine_bytes;

// Is this file an update as policy and trust file want it? Set all of it to zeros first, then what is asked.
typedef struct {
  // `VITRINE_ABI`.
  uint32_t abi;
  // `VITRINE_NO_TIME` and `VITRINE_UNWITNESSED`, or 0.
  uint32_t flags;
  // The bytes of `policy`.
  vitrine_bytes policy;
  // The bytes of `trust.toml`.
  vitrine_bytes trust;
  // Bundles (`FILE.vitrine`); may be null when there are none.
  const vitrine_bytes *bundles;
  // How many, at most 1,024.
  size_t bundle_count;
  // Proofs (`FILE.tlog-proof`); may be null when there are none.
  const vitrine_bytes *proofs;
  // How many, at most 1,024.
  size_t proof_count;
  // SHA-256 of the file.
  uint8_t sha256[32];
  // Bytes of the file.
  uint64_t size;
  // Its name, for messages alone.
  vitrine_bytes name;
  // The time, in seconds since 1970. 0 is 1970, not "none": see `VITRINE_NO_TIME`.
  uint64_t now;
  // What `floor` of an earlier answer said to store. Null `data`: a rollback is not checked. No bytes behind other `data`:
  // this machine has verified nothing yet.
  vitrine_bytes floor;
  // The file `watched` of a watch on this machine. Null `data`: there is none.
  vitrine_bytes watched;
} vitrine_question;

// What came of it. Both texts are UTF-8 and end in a zero byte; `vitrine_free` frees them.
typedef struct {
  // 0 verified, 1 not verified, 2 something passed in cannot be used, 5 not yet: nothing is wrong, something is missing.
  int32_t exit_code;
  // The verdict: an object with `verdict`, `code`, `reason`, `checked` and `not_checked`.
  char *json;
  // The floor to store in place of the one passed in; null when that is to stay as it is.
  char *floor;
} vitrine_answer;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Answers a question; returns `exit_code`. Only 0 is a yes.
//
// Whatever `answer` held before is overwritten, not freed. Without `answer` there is no verdict, and 2 is returned. May be
// called from any thread, and from many at once.
//
// # Safety
// `question` is null or points to a question whose pointers point to as many bytes, or `vitrine_bytes`, as is said beside them,
// none of which changes during the call. `answer` is null or may be written to.
int32_t vitrine_verify(const vitrine_question *question,
                       vitrine_answer *answer);

// Frees both texts of an answer and sets them to null, so that a second call does nothing. Null is taken.
//
// # Safety
// `answer` is null, or was filled in by `vitrine_verify` and its texts are as they were.
void vitrine_free(vitrine_answer *answer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VITRINE_H */
