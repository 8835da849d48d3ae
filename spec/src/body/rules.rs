//! `rules`: which regions' data lie where, what is not logged, how long records are kept, from which day on (70-leaves.md, L).
//!
//! Each version holds the whole content. Not here: whether it follows the one in force (`admission`), and whether an access
//! kept to it, which needs opened records (`audit`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fields::CATEGORIES;
use crate::hash::Hash;
use crate::json::UINT_MAX;
use crate::text::Quote;
use crate::words::{self, Members, Read, value};

/// A year and a day: DPO article 4(5) keeps a log at least one year [L-29].
pub const RETENTION_DAYS_MIN: u64 = 366;

/// A region and where its data may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its code, as field `subject_region` and the audience of an update have it.
    pub region: String,
    /// The countries that belong to it.
    pub countries: Vec<String>,
    /// The sites that may store and process data of its people.
    pub sites: Vec<String>,
}

/// How long the records about a category of data are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A word of field `data_category`.
    pub category: String,
    /// For how many days.
    pub days: u64,
}

/// The body of `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// 1 for the first of a log.
    pub version: u64,
    /// The first day on which they are in force.
    pub effective: String,
    /// The regions.
    pub regions: Vec<Region>,
    /// Which accesses are not logged, in words.
    pub exclusions: Vec<String>,
    /// How long records are kept.
    pub retention: Vec<Retention>,
    /// After how many seconds an event counts as late.
    pub lateness_s: u64,
    /// The attachment that is the document for people.
    pub document: Option<Hash>,
}

impl Rules {
    /// Reads the table [L-29].
    pub fn read(members: &mut Members<'_>) -> Read<Rules> {
        Ok(Rules {
            version: members.int("version", 1, UINT_MAX)?,
            effective: members.word("effective", "a day that exists, as YYYY-MM-DD", words::is_date)?,
            regions: read_regions(members)?,
            exclusions: members
                .texts("exclusions", (0, 32), false, "1 to 256 bytes of text", |text| words::is_text(text, 256))?,
            retention: read_retention(members)?,
            lateness_s: members.int("lateness_s", 0, UINT_MAX)?,
            document: members.opt_sha256("document")?,
        })
    }

    /// The region of a code.
    pub fn region(&self, code: &str) -> Option<&Region> {
        self.regions.iter().find(|found| found.region == code)
    }
}

fn read_regions(members: &mut Members<'_>) -> Read<Vec<Region>> {
    let path = members.at("regions");
    let regions = members.objects("regions", (1, 64), |found| {
        Ok(Region {
            // The two words of field 11 that are no region cannot get sites.
            region: found.word("region", "a region such as EU", |text| {
                words::is_region(text) && !matches!(text, "MIXED" | "UNKNOWN")
            })?,
            countries: found.texts("countries", (0, 250), true, "two capitals", words::is_country)?,
            sites: found.texts("sites", (1, 16), true, "a site such as CH-ZH-1", words::is_site)?,
        })
    })?;
    words::check_sorted(&path, &regions.iter().map(|found| found.region.as_str()).collect::<Vec<_>>())?;
    for (at, found) in regions.iter().enumerate() {
        for before in &regions[..at] {
            if let Some(country) = found.countries.iter().find(|country| before.countries.contains(country)) {
                return value(path, format!("{country} stands in {} and in {}", before.region, found.region));
            }
        }
    }
    Ok(regions)
}

fn read_retention(members: &mut Members<'_>) -> Read<Vec<Retention>> {
    let path = members.at("retention");
    let retention = members.objects("retention", (0, CATEGORIES.len()), |found| {
        let at = found.at("category");
        let category = found.text("category")?;
        if !CATEGORIES.contains(&category) {
            return value(at, format!("{} is none of {}", Quote::of(category), CATEGORIES.join(", ")));
        }
        Ok(Retention { category: category.into(), days: found.int("days", RETENTION_DAYS_MIN, UINT_MAX)? })
    })?;
    words::check_sorted(&path, &retention.iter().map(|found| found.category.as_str()).collect::<Vec<_>>())?;
    Ok(retention)
}
