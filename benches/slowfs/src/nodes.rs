//! Which path the kernel means by a number.
//!
//! A number is the inode below: hard links have one, and what is listed is what is statted. One
//! path is remembered for each, as a name in a directory, so that renaming a directory takes
//! everything in it along. The root is 1 for the kernel whatever it is below.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

pub const ROOT: u64 = 1;

struct Node {
    parent: u64,
    name: OsString,
    /// Tells a number that was used again from what it meant before.
    generation: u64,
}

pub struct Nodes {
    source: PathBuf,
    nodes: HashMap<u64, Node>,
    generations: u64,
}

impl Nodes {
    pub fn new(source: &Path) -> Nodes {
        Nodes { source: source.to_owned(), nodes: HashMap::new(), generations: 0 }
    }

    /// The path of a number that the kernel was told.
    pub fn path(&self, number: u64) -> io::Result<PathBuf> {
        let mut names = Vec::new();
        let mut at = number;
        while at != ROOT {
            let node = self.nodes.get(&at).ok_or(rustix::io::Errno::NOENT)?;
            names.push(&*node.name);
            at = node.parent;
        }
        let mut path = self.source.clone();
        path.extend(names.iter().rev());
        Ok(path)
    }

    /// That a name was found to have this number; its generation.
    pub fn found(&mut self, number: u64, parent: u64, name: &OsStr) -> u64 {
        let generations = &mut self.generations;
        let node = self.nodes.entry(number).or_insert_with(|| {
            *generations += 1;
            Node { parent, name: OsString::new(), generation: *generations }
        });
        node.parent = parent;
        if node.name != name {
            name.clone_into(&mut node.name);
        }
        node.generation
    }

    /// That the last link to an object is gone. What is open of it is read through its handle.
    pub fn gone(&mut self, number: u64) {
        self.nodes.remove(&number);
    }

    /// That another name has taken the place of one, if the number is still known by that.
    pub fn moved(&mut self, number: u64, parent: u64, name: &OsStr) {
        if let Some(node) = self.nodes.get_mut(&number) {
            (node.parent, node.name) = (parent, name.to_owned());
        }
    }

    /// That one of several links is gone: another one must be found by asking for it.
    pub fn unlinked(&mut self, number: u64, parent: u64, name: &OsStr) {
        if self.nodes.get(&number).is_some_and(|n| n.parent == parent && n.name == name) {
            self.nodes.remove(&number);
        }
    }
}
