//! Lines with content of a list that a person writes: logs, peers (55-witness.md, D-15, D-26).
//!
//! What tlog-policy skips is skipped: empty lines, comments, blanks and tabs around words. Not here: what the lines say.

/// The line, counted from 1, that is not UTF-8 or holds a control character other than tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoText(pub usize);

/// The lines that say something, each with its number, counted from 1.
pub fn lines(bytes: &[u8]) -> Result<Vec<(usize, &str)>, NoText> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = std::str::from_utf8(line).map_err(|_| NoText(number))?;
        if text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(NoText(number));
        }
        let text = text.trim_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with('#') {
            lines.push((number, text));
        }
    }
    Ok(lines)
}

/// The words of a line.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|word| !word.is_empty())
}
