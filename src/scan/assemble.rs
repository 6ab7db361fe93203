//! Names the sessions, resolves what leads from one to another, and puts all in order.

use super::draft::Draft;
use super::walk::Tree;
use super::{Fault, Owner, Scan, ScanOptions, Unrecognised, index, link, needs};
use crate::core::model::{Inventory, Names, Pointer, Renumbered, Session, Status};
use crate::core::name::natural_cmp;
use crate::layout::folder::show;
use crate::layout::{Layout, Note, Parent};
use crate::store::Store;
use rayon::prelude::*;
use std::collections::HashSet;

pub fn assemble(store: &dyn Store, options: &ScanOptions, tree: Tree) -> Scan {
    let Tree {
        mut drafts,
        faults,
        links,
        leads,
        other_mounts,
        mut never,
        homes,
        unclaimed,
        examples,
        pile,
        kept,
        ..
    } = tree;
    never.sort_by(|a, b| a.path.cmp(&b.path));
    drafts.sort_by(|a, b| (&a.folder, a.layout, &a.prefix).cmp(&(&b.folder, b.layout, &b.prefix)));
    name(&mut drafts, &options.layouts, options.owner);
    link::follow(store, &mut drafts, &links);
    needs::follow(store, &mut drafts, &links, &leads);
    follow_parents(&mut drafts);
    drafts.sort_by(|a, b| natural_cmp(&a.session.name, &b.session.name));

    let mut all_faults: Vec<Fault> = faults.iter().map(|n| fault(None, n)).collect();
    let mut names = Names::default();
    for draft in &mut drafts {
        let session = &mut draft.session;
        for note in &draft.faults {
            session.tainted.push(format!("{}: {}", show(&note.path), note.text).into());
            all_faults.push(fault(Some(&session.name), note));
        }
        let mut ids = Renumbered::new(&draft.names, &mut names);
        for checkpoint in &mut session.checkpoints {
            checkpoint.renumber(&mut ids);
        }
    }
    let sessions = drafts.into_par_iter().map(|draft| in_order(draft.session)).collect();
    let space = match store.space() {
        Ok(space) => Some(space),
        Err(e) => {
            let text = format!("its free space cannot be read: {e}").into();
            all_faults.push(Fault { session: None, path: ".".into(), text });
            None
        }
    };
    let inventory =
        Inventory { root: options.root_id.clone(), now: options.now, space, names, sessions };
    let text = |p: &Vec<u8>| show(p).into();
    Scan {
        inventory,
        unrecognised: Unrecognised {
            files: unclaimed,
            examples: examples.iter().map(text).collect(),
            weight: options.weigh.then(|| pile.weight()),
        },
        faults: all_faults,
        other_mounts: other_mounts.iter().map(text).collect(),
        never: never.into_iter().map(|n| (show(&n.path).into(), n.what.into())).collect(),
        homes,
        memory: index::Memory::new(kept),
    }
}

/// Checkpoints and pointers in the order in which they are told.
fn in_order(mut session: Session) -> Session {
    for extra in session.checkpoints.iter_mut().filter_map(|c| c.extra.as_mut()) {
        extra.pointers.sort_by(|a, b| (a.external, &a.name).cmp(&(b.external, &b.name)));
    }
    session.checkpoints.sort_by(|a, b| natural_cmp(&a.id, &b.id));
    session
}

fn fault(session: Option<&str>, note: &Note) -> Fault {
    Fault {
        session: session.map(Into::into),
        path: show(&note.path).into(),
        text: note.text.as_str().into(),
    }
}

/// Session names are unique: the shortest one that is still free.
fn name(drafts: &mut [Draft], layouts: &[Box<dyn Layout>], owner: Owner) {
    let mut taken: HashSet<Box<str>> = HashSet::new();
    // A directory that is called by its own path has the first right to it.
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|&i| drafts[i].own_components);
    for i in order {
        let draft = &mut drafts[i];
        let series = |path: &[u8]| match &draft.prefix[..] {
            "" => show(path).into_owned(),
            prefix => format!("{}#{prefix}", show(path)),
        };
        let full = series(&draft.folder);
        let layout = layouts[draft.layout].name();
        let candidates = [series(draft.home()), full.clone(), format!("{full}#{layout}")];
        let numbered = (2..).map(|n: u64| format!("{full}#{layout}-{n}"));
        let free = candidates.into_iter().chain(numbered).find(|n| !taken.contains(&**n));
        let name: Box<str> = free.unwrap_or(full).into();
        taken.insert(name.clone());
        // Where several lie in one directory, all of them are charged to whom it is.
        let folder = [draft.home(), &draft.folder].into_iter().map(show);
        let folder = folder.into_iter().find(|f| is_of(&name, f));
        draft.session.owner = owner.of(folder.as_deref().unwrap_or(&name), draft.uid).into();
        draft.session.name = name;
    }
}

/// Whether a session has this folder's name, but for what tells it from others there.
fn is_of(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// A running session protects the checkpoint it was started from.
fn follow_parents(drafts: &mut [Draft]) {
    for i in 0..drafts.len() {
        let draft = &drafts[i];
        let Some(parent) = draft.parent.clone().filter(|_| draft.session.status == Status::Running)
        else {
            continue;
        };
        let running = draft.session.name.clone();
        let name = format!("running {running}").into();
        let pointer = Pointer { name, external: true };
        let target = find_session(drafts, &running, &parent.session).and_then(|session| {
            session.checkpoints.iter_mut().find(|c| *c.id == parent.checkpoint)
        });
        if let Some(checkpoint) = target {
            checkpoint.extra_mut().pointers.push(pointer);
        } else {
            let Parent { session, checkpoint } = parent;
            let text = format!("started from {checkpoint} of {session}, which is not here");
            let path = drafts[i].folder.clone();
            drafts[i].faults.push(Note { path, text });
        }
    }
}

/// A session by its platform's name, which the root may put directories in front of.
fn find_session<'d>(drafts: &'d mut [Draft], beside: &str, name: &str) -> Option<&'d mut Session> {
    let depth = name.matches('/').count() + 1;
    let cut = beside.rmatch_indices('/').nth(depth - 1).map_or(0, |(i, _)| i + 1);
    let sibling = format!("{}{name}", &beside[..cut]);
    let position = |n: &str| drafts.iter().position(|d| *d.session.name == *n);
    let index = position(name).or_else(|| position(&sibling))?;
    Some(&mut drafts[index].session)
}
