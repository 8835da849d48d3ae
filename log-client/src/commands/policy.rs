//! `policy make` and `policy check` (cli.md; design-witness.md, "One witness, two keys").

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vitrine_spec::policy::Policy;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::POLICY_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies::{self, Given, Keys};

/// `policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Write a policy from witness and log vkeys
    Make(Make),
    /// Read a policy, refuse one that counts a witness twice, and say what it asks for
    Check(Check),
}

/// `policy make`.
#[derive(Debug, Args)]
#[command(after_help = "\
Two keys of one witness go into a group of their own, so that they count once:
  group w1 all w1-ed w1-pq
  group q 2 w1 w2 w3
  quorum q

Example:
  log-client policy make --keys both \\
    --from log.txt --from w1.txt --from w2.txt --from w3.txt --out policy
where log.txt holds what `log-server keygen` printed and w1.txt what `witness init` printed.")]
pub struct Make {
    /// Which keys of each witness are asked for
    #[arg(long, value_enum, default_value = "both")]
    keys: Keys,
    /// A key of the log: 'VKEY' or 'VKEY URL'; give both of them
    #[arg(long, value_name = "VKEY [URL]")]
    log: Vec<String>,
    /// A key of a witness: 'VKEY' or 'VKEY URL', the URL being the submission prefix; keys of one name are one witness
    #[arg(long, value_name = "VKEY [URL]")]
    witness: Vec<String>,
    /// A file with `log` and `witness` lines, as `witness init` and `log-server keygen` print them; other lines are ignored
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Witnesses that are needed; more than half of them when not given
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,
    /// Where to write it; standard output when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// `policy check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy
    file: PathBuf,
    /// Accept `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `policy`.
pub fn run(command: PolicyCommand, out: &Out) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Make(args) => make(args, out),
        PolicyCommand::Check(args) => check(args, out),
    }
}

fn make(args: Make, out: &Out) -> Result<Exit, Failure> {
    let mut logs: Vec<Given> = args.log.iter().map(|text| Given::parse(text)).collect::<Result<_, _>>()?;
    let mut witnesses: Vec<Given> = args.witness.iter().map(|text| Given::parse(text)).collect::<Result<_, _>>()?;
    for file in &args.from {
        policies::collect(&files::read_text(file, POLICY_FILE_BYTES_MAX)?, &mut logs, &mut witnesses)?;
    }
    let text = policies::make(args.keys, &logs, &witnesses, args.quorum)?;
    let policy = Policy::parse(text.as_bytes())
        .map_err(|error| Failure::usage("policy.malformed", "these keys do not make a policy").side("reason", error))?;
    policy.check_one_witness_two_keys().map_err(|fault| {
        Failure::usage("policy.witness-twice", "these keys do not make a policy").side("reason", fault)
    })?;
    files::emit(args.out.as_deref(), text.as_bytes(), out)?;
    let report = Report::done("policy.made", policies::summary(&policy)).with("policy", text);
    Ok(out.report_beside_data(&report))
}

fn check(args: Check, out: &Out) -> Result<Exit, Failure> {
    let policy = policies::load(&args.file, args.unwitnessed)?;
    let mut rows: Vec<(String, String)> = Vec::new();
    for log in &policy.logs {
        rows.push(("log".to_owned(), line(&log.vkey.keyid(), log.url.as_deref())));
    }
    for witness in &policy.witnesses {
        rows.push((format!("witness {}", witness.name), line(&witness.vkey.keyid(), witness.url.as_deref())));
    }
    out.rows(&rows);
    let report = Report::done("policy.checked", policies::summary(&policy))
        .checked("parses as a tlog-policy")
        .checked("no witness counts twice and no log is its own witness")
        .not_checked(
            "whether these keys are those of the witnesses meant: compare them with what the witnesses publish",
        );
    Ok(out.report(&report))
}

fn line(keyid: &str, url: Option<&str>) -> String {
    url.map_or_else(|| keyid.to_owned(), |url| format!("{keyid} {url}"))
}
