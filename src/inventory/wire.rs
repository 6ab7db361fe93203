//! The lines as they are written.

use crate::core::model::{Fingerprint, Metrics, Names, Time};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

#[derive(Serialize)]
pub struct Header<'a> {
    #[serde(rename = "retain-inventory")]
    pub version: u64,
    pub root: Option<&'a str>,
    pub now: Option<When>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
}

#[derive(Serialize)]
pub struct Space {
    pub total: u64,
    pub free: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trash: Option<u64>,
}

#[derive(Serialize)]
pub struct SessionLine<'a> {
    pub session: &'a str,
    pub owner: &'a str,
    pub layout: Option<&'a str>,
    pub status: &'a str,
    pub last_write: Option<When>,
    pub tainted: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tags: &'a [Box<str>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard<'a>>,
}

#[derive(Serialize)]
pub struct Guard<'a> {
    pub path: &'a str,
    pub fingerprint: Option<String>,
}

#[derive(Serialize)]
pub struct CheckpointLine<'a> {
    pub v: u64,
    pub session: &'a str,
    pub id: &'a str,
    pub step: Option<Step>,
    pub epoch: Option<Step>,
    pub saved_at: Option<When>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_write: Option<When>,
    pub elapsed: Option<Number>,
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparent: Option<u64>,
    pub files: u32,
    pub metrics: Values<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub conflicts: &'a [Box<str>],
    pub summary: Option<&'a str>,
    pub marks: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin<'a>>,
    pub tags: &'a [Box<str>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pointers: Vec<Pointer<'a>>,
    pub complete: bool,
    pub needs: &'a [Box<str>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Shared>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub paths: &'a [Box<str>],
    pub fingerprint: Option<Hex>,
}

#[derive(Serialize)]
pub struct Pin<'a> {
    pub until: Option<When>,
    pub why: Option<&'a str>,
}

#[derive(Serialize)]
pub struct Pointer<'a> {
    pub name: &'a str,
    pub external: bool,
}

#[derive(Serialize)]
pub struct Shared {
    pub inode: u64,
    pub bytes: u64,
    pub apparent: u64,
    pub links: u32,
}

#[derive(Serialize)]
pub struct Trailer {
    pub end: bool,
    pub sessions: usize,
    pub checkpoints: usize,
}

/// Metrics by name.
pub struct Values<'a> {
    pub metrics: &'a Metrics,
    pub names: &'a Names,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |(id, value)| (self.names.name(id), Number(value));
        if self.metrics.len() < 2 {
            return serializer.collect_map(self.metrics.iter().map(value));
        }
        serializer.collect_map(self.metrics.iter().map(value).collect::<BTreeMap<_, _>>())
    }
}

/// An instant, as its text.
pub struct When(pub Time);

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A fingerprint, as its digits.
pub struct Hex(pub Fingerprint);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |n: u8| b"0123456789abcdef"[usize::from(n)];
        let mut digits = [0; 2 * size_of::<Fingerprint>()];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(&self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(S::Error::custom)?)
    }
}

/// A number that JSON may not have: NaN and the infinities are texts.
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            x => serializer.serialize_f64(x),
        }
    }
}

/// A whole step stays exact.
pub struct Step(pub crate::core::model::Step);

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            crate::core::model::Step::Whole(n) => serializer.serialize_u64(n),
            crate::core::model::Step::Fraction(x) => serializer.serialize_f64(x),
        }
    }
}
