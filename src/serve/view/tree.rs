//! Who has the bytes, as a tree of three levels, cut to what a picture can show.

use super::index::Row;
use crate::core::model::Inventory;
use std::collections::HashMap;

/// So many branches of each; the rest is one.
const OWNERS: usize = 10;
const DATASETS: usize = 8;
const SESSIONS: usize = 10;

/// An owner, a dataset (the folder that sessions lie in), or a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Empty: what is left over.
    pub name: String,
    pub bytes: u64,
    /// What the policy would free of them.
    pub freed: u64,
    /// The biggest first.
    pub children: Vec<Node>,
}

/// The owners and what they have; whose is `None` of `mine` is left out.
pub fn tree(inventory: &Inventory, rows: &[Row], mine: impl Fn(&str) -> bool) -> Vec<Node> {
    let mut owners: HashMap<&str, HashMap<&str, Vec<Node>>> = HashMap::new();
    for (session, row) in inventory.sessions.iter().zip(rows) {
        if row.bytes == 0 || !mine(&session.owner) {
            continue;
        }
        let dataset = session.name.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let node = Node {
            name: session.name.to_string(),
            bytes: row.bytes,
            freed: row.delete_bytes.min(row.bytes),
            children: Vec::new(),
        };
        owners.entry(&session.owner).or_default().entry(dataset).or_default().push(node);
    }
    let branch = |(name, children): (&str, Vec<Node>)| Node {
        name: name.to_owned(),
        bytes: children.iter().map(|c| c.bytes).sum(),
        freed: children.iter().map(|c| c.freed).sum(),
        children,
    };
    let owners = owners.into_iter().map(|(owner, datasets)| {
        let datasets = datasets.into_iter().map(|(name, list)| branch((name, cut(list, SESSIONS))));
        branch((owner, cut(datasets.collect(), DATASETS)))
    });
    cut(owners.collect(), OWNERS)
}

/// The biggest, and the others as one without a name.
fn cut(mut nodes: Vec<Node>, most: usize) -> Vec<Node> {
    nodes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    if nodes.len() > most {
        let rest = nodes.split_off(most - 1);
        let bytes = rest.iter().map(|n| n.bytes).sum();
        let freed = rest.iter().map(|n| n.freed).sum();
        nodes.push(Node { name: String::new(), bytes, freed, children: Vec::new() });
        nodes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Session;

    #[test]
    fn every_byte_is_somewhere() {
        let sessions = (0..500_u32).map(|i| Session {
            name: format!("t{}/d{}/{i}", i % 17, i % 13).into(),
            owner: format!("t{}", i % 17).into(),
            ..Session::default()
        });
        let inventory = Inventory { sessions: sessions.collect(), ..Inventory::default() };
        let rows: Vec<Row> = (0..500).map(|i| Row { bytes: i + 1, ..Row::default() }).collect();
        let all = tree(&inventory, &rows, |_| true);
        assert_eq!(all.len(), OWNERS);
        let sum = |nodes: &[Node]| nodes.iter().map(|n| n.bytes).sum::<u64>();
        assert_eq!(sum(&all), 500 * 501 / 2);
        for owner in all.iter().filter(|o| !o.name.is_empty()) {
            assert_eq!(sum(&owner.children), owner.bytes);
            for dataset in owner.children.iter().filter(|d| !d.name.is_empty()) {
                assert_eq!(sum(&dataset.children), dataset.bytes);
            }
        }
        let one = tree(&inventory, &rows, |o| o == "t3");
        assert!(one.len() == 1 && one[0].name == "t3");
    }
}
