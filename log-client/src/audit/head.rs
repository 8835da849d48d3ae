//! The checkpoint that the log shows, and whether it can follow another one (tlog-checkpoint; RFC 9162 2.1.4).
//!
//! Consistency is built from the log's own tiles and verified, so a log that cannot show it contradicts itself. Not here: what
//! the entries say, and what becomes of a contradiction (`engine`).

use std::cell::RefCell;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::proof::{Tiles, consistency, inclusion, verify_consistency, verify_inclusion};
use vitrine_spec::tiles::TileId;
use vitrine_spec::tree::{LeafIndex, TreeSize};
use vitrine_spec::verdict::{Pins, Witnessed};

use super::report::{Finding, Severity};
use super::source::Source;
use super::walk::fetch_tiles;
use crate::exit::Failure;

/// A checkpoint that the log showed, with its bytes.
#[derive(Clone, Debug)]
pub struct Head {
    /// As the log showed it.
    pub bytes: Vec<u8>,
    /// Read.
    pub signed: SignedCheckpoint,
    /// Who vouches for it.
    pub witnessed: Witnessed,
}

impl Head {
    /// Reads a checkpoint and judges it; that its quorum is short is no error here.
    pub fn read(bytes: Vec<u8>, pins: &Pins, now: Option<u64>) -> Result<Head, Failure> {
        let signed = SignedCheckpoint::parse(&bytes)
            .map_err(|error| Failure::refused("log.checkpoint", "this is not a checkpoint").side("reason", error))?;
        let witnessed = pins.judge(&signed, now).map_err(|fault| {
            Failure::refused(fault.code.as_str(), "the checkpoint is not one that the trust folder accepts")
                .side("reason", fault.reason)
        })?;
        Ok(Head { bytes, signed, witnessed })
    }

    /// A file name for it among the evidence.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}.checkpoint", self.signed.size())
    }
}

/// Tiles of the log at one size.
struct Served<'a, S> {
    source: &'a S,
    size: TreeSize,
    failure: RefCell<Option<Failure>>,
}

impl<S: Source> Tiles for Served<'_, S> {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        match fetch_tiles(self.source, self.size, &[id]) {
            Ok(mut tiles) => Ok(tiles.pop().unwrap_or_default()),
            Err(failure) => {
                let text = failure.to_string();
                *self.failure.borrow_mut() = Some(failure);
                Err(text)
            }
        }
    }
}

/// Whether the log's own tiles show that the later tree grew from the earlier one; an error says why not.
pub fn grew(
    source: &impl Source,
    from: (TreeSize, &Hash),
    to: (TreeSize, &Hash),
) -> Result<Result<(), String>, Failure> {
    let served = Served { source, size: to.0, failure: RefCell::default() };
    let proof = consistency(&served, from.0, to.0);
    if let Some(failure) = served.failure.into_inner() {
        return Err(failure);
    }
    Ok(match proof {
        Ok(proof) => verify_consistency(from.0, from.1, to.0, to.1, &proof).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    })
}

/// Whether the log's own tiles show that a leaf is an entry of its tree; an error says why not.
pub fn includes(
    source: &impl Source,
    (size, root): (TreeSize, &Hash),
    index: LeafIndex,
    leaf: &Hash,
) -> Result<Result<(), String>, Failure> {
    let served = Served { source, size, failure: RefCell::default() };
    let proof = inclusion(&served, index, size);
    if let Some(failure) = served.failure.into_inner() {
        return Err(failure);
    }
    Ok(match proof {
        Ok(proof) => verify_inclusion(leaf, index, size, &proof, root).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    })
}

/// Why the checkpoint shown cannot follow the remembered one, if it cannot.
pub fn contradiction(source: &impl Source, remembered: &Head, head: &Head) -> Result<Option<Finding>, Failure> {
    let (before, after) = (&remembered.signed, &head.signed);
    let fault = if after.size() < before.size() {
        Some(("log.older", format!("the log shows {} entries, {} are remembered", after.size(), before.size())))
    } else if after.size() == before.size() {
        (after.root() != before.root()).then(|| {
            let text = format!(
                "the log shows {} entries with root {}, remembered is root {}",
                after.size(),
                after.root(),
                before.root()
            );
            ("log.fork", text)
        })
    } else {
        let grown = grew(source, (before.size(), before.root()), (after.size(), after.root()))?;
        grown.err().map(|why| {
            let text = format!(
                "the {} entries that the log shows do not begin with the {} remembered ones: {why}",
                after.size(),
                before.size()
            );
            ("log.fork", text)
        })
    };
    Ok(fault.map(|(code, text)| Finding::new(Severity::Misbehaviour, code, text)))
}
