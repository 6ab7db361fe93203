//! What training frameworks leave on a disk, and how it is recognised.
//!
//! A [`Layout`] knows one framework. It is asked about one directory at a time, in the order of
//! [`builtin`], and answers with the checkpoints that lie in it, grouped into series: one series
//! becomes one session. A claim needs a name *and* content that fits (I2); what nobody claims is
//! never touched. Recognition looks at structure; [`Layout::enrich`] reads the facts afterwards,
//! once it is settled which claims stand.

use crate::core::declared::Definition;
use crate::core::model::{Marks, Pin, Pointer, Status, Step, Time};
use crate::store::Entry;
use std::collections::BTreeMap;

pub mod about;
pub mod accelerate;
pub mod allennlp;
pub mod composer;
pub mod deepspeed;
pub mod determined;
pub mod events;
pub mod fairseq;
pub mod flax;
pub mod folder;
pub mod generic;
pub mod hf_trainer;
pub mod ignite;
pub mod join;
pub mod keras;
pub mod lightning;
pub mod megatron;
pub mod metric;
pub mod mmengine;
pub mod nanogpt;
pub mod nemo;
pub mod nsml;
pub mod orbax;
pub mod outside;
pub mod pointer;
pub mod propose;
pub mod ray;
pub mod ray_train;
pub mod ray_tune;
pub mod record;
pub mod shaped;
pub mod tensorflow;
pub mod timm;
pub mod torch_dcp;
pub mod torchtnt;
pub mod ultralytics;
pub mod words;

pub use about::About;
pub use folder::{Folder, Peek};
pub use metric::{Metrics, Source};

/// One framework's way to leave checkpoints on a disk.
pub trait Layout: Send + Sync {
    /// The name in inventories and policies: `hf_trainer`.
    fn name(&self) -> &str;

    /// What it recognises and how, for people.
    fn about(&self) -> About;

    /// The checkpoints among the entries of `folder`. Opens only what it needs to be sure.
    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series>;

    /// Why an entry that it does not claim is none of its checkpoints though it looks like one, as
    /// text for a person; `None` if it does not look like one at all.
    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String>;

    /// Logs that [`Layout::enrich`] reads by itself, and that therefore are no sidecars.
    fn own_logs(&self) -> &[&str] {
        &[]
    }

    /// Whether whoever trains decides what is in a checkpoint, be it a directory of another framework.
    fn holds_anything(&self) -> bool {
        false
    }

    /// Reads what the framework recorded about a series: metrics, pointers, completeness.
    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes);
}

/// The built-in layouts, in the order they are asked.
pub fn builtin() -> Vec<Box<dyn Layout>> {
    vec![
        Box::new(nsml::Nsml),
        Box::new(hf_trainer::HfTrainer),
        Box::new(nemo::Nemo),
        Box::new(lightning::Lightning),
        Box::new(orbax::Orbax),
        Box::new(torch_dcp::TorchDcp),
        Box::new(megatron::Megatron),
        Box::new(deepspeed::DeepSpeed),
        Box::new(tensorflow::TensorFlow),
        Box::new(ray_tune::RayTune),
        Box::new(ray_train::RayTrain),
        Box::new(mmengine::MmEngine),
        Box::new(timm::Timm),
        Box::new(ultralytics::Ultralytics),
        Box::new(keras::Keras),
        Box::new(flax::Flax),
        Box::new(fairseq::Fairseq),
        Box::new(accelerate::Accelerate),
        Box::new(determined::Determined),
        Box::new(torchtnt::TorchTnt),
        Box::new(ignite::Ignite),
        Box::new(composer::Composer),
        Box::new(allennlp::AllenNlp),
        Box::new(nanogpt::NanoGpt),
    ]
}

/// Declared layouts, and after them the built-in ones.
///
/// # Errors
/// A regular expression that is none; definitions that were read have been checked.
pub fn with(declared: &[Definition]) -> Result<Vec<Box<dyn Layout>>, regex::Error> {
    let mut all: Vec<Box<dyn Layout>> = Vec::new();
    for definition in declared {
        all.push(Box::new(generic::Generic::new(definition)?));
    }
    all.extend(builtin());
    Ok(all)
}

/// Checkpoints of one training run in one directory.
#[derive(Debug, Default)]
pub struct Series {
    /// Tells several series in one directory apart; empty if there is only one.
    pub prefix: String,
    /// How many of the directory's last components are the layout's own (`checkpoints`), and so no
    /// part of the session's name.
    pub own_components: usize,
    pub status: Status,
    pub tags: Vec<String>,
    /// What the session continues: protected there while this one is running.
    pub parent: Option<Parent>,
    /// Paths in it that may lead to a checkpoint of another folder.
    pub leads: Vec<pointer::Lead>,
    pub claims: Vec<Claim>,
}

/// A checkpoint of another session that this one started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    pub session: String,
    pub checkpoint: String,
}

/// One checkpoint as a layout sees it.
#[derive(Debug, Default)]
pub struct Claim {
    /// Names of the entries it is made of, or paths below the directory (`mp_rank_00/a.ckpt`);
    /// the one that makes it loadable comes first. The scan hides what a claim names from the
    /// layouts that are asked about the directories below.
    pub entries: Vec<Box<[u8]>>,
    /// Unique in its series.
    pub id: String,
    pub step: Option<Step>,
    pub epoch: Option<Step>,
    /// As the framework recorded it; the files' own time is used without it.
    pub saved_at: Option<Time>,
    pub elapsed: Option<f64>,
    pub summary: Option<String>,
    pub complete: bool,
    pub marks: Marks,
    pub tags: Vec<String>,
    pub needs: Vec<String>,
    pub pointers: Vec<Pointer>,
    pub metrics: Metrics,
    pub pin: Option<Pin>,
}

impl Claim {
    /// A complete checkpoint that is one entry.
    pub fn of_entry(name: &[u8]) -> Claim {
        Claim {
            entries: vec![name.into()],
            id: crate::core::name::encode(name).into_owned(),
            complete: true,
            ..Claim::default()
        }
    }

    /// The name of its first entry.
    pub fn name(&self) -> &[u8] {
        self.entries.first().map_or(b"", |e| e)
    }
}

/// What went wrong, or must be left alone, while a directory was looked at.
#[derive(Debug, Default)]
pub struct Notes {
    pub faults: Vec<Note>,
    /// Entries that are no checkpoints and must not be entered either.
    pub closed: Vec<Box<[u8]>>,
    /// What a framework left that is never a candidate: closed, but known.
    pub never: Vec<Never>,
}

/// An entry that a layout recognised and that is no checkpoint to keep or to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Never {
    /// Path below the root, raw.
    pub path: Vec<u8>,
    /// What it is, for a person: `overwritten in place by nanoGPT`.
    pub what: String,
}

/// Something that could not be read or resolved: the sessions of its directory lose nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Path below the root, raw.
    pub path: Vec<u8>,
    pub text: String,
}

/// Claims as one series for each prefix; a prefix that is the only one is not told.
pub fn by_prefix(claims: Vec<(String, Claim)>) -> Vec<Series> {
    let mut series: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
    for (prefix, claim) in claims {
        series.entry(prefix).or_default().push(claim);
    }
    let alone = series.len() == 1;
    let told = |prefix: String| if alone { String::new() } else { prefix };
    series
        .into_iter()
        .map(|(prefix, claims)| Series { prefix: told(prefix), claims, ..Series::default() })
        .collect()
}

/// The number at the end of a name: `global_step40`, `step=40`.
pub fn trailing_step(name: &str) -> Option<Step> {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[name.len() - digits..].parse().ok().map(Step::Whole)
}

impl Notes {
    pub fn fault(&mut self, path: Vec<u8>, text: impl Into<String>) {
        self.faults.push(Note { path, text: text.into() });
    }

    /// Recognised, and never a candidate: it is not entered, not counted as unrecognised, and
    /// never in a plan.
    pub fn never(&mut self, folder: &Folder<'_>, entry: &[u8], what: impl Into<String>) {
        self.closed.push(entry.into());
        self.never.push(Never { path: folder.join(entry), what: what.into() });
    }
}
