//! Metrics from sidecars and from an `MLflow` file store.

use crate::tree::Tree;
use retain::scan::Scan;

fn metrics(scan: &Scan) -> Vec<String> {
    let session = &scan.inventory.sessions[0];
    let one = |c: &retain::core::model::Checkpoint| {
        let sources = &c.extra.as_ref().unwrap().sources;
        let mut all: Vec<_> = c
            .metrics
            .iter()
            .zip(sources)
            .map(|(m, s)| format!("{}={} ({})", scan.inventory.names.name(m.0), m.1, s.1))
            .collect();
        all.sort();
        format!("{}: {}", c.id, all.join(" "))
    };
    session.checkpoints.iter().map(one).collect()
}

fn dcp(tree: &Tree, path: &str) {
    tree.file(&format!("{path}/__0_0.distcp"), "").file(&format!("{path}/.metadata"), "");
}

#[test]
fn sidecars_name_a_checkpoint_by_id_step_or_epoch() {
    let table = [
        ("metrics.csv", "step,loss,time\n10,0.5,1\n10,0.25,2\n20,nan,3\n30,"),
        (
            "metrics.jsonl",
            "{\"checkpoint\": \"s-10\", \"loss\": 0.25, \"tag\": \"x\"}\n\n{\"step\": 20, \"loss\": NaN}\n{\"step\"",
        ),
        ("metrics.json", r#"{"s-10": {"loss": 0.25}, "s-20": {"loss": null}, "about": "x"}"#),
        ("metrics.json", r#"[{"step": 10.0, "loss": 0.25}, {"id": "s-20", "loss": NaN}]"#),
    ];
    for (file, content) in table {
        let tree = Tree::new();
        dcp(&tree, "run/s-10");
        dcp(&tree, "run/s-20");
        tree.file(&format!("run/{file}"), content);
        let scan = tree.scan();
        assert_eq!(scan.faults, [], "{content}");
        let want = [format!("s-10: loss=0.25 ({file})"), format!("s-20: loss=NaN ({file})")];
        assert_eq!(metrics(&scan), want, "{content}");
    }
}

#[test]
fn two_sources_that_disagree_are_a_conflict() {
    let tree = Tree::new();
    dcp(&tree, "run/s-10");
    tree.file("run/metrics.csv", "step,loss\n10,0.5\n")
        .file("run/metrics.jsonl", "{\"step\": 10, \"loss\": 0.75}\n");
    let scan = tree.scan();
    let c = &scan.inventory.sessions[0].checkpoints[0];
    assert_eq!(*c.conflicts(), ["loss is 0.75 in metrics.jsonl and 0.5 in metrics.csv".into()]);
}

#[test]
fn a_damaged_sidecar_keeps_the_session() {
    for (file, content) in
        [("metrics.json", "{"), ("metrics.jsonl", "{\n{}\n"), ("metrics.csv", "step,loss\n1,2,3\n")]
    {
        let tree = Tree::new();
        dcp(&tree, "run/s-10");
        tree.file(&format!("run/{file}"), content);
        assert_eq!(tree.scan().inventory.sessions[0].tainted.len(), 1, "{file}");
    }
}

#[test]
fn an_mlflow_run_knows_its_artifacts() {
    let tree = Tree::unpacked("mlflow.tar.gz");
    let run = "mlflow/mlruns/572311225000265061/e99e432a6a144eb4b7da62b5f09db845";
    for step in [10, 20, 30, 40, 50] {
        dcp(&tree, &format!("{run}/artifacts/checkpoints/step_{step}"));
    }
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    insta::assert_snapshot!(metrics(&scan).join("\n"));

    tree.file(&format!("{run}/metrics/val/f1"), "1 0.5 10\n2 0.75 20\n3 0");
    assert_eq!(tree.scan().inventory.sessions[0].checkpoints[1].metrics.len(), 2);
    tree.file(&format!("{run}/metrics/torn"), "no value\n1 0.5 10\n");
    assert!(tree.scan().inventory.sessions[0].tainted[0].ends_with("line 1 of torn is no value"));
}
