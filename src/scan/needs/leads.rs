//! Where a text that names a checkpoint leads to if not to one beside it.
//!
//! The best one of a run that was started from another's lies there; so does the base of an adapter
//! that was saved on its own. What is led to is protected as by a symlink: from outside.

use super::adapter::CONFIGS;
use super::known::{By, Found, Known, is_below};
use crate::core::named::components;
use crate::layout::folder::Folder;
use crate::layout::pointer::{self, Lead};
use crate::layout::{Note, Notes};
use crate::scan::draft::Draft;
use crate::scan::link::{Place, attach, guard, is_like_a_checkpoint, parent_of};
use crate::store::Store;

/// The base of an adapter in a directory that is no part of a checkpoint.
pub fn read_adapter(folder: &Folder<'_>, notes: &mut Notes) -> Vec<Lead> {
    let mut leads = Vec::new();
    for config in CONFIGS.into_iter().filter(|c| folder.has_file(c.file.as_bytes())) {
        let path = folder.join(config.file.as_bytes());
        match config.base(&*folder.dir) {
            Ok(target) => {
                let name = config.file.to_owned();
                leads.extend(target.map(|target| Lead { name, path, target, is_here: true }));
            }
            Err(text) => notes.fault(path, text),
        }
    }
    leads
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
        let found = known.resolve(drafts, &lead.path, &lead.target, By::Base);
        led.found.extend(found.places.into_iter().map(|(_, p)| (p, lead.clone(), false)));
    }
    for (d, draft) in drafts.iter().enumerate() {
        for lead in &draft.leads {
            let (places, is_lost) = elsewhere(known, drafts, draft, lead);
            let inside = !places.is_empty() && known.map.walk(b"", &lead.path).is_ok();
            led.found.extend(places.into_iter().map(|p| (p, lead.clone(), inside)));
            if is_lost {
                led.lost.push((d, lead.clone()));
            }
        }
    }
    led
}

/// What a lead of `draft` protects, and whether it leads nowhere for all that.
///
/// Others that are called so have nothing to do with it as a rule: an ending protects what it fits,
/// and only if everything but where the root lay agrees did the path arrive.
fn elsewhere(
    known: &Known<'_>,
    drafts: &[Draft],
    draft: &Draft,
    lead: &Lead,
) -> (Vec<Place>, bool) {
    // A name alone is one beside the text, or nobody's.
    if components(&lead.target).nth(1).is_none() {
        return (Vec::new(), !lead.is_here);
    }
    let Found { mut places, fits, is_gone } =
        known.resolve(drafts, &lead.path, &lead.target, By::Pointer);
    let is_own = places.iter().any(|(_, p)| drafts[p.0].folder == draft.folder);
    // The path fits it better than any other, or as well.
    if lead.is_here && is_own {
        return (Vec::new(), false);
    }
    let Some(fits) = fits else {
        return (places.into_iter().map(|(_, p)| p).collect(), false);
    };
    let moved_along = |(path, _): &(&[u8], Place)| {
        let above = (0..fits).fold(*path, |path, _| parent_of(path));
        above.is_empty() || is_below(&lead.path, above)
    };
    if lead.is_here && places.len() > 1 {
        places.retain(moved_along);
    }
    let has_arrived = !is_gone && own_fit(draft, lead) < fits && places.iter().any(moved_along);
    (places.into_iter().map(|(_, p)| p).collect(), !lead.is_here && !has_arrived)
}

/// How many last components of the path would fit if what it names were a checkpoint of `draft`.
fn own_fit(draft: &Draft, lead: &Lead) -> usize {
    let target: Vec<&[u8]> = components(&lead.target).collect();
    let is_name = |at: &usize| *at == 0 || is_like_a_checkpoint(draft, target[*at]);
    let fits = |at: usize| {
        let above = components(&draft.folder).zip(&target[at + 1..]);
        1 + above.take_while(|(a, b)| a == *b).count()
    };
    (0..target.len()).filter(is_name).map(fits).max().unwrap_or_default()
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
