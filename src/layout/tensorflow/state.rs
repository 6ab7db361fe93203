//! The text file `checkpoint`: a `CheckpointState` as protocol buffers are printed.
//!
//! One field a line, strings quoted with C's escapes. Only `model_checkpoint_path` is read.

/// The path of the latest checkpoint; `None` if the text does not name one.
pub fn latest(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let value = lines.find_map(|line| {
        let rest = line.strip_prefix(b"model_checkpoint_path")?.trim_ascii_start();
        Some(rest.strip_prefix(b":")?.trim_ascii_start())
    })?;
    let path = unquote(value)?;
    (!path.is_empty()).then_some(path)
}

fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let (&quote, mut rest) = text.split_first().filter(|(q, _)| matches!(q, b'"' | b'\''))?;
    let mut out = Vec::new();
    loop {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        match byte {
            b'\\' => {
                let digits = rest.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                if digits > 0 {
                    let value =
                        rest[..digits].iter().fold(0u32, |n, b| n * 8 + u32::from(b - b'0'));
                    out.push(u8::try_from(value).ok()?);
                    rest = &rest[digits..];
                    continue;
                }
                let (&escaped, tail) = rest.split_first()?;
                rest = tail;
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'"' | b'\'' | b'\\' | b'?' => escaped,
                    _ => return None,
                });
            }
            _ if byte == quote => return rest.is_empty().then_some(out),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_latest_path() {
        let table: [(&str, Option<&[u8]>); 11] = [
            (
                "model_checkpoint_path: \"ckpt-700\"\nall_model_checkpoint_paths: \"ckpt-1\"\n",
                Some(b"ckpt-700"),
            ),
            (
                "all_model_checkpoint_paths: \"a\"\n  model_checkpoint_path:\"/x/ckpt-7\"",
                Some(b"/x/ckpt-7"),
            ),
            ("model_checkpoint_path: 'ckpt-7'\r\n", Some(b"ckpt-7")),
            (r#"model_checkpoint_path: "C:\\runs\\ckpt-7""#, Some(b"C:\\runs\\ckpt-7")),
            (r#"model_checkpoint_path: "\303\251-7""#, Some("é-7".as_bytes())),
            (r#"model_checkpoint_path: "a\"b""#, Some(b"a\"b")),
            ("model_checkpoint_path: \"ckpt-7", None),
            ("model_checkpoint_path: ckpt-7\n", None),
            ("model_checkpoint_path: \"\"\n", None),
            (r#"model_checkpoint_path: "\777""#, None),
            ("\0\0\0\0", None),
        ];
        for (text, want) in table {
            assert_eq!(latest(text.as_bytes()).as_deref(), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = latest(&[b"model_checkpoint_path: \"", &value[..]].concat());
        }
    }
}
