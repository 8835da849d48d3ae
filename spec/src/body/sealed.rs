//! `sealing-key` (leaf-format.md 4 and 6).
//!
//! Not here: how records are sealed and opened (`sealing`, `wrap`), when a sealing key is open (`admission`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::hash::Hash;
use crate::json::Value;
use crate::text;
use crate::words::{self, Members, Read, value};
use crate::wrap::{SEALING_ALG, WRAP_BYTES};

/// W for one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// The reader's name.
    pub reader: String,
    /// The id of its sealing key.
    pub key: [u8; 8],
    /// 1,168 bytes.
    pub wrap: Vec<u8>,
}

/// The body of `sealing-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKey {
    /// What is public of W.
    pub check: Hash,
    /// One for each reader of the charter in force, in its order.
    pub wraps: Vec<Wrap>,
}

impl SealingKey {
    /// Reads the table [L-25].
    pub fn read(members: &mut Members<'_>) -> Read<SealingKey> {
        members.word("alg", SEALING_ALG, |text| text == SEALING_ALG)?;
        let check = members.sha256("check")?;
        // How many there must be, and whose, depends on the charter: `sealing-key`.
        let wraps = members.objects("wraps", (1, usize::MAX), |found| {
            let reader = found.word("reader", "a name", words::is_name)?;
            let at = found.at("key");
            let key = match text::unhex::<8>(found.text("key")?) {
                Ok(key) => key,
                Err(error) => return value(at, error),
            };
            let at = found.at("wrap");
            let wrap = match text::unb64_array::<WRAP_BYTES>(found.text("wrap")?) {
                Ok(wrap) => wrap.to_vec(),
                Err(error) => return value(at, error),
            };
            Ok(Wrap { reader, key, wrap })
        })?;
        Ok(SealingKey { check, wraps })
    }

    /// The object of a leaf.
    pub fn value(&self) -> Value {
        let wrap = |found: &Wrap| {
            Value::object([
                ("key", text::hex(&found.key).into()),
                ("reader", found.reader.as_str().into()),
                ("wrap", text::b64(&found.wrap).into()),
            ])
        };
        Value::object([
            ("alg", SEALING_ALG.into()),
            ("check", self.check.hex().into()),
            ("wraps", Value::Array(self.wraps.iter().map(wrap).collect())),
        ])
    }

    /// SHA-256 of the decoded wraps, concatenated in order: the subject.
    pub fn digest(&self) -> Hash {
        let parts: Vec<&[u8]> = self.wraps.iter().map(|found| found.wrap.as_slice()).collect();
        Hash::of_parts(&parts)
    }

    /// The wrap of a reader.
    pub fn wrap_of(&self, reader: &str) -> Option<&Wrap> {
        self.wraps.iter().find(|found| found.reader == reader)
    }

    /// The readers in the order of the wraps, for messages.
    pub(crate) fn readers(&self) -> String {
        let names: Vec<String> =
            self.wraps.iter().map(|found| format!("{} {}", found.reader, text::hex(&found.key))).collect();
        names.join(", ")
    }
}
