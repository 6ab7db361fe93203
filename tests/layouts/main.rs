//! What a scan makes of trees on a disk: real ones, built ones, damaged ones, hostile ones.

mod damage;
mod fuzz;
mod hf_trainer;
mod lightning;
mod links;
mod nsml;
mod sessions;
mod tree;
