//! What the client prints: verdicts and failures, for a person or as one JSON document (cli.md).
//!
//! Colour and progress only on terminals. Nothing that came from outside reaches a terminal with control or
//! direction characters in it. Not here: deciding anything.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::exit::{Exit, Failure};

/// What no verdict of a log can say; every verdict ends with these (design.md 5).
pub use vitrine_spec::verdict::LIMITS;

/// The end of a command that judged or did something.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the process ends.
    #[serde(skip)]
    pub exit: Exit,
    /// `verified`, `done`, or the word of the exit.
    pub verdict: String,
    /// A stable word such as `proof.quorum`.
    pub code: String,
    /// One sentence.
    pub reason: String,
    /// What was checked, in order.
    pub checked: Vec<String>,
    /// What was not.
    pub not_checked: Vec<String>,
    /// Whether it ends with the three limits of every log: for verdicts about one.
    #[serde(skip)]
    pub limits: bool,
    /// Members of the command's own, after the five.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Report {
    /// Something was done; nothing was judged.
    pub fn done(code: &str, reason: impl Into<String>) -> Report {
        Report::new(Exit::Done, "done", code, reason)
    }

    /// Something was judged and holds.
    pub fn verified(code: &str, reason: impl Into<String>) -> Report {
        Report { limits: true, ..Report::new(Exit::Done, "verified", code, reason) }
    }

    /// Any other end.
    pub fn new(exit: Exit, verdict: &str, code: &str, reason: impl Into<String>) -> Report {
        Report {
            exit,
            verdict: verdict.to_owned(),
            code: code.to_owned(),
            reason: reason.into(),
            checked: Vec::new(),
            not_checked: Vec::new(),
            details: Map::new(),
            limits: false,
        }
    }

    /// Adds a line to `checked`.
    #[must_use]
    pub fn checked(mut self, line: impl Into<String>) -> Report {
        self.checked.push(line.into());
        self
    }

    /// Adds a line to `not_checked`.
    #[must_use]
    pub fn not_checked(mut self, line: impl Into<String>) -> Report {
        self.not_checked.push(line.into());
        self
    }

    /// Adds a member to the JSON form.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Report {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// One JSON document, one line.
    pub fn json(&self) -> String {
        let mut report = self.clone();
        if self.limits {
            report.not_checked.extend(LIMITS.iter().map(|limit| format!("limit: {limit}")));
        }
        serde_json::to_string(&report)
            .unwrap_or_else(|error| format!("{{\"verdict\":\"error\",\"reason\":\"{error}\"}}"))
    }

    /// The human form.
    pub fn human(&self, paint: Paint) -> String {
        let mut text = String::new();
        let word = if self.exit == Exit::Done { paint.good(&self.verdict) } else { paint.bad(&self.verdict) };
        let _ = writeln!(text, "{word}: {}", clean(&self.reason));
        for line in &self.checked {
            let _ = writeln!(text, "  {} {}", paint.good("checked    "), clean(line));
        }
        for line in &self.not_checked {
            let _ = writeln!(text, "  {} {}", paint.dim("not checked"), clean(line));
        }
        if self.limits {
            for limit in LIMITS {
                let _ = writeln!(text, "  {} {limit}", paint.dim("limit      "));
            }
        }
        if self.exit != Exit::Done {
            let _ = writeln!(text, "exit {}: {}", self.exit.number(), self.exit.meaning());
        }
        text
    }
}

impl Failure {
    /// The JSON form, with the same five members as a verdict.
    pub fn json(&self) -> String {
        let mut report = Report::new(self.exit, self.exit.word(), &self.code, self.what.clone());
        if !self.sides.is_empty() {
            let sides: Map<String, Value> =
                self.sides.iter().map(|(label, value)| (label.clone(), Value::from(value.clone()))).collect();
            report = report.with("sides", sides);
        }
        if let Some(now) = &self.now {
            report = report.with("now", now.clone());
        }
        report.json()
    }

    /// The human form: what, which two values, what now.
    pub fn human(&self, paint: Paint) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{} {}", paint.bad("error:"), clean(&self.what));
        let width = self.sides.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, value) in &self.sides {
            let _ = writeln!(text, "  {:width$}  {}", clean(label), clean(value));
        }
        if let Some(now) = &self.now {
            let _ = writeln!(text, "{} {}", paint.dim("now:"), clean(now));
        }
        let _ = writeln!(text, "exit {} ({}): {}", self.exit.number(), self.code, self.exit.meaning());
        text
    }
}

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Green.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Red.
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Yellow.
    pub fn warn(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Bold.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Faint.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}

/// Text with every character that a terminal would obey shown as its number.
///
/// The set is that of `str` in leaf-format.md 1: what a log, a witness or a file says must not move the cursor, change
/// colours or turn the direction of what stands beside it.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let obeyed = matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed {
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// The process's two streams.
#[derive(Debug)]
pub struct Out {
    json: bool,
    stdout: Paint,
    stderr: Paint,
}

impl Out {
    /// Colour only on terminals, and not when `NO_COLOR` is set.
    pub fn new(json: bool) -> Out {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Out {
            json,
            stdout: Paint(wanted && !json && std::io::stdout().is_terminal()),
            stderr: Paint(wanted && std::io::stderr().is_terminal()),
        }
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Colours of standard output.
    pub fn paint(&self) -> Paint {
        self.stdout
    }

    /// A line for a person on standard output; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.json {
            print(&format!("{}\n", clean(text)));
        }
    }

    /// A headline for a person; nothing with `--json`.
    pub fn head(&self, text: &str) {
        if !self.json {
            print(&format!("{}\n", self.stdout.bold(&clean(text))));
        }
    }

    /// Aligned labels and values for a person; nothing with `--json`.
    pub fn rows<L: AsRef<str>, V: AsRef<str>>(&self, rows: &[(L, V)]) {
        if self.json {
            return;
        }
        let width = rows.iter().map(|(label, _)| label.as_ref().chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (label, value) in rows {
            let label = format!("{:width$}", clean(label.as_ref()));
            let _ = writeln!(text, "  {}  {}", self.stdout.dim(&label), clean(value.as_ref()));
        }
        print(&text);
    }

    /// A result that other programs read, verbatim; nothing with `--json`, where the report carries it.
    pub fn data(&self, bytes: &[u8]) {
        if !self.json {
            write_all(bytes);
        }
    }

    /// A remark on standard error, which leaves standard output to the result.
    pub fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{}", clean(text));
    }

    /// A remark that somebody should read, on standard error.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{} {}", self.stderr.warn("warning:"), clean(text));
    }

    /// Ends a command: the report to standard output.
    pub fn report(&self, report: &Report) -> Exit {
        if self.json {
            print(&format!("{}\n", report.json()));
        } else {
            print(&report.human(self.stdout));
        }
        report.exit
    }

    /// Ends a command whose standard output is the result itself: the report's first line goes to standard error.
    pub fn report_beside_data(&self, report: &Report) -> Exit {
        if self.json {
            print(&format!("{}\n", report.json()));
        } else {
            let _ = write!(std::io::stderr(), "{}", report.human(self.stderr));
        }
        report.exit
    }

    /// Ends a command that could not do its work: to standard error for people, to standard output as JSON.
    pub fn fail(&self, failure: &Failure) -> Exit {
        if self.json {
            print(&format!("{}\n", failure.json()));
        } else {
            let _ = write!(std::io::stderr(), "{}", failure.human(self.stderr));
        }
        failure.exit
    }

    /// A count on standard error of what is done, where nobody knows how much there is; drawn only on a terminal.
    pub fn counter(&self, what: &'static str) -> ProgressBar {
        let bar = self.progress(0, what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {pos} {elapsed}") {
            bar.set_style(style);
        }
        bar
    }

    /// A progress bar on standard error, drawn only on a terminal.
    pub fn progress(&self, length: u64, what: &'static str) -> ProgressBar {
        let target = if self.json || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(length), target).with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar
    }
}

fn print(text: &str) {
    write_all(text.as_bytes());
}

fn write_all(bytes: &[u8]) {
    // A reader that closed the pipe has seen what it wanted: not an error.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_has_its_five_members_first() {
        let report = Report::verified("proof.verified", "entry 3 is logged").checked("inclusion").with("index", 3);
        assert_eq!(
            report.json(),
            format!(
                r#"{{"verdict":"verified","code":"proof.verified","reason":"entry 3 is logged","checked":["inclusion"],"not_checked":["limit: {}","limit: {}","limit: {}"],"index":3}}"#,
                LIMITS[0], LIMITS[1], LIMITS[2]
            )
        );
        let human = report.human(Paint(false));
        assert!(human.starts_with("verified: entry 3 is logged\n"), "{human}");
        assert!(human.contains("checked     inclusion"), "{human}");
        for limit in LIMITS {
            assert_eq!(human.matches(limit).count(), 1, "{human}");
        }
    }

    #[test]
    fn a_failure_as_json_has_the_five_members_too() {
        let failure = Failure::usage("key.mode", "others can read it")
            .side("mode", "0644")
            .side("needed", "0600")
            .now("chmod 600 k");
        let value: Value = serde_json::from_str(&failure.json()).unwrap();
        assert_eq!(value["verdict"], "usage");
        assert_eq!(value["code"], "key.mode");
        assert_eq!(value["checked"], Value::Array(Vec::new()));
        assert_eq!(value["sides"]["mode"], "0644");
        let human = failure.human(Paint(false));
        assert_eq!(
            human,
            "error: others can read it\n  mode    0644\n  needed  0600\nnow: chmod 600 k\nexit 2 (key.mode): the command line or a file it needs is not usable\n"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_a_number() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
        assert_eq!(clean("Zürich"), "Zürich");
        let report = Report::done("x", "evil\u{1b}]0;title\u{7}");
        assert!(!report.human(Paint(false)).contains('\u{1b}'));
    }
}
