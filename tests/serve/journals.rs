//! What the journals say is read once for all who ask, and anew as soon as they say something else.

use crate::nsml::{self, LAST_TWO, SESSION};
use crate::server::Server;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::path::Path;

/// Counts how often files in a directory are opened.
struct Watch(inotify::Reader<'static, rustix::fd::OwnedFd>);

impl Watch {
    fn of(dir: &Path) -> Watch {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        // The same event twice in a row is one: what closes a file stands between.
        let flags = WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE | WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&fd, dir, flags).unwrap();
        Watch(inotify::Reader::new(fd, Box::leak(Box::new([MaybeUninit::uninit(); 1 << 13]))))
    }

    /// Since the last time, by name.
    fn opened(&mut self) -> BTreeMap<String, u32> {
        let mut opened = BTreeMap::new();
        loop {
            match self.0.next() {
                Ok(event) => {
                    assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW));
                    if let Some(name) = event.file_name()
                        && event.events().contains(ReadFlags::OPEN)
                    {
                        *opened.entry(name.to_str().unwrap().to_owned()).or_default() += 1;
                    }
                }
                Err(Errno::WOULDBLOCK) => return opened,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

/// Readers of these pages, all at once.
fn crowd(server: &Server, paths: &[String]) {
    let token = server.token("administrator");
    std::thread::scope(|scope| {
        for reader in 0..24 {
            let (token, path) = (&token, &paths[reader % paths.len()]);
            scope.spawn(move || {
                for _ in 0..5 {
                    server.get_as(token, path).is(200);
                }
            });
        }
    });
}

#[test]
fn a_crowd_reads_the_journals_once_and_sees_the_runs_of_others_at_once() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    let server = Server::start(&tree);
    let journal = tree.at(".retain/journal");
    let files: Vec<String> = std::fs::read_dir(&journal)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!files.is_empty());
    let paths = [format!("{}/trash", server.root), server.of_root("runs")];
    let mut watch = Watch::of(&journal);
    crowd(&server, &paths);
    assert_eq!(watch.opened(), BTreeMap::new(), "the scan has read them");

    // Another process restores the run: whoever asks after it ended sees that.
    world.run(["undo"]).ok();
    watch.opened();
    let row = || server.api(&format!("/roots/{}/runs", server.slug()))["runs"][0].clone();
    assert_eq!(row()["restored"]["checkpoints"], 7, "{}", row());
    let files: Vec<String> = std::fs::read_dir(&journal)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        // What is kept back for a full disk is no journal.
        .filter(|n| !n.ends_with("settled") && n != "spare")
        .collect();
    let once = files.iter().map(|n| (n.clone(), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(watch.opened(), once);
    world.run(["rm", SESSION, "0", "--yes"]).ok();
    watch.opened();
    crowd(&server, &paths);
    let opened = watch.opened();
    assert!(opened.len() > once.len() && opened.values().all(|n| *n == 1), "{opened:?}");
    let runs = server.api(&format!("/roots/{}/runs", server.slug()));
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "{runs}");
}
