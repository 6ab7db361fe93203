//! Files that look like weights from both ends.

/// What `torch.save` writes of a dict with these keys.
pub fn torch(keys: &[&str]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}q\0(".to_vec();
    for key in keys {
        pickle.push(b'X');
        pickle.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
        pickle.extend(key.bytes());
        pickle.extend(b"q\x01K\x01");
    }
    pickle.extend(b"u.");
    zip("archive/data.pkl", &pickle)
}

/// A `.keras` file; `size` bytes of weights.
pub fn keras(size: usize) -> Vec<u8> {
    zip("metadata.json", &vec![b'k'; size])
}

/// Cut in the middle.
pub fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

/// A TensorFlow `.index`.
pub fn index() -> Vec<u8> {
    b"any table\x57\xfb\x80\x8b\x24\x75\x47\xdb".to_vec()
}

/// A zip of one stored entry.
pub fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
    let size = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut out = b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend(size);
    out.extend(size);
    out.extend(name_len);
    out.extend([0, 0]);
    out.extend(name.bytes());
    out.extend(data);
    let directory = out.len();
    out.extend(b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    out.extend(size);
    out.extend(size);
    out.extend(name_len);
    out.extend([0; 16]);
    out.extend(name.bytes());
    let len = u32::try_from(out.len() - directory).unwrap();
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(len.to_le_bytes());
    out.extend(u32::try_from(directory).unwrap().to_le_bytes());
    out.extend([0, 0]);
    out
}
