//! Man pages and shell completions, made of the programs' own command lines: there is no second description of them.
//!
//! Not in the programs: whoever verifies with one carries no generator. Not here: where a package puts them (`packaging`).

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::Shell;

/// The short name under which the client is installed besides.
pub const SHORT: &str = "vitrine";

/// Folder of a shell's completions below the one that is written, and the shell.
const SHELLS: [(&str, Shell); 3] = [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)];

/// The programs.
#[must_use]
pub fn programs() -> [clap::Command; 3] {
    [vitrine_log_client::command(), vitrine_log_server::command(), vitrine_witness::command()]
}

/// Writes `man/*.1`, one page for each command, and `bash/`, `zsh/` and `fish/` below `to`; what is there is replaced.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write(to: &Path) -> io::Result<()> {
    for folder in ["man", "bash", "zsh", "fish"] {
        fs::create_dir_all(to.join(folder))?;
    }
    for program in programs() {
        let name = program.get_name().to_owned();
        clap_mangen::generate_to(program.clone(), to.join("man"))?;
        for called in [Some(name.as_str()), (name == "log-client").then_some(SHORT)].into_iter().flatten() {
            for (folder, shell) in SHELLS {
                clap_complete::generate_to(shell, &mut program.clone(), called, to.join(folder))?;
            }
            mend_for_bash(&to.join("bash"), called)?;
        }
    }
    fs::write(to.join("man").join(format!("{SHORT}.1")), ".so man1/log-client.1\n")
}

/// bash-completion looks for a file of the program's name. And what clap_complete 4.6 writes for a program with a hyphen in
/// its name looks for labels `log__client…` among `log__subcmd__client…`, so that nothing below a subcommand is completed.
fn mend_for_bash(folder: &Path, called: &str) -> io::Result<()> {
    let made = folder.join(format!("{called}.bash"));
    let text = fs::read_to_string(&made)?;
    let (looked_for, written) = (called.replace('-', "__"), called.replace('-', "__subcmd__"));
    fs::write(folder.join(called), text.replace(&format!("{written}__subcmd__"), &format!("{looked_for}__subcmd__")))?;
    fs::remove_file(made)
}
