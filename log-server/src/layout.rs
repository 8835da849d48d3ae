//! Which object has which path (85-log.md, "Objects").
//!
//! Not here: the paths of tiles and bundles (`vitrine_spec::tiles`) and of sealed records (`sealed`), the bytes of the objects (`head`).

use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

use crate::time::Time;

/// The newest signed head, with the digest of its stage [S-3].
pub const HEAD: &str = "head";

/// The newest published checkpoint: the log's lines and the witnesses'.
pub const CHECKPOINT: &str = "checkpoint";

/// The machine that last used the folder [S-10].
pub const MACHINE: &str = "machine";

/// The file that carries the lock of the folder; it is no object.
pub const LOCK: &str = "lock";

/// How far an unfinished copy came; while it is there no server opens the folder [S-45].
pub const FOLLOW: &str = "follow";

/// Where objects are written before they have their name; whatever is in it at open is deleted [S-11].
pub const TEMPORARY_FOLDER: &str = "tmp";

/// Where stages are.
pub const STAGE_FOLDER: &str = "stage";

/// Where the first checkpoint of each hour is kept.
pub const KEPT_FOLDER: &str = "kept";

/// Where tiles and bundles are.
pub const TILE_FOLDER: &str = "tile";

/// Where sealed records are.
pub const SEALED_FOLDER: &str = "sealed";

/// Where attachments are.
pub const ATTACHMENT_FOLDER: &str = "attachment";

/// Where it is said of each attachment that no published event names who put it, and when.
pub const WAITING_FOLDER: &str = "attachment/waiting";

/// Where the index is: not objects of the store, and deleting the folder is how to rebuild it.
pub const INDEX_FOLDER: &str = "index";

/// Temporary name number `number` of this process.
pub fn temporary(number: u64) -> String {
    format!("{TEMPORARY_FOLDER}/{number}")
}

/// The stage that leads to a tree of `size` entries.
pub fn stage(size: TreeSize) -> String {
    format!("{STAGE_FOLDER}/{size}")
}

/// The first checkpoint published in the UTC hour of `time`.
pub fn kept(time: Time) -> String {
    format!("{KEPT_FOLDER}/{}", time.hour())
}

/// The attachment with this digest.
pub fn attachment(sha256: &Hash) -> String {
    let hex = sha256.hex();
    format!("{ATTACHMENT_FOLDER}/{}/{hex}", hex.get(..2).unwrap_or_default())
}

/// The record of an attachment that no published event names.
pub fn waiting(sha256: &Hash) -> String {
    format!("{WAITING_FOLDER}/{}", sha256.hex())
}

/// The folder that an object is in; `""` for the root.
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A name in a folder; in the root it is the name alone.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folders on the way to a path, outermost first, without the root: `a`, `a/b` of `a/b/c`.
pub fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_lead_to_the_path() {
        assert_eq!(
            folders("tile/0/x001/067.p/5").collect::<Vec<_>>(),
            ["tile", "tile/0", "tile/0/x001", "tile/0/x001/067.p"]
        );
        assert_eq!(folders("head").count(), 0);
        assert_eq!((folder("tile/0/000"), folder("head")), ("tile/0", ""));
        assert_eq!((join("tile", "0"), join("", "head")), ("tile/0".to_owned(), "head".to_owned()));
    }

    #[test]
    fn paths_are_spelled_one_way() {
        assert_eq!(stage(TreeSize::new(70_000)), "stage/70000");
        assert_eq!(kept(Time::new(1_795_276_800)), "kept/2026/11/21/16");
    }
}
