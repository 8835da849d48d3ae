//! What the demo prints: steps, findings, a summary that a person reads in half a minute.

use std::time::Instant;

/// Prints, and remembers what the summary says.
pub struct Show {
    started: Instant,
    loud: bool,
    summary: Vec<String>,
}

impl Show {
    /// `loud` prints; a test is silent.
    #[must_use]
    pub fn new(loud: bool) -> Show {
        Show { started: Instant::now(), loud, summary: Vec::new() }
    }

    /// Another that goes on in time, with a summary of its own.
    #[must_use]
    pub fn part(&self) -> Show {
        Show { started: self.started, loud: self.loud, summary: Vec::new() }
    }

    /// Takes the summary of a part after its own.
    pub fn add(&mut self, part: Show) {
        self.summary.extend(part.summary);
    }

    /// A new step.
    pub fn step(&self, what: &str) {
        if self.loud {
            println!("\n[{:4.0} s] {what}", self.started.elapsed().as_secs_f32());
        }
    }

    /// Something that happened as it should.
    pub fn good(&self, what: &str) {
        if self.loud {
            println!("         {what}");
        }
    }

    /// Something that was refused as it should, with the exit code and the words it was refused with.
    pub fn refused(&self, what: &str, exit: i32, said: &str) {
        if self.loud {
            println!("         {what}\n           exit {exit}: {said}");
        }
    }

    /// A line of the summary.
    pub fn sum(&mut self, line: String) {
        self.summary.push(line);
    }

    /// Prints the summary.
    pub fn end(&self) {
        if self.loud {
            println!("\nSummary after {:.0} s", self.started.elapsed().as_secs_f32());
            for line in &self.summary {
                println!("  {line}");
            }
        }
    }
}
