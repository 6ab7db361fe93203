//! What `ls` shows: all sessions, or the checkpoints of one.

use super::human;
use super::table::{Align, Cell, Table};
use crate::core::limit::usage::Usage;
use crate::core::model::{Checkpoint, Inventory, Names, Session, Step, Time};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;

/// The newest write of a session, or what comes nearest to it.
pub fn last_write(session: &Session) -> Option<Time> {
    let saved = session.checkpoints.iter().filter_map(Checkpoint::written).max();
    session.last_write.or(saved)
}

/// Allocated bytes of all its checkpoints; files that several of them share count once.
pub fn session_bytes(session: &Session) -> u64 {
    bytes(&session.checkpoints)
}

/// As quotas and `usage` have it.
fn bytes<'a>(checkpoints: impl IntoIterator<Item = &'a Checkpoint>) -> u64 {
    let mut usage = Usage::default();
    checkpoints.into_iter().for_each(|c| usage.add(c));
    usage.bytes()
}

/// One line for each of `sessions`.
pub fn sessions(inventory: &Inventory, sessions: &[usize], now: Time) -> String {
    let mut table = Table::new([
        ("Session", Align::Left),
        ("Owner", Align::Left),
        ("Layout", Align::Left),
        ("Status", Align::Left),
        ("Checkpoints", Align::Right),
        ("Size", Align::Right),
        ("Last Write", Align::Left),
    ]);
    for &i in sessions {
        let session = &inventory.sessions[i];
        let status = if session.tainted.is_empty() {
            Cell::new(session.status.as_str())
        } else {
            Cell::new("unreadable").style(AnsiColor::Yellow.on_default())
        };
        table.row([
            Cell::new(&session.name),
            Cell::new(&session.owner),
            Cell::new(session.layout.as_deref().unwrap_or("-")),
            status,
            Cell::new(human::grouped(session.checkpoints.len() as u64)),
            Cell::new(human::size(session_bytes(session))),
            Cell::new(last_write(session).map_or("-".to_owned(), |t| human::ago(now, t))),
        ]);
    }
    table.render()
}

/// The line under the table of sessions.
pub fn sessions_total(inventory: &Inventory, sessions: &[usize]) -> String {
    let of = |i: &usize| &inventory.sessions[*i];
    let checkpoints = sessions.iter().map(|i| of(i).checkpoints.len() as u64).sum();
    // What several sessions share counts once.
    let bytes = bytes(sessions.iter().flat_map(|i| &of(i).checkpoints));
    format!(
        "{}, {}, {}\n",
        human::count(sessions.len() as u64, "session"),
        human::count(checkpoints, "checkpoint"),
        human::size(bytes)
    )
}

/// The checkpoints of one session as NSML listed them, in the given order.
pub fn checkpoints<'a>(checkpoints: impl IntoIterator<Item = &'a Checkpoint>, now: Time) -> String {
    let mut table = Table::new([
        ("Checkpoint", Align::Left),
        ("Last Modified", Align::Left),
        ("Elapsed", Align::Right),
        ("Summary", Align::Left),
        ("Size", Align::Right),
    ]);
    for c in checkpoints {
        table.row([
            Cell::new(&c.id),
            Cell::new(modified(c, now)),
            Cell::new(c.elapsed().map(human::elapsed).unwrap_or_default()),
            Cell::new(human::summary(c.summary().unwrap_or_default())),
            Cell::new(human::nsml_size(length(c))),
        ]);
    }
    table.render()
}

/// What NSML counted: lengths of files. A disk's blocks are what plans and limits count.
pub fn length(checkpoint: &Checkpoint) -> u64 {
    checkpoint.extra.as_ref().map(|e| e.apparent).filter(|n| *n > 0).unwrap_or(checkpoint.bytes)
}

fn modified(checkpoint: &Checkpoint, now: Time) -> String {
    let saved = checkpoint.saved_at.or(checkpoint.last_write);
    saved.map(|t| human::ago(now, t)).unwrap_or_default()
}

/// One checkpoint with the reasons for which nothing may delete it.
pub struct Protected<'a> {
    pub checkpoint: &'a Checkpoint,
    pub reasons: String,
}

/// The long listing: steps, all metrics, marks, and what protects each.
pub fn checkpoints_long(rows: &[Protected<'_>], names: &Names, now: Time) -> String {
    let mut table = Table::new([
        ("Checkpoint", Align::Left),
        ("Last Modified", Align::Left),
        ("Step", Align::Right),
        ("Epoch", Align::Right),
        ("Metrics", Align::Left),
        ("From", Align::Left),
        ("Size", Align::Right),
        ("Marks", Align::Left),
        ("Protected", Align::Left),
    ]);
    let number = |step: Option<Step>| step.map(|s| s.to_string()).unwrap_or_default();
    for row in rows {
        let c = row.checkpoint;
        table.row([
            Cell::new(&c.id),
            Cell::new(modified(c, now)),
            Cell::new(number(c.step)),
            Cell::new(number(c.epoch)),
            Cell::new(metrics(c, names)),
            Cell::new(metric_sources(c, names)).style(Style::new().dimmed()),
            Cell::new(human::size(c.bytes)),
            Cell::new(marks(c).join(" ")),
            Cell::new(&row.reasons).style(Style::new().dimmed()),
        ]);
    }
    table.render()
}

/// `loss=5.742813685992816 acc=NaN`, in order of their names.
fn metrics(checkpoint: &Checkpoint, names: &Names) -> String {
    let mut list: Vec<_> =
        checkpoint.metrics.iter().map(|(id, v)| format!("{}={v}", names.name(id))).collect();
    list.sort();
    list.join(" ")
}

/// Where the metrics were read: `metrics.csv`, or of several sources `name (val_loss), metrics.csv`
/// for all others; the one that told most of them comes last.
pub fn metric_sources(checkpoint: &Checkpoint, names: &Names) -> String {
    let mut by_source: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, source) in checkpoint.sources() {
        by_source.entry(source).or_default().push(names.name(*id));
    }
    let mut list: Vec<_> = by_source.into_iter().collect();
    list.sort_by_key(|(_, metrics)| metrics.len());
    let last = list.pop().map(|(source, _)| source.to_owned());
    let others = list.into_iter().map(|(source, mut metrics)| {
        metrics.sort_unstable();
        format!("{source} ({})", metrics.join(" "))
    });
    others.chain(last).collect::<Vec<_>>().join(", ")
}

/// Marks, tags (`#tag`), and `incomplete`.
fn marks(checkpoint: &Checkpoint) -> Vec<String> {
    let mut list: Vec<String> = checkpoint.marks.names().map(str::to_owned).collect();
    if !checkpoint.complete {
        list.push("incomplete".to_owned());
    }
    list.extend(checkpoint.tags().iter().map(|t| format!("#{t}")));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Marks, SharedFile};

    fn checkpoint(id: &str) -> Checkpoint {
        let mut c = Checkpoint {
            id: id.into(),
            saved_at: Time::parse("2019-08-02T11:27:50Z"),
            bytes: 384_554_762,
            complete: true,
            ..Checkpoint::default()
        };
        c.extra_mut().elapsed = Some(3.785);
        c.extra_mut().summary = Some("epoch=0, loss=7.015200052175436".into());
        c
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    const NOW: &str = "2019-08-02T12:00:00Z";

    #[test]
    fn checkpoints_look_as_nsml_showed_them() {
        let text = checkpoints([&checkpoint("0")], Time::parse(NOW).unwrap());
        assert_eq!(
            plain(&text),
            "Checkpoint  Last Modified   Elapsed  Summary                       Size\n\
             0           32 minutes ago    3.785  epoch=0, loss=7.0152...  366.74 MB\n"
        );
    }

    #[test]
    fn the_long_listing_hides_nothing() {
        let mut names = Names::default();
        let loss = names.intern("loss");
        let mut c = checkpoint("41");
        c.step = Some(Step::Whole(4100));
        c.metrics = [(loss, 4.847_646_936_640_009)].into();
        c.marks.set(Marks::PINNED);
        c.complete = false;
        c.extra_mut().tags = vec!["paper".into()];
        let row = Protected { checkpoint: &c, reasons: "pinned".to_owned() };
        let text = plain(&checkpoints_long(&[row], &names, Time::parse(NOW).unwrap()));
        for part in ["4100", "loss=4.847646936640009", "pinned incomplete #paper"] {
            assert!(text.contains(part), "{part} not in\n{text}");
        }
    }

    #[test]
    fn where_metrics_were_read() {
        let mut names = Names::default();
        let ids = ["loss", "acc", "val_loss", "lr"].map(|n| names.intern(n));
        let table: [(&[&str], &str); 4] = [
            (&[], ""),
            (&["log.csv", "log.csv"], "log.csv"),
            (&["name", "log.csv", "log.csv"], "name (loss), log.csv"),
            (&["name", "a.csv", "name", "a.csv"], "a.csv (acc lr), name"),
        ];
        for (sources, want) in table {
            let mut c = checkpoint("1");
            let of = ids.iter().zip(sources).map(|(id, s)| (*id, (*s).into()));
            c.extra_mut().sources = of.collect();
            assert_eq!(metric_sources(&c, &names), want);
        }
    }

    #[test]
    fn shared_files_count_once() {
        let mut session = Session::default();
        for id in ["last", "best"] {
            let mut c = checkpoint(id);
            c.bytes = 100;
            let file = SharedFile { inode: 7, bytes: 90, apparent: 90, links: 3 };
            c.extra_mut().shared = vec![file; if id == "last" { 2 } else { 1 }];
            session.checkpoints.push(c);
        }
        assert_eq!(session_bytes(&session), 110);
    }
}
