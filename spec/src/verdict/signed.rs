//! The verdict about a signed event that need not be logged (90-verdict.md, V-32).
//!
//! Not here: anything about the log; that is what `verify_update` and the audit are for.

use alloc::format;
use alloc::string::{String, ToString as _};

use super::proven::{check_signers, issuer_line, read_event, unreadable};
use super::{Account, Code, Fault, Pins, Verdict};
use crate::checkpoint::Origin;
use crate::envelope::Envelope;
use crate::trust::TrustFile;

/// Whether the bytes are an event, signed as it asks for, by an issuer whom the trust file lets say it [V-32].
pub fn verify_event(envelope: &[u8], pins: &Pins) -> Verdict {
    let mut account = Account::default();
    let end = judge(envelope, pins.trust(), &mut account);
    account.close(end)
}

fn judge(envelope: &[u8], trust: &TrustFile, account: &mut Account) -> Result<String, Fault> {
    account.not_checked("log: whether the event is in it");
    let envelope = Envelope::parse(envelope, 1).map_err(unreadable)?;
    let origin = Origin::new(&trust.origin).map_err(|error| Fault::new(Code::OriginUnknown, error.to_string()))?;
    let event = read_event(envelope, &origin)?;
    let statement = &event.statement;
    account.checked(format!("event: a {} in its one spelling, event_id {}", statement.kind, event.id.hex()));
    account.checked(format!("origin: {}", trust.origin));
    let unknown = check_signers(&event, trust, &[])?;
    let line = issuer_line(&event, trust)?;
    account.checked(format!("issuer: {} epoch {} signed it with {}", line.name, line.epoch, line.vkey.keyid()));
    for keyid in unknown {
        account.not_checked(format!("signature: of {keyid}, the trust file has no such key"));
    }
    if let Some(until) = line.until {
        account.not_checked(format!(
            "issuer: that it stands before entry {until}, from which on {} is disowned",
            line.name
        ));
    }
    account.not_checked("admission: position, references and rights in the log");
    Ok(format!(
        "an event of type {} of {} epoch {}, signed for {}",
        statement.kind, line.name, line.epoch, trust.origin
    ))
}
