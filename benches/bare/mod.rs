//! The floor: the same ranking over bare columns, without names, reasons, protections or quotas
//! that look at sessions. Last 5 and best 3 of each session stay; of the rest the oldest go until
//! the total is within a budget. Fixed arrays, no sort but that of one bucket.

use retain::core::model::Inventory;

const LAST: usize = 5;
const BEST: usize = 3;
const BUCKETS: usize = 1 << 16;

/// One record in each place.
#[derive(Default)]
pub struct Columns {
    pub session: Vec<u32>,
    pub step: Vec<u32>,
    pub loss: Vec<f32>,
    pub bytes: Vec<u64>,
    /// Seconds since the epoch.
    pub created: Vec<i64>,
    pub sessions: usize,
}

impl Columns {
    /// In the order of the inventory; `shuffled`: in no order, as a table without an index.
    pub fn new(inventory: &Inventory, shuffled: bool) -> Columns {
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for (s, session) in (0..).zip(&inventory.sessions) {
            rows.extend((0..).zip(&session.checkpoints).map(|(c, _): (u32, _)| (s, c)));
        }
        if shuffled {
            // A fixed permutation: multiplication by an odd number, modulo a power of two.
            let mut order: Vec<(u32, (u32, u32))> =
                (0_u32..).zip(rows).map(|(i, row)| (i.wrapping_mul(0x9e37_79b1), row)).collect();
            order.sort_unstable_by_key(|o| o.0);
            rows = order.into_iter().map(|o| o.1).collect();
        }
        let mut columns = Columns { sessions: inventory.sessions.len(), ..Columns::default() };
        for (s, c) in rows {
            let checkpoint = &inventory.sessions[s as usize].checkpoints[c as usize];
            let value = checkpoint.metrics.iter().next().map_or(f64::INFINITY, |m| m.1);
            #[expect(clippy::cast_possible_truncation, reason = "made to be exact")]
            columns.loss.push(value as f32);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "steps of the records are whole and small"
            )]
            columns.step.push(checkpoint.step.map_or(0, |s| s.as_f64() as u32));
            columns.session.push(s);
            columns.bytes.push(checkpoint.bytes);
            columns.created.push(checkpoint.saved_at.map_or(0, retain::core::model::Time::secs));
        }
        columns
    }
}

/// How many go, and their bytes.
pub fn rank(columns: &Columns, budget: u64) -> (usize, u64) {
    let count = columns.session.len();
    let mut ends = vec![0_usize; columns.sessions + 1];
    for &s in &columns.session {
        ends[s as usize + 1] += 1;
    }
    for s in 0..columns.sessions {
        ends[s + 1] += ends[s];
    }
    let mut stays = vec![false; count];
    if columns.session.is_sorted() {
        for s in 0..columns.sessions {
            let rows = ends[s]..ends[s + 1];
            keep(rows.map(|i| (columns.step[i], ordered(columns.loss[i]), i)), &mut stays);
        }
    } else {
        let mut next = ends.clone();
        let mut rows = vec![(0_u32, 0_u32, 0_usize); count];
        for i in 0..count {
            let place = &mut next[columns.session[i] as usize];
            rows[*place] = (columns.step[i], ordered(columns.loss[i]), i);
            *place += 1;
        }
        for s in 0..columns.sessions {
            keep(rows[ends[s]..ends[s + 1]].iter().copied(), &mut stays);
        }
    }
    oldest(columns, &stays, budget)
}

/// Of one session's steps, values and rows.
fn keep(rows: impl Iterator<Item = (u32, u32, usize)>, stays: &mut [bool]) {
    let (mut last, mut best) = ([(0_u64, usize::MAX); LAST], [(u64::MAX, usize::MAX); BEST]);
    for (step, loss, row) in rows {
        let newest = u64::from(step) + 1;
        if newest > last[LAST - 1].0 {
            let mut at = LAST - 1;
            while at > 0 && last[at - 1].0 < newest {
                last[at] = last[at - 1];
                at -= 1;
            }
            last[at] = (newest, row);
        }
        let value = u64::from(loss) << 32 | u64::from(!step);
        if value < best[BEST - 1].0 {
            let mut at = BEST - 1;
            while at > 0 && best[at - 1].0 > value {
                best[at] = best[at - 1];
                at -= 1;
            }
            best[at] = (value, row);
        }
    }
    for (_, row) in last.into_iter().chain(best) {
        if let Some(stay) = stays.get_mut(row) {
            *stay = true;
        }
    }
}

fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn oldest(columns: &Columns, stays: &[bool], budget: u64) -> (usize, u64) {
    let total: u64 = columns.bytes.iter().sum();
    let excess = total.saturating_sub(budget);
    let first = columns.created.iter().copied().min().unwrap_or(0);
    let span = columns.created.iter().copied().max().unwrap_or(0) - first;
    let mut shift = 0;
    while span >> shift >= BUCKETS as i64 {
        shift += 1;
    }
    let bucket = |i: usize| usize::try_from((columns.created[i] - first) >> shift).unwrap_or(0);
    let mut sums = vec![0_u64; BUCKETS];
    for i in (0..stays.len()).filter(|i| !stays[*i]) {
        sums[bucket(i)] += columns.bytes[i];
    }
    let mut freed = 0;
    let mut boundary = BUCKETS;
    for (b, bytes) in sums.into_iter().enumerate() {
        if freed + bytes >= excess {
            boundary = b;
            break;
        }
        freed += bytes;
    }
    let (mut gone, mut edge) = (0, Vec::new());
    for i in (0..stays.len()).filter(|i| !stays[*i]) {
        match bucket(i) {
            b if b < boundary => gone += 1,
            b if b == boundary => edge.push((columns.created[i], i)),
            _ => {}
        }
    }
    edge.sort_unstable();
    for (_, i) in edge {
        if freed >= excess {
            break;
        }
        freed += columns.bytes[i];
        gone += 1;
    }
    (gone, freed)
}
