//! A storage without any room.

use crate::nsml::{self, SESSION};
use crate::several::{Here, script};
use crate::support::Run;
use crate::usage::on_a_small_disk;

/// A full disk can be emptied: the root's journal has its room, and gets it back.
#[test]
fn f1_a_disk_without_any_room_is_emptied_needs_root() {
    for user in [false, true] {
        let (tree, here) = (nsml::storage(), Here::new());
        let (as_user, own) = if user { ("as", "chown 1234:1234 .; ") } else { ("$RETAIN", "") };
        let body = format!(
            "{own}rm -rf .retain; {as_user} init . ${{now}}5T10:00:00Z >&2\n\
             {as_user} apply --yes -q --policy {eight} ${{now}}5T11:00:00Z >&2\n\
             {as_user} apply --yes -q --policy {seven} ${{now}}5T12:00:00Z >&2\n\
             full() {{ dd if=/dev/zero of=fill bs=1k 2>/dev/null || true; dd if=/dev/zero bs=1 >> fill 2>/dev/null || true; }}\n\
             full; {as_user} undo ${{now}}5T13:00:00Z; full\n\
             {as_user} purge --all --yes ${{now}}5T14:00:00Z; ls -s .retain/journal/spare | grep -c spare\n\
             full; {as_user} rm {SESSION} 1 --purge --yes ${{now}}5T15:00:00Z; full\n\
             find .retain/journal -name '*.0*' -size 0 | wc -l\n\
             {as_user} log -q ${{now}}5T16:00:00Z > /dev/null; ls nsmlteam/mnist/4/nsml_model | tr '\\n' ' '",
            eight = here.last(8, ""),
            seven = here.last(7, ""),
        );
        let run = on_a_small_disk("16m", &script(&tree, &here, &body)).ok();
        let run = run.says("Restored 1 checkpoint").says("Purged 1 checkpoint (104.00 KiB)");
        let run = run.says("\n1\n").says("Deleted 1 checkpoint");
        assert!(!run.stderr.contains("interrupted"), "{run}");
        let run = run.says("\n0\n").says("\n11 2 21 3 31 4 41");
        drop(run);
    }
}

/// Where room has to be made before anything moves, a plan that was carried out makes none.
#[test]
fn a_stale_plan_purges_nothing_on_a_small_disk_either_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "$RETAIN plan -o $HERE/plan.json --policy {eight} ${{now}}5T11:00:00Z >&2\n\
         $RETAIN apply $HERE/plan.json --yes ${{now}}5T11:00:00Z >&2\n\
         $RETAIN apply $HERE/plan.json --yes ${{now}}6T10:59:00Z > /dev/null || echo rc=$?\n\
         $RETAIN undo ${{now}}6T11:30:00Z; ls nsmlteam/mnist/4/nsml_model | wc -l",
        eight = here.last(8, ""),
    );
    let run = on_a_small_disk("8m", &script(&tree, &here, &body)).ok().warns("already");
    assert!(!run.stderr.contains("purged"), "{run}");
    drop(run.says("rc=5\n").says("Restored 1 checkpoint").says("\n9\n"));
}

/// Without room that was kept back: nothing is begun, nothing is left, and what helps is said.
#[test]
fn f1_a_journal_without_room_leaves_nothing_and_says_what_helps_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "$RETAIN apply --yes -q --policy {eight} ${{now}}5T11:00:00Z >&2\n\
         rm -f .retain/journal/spare; ls .retain/journal | sort > $HERE/before\n\
         dd if=/dev/zero of=fill bs=1k 2>/dev/null || true; dd if=/dev/zero bs=1 >> fill 2>/dev/null || true\n\
         $RETAIN purge --all --yes ${{now}}5T14:00:00Z || echo rc=$?\n\
         $RETAIN apply --yes -q --policy {seven} ${{now}}5T14:00:00Z || echo rc=$?\n\
         ls .retain/journal | sort | cmp - $HERE/before && echo same\n\
         rm fill; $RETAIN purge --all --yes ${{now}}5T15:00:00Z",
        eight = here.last(8, ""),
        seven = here.last(7, ""),
    );
    let run = on_a_small_disk("16m", &script(&tree, &here, &body)).ok();
    let run: Run = run.warns("No space left on device").warns("free some room on this disk");
    assert!(!run.stderr.contains("interrupted"), "{run}");
    assert_eq!(run.stdout.matches("rc=1").count(), 2, "{run}");
    drop(run.says("same\n").says("Purged 1 checkpoint"));
}

/// An apply that finds no room for its journal leaves what was kept back to whoever empties the disk.
#[test]
fn f1_an_apply_without_room_leaves_it_to_the_purge_needs_root() {
    let (tree, here) = (nsml::storage(), Here::new());
    let body = format!(
        "$RETAIN apply --yes -q --policy {eight} ${{now}}5T11:00:00Z >&2\n\
         for n in $(seq 10 79); do for c in 0 31 41; do\n\
         d=nsmlteam/mnist/$n/nsml_model/$c; mkdir -p $d/model; echo x > $d/model/weights\n\
         cp -p nsmlteam/mnist/4/nsml_model/41/metadata.json $d; sed -i s/41/$c/ $d/metadata.json; done\n\
         cp -p nsmlteam/mnist/4/session.json nsmlteam/mnist/$n; done; chown -R 1234:1234 nsmlteam/mnist/[1-9][0-9]\n\
         full() {{ dd if=/dev/zero of=fill bs=1k 2>/dev/null || true; dd if=/dev/zero bs=1 >> fill 2>/dev/null || true; }}\n\
         ls .retain/journal | sort > $HERE/before; full\n\
         for n in 1 2; do $RETAIN apply --yes -q --policy {two} ${{now}}5T12:00:00Z || echo rc=$?; full; done\n\
         ls .retain/journal | sort | cmp - $HERE/before && echo same\n\
         $RETAIN purge --all --yes ${{now}}5T13:00:00Z; ls -s .retain/journal/spare | grep -c spare",
        eight = here.last(8, ""),
        two = here.last(2, ""),
    );
    let run = on_a_small_disk("16m", &script(&tree, &here, &body)).ok();
    let run = run.warns("reserve space for the journal").warns("free some room on this disk");
    assert_eq!(run.stdout.matches("rc=1").count(), 2, "{run}");
    assert!(!run.stderr.contains("interrupted"), "{run}");
    drop(run.says("same\n").says("Purged 1 checkpoint (104.00 KiB)").says("\n1\n"));
}
