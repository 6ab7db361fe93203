//! The inventory as a file: what is written is read, and what is wrong is told.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use retain::core::model::{
    Checkpoint, Extra, Inventory, Marks, Metrics, Names, Pin, Pointer, Session, SharedFile,
    SmolStr, Space, Status, Step, Time,
};
use retain::inventory::{InventoryFile, MAX_FAULTS, merge, read, write};
use std::fmt::Write as _;

fn written(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    write(inventory, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed(text: &str) -> Result<InventoryFile, String> {
    read(&mut text.as_bytes()).map_err(|e| e.to_string())
}

/// Everything in it, with metrics by name.
fn content(inventory: &Inventory) -> String {
    let mut out = format!("{:?} {:?} {:?}\n", inventory.root, inventory.now, inventory.space);
    for session in &inventory.sessions {
        let bare = Session { checkpoints: Vec::new(), ..session.clone() };
        let _ = writeln!(out, "{bare:?}");
        for c in &session.checkpoints {
            let name = |id: u32| inventory.names.name(id).to_owned();
            let mut metrics: Vec<_> =
                c.metrics.iter().map(|m| format!("{:?} {:?}", name(m.0), m.1)).collect();
            metrics.sort();
            let mut bare = c.clone();
            bare.metrics = Metrics::default();
            if let Some(extra) = &mut bare.extra {
                metrics
                    .extend(extra.sources.drain(..).map(|s| format!("{:?} {:?}", name(s.0), s.1)));
                metrics.sort();
            }
            let _ = writeln!(out, "{bare:?} {metrics:?}");
        }
    }
    out
}

#[test]
fn the_example_of_the_design() {
    let text = r#"{"retain-inventory":1,"root":"ID","now":"2019-08-02T12:00:00Z"}
{"session":"nsmlteam/mnist/4","owner":"nsmlteam","layout":"nsml","status":"exited","last_write":"2019-08-02T11:31:09Z","tainted":[]}
{"v":1,"session":"nsmlteam/mnist/4","id":"3","step":null,"epoch":3,"saved_at":"2019-08-02T11:29:05Z","elapsed":25.053,"bytes":384554762,"files":1,"metrics":{"loss":5.742813685992816},"summary":"epoch=3, loss=5.74..","marks":["pinned"],"tags":[],"complete":true,"needs":[],"fingerprint":"000102030405060708090a0b0c0d0e0f"}
{"end":true,"sessions":1,"checkpoints":1}
"#;
    let file = parsed(text).unwrap();
    assert!(file.applicable);
    assert_eq!(written(&file.inventory), text, "and it is written the same way");
}

#[test]
fn a_foreign_file_needs_little() {
    let file = parsed("{\"session\":\"lab/x\",\"id\":\"1\",\"surprise\":{}}\r\n\n{\"session\":\"lab/x\",\
        \"id\":\"2\",\"metrics\":{\"a\":NaN,\"b\":\"NaN\",\"c\":\"-Infinity\",\"d\":\"text\",\"e\":Infinity}}")
        .unwrap();
    assert!(!file.applicable);
    let session = &file.inventory.sessions[0];
    assert_eq!((&*session.name, &*session.owner), ("lab/x", "lab"));
    assert_eq!(
        (session.layout.as_ref(), session.status, session.last_write),
        (None, Status::Unknown, None)
    );
    let [one, two] = &session.checkpoints[..] else { panic!() };
    assert!(one.complete && one.extra.is_none() && one.saved_at.is_none());
    let values: Vec<_> = two.metrics.iter().map(|m| m.1.to_string()).collect();
    assert_eq!(values, ["NaN", "NaN", "-inf", "NaN", "inf"]);
    assert!(parsed("").unwrap().inventory.sessions.is_empty());
}

#[test]
fn every_fault_is_told_with_its_line() {
    let c = |rest: &str| format!(r#"{{"session":"a/b","id":"1"{rest}}}"#);
    let table: &[(String, &str)] = &[
        ("{".to_owned(), "line 1: a key is missing at byte 1"),
        ("[]".to_owned(), "line 1: not an object"),
        (r#"{"id":"1"}"#.to_owned(), "line 1: session is missing"),
        (r#"{"session":"a","step":2}"#.to_owned(), "line 1: a checkpoint without an id"),
        (r#"{"session":"","id":"1"}"#.to_owned(), "line 1: session is empty"),
        (r#"{"session":"a"}{}"#.to_owned(), "line 1: more after the end at byte 15"),
        (c(r#","step":-1"#), "line 1: step is neither null nor a number from 0 up"),
        (c(r#","epoch":NaN"#), "line 1: epoch is neither null nor a number from 0 up"),
        (
            c(r#","saved_at":"yesterday""#),
            "line 1: saved_at `yesterday` is not a time such as 2026-01-31T10:00:00Z",
        ),
        (c(r#","bytes":-5"#), "line 1: bytes is not a whole number"),
        (c(r#","files":4294967296"#), "line 1: files is too large"),
        (c(r#","complete":"yes""#), "line 1: complete is neither true nor false"),
        (c(r#","metrics":{"a":1,"a":2}"#), "line 1: metric a stands here twice"),
        (c(r#","metrics":{"a":true}"#), "line 1: a is not a number"),
        (
            c(r#","marks":["golden"]"#),
            "line 1: mark `golden` is none of pinned, submitted, latest, best, ambiguous, incomplete",
        ),
        (c(r#","fingerprint":"xyz""#), "line 1: fingerprint `xyz` is not 32 hexadecimal digits"),
        (c(r#","pin":true"#), "line 1: pin is not an object"),
        (c(r#","v":2"#), "line 1: v is not 1; use the version of retain that made this file"),
        (
            r#"{"session":"a","status":"paused"}"#.to_owned(),
            "line 1: status `paused` is none of running, exited, unknown",
        ),
        (
            "{\"session\":\"a\"}\n{\"session\":\"a\"}".to_owned(),
            "line 2: this session stands in line 1 already",
        ),
        (
            format!("{}\n{}\n{}", c(""), r#"{"session":"a/c","id":"1"}"#, c("")),
            "line 3: checkpoint 1 of session a/b stands in line 1 already",
        ),
        (
            r#"{"retain-inventory":1}"#.to_owned(),
            "line 2: the trailer is missing: the file was cut short",
        ),
        (
            r#"{"retain-inventory":2}"#.to_owned()
                + "\n"
                + r#"{"end":true,"sessions":0,"checkpoints":0}"#,
            "line 1: an inventory of another format than 1; use the version of retain that made it",
        ),
        (
            r#"{"retain-inventory":1}"#.to_owned()
                + "\n"
                + r#"{"end":true,"sessions":0,"checkpoints":1}"#
                + "\n",
            "line 2: the trailer counts 0 sessions and 1 checkpoints, the file has 0 and 0",
        ),
        (
            r#"{"retain-inventory":1}"#.to_owned()
                + "\n"
                + r#"{"end":true,"sessions":0,"checkpoints":0}"#
                + "\n"
                + &c(""),
            "line 3: more lines after the trailer",
        ),
        (
            r#"{"end":true,"sessions":0,"checkpoints":0}"#.to_owned(),
            "line 1: a trailer without a header",
        ),
    ];
    for (text, want) in table {
        assert_eq!(parsed(text).unwrap_err(), *want, "{text}");
    }
    let counted = r#"{"retain-inventory":1}"#.to_owned() + "\n" + &c("") + "\n";
    assert!(parsed(&(counted.clone() + r#"{"end":true,"sessions":1,"checkpoints":1}"#)).is_ok());
    assert!(parsed(&(counted.clone() + r#"{"end":true,"sessions":0,"checkpoints":1}"#)).is_ok());
    assert!(parsed(&(counted + r#"{"end":true,"sessions":2,"checkpoints":1}"#)).is_err());
    let all = parsed("{\n{}\n{\"session\":\"a\"}\nx\n").unwrap_err();
    assert_eq!(
        all,
        "line 1: a key is missing at byte 1\nline 2: session is missing\nline 4: not a JSON value at byte 0"
    );
    let many = read(&mut "x\n".repeat(MAX_FAULTS + 5).as_bytes()).unwrap_err();
    assert_eq!((many.faults.len(), many.more), (MAX_FAULTS, 5));
    assert!(many.to_string().ends_with("\nand 5 more"));
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let mut names = Names::default();
    let session = Session {
        name: "a".into(),
        owner: "a".into(),
        checkpoints: vec![checkpoint(&mut names, "1"), checkpoint(&mut names, "2")],
        ..Session::default()
    };
    let text = written(&Inventory { names, sessions: vec![session], ..Inventory::default() });
    assert!(parsed(&text).is_ok());
    // The newline at the end says nothing.
    for len in 1..text.len() - 1 {
        assert!(parsed(&text[..len]).is_err(), "{}", &text[..len]);
    }
}

#[test]
fn a_line_without_end_is_refused() {
    let text = format!("{{\"session\":\"{}\"}}", "a".repeat(17 << 20));
    assert_eq!(parsed(&text).unwrap_err(), "line 1: longer than 16 MiB");
}

/// Checkpoints in forms that only just are, or are not, what `retain` writes.
const LINES: [&str; 4] = [
    r#"{"v":1,"session":"a/b","id":"7","step":10,"epoch":0.5,"saved_at":"2026-01-31T10:00:00Z","bytes":5,"files":1,"metrics":{"loss":0.25,"lo":1},"marks":["pinned"],"complete":true}"#,
    r#"{"session":"a","id":"1","elapsed":25.0316,"metrics":{"b":-0.0,"a":5e-324},"tags":["t"],"needs":["0"],"paths":["a/1"],"apparent":3,"summary":"x\u00e9\n","fingerprint":"00112233445566778899aabbccddeeff"}"#,
    r#"{"session":"a","id":"1","step":18446744073709551615,"epoch":1e3,"last_write":"2026-02-28T23:59:59.123456789Z","sources":{"loss":"log","acc":"name"},"metrics":{"loss":"NaN"}}"#,
    r#"{"session":"a","id":"1","step":null,"metrics":{},"marks":[],"summary":null,"bytes":12.0,"files":07}"#,
];

fn checkpoint(names: &mut Names, id: &str) -> Checkpoint {
    Checkpoint {
        id: id.into(),
        complete: true,
        metrics: [(names.intern("loss"), 0.5)].into(),
        ..Checkpoint::default()
    }
}

fn inventory(root: &str, sessions: &[(&str, &[(&str, u64)])]) -> Inventory {
    let mut names = Names::default();
    // Ids of metrics differ from one file to the next.
    names.intern(root);
    let sessions = sessions
        .iter()
        .map(|(name, checkpoints)| Session {
            name: (*name).into(),
            owner: "lab".into(),
            checkpoints: checkpoints
                .iter()
                .map(|(id, bytes)| Checkpoint { bytes: *bytes, ..checkpoint(&mut names, id) })
                .collect(),
            ..Session::default()
        })
        .collect();
    Inventory { root: Some(root.into()), names, sessions, ..Inventory::default() }
}

#[test]
fn parts_merge_to_the_whole() {
    let a = inventory("R", &[("lab/2", &[("1", 5), ("2", 5)]), ("lab/9", &[("1", 5)])]);
    let b = inventory("R", &[("lab/2", &[("2", 5), ("10", 5)]), ("lab/10", &[("1", 5)])]);
    let (whole, conflicts) = merge(a.clone(), b.clone());
    assert_eq!(conflicts, Vec::<String>::new());
    let expected = inventory(
        "R",
        &[
            ("lab/2", &[("1", 5), ("2", 5), ("10", 5)]),
            ("lab/9", &[("1", 5)]),
            ("lab/10", &[("1", 5)]),
        ],
    );
    assert_eq!(content(&whole), content(&expected));
    assert_eq!(content(&merge(b, a.clone()).0), content(&expected), "in either order");
    assert_eq!(content(&merge(a.clone(), a.clone()).0), content(&a), "twice the same");
}

#[test]
fn parts_that_differ_are_said_and_kept() {
    let a = inventory("R", &[("lab/2", &[("1", 5)])]);
    let b = inventory("S", &[("lab/2", &[("1", 6)])]);
    let (whole, conflicts) = merge(a, b);
    assert_eq!(
        conflicts,
        ["the roots differ: R and S", "session lab/2: two inventories differ in checkpoint 1",]
    );
    assert_eq!(whole.root, None);
    assert_eq!(whole.sessions[0].tainted.len(), 1);
    assert_eq!(whole.sessions[0].checkpoints.len(), 1);
}

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z0-9/=.]{1,8}", any::<String>().prop_filter("not empty", |s| !s.is_empty())]
        .prop_map(Into::into)
}

fn texts() -> impl Strategy<Value = Vec<Box<str>>> {
    proptest::collection::vec(text(), 0..3)
}

fn time() -> impl Strategy<Value = Option<Time>> {
    proptest::option::of(any::<i64>().prop_map(Time::from_nanos))
}

fn step() -> impl Strategy<Value = Option<Step>> {
    prop_oneof![
        any::<u64>().prop_map(|n| Some(Step::Whole(n))),
        any::<f64>().prop_map(Step::from_f64),
    ]
}

prop_compose! {
    fn extra()(
        summary in proptest::option::of(text()),
        lists in (texts(), texts(), texts(), texts()),
        pointers in proptest::collection::vec((text(), any::<bool>()), 0..3),
        pin in proptest::option::of((time(), proptest::option::of(text()))),
        shared in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..3),
        apparent in any::<u64>(),
    ) -> Extra {
        let (tags, needs, conflicts, paths) = lists;
        Extra {
            summary, tags, needs, conflicts, paths, apparent,
            pointers: pointers.into_iter().map(|(name, external)| Pointer { name, external }).collect(),
            pin: pin.map(|(until, why)| Pin { until, why }),
            shared: shared.into_iter().map(|(inode, bytes, links)| SharedFile { inode, bytes, apparent: bytes, links }).collect(),
            sources: Vec::new(), elapsed: None,
        }
    }
}

prop_compose! {
    fn any_checkpoint()(
        steps in (step(), step()),
        times in (time(), time()),
        elapsed in proptest::option::of(any::<f64>()),
        counts in (any::<u64>(), any::<u32>()),
        metrics in proptest::collection::btree_map(text(), (any::<f64>(), proptest::option::of(text())), 0..3),
        marks in proptest::collection::vec(proptest::sample::select(vec![
            Marks::PINNED, Marks::SUBMITTED, Marks::LATEST, Marks::BEST, Marks::AMBIGUOUS,
        ]), 0..5),
        complete in any::<bool>(),
        fingerprint in any::<Option<[u8; 16]>>(),
        mut extra in extra(),
    ) -> (Checkpoint, Vec<(Box<str>, f64, Option<Box<str>>)>) {
        let mut set = Marks::default();
        for mark in marks {
            set.set(mark);
        }
        extra.elapsed = elapsed;
        let checkpoint = Checkpoint {
            id: SmolStr::default(),
            step: steps.0, epoch: steps.1, saved_at: times.0, last_write: times.1,
            bytes: counts.0, files: counts.1, metrics: Metrics::default(),
            marks: set, complete, fingerprint, extra: Some(Box::new(extra)),
        };
        (checkpoint, metrics.into_iter().map(|(name, (value, source))| (name, value, source)).collect())
    }
}

prop_compose! {
    fn any_inventory()(
        root in proptest::option::of(text()),
        now in time(),
        space in proptest::option::of((any::<u64>(), any::<u64>())),
        sessions in proptest::collection::btree_map(text(), (
            text(), proptest::option::of(text()), 0..3_u8, time(), texts(), texts(),
            proptest::collection::btree_map(text(), any_checkpoint(), 0..4),
        ), 0..4),
    ) -> Inventory {
        let mut names = Names::default();
        let sessions = sessions.into_iter().map(|(name, s)| {
            let (owner, layout, status, last_write, tainted, tags, checkpoints) = s;
            let status = [Status::Running, Status::Exited, Status::Unknown][usize::from(status)];
            let checkpoints = checkpoints.into_iter().map(|(id, (mut c, metrics))| {
                c.id = id.into();
                let extra = c.extra_mut();
                let mut values = Vec::new();
                for (name, value, source) in metrics {
                    let id = names.intern(&name);
                    // NaN has many bits, and one text.
                    values.push((id, if value.is_nan() { f64::NAN } else { value }));
                    extra.sources.extend(source.map(|s| (id, s)));
                }
                extra.sources.sort_by_key(|m| m.0);
                if *format!("{extra:?}") == *format!("{:?}", Extra::default()) {
                    c.extra = None;
                }
                c.metrics = values.into();
                c
            }).collect();
            Session { name, owner, layout, status, last_write, tainted, tags, checkpoints, ..Session::default() }
        }).collect();
        let space = space.map(|(total, free)| Space { total, free, trash: 0 });
        let mut inventory = Inventory { root, now, space, names, sessions };
        inventory.sessions.sort_by(|a, b| retain::core::name::natural_cmp(&a.name, &b.name));
        for session in &mut inventory.sessions {
            session.checkpoints.sort_by(|a, b| retain::core::name::natural_cmp(&a.id, &b.id));
        }
        inventory
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(inventory in any_inventory()) {
        let file = parsed(&written(&inventory)).unwrap();
        prop_assert!(file.applicable);
        prop_assert_eq!(content(&file.inventory), content(&inventory));
    }

    // Lines as they are written are read without a tree of values; an unknown member sends the same
    // line the long way.
    #[test]
    fn both_ways_of_reading_agree(inventory in any_inventory()) {
        let text = written(&inventory);
        let long = text.replace("{\"v\":1,\"session\":", "{\"v\":1,\"surprise\":0,\"session\":");
        let checkpoints = inventory.sessions.iter().any(|s| !s.checkpoints.is_empty());
        prop_assert_eq!(long != text, checkpoints);
        let (quick, long) = (parsed(&text).unwrap(), parsed(&long).unwrap());
        prop_assert_eq!(content(&quick.inventory), content(&long.inventory));
    }

    // One byte changed anywhere: read the same way, or refused in the same words.
    #[test]
    fn both_ways_of_reading_refuse_the_same(
        line in proptest::sample::select(LINES.to_vec()),
        at in any::<proptest::sample::Index>(),
        byte in proptest::sample::select(b"0129.-eE\"\\,:{}[]nulTZ \x00\xff".to_vec()),
    ) {
        let mut changed = line.as_bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        let shown = |bytes: &[u8]| {
            read(&mut &bytes[..]).map(|f| content(&f.inventory)).map_err(|e| {
                // Where it is at fault moves with the unknown member.
                let text = e.to_string();
                text.split(" at byte ").next().unwrap_or_default().to_owned()
            })
        };
        let mut long = br#"{"surprise":0,"#.to_vec();
        long.extend_from_slice(&changed[1..]);
        if changed.starts_with(b"{}") {
            // An empty object has no member that the unknown one could stand before.
            prop_assert!(shown(&changed).is_err() && shown(&long).is_err());
        } else if changed[0] == b'{' {
            prop_assert_eq!(shown(&changed), shown(&long), "{}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn merging_with_itself_changes_nothing(inventory in any_inventory()) {
        let (merged, conflicts) = merge(inventory.clone(), inventory.clone());
        prop_assert!(conflicts.is_empty());
        prop_assert_eq!(content(&merged), content(&inventory));
    }

    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&mut &bytes[..]);
    }
}
