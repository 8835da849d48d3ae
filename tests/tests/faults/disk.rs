//! A simulated disk: what a sync covers survives, everything else may not (spec/docs/85-log.md, "Objects").
//!
//! It keeps two states, the one a running machine sees and the one a loss of power leaves, and fails or stops at one
//! chosen step. It models no more than that: no reordering inside one call, no silent corruption.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use vitrine_log_server::store::Disk;

/// What a step does to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) path: String,
}

/// What happens at the chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It reports failure and did nothing.
    Lost,
    /// It reports failure and did its work all the same.
    Kept,
    /// It works; then the machine loses power.
    Power(Loss),
}

/// What a loss of power takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Every name and every byte that no sync covers.
    All,
    /// Every byte that no sync covers; names stay, empty or with older bytes.
    Bytes,
    /// Whatever these dice say, name by name and file by file, torn files included.
    Some(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder(usize),
}

#[derive(Debug, Clone, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Folder {
    seen: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
}

#[derive(Debug, Clone)]
struct State {
    files: Vec<File>,
    /// Number 0 is the root.
    folders: Vec<Folder>,
    steps: Vec<Step>,
    fault: Option<(At, Fate)>,
    fired: bool,
    powered: bool,
}

/// Which step is the chosen one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Number(usize),
    /// The first with this name and path.
    Named(&'static str, &'static str),
}

/// Clones share the disk.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk.
    pub(crate) fn new() -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            files: Vec::new(),
            folders: vec![Folder::default()],
            steps: Vec::new(),
            fault: None,
            fired: false,
            powered: true,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Another disk with the same content, counting steps from 0.
    pub(crate) fn copy(&self) -> SimDisk {
        let mut state = self.state().clone();
        state.steps.clear();
        state.fault = None;
        state.fired = false;
        SimDisk(Arc::new(Mutex::new(state)))
    }

    /// Counts steps from 0 and lets this one fail.
    pub(crate) fn fail_at(&self, step: usize, fate: Fate) {
        self.choose(At::Number(step), fate);
    }

    /// Lets the next step of this name and path fail.
    pub(crate) fn fail_when(&self, name: &'static str, path: &'static str, fate: Fate) {
        self.choose(At::Named(name, path), fate);
    }

    fn choose(&self, at: At, fate: Fate) {
        let mut state = self.state();
        state.steps.clear();
        state.fired = false;
        state.fault = Some((at, fate));
    }

    /// Steps since the count began.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// True when the chosen step came.
    pub(crate) fn fired(&self) -> bool {
        self.state().fired
    }

    /// Starts the machine again after a loss of power, without a fault.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.powered = true;
        state.fault = None;
    }

    /// Loses power now and starts the machine again.
    pub(crate) fn lose_power(&self, loss: Loss) {
        self.state().lose_power(loss);
        self.restart();
    }

    /// Overwrites a file behind everybody's back; it must exist.
    pub(crate) fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let Ok(Node::File(file)) = state.find(path) else { panic!("no file {path}") };
        change(&mut state.files[file].seen);
        state.files[file].durable = state.files[file].seen.clone();
    }

    /// Every file that the running machine sees.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let mut files = BTreeMap::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((prefix, folder)) = folders.pop() {
            for (name, node) in &state.folders[folder].seen {
                match *node {
                    Node::File(file) => {
                        files.insert(format!("{prefix}{name}"), state.files[file].seen.clone());
                    }
                    Node::Folder(folder) => folders.push((format!("{prefix}{name}/"), folder)),
                }
            }
        }
        files
    }

    /// One step: `work` changes the state, unless the fault says otherwise.
    fn step<T>(&self, name: &'static str, path: &str, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        state.check_power()?;
        let number = state.steps.len();
        state.steps.push(Step { name, path: path.to_owned() });
        let fate = match state.fault {
            Some((At::Number(chosen), fate)) if chosen == number => Some(fate),
            Some((At::Named(of, at), fate)) if (of, at) == (name, path) && !state.fired => Some(fate),
            Some(_) | None => None,
        };
        state.fired |= fate.is_some();
        match fate {
            None => work(&mut state),
            Some(Fate::Lost) => Err(io::Error::other("simulated: failed and lost")),
            Some(Fate::Kept) => {
                // What the step itself would have refused is refused for its own reason.
                work(&mut state)?;
                Err(io::Error::other("simulated: failed but kept"))
            }
            Some(Fate::Power(loss)) => {
                let done = work(&mut state);
                state.lose_power(loss);
                done
            }
        }
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(io::Error::other("simulated: no power")) }
    }

    fn lose_power(&mut self, loss: Loss) {
        let mut dice = Dice(match loss {
            Loss::Some(seed) => seed.wrapping_mul(2).wrapping_add(1),
            Loss::All | Loss::Bytes => 1,
        });
        for folder in &mut self.folders {
            match loss {
                Loss::All => folder.seen = folder.durable.clone(),
                Loss::Bytes => {}
                Loss::Some(_) => {
                    let names: Vec<String> = folder.seen.keys().chain(folder.durable.keys()).cloned().collect();
                    for name in names {
                        if folder.seen.get(&name) != folder.durable.get(&name) && dice.roll(2) == 0 {
                            match folder.durable.get(&name) {
                                Some(node) => folder.seen.insert(name, *node),
                                None => folder.seen.remove(&name),
                            };
                        }
                    }
                }
            }
            folder.durable = folder.seen.clone();
        }
        for file in &mut self.files {
            match loss {
                Loss::All | Loss::Bytes => file.seen = file.durable.clone(),
                Loss::Some(_) if file.seen != file.durable => match dice.roll(3) {
                    0 => file.seen = file.durable.clone(),
                    1 => {
                        let torn = dice.roll(file.seen.len() as u64 + 1) as usize;
                        file.seen.truncate(torn);
                    }
                    _ => {}
                },
                Loss::Some(_) => {}
            }
            file.durable = file.seen.clone();
        }
        self.powered = false;
    }

    fn folder(&self, path: &str) -> io::Result<usize> {
        let mut folder = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.folders[folder].seen.get(name) {
                Some(Node::Folder(next)) => folder = *next,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(folder)
    }

    fn find(&self, path: &str) -> io::Result<Node> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        self.folders[folder].seen.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove(&mut self, path: &str) -> io::Result<Node> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        self.folders[folder].seen.remove(name).ok_or(io::ErrorKind::NotFound.into())
    }

    fn insert(&mut self, path: &str, node: Node) -> io::Result<()> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        self.folders[folder].seen.insert(name.to_owned(), node);
        Ok(())
    }
}

/// A small generator of pseudo-random numbers (SplitMix64), so that a failing case can be repeated.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

impl Disk for SimDisk {
    type File = (usize, String);

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let state = self.state();
        state.check_power()?;
        match state.find(path)? {
            Node::File(file) => Ok(state.files[file].seen.clone()),
            Node::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check_power()?;
        let folder = state.folder(folder)?;
        let name = |(name, node): (&String, &Node)| match node {
            Node::File(_) => name.clone(),
            Node::Folder(_) => format!("{name}/"),
        };
        Ok(state.folders[folder].seen.iter().map(name).collect())
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        self.step("make folder", folder, |state| {
            if state.find(folder).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.folders.push(Folder::default());
            let number = state.folders.len() - 1;
            state.insert(folder, Node::Folder(number))
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<(usize, String)> {
        self.step("write", path, |state| {
            let file = match state.find(path) {
                Ok(Node::File(file)) => file,
                Ok(Node::Folder(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                Err(_) => {
                    state.files.push(File::default());
                    let number = state.files.len() - 1;
                    state.insert(path, Node::File(number))?;
                    number
                }
            };
            state.files[file].seen = bytes.to_vec();
            Ok((file, path.to_owned()))
        })
    }

    fn append(&self, (file, path): &mut (usize, String), bytes: &[u8]) -> io::Result<()> {
        self.step("append", path, |state| {
            state.files[*file].seen.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn read_part(&self, path: &str, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = Disk::read(self, path)?;
        let rest = bytes.get(usize::try_from(from).unwrap()..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest).to_vec())
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        Ok(Disk::read(self, path)?.len() as u64)
    }

    fn sync_file(&self, (file, path): &(usize, String)) -> io::Result<()> {
        self.step("sync file", path, |state| {
            state.files[*file].durable = state.files[*file].seen.clone();
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step("rename", to, |state| {
            let node = state.find(from)?;
            state.insert(to, node)?;
            state.remove(from).map(|_| ())
        })
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.step("sync folder", folder, |state| {
            let folder = state.folder(folder)?;
            state.folders[folder].durable = state.folders[folder].seen.clone();
            Ok(())
        })
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.step("delete", path, |state| match state.find(path)? {
            Node::File(_) => state.remove(path).map(|_| ()),
            Node::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        })
    }

    fn delete_folder(&self, folder: &str) -> io::Result<()> {
        self.step("delete folder", folder, |state| {
            let number = state.folder(folder)?;
            if state.folders[number].seen.is_empty() {
                state.remove(folder).map(|_| ())
            } else {
                Err(io::ErrorKind::DirectoryNotEmpty.into())
            }
        })
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        self.state().check_power().map(|()| None)
    }

    fn place(&self) -> String {
        "simulated".to_owned()
    }
}
