//! Keras: files by a user's template, `{epoch:02d}-{val_loss:.2f}.keras` and the like.
//!
//! Names alone prove little here: a folder of models may look like a run. Several files count only
//! as one if a log of epochs lies beside them, or the names hold an epoch or a metric, or they are
//! of nearly one size, as the checkpoints of one model are, and numbered as a template numbers. What
//! `BackupAndRestore` keeps is its own and never claimed.

use super::folder::{Folder, cannot_read};
use super::join::{Join, Logged};
use super::metric::Source;
use super::shaped::{self, Shaped};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::called;
use crate::core::model::Step;
use crate::core::name::encode;
use crate::format::csv::{CsvError, Reader};
use crate::format::shape::{self, Shape};
use crate::store::{Entry, Kind};
use std::io;

pub mod logs;
pub mod name;

use name::{Pieces, Template, templates};

pub struct Keras;

const BACKUP: &[u8] = b"training_metadata.json";
/// What people call the file that `CSVLogger` asks a name for.
const LOGS: [&str; 6] =
    ["training.log", "training.csv", "train.log", "log.csv", "logs.csv", "history.csv"];

const JOIN: Join = Join {
    column: "epoch",
    offset: 1,
    why: "the log counts epochs from zero, the templates of names from one",
};

/// Longest first: `.weights.h5` ends in `.h5` too.
const EXTENSIONS: [&str; 4] = [".weights.h5", ".keras", ".h5", ".hdf5"];
/// What stands near the start of an HDF5 file that Keras wrote a whole model to.
const H5_PROOF: &[u8] = b"keras_version";
const H5_PROOF_WITHIN: usize = 64 << 10;

struct File {
    name: Box<[u8]>,
    pieces: Pieces,
    extension: &'static str,
    shape: Shape,
    len: u64,
}

const ABOUT: About = About {
    unit: "file",
    name: "by a template, `.keras`, `.weights.h5`, `.h5`",
    signature: "the format, and a log beside it, an epoch or metric in the names, or one size and numbers as in `step_4`, `ckpt_4`, `04`",
    order: "the name's epoch",
    metrics: "`training.log`, which counts from 0, without it event files; name",
    pointers: "names with `best`, `last` are marked",
    unfinished: "it breaks off",
    traps: "a folder of models is no run: `fold_1`, `seed_1`, a date. `backup/` is never a candidate",
};

impl Layout for Keras {
    fn name(&self) -> &'static str {
        "keras"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if folder.entry(BACKUP).is_some() {
            let known: [&[u8]; 2] = [b"latest.weights.h5", BACKUP];
            for entry in folder.entries() {
                if known.iter().any(|k| entry.name.starts_with(k)) {
                    notes.never(folder, &entry.name, "what `BackupAndRestore` resumes from");
                }
            }
            return Vec::new();
        }
        let files = files(folder, notes);
        if files.is_empty() {
            return Vec::new();
        }
        let logged = log_of(folder).is_some();
        let mut series: Vec<Series> = Vec::new();
        for extension in EXTENSIONS {
            let group: Vec<&File> = files.iter().filter(|f| f.extension == extension).collect();
            let pieces: Vec<Pieces> = group.iter().map(|f| f.pieces.clone()).collect();
            for template in templates(&pieces) {
                let members: Vec<(&File, u64)> =
                    template.members.iter().map(|&(i, n)| (group[i], n)).collect();
                if logged || proves_itself(&template, &members) {
                    series.push(of_template(&template, extension, &members));
                }
            }
        }
        let copies: Vec<Shaped> = files.iter().filter_map(copy).collect();
        if let Some(first) = series.first_mut() {
            first.claims.extend(shaped::settle(copies));
        } else if logged && !copies.is_empty() {
            series.push(Series { claims: shaped::settle(copies), ..Series::default() });
        }
        if let [only] = &mut series[..] {
            only.prefix = String::new();
        }
        series
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        let (_, extension) = split(std::str::from_utf8(&entry.name).ok()?)?;
        match entry.kind {
            Kind::Symlink => return Some("a link is never a checkpoint of its own".to_owned()),
            Kind::File => {}
            _ => return None,
        }
        let is_format =
            look(folder, entry, extension).is_ok_and(|(shape, _)| shape != Shape::Other);
        Some(match extension {
            _ if is_format => {
                "no log of epochs beside it, no epoch or metric in its name, and no others like it \
                 of its size that are numbered 01, 02; or what it counts is a fold, a seed or a day"
            }
            ".keras" => "it is no zip as Keras writes",
            ".weights.h5" => "it is no HDF5 file",
            _ => "it is no HDF5 file with keras_version near its start",
        }
        .to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in series.claims.iter_mut().filter(|c| c.epoch.is_some()) {
            let (stem, _) = split(&claim.id).unwrap_or((&claim.id, ""));
            for (name, value, half_unit) in Pieces::cut(stem).metrics() {
                claim.metrics.offer(&name, value, Source::Name { half_unit });
            }
        }
        let Some(log) = log_of(folder) else { return logs::offer(folder, series, notes) };
        let read =
            folder.dir.file(log.as_bytes()).map_err(|e| cannot_read(log, &e)).and_then(|file| {
                let is_metric = |c: &str| c != "lr" && c != "learning_rate";
                Logged::csv(&*file, &JOIN, log, is_metric).map_err(|e| format!("{log}: {e}"))
            });
        match read {
            Ok(logged) => series.claims.iter_mut().for_each(|c| logged.offer(c, c.epoch)),
            Err(text) => notes.fault(folder.join(log.as_bytes()), text),
        }
    }
}

/// The stem and the extension of a file that Keras may have written.
fn split(name: &str) -> Option<(&str, &'static str)> {
    EXTENSIONS.iter().find_map(|e| Some((name.strip_suffix(e)?, *e)))
}

fn files(folder: &Folder<'_>, notes: &mut Notes) -> Vec<File> {
    let mut files = Vec::new();
    for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
        let Ok(text) = std::str::from_utf8(&entry.name) else { continue };
        let Some((stem, extension)) = split(text).filter(|(stem, _)| !stem.is_empty()) else {
            continue;
        };
        let look = look(folder, entry, extension);
        match look {
            // A file of another kind is a stranger's: there is no other marker here.
            Ok((Shape::Other, _)) => {}
            Ok((shape, len)) => files.push(File {
                name: (&entry.name).into(),
                pieces: Pieces::cut(stem),
                extension,
                shape,
                len,
            }),
            Err(e) => notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e)),
        }
    }
    files
}

/// What a file is, and its length.
fn look(folder: &Folder<'_>, entry: &Entry, extension: &str) -> io::Result<(Shape, u64)> {
    let file = folder.dir.file(&entry.name)?;
    let shape = if extension == ".keras" { shape::keras(&*file) } else { shape::hdf5(&*file) }?;
    let needs_proof = matches!(extension, ".h5" | ".hdf5") && shape != Shape::Empty;
    let proof = !needs_proof || contains(&file.read_at(0, H5_PROOF_WITHIN)?, H5_PROOF);
    Ok((if proof { shape } else { Shape::Other }, file.len()))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// Whether the files of a template are a run's, without a log that says so.
fn proves_itself(template: &Template, members: &[(&File, u64)]) -> bool {
    if members.iter().all(|(file, _)| file.shape == Shape::Empty) {
        return false;
    }
    if members.iter().any(|(file, _)| file.pieces.tells(template.epoch)) {
        return true;
    }
    let whole = members.iter().filter(|(f, _)| f.shape == Shape::Whole).map(|(f, _)| f.len);
    let lens: Vec<u64> = whole.collect();
    let (Some(min), Some(max)) = (lens.iter().min(), lens.iter().max()) else { return false };
    lens.len() > 1 && max - min <= max / 50 && is_numbered_by_template(template, members)
}

/// Models of one size may be folds, or of several input sizes: `unet_32`, `unet_64`. Trainings count
/// in words, or by a template such as `{epoch:02d}`.
fn is_numbered_by_template(template: &Template, members: &[(&File, u64)]) -> bool {
    members.iter().any(|(file, _)| {
        let number = &file.pieces.numbers[template.epoch];
        (number.len() > 1 && number.starts_with('0')) || file.pieces.counts(template.epoch)
    })
}

fn of_template(template: &Template, extension: &str, members: &[(&File, u64)]) -> Series {
    let found = members.iter().map(|(file, epoch)| Shaped {
        claim: Claim { epoch: Some(Step::Whole(*epoch)), ..Claim::of_entry(&file.name) },
        shape: file.shape,
    });
    Series {
        prefix: format!("{}{extension}", template.text),
        claims: shaped::settle(found.collect()),
        ..Series::default()
    }
}

/// A file without a number that is called the best or the last one.
fn copy(file: &File) -> Option<Shaped> {
    if !file.pieces.numbers.is_empty() {
        return None;
    }
    let mark = called::in_words(file.pieces.texts.concat().as_bytes())?;
    let mut claim = Claim::of_entry(&file.name);
    claim.marks.set(mark);
    Some(Shaped { claim, shape: file.shape })
}

/// The log of epochs beside the checkpoints; one that cannot be read counts, and is noted later.
fn log_of(folder: &Folder<'_>) -> Option<&'static str> {
    LOGS.into_iter().filter(|log| folder.entry(log.as_bytes()).is_some()).find(|log| {
        let Ok(file) = folder.dir.file(log.as_bytes()) else { return true };
        match Reader::new(&*file) {
            Ok(reader) => reader.header().first().is_some_and(|column| column == JOIN.column),
            // No program's own text: a log that is damaged.
            Err(CsvError::Log(_)) => true,
            Err(_) => false,
        }
    })
}
