//! Questions from the command line: `--ask NAME` and `--param K=V` (cli.md, "audit").
//!
//! A parameter that no question asked for is a mistake, and so is a value given twice to one that takes one. Not here: answering.

use std::collections::BTreeMap;
use std::path::Path;

use vitrine_spec::words::{is_country, is_region};

use super::super::report::Window;
use super::asked::Asked;
use super::builds::Builds;
use super::filter::Filter;
use super::whole::Reach;
use super::{q1, q3, q7, q8, q9, q17};
use crate::exit::Failure;
use crate::files;

/// Seconds after which a record is late, unless a parameter says otherwise: a day.
pub const LATE_S: u64 = 86_400;

/// A read of more objects is one of many, unless a parameter says otherwise.
pub const BULK_ABOVE: u64 = 1_000;

/// Bytes of a table of rules.
const RULES_BYTES_MAX: u64 = 1024 * 1024;

/// The questions, each with its speaking name and its parameters.
pub const QUESTIONS: [(&str, &str, &[&str]); 6] = [
    ("q1", "foreign-reads", &["region", "home"]),
    ("q3", "actor", &["actor"]),
    ("q7", "silence", &[]),
    ("q8", "residency", &["region", "rules"]),
    ("q9", "bulk", &["above", "builds", "builds-state"]),
    ("q17", "vault-reads", &[]),
];

/// Parameters that every question takes.
const COMMON: [&str; 1] = ["late"];

/// `--param`, by name; used up as questions take them.
struct Params(BTreeMap<String, Vec<String>>);

impl Params {
    fn read(given: &[String]) -> Result<Params, Failure> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in given {
            let (name, value) = text
                .split_once('=')
                .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                .ok_or_else(|| {
                    Failure::usage("ask.param", "this is not a parameter")
                        .side("given", text)
                        .side("wanted", "NAME=VALUE")
                })?;
            all.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Params(all))
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn one(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.0.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([one]) => Ok(Some(one)),
            Some([first, second, ..]) => Err(Failure::usage("ask.param", format!("{name} is given twice"))
                .side("once", first)
                .side("again", second)),
        }
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Failure> {
        self.one(name)?.map_or(Ok(default), |text| {
            vitrine_spec::text::decimal(text).map_err(|error| wrong(name, text, "a number").side("reason", error))
        })
    }

    fn words(
        &self,
        name: &str,
        default: &str,
        want: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Failure> {
        let words = self.all(name);
        if let Some(word) = words.iter().find(|word| !fits(word)) {
            return Err(wrong(name, word, want));
        }
        Ok(if words.is_empty() { vec![default.to_owned()] } else { words })
    }
}

fn wrong(name: &str, given: &str, wanted: &str) -> Failure {
    Failure::usage("ask.param", format!("{name} has no such value")).side("given", given).side("wanted", wanted)
}

fn is_asked_region(text: &str) -> bool {
    is_region(text) && !["MIXED", "UNKNOWN"].contains(&text)
}

/// The questions that were asked about a period.
pub fn read(asked: &[String], given: &[String], window: Window) -> Result<Vec<Asked>, Failure> {
    let params = Params::read(given)?;
    let mut questions = Vec::new();
    for name in asked {
        let question = QUESTIONS.iter().find(|(short, long, _)| short == name || long == name).ok_or_else(|| {
            let known: Vec<String> = QUESTIONS.iter().map(|(short, long, _)| format!("{short} {long}")).collect();
            Failure::usage("ask.name", "there is no such question").side("asked", name).side("known", known.join(", "))
        })?;
        if questions.contains(&question) {
            return Err(Failure::usage("ask.name", "a question is asked once").side("asked twice", name));
        }
        questions.push(question);
    }
    let takes = |name: &str| COMMON.contains(&name) || questions.iter().any(|(_, _, takes)| takes.contains(&name));
    if let Some(name) = params.0.keys().find(|name| !takes(name)) {
        return Err(Failure::usage("ask.param", "no question that is asked takes this parameter").side("given", name));
    }
    let reach = Reach { window, late_s: params.number("late", LATE_S)? };
    questions.into_iter().map(|(short, ..)| Ok(Asked::new(filter(short, &params, &reach)?, reach))).collect()
}

fn filter(short: &str, params: &Params, reach: &Reach) -> Result<Box<dyn Filter>, Failure> {
    let region = "a region such as EU";
    Ok(match short {
        "q1" => Box::new(q1::ForeignReads {
            regions: params.words("region", "EU", region, is_asked_region)?,
            home: params.words("home", "CH", "a country such as CH", |text| is_country(text) && text != "ZZ")?,
        }),
        "q3" => {
            let actors = params.all("actor");
            if actors.is_empty() {
                return Err(Failure::usage("ask.param", "q3 asks about an actor").side("wanted", "--param actor=NAME"));
            }
            Box::new(q3::ByActor { actors })
        }
        "q7" => Box::new(q7::Silences { late_s: reach.late_s }),
        "q8" => residency(params, region)?,
        "q9" => Box::new(q9::Bulk { above: params.number("above", BULK_ABOVE)?, builds: builds(params)? }),
        _ => Box::new(q17::VaultReads),
    })
}

fn residency(params: &Params, region: &str) -> Result<Box<dyn Filter>, Failure> {
    let Some(path) = params.one("rules")? else {
        return Err(Failure::usage("ask.param", "q8 asks against rules").side("wanted", "--param rules=FILE"));
    };
    let rules = q8::read_rules(&files::read_text(Path::new(path), RULES_BYTES_MAX)?)?;
    let regions = params.all("region");
    for asked in &regions {
        if !is_asked_region(asked) {
            return Err(wrong("region", asked, region));
        }
        if !rules.iter().any(|rule| rule.region == *asked) {
            return Err(wrong("region", asked, "a region that the rules name"));
        }
    }
    Ok(Box::new(q8::Residency { regions, rules }))
}

fn builds(params: &Params) -> Result<Option<Builds>, Failure> {
    match (params.one("builds")?, params.one("builds-state")?) {
        (Some(list), Some(state)) => Err(Failure::usage("ask.param", "builds are from one place")
            .side("builds", list)
            .side("builds-state", state)),
        (Some(list), None) => Builds::of_list(Path::new(list)).map(Some),
        (None, Some(state)) => Builds::of_copy(Path::new(state)).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn failure(asked: &[&str], given: &[&str]) -> String {
        read(&texts(asked), &texts(given), Window::default()).err().map(|failure| failure.what).unwrap_or_default()
    }

    #[test]
    fn questions_are_known_by_both_names_and_in_the_order_asked() {
        let asked =
            read(&texts(&["vault-reads", "q1"]), &texts(&["region=CA", "late=7200"]), Window::default()).unwrap();
        let facts = super::super::super::facts::Facts::default();
        let answers: Vec<_> = asked.into_iter().map(|asked| asked.finish(&facts)).collect();
        assert_eq!(answers.iter().map(|answer| answer.question).collect::<Vec<_>>(), ["q17", "q1"]);
        assert_eq!(answers[1].title, "Every read of customer data of CA by staff located outside CH");
        assert_eq!(answers[1].parameters["late"], 7_200);
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        for (asked, given, why) in [
            (&["q2"][..], &[][..], "there is no such question"),
            (&["q1", "foreign-reads"], &[], "a question is asked once"),
            (&["q1"], &["actor=x"], "no question that is asked takes this parameter"),
            (&["q1"], &["region"], "this is not a parameter"),
            (&["q1"], &["region=eu"], "region has no such value"),
            (&["q1"], &["region=MIXED"], "region has no such value"),
            (&["q1"], &["home=ZZ"], "home has no such value"),
            (&["q1"], &["late=1", "late=2"], "late is given twice"),
            (&["q3"], &[], "q3 asks about an actor"),
            (&["q8"], &[], "q8 asks against rules"),
            (&["q9"], &["above=many"], "above has no such value"),
            (&["q9"], &["builds=a", "builds-state=b"], "builds are from one place"),
        ] {
            assert_eq!(failure(asked, given), why, "{asked:?} {given:?}");
        }
    }
}
