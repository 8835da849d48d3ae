//! Frames: how the journal tells a write that was cut short from damage (55-witness.md).
//!
//! A frame is what one sync made durable. Not here: what a payload holds (`record`), which frames a journal must have
//! (`journal`).

use crate::disk::{Disk, DiskError};
use crate::limits::FRAME_BYTES_MAX;

/// Begins every frame: three letters and the version of the format. No note can hold the last byte, so no log can write
/// bytes into a journal that look like a frame [D-4].
const MAGIC: [u8; 4] = *b"VWF\x01";
/// Bytes before the payload: the magic, its length and the CRC, each four bytes [D-4].
pub const HEADER_BYTES: usize = 12;
/// Bytes read at a time when a good frame is searched behind a bad one.
const SEARCH_BYTES: usize = 1024 * 1024;

/// `"VWF" ‖ 0x01 ‖ length u32 ‖ CRC-32C(length ‖ payload) u32 ‖ payload`, big-endian [D-4]. `None` above the limit.
pub fn encode(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_BYTES_MAX)?.to_be_bytes();
    Some([&MAGIC, &length, &crc(length, payload).to_be_bytes(), payload].concat())
}

fn crc(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// What is found at an offset.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The end of the file.
    End,
    /// A whole frame.
    Frame {
        /// What it holds.
        payload: Vec<u8>,
        /// Offset of the byte behind it.
        end: u64,
    },
    /// A frame of another version than 1.
    Version {
        /// Its version byte.
        got: u8,
    },
    /// Anything else: cut short, or damaged.
    Bad,
}

/// Reads the frame at `offset`.
pub fn read(disk: &dyn Disk, name: &str, offset: u64) -> Result<Found, DiskError> {
    let mut header = [0; HEADER_BYTES];
    let got = disk.read_at(name, offset, &mut header)?;
    if got == 0 {
        return Ok(Found::End);
    }
    let (fields, _) = header.as_chunks::<4>();
    let [magic, length, sum] = *fields else { return Ok(Found::Bad) };
    if got < HEADER_BYTES {
        return Ok(Found::Bad);
    }
    if magic != MAGIC {
        let version = magic.strip_prefix(b"VWF").and_then(|rest| rest.first().copied());
        return Ok(version.map_or(Found::Bad, |got| Found::Version { got }));
    }
    let Some(bytes) = usize::try_from(u32::from_be_bytes(length)).ok().filter(|bytes| *bytes <= FRAME_BYTES_MAX) else {
        return Ok(Found::Bad);
    };
    let mut payload = vec![0; bytes];
    let start = offset.saturating_add(HEADER_BYTES as u64);
    if disk.read_at(name, start, &mut payload)? < bytes || crc(length, &payload) != u32::from_be_bytes(sum) {
        return Ok(Found::Bad);
    }
    Ok(Found::Frame { payload, end: start.saturating_add(bytes as u64) })
}

/// Offset of the first whole frame at or behind `offset`, whatever lies between.
pub fn search(disk: &dyn Disk, name: &str, mut offset: u64) -> Result<Option<u64>, DiskError> {
    let mut window = vec![0; SEARCH_BYTES];
    loop {
        let got = disk.read_at(name, offset, &mut window)?;
        let bytes = window.get(..got).unwrap_or_default();
        for (at, candidate) in bytes.windows(MAGIC.len()).enumerate() {
            let place = offset.saturating_add(at as u64);
            if candidate == MAGIC && matches!(read(disk, name, place)?, Found::Frame { .. }) {
                return Ok(Some(place));
            }
        }
        if got < SEARCH_BYTES {
            return Ok(None);
        }
        // The next window begins with the last bytes of this one: a magic may lie across.
        offset = offset.saturating_add((got - (MAGIC.len() - 1)) as u64);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    fn disk(bytes: &[u8]) -> (tempfile::TempDir, OsDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path());
        disk.create("f").unwrap();
        disk.append("f", bytes).unwrap();
        (dir, disk)
    }

    #[test]
    fn byte_for_byte() {
        // The check value of CRC-32C is over other bytes: "123456789" alone gives e3069283. [D-4]
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let frame = encode(b"payload").unwrap();
        let sum = crc32c::crc32c(b"\0\0\0\x07payload").to_be_bytes();
        assert_eq!(frame, [b"VWF\x01\0\0\0\x07".as_slice(), &sum, b"payload"].concat());
        assert_eq!(encode(&vec![0; FRAME_BYTES_MAX + 1]), None);
        let (_dir, disk) = disk(&frame);
        assert_eq!(read(&disk, "f", 0).unwrap(), Found::Frame { payload: b"payload".to_vec(), end: 19 });
        assert_eq!(read(&disk, "f", 19).unwrap(), Found::End);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        // [D-4] [D-5]
        let frame = encode(b"some payload").unwrap();
        for cut in 1..frame.len() {
            let (_dir, disk) = disk(&frame[..cut]);
            assert_eq!(read(&disk, "f", 0).unwrap(), Found::Bad, "cut at {cut}");
        }
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (_dir, disk) = disk(&flipped);
            let found = read(&disk, "f", 0).unwrap();
            let version = (24..32).contains(&bit);
            assert_eq!(matches!(found, Found::Version { .. }), version, "bit {bit}");
            assert_eq!(found == Found::Bad, !version, "bit {bit}");
        }
    }

    #[test]
    fn a_good_frame_is_found_behind_anything() {
        // Also when its magic lies across two windows of the search. [D-6]
        let frame = encode(b"good").unwrap();
        for junk in [0, 1, 7, SEARCH_BYTES - 5, SEARCH_BYTES - 3, SEARCH_BYTES - 1, SEARCH_BYTES, SEARCH_BYTES + 1] {
            let (_dir, disk) = disk(&[vec![b'V'; junk], frame.clone()].concat());
            assert_eq!(search(&disk, "f", 0).unwrap(), Some(junk as u64), "behind {junk} bytes");
            assert_eq!(search(&disk, "f", junk as u64 + 1).unwrap(), None);
        }
    }
}
