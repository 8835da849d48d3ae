//! `verify-update DIR`: every file of a folder that has its proof or bundle beside it, for whoever passes updates on (cli.md).
//!
//! Each file is judged by its own evidence against the same pins, watch and floor, so the order of the names decides nothing; the
//! floor is raised when all are judged. Not here: folders inside the folder; one verdict for all of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vitrine_spec::floor::Raise;

use super::{Args, Machine, evidence, judge_file, report};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::{Out, Report};

/// The ends of names under which evidence lies beside a file.
const EVIDENCE: [&str; 2] = [".tlog-proof", ".vitrine"];

/// A file that was judged.
struct Judged {
    file: String,
    report: Report,
    raise: Option<Raise>,
}

/// Judges a folder; exit 0, 1, 2 or 5: the worst of its files.
pub(super) fn run(args: &Args, out: &Out) -> Result<Exit, Failure> {
    if !args.proofs.is_empty() || !args.bundles.is_empty() {
        return Err(Failure::usage("verify.folder", "the evidence of a folder lies in it, beside each file")
            .side("folder", args.file.display())
            .now("leave out --proof and --bundle, or give one file"));
    }
    let machine = Machine::load(args)?;
    let (with, without) = list(&args.file)?;
    if with.is_empty() {
        return Err(Failure::usage("proof.none", "no file of this folder has a proof or a bundle beside it")
            .side("folder", args.file.display())
            .side("files", without.len())
            .now(
                "put FILE.vitrine or FILE.tlog-proof beside each FILE; `log-client bundle FILE` gets one from the log",
            ));
    }
    let bar = out.progress(with.len() as u64, "verified");
    let mut judged = Vec::with_capacity(with.len());
    for path in &with {
        judged.push(judge(path, &machine));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let raises: Vec<Raise> = judged.iter().filter_map(|one| one.raise.clone()).collect();
    machine.raise(&raises)?;
    if let Some(path) = &args.csv {
        files::replace(path, &csv(&judged)?)?;
    }
    table(&judged, out);
    Ok(out.report(&whole(&judged, &without)))
}

/// The files of a folder by name: those with evidence, and the others, evidence left out.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage("file.read", "a folder cannot be read").side("folder", folder.display()).side("system", error)
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && !EVIDENCE.iter().any(|end| name.ends_with(end)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths
        .into_iter()
        .partition(|path| EVIDENCE.iter().any(|end| files::beside(path, end.trim_start_matches('.')).exists())))
}

fn judge(path: &Path, machine: &Machine) -> Judged {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let verdict = evidence(path, &[], &[]).and_then(|(proofs, bundles)| judge_file(path, &proofs, &bundles, machine));
    match verdict {
        Ok(verdict) => Judged { file, raise: verdict.raise.clone(), report: report(verdict) },
        Err(failure) => {
            let report = Report::new(failure.exit, failure.exit.word(), &failure.code, failure.to_string());
            Judged { file, raise: None, report }
        }
    }
}

impl Judged {
    /// Channel, package and number of a verified update.
    fn release(&self) -> [String; 3] {
        self.raise.as_ref().map_or_else(Default::default, |raise| {
            [raise.package_id.clone(), raise.channel.as_str().to_owned(), raise.release_seq.to_string()]
        })
    }

    fn json(&self) -> Value {
        let report = &self.report;
        let release = self.raise.as_ref().map(|raise| {
            json!({"packageId": raise.package_id, "channel": raise.channel.as_str(), "release_seq": raise.release_seq})
        });
        json!({
            "file": self.file, "verdict": report.verdict, "code": report.code, "reason": report.reason,
            "checked": report.checked, "not_checked": report.not_checked, "release": release,
        })
    }
}

fn table(judged: &[Judged], out: &Out) {
    let head = ["file", "verdict", "code", "release"].map(str::to_owned);
    let row = |one: &Judged| {
        let release = one.release().join(" ");
        let release = if release.trim().is_empty() { "-".to_owned() } else { release };
        [one.file.clone(), one.report.verdict.clone(), one.report.code.clone(), release]
    };
    let rows: Vec<[String; 4]> = judged.iter().map(row).collect();
    let width = |at: usize| rows.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[file, verdict, code, release]: &[String; 4]| {
        format!("{file:0$}  {verdict:1$}  {code:2$}  {release}", widths[0], widths[1], widths[2])
    };
    out.head(&line(&head));
    rows.iter().for_each(|row| out.line(&line(row)));
}

fn csv(judged: &[Judged]) -> Result<Vec<u8>, Failure> {
    let wrong = |error: String| Failure::usage("csv.write", "the table cannot be written").side("reason", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["file", "verdict", "code", "packageId", "channel", "release_seq", "reason"];
    writer.write_record(head).map_err(|error| wrong(error.to_string()))?;
    for one in judged {
        let [package, channel, release] = one.release();
        let (report, file) = (&one.report, &one.file);
        let row = [file, &report.verdict, &report.code, &package, &channel, &release, &report.reason];
        writer.write_record(row).map_err(|error| wrong(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| wrong(error.to_string()))
}

/// How bad an end is: what could not be judged, a "no", "not yet".
const fn rank(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::NotYet => 1,
        Exit::NotVerified => 2,
        Exit::Usage | Exit::Unreachable | Exit::Misbehaved => 3,
    }
}

/// The report about the folder: as the first of the worst files ends.
fn whole(judged: &[Judged], without: &[PathBuf]) -> Report {
    let count = |exit: Exit| judged.iter().filter(|one| one.report.exit == exit).count();
    let (good, bad, later) = (count(Exit::Done), count(Exit::NotVerified), count(Exit::NotYet));
    let mut reason = format!("{good} of {} files are verified", judged.len());
    let others = judged.len() - good - bad - later;
    for (count, what) in [(bad, "not verified"), (later, "not yet"), (others, "not judged")] {
        if count > 0 {
            reason += &format!(", {count} {what}");
        }
    }
    if !without.is_empty() {
        reason += &format!("; {} without evidence", without.len());
    }
    let most = judged.iter().map(|one| rank(one.report.exit)).max().unwrap_or(0);
    let worst = judged.iter().find(|one| rank(one.report.exit) == most).map(|one| &one.report);
    let (exit, verdict, code) = worst.map_or((Exit::Done, "verified", "verified"), |worst| {
        (worst.exit, worst.verdict.as_str(), worst.code.as_str())
    });
    let mut whole = Report::new(exit, verdict, code, reason);
    whole.limits = true;
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let without: Vec<String> = without.iter().map(name).collect();
    whole.not_checked = without.iter().map(|file| format!("{file}: neither a proof nor a bundle beside it")).collect();
    for one in judged.iter().filter(|one| one.report.exit != Exit::Done) {
        whole.not_checked.push(format!("{}: {}", one.file, one.report.reason));
    }
    whole = whole.with("files", judged.iter().map(Judged::json).collect::<Vec<_>>());
    whole.with("without_evidence", without)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
