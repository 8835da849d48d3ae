//! PostgreSQL with pgaudit, as jsonlog writes it: one JSON object a line (docs/import.md; data facts in tests/samples/pgaudit).
//!
//! A read or write that was done is an AUDIT line; one that was refused or broke off is an ERROR line and nothing else. Every
//! line of a session is looked at, also those that tell of no access: they hold the role it took, and their numbers show a gap.
//! Not here: files (`lines`), enrichment (`found`).

use std::collections::BTreeMap;

use serde::Deserialize;
use vitrine_spec::fields::{instant_ms, print_instant};

use super::found::{Found, Refused};
use super::mapping::{Mapping, Slot, offset_s};
use super::sql::{self, RoleChange};
use crate::limits::PG_SESSIONS_MAX;

/// The members of a jsonlog line that are read; a line has more.
#[derive(Deserialize)]
struct Line {
    timestamp: Option<String>,
    user: Option<String>,
    dbname: Option<String>,
    session_id: Option<String>,
    line_num: Option<u64>,
    ps: Option<String>,
    vxid: Option<String>,
    error_severity: Option<String>,
    state_code: Option<String>,
    message: Option<String>,
    statement: Option<String>,
    application_name: Option<String>,
}

/// What is remembered of a session.
#[derive(Clone, Debug, Default)]
struct Session {
    last_line: u64,
    /// Counts up over all lines: which sessions were seen last.
    seen: u64,
    role: Option<String>,
    /// The role before a `SET LOCAL`, and the transaction with which that ends.
    outside: Option<(Option<String>, String)>,
    /// The last statement that named a table: its number, and the line.
    named: Option<(String, u64)>,
    /// The text and transaction of the last SET, and how many of its statements were seen.
    set: Option<(String, String, usize)>,
}

/// The sessions of one server's log, in the order of its lines.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: BTreeMap<String, Session>,
    lines: u64,
}

/// The fields of an AUDIT record.
struct Audit {
    statement_id: String,
    class: String,
    command: String,
    object: String,
    statement: String,
    rows: String,
}

/// Classes of SQLSTATE in which nothing was read or written: no connection, not supported, no transaction, not authorised to
/// connect, no such cursor or statement or database or schema, and what the parser refuses.
const NOTHING_DONE: [&str; 9] = ["08", "0A", "25", "26", "28", "34", "3D", "3F", "42"];

impl Sessions {
    /// Reads one line; `warn` takes what its number says about lines that are missing.
    pub fn line(&mut self, bytes: &[u8], mapping: &Mapping, warn: &mut dyn FnMut(String)) -> Result<Found, Refused> {
        let line: Line = serde_json::from_slice(bytes).map_err(|_| Refused::fault("not a line of jsonlog"))?;
        let (Some(id), Some(number)) = (&line.session_id, line.line_num) else {
            return Err(Refused::fault("no session_id and line_num"));
        };
        self.lines += 1;
        self.forget();
        let session = self.sessions.entry(id.clone()).or_default();
        session.seen = self.lines;
        if number <= session.last_line {
            return Err(Refused::fault(
                "a line of its session that came before: one file twice, or two servers in one import",
            ));
        }
        // The server's own processes live longer than its log files and read no data.
        let client = line.user.is_some();
        match (session.last_line + 1, number - 1) {
            (from, to) if from > to || !client => {}
            (1, to) => warn(format!("session {id} begins at line {number}: 1 to {to} are in no file given before")),
            (from, to) => warn(format!("session {id}: lines {from} to {to} are missing")),
        }
        session.last_line = number;
        session.end_local(line.vxid.as_deref());
        let message = line.message.as_deref().unwrap_or_default();
        match (message.strip_prefix("AUDIT: "), line.error_severity.as_deref()) {
            (Some(record), _) => session.audit(&line, record, mapping),
            (None, Some("ERROR" | "FATAL" | "PANIC")) => session.error(&line, message, mapping),
            (None, _) => Err(Refused::no_access("a line of the server that is no audit record and no error")),
        }
    }

    /// Keeps the number of sessions bounded: those seen longest ago go.
    fn forget(&mut self) {
        if self.sessions.len() >= PG_SESSIONS_MAX {
            let mut seen: Vec<u64> = self.sessions.values().map(|session| session.seen).collect();
            seen.sort_unstable();
            let middle = seen.get(seen.len() / 2).copied().unwrap_or(0);
            self.sessions.retain(|_, session| session.seen > middle);
        }
    }
}

impl Session {
    /// A role taken with `SET LOCAL` ends with its transaction.
    fn end_local(&mut self, vxid: Option<&str>) {
        if self.outside.as_ref().is_some_and(|(_, transaction)| Some(transaction.as_str()) != vxid) {
            self.role = self.outside.take().and_then(|(role, _)| role);
        }
    }

    fn audit(&mut self, line: &Line, record: &str, mapping: &Mapping) -> Result<Found, Refused> {
        let audit = Audit::parse(record)?;
        let (class, command) = (audit.class.as_str(), audit.command.as_str());
        let op = match class {
            "READ" if command == "PREPARE" || command == "DEALLOCATE" => {
                return Err(Refused::no_access(format!("READ/{command} reads nothing; EXECUTE has its own record")));
            }
            "READ" => "read",
            "WRITE" => match command {
                "INSERT" | "COPY" => "store",
                "DELETE" => "delete",
                command if command.starts_with("TRUNCATE") => "delete",
                _ => "alter",
            },
            "DDL" => match command {
                command if command.starts_with("DROP") => "destroy",
                "CREATE TABLE AS" | "SELECT INTO" => "store",
                _ => "alter",
            },
            "ROLE" => "alter",
            "MISC" => {
                if matches!(command, "SET" | "RESET") {
                    self.set_role(line.vxid.as_deref().unwrap_or_default(), &audit.statement);
                }
                return Err(Refused::no_access(format!("MISC/{command} reads and writes no data")));
            }
            "FUNCTION" => {
                return Err(Refused::no_access(format!(
                    "FUNCTION/{command}: the statements in it have their own records"
                )));
            }
            _ => return Err(Refused::fault("an audit record of a class that is not known")),
        };
        let named = !audit.object.is_empty();
        let number = line.line_num.unwrap_or_default();
        if !named && command == "COPY" && self.named.as_ref().is_some_and(|(id, _)| *id == audit.statement_id) {
            return Err(Refused::no_access("COPY of a query: the same act as the read before it"));
        }
        if named {
            self.named = Some((audit.statement_id.clone(), number));
        }
        let mut found = self.found(line, mapping)?;
        found.say(Slot::Op, op);
        found.say(Slot::NativeOp, format!("pg:{class}/{command}"));
        found.say(Slot::Result, "success");
        let tables = if named { vec![audit.object] } else { sql::tables(&audit.statement) };
        found.objects = tables.iter().map(|table| spellings(line, table)).collect();
        // Without a table the record says 0 rows, whatever the statement did.
        if named {
            found.say(Slot::ObjectCount, audit.rows);
        }
        Ok(found)
    }

    fn error(&mut self, line: &Line, message: &str, mapping: &Mapping) -> Result<Found, Refused> {
        let state = line.state_code.as_deref().unwrap_or_default();
        let refused = state == "42501";
        let Some(statement) = line.statement.as_deref() else {
            return Err(Refused::no_access(format!("error {state} outside a statement")));
        };
        if !refused && NOTHING_DONE.iter().any(|class| state.starts_with(class)) {
            return Err(Refused::no_access(format!("error {state}: nothing was read or written")));
        }
        // Of several statements in one text the command tag says which one it was.
        let tag = line.ps.as_deref().unwrap_or_default().split(' ').next().unwrap_or_default();
        let first = sql::first_word(statement);
        let (word, op) = [tag, &first]
            .into_iter()
            .find_map(|word| Some((word.to_owned(), op_of(word, statement)?)))
            .ok_or_else(|| Refused::no_access(format!("error {state} of {first}: no data is concerned")))?;
        let mut found = self.found(line, mapping)?;
        found.say(Slot::Op, op);
        found.say(Slot::NativeOp, format!("pg:ERROR/{word}"));
        found.say(Slot::Result, if refused { "refused" } else { "error" });
        found.say(Slot::NativeResult, state);
        let mut tables = sql::tables(statement);
        // `permission denied for table x` names it without its schema.
        let denied = message.rsplit(' ').next().map(|name| name.trim_matches('"'));
        if let Some(denied) = denied.filter(|_| refused) {
            let is_it = |table: &String| table.rsplit('.').next() == Some(denied);
            if tables.iter().any(is_it) {
                tables.retain(is_it);
            }
        }
        found.objects = tables.iter().map(|table| spellings(line, table)).collect();
        Ok(found)
    }

    /// What every record says.
    fn found(&self, line: &Line, mapping: &Mapping) -> Result<Found, Refused> {
        let mut found = Found::new();
        found.say(Slot::OccurredAt, instant(line.timestamp.as_deref().unwrap_or_default(), mapping)?);
        let user = line.user.as_deref().unwrap_or_default();
        if user.starts_with("service:") {
            // Whoever names users must not say what is code: that is for the staff table.
            found.say(Slot::Actor, format!("user:{user}"));
            found.also_actor = vec![user.to_owned()];
        } else {
            found.say(Slot::Actor, user);
        }
        let session = line.session_id.as_deref().unwrap_or_default();
        found.say(Slot::Session, session);
        found.say(Slot::Role, self.role.as_deref().unwrap_or_default());
        found.say(Slot::Tool, line.application_name.as_deref().unwrap_or_default());
        found.say(Slot::NativeId, format!("{session}:{}", line.line_num.unwrap_or_default()));
        Ok(found)
    }

    /// Follows a SET or RESET; of a text with several each one has a record with the whole text.
    fn set_role(&mut self, vxid: &str, text: &str) {
        let again = match &self.set {
            Some((last, transaction, count)) if last == text && transaction == vxid => count + 1,
            Some(_) | None => 0,
        };
        self.set = Some((text.to_owned(), vxid.to_owned(), again));
        let changes = sql::role_changes(text);
        // A loop that runs one text again within a transaction goes round.
        let change = changes.get(again % changes.len().max(1)).cloned().flatten();
        match change {
            Some(RoleChange::Take(role)) => (self.role, self.outside) = (Some(role), None),
            Some(RoleChange::TakeLocally(role)) => {
                let before = self.role.replace(role);
                self.outside.get_or_insert((before, vxid.to_owned()));
            }
            Some(RoleChange::Reset) => (self.role, self.outside) = (None, None),
            None => {}
        }
    }
}

impl Audit {
    /// The CSV inside the message: type, statement, substatement, class, command, object type, object, statement text,
    /// parameters and, with `log_rows`, the number of rows.
    fn parse(record: &str) -> Result<Audit, Refused> {
        let wrong = || Refused::fault("an audit record that has not 9 or 10 fields");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record.as_bytes());
        let fields = reader.records().next().and_then(Result::ok).ok_or_else(wrong)?;
        if !matches!(fields.len(), 9 | 10) {
            return Err(wrong());
        }
        let field = |at: usize| fields.get(at).unwrap_or_default().to_owned();
        Ok(Audit {
            statement_id: field(1),
            class: field(3),
            command: field(4),
            object: field(6),
            statement: field(7),
            rows: field(9),
        })
    }
}

/// What an error's statement would have done; `None` when no data is concerned.
fn op_of(word: &str, statement: &str) -> Option<&'static str> {
    Some(match word {
        "SELECT" | "TABLE" | "VALUES" | "WITH" | "FETCH" | "DECLARE" | "EXECUTE" => "read",
        "COPY" if sql::copies_in(statement) => "store",
        "COPY" => "read",
        "INSERT" => "store",
        "UPDATE" | "MERGE" | "ALTER" | "CREATE" | "GRANT" | "REVOKE" | "COMMENT" => "alter",
        "DELETE" | "TRUNCATE" => "delete",
        "DROP" => "destroy",
        _ => return None,
    })
}

/// A table as the asset table may have it: with the database before it, and alone.
fn spellings(line: &Line, table: &str) -> Vec<String> {
    let database = line.dbname.as_deref().unwrap_or_default();
    vec![format!("{database}/{table}"), table.to_owned()]
}

/// `2026-11-24 08:00:00.123 UTC` as the field has it.
fn instant(text: &str, mapping: &Mapping) -> Result<String, Refused> {
    let wrong = || Refused::fault("no time that can be read");
    let mut parts = text.splitn(3, ' ');
    let (Some(date), Some(time), Some(zone)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
    let ms = instant_ms(&format!("{date}T{time}Z")).ok_or_else(wrong)?;
    let offset = match zone {
        "UTC" | "GMT" => Some(0),
        zone => mapping.zones.get(zone).copied().or_else(|| offset_s(zone)),
    };
    let offset =
        offset.ok_or_else(|| Refused::fault(format!("the time zone {zone} is not in [zones] of the mapping")))?;
    print_instant(ms - offset * 1_000).ok_or_else(wrong)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use vitrine_spec::fields::Field;
    use vitrine_spec::json::Value;

    use super::super::counts::Counts;
    use super::super::found::values;
    use super::*;

    const AT: &str = "2026-11-24 08:00:00.123 UTC";

    struct Log {
        sessions: Sessions,
        warnings: Vec<String>,
        mapping: Mapping,
        number: u64,
    }

    impl Log {
        fn new() -> Log {
            Log { sessions: Sessions::default(), warnings: Vec::new(), mapping: Mapping::default(), number: 0 }
        }

        fn read(&mut self, line: serde_json::Value) -> Result<Found, Refused> {
            let warnings = &mut self.warnings;
            self.sessions.line(line.to_string().as_bytes(), &self.mapping, &mut |warning| warnings.push(warning))
        }

        /// The next line of the session, in a transaction of its own.
        fn next(&mut self, more: serde_json::Value) -> Result<Found, Refused> {
            self.number += 1;
            let mut line = serde_json::json!({"timestamp": AT, "user": "s-1071", "dbname": "customers", "session_id": "a.1",
                "line_num": self.number, "vxid": format!("2/{}", self.number), "error_severity": "LOG", "application_name": "desk CS-1"});
            for (name, value) in more.as_object().unwrap() {
                line[name] = value.clone();
            }
            self.read(line)
        }

        fn audit(&mut self, record: &str) -> Result<Found, Refused> {
            self.next(serde_json::json!({"message": format!("AUDIT: SESSION,{record}")}))
        }

        fn role(&mut self) -> Option<String> {
            let found = self.audit("9,1,READ,SELECT,TABLE,eu.t,SELECT 1,<not logged>,0").unwrap();
            found.get(Slot::Role).map(str::to_owned)
        }
    }

    #[test]
    fn a_read_with_quotes_and_a_line_end_in_its_text() {
        let mut log = Log::new();
        let found =
            log.audit("1,1,READ,SELECT,TABLE,eu.customers,\"SELECT p FROM eu.customers WHERE p = '\"\"q\"\", r'\n AND 1\",<not logged>,3").unwrap();
        assert_eq!(found.get(Slot::OccurredAt), Some("2026-11-24T08:00:00.123Z"));
        assert_eq!((found.get(Slot::Op), found.get(Slot::NativeOp)), (Some("read"), Some("pg:READ/SELECT")));
        assert_eq!((found.get(Slot::ObjectCount), found.get(Slot::NativeId)), (Some("3"), Some("a.1:1")));
        assert_eq!(found.objects, [["customers/eu.customers", "eu.customers"]]);
        assert_eq!(
            (found.get(Slot::Actor), found.get(Slot::Role), found.get(Slot::Tool)),
            (Some("s-1071"), None, Some("desk CS-1"))
        );
        // Without log_rows there is no tenth field.
        assert_eq!(log.audit("2,1,READ,SELECT,TABLE,eu.t,SELECT 1,<not logged>").unwrap().get(Slot::ObjectCount), None);
    }

    #[test]
    fn a_user_who_is_called_a_service_is_one_when_the_staff_table_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (staff, file) = (dir.path().join("staff.csv"), dir.path().join("mapping.toml"));
        std::fs::write(&staff, "actor,id\nservice:scanner,service:scanner\n").unwrap();
        std::fs::write(&file, "staff = \"staff.csv\"\n").unwrap();
        let mut log = Log { mapping: Mapping::load(&file).unwrap(), ..Log::new() };
        for (user, actor, automated) in
            [("service:scanner", "service:scanner", Some(true)), ("service:me", "user:service:me", None)]
        {
            let message = "AUDIT: SESSION,1,1,READ,SELECT,TABLE,eu.t,SELECT 1,<not logged>,3";
            let found = log.next(serde_json::json!({"message": message, "user": user})).unwrap();
            let values = values(&found, &log.mapping, None, &mut Counts::default()).unwrap();
            assert_eq!(values.text(Field::Actor), Some(actor));
            let said = values.get(Field::Automated).get("automated").cloned();
            assert_eq!(said, automated.map(Value::Bool), "{user}");
        }
    }

    #[test]
    fn the_role_is_followed_and_never_taken_for_the_user() {
        let mut log = Log::new();
        let set = |log: &mut Log, statement: &str| {
            assert!(!log.audit(&format!("1,1,MISC,SET,,,{statement},<not logged>,0")).unwrap_err().fault);
        };
        assert_eq!(log.role(), None);
        set(&mut log, "SET ROLE support");
        assert_eq!(log.role().as_deref(), Some("support"));
        set(&mut log, "\"SET ROLE \"\"owner\"\";\"");
        assert_eq!(log.role().as_deref(), Some("owner"));
        set(&mut log, "RESET ROLE");
        assert_eq!(log.role(), None);
        // Within its transaction, and not after it.
        set(&mut log, "SET ROLE support");
        log.number += 1;
        let line = |number: u64, message: &str| {
            serde_json::json!({"timestamp": AT, "user": "s-1071", "session_id": "a.1", "line_num": number, "vxid": "2/900",
                "message": format!("AUDIT: SESSION,{message}")})
        };
        let number = log.number;
        log.read(line(number, "1,1,MISC,SET,,,SET LOCAL ROLE analyst,<not logged>,0")).unwrap_err();
        let inside = log.read(line(number + 1, "1,1,READ,SELECT,TABLE,eu.t,SELECT 1,<not logged>,0")).unwrap();
        assert_eq!(inside.get(Slot::Role), Some("analyst"));
        log.number += 1;
        assert_eq!(log.role().as_deref(), Some("support"));
        assert_eq!(log.warnings, Vec::<String>::new());
    }

    #[test]
    fn several_roles_in_one_text_are_taken_one_after_another() {
        let mut log = Log::new();
        let text = "\"SET ROLE a; SELECT 1 FROM eu.t; SET ROLE b\"";
        let line = |number: u64, record: String| serde_json::json!({"timestamp": AT, "session_id": "a.1", "line_num": number, "vxid": "2/7", "message": format!("AUDIT: SESSION,{record}")});
        log.read(line(1, format!("1,1,MISC,SET,,,{text},<not logged>,0"))).unwrap_err();
        let found = log.read(line(2, format!("2,1,READ,SELECT,TABLE,eu.t,{text},<not logged>,1"))).unwrap();
        assert_eq!(found.get(Slot::Role), Some("a"));
        log.read(line(3, format!("3,1,MISC,SET,,,{text},<not logged>,0"))).unwrap_err();
        log.number = 3;
        assert_eq!(log.role().as_deref(), Some("b"));
    }

    #[test]
    fn a_refused_read_is_an_error_line_and_nothing_else() {
        let mut log = Log::new();
        let error = |state: &str, message: &str, ps: &str, statement: &str| serde_json::json!({"error_severity": "ERROR", "state_code": state, "message": message, "ps": ps, "statement": statement});
        let found = log
            .next(error(
                "42501",
                "permission denied for table customers",
                "SELECT",
                "SELECT 1 FROM eu.customers c JOIN eu.tickets t ON true",
            ))
            .unwrap();
        assert_eq!((found.get(Slot::Result), found.get(Slot::NativeResult)), (Some("refused"), Some("42501")));
        assert_eq!((found.get(Slot::Op), found.get(Slot::NativeOp)), (Some("read"), Some("pg:ERROR/SELECT")));
        assert_eq!(found.objects, [["customers/eu.customers", "eu.customers"]]);
        let schema =
            log.next(error("42501", "permission denied for schema eu", "SELECT", "SELECT 1 FROM eu.t")).unwrap();
        assert_eq!(schema.objects, [["customers/eu.t", "eu.t"]]);
        // The second of two statements in one text.
        let second =
            log.next(error("42501", "permission denied for table t", "DELETE", "SELECT 1; DELETE FROM eu.t")).unwrap();
        assert_eq!(second.get(Slot::Op), Some("delete"));
        // Broken off in the middle: rows may have been read.
        let broken = log.next(error("22012", "division by zero", "SELECT", "SELECT 1 / id FROM eu.t")).unwrap();
        assert_eq!((broken.get(Slot::Result), broken.get(Slot::NativeResult)), (Some("error"), Some("22012")));
        for (state, ps, statement, want) in [
            ("42703", "SELECT", "SELECT nothing FROM eu.t", "error 42703: nothing was read or written"),
            ("42501", "SET", "SET ROLE privacy", "error 42501 of SET: no data is concerned"),
        ] {
            let refused = log.next(error(state, "x", ps, statement)).unwrap_err();
            assert_eq!(refused, Refused::no_access(want));
        }
    }

    #[test]
    fn one_copy_is_one_act_and_a_copied_table_is_read_out_of_the_text() {
        let mut log = Log::new();
        let text = "COPY (SELECT * FROM eu.t) TO STDOUT";
        assert!(log.audit(&format!("3,1,READ,SELECT,TABLE,eu.t,{text},<not logged>,3")).is_ok());
        assert_eq!(
            log.audit(&format!("3,2,READ,COPY,,,{text},<not logged>,0")).unwrap_err(),
            Refused::no_access("COPY of a query: the same act as the read before it")
        );
        let copy = log.audit("4,1,READ,COPY,,,COPY eu.tickets TO STDOUT,<not logged>,0").unwrap();
        assert_eq!(copy.objects, [["customers/eu.tickets", "eu.tickets"]]);
        assert_eq!(copy.get(Slot::ObjectCount), None, "0 rows is said of every COPY");
    }

    #[test]
    fn what_the_other_classes_do() {
        let mut log = Log::new();
        for (record, op) in [
            ("1,1,WRITE,INSERT,TABLE,eu.t,x,<not logged>,1", "store"),
            ("1,1,WRITE,UPDATE,TABLE,eu.t,x,<not logged>,1", "alter"),
            ("1,1,WRITE,DELETE,TABLE,eu.t,x,<not logged>,1", "delete"),
            ("1,1,WRITE,TRUNCATE TABLE,,,TRUNCATE us.t,<not logged>,0", "delete"),
            ("5,1,WRITE,COPY,,,COPY us.t FROM STDIN,<not logged>,0", "store"),
            ("1,1,DDL,DROP TABLE,,,DROP TABLE us.t,<not logged>,0", "destroy"),
            ("1,1,DDL,CREATE TABLE AS,,,CREATE TABLE us.t AS SELECT 1,<not logged>,0", "store"),
            ("1,1,DDL,ALTER TABLE,,,ALTER TABLE us.t ADD a int,<not logged>,0", "alter"),
            ("1,1,ROLE,GRANT,,,GRANT SELECT ON us.t TO support,<not logged>,0", "alter"),
            ("1,1,READ,DECLARE CURSOR,,,DECLARE c CURSOR FOR SELECT 1 FROM us.t,<not logged>,0", "read"),
        ] {
            let found = log.audit(record).unwrap();
            assert_eq!(found.get(Slot::Op), Some(op), "{record}");
            assert!(found.objects.len() == 1 && found.objects[0][1].ends_with(".t"), "{record}: {:?}", found.objects);
        }
        for record in ["1,1,READ,PREPARE,,,x,<none>,0", "1,1,MISC,VACUUM,,,x,<none>,0", "1,1,FUNCTION,DO,,,x,<none>,0"]
        {
            assert!(!log.audit(record).unwrap_err().fault, "{record}");
        }
        for record in ["", "1,1,READ", "1,1,NEW,X,,,x,<none>,0", "1,1,READ,SELECT,,,\"open,<none>,0"] {
            assert!(log.audit(record).unwrap_err().fault, "{record}");
        }
    }

    #[test]
    fn a_gap_is_named_by_session_and_number() {
        let mut log = Log::new();
        let line = |id: &str, number: u64| serde_json::json!({"timestamp": AT, "user": "s-1", "session_id": id, "line_num": number, "message": "x"});
        let server = serde_json::json!({"timestamp": AT, "session_id": "0.0", "line_num": 7, "message": "checkpoint"});
        assert!(!log.read(server).unwrap_err().fault);
        for (id, number) in [("a.1", 1), ("b.2", 3), ("a.1", 2), ("a.1", 6), ("b.2", 4)] {
            assert!(!log.read(line(id, number)).unwrap_err().fault);
        }
        assert_eq!(
            log.warnings,
            [
                "session b.2 begins at line 3: 1 to 2 are in no file given before",
                "session a.1: lines 3 to 5 are missing"
            ]
        );
        let again = log.read(line("a.1", 6)).unwrap_err();
        assert!(again.fault && again.why.contains("came before"), "{again:?}");
    }

    #[test]
    fn sessions_are_bounded() {
        let mut log = Log::new();
        for n in 0..=PG_SESSIONS_MAX {
            let _ = log.read(serde_json::json!({"session_id": format!("{n}"), "line_num": 1}));
        }
        assert!(log.sessions.sessions.len() <= PG_SESSIONS_MAX);
        assert!(log.sessions.sessions.contains_key(&PG_SESSIONS_MAX.to_string()));
    }

    #[test]
    fn times_of_other_zones() {
        let mut mapping = Mapping::default();
        mapping.zones.insert("CET".to_owned(), 3_600);
        for (text, want) in [
            ("2026-11-24 08:00:00.123 UTC", Ok("2026-11-24T08:00:00.123Z")),
            ("2026-11-24 00:30:00.000 CET", Ok("2026-11-23T23:30:00.000Z")),
            ("2026-11-24 08:00:00.000 +08", Ok("2026-11-24T00:00:00.000Z")),
            ("2026-11-24 08:00:00.000 EST", Err("the time zone EST is not in [zones] of the mapping")),
            ("2026-11-24 08:00:00 UTC", Err("no time that can be read")),
            ("2026-11-24", Err("no time that can be read")),
        ] {
            let got = instant(text, &mapping).map_err(|refused| refused.why);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_a_fault_and_no_panic() {
        let mut log = Log::new();
        for bytes in
            [&b""[..], b"{", b"[]", b"{}", b"\xff", b"{\"session_id\":\"a\"}", b"{\"session_id\":1,\"line_num\":1}"]
        {
            let refused = log.sessions.line(bytes, &log.mapping, &mut |_| ()).unwrap_err();
            assert!(refused.fault, "{bytes:?}");
        }
    }
}
