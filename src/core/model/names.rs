//! The names of metrics, and numbers to call them by.

use std::collections::HashMap;
use std::sync::Arc;

/// Index of a metric's name in [`Names`].
pub type MetricId = u32;

/// Metric names, each stored once; a [`MetricId`] is an index into it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<Arc<str>>,
    /// Of those after the first [`FEW_NAMES`].
    index: HashMap<Arc<str>, MetricId>,
}

/// So many names are found faster one by one.
const FEW_NAMES: usize = 8;

impl Names {
    pub fn intern(&mut self, name: &str) -> MetricId {
        if let Some(id) = self.get(name) {
            return id;
        }
        let id = MetricId::try_from(self.list.len()).expect("fewer than 2^32 metric names");
        let name: Arc<str> = Arc::from(name);
        self.list.push(Arc::clone(&name));
        if self.list.len() > FEW_NAMES {
            self.index.insert(name, id);
        }
        id
    }

    pub fn get(&self, name: &str) -> Option<MetricId> {
        let first = (0..).zip(self.list.iter().take(FEW_NAMES));
        let few = first.into_iter().find(|(_, n)| ***n == *name).map(|(id, _)| id);
        few.or_else(|| self.index.get(name).copied())
    }

    /// The name of an id this table gave out.
    pub fn name(&self, id: MetricId) -> &str {
        &self.list[id as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (MetricId, &str)> {
        (0..).zip(self.list.iter().map(AsRef::as_ref))
    }
}

/// The ids that names of one table have in another, each looked up once.
pub struct Renumbered<'n> {
    from: &'n Names,
    to: &'n mut Names,
    known: Vec<Option<MetricId>>,
}

impl<'n> Renumbered<'n> {
    pub fn new(from: &'n Names, to: &'n mut Names) -> Renumbered<'n> {
        Renumbered { from, to, known: vec![None; from.list.len()] }
    }

    /// The id in the second table of one that the first gave out.
    pub fn of(&mut self, id: MetricId) -> MetricId {
        let known = &mut self.known[id as usize];
        *known.get_or_insert_with(|| self.to.intern(self.from.name(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_few_and_many() {
        let (mut names, mut other) = (Names::default(), Names::default());
        for n in 0..3 * FEW_NAMES {
            let name = format!("metric {n}");
            assert_eq!(names.get(&name), None);
            let id = names.intern(&name);
            assert_eq!((id as usize, names.intern(&name), names.get(&name)), (n, id, Some(id)));
            assert_eq!(names.name(id), name);
        }
        let last = names.intern("metric 20");
        let mut ids = Renumbered::new(&names, &mut other);
        assert_eq!([ids.of(last), ids.of(0), ids.of(last)], [0, 1, 0]);
        assert_eq!(other.iter().collect::<Vec<_>>(), [(0, "metric 20"), (1, "metric 0")]);
    }
}
