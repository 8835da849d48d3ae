//! What the targets compare with: JSON by serde_json, paths in trees from the text of RFC 9162.
//!
//! Written from the documents alone; shares nothing with the code under test but types and SHA-256.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vitrine_spec::hash::{Hash, leaf_hash, node_hash};
use vitrine_spec::json::{DEPTH_MAX, INT_MAX, Value};
use vitrine_spec::tree::LeafIndex;

/// Reads JSON under the strict rules with serde_json; `None` for whatever they refuse [J-1].
pub fn json(bytes: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(0).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// The spelling of RFC 8785, by a crate for it [J-7].
pub fn canonical(bytes: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("the strict rules take only JSON");
    serde_json_canonicalizer::to_vec(&value).expect("a value has a spelling")
}

/// Reads a value with so many containers around it.
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn inside<E: Error>(&self) -> Result<Strict, E> {
        if self.0 == DEPTH_MAX { Err(E::custom("too deep")) } else { Ok(Strict(self.0 + 1)) } // [J-6]
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    /// Integers alone: a fraction, an exponent, a negative zero and what is beyond 64 bits come as floats [J-5].
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() <= INT_MAX.unsigned_abs() { Ok(Value::Int(value)) } else { Err(E::custom("too large")) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.visit_i64(i64::try_from(value).map_err(E::custom)?)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        if value.contains('\0') { Err(E::custom("U+0000")) } else { Ok(value.into()) } // [J-4]
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(self.inside()?)? {
            found.push(item);
        }
        // An empty container counts as well.
        self.inside::<A::Error>()?;
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let value = members.next_value_seed(self.inside()?)?;
            if found.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice")); // [J-3]
            }
        }
        self.inside::<A::Error>()?;
        Ok(Value::Object(found))
    }
}

/// A member name: ASCII without U+0000.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.is_ascii() && !name.contains('\0') { Ok(name) } else { Err(D::Error::custom("a name")) }
    }
}

/// The root that a leaf and its path lead to: RFC 9162, section 2.1.3.2; `None` for a path of another length.
pub fn inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut place, mut last, mut root) = (index, size - 1, leaf);
    for hash in path {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            root = node_hash(hash, &root);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            root = node_hash(&root, hash);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some(root)
}

/// The two roots that a path leads to, `0 < old < new`: RFC 9162, section 2.1.4.2. `first` begins the path of a full tree.
pub fn consistency(old: u64, new: u64, first: Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
    if path.is_empty() {
        return None;
    }
    let mut whole = Vec::from(path);
    if old.is_power_of_two() {
        whole.insert(0, first);
    }
    let (mut place, mut last) = (old - 1, new - 1);
    while place % 2 == 1 {
        place /= 2;
        last /= 2;
    }
    let (start, rest) = whole.split_first()?;
    let (mut from, mut to) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            from = node_hash(hash, &from);
            to = node_hash(hash, &to);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            to = node_hash(&to, hash);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some((from, to))
}

/// The root over entries and the hashes between them: RFC 9162, section 2.1.1, from the definition in docs/92; `None` when an
/// entry is outside, or hashes are missing or left over.
pub fn bundle(size: u64, entries: &[(LeafIndex, Vec<u8>)], hashes: &[Hash]) -> Option<Hash> {
    fn mth(low: u64, high: u64, entries: &[(LeafIndex, Vec<u8>)], hashes: &mut Vec<Hash>) -> Option<Hash> {
        let mut inside = entries.iter().filter(|(index, _)| (low..high).contains(&index.get()));
        let Some((_, leaf)) = inside.next() else { return hashes.pop() };
        if high - low == 1 {
            return Some(leaf_hash(leaf));
        }
        let mut half = 1;
        while half < (high - low).div_ceil(2) {
            half *= 2;
        }
        let left = mth(low, low + half, entries, hashes)?;
        Some(node_hash(&left, &mth(low + half, high, entries, hashes)?))
    }
    if entries.iter().any(|(index, _)| index.get() >= size) {
        return None;
    }
    let mut left: Vec<Hash> = hashes.iter().rev().copied().collect();
    mth(0, size, entries, &mut left).filter(|_| left.is_empty())
}
