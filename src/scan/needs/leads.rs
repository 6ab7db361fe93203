//! Where a text that names a checkpoint leads to if not to one beside it.
//!
//! The best one of a run that was started from another's lies there; so does the base of an adapter
//! that was saved on its own. What is led to is protected as by a symlink: from outside.

use super::adapter::CONFIGS;
use super::{Found, Known, MAX_COMPONENTS, resolve};
use crate::layout::folder::Folder;
use crate::layout::pointer::{self, Lead};
use crate::layout::{Note, Notes};
use crate::scan::draft::Draft;
use crate::scan::link::{Place, attach, guard, parent_of};
use crate::store::Store;

/// The base of an adapter in a directory that is no part of a checkpoint.
pub fn read_adapter(folder: &Folder<'_>, notes: &mut Notes) -> Option<Lead> {
    let config = CONFIGS.into_iter().find(|c| folder.has_file(c.file.as_bytes()))?;
    let path = folder.join(config.file.as_bytes());
    match config.base(&*folder.dir) {
        Ok(target) => {
            let name = config.file.to_owned();
            target.map(|target| Lead { name, path, target, is_here: true })
        }
        Err(text) => {
            notes.fault(path, text);
            None
        }
    }
}

/// What all leads come to.
#[derive(Default)]
pub struct Led {
    /// With whether the text lies in a checkpoint, which is never rewritten.
    found: Vec<(Place, Lead, bool)>,
    lost: Vec<(usize, Lead)>,
}

pub fn find(known: &Known<'_>, drafts: &[Draft], adapters: &[Lead]) -> Led {
    let mut led = Led::default();
    for lead in adapters {
        let found = resolve(known, drafts, (&lead.path, &lead.target, true), MAX_COMPONENTS);
        if let Found::Here(places) = found {
            led.found.extend(places.into_iter().map(|p| (p, lead.clone(), false)));
        }
    }
    for (d, draft) in drafts.iter().enumerate() {
        let is_own = |p: &Place| drafts[p.0].folder == draft.folder;
        for lead in &draft.leads {
            match elsewhere(known, drafts, lead) {
                // The path fits it better than any other, or as well.
                Found::Here(places) if lead.is_here && places.iter().any(is_own) => {}
                Found::Here(places) => {
                    let inside = known.map.walk(b"", &lead.path).is_ok();
                    led.found.extend(places.into_iter().map(|p| (p, lead.clone(), inside)));
                }
                _ if lead.is_here => {}
                _ => led.lost.push((d, lead.clone())),
            }
        }
    }
    led
}

fn elsewhere(known: &Known<'_>, drafts: &[Draft], lead: &Lead) -> Found {
    // A name alone is one beside the text, or nobody's.
    if pointer::components(&lead.target).nth(1).is_none() {
        return Found::Elsewhere;
    }
    resolve(known, drafts, (&lead.path, &lead.target, true), pointer::REACH)
}

/// Protects what was found, and keeps the sessions of what was not.
pub fn settle(store: &dyn Store, drafts: &mut [Draft], led: Led) {
    let root = store.root();
    for ((d, c), lead, inside) in led.found {
        attach(&mut drafts[d], c, &lead.path);
        // Those beside the checkpoints are guards already.
        if !inside && parent_of(&lead.path) != drafts[d].folder {
            guard(&root, &mut drafts[d], &lead.path);
        }
    }
    for (d, lead) in led.lost {
        let text = pointer::lost(&lead.name, &lead.target);
        drafts[d].faults.push(Note { path: lead.path, text });
    }
}
