//! The metrics of one checkpoint.

use super::MetricId;

/// Values by metric. NaN stands for a value that is present and not a finite number.
///
/// Most checkpoints of large storages have one; that one lies in the checkpoint itself.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Held);

#[derive(Clone, Debug, Default)]
enum Held {
    #[default]
    None,
    One(MetricId, f64),
    /// Sorted by id. Boxed twice: a pointer alone keeps all three variants at 16 bytes.
    #[expect(clippy::box_collection, reason = "a slice's pointer takes 16 bytes")]
    Many(Box<Vec<(MetricId, f64)>>),
}

impl Metrics {
    pub fn get(&self, id: MetricId) -> Option<f64> {
        match &self.0 {
            Held::None => None,
            Held::One(one, value) => (*one == id).then_some(*value),
            Held::Many(many) => many.binary_search_by_key(&id, |m| m.0).ok().map(|i| many[i].1),
        }
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (MetricId, f64)> {
        let (one, many): (_, &[(MetricId, f64)]) = match &self.0 {
            Held::None => (None, &[]),
            Held::One(id, value) => (Some((*id, *value)), &[]),
            Held::Many(many) => (None, many),
        };
        one.into_iter().chain(many.iter().copied())
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Held::None => 0,
            Held::One(..) => 1,
            Held::Many(many) => many.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// In any order; each id once.
impl From<Vec<(MetricId, f64)>> for Metrics {
    fn from(mut list: Vec<(MetricId, f64)>) -> Metrics {
        Metrics(match list[..] {
            [] => Held::None,
            [(id, value)] => Held::One(id, value),
            _ => {
                list.sort_by_key(|m| m.0);
                list.shrink_to_fit();
                Held::Many(Box::new(list))
            }
        })
    }
}

impl<const N: usize> From<[(MetricId, f64); N]> for Metrics {
    fn from(list: [(MetricId, f64); N]) -> Metrics {
        list.into_iter().collect()
    }
}

impl FromIterator<(MetricId, f64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (MetricId, f64)>>(list: I) -> Metrics {
        let mut list = list.into_iter();
        let Some(first) = list.next() else { return Metrics::default() };
        let Some(second) = list.next() else { return Metrics(Held::One(first.0, first.1)) };
        [first, second].into_iter().chain(list).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_one_and_many() {
        let lists: [&[(MetricId, f64)]; 3] = [&[], &[(7, 0.5)], &[(1, 1.0), (3, 3.0), (9, 9.0)]];
        for sorted in lists {
            let backwards: Vec<_> = sorted.iter().rev().copied().collect();
            for metrics in [Metrics::from(backwards.clone()), backwards.into_iter().collect()] {
                assert_eq!(metrics.iter().collect::<Vec<_>>(), sorted);
                assert_eq!((metrics.len(), metrics.is_empty()), (sorted.len(), sorted.is_empty()));
                assert!(sorted.iter().all(|m| metrics.get(m.0) == Some(m.1)));
                assert_eq!(metrics.get(4), None);
            }
        }
    }
}
