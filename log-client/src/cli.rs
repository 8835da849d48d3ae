//! The command line: one subcommand per line of cli.md, and nothing decided here.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    attach, bundle, charter, event, evidence, import, key, log, onboard, open, opening, policy, proof, rebuild, show,
    submit, trust,
};
use crate::exit::{Exit, Failure};
use crate::output::Out;

/// For those who write to a Vitrine log, rely on it, or watch it.
#[derive(Debug, Parser)]
#[command(
    name = "log-client",
    version,
    propagate_version = true,
    after_help = "\
Exit codes:
  0  done, verified
  1  not verified: something is wrong inside a file being judged
  2  usage: command line, missing file, malformed policy or trust file, no pin
  3  the log misbehaved; evidence is kept
  4  not reachable
  5  not yet: spooled, or too few witnesses so far; try again later"
)]
struct Cli {
    /// One JSON document instead of text: {verdict, code, reason, checked[], not_checked[], ...}
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keys that sign events, and readers' keys
    #[command(subcommand)]
    Key(key::Key),
    /// The charter: who runs a log, who supervises it, what it takes
    #[command(subcommand)]
    Charter(charter::Charter),
    /// What a verifier pins: the charter's fingerprint, the policy, issuers and streams
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Policies: which logs and witnesses are believed
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Events: make, sign, verify
    #[command(subcommand)]
    Event(event::EventCommand),
    /// The one command of a release job: make, sign and log the build or update of a file; its proof beside it
    Log(Box<log::LogFile>),
    /// Become an issuer of a log: key, opening, who signs it, and what each types
    Onboard(Box<onboard::Onboard>),
    /// Put events into a log, each with its proof; what cannot be sent now waits in a spool
    Submit(submit::Submit),
    /// Put documents into a log, for events to name
    Attach(attach::Attach),
    /// Log what came of building something again
    #[command(subcommand)]
    Rebuild(rebuild::Rebuild),
    /// Own one issuer's chain for many workers: each access is logged before it is made
    Gateway(Box<crate::gateway::Gateway>),
    /// Log what other systems recorded: accesses from CloudTrail, CSV, PostgreSQL with pgaudit; builds from SLSA provenance
    #[command(subcommand)]
    Import(import::Import),
    /// Say what anything is: proof, checkpoint, note, event, policy, trust file, key, tile, bundle; verifies nothing
    Show(show::Show),
    /// Proofs that an entry is logged
    #[command(subcommand)]
    Proof(proof::Proof),
    /// A log that showed two trees: say whether a file proves it, or make one
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Open a sealed record: all fields to its reader, or some for others
    Open(open::Open),
    /// Fields of an access that are shown to others
    #[command(subcommand)]
    Opening(opening::OpeningCommand),
    /// Get an update's bundle, which proves it offline, from a log
    Bundle(bundle::BundleArgs),
    /// Say whether an update file is the logged one, and what stands behind it; offline
    VerifyUpdate(crate::verify_update::Args),
    /// Read every entry of a log as it comes, and tell what somebody wants to know of it
    Watch(Box<crate::watch::Args>),
    /// Recompute the whole log and report what was found and what was not checked
    Audit(crate::audit::Args),
}

/// The command line itself, of which man pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the client; `args` begins with the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args).into(),
    };
    let out = Out::new(cli.json);
    let ended = match cli.command {
        Command::Key(command) => key::run(command, &out),
        Command::Charter(command) => charter::run(command, &out),
        Command::Trust(command) => trust::run(command, &out),
        Command::Policy(command) => policy::run(command, &out),
        Command::Event(command) => event::run(command, &out),
        Command::Submit(args) => submit::run(args, &out),
        Command::Attach(args) => attach::run(&args, &out),
        Command::Onboard(args) => onboard::run(&args, &out),
        Command::Log(args) => log::run(*args, &out),
        Command::Rebuild(command) => rebuild::run(command, &out),
        Command::Gateway(args) => crate::gateway::run(*args, &out),
        Command::Import(args) => import::run(&args, &out),
        Command::Show(args) => show::run(args, &out),
        Command::Proof(command) => proof::run(command, &out),
        Command::Evidence(command) => evidence::run(command, &out),
        Command::Open(args) => open::run(args, &out),
        Command::Opening(command) => opening::run(command, &out),
        Command::Bundle(args) => bundle::run(&args, &out),
        Command::VerifyUpdate(args) => Ok(crate::verify_update::run(&args, &out)),
        Command::Watch(args) => crate::watch::run(&args, &out),
        Command::Audit(args) => Ok(crate::audit::run(args, &out)),
    };
    ended.unwrap_or_else(|failure| out.fail(&failure)).into()
}

/// Help and version are no errors; everything else about the command line is usage.
fn usage(error: &clap::Error, args: &[OsString]) -> Exit {
    if error.use_stderr() && args.iter().any(|arg| arg == "--json") {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::usage("usage", what).now("see --help");
        let missing = missing(error);
        return Out::new(true).fail(&match missing.is_empty() {
            true => failure,
            false => failure.side("missing", missing.join(", ")),
        });
    }
    let _ = error.print();
    let variables = variables(error, args);
    if !variables.is_empty() {
        Out::new(false).note(&format!("now: give what is missing, or set {} in the environment", variables.join(", ")));
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// The options that a command line lacks, as its usage has them.
fn missing(error: &clap::Error) -> Vec<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(options)) if error.kind() == ErrorKind::MissingRequiredArgument => options.clone(),
        _ => Vec::new(),
    }
}

/// The variables that could have held them.
fn variables(error: &clap::Error, args: &[OsString]) -> Vec<String> {
    let root = Cli::command();
    let command = args.iter().fold(&root, |command, arg| command.find_subcommand(arg).unwrap_or(command));
    let variable = |option: &String| {
        let name = option.trim_start_matches('-').split_whitespace().next();
        let arg = command.get_arguments().find(|arg| arg.get_long() == name)?;
        Some(arg.get_env()?.to_string_lossy().into_owned())
    };
    missing(error).iter().filter_map(variable).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Help that is piped, or read in a wide terminal, is broken after this many columns.
    const HELP_COLUMNS: usize = 100;

    fn each(command: &clap::Command, visit: &mut impl FnMut(&clap::Command)) {
        visit(command);
        command.get_subcommands().for_each(|below| each(below, visit));
    }

    #[test]
    fn what_stands_after_the_options_is_not_broken_again() {
        let mut lines = 0;
        each(&Cli::command(), &mut |command| {
            for line in command.get_after_help().map(ToString::to_string).unwrap_or_default().lines() {
                assert!(line.chars().count() <= HELP_COLUMNS, "{}: {line}", command.get_name());
                lines += 1;
            }
        });
        assert!(lines > 50, "{lines} lines were read");
    }

    #[test]
    fn who_forgot_the_environment_is_told_which_variables_there_are() {
        let variables = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            variables(&Cli::command().try_get_matches_from(&args).unwrap_err(), &args)
        };
        // What this shell has set is not missing.
        let unset: Vec<&str> = ["VITRINE_LOG", "VITRINE_POLICY", "VITRINE_KEY"]
            .into_iter()
            .filter(|name| std::env::var_os(name).is_none())
            .collect();
        assert_eq!(variables(&["log-client", "log", "app", "--purl", "pkg:generic/app@1"]), unset);
        assert!(variables(&["log-client", "key", "new"]).is_empty());
        assert!(variables(&["log-client", "nothing"]).is_empty());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_there() {
        let mut lines: Vec<String> = Vec::new();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let below: Vec<String> =
                command.get_subcommands().map(|below| format!("{name} {}", below.get_name())).collect();
            if below.is_empty() { lines.push(name.to_owned()) } else { lines.extend(below) }
        }
        for wanted in [
            "key new",
            "key show",
            "charter new",
            "charter sign",
            "trust init",
            "trust check",
            "policy make",
            "policy check",
            "show",
            "proof verify",
            "evidence verify",
            "evidence make",
            "event new",
            "event sign",
            "event verify",
            "log",
            "onboard",
            "attach",
            "submit",
            "rebuild record",
            "open",
            "opening verify",
            "gateway",
            "import cloudtrail",
            "import csv",
            "import pgaudit",
            "import slsa",
            "bundle",
            "verify-update",
            "watch",
            "audit",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted}: {lines:?}");
        }
    }
}
