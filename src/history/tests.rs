//! A history that comes back, stays small, and survives what befalls its file.

use super::*;
use crate::core::model::Time;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

const DAY: i64 = 86_400;
const START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

fn at(seconds: i64) -> Time {
    Time::from_nanos((START + seconds) * Time::NANOS_PER_SEC)
}

fn dir() -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    let open = File::open(dir.path()).unwrap();
    (dir, open)
}

/// Sessions `a/1`, `a/2`, ... with these bytes; zero means it is gone.
fn measured(bytes: &[u64]) -> Measured {
    let total = OwnerPoint { bytes: bytes.iter().sum(), ..OwnerPoint::default() };
    let sessions = (1..).zip(bytes).filter(|(_, b)| **b > 0);
    let sessions = sessions
        .map(|(i, b): (u32, _)| (format!("a/{i}"), SessionPoint { bytes: *b, checkpoints: 1 }));
    Measured {
        source: "apply",
        total,
        space: None,
        owners: vec![("a".to_owned(), total)],
        sessions: sessions.collect(),
    }
}

fn add(ours: &File, seconds: i64, bytes: &[u64]) -> Result<Option<String>, HistoryError> {
    let done =
        History::update(ours.as_fd(), at(seconds), |h| h.record(at(seconds), &measured(bytes)));
    done.map(|(_, aside)| aside)
}

fn read(ours: &File) -> History {
    History::read(ours.as_fd()).unwrap().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn points_come_back() {
    let (dir, ours) = dir();
    assert!(History::read(ours.as_fd()).unwrap().is_none());
    add(&ours, 0, &[10, 20]).unwrap();
    add(&ours, DAY, &[10, 30]).unwrap();
    add(&ours, 2 * DAY, &[0, 30]).unwrap();
    let history = read(&ours);
    let totals: Vec<u64> = history.totals(at(0)).unwrap().iter().map(|s| s.value.0.bytes).collect();
    assert_eq!(totals, [30, 40, 30]);
    assert_eq!(history.totals(at(1)).unwrap().len(), 2);
    assert_eq!(history.owner("a", at(0)).unwrap().len(), 3);
    assert_eq!(history.owner("b", at(0)).unwrap(), []);
    // Only what changed is written down, and that it went.
    let session = |name: &str| {
        let samples = history.session(name).unwrap();
        samples.iter().map(|s| (s.at, s.value.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(session("a/1"), [(at(0), 10), (at(2 * DAY), 0)]);
    assert_eq!(session("a/2"), [(at(0), 20), (at(DAY), 30)]);
    assert_eq!(names(dir.path()), ["history.lock", "history.sqlite"]);
}

#[test]
fn a_second_run_in_the_same_second_adds_nothing() {
    let (_dir, ours) = dir();
    add(&ours, 0, &[10]).unwrap();
    let twice = History::update(ours.as_fd(), at(0), |h| h.record(at(0), &measured(&[99])));
    assert_eq!(twice.unwrap().0, Recorded::AlreadyThere);
    assert_eq!(read(&ours).totals(at(0)).unwrap()[0].value.0.bytes, 10);
}

/// C1, C3: usage is not rewritten backwards; a day later all is well again.
#[test]
fn a_clock_that_went_back_adds_nothing() {
    let (_dir, ours) = dir();
    add(&ours, DAY, &[10]).unwrap();
    let error = add(&ours, 0, &[20]).unwrap_err();
    assert!(matches!(error, HistoryError::Clock { .. }), "{error}");
    assert_eq!(read(&ours).totals(at(0)).unwrap().len(), 1);
    add(&ours, DAY + 3600, &[20]).unwrap();
    assert_eq!(read(&ours).totals(at(0)).unwrap().len(), 2);
}

#[test]
fn a_damaged_history_is_set_aside_and_begun_anew() {
    let (dir, ours) = dir();
    let path = dir.path().join(FILE);
    let mut damages: Vec<Box<dyn Fn(&mut Vec<u8>)>> = vec![
        Box::new(Vec::clear),
        Box::new(|b| b.truncate(100)),
        Box::new(|b| b.truncate(b.len() / 2)),
        Box::new(|b| b.fill(0)),
        Box::new(|b| b[..16].fill(b'x')),
    ];
    // A write-ahead log that is not there any more.
    damages.push(Box::new(|b| b[18..20].fill(2)));
    for (n, damage) in (0..).zip(&damages) {
        add(&ours, n * DAY, &[10, 20]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        assert!(History::read(ours.as_fd()).is_err(), "damage {n}");
        let aside = add(&ours, n * DAY + 1, &[10, 20]).unwrap();
        let aside = aside.unwrap_or_else(|| panic!("damage {n} was not seen"));
        assert_eq!(std::fs::read(dir.path().join(&aside)).unwrap(), bytes, "{aside}");
        assert_eq!(read(&ours).totals(at(0)).unwrap().len(), 1);
        std::fs::remove_file(&path).unwrap();
    }
    let set_aside = names(dir.path());
    assert_eq!(set_aside.len(), damages.len() + 1, "{set_aside:?}");
}

/// Whatever single byte is wrong, nothing panics: it is seen, or the history is used as it is.
#[test]
fn flipped_bytes_never_panic() {
    let mut history = History { db: schema::create().unwrap() };
    history.record(at(0), &measured(&[10, 20, 30])).unwrap();
    let good = schema::image(&history.db).unwrap();
    let mut seen = 0;
    for i in (0..good.len()).step_by(23) {
        let mut bytes = good.clone();
        bytes[i] ^= 0x55;
        match schema::open(&bytes) {
            Ok(db) => {
                let mut history = History { db };
                let _ = history.record(at(DAY), &measured(&[10]));
                let _ = history.totals(at(0));
            }
            Err(_) => seen += 1,
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn a_newer_history_is_left_as_it_is() {
    let (dir, ours) = dir();
    add(&ours, 0, &[10]).unwrap();
    let path = dir.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    // user_version, big-endian at 60.
    bytes[63] = 9;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(add(&ours, DAY, &[10]), Err(HistoryError::Newer(9))));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_symlink_is_not_followed() {
    let (dir, ours) = dir();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), dir.path().join(FILE)).unwrap();
    assert!(matches!(add(&ours, 0, &[10]), Err(HistoryError::Read(_))));
    assert_eq!(std::fs::metadata(elsewhere.path()).unwrap().len(), 0);
}

/// Two years of a run every six hours, sessions coming and going: the file stays small, and what a
/// session used at a time is the same as without thinning.
#[test]
fn two_years_stay_small_and_true() {
    let mut db = History { db: schema::create().unwrap() };
    let sessions = |step: i64| -> Vec<u64> {
        (0..40u64)
            .map(|s| {
                let begun = i64::try_from(s).unwrap() * 70;
                // Each grows for 50 steps, rests, and is gone after 1500.
                match step - begun {
                    n if !(0..1500).contains(&n) => 0,
                    n => 1 + u64::try_from(n.min(50)).unwrap(),
                }
            })
            .collect()
    };
    let steps = 2 * 365 * 4;
    for step in 0..steps {
        let time = at(step * DAY / 4);
        assert_eq!(db.record(time, &measured(&sessions(step))).unwrap(), Recorded::Added);
    }
    let points = db.totals(at(0)).unwrap();
    assert!(points.len() < 420, "{}", points.len());
    for point in &points {
        let step = (point.at.secs() - START) / (DAY / 4);
        for (i, bytes) in (1..).zip(sessions(step)) {
            let samples = db.session(&format!("a/{i}")).unwrap();
            let then = samples.iter().rfind(|s| s.at <= point.at);
            let found = then.map_or(0, |s| s.value.bytes);
            // What has been gone for a year is forgotten.
            if !samples.is_empty() {
                assert_eq!(found, bytes, "a/{i} at {}", point.at);
            }
        }
    }
    let size = schema::image(&db.db).unwrap().len();
    assert!(size < 400_000, "{size}");
}

#[test]
fn notes_and_what_was_sent_come_back() {
    let (_dir, ours) = dir();
    let note = |owner: &str| Note {
        quota: "q".to_owned(),
        owner: owner.to_owned(),
        level: "over".to_owned(),
        since: at(0),
    };
    let sent = |owner: &str| Sent {
        sink: "mail".to_owned(),
        quota: "q".to_owned(),
        owner: owner.to_owned(),
        level: "over".to_owned(),
        at: at(1),
    };
    let done = History::update(ours.as_fd(), at(0), |h| {
        h.set_notes(&[note("a"), note("b")], at(0))?;
        h.set_sent(&sent("a"))?;
        h.set_sent(&sent("gone"))?;
        h.forget_sent()
    });
    done.unwrap();
    let history = read(&ours);
    assert_eq!(history.notes().unwrap(), [note("a"), note("b")]);
    assert_eq!(history.sent().unwrap(), [sent("a")]);
}

/// What another policy's quotas were said to be outlives a look with this one, but not for ever.
#[test]
fn notes_of_other_quotas_stay_for_a_year() {
    const DAY: i64 = 86_400;
    let (_dir, ours) = dir();
    let note = |quota: &str, owner: &str, since| Note {
        quota: quota.to_owned(),
        owner: owner.to_owned(),
        level: "over".to_owned(),
        since: at(since),
    };
    let sent = |quota: &str, owner: &str, then| Sent {
        sink: "mail".to_owned(),
        quota: quota.to_owned(),
        owner: owner.to_owned(),
        level: "over".to_owned(),
        at: at(then),
    };
    let look = |day, notes: &[Note], told: &[Sent]| {
        let done = History::update(ours.as_fd(), at(day * DAY), |h| {
            h.set_notes(notes, at(day * DAY))?;
            h.forget_sent()?;
            told.iter().try_for_each(|sent| h.set_sent(sent))
        });
        done.unwrap();
        let history = read(&ours);
        (history.notes().unwrap(), history.sent().unwrap())
    };
    let disk = [note("disk", "", 0)];
    let team = [note("team", "a", 0), note("team", "b", 0)];
    let told = [sent("disk", "", 0), sent("team", "a", 0), sent("team", "b", 300 * DAY)];
    look(0, &disk, &told[..1]);
    look(1, &team, &told[1..]);
    let all = |n: &[Note]| [&disk[..], n].concat();
    assert_eq!(look(2, &team, &[]), (all(&team), told.to_vec()), "the disk is another policy's");
    assert_eq!(look(3, &[], &[]), (all(&team), told.to_vec()), "and so are all of them");
    // An owner who is gone is forgotten by the quota itself.
    let (notes, sent) = look(4, &team[1..], &[]);
    assert_eq!((notes, sent), (all(&team[1..]), vec![told[0].clone(), told[2].clone()]));
    // After a year only what somebody was reminded of since is left, and what is seen now.
    let (notes, sent) = look(366, &[], &[]);
    assert_eq!((&notes[..], &sent[..]), (&team[1..], &told[2..]));
    look(366, &disk, &told[..1]);
    let (notes, sent) = look(800, &disk, &[]);
    assert_eq!((&notes[..], &sent[..]), (&disk[..], &told[..1]), "however long it has been so");
}

#[test]
fn writers_at_once_all_count() {
    let (_dir, ours) = dir();
    std::thread::scope(|scope| {
        for i in 0..6 {
            let ours = &ours;
            scope.spawn(move || {
                let sent = Sent {
                    sink: format!("s{i}"),
                    quota: String::new(),
                    owner: String::new(),
                    level: String::new(),
                    at: at(0),
                };
                History::update(ours.as_fd(), at(0), |h| h.set_sent(&sent)).unwrap();
            });
        }
    });
    assert_eq!(read(&ours).sent().unwrap().len(), 6);
}
