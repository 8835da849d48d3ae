//! What the verifier of the drill pins: a policy with keys of both kinds, and trust files that ask for more or less.
//!
//! Not here: what comes of them.

use super::super::world::{Key, ORIGIN, PACKAGE, issuer};

/// The pins of a case, by their parts.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) charter: String,
    pub(super) origin: &'static str,
    /// Further lines at the top.
    pub(super) top: String,
    pub(super) issuers: Vec<Line>,
    /// packageId, channel, issuer.
    pub(super) stream: (&'static str, &'static str, &'static str),
    /// Further lines of the stream.
    pub(super) asks: String,
}

/// An `[[issuer]]` line.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) name: &'static str,
    /// The name that its key is made from.
    pub(super) key: &'static str,
    pub(super) epoch: u32,
    pub(super) types: &'static str,
    /// Further lines.
    pub(super) more: String,
}

fn line(name: &'static str, types: &'static str, more: &str) -> Line {
    Line { name, key: name, epoch: 1, types, more: more.to_owned() }
}

impl Trust {
    /// Asks for the builds alone.
    pub(super) fn plain() -> Trust {
        let issuers = vec![
            line("release", "\"update\"", ""),
            line("farm", "\"build\"", ""),
            line("rebuilder-one", "\"rebuild\"", "independence = \"third-party\"\n"),
            line("rebuilder-two", "\"rebuild\"", "independence = \"third-party\"\n"),
            line("centre", "\"code-review\"", ""),
            line("supervisor", "\"rebuild\", \"verdict\"", "independence = \"supervisor\"\n"),
        ];
        let stream = (PACKAGE, "stable", "release");
        Trust { charter: "0".repeat(64), origin: ORIGIN, top: String::new(), issuers, stream, asks: String::new() }
    }

    /// Asks for everything that the full release has.
    pub(super) fn full(charter: &str) -> Trust {
        let top = "charter_version = 2\nregion = \"EU\"\nmax_age_s = 86400\n".to_owned();
        let asks = "regional = true\nmin_release_seq = 7\nbuilders = [\"farm\"]\nrebuilds = 2\n\
                    rebuilders = [\"rebuilder-one\", \"rebuilder-two\", \"supervisor\"]\nrequire_review = true\n\
                    reviewers = [\"centre\"]\nrequire_verdict = true\nverdicts_by = [\"supervisor\"]\nwait_s = 604800\n";
        Trust { charter: charter.to_owned(), top, asks: asks.to_owned(), ..Trust::plain() }
    }

    /// The plain one, and something more of the stream.
    pub(super) fn asking(asks: &str) -> Trust {
        Trust { asks: asks.to_owned(), ..Trust::plain() }
    }

    /// The line of an issuer, to change it.
    pub(super) fn line(&mut self, name: &'static str) -> Option<&mut Line> {
        self.issuers.iter_mut().find(|line| line.name == name)
    }

    /// `trust.toml`.
    pub(super) fn text(&self) -> String {
        let mut text =
            format!("charter = \"{}\"\norigin = \"{}\"\nlog_keys = \"both\"\n{}", self.charter, self.origin, self.top);
        for Line { name, key, epoch, types, more } in &self.issuers {
            let vkey = issuer(key).vkey();
            text += &format!(
                "\n[[issuer]]\nname = \"{name}\"\nepoch = {epoch}\nvkey = \"{vkey}\"\ntypes = [{types}]\n{more}"
            );
        }
        let (package, channel, issuer) = self.stream;
        text += &format!("\n[[stream]]\npackageId = \"{package}\"\nchannel = \"{channel}\"\nissuer = \"{issuer}\"\n");
        text + &self.asks
    }

    /// `policy`: two of three witnesses, each with both of its keys.
    pub(super) fn policy(&self) -> String {
        let mut text = format!("log {}\nlog {}\n", Key::new(self.origin).vkey(), Key::mldsa(self.origin).vkey());
        for number in 1..=3 {
            let name = format!("witness{number}.example.net");
            text += &format!("witness w{number}-ed {}\n", Key::cosigner(&name).vkey());
            text += &format!("witness w{number}-pq {}\n", Key::mldsa(&name).vkey());
            text += &format!("group w{number} all w{number}-ed w{number}-pq\n");
        }
        text + "group quorum 2 w1 w2 w3\nquorum quorum\n"
    }
}
