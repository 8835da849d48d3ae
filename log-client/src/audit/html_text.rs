//! Texts on a page: whatever a record, an issuer or a log says is shown as it is and obeyed by nobody.
//!
//! Not here: the page (`html`).

use std::fmt::Write as _;

use crate::output::clean;

/// A text for a page, inside or outside of an attribute's quotes.
pub fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A number with a narrow blank between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 finding`, `2 findings`.
pub fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { more })
}

/// A length of time in the largest units that it fills.
pub fn lasting(seconds: u64) -> String {
    let mut out = String::new();
    let parts = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("min", seconds / 60 % 60), ("s", seconds % 60)];
    for (unit, count) in parts.into_iter().filter(|(_, count)| *count != 0).take(2) {
        let blank = if out.is_empty() { "" } else { " " };
        let _ = write!(out, "{blank}{count} {unit}");
    }
    if out.is_empty() { "0 s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_only_a_text() {
        assert_eq!(
            esc("<script>alert(\"1\")</script>&'\u{202e}\u{1b}\u{0}"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\\u{202e}\\u{1b}\\u{0}"
        );
        assert_eq!(esc("Zürich שלום"), "Zürich שלום");
    }

    #[test]
    fn numbers_and_times_are_read_at_a_glance() {
        assert_eq!(grouped(1_234_567).replace('\u{202f}', " "), "1 234 567");
        assert_eq!(grouped(12), "12");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(
            [0, 59, 60, 3_661, 86_400, 90_061].map(lasting),
            ["0 s", "59 s", "1 min", "1 h 1 min", "1 d", "1 d 1 h"]
        );
    }
}
