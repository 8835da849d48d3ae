//! The server is killed in the middle of submissions, and nothing is lost.

use std::process::{Child, Command, Stdio};

use super::show::Show;
use crate::harness::process::binaries;
use crate::harness::world::World;

/// Submits `count` builds, one command each, several at once; kills the server `kills` times meanwhile.
///
/// # Errors
/// A build whose command did not end with a proof.
pub fn in_the_middle(world: &mut World, show: &mut Show, count: usize, kills: usize) -> Result<(), String> {
    let before = world.published()?;
    world.write("part", "a part of the product")?;
    let fields = [
        "purl=pkg:generic/part@1",
        "source.uri=https://demo.example/part",
        "source.digest.gitTree=0123456789012345678901234567890123456789",
        "builder_id=https://demo.example/farm",
        "build_type=https://demo.example/cargo-build-release",
        "invocation_id=part",
        "started=1",
        "finished=2",
        "build_site=CH-ZH-1",
        "signing_site=CH-ZH-1",
    ];
    let mut more = vec!["--file", "part"];
    more.extend(fields.iter().flat_map(|field| ["--field", field]));
    let files: Vec<String> = (0..count).map(|number| format!("part-{number}.json")).collect();
    for file in &files {
        world.event("build", "farm", file, &more)?;
    }
    let mut running: Vec<Child> = Vec::new();
    let url = world.url();
    for (number, chunk) in files.chunks(count.div_ceil(4)).enumerate() {
        let spool = format!("spool-part-{number}");
        let mut command = Command::new(binaries().join("log-client"));
        command.args([
            "submit", "--log", &url, "--policy", "policy", "--key", "farm.key", "--spool", &spool, "--wait", "60",
        ]);
        command.args(chunk).current_dir(&world.folder);
        running.push(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|e| e.to_string())?,
        );
    }
    for _ in 0..kills {
        world.kill_log()?;
    }
    for mut child in running {
        let status = child.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("a submit ended with {status} while the server was killed"));
        }
    }
    let logged = files.iter().filter(|file| world.path(&format!("{file}.tlog-proof")).is_file()).count();
    let after = world.published()?;
    if logged != count {
        return Err(format!("{logged} of {count} builds have a proof"));
    }
    show.good(&format!(
        "{count} builds submitted, the server killed {kills} times: {logged} proofs, size {before} -> {after}"
    ));
    show.sum(format!("held         kill -9, {kills} times in the middle of {count} submissions: nothing lost"));
    Ok(())
}
