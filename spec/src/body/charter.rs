//! `charter`: who runs this log, who supervises, who reads, what it takes (leaf-format.md 4).
//!
//! Not here: what a charter may change of the one before (`admission`).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::Origin;
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::json::{UINT_MAX, Value};
use crate::key::{KeyKind, Vkey};
use crate::refusal::Refusal;
use crate::statement::{Kind, Named};
use crate::text::{self, Quote};
use crate::tree::TreeSize;
use crate::words::{self, Members, Read, read_vkey, value};
use crate::wrap::{XWING_PUBLIC_BYTES, is_xwing};

/// The admission rules that this version knows [L-14].
pub const PROTOCOL: &str = "vitrine/v0";
/// The three issuers that a charter opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs the log.
    Operator,
    /// Supervises it.
    Supervisor,
    /// The log server's own issuer.
    Vault,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Operator, Role::Supervisor, Role::Vault];

    /// The issuer's name.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Supervisor => "supervisor",
            Role::Vault => "vault",
        }
    }

    /// The role of an issuer's name.
    pub fn of(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The types that it may log, as far as the charter takes them.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Role::Operator => &[
                Kind::Charter,
                Kind::IssuerClose,
                Kind::Rules,
                Kind::Correction,
                Kind::Erasure,
                Kind::Incident,
                Kind::Heartbeat,
            ],
            Role::Supervisor => &[
                Kind::Correction,
                Kind::SupervisorAck,
                Kind::Verdict,
                Kind::CodeReview,
                Kind::Rebuild,
                Kind::Incident,
                Kind::Heartbeat,
            ],
            Role::Vault => &[Kind::Access, Kind::Incident, Kind::Heartbeat],
        }
    }

    /// The longest silence that a charter promises for it, seconds.
    pub const fn heartbeat_s(self) -> Option<u64> {
        match self {
            Role::Vault => Some(86_400),
            Role::Operator | Role::Supervisor => None,
        }
    }
}

/// A role's keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The epoch of its chain.
    pub epoch: u32,
    /// The key.
    pub vkey: Vkey,
    /// A key kept apart that signs nothing but a later charter.
    pub spare: Option<Vkey>,
    /// The last event of the old key that counts.
    pub previous: Option<Named>,
}

/// Who may open sealed records.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// `supervisor` or `vault`.
    pub role: Role,
    /// Signs read requests.
    pub sign: Vkey,
    /// X-Wing public key.
    pub seal: Vec<u8>,
}

/// A place where the vendor works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The code, such as `CH-ZH-1`.
    pub code: String,
    /// Its name for people.
    pub name: String,
}

/// The broken log that this one goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its origin.
    pub origin: String,
    /// Its last size.
    pub size: TreeSize,
    /// Its last root.
    pub root: Hash,
    /// Digests of the evidence.
    pub evidence: Vec<String>,
}

/// The body of a charter.
#[derive(Clone, Debug, PartialEq)]
pub struct Charter {
    /// 1 for entry 0.
    pub version: u64,
    /// The charter before.
    pub prev: Option<EventId>,
    /// The admission rules.
    pub protocol: String,
    /// The log.
    pub origin: String,
    /// The log's Ed25519 and ML-DSA-44 keys.
    pub log_keys: [Vkey; 2],
    /// Runs the log.
    pub operator: Holder,
    /// Supervises it.
    pub supervisor: Holder,
    /// The log server's own issuer.
    pub vault: Holder,
    /// Who may open sealed records.
    pub readers: Vec<Reader>,
    /// What the log takes.
    pub types: Vec<Kind>,
    /// Opaque entries instead.
    pub raw: bool,
    /// Where the vendor works.
    pub sites: Vec<Site>,
    /// Types that a role co-signs.
    pub cosign: BTreeMap<Kind, Vec<Role>>,
    /// No update without a build here.
    pub built_here_only: bool,
    /// The broken log before.
    pub predecessor: Option<Predecessor>,
}

impl Charter {
    /// Reads the table [L-14].
    pub fn read(members: &mut Members<'_>) -> Read<Charter> {
        let version = members.int("version", 1, UINT_MAX)?;
        if members.has("prev") != (version > 1) {
            return Err(Refusal::Malformed(format!(
                "body.prev is there exactly from version 2 on, this is version {version}"
            )));
        }
        let prev = members.opt_sha256("prev")?.map(EventId);
        let protocol = members.word("protocol", PROTOCOL, |text| text == PROTOCOL)?;
        let origin = members.word("origin", "an origin: a key name without cosignature/ or subtree/", |text| {
            Origin::new(text).is_ok_and(|origin| origin.is_for_our_logs())
        })?;
        let log_keys = read_log_keys(members, &origin)?;
        let operator = members.object("operator", |holder| read_holder(holder, true))?;
        let supervisor = members.object("supervisor", |holder| read_holder(holder, true))?;
        let vault = members.object("vault", |holder| read_holder(holder, false))?;
        let readers = read_readers(members)?;
        let raw = members.bool("raw")?;
        let types = read_types(members, raw)?;
        let sealed = types.iter().any(|kind| kind.is_sealed());
        if sealed && readers.len() < 2 {
            return value(
                "body.readers",
                format!("{} readers, at least 2 are needed with a sealed type", readers.len()),
            );
        }
        let sites = members.objects("sites", (0, 64), |site| {
            Ok(Site {
                code: site.word("code", "a site such as CH-ZH-1", words::is_site)?,
                name: site.str("name", 100)?,
            })
        })?;
        words::check_sorted("body.sites", &sites.iter().map(|site| site.code.as_str()).collect::<Vec<_>>())?;
        let cosign = read_cosign(members, &types)?;
        let built_here_only = members.bool("built_here_only")?;
        let predecessor = members.opt_object("predecessor", |before| {
            Ok(Predecessor {
                origin: before
                    .word("origin", "an origin", |text| Origin::new(text).is_ok_and(|o| o.is_for_our_logs()))?,
                size: TreeSize::new(before.int("size", 0, UINT_MAX)?),
                root: before.sha256("root")?,
                evidence: before
                    .texts("evidence", (0, 8), false, "64 hexadecimal digits", |text| Hash::from_hex(text).is_ok())?,
            })
        })?;
        Ok(Charter {
            version,
            prev,
            protocol,
            origin,
            log_keys,
            operator,
            supervisor,
            vault,
            readers,
            types,
            raw,
            sites,
            cosign,
            built_here_only,
            predecessor,
        })
    }

    /// The holder of a role.
    pub fn holder(&self, role: Role) -> &Holder {
        match role {
            Role::Operator => &self.operator,
            Role::Supervisor => &self.supervisor,
            Role::Vault => &self.vault,
        }
    }

    /// True when the log takes a type: listed, or brought along by one that is.
    pub fn takes(&self, kind: Kind) -> bool {
        self.types.contains(&kind.listed_as())
    }

    /// True when a site is listed.
    pub fn has_site(&self, code: &str) -> bool {
        self.sites.iter().any(|site| site.code == code)
    }
}

fn read_log_keys(members: &mut Members<'_>, origin: &str) -> Read<[Vkey; 2]> {
    let items = members.array("log_keys", 2, 2)?;
    let key = |at: usize, kind: KeyKind| {
        let path = format!("body.log_keys[{at}]");
        let Some(Value::Text(text)) = items.get(at) else {
            return Err(Refusal::Malformed(format!("{path} is not a text")));
        };
        let vkey = read_vkey(&path, text, kind)?;
        if vkey.name() == origin {
            Ok(vkey)
        } else {
            value(path, format!("the key is named {}, the log {origin}", vkey.name()))
        }
    };
    Ok([key(0, KeyKind::Ed25519)?, key(1, KeyKind::MlDsa44)?])
}

fn read_holder(members: &mut Members<'_>, spare: bool) -> Read<Holder> {
    let epoch = u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX);
    let vkey = members.vkey("vkey", KeyKind::Ed25519)?;
    let spare = if spare && members.has("spare") { Some(members.vkey("spare", KeyKind::Ed25519)?) } else { None };
    let previous = members.opt_object("previous", Named::read)?;
    Ok(Holder { epoch, vkey, spare, previous })
}

fn read_readers(members: &mut Members<'_>) -> Read<Vec<Reader>> {
    let readers = members.objects("readers", (0, 8), |reader| {
        let name = reader.word("name", "a name", words::is_name)?;
        let role = reader.one_of("role", &[("supervisor", Role::Supervisor), ("vault", Role::Vault)])?;
        let sign = reader.vkey("sign", KeyKind::Ed25519)?;
        let at = reader.at("seal");
        let seal = match text::unb64_array::<XWING_PUBLIC_BYTES>(reader.text("seal")?) {
            Ok(seal) => seal,
            Err(error) => return value(at, error),
        };
        if !is_xwing(&seal) {
            return value(at, "not an X-Wing public key: an ML-KEM number from 3329 on, or an X25519 part that is not reduced or of small order");
        }
        Ok(Reader { name, role, sign, seal: seal.to_vec() })
    })?;
    words::check_sorted("body.readers", &readers.iter().map(|reader| reader.name.as_str()).collect::<Vec<_>>())?;
    Ok(readers)
}

fn read_types(members: &mut Members<'_>, raw: bool) -> Read<Vec<Kind>> {
    let listable = |text: &str| Kind::of(text).is_some_and(|kind| kind.listed_as() == kind);
    let texts = members.texts("types", (1, Kind::ALL.len()), true, "a type that a charter lists", listable)?;
    let types: Vec<Kind> = texts.iter().filter_map(|text| Kind::of(text)).collect();
    if raw {
        return if types == [Kind::Charter] { Ok(types) } else { value("body.types", "a raw log takes charter alone") };
    }
    for always in [Kind::Charter, Kind::IssuerOpen, Kind::IssuerClose, Kind::Heartbeat, Kind::Incident] {
        if !types.contains(&always) {
            return value("body.types", format!("{always} is missing; every log takes it"));
        }
    }
    Ok(types)
}

fn read_cosign(members: &mut Members<'_>, types: &[Kind]) -> Read<BTreeMap<Kind, Vec<Role>>> {
    let Value::Object(entries) = members.req("cosign")? else {
        return Err(Refusal::Malformed("body.cosign is not an object".into()));
    };
    let mut cosign = BTreeMap::new();
    for (name, roles) in entries {
        let kind = Kind::of(name)
            .filter(|kind| types.contains(kind) || (*kind == Kind::UpdateRevoke && types.contains(&Kind::Update)))
            .filter(|kind| !matches!(kind, Kind::Charter | Kind::Heartbeat | Kind::SealingKey | Kind::Access));
        let Some(kind) = kind else {
            return value("body.cosign", format!("{} is not a type that can be asked for", Quote::of(name)));
        };
        let Value::Array(roles) = roles else {
            return Err(Refusal::Malformed(format!("body.cosign.{name} is {}, not an array", roles.kind())));
        };
        let mut found = Vec::new();
        for role in roles {
            let Value::Text(text) = role else {
                return Err(Refusal::Malformed(format!("body.cosign.{name} holds {}, not a text", role.kind())));
            };
            match Role::of(text) {
                Some(role) if role != Role::Vault => found.push(role),
                _ => {
                    return value(
                        format!("body.cosign.{name}"),
                        format!("{} is neither operator nor supervisor", Quote::of(text)),
                    );
                }
            }
        }
        if found.is_empty() {
            return value(format!("body.cosign.{name}"), "empty");
        }
        words::check_sorted(&format!("body.cosign.{name}"), &found)?;
        cosign.insert(kind, found);
    }
    Ok(cosign)
}
