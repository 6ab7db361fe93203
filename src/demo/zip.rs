//! Writes a zip archive with stored (not compressed) entries: what `torch.save` writes.

/// `entries` are (name, content), in the order they are written. All must fit in 4 GiB.
pub fn stored(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let offset = size(out.len());
        out.extend_from_slice(b"PK\x03\x04");
        describe(&mut out, name, content);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);

        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&VERSION.to_le_bytes());
        describe(&mut directory, name, content);
        // Comment length, disk, internal and external attributes: none.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = size(out.len());
    let count = u16::try_from(entries.len()).expect("fewer than 65,536 entries");
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size(directory.len()).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

/// 2.0: what stored entries need.
const VERSION: u16 = 20;

/// The fields that stand, in the same order, before an entry and in the directory.
fn describe(out: &mut Vec<u8>, name: &str, content: &[u8]) {
    out.extend_from_slice(&VERSION.to_le_bytes());
    // Flags, method (stored) and time: none; the date is 1980-01-01, the first there is.
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0x21, 0]);
    out.extend_from_slice(&crc32(content).to_le_bytes());
    out.extend_from_slice(&size(content.len()).to_le_bytes());
    out.extend_from_slice(&size(content.len()).to_le_bytes());
    let name = u16::try_from(name.len()).expect("a short name");
    out.extend_from_slice(&name.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
}

fn size(len: usize) -> u32 {
    u32::try_from(len).expect("less than 4 GiB")
}

/// CRC-32 as zip has it (polynomial 0xEDB88320, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    })
}

/// The checksum's change for each value of its low byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0u32;
    while byte < 256 {
        let mut crc = byte;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn the_directory_points_at_the_entries() {
        let zip = stored(&[("a", b"one"), ("b/c", b"three")]);
        let end = zip.len() - 22;
        assert_eq!(&zip[end..end + 4], b"PK\x05\x06");
        assert_eq!(zip[end + 10], 2);
        let start = usize::from(zip[end + 16]);
        assert_eq!(&zip[start..start + 4], b"PK\x01\x02");
        assert_eq!(end - start, 2 * 46 + 1 + 3);
        let second = start + 46 + 1;
        let offset = usize::from(zip[second + 42]);
        assert_eq!(&zip[offset + 30..offset + 30 + 8], b"b/cthree");
    }
}
