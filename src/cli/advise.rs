//! `retain advise`: numbers for the policy in force, so that what it keeps fits. Changes nothing.

use super::context::{Context, InForce};
use super::exit::Exit;
use super::failure::Failure;
use super::simulate::{failure, interval};
use super::work;
use crate::core::advise::{Advice, Candidate, DEPTH, Held, advise};
use crate::core::policy::{self, Origins, Policy, RuleKind};
use crate::report::human;
use crate::report::table::{Align, Table};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// What all sessions may use together, such as 200GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    fit: u64,

    /// How often the policy would have run, for what it would have lost on the way
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = interval)]
    every: u64,

    /// Advise about what this file of `retain inventory`, or of another tool, lists; reads no root
    ///
    /// Several, of parts of one storage, are put together.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,
}

fn size(text: &str) -> Result<u64, String> {
    policy::parse_size(text).map_err(|e| format!("{e}; {}", e.help()))
}

pub fn run(context: &Context, args: &AdviseArgs) -> Result<Exit, Failure> {
    let config = match args.inventory[..] {
        [] => context.config()?,
        _ => context.config_without_root()?,
    };
    let in_force = context.announced_policy(&config)?;
    let seen = match &args.inventory[..] {
        [file, more @ ..] => work::read_inventories(file, more)?,
        [] => work::scan(context, &config)?,
    };
    let advice = advise(&seen.inventory, &in_force.policy, context.now, args.fit, args.every)
        .map_err(failure)?;
    let text = toml(&advice.table[advice.chosen]);
    if context.ui.json {
        context.ui.json(&as_json(&advice, &text, args.fit, &in_force.policy))?;
    } else {
        context.ui.out(&page(&advice, &text, args.fit, &in_force))?;
    }
    if !advice.fits {
        let least = human::size(advice.table[advice.chosen].bytes);
        context.ui.warn(format!(
            "nothing fits into {}: the least is {least}{}",
            human::size(args.fit),
            held(&advice.held)
        ));
    }
    Ok(work::finish(context, seen).and_if(!advice.fits, Exit::Unreachable))
}

/// `, of which 1 GiB is protected`: what no numbers can give back.
fn held(held: &Held) -> String {
    let parts: Vec<String> = [
        (held.protected, "protected"),
        (held.young, "younger than min-age"),
        (held.untouched, "in no policy"),
    ]
    .into_iter()
    .filter(|(bytes, _)| *bytes > 0)
    .map(|(bytes, what)| format!("{} is {what}", human::size(bytes)))
    .collect();
    if parts.is_empty() { String::new() } else { format!(", of which {}", parts.join(", ")) }
}

/// The policy as a file: every setting is written out, so nothing depends on a default.
fn toml(candidate: &Candidate) -> String {
    let shown = policy::show(&candidate.policy, &Origins::default());
    let lines =
        shown.lines().skip(1).filter(|l| !(l.starts_with("# ") && l.ends_with("# default")));
    let lines = lines.map(|l| l.strip_suffix("  # default").unwrap_or(l));
    lines.fold(String::new(), |out, line| out + line + "\n")
}

fn rules(candidate: &Candidate) -> String {
    let n = candidate.numbers;
    let mut text = if n.best > 0 { format!("best {}, ", n.best) } else { String::new() };
    let _ = write!(text, "last {}", n.last);
    if let Some((period, count)) = n.interval {
        let _ = write!(text, ", {} {count}", period.key());
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Rules of a policy that no combination has.
fn left_out(policy: &Policy) -> Vec<&'static str> {
    let rules = policy.policies.iter().flat_map(|p| &p.keep).filter(|rule| !rule.hard);
    let mut words: Vec<&str> = rules
        .filter_map(|rule| match rule.kind {
            RuleKind::First(_) => Some("first"),
            RuleKind::Within { .. } => Some("within"),
            RuleKind::Every { .. } => Some("every"),
            RuleKind::EverySteps { .. } => Some("every-steps"),
            RuleKind::EveryEpochs { .. } => Some("every-epochs"),
            _ => None,
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The policy under what it comes to, all of that as comments: the page is a policy file.
fn page(advice: &Advice, toml: &str, fit: u64, of: &InForce) -> String {
    let chosen = &advice.table[advice.chosen];
    let mut table = Table::new([
        ("", Align::Left),
        ("Rules", Align::Left),
        ("Keeps", Align::Right),
        ("Size", Align::Right),
        ("Loss", Align::Right),
        ("Peak", Align::Right),
        ("Loss then", Align::Right),
        ("Regret", Align::Right),
    ]);
    for (i, c) in advice.table.iter().enumerate() {
        let past = c.past.as_ref();
        let then =
            |f: &dyn Fn(&crate::core::advise::Past) -> String| past.map_or_else(String::new, f);
        table.row([
            if i == advice.chosen { "->" } else { "" }.into(),
            rules(c).into(),
            human::grouped(c.kept).into(),
            human::size(c.bytes).into(),
            percent(c.loss).into(),
            then(&|p| human::size(p.peak)).into(),
            then(&|p| percent(p.loss)).into(),
            then(&|p| human::grouped(p.regrets)).into(),
        ]);
    }
    let mut head = format!(
        "retain advise --fit {}, from {}\n\n\
         Keeps {} and {}, deletes {}.\n\n",
        policy::format_size(fit),
        of.source,
        human::count(chosen.kept, "checkpoint"),
        human::size(chosen.bytes),
        human::count(chosen.deleted, "checkpoint"),
    );
    if advice.held.is_mostly_young() {
        let _ = write!(
            head,
            "{} of that is younger than min-age, and kept whatever the numbers are: ask again when it is older.\n\n",
            human::size(advice.held.young)
        );
    }
    let gone = left_out(&of.policy);
    if !gone.is_empty() {
        let _ = write!(
            head,
            "Rules of {} that are left out, for these numbers stand in their place: {}. Those that are\n\
             to stay are `hard = true` there.\n\n",
            of.source,
            gone.join(", ")
        );
    }
    head.push_str(&anstream::adapter::strip_str(&table.render()).to_string());
    let _ = write!(
        head,
        "\nLoss: how much worse the best {DEPTH} of each session are that stay, of the span between its\n\
         best and its worst. Peak, \"loss then\" and regret: had the policy run from the start."
    );
    let commented =
        head.lines().fold(String::new(), |out, line| out + format!("# {line}").trim_end() + "\n");
    format!("{commented}\n{toml}")
}

fn as_json(advice: &Advice, toml: &str, fit: u64, of: &Policy) -> Value {
    let table = advice.table.iter().map(|c| {
        json!({
            "best": c.numbers.best,
            "last": c.numbers.last,
            "interval": c.numbers.interval.map(|(p, n)| json!({ p.key(): n })),
            "bytes": c.bytes,
            "kept": c.kept,
            "deleted": c.deleted,
            "loss": c.loss,
            "past": c.past.as_ref().map(|p| json!({
                "peak_bytes": p.peak, "loss": p.loss, "regrets": p.regrets,
            })),
        })
    });
    json!({
        "format": "retain-advice/1",
        "fit_bytes": fit,
        "fits": advice.fits,
        "chosen": advice.chosen,
        "young_bytes": advice.held.young,
        "left_out": left_out(of),
        "table": table.collect::<Vec<_>>(),
        "policy": toml,
    })
}
