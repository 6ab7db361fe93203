//! Where an adapter's own files name the base that it was trained on.

use super::MAX_PATH;
use crate::format::json::Value;
use crate::layout::folder::read_json;
use crate::store::Dir;

/// A file, and the member in it that holds the base's path or name.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub file: &'static str,
    member: &'static str,
}

/// Of PEFT; and of `NeMo`, which writes it beside the weights, and once did to the top.
pub const CONFIGS: [Config; 2] = [
    Config { file: "adapter_config.json", member: "base_model_name_or_path" },
    Config { file: "adapter_metadata.json", member: "model_ckpt_path" },
];

impl Config {
    /// The base that it names; it need not name one.
    pub fn base(&self, dir: &dyn Dir) -> Result<Option<Vec<u8>>, String> {
        let Config { file, member } = self;
        let value = read_json(dir, file.as_bytes())?;
        match value.get(member) {
            Some(Value::Text(base)) if (1..=MAX_PATH).contains(&base.len()) => {
                Ok(Some(base.clone().into_bytes()))
            }
            Some(Value::Text(base)) if base.is_empty() => Ok(None),
            None | Some(Value::Null) if value.as_object().is_some() => Ok(None),
            _ => Err(format!("{file} is damaged: {member} is no path")),
        }
    }
}
