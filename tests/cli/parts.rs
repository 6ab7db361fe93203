//! Inventories of parts of one storage: several `--inventory` are put together.

use crate::nsml::{self, LAST_TWO, SESSION, world};
use crate::support::World;

/// Parts that several scans made of one storage, also if they overlap.
#[test]
fn inventories_are_put_together() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "other/cifar/1");
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let whole = world.home().join("whole.jsonl");
    world.run(["inventory", "-o", whole.to_str().unwrap()]).ok();
    let text = std::fs::read_to_string(&whole).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let part = |name: &str, session: &str| {
        let is = |l: &&&str| l.contains(&format!("\"session\":\"{session}\""));
        let of: Vec<&str> = lines.iter().filter(is).copied().collect();
        let end = format!(r#"{{"end":true,"sessions":1,"checkpoints":{}}}"#, of.len() - 1);
        let file = world.home().join(name);
        std::fs::write(&file, [&[lines[0]], &of[..], &[&end]].concat().join("\n")).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (one, two) = (part("1.jsonl", SESSION), part("2.jsonl", "other/cifar/1"));
    let of = |files: &[&str]| {
        let files = files.iter().flat_map(|file| ["--inventory", file]);
        let args = ["plan", "--json", "--policy", &policy].into_iter().chain(files);
        World::new().run(args.collect::<Vec<_>>()).ok().json()
    };
    let all = of(&[whole.to_str().unwrap()]);
    for files in [&[&*one, &*two][..], &[&two, &one, &one], &[whole.to_str().unwrap(), &two]] {
        let read = of(files);
        assert_eq!(read["totals"], all["totals"], "{files:?}");
        assert_eq!(read["root"]["id"], all["root"]["id"], "{files:?}");
    }
    assert_eq!(of(&[&one])["totals"]["checkpoints"], 9);
    // What they differ in keeps its session.
    let changed = std::fs::read_to_string(&two).unwrap().replacen("\"bytes\":", "\"bytes\":1", 1);
    std::fs::write(world.home().join("3.jsonl"), changed).unwrap();
    let three = world.home().join("3.jsonl");
    let args = ["plan", "--policy", &policy, "--inventory", &two, "--inventory"];
    let run = World::new().run([&args[..], &[three.to_str().unwrap()]].concat()).code(3);
    run.says("is kept whole: two inventories differ").says("Nothing to delete");
}
