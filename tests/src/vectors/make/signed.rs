//! Rightly signed checkpoints that must be refused all the same.
//!
//! Not here: wrong signatures alone, which need no key.

use serde_json::{Value, json};

use super::world::{NOW, ORIGIN, World, log_key, policy, witness};
use crate::oracle::{Digest, merkle, messages};

/// A checkpoint of some size and root, signed by the log.
fn signed(size: u64, root: &Digest) -> String {
    let text = messages::checkpoint(ORIGIN, size, root, &[]);
    format!("{text}\n{}", log_key().line(&text, 0))
}

/// `witness/growth.json`: what a log's own key cannot make a witness sign.
pub(super) fn conversations() -> Value {
    let leaves: Vec<Digest> = (0_u8..4).map(|entry| merkle::leaf_hash(&[entry])).collect();
    let root = |size: usize| merkle::mth(&leaves[..size]);
    let body = |old: usize, proof: &[Digest], note: &str| {
        use base64::Engine as _;
        let lines: String =
            proof.iter().map(|hash| base64::engine::general_purpose::STANDARD.encode(hash) + "\n").collect();
        format!("old {old}\n{lines}\n{note}")
    };
    let step = |id: &str, body: String, status: u16| json!({"id": id, "body": body, "status": status});
    let two = signed(2, &root(2));
    let proof = merkle::proof(2, &leaves);
    let mut stale = step("grows from a size that is not the one cosigned", body(1, &proof, &signed(4, &root(4))), 409);
    stale["response_body"] = json!("2\n");
    let logs = json!({ORIGIN: [log_key().vkey()]});
    json!({
        "description": "As in the shared vectors.",
        "sequences": [
            {"id": "empty-tree", "logs": logs, "steps": [
                step("size 0 with the root of something", body(0, &[], &signed(0, &root(1))), 422),
                step("size 0", body(0, &[], &signed(0, &root(0))), 200),
                step("size 0 with a proof", body(0, &proof, &signed(0, &root(0))), 422),
            ]},
            {"id": "two-trees", "logs": logs, "steps": [
                step("first", body(0, &[], &two), 200),
                step("the same size with another root", body(2, &[], &signed(2, &root(1))), 422),
                step("the same size with a proof", body(2, &proof, &two), 422),
                stale,
                step("from a tree that was never cosigned", body(2, &merkle::proof(3, &leaves), &signed(4, &root(4))), 422),
                step("grows", body(2, &proof, &signed(4, &root(4))), 200),
                step("back again", body(4, &[], &two), 400),
            ]},
        ],
    })
}

/// `policy/cosigned.json`: one wrong line among enough right ones, and times.
pub(super) fn policies() -> Value {
    let mut world = World::default();
    world.raw(b"an entry".to_vec());
    let text = world.checkpoint();
    let mut other = world.clone();
    other.raw(b"another".to_vec());
    let elsewhere = other.checkpoint();
    let note = |lines: &[String]| format!("{text}\n{}{}", log_key().line(&text, 0), lines.concat());
    let (w1, w2, w3) = (witness(1).line(&text, 100), witness(2).line(&text, 200), witness(3).line(&text, NOW));
    let wrong = witness(3).line(&elsewhere, NOW);
    let case = |id: &str, lines: &[String], cosigned: &[&str], met: bool, expect: &str, now: Option<u64>| {
        let mut case = json!({
            "id": id, "policy": policy(ORIGIN), "note": note(lines), "log_signature_ok": true,
            "witnesses_that_cosigned": cosigned, "quorum_met": met, "expect": expect,
        });
        if let Some(now) = now {
            case["now"] = json!(now);
        }
        case
    };
    json!({
        "description": "As in the shared vectors; `now`: the verifier's clock.",
        "cases": [
            case("two-of-three", &[w1.clone(), w2.clone()], &["w1", "w2"], true, "ok", None),
            case("one-twice", &[w1.clone(), w1.clone()], &["w1"], false, "fail", None),
            case("two-right-and-one-wrong", &[w1.clone(), w2, wrong], &["w1", "w2"], true, "fail", None),
            case("five-minutes-ahead", &[w1.clone(), w3.clone()], &["w1", "w3"], true, "ok", Some(NOW - 300)),
            case("more-than-five-minutes-ahead", &[w1, w3], &["w1"], false, "fail", Some(NOW - 301)),
        ],
    })
}
