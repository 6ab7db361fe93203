//! Rules that look across sessions: evaluated once for each group, before the sessions are decided.

use super::rules::{self, Answer, Member, Setting, Sheet};
use super::{SessionView, witness};
use crate::core::model::Names;
use crate::core::order::Order;
use crate::core::policy::Across;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Answers of all rules with `across`.
#[derive(Default)]
pub struct AcrossAnswers {
    /// By (session, rule): one answer for each of the session's members, in their order.
    answers: HashMap<(u32, u16), Vec<Answer>>,
    /// For each group who holds a place in it, as (session, checkpoint); and for each session the
    /// groups it is in.
    pub places: Vec<Vec<(u32, u32)>>,
    pub groups_of: HashMap<u32, Vec<usize>>,
}

impl AcrossAnswers {
    pub fn get(&self, session: u32, rule: u16) -> Option<&[Answer]> {
        self.answers.get(&(session, rule)).map(Vec::as_slice)
    }
}

/// Policy, rule and what the sessions share.
type Key<'a> = (u16, u16, &'a str);

pub fn evaluate(views: &[Option<SessionView<'_>>], names: &Names) -> AcrossAnswers {
    let mut groups: BTreeMap<Key<'_>, Vec<&SessionView<'_>>> = BTreeMap::new();
    for view in views.iter().flatten() {
        for (r, rule) in (0..).zip(&view.policy.keep) {
            let shared = match rule.across {
                Across::Session => continue,
                Across::Folder => view.session.name.rsplit_once('/').map_or("", |(f, _)| f),
                Across::Owner => &view.session.owner,
                Across::Policy => "",
            };
            groups.entry((view.policy_index, r, shared)).or_default().push(view);
        }
    }
    let groups: Vec<_> = groups.into_iter().collect();
    let evaluated: Vec<Vec<Vec<Answer>>> = groups
        .par_iter()
        .map(|((_, rule, _), views)| evaluate_group(views, *rule, names))
        .collect();

    let mut across = AcrossAnswers::default();
    for (number, (((_, rule, _), views), answers)) in groups.into_iter().zip(evaluated).enumerate()
    {
        let mut places = Vec::new();
        for (view, answers) in views.iter().zip(answers) {
            let holders = view.members.iter().zip(&answers);
            places.extend(
                holders
                    .filter(|(_, a)| witness::holds_a_place(&a.reason))
                    .map(|(&checkpoint, _)| (view.index, checkpoint)),
            );
            across.answers.insert((view.index, rule), answers);
            across.groups_of.entry(view.index).or_default().push(number);
        }
        across.places.push(places);
    }
    across
}

/// The answers of each session's members, in the order of `views`.
fn evaluate_group(views: &[&SessionView<'_>], rule: u16, names: &Names) -> Vec<Vec<Answer>> {
    let first = views[0];
    // Times compare across sessions only if they are what every one of them goes by, a session of
    // which nothing is seen included: else not seeing its last checkpoint could delete another one.
    let by_time = views.iter().all(|v| v.order == Order::Saved);
    let order = if by_time { Order::Saved } else { Order::Step };
    let mut members: Vec<(Member<'_>, usize)> = Vec::new();
    for (session, view) in (0..).zip(views) {
        for (place, &i) in view.members.iter().enumerate() {
            let checkpoint = &view.session.checkpoints[i as usize];
            members.push((Member { checkpoint, tags: &view.session.tags, session }, place));
        }
    }
    members.sort_by(|(a, _), (b, _)| {
        order.cmp(b.checkpoint, a.checkpoint).then_with(|| b.session.cmp(&a.session))
    });
    let seen: Vec<Member<'_>> = members.iter().map(|(m, _)| *m).collect();
    let setting = Setting { names, now: first.now, zone: first.policy.timezone };
    let mut sheet = Sheet::default();
    let kind = &first.policy.keep[usize::from(rule)];
    rules::evaluate(kind, rule, &seen, setting, &mut sheet);

    let mut by_session: Vec<Vec<(usize, Answer)>> = vec![Vec::new(); views.len()];
    for ((member, place), answer) in members.iter().zip(sheet.answers) {
        by_session[member.session as usize].push((*place, answer));
    }
    by_session
        .into_iter()
        .map(|mut answers| {
            answers.sort_unstable_by_key(|(place, _)| *place);
            answers.into_iter().map(|(_, answer)| answer).collect()
        })
        .collect()
}
