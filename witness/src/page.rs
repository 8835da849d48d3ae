//! What a person sees of a witness: the page at `/` (55-witness.md, D-29).
//!
//! No script, nothing from another host; every text from elsewhere is escaped. Not here: what is known (`overview`).

use crate::overview::{Overview, Shown, State};
use jiff::Timestamp;
use std::fmt::{Display, Write as _};

/// What the page may do: load our own style, and nothing else.
pub const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The style.
pub const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(overview: &Overview) -> String {
    let mut html = String::new();
    let name = Text(&overview.name);
    let (class, says) = match &overview.not_signing {
        None => ("good", "It signs.".to_owned()),
        Some(why) => ("bad", format!("It signs nothing: {}.", Text(why))),
    };
    // Writing to a `String` does not fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>Witness {name}</title><link rel=\"stylesheet\" \
         href=\"style.css\"></head><body><main><p class=\"kicker\">Witness</p><h1>{name}</h1><p><b \
         class=\"{class}\">{says}</b> It co-signs a log's checkpoint only when the log has done nothing but grow, and \
         compares what each log shows here with what it shows to others. {}</p><dl><dt>Logs followed</dt><dd>{}</dd>\
         <dt>Of which co-signed</dt><dd>{}</dd><dt>Showed two trees</dt><dd class=\"{}\">{}</dd>\
         <dt>Not reconciled</dt><dd class=\"{}\">{}</dd><dt>Last signed</dt><dd>{}</dd><dt>This page is of</dt>\
         <dd>{}</dd></dl>",
        words(overview.checked),
        overview.logs,
        overview.cosigned,
        if overview.frozen == 0 { "" } else { "bad" },
        overview.frozen,
        if overview.unreconciled == 0 { "" } else { "wait" },
        overview.unreconciled,
        Time(overview.last_signed),
        Time(overview.now),
    );
    logs(&mut html, overview);
    html.push_str("<h2>Its keys</h2><p>A verifier pins them in a policy; this page proves nothing by itself.</p><ul class=\"keys\">");
    for vkey in &overview.vkeys {
        let _ = write!(html, "<li><code>{}</code></li>", Text(vkey));
    }
    html.push_str("</ul><h2>It compares with</h2>");
    match overview.peers.as_slice() {
        [] => html.push_str("<p>No other witness: what a log shows to others is not looked at here.</p>"),
        peers => {
            html.push_str("<ul>");
            for peer in peers {
                let _ = write!(html, "<li><code>{}</code></li>", Text(peer));
            }
            html.push_str("</ul>");
        }
    }
    html.push_str(
        "<p class=\"dim\">For programs: <a href=\"status\">status</a>, <a href=\"logs\">the logs and their keys</a>, \
         <a href=\"evidence\">logs with evidence</a>, <a href=\"metrics\">metrics</a>.</p></main></body></html>\n",
    );
    html
}

fn words(checked: Option<u64>) -> String {
    match checked {
        None => "It has not compared yet.".to_owned(),
        Some(at) => format!("It last compared at {}.", Time(at)),
    }
}

fn logs(html: &mut String, overview: &Overview) {
    html.push_str("<h2>Logs</h2>");
    if overview.shown.is_empty() {
        html.push_str("<p>None is followed.</p>");
        return;
    }
    if overview.shown.len() < overview.logs {
        let _ = write!(
            html,
            "<p>{} of {}: those with something to say first, then those co-signed last.</p>",
            overview.shown.len(),
            overview.logs
        );
    }
    html.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Log</th><th>Size</th><th>Root</th><th>Co-signed</th><th>State</th></tr>\
         </thead><tbody>",
    );
    for Shown { origin, hash, size, root, time, state } in &overview.shown {
        let hash = hash.hex();
        let state = match state {
            State::New => "nothing co-signed yet".to_owned(),
            State::Open => format!("<a href=\"{hash}/checkpoint\">grows</a>"),
            State::Doubted { since } => {
                format!("<b class=\"wait\"><a href=\"{hash}/unreconciled\">another note since {}</a></b>", Time(*since))
            }
            State::Unreconciled { since } => format!(
                "<b class=\"wait\"><a href=\"{hash}/unreconciled\">not reconciled since {}: nothing is co-signed</a></b>",
                Time(*since)
            ),
            State::Frozen => {
                format!("<b class=\"bad\"><a href=\"{hash}/evidence\">showed two trees: frozen</a></b>")
            }
        };
        let root = root.map(|root| root.to_string()).unwrap_or_default();
        let size = size.map(|size| size.to_string()).unwrap_or_default();
        let time = time.map(|time| Time(time).to_string()).unwrap_or_default();
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"number\">{size}</td><td><code>{root}</code></td><td>{time}</td><td>{state}</td></tr>",
            Text(origin)
        );
    }
    html.push_str("</tbody></table></div>");
}

/// A time for a person, in UTC.
struct Time(u64);

impl Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match i64::try_from(self.0).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(time) if self.0 > 0 => write!(f, "{}", time.strftime("%Y-%m-%d %H:%M:%S UTC")),
            _ => f.write_str("never"),
        }
    }
}

/// A text from elsewhere, escaped; controls and what turns the direction of a text are spelled out.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_elsewhere_are_escaped() {
        // [D-29]
        let text = Text("<a href='x'>&\"\u{202e}\u{7}é").to_string();
        assert_eq!(text, "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{202e}\\u{7}é");
        assert_eq!(Time(0).to_string(), "never");
        assert_eq!(Time(1_800_000_000).to_string(), "2027-01-15 08:00:00 UTC");
    }
}
