//! Running `[[test]]` tables.

use super::{Policy, PolicyTest};
use crate::core::decide::decide;
use crate::core::decision::{Outcome, Verdict};
use crate::core::explain::Explainer;

/// What became of one test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// Checkpoints whose fate is another than expected, in the order of the inventory.
    pub failures: Vec<Failure>,
    /// All decisions, for whoever explains a failure.
    pub outcome: Outcome,
}

/// One checkpoint of the test's inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub session: usize,
    pub checkpoint: usize,
    /// Whether the test wanted it to survive; the policy decided the opposite.
    pub should_survive: bool,
}

impl TestResult {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl PolicyTest {
    /// Decides about the test's inventory. The brakes of `[safety]` are not applied: a test
    /// about three checkpoints would trip any.
    pub fn run(&self, policy: &Policy) -> TestResult {
        let outcome = decide(&self.inventory, policy, self.now);
        let mut failures = Vec::new();
        for (session, expected) in self.survives.iter().enumerate() {
            for (checkpoint, should_survive) in expected.iter().enumerate() {
                let Some(should_survive) = *should_survive else { continue };
                let survives = outcome.sessions[session].verdict(checkpoint) != Verdict::Delete;
                if survives != should_survive {
                    failures.push(Failure { session, checkpoint, should_survive });
                }
            }
        }
        TestResult { failures, outcome }
    }

    /// A failure in words: `checkpoint-2 is deleted, and the test wants it to survive (last: rank 4 of 3)`.
    pub fn explain(&self, policy: &Policy, result: &TestResult, failure: Failure) -> String {
        let session = &self.inventory.sessions[failure.session];
        let checkpoint = &session.checkpoints[failure.checkpoint];
        let decision = &result.outcome.sessions[failure.session];
        let explainer = Explainer { inventory: &self.inventory, policy };
        let reasons: Vec<String> = decision
            .reasons(failure.checkpoint)
            .iter()
            .map(|reason| explainer.reason(session, checkpoint, decision.policy, reason).text)
            .collect();
        let id = if self.inventory.sessions.len() > 1 {
            format!("{}:{}", session.name, checkpoint.id)
        } else {
            checkpoint.id.to_string()
        };
        let (is, wants) =
            if failure.should_survive { ("deleted", "survive") } else { ("kept", "be deleted") };
        format!("{id} is {is}, and the test wants it to {wants} ({})", reasons.join(" · "))
    }
}
