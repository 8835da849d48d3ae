//! Stories for reading aloud: one command a line, and behind `->` the exit code or status it must have and what it must say.
//!
//! ```text
//! # A witness does not go back.
//! add farm 5                              -> 0
//! add-checkpoint w4 old=0 size=5          -> 200
//! add-checkpoint w4 old=0 size=3          -> 409 is "5\n"
//! until get /readyz                       -> 503 "w2.example" not "w1.example"
//! ```
//!
//! A word in double quotes or backquotes may hold blanks; `\n` and `\"` mean what they do elsewhere, in double quotes alone.
//! `$NAME` is replaced, except in backquotes. Not here: what the commands do (`stage`).

mod makers;
pub mod stage;

/// What an answer must hold besides its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// These words are in it.
    Says(String),
    /// These words are not.
    SaysNot(String),
    /// Its body is this and nothing else.
    Is(String),
}

/// One line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// The line as written.
    pub text: String,
    /// The command and its arguments.
    pub words: Vec<Word>,
    /// The exit code or status, and what the answer must hold.
    pub wanted: Option<(u16, Vec<(Want, bool)>)>,
}

/// A word, and whether `$NAME` in it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// It stood in quotes of either kind.
    pub quoted: bool,
    /// `$NAME` is replaced.
    pub open: bool,
}

/// Reads a story.
///
/// # Errors
/// The line that is none, and why.
pub fn read(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        lines.push(read_line(at + 1, line).map_err(|why| format!("line {}: {why}\n  {line}", at + 1))?);
    }
    if lines.is_empty() { Err("a story without a line".to_owned()) } else { Ok(lines) }
}

fn read_line(number: usize, line: &str) -> Result<Line, String> {
    let mut words = split(line)?;
    let arrow = words.iter().position(|word| !word.quoted && word.text == "->");
    let wanted = match arrow {
        None => None,
        Some(at) => {
            let behind = words.split_off(at);
            let mut behind = behind.into_iter().skip(1);
            let code =
                behind.next().and_then(|word| word.text.parse().ok()).ok_or("no exit code or status after `->`")?;
            let mut wants = Vec::new();
            while let Some(word) = behind.next() {
                let (make, word): (fn(String) -> Want, Word) = match word.text.as_str() {
                    "is" if !word.quoted => (Want::Is, behind.next().ok_or("nothing after `is`")?),
                    "not" if !word.quoted => (Want::SaysNot, behind.next().ok_or("nothing after `not`")?),
                    _ => (Want::Says, word),
                };
                if !word.quoted {
                    return Err(format!("{} is not in quotes", word.text));
                }
                wants.push((make(word.text), word.open));
            }
            Some((code, wants))
        }
    };
    if words.is_empty() {
        return Err("no command".to_owned());
    }
    Ok(Line { number, text: line.to_owned(), words, wanted })
}

fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(&first) = rest.peek() {
        if first == ' ' {
            rest.next();
            continue;
        }
        let quote = Some(first).filter(|c| matches!(c, '"' | '`'));
        if quote.is_some() {
            rest.next();
        }
        let mut text = String::new();
        loop {
            match (rest.next(), quote) {
                (Some('\\'), Some('"')) => match rest.next() {
                    Some('n') => text.push('\n'),
                    Some(other) => text.push(other),
                    None => return Err("a line ends after a backslash".to_owned()),
                },
                (Some(c), Some(q)) if c == q => break,
                (None | Some(' '), None) => break,
                (Some(c), _) => text.push(c),
                (None, Some(_)) => return Err("a quote does not end".to_owned()),
            }
        }
        words.push(Word { text, quoted: quote.is_some(), open: quote != Some('`') });
    }
    Ok(words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_must_come_of_it() {
        let lines = read("# told\n\nget /x \"a b\" -> 409 is \"5\\n\" `\"n\":$5` not \"z\"\nkill log\n").unwrap();
        let [get, kill] = lines.as_slice() else { unreachable!("two lines: {lines:?}") };
        assert_eq!((get.number, get.words.len(), get.words[2].text.as_str()), (3, 3, "a b"));
        let wants = vec![
            (Want::Is("5\n".to_owned()), true),
            (Want::Says("\"n\":$5".to_owned()), false),
            (Want::SaysNot("z".to_owned()), true),
        ];
        assert_eq!(get.wanted, Some((409, wants)));
        assert_eq!(kill.wanted, None);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for (text, why) in [
            ("", "without a line"),
            ("get /x ->", "no exit code"),
            ("get /x -> ok", "no exit code"),
            ("-> 200", "no command"),
            ("get \"x", "does not end"),
            ("get /x -> 200 ready", "not in quotes"),
            ("get /x -> 200 not", "nothing after"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }
}
