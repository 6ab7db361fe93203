//! nanoGPT: one file `ckpt.pt`, overwritten in place.
//!
//! There is never another one to fall back to, so it is shown and never a candidate.

use super::folder::Folder;
use super::{About, Layout, Notes, Series};
use crate::format::torch::Torch;
use crate::store::Entry;

pub struct NanoGpt;

const CHECKPOINT: &[u8] = b"ckpt.pt";
/// What its pickle holds, and no other framework's does.
const KEYS: [&str; 3] = ["model_args", "iter_num", "best_val_loss"];

const ABOUT: About = About {
    unit: "file",
    name: "`ckpt.pt`",
    signature: "`model_args`, `iter_num`, `best_val_loss` in the pickle",
    order: "-",
    metrics: "-",
    pointers: "-",
    unfinished: "-",
    traps: "overwritten in place: shown, never a candidate",
};

impl Layout for NanoGpt {
    fn name(&self) -> &'static str {
        "nanogpt"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if folder.has_file(CHECKPOINT) {
            // What cannot be read is nobody's, and as safe.
            let torch = folder.dir.file(CHECKPOINT).and_then(|f| Torch::look(&*f)).ok().flatten();
            if torch.is_some_and(|t| KEYS.iter().all(|k| t.has_key(k))) {
                notes.never(folder, CHECKPOINT, "overwritten in place by nanoGPT");
            }
        }
        Vec::new()
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        (&*entry.name == CHECKPOINT).then(|| format!("no {} in its pickle", KEYS.join(", ")))
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}
