//! The charters among the proofs, followed from the pinned one, and the keys that they give the roles (90-verdict.md, V-31, V-46).
//!
//! Not here: what else a charter changes (`admission`); the issuers that are no roles stand in the trust file alone.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::proven::{Proven, issuer_signer};
use super::{Account, Code, Fault};
use crate::body::Body;
use crate::body::charter::{Charter, Role};
use crate::envelope::pae;
use crate::key::Vkey;
use crate::trust::{Fingerprint, TrustFile, TrustedIssuer};

/// What the charters that were followed say.
pub(super) struct Roles {
    /// The trust file, and a line for each later key of a role that it names.
    pub(super) trust: TrustFile,
    /// Every key of a role, for signatures that are beside the point.
    pub(super) keys: Vec<Vkey>,
    /// Positions in the list of proofs of the later charters that were followed, and the signers whose keys nobody here has; the
    /// others were checked.
    pub(super) followed: Vec<(usize, Vec<String>)>,
}

/// Follows the charters from the pinned first one, each signed by operator and supervisor of the one before [V-31] [V-46].
pub(super) fn follow(proven: &[Proven], trust: &TrustFile, account: &mut Account) -> Result<Roles, Fault> {
    let mut roles = Roles { trust: trust.clone(), keys: Vec::new(), followed: Vec::new() };
    let charters: Vec<(usize, &Proven, &Charter)> = proven
        .iter()
        .enumerate()
        .filter_map(|(at, proof)| match &proof.event.statement.body {
            Body::Charter(charter) => Some((at, proof, &**charter)),
            _ => None,
        })
        .collect();
    let firsts = || charters.iter().filter(|(_, proof, _)| proof.index.get() == 0);
    let other = |proof: &&Proven| Fingerprint::new(proof.event.id.0) != trust.charter;
    if let Some(proof) = firsts().map(|(_, proof, _)| *proof).find(other) {
        let got = Fingerprint::new(proof.event.id.0);
        let reason = format!("entry 0 has fingerprint {got}, the trust file pins {}", trust.charter);
        return Err(Fault::new(Code::Charter, reason)); // [V-31]
    }
    let mut in_force = firsts().next();
    match in_force {
        Some((.., first)) => {
            account.checked(format!("charter: entry 0 has the pinned fingerprint {}", trust.charter));
            roles.take(first)?;
        }
        None => account.not_checked("charter: no proof of entry 0 was given; the trust file's keys stand for it"),
    }
    let mut seen = Vec::from_iter(firsts().map(|(at, ..)| *at));
    while let Some((_, before, old)) = in_force {
        let next = charters.iter().find(|(_, _, new)| new.prev == Some(before.event.id));
        if let Some((_, proof, new)) = next {
            let twin = |(_, other, twin): &&(usize, &Proven, &Charter)| {
                twin.prev == Some(before.event.id) && other.event.id != proof.event.id
            };
            if let Some((_, other, _)) = charters.iter().find(twin) {
                let reason = format!("{} and {} both follow version {}", proof.what(), other.what(), old.version);
                return Err(Fault::new(Code::Charter, reason));
            }
            // Shown in two trees it is one charter, and each copy has its own signatures.
            for (at, copy, _) in charters.iter().filter(|(_, copy, _)| copy.event.id == proof.event.id) {
                roles.followed.push((*at, check_later(old, copy, new, &roles.trust)?));
                seen.push(*at);
            }
            account.checked(format!(
                "charter: {} is version {}, signed by operator and supervisor of version {}",
                proof.what(),
                new.version,
                old.version
            ));
            for role in Role::ALL.into_iter().filter(|role| new.holder(*role).previous.is_some()) {
                account.not_checked(format!(
                    "charter: which events of {} epoch {} version {} disowns",
                    role.name(),
                    old.holder(role).epoch,
                    new.version
                ));
            }
            roles.take(new)?;
        }
        let version = old.version;
        in_force = next;
        if next.is_none() && version < trust.charter_version {
            return Err(too_old(trust, &format!("version {version} is the latest that was shown")));
        }
    }
    if seen.is_empty() && trust.charter_version > 1 {
        return Err(too_old(trust, "none was shown"));
    }
    for (_, proof, charter) in charters.iter().filter(|(at, ..)| !seen.contains(at)) {
        let reason = format!("{} is version {}, without the ones before it", proof.what(), charter.version);
        account.not_checked(format!("charter: {reason}"));
    }
    Ok(roles)
}

fn too_old(trust: &TrustFile, shown: &str) -> Fault {
    let reason =
        format!("the trust file asks for version {} of the charter or a later one, {shown}", trust.charter_version);
    Fault::new(Code::CharterVersion, reason) // [V-3]
}

impl Roles {
    /// Takes the keys that a charter gives the roles.
    fn take(&mut self, charter: &Charter) -> Result<(), Fault> {
        for role in Role::ALL {
            let (name, holder) = (role.name(), charter.holder(role));
            let same = |line: &&TrustedIssuer| line.name != name && line.vkey.public() == holder.vkey.public();
            if let Some(other) = self.trust.issuers().find(same) {
                let reason = format!(
                    "version {} gives {name} epoch {} the key that the trust file has for {}",
                    charter.version, holder.epoch, other.name
                );
                return Err(Fault::new(Code::Charter, reason)); // [V-5]
            }
            match self.trust.issuer(name, holder.epoch) {
                Some(line) if line.vkey != holder.vkey => {
                    let reason = format!(
                        "version {} gives {name} epoch {} the key {}, the trust file has {}",
                        charter.version, holder.epoch, holder.vkey, line.vkey
                    );
                    return Err(Fault::new(Code::Charter, reason));
                }
                Some(_) => {}
                None => self.trust.add_epoch(name, holder.epoch, &holder.vkey),
            }
            if !self.keys.contains(&holder.vkey) {
                self.keys.push(holder.vkey.clone());
            }
        }
        Ok(())
    }
}

/// A later charter is signed as leaf-format 4 asks for: operator and supervisor of the one before, or their spares, and every new key.
///
/// Gives the signers whose keys neither the two charters nor the trust file have: their signatures are not checked [V-18].
fn check_later(old: &Charter, proof: &Proven, new: &Charter, trust: &TrustFile) -> Result<Vec<String>, Fault> {
    let header = &proof.event.statement.header;
    let wrong = |reason: String| Fault::new(Code::Charter, format!("{}: {reason}", proof.what()));
    if (new.version, header.issuer.as_str(), header.epoch) != (old.version + 1, "operator", old.operator.epoch) {
        return Err(wrong(format!(
            "version {} of {} epoch {}, after version {} whose operator has epoch {}",
            new.version, header.issuer, header.epoch, old.version, old.operator.epoch
        )));
    }
    let signer = issuer_signer(&proof.event).map_err(|fault| fault.of(&proof.what()))?;
    let own = core::iter::once(&old.operator.vkey).chain(&old.operator.spare);
    if !own.into_iter().any(|vkey| vkey.keyid() == signer) {
        let reason = format!("{}: signed by {signer}, which is no key of the operator", proof.what());
        return Err(Fault::new(Code::EventSigners, reason));
    }
    let mut known: Vec<&Vkey> = Vec::new();
    for role in Role::ALL {
        known.extend([&old.holder(role).vkey, &new.holder(role).vkey]);
        known.extend(&old.holder(role).spare);
    }
    let message = pae(&proof.event.envelope.payload);
    let (mut signed, mut unknown): (Vec<&Vkey>, Vec<String>) = (Vec::new(), Vec::new());
    for signature in &proof.event.envelope.signatures {
        let of_role = known.iter().find(|vkey| vkey.keyid() == signature.keyid).copied();
        let Some(vkey) = of_role.or_else(|| trust.key(&signature.keyid).map(|line| &line.vkey)) else {
            unknown.push(signature.keyid.clone());
            continue;
        };
        if !vkey.verify(&message, &signature.sig) {
            let reason = format!("the signature of {} does not verify with {vkey}", signature.keyid);
            return Err(Fault::new(Code::EventSignature, format!("{}: {reason}", proof.what())));
        }
        signed.push(vkey);
    }
    for role in [Role::Operator, Role::Supervisor] {
        let holder = old.holder(role);
        if !signed.contains(&&holder.vkey) && !holder.spare.as_ref().is_some_and(|spare| signed.contains(&spare)) {
            return Err(wrong(format!("the {} of version {} did not sign it", role.name(), old.version)));
        }
    }
    for role in Role::ALL {
        let (before, after) = (old.holder(role), new.holder(role));
        let changed = before.vkey != after.vkey;
        if changed && !signed.contains(&&after.vkey) {
            return Err(wrong(format!("the new key of {} did not sign it", role.name())));
        }
        if after.epoch != before.epoch + u32::from(changed) {
            return Err(wrong(format!("{} has epoch {} after epoch {}", role.name(), after.epoch, before.epoch)));
        }
    }
    Ok(unknown)
}
