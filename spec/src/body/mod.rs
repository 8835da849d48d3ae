//! The bodies of events, one file for those that belong together (70-leaves.md, L; leaf-format.md 4).
//!
//! Each reads its table alone: what needs the log is for `admission`.

pub mod charter;
pub mod issuer;
pub mod files;
pub mod review;
pub mod sealed;
pub mod erasure;
pub mod verdict;
pub mod rules;
pub mod correction;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::hash::Hash;
use crate::json::Value;
use crate::refusal::Refusal;
use crate::statement::{Attachment, Kind};
use crate::words::{Members, Read, Time};

use charter::Charter;
use correction::Correction;
use erasure::Erasure;
use files::{Build, Rebuild, Revoke, Update};
use issuer::{Close, Open};
use review::{Incident, Review};
use rules::Rules;
use sealed::SealingKey;
use verdict::Verdict;

/// A body.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `charter`
    Charter(Box<Charter>),
    /// `issuer-open`
    Open(Box<Open>),
    /// `issuer-close`
    Close(Close),
    /// `heartbeat`: everything up to this time stands before it in the chain.
    Heartbeat {
        /// Up to when.
        to: Time,
    },
    /// `build`
    Build(Build),
    /// `rebuild`
    Rebuild(Rebuild),
    /// `code-review`
    Review(Review),
    /// `update`
    Update(Update),
    /// `update-revoke`
    Revoke(Revoke),
    /// `incident`
    Incident(Incident),
    /// `sealing-key`
    SealingKey(SealingKey),
    /// `access`: everything else is sealed.
    Access,
    /// `erasure`
    Erasure(Erasure),
    /// `verdict`
    Verdict(Verdict),
    /// `rules`
    Rules(Rules),
    /// `correction`
    Correction(Correction),
}

impl Body {
    /// Reads the body of `kind`; `epoch` is the header's, on which `previous` of an opening depends.
    pub fn read(kind: Kind, epoch: u32, body: &Value) -> Read<Body> {
        let mut members = Members::of("body", body)?;
        let read = match kind {
            Kind::Charter => Body::Charter(Box::new(Charter::read(&mut members)?)),
            Kind::IssuerOpen => Body::Open(Box::new(Open::read(&mut members, epoch)?)),
            Kind::IssuerClose => Body::Close(Close::read(&mut members)?),
            Kind::Heartbeat => Body::Heartbeat { to: members.time("to")? },
            Kind::Build => Body::Build(Build::read(&mut members)?),
            Kind::Rebuild => Body::Rebuild(Rebuild::read(&mut members)?),
            Kind::CodeReview => Body::Review(Review::read(&mut members)?),
            Kind::Update => Body::Update(Update::read(&mut members)?),
            Kind::UpdateRevoke => Body::Revoke(Revoke::read(&mut members)?),
            Kind::Incident => Body::Incident(Incident::read(&mut members)?),
            Kind::SealingKey => Body::SealingKey(SealingKey::read(&mut members)?),
            Kind::Access => Body::Access,
            Kind::Erasure => Body::Erasure(Erasure::read(&mut members)?),
            Kind::Verdict => Body::Verdict(Verdict::read(&mut members)?),
            Kind::Rules => Body::Rules(Rules::read(&mut members)?),
            Kind::Correction => Body::Correction(Correction::read(&mut members)?),
            Kind::AccessRequest
            | Kind::AccessDecision
            | Kind::SupervisorAck
            | Kind::PeriodClose
            | Kind::Disclosure
            | Kind::Transfer => return Err(later(kind)),
        };
        members.done()?;
        Ok(read)
    }

    /// The digests in it that name an attachment.
    pub fn named_attachments(&self) -> Vec<Hash> {
        let found = match self {
            Body::Build(build) => Vec::from([build.materials, build.sbom, build.provenance]),
            Body::Rebuild(rebuild) => Vec::from([rebuild.buildinfo, rebuild.diff, rebuild.log]),
            Body::Review(review) => Vec::from([review.report]),
            Body::Verdict(verdict) => Vec::from([verdict.report]),
            Body::Rules(rules) => Vec::from([rules.document]),
            Body::Charter(_)
            | Body::Open(_)
            | Body::Close(_)
            | Body::Heartbeat { .. }
            | Body::Update(_)
            | Body::Revoke(_)
            | Body::Incident(_)
            | Body::SealingKey(_)
            | Body::Access
            | Body::Erasure(_)
            | Body::Correction(_) => Vec::new(),
        };
        found.into_iter().flatten().collect()
    }
}

/// The refusal of a type that is defined and not taken yet [L-10].
pub fn later(kind: Kind) -> Refusal {
    Refusal::TypeLater(format!("{kind} is defined, and this version does not take it yet"))
}

/// Refuses a body that names a digest which no attachment has [L-22].
pub fn check_named(body: &Body, attachments: &[Attachment]) -> Read<()> {
    match body.named_attachments().iter().find(|named| attachments.iter().all(|found| found.sha256 != **named)) {
        Some(named) => Err(Refusal::AttachmentMissing(format!(
            "the body names the attachment {}, predicate.attachments does not hold it",
            named.hex()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
