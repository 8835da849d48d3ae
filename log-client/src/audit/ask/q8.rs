//! Q8 `residency`: were data of a region stored or processed at a site that was not allowed on that day.
//!
//! Decided by fields 0, 11 and 14 and a table of rules that whoever asks hands in: `region,site,from,until`. Not here: whether the
//! data were where the record says.

use serde_json::{Map, Value};
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::words::{is_date, is_region, is_site};

use super::super::access::Access;
use super::super::facts::DataRules;
use super::answer::Column;
use super::filter::{Filter, Judged, is_part_of, list};
use crate::exit::Failure;

/// The first line of the table.
const HEAD: &str = "region,site,from,until";

/// Data of a region may be at a site from a day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose data.
    pub region: String,
    /// Where: a site, or its start and `*`, such as `CH-*`.
    pub site: String,
    /// The first day.
    pub from: String,
    /// The first day on which it is no longer allowed; none while it lasts.
    pub until: Option<String>,
}

impl Rule {
    fn holds_on(&self, day: &str) -> bool {
        self.from.as_str() <= day && self.until.as_deref().is_none_or(|until| day < until)
    }

    fn takes(&self, site: &str) -> bool {
        match self.site.strip_suffix('*') {
            Some(start) => site.starts_with(start),
            None => site == self.site,
        }
    }
}

/// Reads the table: a head line, one rule a line, an empty `until` for a rule that lasts; blank lines and `#` lines are skipped.
pub fn read_rules(text: &str) -> Result<Vec<Rule>, Failure> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let wrong = |at: usize, why: &str, line: &str| {
        Failure::usage("ask.rules", format!("line {} of the rules {why}", at + 1))
            .side("line", line)
            .side("wanted", format!("{HEAD}, such as EU,CH-ZH-1,2018-11-13,"))
    };
    match lines.next() {
        Some((_, head)) if head.trim_end() == HEAD => {}
        Some((at, line)) => return Err(wrong(at, "is not the head line", line)),
        None => return Err(wrong(0, "is missing", "")),
    }
    let mut rules = Vec::new();
    for (at, line) in lines {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let [region, site, from, until] = cells.as_slice() else {
            return Err(wrong(at, "has not four cells", line));
        };
        let start = site.strip_suffix('*').is_some_and(|start| start.len() >= 3 && is_site_start(start));
        let checks = [
            (is_region(region) && !["MIXED", "UNKNOWN"].contains(region), "has no region first"),
            (is_site(site) || start, "has no site, nor the start of one and *"),
            (is_date(from), "has no day on which it begins"),
            (until.is_empty() || (is_date(until) && from < until), "has no day after it on which it ends"),
        ];
        if let Some((_, why)) = checks.iter().find(|(fits, _)| !fits) {
            return Err(wrong(at, why, line));
        }
        rules.push(Rule {
            region: (*region).to_owned(),
            site: (*site).to_owned(),
            from: (*from).to_owned(),
            until: (!until.is_empty()).then(|| (*until).to_owned()),
        });
    }
    if rules.is_empty() {
        return Err(Failure::usage("ask.rules", "the rules hold no rule").side("wanted", HEAD));
    }
    Ok(rules)
}

/// The rules of a log's own versions: each is in force from its day on until that of the next one.
pub fn of_log(versions: &[DataRules]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let until = versions.get(at + 1).map(|next| next.effective.clone());
        if until.as_ref() == Some(&version.effective) {
            continue; // replaced before it held for a day
        }
        for (region, sites) in &version.regions {
            for site in sites {
                let goes_on = rules.iter_mut().find(|rule| {
                    rule.region == *region && rule.site == *site && rule.until.as_ref() == Some(&version.effective)
                });
                match goes_on {
                    Some(rule) => rule.until.clone_from(&until),
                    None => rules.push(Rule {
                        region: region.clone(),
                        site: site.clone(),
                        from: version.effective.clone(),
                        until: until.clone(),
                    }),
                }
            }
        }
    }
    rules.sort_by(|a, b| (&a.region, &a.site, &a.from).cmp(&(&b.region, &b.site, &b.from)));
    rules
}

/// Prints the table as [`read_rules`] reads it.
pub fn print_rules(rules: &[Rule]) -> String {
    let line = |rule: &Rule| {
        format!("{},{},{},{}\n", rule.region, rule.site, rule.from, rule.until.as_deref().unwrap_or_default())
    };
    format!("{HEAD}\n{}", rules.iter().map(line).collect::<String>())
}

/// Whether some site begins so: a country and whole or begun parts.
fn is_site_start(start: &str) -> bool {
    let (country, parts) = start.split_at_checked(2).unwrap_or((start, ""));
    country.bytes().all(|byte| byte.is_ascii_uppercase())
        && parts.starts_with('-')
        && parts.bytes().all(|byte| byte == b'-' || byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Q8.
#[derive(Clone, Debug)]
pub struct Residency {
    /// Whose data; every region of the rules when none is given.
    pub regions: Vec<String>,
    /// The table.
    pub rules: Vec<Rule>,
}

const COLUMNS: &[Column] = &[
    Column { name: "index", title: "Entry" },
    Column { name: "occurred_at", title: "When" },
    Column { name: "subject_region", title: "Whose data" },
    Column { name: "storage_site", title: "Where" },
    Column { name: "allowed", title: "Allowed that day" },
    Column { name: "op", title: "What" },
    Column { name: "dataset", title: "Data set" },
    Column { name: "object_count", title: "Objects" },
    Column { name: "actor", title: "Who" },
    Column { name: "outcome", title: "Outcome" },
    Column { name: "issuer", title: "Source" },
];

impl Residency {
    /// Regions that are asked about.
    fn asked(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = if self.regions.is_empty() {
            self.rules.iter().map(|rule| rule.region.as_str()).collect()
        } else {
            self.regions.iter().map(String::as_str).collect()
        };
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    fn in_force<'a>(&'a self, region: &'a str, day: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.region == region && rule.holds_on(day))
    }

    /// Whether a site is allowed for a region on a day; `None` when no rule for the region is in force.
    fn allows(&self, region: &str, day: &str, site: &str) -> Option<bool> {
        let mut rules = self.in_force(region, day).peekable();
        rules.peek()?;
        Some(rules.any(|rule| rule.takes(site)))
    }
}

impl Filter for Residency {
    fn names(&self) -> (&'static str, &'static str) {
        ("q8", "residency")
    }

    fn title(&self) -> String {
        format!("Data of {} stored or processed at a site that was not allowed on that day", self.asked().join(", "))
    }

    fn parameters(&self) -> Map<String, Value> {
        let rules: Vec<String> = self
            .rules
            .iter()
            .map(|rule| {
                let until = rule.until.as_ref().map_or_else(String::new, |until| format!(" until {until}"));
                format!("{} at {} from {}{until}", rule.region, rule.site, rule.from)
            })
            .collect();
        let regions: Vec<String> = self.asked().into_iter().map(str::to_owned).collect();
        [("region".to_owned(), list(&regions)), ("rules".to_owned(), list(&rules))].into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn judge(&self, _: &Access, values: &Values) -> Judged {
        let day = values.text(Field::OccurredAt).and_then(|at| at.get(..10)).unwrap_or_default();
        let asked = self.asked();
        let site = values.text(Field::StorageSite).filter(|site| *site != "UNKNOWN");
        let region = values.text(Field::SubjectRegion);
        let open_site = || match values.text(Field::StorageSite) {
            Some(site) => format!("storage_site is {site}"),
            None => "storage_site is null".to_owned(),
        };
        match (region, site) {
            (Some(region), site) if !["UNKNOWN", "MIXED"].contains(&region) => {
                if !asked.contains(&region) {
                    if asked.iter().any(|whole| is_part_of(region, whole)) {
                        return Judged::Open(format!("subject_region is {region}"));
                    }
                    return if self.regions.is_empty() { Judged::Aside(NO_RULE) } else { Judged::No };
                }
                if self.in_force(region, day).next().is_none() {
                    return Judged::Aside(NO_RULE);
                }
                match site.map(|site| self.allows(region, day, site)) {
                    None => Judged::Open(open_site()),
                    Some(Some(false)) => {
                        let sites: Vec<&str> = self.in_force(region, day).map(|rule| rule.site.as_str()).collect();
                        Judged::Found(vec![("allowed", sites.join(", ").into())])
                    }
                    Some(Some(true) | None) => Judged::No,
                }
            }
            // Whatever the region: a site that every rule of the day allows breaks none.
            (region, Some(site)) if asked.iter().all(|region| self.allows(region, day, site).unwrap_or(true)) => {
                let _ = region;
                Judged::No
            }
            (region, site) => {
                let why =
                    region.map_or("subject_region is null".to_owned(), |region| format!("subject_region is {region}"));
                Judged::Open(if site.is_none() { format!("{why}, {}", open_site()) } else { why })
            }
        }
    }
}

/// Why a record is set aside.
const NO_RULE: &str = "no rule was in force for the region of the data on that day";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_a_log_become_a_table_without_seams() {
        let version = |effective: &str, regions: &[(&str, &[&str])]| DataRules {
            index: 0,
            version: 1,
            effective: effective.to_owned(),
            regions: regions
                .iter()
                .map(|(region, sites)| ((*region).to_owned(), sites.iter().map(|site| (*site).to_owned()).collect()))
                .collect(),
        };
        let rules = of_log(&[
            version("2018-11-13", &[("EU", &["CH-ZH-1", "CH-ZH-2"])]),
            version("2020-11-01", &[("EU", &["CH-ZH-1"])]),
            version("2020-11-01", &[("CA", &["CH-ZH-1"]), ("EU", &["CH-ZH-1"])]),
            version("2022-03-01", &[("EU", &["CH-ZH-1", "CH-ZH-2"]), ("ME", &["CH-ZH-1"])]),
        ]);
        let table = print_rules(&rules);
        assert_eq!(
            table,
            "region,site,from,until\nCA,CH-ZH-1,2020-11-01,2022-03-01\nEU,CH-ZH-1,2018-11-13,\nEU,CH-ZH-2,2018-11-13,2020-11-01\nEU,CH-ZH-2,2022-03-01,\nME,CH-ZH-1,2022-03-01,\n"
        );
        assert_eq!(read_rules(&table).unwrap(), rules);
    }

    #[test]
    fn rules_are_read_and_wrong_ones_are_named() {
        let rules = read_rules(
            "# from the supervisor\nregion,site,from,until\nEU,CH-*,2018-11-13,\nUS,US-NY-1,2018-01-01,2020-11-01\n",
        )
        .unwrap();
        assert_eq!(rules.len(), 2);
        assert!(rules[0].takes("CH-ZH-1") && !rules[0].takes("DE-FRA-1"));
        assert!(rules[0].holds_on("2018-11-13") && !rules[0].holds_on("2018-11-12"));
        assert!(rules[1].holds_on("2020-10-31") && !rules[1].holds_on("2020-11-01"));
        for (text, why) in [
            ("", "line 1 of the rules is missing"),
            ("EU,CH-ZH-1,2018-11-13,\n", "line 1 of the rules is not the head line"),
            ("region,site,from,until\n", "the rules hold no rule"),
            ("region,site,from,until\nEU,CH-ZH-1,2018-11-13\n", "line 2 of the rules has not four cells"),
            ("region,site,from,until\nMIXED,CH-ZH-1,2018-11-13,\n", "line 2 of the rules has no region first"),
            (
                "region,site,from,until\nEU,*,2018-11-13,\n",
                "line 2 of the rules has no site, nor the start of one and *",
            ),
            ("region,site,from,until\nEU,CH-ZH-1,2018-02-30,\n", "line 2 of the rules has no day on which it begins"),
            (
                "region,site,from,until\nEU,CH-ZH-1,2018-11-13,2018-11-13\n",
                "line 2 of the rules has no day after it on which it ends",
            ),
        ] {
            assert_eq!(read_rules(text).unwrap_err().what, why);
        }
    }
}
