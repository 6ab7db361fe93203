//! Several users, one of them root, on one storage.

use crate::nsml::{self, SESSION};
use crate::support::Tree;
use crate::usage::on_a_small_disk;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// The manual's session in `$M/r`, each checkpoint of 100 KiB, `$M/r` a root of root's, and everything
/// below it of a user's; `$AS` runs as that user. `$HERE` is where anybody may read.
pub fn script(tree: &Tree, here: &Here, body: &str) -> String {
    format!(
        "export HERE={here}; mkdir \"$M/r\"; cp -a {tree}/nsmlteam \"$M/r\"; cd \"$M/r\"\n\
         for f in nsmlteam/mnist/4/nsml_model/*/model/weights; do\n\
         dd if=/dev/zero of=$f bs=1k count=100 2>/dev/null; done\n\
         chown -R 1234:1234 nsmlteam; chmod 755 \"$M\" \"$M/r\"; now='--now 2040-06-1'\n\
         $RETAIN init . ${{now}}5T10:00:00Z >&2\n\
         as() {{ setpriv --reuid 1234 --regid 1234 --clear-groups env HOME=/nonexistent \
         XDG_CACHE_HOME=/nonexistent $HERE/retain \"$@\"; }}\n{body}",
        here = here.at.path().display(),
        tree = tree.path().display(),
    )
}

/// A directory that anybody may read, with the program in it.
pub struct Here {
    at: tempfile::TempDir,
}

impl Here {
    pub fn new() -> Here {
        let at = tempfile::tempdir().unwrap();
        set_permissions(at.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_retain"), at.path().join("retain")).unwrap();
        Here { at }
    }

    /// A policy that keeps the last so many.
    pub fn last(&self, n: u32, more: &str) -> String {
        let path: PathBuf = self.at.path().join(format!("{n}{}.toml", more.len()));
        let rules =
            format!("version = 1\nmin-age = \"0s\"\n[[policy]]\nkeep = [{{ last = {n} }}]\n");
        std::fs::write(&path, rules + more).unwrap();
        path.display().to_string()
    }
}

/// The trash of a user's own run is purged by that user alone: counted as free for root, a demand for
/// free space would be missed for ever.
#[test]
fn trash_that_only_another_can_purge_is_not_free_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let quota = "[[quota]]\nper = \"root\"\nmin-free = \"1280KiB\"\n";
    let body = format!(
        "as apply --yes -q --policy {six} ${{now}}5T11:00:00Z >&2\n\
         $RETAIN apply --yes --policy {quota} ${{now}}5T12:00:00Z && echo rc=0\n\
         ls nsmlteam/mnist/4/nsml_model | wc -l",
        six = here.last(6, ""),
        quota = here.last(6, quota),
    );
    let run = on_a_small_disk("2m", &script(&tree, &here, &body)).ok();
    let run =
        run.warns("3 checkpoints (312.00 KiB) in the trash do not count as free for min-free");
    let left: u32 = run.stdout.lines().last().unwrap().trim().parse().unwrap();
    assert!(left < 6, "the quota evicts instead: {run}");
}

/// What root makes beside somebody's checkpoints is theirs, so that they can go on working there.
#[test]
fn root_locks_nobody_out_of_their_own_folder_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "$RETAIN apply --yes -q --policy {eight} ${{now}}5T11:00:00Z >&2\n\
         cd nsmlteam/mnist/4/nsml_model\n\
         stat -c '%u %a %n' .retain .retain/trash .retain/trash/*\n\
         cd ../../../..\n\
         as rm {SESSION} 31 --yes ${{now}}5T12:00:00Z\n\
         as undo ${{now}}5T12:30:00Z\n\
         $RETAIN undo $(ls nsmlteam/mnist/4/nsml_model/.retain/trash) ${{now}}5T12:40:00Z\n\
         cp -a nsmlteam/mnist/4 nsmlteam/mnist/5; rm -rf nsmlteam/mnist/5/nsml_model/.retain\n\
         $RETAIN pin nsmlteam/mnist/5 41 >&2\n\
         as pin nsmlteam/mnist/5 31\n\
         grep -c mark.pin nsmlteam/mnist/5/nsml_model/.retain/marks.toml; ls nsmlteam/mnist/4/nsml_model | wc -l",
        eight = here.last(8, ""),
    );
    let run = on_a_small_disk("4m", &script(&tree, &here, &body)).ok();
    let run = run.says("1234 755 .retain\n1234 755 .retain/trash\n0 700 .retain/trash/");
    let run = run.says("Moved 1 checkpoint").says("Restored 1 checkpoint").says("\n2\n9\n");
    drop(run);
}

/// A root's `pin` that is killed between making `.retain` and giving it away.
#[test]
fn a_pin_of_roots_that_is_cut_off_locks_nobody_out_needs_root_needs_strace() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "strace -f -qq -o /dev/null -e trace=fchown -e inject=fchown:signal=KILL \
         $RETAIN pin {SESSION} 41 >&2 || echo killed\n\
         as pin {SESSION} 31\n\
         stat -c '%u %a' nsmlteam/mnist/4/nsml_model/.retain\n\
         $RETAIN pin {SESSION} 41\n\
         grep -c mark.pin nsmlteam/mnist/4/nsml_model/.retain/marks.toml\n\
         ls nsmlteam/mnist/4/nsml_model | wc -l"
    );
    let run = on_a_small_disk("4m", &script(&tree, &here, &body)).ok();
    drop(run.says("killed\n").says("1234 755\n").says("\n2\n9\n"));
}

/// What root took is root's to bring back, and a root that came to be shared is shared.
#[test]
fn a_lock_stands_in_nobodys_way_who_may_work_there_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "$RETAIN apply --yes -q --policy {eight} ${{now}}5T11:00:00Z >&2\n\
         stat -c '%u %a' .retain/lock\n\
         for dry in -n ''; do as undo last $dry ${{now}}5T11:30:00Z || echo rc=$?; done\n\
         chgrp 1234 .retain .retain/journal; chmod 2775 .retain .retain/journal\n\
         as rm {SESSION} 31 --yes ${{now}}5T12:00:00Z || echo rc=$?\n\
         $RETAIN purge --yes ${{now}}5T12:10:00Z\n\
         stat -c '%u %a' .retain/lock\n\
         as rm {SESSION} 31 --yes ${{now}}5T12:20:00Z\n\
         as undo ${{now}}5T12:30:00Z\n\
         ls nsmlteam/mnist/4/nsml_model | wc -l",
        eight = here.last(8, ""),
    );
    let run = on_a_small_disk("4m", &script(&tree, &here, &body)).ok();
    let run = run.says("0 600\nrc=6\nrc=6\nrc=1\n").says("0 644\n");
    let others = run.stderr.matches("belongs to user 0, who alone can act on it").count();
    assert_eq!(others, 2, "{run}");
    let run = run.warns("/r/.retain/lock` can be opened by user 0 alone").warns("`chmod 644 /");
    let run = run.says("Moved 1 checkpoint").says("Restored 1 checkpoint");
    assert!(run.stdout.ends_with("\n8\n"), "{run}");
}

/// A report that somebody reads goes on being theirs, whoever renews it.
#[test]
fn a_report_stays_its_owners_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = "umask 077; mkdir \"$M/o\"; chmod 755 \"$M/o\"; cd \"$M/o\"\n\
        for f in a b c; do echo old > $f; done\n\
        chown 1234:1235 a; chmod 664 a; chmod 666 c\n\
        $RETAIN usage --root ../r --html -o a\n\
        chown 1234 .\n\
        for f in b c; do as usage --root ../r --html -o $f; done\n\
        stat -c '%u:%g %a' a b c; grep -lc '</html>' a b c; ls -A | wc -l";
    let run = on_a_small_disk("4m", &script(&tree, &here, body)).ok();
    // Of the two that were root's, the user could write to one, and only take the place of the other.
    drop(run.says("1234:1235 664\n1234:1234 600\n0:0 666\na\nb\nc\n3\n"));
}
