//! Notices that something of its own lies inside a unit: a training that was told to save into a
//! checkpoint of another, or what somebody marked there.
//!
//! It is seen by names while the unit is measured anyway.

/// Something of its own inside a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A `.retain`; the path begins with the name of the unit's entry.
    Marked(Vec<u8>),
    /// A checkpoint of Hugging Face's Trainer, which a framework may have put there itself.
    Run(Vec<u8>),
}

#[derive(Default)]
pub struct Watch {
    /// The last directory below an entry that is called like a checkpoint.
    called: Vec<u8>,
}

impl Watch {
    /// A directory below a unit's entry.
    pub fn dir(&mut self, path: &[u8]) -> Option<Inner> {
        let name = &path[path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1)..];
        if name == b".retain" {
            return Some(Inner::Marked(path.to_vec()));
        }
        if let Some(step) = name.strip_prefix(b"checkpoint-")
            && !step.is_empty()
            && step.iter().all(u8::is_ascii_digit)
        {
            self.called.clear();
            self.called.extend_from_slice(path);
        }
        None
    }

    /// Anything else.
    pub fn other(&self, path: &[u8]) -> Option<Inner> {
        if self.called.is_empty() {
            return None;
        }
        let in_it = path.strip_prefix(&*self.called)? == b"/trainer_state.json";
        in_it.then(|| Inner::Run(self.called.clone()))
    }
}
