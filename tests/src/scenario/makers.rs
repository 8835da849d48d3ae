//! What an issuer of a story logs, whatever its log takes: builds, or accesses that are sealed here.
//!
//! `join` opens an issuer and logs one event more, `make` writes the file of the next one: two entries and one, in a log of
//! either kind. Not here: sending them (`stage`).

use std::collections::BTreeMap;

use vitrine_log_client::sealer::Signed;
use vitrine_spec::envelope::Submission;

use crate::demo::product::now;
use crate::harness::accesses::Accesses;
use crate::harness::world::World;

/// The issuers of a story.
#[derive(Default)]
pub(super) struct Makers {
    /// Of accesses: the chain, and the access that was sealed with the first sealing key.
    sealing: BTreeMap<String, (Accesses, Option<Signed>)>,
}

impl Makers {
    /// Opens an issuer of builds and logs a heartbeat of it.
    pub(super) fn join_of_builds(world: &World, issuer: &str) -> Result<(), String> {
        world.open(issuer, &["types.build=none", &format!("builders=https://{issuer}.example/farm")])?;
        let (file, to) = (format!("{issuer}-alive.json"), format!("to={}", now()));
        world.event("heartbeat", issuer, &file, &["--field", &to])?;
        world.submit(issuer, &[&file]).map(|_| ())
    }

    /// Opens an issuer of accesses and logs its first sealing key.
    pub(super) fn join_of_accesses(&mut self, world: &World, issuer: &str) -> Result<(), String> {
        let mut accesses = Accesses::open(world, issuer)?;
        let mut sealed = accesses.seal(1, now())?.into_iter();
        let (Some(key), access) = (sealed.next(), sealed.next()) else { return Err("nothing was sealed".to_owned()) };
        let file = format!("{issuer}-sealing-key.json");
        world.write(&file, Submission { envelope: key.envelope, sealed: None }.print())?;
        self.sealing.insert(issuer.to_owned(), (accesses, access));
        world.submit(issuer, &[&file]).map(|_| ())
    }

    /// Writes the next access of an issuer: its record as `<name>`, what is sent as `<name>.json`.
    pub(super) fn access(&mut self, world: &World, issuer: &str, name: &str) -> Result<(), String> {
        let (accesses, ready) = self.sealing.get_mut(issuer).ok_or_else(|| format!("{issuer} has not joined"))?;
        let next = match ready.take() {
            Some(ready) => Some(ready),
            None => accesses.seal(1, now())?.pop(),
        };
        let Some(Signed { envelope, record: Some(record), .. }) = next else {
            return Err("no access was sealed".to_owned());
        };
        world.write(name, &record)?;
        world.write(&format!("{name}.json"), Submission { envelope, sealed: Some(record) }.print())
    }
}
