//! A page as it is written: markup is of the program alone, every text from elsewhere is escaped [S-48] (85-log.md).
//!
//! `raw` takes texts of the program and nothing else, so a page that compiles escapes what events say. Links are relative: a log
//! may lie below any path of its host. Not here: what pages say.

use std::fmt::{Display, Write as _};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::http::BRIEF;

/// What a page may do: load our own style, script and icon, send a form to us, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Markup.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup of the program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Adds a text, escaped.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Html {
        // Writing to a `String` does not fail.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Adds a text that a script compares with bytes: of markup alone nothing is left.
    pub(super) fn verbatim(&mut self, text: &str) -> &mut Html {
        for c in text.chars() {
            markup(&mut self.0, c);
        }
        self
    }

    /// Adds an element with its attributes, and what is in it.
    pub(super) fn tag(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &dyn Display)],
        inside: impl FnOnce(&mut Html),
    ) -> &mut Html {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push(' ');
            self.0.push_str(attribute);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    /// Adds an element with a class and a text.
    pub(super) fn word(&mut self, name: &'static str, class: &'static str, text: impl Display) -> &mut Html {
        self.tag(name, &[("class", &class)], |html| {
            html.text(text);
        })
    }

    /// Adds a link inside the log.
    pub(super) fn link(&mut self, to: &Link, text: impl Display) -> &mut Html {
        self.tag("a", &[("href", &to.0)], |html| {
            html.text(text);
        })
    }

    /// Adds what was written elsewhere.
    pub(super) fn add(&mut self, other: &Html) -> &mut Html {
        self.0.push_str(&other.0);
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Escapes what is written to it. Controls and what turns the direction of a text are spelled out.
struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '\n' => self.0.push('\n'),
                c if c.is_control() || turns(c) => _ = write!(self.0, "{}", c.escape_unicode()),
                c => markup(self.0, c),
            }
        }
        Ok(())
    }
}

fn markup(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// Characters without a shape of their own that change what stands beside them.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Where a link leads: a path of this server, seen from the page that it stands on.
#[derive(Debug, Clone)]
pub(super) struct Link(String);

/// How deep below the log's first path a page is, from which its links are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// `/`
    Front,
    /// `/explore/products`
    One,
    /// `/explore/events/7`
    Two,
}

impl Depth {
    fn up(self) -> &'static str {
        match self {
            Depth::Front => "./",
            Depth::One => "../",
            Depth::Two => "../../",
        }
    }

    /// A fixed path, without its first slash.
    pub(super) fn to(self, path: &'static str) -> Link {
        Link(format!("{}{path}", self.up()))
    }

    /// A path that ends in a number, or goes on after it.
    pub(super) fn numbered(self, path: &'static str, number: u64, rest: &'static str) -> Link {
        Link(format!("{}{path}{number}{rest}", self.up()))
    }

    /// A path that ends in a text.
    pub(super) fn named(self, path: &'static str, name: &str) -> Link {
        Link(format!("{}{path}{}", self.up(), encoded(name)))
    }

    /// A path with a query.
    pub(super) fn query(self, path: &'static str, members: &[(&'static str, &str)]) -> Link {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Link(format!("{}{path}?{}", self.up(), members.join("&")))
    }
}

impl Link {
    /// The same with a query of one member.
    pub(super) fn with(self, name: &'static str, value: &str) -> Link {
        Link(format!("{}?{name}={}", self.0, encoded(value)))
    }

    /// For a `Location` header.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text in a path or query (RFC 3986, 2.1): all but unreserved characters as `%` and two digits.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a `String` does not fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// A whole page.
pub(super) struct Page<'a> {
    /// The log.
    pub(super) origin: &'a str,
    /// Nobody witnesses it.
    pub(super) unwitnessed: bool,
    /// Where it is.
    pub(super) depth: Depth,
    /// What stands in the window's title, before the log.
    pub(super) title: &'a str,
    /// Which part of the site it belongs to; a word of `PARTS`, or none.
    pub(super) part: &'static str,
    /// It brings the script that verifies its proof.
    pub(super) script: bool,
}

/// The parts of the site: name and path.
const PARTS: [(&str, &str); 5] = [
    ("Overview", ""),
    ("Products", "explore/products"),
    ("Issuers", "explore/issuers"),
    ("Witnesses", "explore/witnesses"),
    ("Entries", "explore/entries"),
];

impl Page<'_> {
    /// The answer, with `main` in it.
    pub(super) fn answer(&self, status: StatusCode, main: &Html) -> Response {
        let depth = self.depth;
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
        html.tag("title", &[], |html| {
            html.text(self.title).text(" · ").text(self.origin);
        });
        html.raw("\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"").text(depth.to("explore/icon.svg").0).raw("\">");
        html.raw("\n<link rel=\"stylesheet\" href=\"").text(depth.to("explore/style.css").0).raw("\">\n");
        if self.script {
            html.raw("<script src=\"").text(depth.to("explore/verify.js").0).raw("\" defer></script>\n");
        }
        html.raw("</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n");
        self.head(&mut html);
        html.raw("<main id=\"main\" tabindex=\"-1\">\n").add(main).raw("\n</main>\n");
        self.foot(&mut html);
        html.raw("</body>\n</html>\n");
        respond(status, "text/html; charset=utf-8", BRIEF, html.into_string())
    }

    fn head(&self, html: &mut Html) {
        let depth = self.depth;
        html.raw("<header class=\"top\"><div class=\"inside\">\n");
        html.tag("a", &[("class", &"brand"), ("href", &depth.to("").0)], |html| {
            html.raw(MARK).raw("<span>Vitrine</span> ").word("b", "origin", self.origin);
        });
        html.raw("\n<form class=\"find\" role=\"search\" action=\"").text(depth.to("explore/find").0);
        html.raw("\"><label for=\"q\">Find a product, digest, event or issuer</label>");
        html.raw(
            "<input id=\"q\" name=\"q\" type=\"search\" maxlength=\"512\" autocomplete=\"off\" spellcheck=\"false\" ",
        );
        html.raw("placeholder=\"purl, SHA-256, entry, issuer\"><button>Find</button></form>\n");
        html.raw("<nav aria-label=\"Parts of this log\"><ul>");
        for (name, path) in PARTS {
            html.raw("<li>");
            let here: &dyn Display = &"page";
            let attributes: [(&str, &dyn Display); 2] = [("href", &depth.to(path).0), ("aria-current", here)];
            let attributes = if name == self.part { &attributes[..] } else { &attributes[..1] };
            html.tag("a", attributes, |html| {
                html.text(name);
            });
            html.raw("</li>");
        }
        html.raw("</ul></nav>\n</div></header>\n");
        if self.unwitnessed {
            html.raw(
                "<p class=\"banner bad\"><b>Unwitnessed.</b> The policy of this server asks no witness: it could ",
            );
            html.raw("show everybody another history.</p>\n");
        }
    }

    fn foot(&self, html: &mut Html) {
        let depth = self.depth;
        html.raw("<footer class=\"foot\"><div class=\"inside\">\n<p>");
        html.raw("This page comes from the log itself and is a convenience. What it shows can be proven, what it leaves out ");
        html.raw("cannot. Trust comes from pinned keys and the charter’s fingerprint, checked offline by ");
        html.raw("<code>log-client verify-update</code>, never from this server.</p>\n<ul class=\"flat\">");
        for (name, path) in [
            ("checkpoint", "checkpoint"),
            ("policy", "policy"),
            ("charter", "charter"),
            ("all paths", "paths"),
            ("OpenAPI", "openapi.json"),
        ] {
            html.raw("<li>").link(&depth.to(path), name).raw("</li>");
        }
        html.raw("</ul>\n</div></footer>\n");
    }
}

/// Of a display case, the corner of its glass: what Vitrine is called after.
const MARK: &str = "<svg class=\"mark\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\">\
    <path d=\"M3 8 12 3l9 5v9l-9 5-9-5z\"/><path d=\"M3 8l9 5 9-5M12 13v9\"/></svg>";

/// An answer with the headers of all pages.
pub(super) fn respond(status: StatusCode, kind: &'static str, cache: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let cache = if status.is_server_error() { "no-store" } else { cache };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_only_a_text() {
        // [S-48]
        let mut html = Html::default();
        html.tag("p", &[("title", &"\" onclick=\"alert(1)")], |html| {
            html.text("<script>alert('1')</script>&\u{202e}\u{1b}");
        });
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot; onclick=&quot;alert(1)\">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\\u{202e}\\u{1b}</p>"
        );
    }

    #[test]
    fn a_link_stays_inside_the_log() {
        let depth = Depth::Two;
        assert_eq!(
            depth.named("explore/issuers/", "../../evil?x").as_str(),
            "../../explore/issuers/..%2F..%2Fevil%3Fx"
        );
        let query = depth.query("explore/product", &[("purl", "pkg:npm/@a/b&x=1"), ("before", "7")]);
        assert_eq!(query.as_str(), "../../explore/product?purl=pkg%3Anpm%2F%40a%2Fb%26x%3D1&before=7");
        assert_eq!(Depth::Front.to("checkpoint").as_str(), "./checkpoint");
    }
}
