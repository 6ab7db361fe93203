//! What a scan makes of trees on a disk: real ones, built ones, damaged ones, hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests build trees, and break and remove parts of them"
)]

mod archive;
mod built;
mod confusable;
mod damage;
mod deepspeed;
mod docs;
mod events;
mod flax;
mod fuzz;
mod generic;
mod hf_trainer;
mod index;
mod leads;
mod lightning;
mod links;
mod lying;
mod matrix;
mod megatron;
mod needs;
mod nemo;
mod nsml;
mod orbax;
mod outside;
mod plans;
mod real;
mod registry;
mod runs;
mod sessions;
mod torch_dcp;
mod tree;
mod variants;
mod weights;
