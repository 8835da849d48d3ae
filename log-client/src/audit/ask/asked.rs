//! A question on its way through the log: takes rows one at a time, keeps what it is asked for, ends in an answer.
//!
//! Memory grows with what is found and with runs of what cannot be decided, not with the log. Not here: what a question wants
//! (`filter`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use vitrine_spec::fields::{Field, Values};

use super::super::access::{Access, AccessSink, State, occurred};
use super::super::facts::{Facts, HOUR_S};
use super::super::report::Window;
use super::super::runs::Runs;
use super::answer::{Answer, Aside, Because, ROWS_BYTES_MAX, ROWS_MAX, Row, Undecided};
use super::filter::{AHEAD_S, Filter, Judged};
use super::whole::{self, Reach};
use crate::explain::json_of;

/// Reasons that are told apart; what comes with another one afterwards is listed together.
const REASONS_MAX: usize = 1_000;

/// Why a record that is not among the rows shown cannot be decided.
const UNREAD: &str = "its record was not read: no reader's key was given, or the log did not hand it out";

/// Why a record of the period that says an impossible time cannot be decided.
const SAYS_AHEAD: &str = "recorded in the period, and says that it happened after it was recorded";

/// Why one that says an earlier time than the bound allows is not counted.
const SAYS_LATE: &str = "recorded in the period, and says that it happened before it and longer ago than the bound (late) allows: taken to be of an earlier one";

/// One question under way.
pub struct Asked {
    filter: Box<dyn Filter>,
    reach: Reach,
    rows: Vec<Row>,
    rows_more: u64,
    /// Bytes of records that may still become rows.
    pub(super) room: usize,
    open: BTreeMap<(String, String), Runs>,
    /// The same of records from before the period, as their issuers say.
    before: BTreeMap<(String, String), Runs>,
    aside: BTreeMap<&'static str, Runs>,
    seen: Runs,
    /// Opened records of the period.
    inside: Runs,
    /// Those of them that were recorded after the horizon.
    after: Runs,
    /// Records after the horizon that show nothing.
    closed_after: Runs,
}

impl Asked {
    /// Asks about a period.
    pub fn new(filter: Box<dyn Filter>, reach: Reach) -> Asked {
        Asked {
            filter,
            reach,
            rows: Vec::new(),
            rows_more: 0,
            room: ROWS_BYTES_MAX,
            open: BTreeMap::new(),
            before: BTreeMap::new(),
            aside: BTreeMap::new(),
            seen: Runs::default(),
            inside: Runs::default(),
            after: Runs::default(),
            closed_after: Runs::default(),
        }
    }

    fn opened(&mut self, access: &Access, values: &Values) {
        if !self.filter.holds(&self.reach.window, access, values) {
            return self.elsewhere(access, values);
        }
        self.inside.add(access.index);
        if self.reach.horizon().is_some_and(|horizon| access.recorded >= horizon) {
            self.after.add(access.index);
        }
        match self.filter.judge(access, values) {
            Judged::No => {}
            Judged::Open(why) => self.leave_open(&access.issuer, why, access.index),
            Judged::Aside(why) => self.aside.entry(why).or_default().add(access.index),
            Judged::Found(_) if self.rows.len() >= ROWS_MAX => self.rows_more += 1,
            Judged::Found(added) => match self.room.checked_sub(values.to_value().to_jcs().len()) {
                Some(room) => {
                    self.room = room;
                    self.rows.push(row(access, values, added));
                }
                None => (self.room, self.rows_more) = (0, self.rows_more + 1),
            },
        }
    }

    /// Recorded in the period, and says that it happened at another time: what no source that tells the truth says, or rarely.
    fn elsewhere(&mut self, access: &Access, values: &Values) {
        let (occurred, recorded) = (occurred(values), access.recorded);
        let Window { to, .. } = self.reach.window;
        if recorded < self.reach.first() || to.is_some_and(|to| recorded >= to) {
            return;
        }
        let late = recorded > occurred.saturating_add(self.reach.late_s);
        let ahead = occurred > recorded.saturating_add(HOUR_S + AHEAD_S);
        if !(late || ahead) || self.filter.judge(access, values) == Judged::No {
            return;
        }
        if ahead {
            self.leave_open(&access.issuer, SAYS_AHEAD.to_owned(), access.index);
        } else {
            self.aside.entry(SAYS_LATE).or_default().add(access.index);
        }
    }

    fn closed(&mut self, access: &Access, why: String) {
        if self.reach.may_hold(access.recorded) {
            self.leave_open(&access.issuer, why, access.index);
        } else if access.recorded < self.reach.first() {
            add_bounded(&mut self.before, &access.issuer, why, access.index);
        } else if self.reach.horizon().is_some_and(|horizon| access.recorded >= horizon) {
            self.closed_after.add(access.index);
        }
    }

    fn leave_open(&mut self, issuer: &str, why: String, index: u64) {
        add_bounded(&mut self.open, issuer, why, index);
    }

    /// Ends the question.
    pub fn finish(mut self, facts: &Facts) -> Answer {
        for (reason, entries) in std::mem::take(&mut self.before) {
            let entries = self.reach.dated_back(facts, &entries);
            if !entries.is_empty() {
                self.open.entry(reason).or_default().add_all(&entries);
            }
        }
        for (issuer, missing) in whole::unread(facts, self.filter.as_ref(), &self.reach, &self.seen) {
            self.open.entry((issuer, UNREAD.to_owned())).or_default().add_all(&missing);
        }
        let because = self.because(facts);
        let mut rows = self.filter.chains(facts);
        rows.append(&mut self.rows);
        for row in &mut rows {
            row.disowned = row.index.is_some_and(|index| facts.disowned.contains(&index));
        }
        let (question, name) = self.filter.names();
        let mut parameters = self.filter.parameters();
        parameters.insert("late".to_owned(), self.reach.late_s.into());
        Answer {
            question,
            name,
            title: self.filter.title(),
            parameters,
            window: self.reach.window,
            columns: self.filter.columns().to_vec(),
            rows,
            rows_more: self.rows_more,
            not_answered: self
                .open
                .into_iter()
                .map(|((issuer, why), indices)| Undecided { issuer, why, count: indices.count(), indices })
                .collect(),
            aside: self
                .aside
                .into_iter()
                .map(|(why, indices)| Aside { why: why.to_owned(), count: indices.count(), indices })
                .collect(),
            complete: because.iter().all(|because| because.holds),
            because,
        }
    }

    fn because(&self, facts: &Facts) -> Vec<Because> {
        let mut all = whole::reasons(facts, self.filter.as_ref(), &self.reach);
        let mut say = |holds: bool, text: String| all.push(Because { holds, text });
        let open: u64 = self.open.values().map(Runs::count).sum();
        let expected = {
            let filter = self.filter.as_ref();
            self.reach.accesses(facts, |issuer| filter.concerns(issuer)).count()
        };
        if open == 0 {
            say(true, format!("each of the {expected} sealed records that can be about the period was decided"));
        } else {
            say(
                false,
                format!(
                    "{open} of {expected} sealed records that can be about the period cannot be decided; they are listed"
                ),
            );
        }
        // An entry that the checkpoint after the period does not cover came later, whatever its issuer says.
        let covered = self.reach.checkpoint_after(facts).map_or(u64::MAX, |bound| bound.size);
        let mut late = self.inside.without(&Runs::below(covered));
        late.add_all(&self.after);
        if !late.is_empty() {
            let text = format!(
                "{} records of the period came more than {} s after its end: more may come; ask with a later bound (late): entries {}",
                late.count(),
                self.reach.late_s,
                late.show()
            );
            say(false, text);
        }
        if !self.closed_after.is_empty() {
            let text = format!(
                "{} records from after the bound that show nothing are taken to be of a later period: entries {}",
                self.closed_after.count(),
                self.closed_after.show()
            );
            say(true, text);
        }
        if self.rows_more != 0 {
            say(false, format!("{} more were found than one answer holds; ask about shorter periods", self.rows_more));
        }
        if let Some(part) = self.filter.left_out() {
            say(false, part);
        }
        all
    }
}

impl AccessSink for Asked {
    fn see(&mut self, access: &Access) {
        if !self.filter.concerns(&access.issuer) {
            return;
        }
        self.seen.add(access.index);
        match &access.state {
            State::Opened(values) => self.opened(access, values),
            State::Erased { authority, .. } => self.closed(access, format!("its record was erased: {authority}")),
            State::NotOpened { why, blame } => {
                self.closed(access, format!("its record did not open ({}): {why}", blame.word()));
            }
        }
    }
}

fn add_bounded(reasons: &mut BTreeMap<(String, String), Runs>, issuer: &str, why: String, index: u64) {
    let mut key = (issuer.to_owned(), why);
    if reasons.len() >= REASONS_MAX && !reasons.contains_key(&key) {
        key.1 = "other reasons".to_owned();
    }
    reasons.entry(key).or_default().add(index);
}

fn row(access: &Access, values: &Values, added: Vec<(&'static str, Value)>) -> Row {
    let mut fields: Map<String, Value> = Map::new();
    for (field, value) in Field::ALL.into_iter().zip(values.all()) {
        if *value != vitrine_spec::json::Value::Null {
            fields.insert(field.name().to_owned(), json_of(value));
        }
    }
    fields.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Row {
        index: Some(access.index),
        issuer: access.issuer.clone(),
        epoch: access.epoch,
        seq: Some(access.seq),
        recorded: Some(access.recorded),
        disowned: false,
        fields,
    }
}
