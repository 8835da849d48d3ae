//! As much of SQL as an audit record leaves open: which tables a statement names, and which role it takes (docs/import.md).
//!
//! pgaudit names the table of a read or a write itself; of COPY, TRUNCATE, DDL, cursors and refused statements it gives the
//! text alone. Not here: a parser of SQL. A name that is read out of a function's text or built at run time is not seen.

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word as written, in capitals, and the name it stands for.
    Word(String, String),
    /// A quoted name.
    Quoted(String),
    /// A text.
    Text(String),
    /// Any other character.
    Other(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(capitals, _) if capitals == word)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Token::Word(_, name) | Token::Quoted(name) => Some(name),
            Token::Text(_) | Token::Other(_) => None,
        }
    }
}

/// The pieces of a statement, without blanks and comments; what is never closed ends with the text.
fn tokens(statement: &str) -> Vec<Token> {
    let chars: Vec<char> = statement.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens: Vec<Token> = Vec::new();
    let (mut i, mut after_word, mut after_escapes) = (0, 0, 0);
    while i < chars.len() {
        let c = at(i);
        if c.is_whitespace() {
            i += 1;
        } else if c == '-' && at(i + 1) == '-' {
            while i < chars.len() && !matches!(at(i), '\n' | '\r') {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0_usize;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if c == '\'' || c == '"' {
            let mut text = String::new();
            // `E'…'`, and a text that goes on from it: a backslash takes the next character with it, a quote too.
            let begins = i == after_word && tokens.last().is_some_and(|token| token.is("E"));
            let escapes = c == '\'' && !tokens.is_empty() && (begins || tokens.len() == after_escapes);
            i += 1;
            while i < chars.len() {
                if escapes && at(i) == '\\' {
                    text.extend(chars.get(i + 1));
                    i += 2;
                } else if at(i) == c && at(i + 1) == c {
                    text.push(c);
                    i += 2;
                } else if at(i) == c {
                    break;
                } else {
                    text.push(at(i));
                    i += 1;
                }
            }
            i += 1;
            tokens.push(if c == '"' { Token::Quoted(text) } else { Token::Text(text) });
            if escapes {
                after_escapes = tokens.len();
            }
        } else if c == '$' && dollar_tag(&chars, i).is_some() {
            let tag = dollar_tag(&chars, i).unwrap_or_default();
            let from = i + tag.len();
            let end = (from..chars.len()).find(|&j| chars.get(j..j + tag.len()) == Some(tag));
            tokens.push(Token::Text(chars.get(from..end.unwrap_or(chars.len())).unwrap_or_default().iter().collect()));
            i = end.map_or(chars.len(), |end| end + tag.len());
        } else if c.is_alphabetic() || c == '_' {
            let from = i;
            while at(i).is_alphanumeric() || matches!(at(i), '_' | '$') {
                i += 1;
            }
            let word: String = chars.get(from..i).unwrap_or_default().iter().collect();
            tokens.push(Token::Word(word.to_uppercase(), word.to_lowercase()));
            after_word = i;
        } else {
            tokens.push(Token::Other(c));
            i += 1;
        }
    }
    tokens
}

/// `$$` or `$tag$` at `i`.
fn dollar_tag(chars: &[char], i: usize) -> Option<&[char]> {
    let rest = chars.get(i + 1..)?;
    let end = rest.iter().position(|c| *c == '$')?;
    let tag = rest.get(..end)?;
    let fits = tag.first().is_none_or(|c| !c.is_ascii_digit()) && tag.iter().all(|c| c.is_alphanumeric() || *c == '_');
    fits.then(|| chars.get(i..=i + 1 + end)).flatten()
}

/// The first word, in capitals; empty when there is none.
pub fn first_word(statement: &str) -> String {
    let mut tokens = tokens(statement).into_iter().skip_while(|token| *token == Token::Other('('));
    match tokens.next() {
        Some(Token::Word(capitals, _)) => capitals,
        Some(Token::Quoted(_) | Token::Text(_) | Token::Other(_)) | None => String::new(),
    }
}

/// Whether a COPY statement writes into its table.
pub fn copies_in(statement: &str) -> bool {
    let mut depth = 0_i64;
    tokens(statement).iter().any(|token| {
        match token {
            Token::Other('(') => depth += 1,
            Token::Other(')') => depth -= 1,
            Token::Word(..) | Token::Quoted(_) | Token::Text(_) | Token::Other(_) => {}
        }
        depth == 0 && token.is("FROM")
    })
}

/// The words with which a list after FROM ends.
const CLAUSES: [&str; 15] = [
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "FOR",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "RETURNING",
    "SET",
    "SELECT",
];

/// The tables that a statement names, as it names them, each once.
pub fn tables(statement: &str) -> Vec<String> {
    let tokens = tokens(statement);
    let Some(Token::Word(command, _)) = tokens.first() else { return Vec::new() };
    // After which words a list of names stands: elsewhere `FROM` may be a role or a file.
    let before: &[&str] = match command.as_str() {
        "COPY" if tokens.get(1) != Some(&Token::Other('(')) => &["COPY"],
        "TRUNCATE" => &["TRUNCATE"],
        "GRANT" | "REVOKE" => &["ON"],
        "CREATE" if tokens.iter().take(4).any(|token| token.is("INDEX")) => &["ON"],
        "DROP" | "ALTER" | "LOCK" => &["TABLE", "VIEW", "LOCK"],
        "CREATE" => &["TABLE", "VIEW", "FROM", "JOIN"],
        _ => &["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "USING"],
    };
    let mut found: Vec<String> = Vec::new();
    // How deep in parentheses, and the depths of the lists after FROM that are not at their end: a comma there names a table,
    // whatever stood between. One table too many makes a region unknown; one that is missed would make it another one.
    let (mut depth, mut lists) = (0_usize, Vec::new());
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        i += 1;
        match token {
            Token::Other('(') => depth += 1,
            Token::Other(')') => {
                depth = depth.saturating_sub(1);
                lists.retain(|list| *list <= depth);
            }
            token if CLAUSES.iter().any(|word| token.is(word)) => lists.retain(|list| *list < depth),
            _ => {}
        }
        let from = ["FROM", "JOIN", "USING"].iter().any(|word| token.is(word));
        let listed = *token == Token::Other(',') && lists.last() == Some(&depth);
        // `FOR UPDATE` and `DO UPDATE SET` name no table.
        if !listed && (!before.iter().any(|word| token.is(word)) || (token.is("UPDATE") && i > 1)) {
            continue;
        }
        if from && lists.last() != Some(&depth) {
            lists.push(depth);
        }
        loop {
            while tokens
                .get(i)
                .is_some_and(|token| ["TABLE", "ONLY", "IF", "NOT", "EXISTS"].iter().any(|w| token.is(w)))
            {
                i += 1;
                // `ONLY (t)`
                if tokens.get(i - 1).is_some_and(|token| token.is("ONLY")) && tokens.get(i) == Some(&Token::Other('('))
                {
                    depth += 1;
                    i += 1;
                }
            }
            let Some((name, after)) = name(&tokens, i) else { break };
            // `FROM f(x)` calls a function.
            let calls = tokens.get(after) == Some(&Token::Other('(')) && (from || listed);
            if !calls && !found.contains(&name) {
                found.push(name);
            }
            i = after;
            // The other name of a table, and then perhaps the next one.
            if tokens.get(i).is_some_and(|token| token.is("AS")) {
                i += 1;
            }
            if tokens.get(i + 1) == Some(&Token::Other(',')) && tokens.get(i).and_then(Token::name).is_some() {
                i += 1;
            }
            if tokens.get(i) != Some(&Token::Other(',')) {
                break;
            }
            i += 1;
        }
    }
    found
}

/// A name with its dots at `i`, and the place after it.
fn name(tokens: &[Token], mut i: usize) -> Option<(String, usize)> {
    let mut name = tokens.get(i)?.name()?.to_owned();
    i += 1;
    while tokens.get(i) == Some(&Token::Other('.')) {
        let Some(part) = tokens.get(i + 1).and_then(Token::name) else { break };
        name.push('.');
        name.push_str(part);
        i += 2;
    }
    Some((name, i))
}

/// What a statement does to the role of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChange {
    /// Takes this role.
    Take(String),
    /// Takes this role until the transaction ends.
    TakeLocally(String),
    /// Gives it back.
    Reset,
}

/// The changes of role in a text of one or more statements, one for each statement; `None` for one that changes none.
pub fn role_changes(text: &str) -> Vec<Option<RoleChange>> {
    let tokens = tokens(text);
    tokens
        .split(|token| *token == Token::Other(';'))
        .filter(|statement| statement.first().is_some_and(|token| token.is("SET") || token.is("RESET")))
        .map(role_change)
        .collect()
}

fn role_change(statement: &[Token]) -> Option<RoleChange> {
    let words: Vec<&Token> = statement.iter().filter(|token| **token != Token::Other('=')).collect();
    let (first, mut rest) = words.split_first()?;
    if first.is("RESET") {
        let role = matches!(rest, [one] if one.is("ROLE"));
        let session = matches!(rest, [one, two] if one.is("SESSION") && two.is("AUTHORIZATION"));
        return (role || session).then_some(RoleChange::Reset);
    }
    let mut local = false;
    if let [scope, after @ ..] = rest
        && (scope.is("LOCAL") || (scope.is("SESSION") && !after.first().is_some_and(|word| word.is("AUTHORIZATION"))))
    {
        local = scope.is("LOCAL");
        rest = after;
    }
    rest = match rest {
        [one, after @ ..] if one.is("ROLE") => after,
        [one, two, after @ ..] if one.is("SESSION") && two.is("AUTHORIZATION") => after,
        _ => return None,
    };
    if let [one, after @ ..] = rest
        && one.is("TO")
    {
        rest = after;
    }
    Some(match rest.first()? {
        Token::Word(capitals, _) if capitals == "NONE" || capitals == "DEFAULT" => RoleChange::Reset,
        Token::Text(role) if role.eq_ignore_ascii_case("none") => RoleChange::Reset,
        Token::Word(_, role) | Token::Quoted(role) | Token::Text(role) if local => {
            RoleChange::TakeLocally(role.clone())
        }
        Token::Word(_, role) | Token::Quoted(role) | Token::Text(role) => RoleChange::Take(role.clone()),
        Token::Other(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_a_statement() {
        for (statement, want) in [
            ("COPY eu.tickets TO STDOUT;", &["eu.tickets"][..]),
            ("COPY (SELECT * FROM eu.telemetry WHERE a = 'FROM x') TO STDOUT", &["eu.telemetry"]),
            ("copy eu.tickets (id) from '/tmp/x'", &["eu.tickets"]),
            ("TRUNCATE us.a, ONLY us.b", &["us.a", "us.b"]),
            ("TRUNCATE TABLE us.a CASCADE", &["us.a"]),
            ("DROP TABLE IF EXISTS us.telemetry_old, eu.export;", &["us.telemetry_old", "eu.export"]),
            ("ALTER TABLE ONLY eu.tickets ADD COLUMN closed date;", &["eu.tickets"]),
            ("CREATE TABLE eu.export AS SELECT id FROM eu.customers;", &["eu.export", "eu.customers"]),
            ("CREATE UNIQUE INDEX i ON eu.tickets (state);", &["eu.tickets"]),
            ("GRANT SELECT ON eu.telemetry, eu.tickets TO support;", &["eu.telemetry", "eu.tickets"]),
            ("REVOKE SELECT ON TABLE eu.telemetry FROM support;", &["eu.telemetry"]),
            ("DECLARE c CURSOR FOR SELECT sha256 FROM us.sample_files", &["us.sample_files"]),
            ("SELECT 1 FROM a AS x, b y JOIN \"C d\".e ON x.id = y.id", &["a", "b", "C d.e"]),
            ("SELECT * FROM generate_series(1, 2), eu.t", &["eu.t"]),
            (
                "SELECT * FROM us.t JOIN us.u ON t.id = u.id, eu.t WHERE a IN (SELECT 1, 2), b",
                &["us.t", "us.u", "eu.t"],
            ),
            ("SELECT * FROM us.t AS x (a, b), eu.t", &["us.t", "eu.t"]),
            ("SELECT * FROM us.t TABLESAMPLE SYSTEM (1), ONLY (eu.t), eu.u", &["us.t", "eu.t", "eu.u"]),
            (
                "SELECT * FROM us.t, (SELECT a, b FROM eu.t WHERE f(a, b)) x, eu.u ORDER BY a, b",
                &["us.t", "eu.t", "eu.u"],
            ),
            ("SELECT f(a, extract(day FROM b)), c FROM eu.t LIMIT 1", &["b", "eu.t"]),
            ("SELECT E'\\' FROM us.t --', * FROM eu.t", &["eu.t"]),
            ("SELECT 'e\\', * FROM eu.t", &["eu.t"]),
            ("SELECT E'a'\n'\\' FROM us.t --', * FROM eu.t", &["eu.t"]),
            ("SELECT * FROM us.t, --\r eu.t", &["us.t", "eu.t"]),
            ("INSERT INTO us.o SELECT * FROM us.t -- FROM no\n/* FROM /* no */ one */", &["us.o", "us.t"]),
            ("UPDATE eu.t SET a = $x$ FROM no $x$ WHERE id = $1", &["eu.t"]),
            ("DELETE FROM Eu.Customers", &["eu.customers"]),
            ("INSERT INTO eu.t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", &["eu.t"]),
            ("SELECT 'unclosed FROM x", &[]),
            ("", &[]),
        ] {
            assert_eq!(tables(statement), want, "{statement}");
        }
    }

    #[test]
    fn the_role_that_a_statement_takes() {
        let take = |role: &str| Some(RoleChange::Take(role.to_owned()));
        let local = |role: &str| Some(RoleChange::TakeLocally(role.to_owned()));
        let reset = || Some(RoleChange::Reset);
        for (text, want) in [
            ("SET ROLE support;", vec![take("support")]),
            ("set role 'Support'", vec![take("Support")]),
            ("SET SESSION ROLE \"owner\"", vec![take("owner")]),
            ("SET LOCAL ROLE analyst", vec![local("analyst")]),
            ("SET role TO analyst", vec![take("analyst")]),
            ("SET role = 'none'", vec![reset()]),
            ("SET ROLE NONE", vec![reset()]),
            ("RESET ROLE", vec![reset()]),
            ("RESET ALL", vec![None]),
            ("SET SESSION AUTHORIZATION bob", vec![take("bob")]),
            ("SET SESSION AUTHORIZATION DEFAULT", vec![reset()]),
            ("RESET SESSION AUTHORIZATION", vec![reset()]),
            ("SET search_path = role", vec![None]),
            ("SET ROLE a; SELECT 1; SET x = 1; RESET ROLE", vec![take("a"), None, reset()]),
            ("SELECT ';SET ROLE a'", vec![]),
        ] {
            assert_eq!(role_changes(text), want, "{text}");
        }
    }

    #[test]
    fn first_words_and_the_direction_of_a_copy() {
        assert_eq!(first_word("  -- hm\n select 1"), "SELECT");
        assert_eq!(first_word("(SELECT 1) UNION (SELECT 2)"), "SELECT");
        assert_eq!(first_word(";"), "");
        assert!(copies_in("COPY t FROM STDIN"));
        assert!(!copies_in("COPY (SELECT * FROM t) TO STDOUT"));
        assert!(!copies_in("COPY t TO STDOUT"));
    }
}
