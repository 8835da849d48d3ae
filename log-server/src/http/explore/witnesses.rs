//! Who has co-signed the published checkpoint, and how each witness stands with this server [S-48] (85-log.md).
//!
//! Not here: checking a cosignature, which the server did before it published the checkpoint and a verifier does again.

use std::sync::Arc;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::key::KeyKind;

use super::html::{Depth, Html};
use super::reads::Reads;
use super::words::{self, Tone};
use crate::problem::Problem;
use crate::time::Time;
use crate::witnesses::{Member, Standing};

/// What a witness has signed of the published checkpoint.
pub(super) struct Signed {
    /// Names of its keys' kinds that did.
    pub(super) kinds: Vec<KeyKind>,
    /// The latest time of them.
    pub(super) at: Option<u64>,
}

/// The lines of one witness in the published checkpoint.
pub(super) fn signed(checkpoint: &SignedCheckpoint, member: &Member) -> Signed {
    let mut signed = Signed { kinds: Vec::new(), at: None };
    for key in member.keys() {
        let Some(line) = checkpoint.signatures().iter().find(|line| line.is_by(key)) else { continue };
        signed.kinds.push(key.kind());
        let time = cosignature::decode(key.kind(), &line.bytes).map(|(time, _)| time);
        signed.at = signed.at.max(time);
    }
    signed
}

/// Witnesses that co-signed the checkpoint, and all that are asked.
pub(super) fn tally(checkpoint: &SignedCheckpoint, members: &[Arc<Member>]) -> (usize, usize) {
    let cosigned = members.iter().filter(|member| !signed(checkpoint, member).kinds.is_empty()).count();
    (cosigned, members.len())
}

fn kind_word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Ed25519 | KeyKind::Cosign => "Ed25519",
        KeyKind::MlDsa44 => "ML-DSA-44",
    }
}

/// How a witness stands, as a word and its colour.
fn standing(member: &Member) -> (Tone, &'static str) {
    match member.standing() {
        Standing::Unasked => (Tone::Plain, "not asked yet"),
        Standing::Cosigned(_) => (Tone::Good, "answers"),
        Standing::Failing(_) => (Tone::Wait, "does not answer"),
        Standing::Out(_) => (Tone::Bad, "out"),
        Standing::SetAside => (Tone::Wait, "set aside"),
    }
}

/// A table of all witnesses.
pub(super) fn table(html: &mut Html, checkpoint: &SignedCheckpoint, members: &[Arc<Member>], now: Time) {
    if members.is_empty() {
        html.raw("<p class=\"note\">This log asks no witness.</p>\n");
        return;
    }
    html.raw("<div class=\"wide\"><table class=\"stack\"><thead><tr><th scope=\"col\">Witness</th>");
    html.raw("<th scope=\"col\">This checkpoint</th><th scope=\"col\">Signed with</th><th scope=\"col\">Now</th></tr></thead><tbody>\n");
    for member in members {
        let signed = signed(checkpoint, member);
        html.raw("<tr><th scope=\"row\">").text(&member.name).raw("</th><td>");
        match signed.at.filter(|at| *at > 0) {
            Some(at) => {
                html.word("span", Tone::Good.class(), "cosigned").raw(" <span class=\"dim\">");
                html.text(words::ago(at, now)).raw(" ago</span>");
            }
            None if !signed.kinds.is_empty() => _ = html.word("span", Tone::Good.class(), "cosigned"),
            None => _ = html.word("span", Tone::Wait.class(), "not yet"),
        }
        let kinds: Vec<&str> = signed.kinds.iter().map(|kind| kind_word(*kind)).collect();
        html.raw("</td><td>").text(if kinds.is_empty() { "–".to_owned() } else { kinds.join(", ") }).raw("</td><td>");
        let (tone, word) = standing(member);
        html.word("span", tone.class(), word).raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
}

/// The page of all witnesses.
pub(super) fn page(html: &mut Html, reads: &Reads<'_>) -> Result<String, Problem> {
    let checkpoint = SignedCheckpoint::parse(&reads.published.note).map_err(Problem::internal)?;
    let members = &reads.app.view.witnesses.members;
    let (cosigned, all) = tally(&checkpoint, members);
    html.raw("<h1>Witnesses</h1>\n<p class=\"lead\">Independent servers that co-sign a head only when it extends all that they have seen. ");
    html.raw("Of ").text(words::counted(all as u64, "witness", "witnesses")).raw(", ").text(cosigned);
    html.raw(" co-signed the published checkpoint. A verifier counts their signatures by its own policy, not by this page.</p>\n");
    table(html, &checkpoint, members, Time::now());
    html.raw("<section><h2>Details</h2>\n<ul class=\"files\">\n");
    for member in members {
        html.raw("<li>").word("b", "name", &member.name);
        html.raw("<span class=\"digest\"><span class=\"dim\">asked at</span> <code>")
            .text(&member.url)
            .raw("</code></span>");
        html.raw("<span class=\"digest\"><span class=\"dim\">state</span> ").text(member.standing()).raw("</span>");
        for key in member.keys() {
            html.raw("<details><summary>").raw(kind_word(key.kind())).raw(" key</summary>");
            html.word("code", "block key", key).raw("</details>");
        }
        html.raw("</li>\n");
    }
    html.raw("</ul></section>\n<section><h2>The published checkpoint</h2>\n<pre>");
    html.text(String::from_utf8_lossy(&reads.published.note)).raw("</pre></section>\n");
    html.raw("<section><h2>The policy of this server</h2>\n<pre>").text(&reads.app.view.policy).raw("</pre>\n<p>");
    html.link(&Depth::One.to("policy"), "The policy as a file").raw("</p></section>\n");
    Ok("Witnesses".to_owned())
}
