//! What stays only for others of its session that go in the same run.
//!
//! A base is kept as long as something needs it. Once all of that is to go, the next run may take
//! the base as well: a limit that evicted others to make up for it would lose them in vain.

use super::Standing;
use crate::core::decide::SessionView;
use std::collections::HashMap;

/// The bases of one session that nothing but need holds.
pub struct Held {
    /// By who needs them.
    bases: HashMap<u32, Vec<u32>>,
    /// How many needs of each are left. Where two need each other, they never end.
    needs: HashMap<u32, usize>,
}

impl Held {
    /// What is needed only by what goes already is [`Standing::Leaving`] after it.
    pub fn new(view: &SessionView<'_>, standings: &mut [Standing]) -> Held {
        let mut held = Held { bases: HashMap::new(), needs: HashMap::new() };
        for (i, _) in (0..).zip(&*standings).filter(|(_, s)| **s == Standing::Needed) {
            let by = view.needed_by(i);
            held.needs.insert(i, by.len());
            for &(_, dependant) in by {
                held.bases.entry(dependant).or_default().push(i);
            }
        }
        if !held.needs.is_empty() {
            for (i, _) in (0..).zip(&standings.to_vec()).filter(|(_, s)| **s == Standing::Gone) {
                held.let_go(i, standings);
            }
        }
        held
    }

    /// Says that one goes; returns what nobody needs any more, which is [`Standing::Leaving`].
    pub fn let_go(&mut self, gone: u32, standings: &mut [Standing]) -> Vec<u32> {
        let (mut leaving, mut without) = (Vec::new(), vec![gone]);
        while let Some(dependant) = without.pop() {
            for base in self.bases.remove(&dependant).unwrap_or_default() {
                let left = self.needs.entry(base).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    standings[base as usize] = Standing::Leaving;
                    leaving.push(base);
                    without.push(base);
                }
            }
        }
        leaving
    }
}
