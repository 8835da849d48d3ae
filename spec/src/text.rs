//! Text forms of bytes and numbers, one spelling each (docs/10-hash-and-tree.md).
//!
//! Lowercase hexadecimal, padded base64, ASCII decimals. A parser takes exactly what the printer beside it prints.
//! Not here: JSON, and every rule about what a text means.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt::{self, Display, Write};

/// Input from outside as an error may show it: at most 64 characters, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quote(String);

impl Quote {
    /// Characters kept of a longer text.
    const CHARS_MAX: usize = 64;

    /// Takes what an error may show of `text`: of a private key only that it is one. Cannot fail.
    pub fn of(text: &str) -> Quote {
        if text.contains("PRIVATE+KEY+") {
            return Quote(String::from("PRIVATE+KEY+…"));
        }
        let mut shown: String = text.chars().take(Self::CHARS_MAX).flat_map(char::escape_debug).collect();
        if text.chars().nth(Self::CHARS_MAX).is_some() {
            shown.push('…');
        }
        Quote(shown)
    }

    /// The same for bytes that need not be UTF-8.
    pub fn of_bytes(bytes: &[u8]) -> Quote {
        Quote::of(&String::from_utf8_lossy(bytes))
    }
}

impl Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Why a text is not the one spelling of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not an ASCII decimal without leading zeros, sign or blanks, or above 2^64 − 1.
    #[error("{0} is not a decimal number in its one spelling")]
    Decimal(Quote),
    /// A character outside `0-9a-f`.
    #[error("{0} is not lowercase hexadecimal")]
    Hex(Quote),
    /// Not the one base64 spelling of some bytes: alphabet, padding or spare bits.
    #[error("{0} is not base64 in its one spelling")]
    Base64(Quote),
    /// Well spelled, but for another number of bytes.
    #[error("{want} bytes wanted, the text holds {got}")]
    Length {
        /// Bytes that belong here.
        want: usize,
        /// Bytes that the text stands for.
        got: usize,
    },
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lowercase hexadecimal of `bytes`. Cannot fail [H-5].
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(HEX_DIGITS[usize::from(nibble)]));
        }
    }
    text
}

/// Reads `N` bytes of lowercase hexadecimal; capitals and other lengths are refused [H-5].
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], TextError> {
    let digits = text.as_bytes();
    if let Some(wrong) = digits.iter().position(|digit| nibble(*digit).is_none()) {
        return Err(TextError::Hex(Quote::of_bytes(&digits[wrong.saturating_sub(16)..])));
    }
    if digits.len() != 2 * N {
        return Err(TextError::Length { want: N, got: digits.len().div_ceil(2) });
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |value, digit| value << 4 | nibble(*digit).unwrap_or(0));
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Standard base64 of `bytes`, padded (RFC 4648, section 4). Cannot fail [H-6].
pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64; missing padding, spare bits that are set, blanks and line ends are refused [H-6].
pub fn unb64(text: &str) -> Result<Vec<u8>, TextError> {
    STANDARD.decode(text).map_err(|_| TextError::Base64(Quote::of(text)))
}

/// Reads base64 of exactly `N` bytes, without an allocation [H-6].
pub fn unb64_array<const N: usize>(text: &str) -> Result<[u8; N], TextError> {
    // 3 bytes of slack: the decoder writes whole groups of three before it looks at the padding.
    let mut bytes = [0; 66];
    if N + 2 <= bytes.len() && text.len() == N.div_ceil(3) * 4 {
        let got = STANDARD.decode_slice(text, &mut bytes).map_err(|_| TextError::Base64(Quote::of(text)))?;
        return <[u8; N]>::try_from(&bytes[..got]).map_err(|_| TextError::Length { want: N, got });
    }
    let bytes = unb64(text)?;
    <[u8; N]>::try_from(bytes.as_slice()).map_err(|_| TextError::Length { want: N, got: bytes.len() })
}

/// Reads an ASCII decimal: no sign, no leading zero, no blank, at most 2^64 − 1 [H-7].
pub fn decimal(text: &str) -> Result<u64, TextError> {
    match text.parse::<u64>() {
        // `parse` alone also takes "+7" and "007".
        Ok(number) if number.to_string() == text => Ok(number),
        Ok(_) | Err(_) => Err(TextError::Decimal(Quote::of(text))),
    }
}

/// Appends `value` as its `Display` prints it; writing into a `String` cannot fail.
pub(crate) fn push(text: &mut String, value: impl Display) {
    // The only error a `String` could report is one of `value` itself, and ours have none.
    let _ = write!(text, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn hexadecimal_has_one_spelling() {
        // [H-5]
        assert_eq!(hex(&[0x00, 0xab, 0x7f]), "00ab7f");
        assert_eq!(unhex::<3>("00ab7f"), Ok([0x00, 0xab, 0x7f]));
        assert!(matches!(unhex::<3>("00AB7f"), Err(TextError::Hex(_))));
        assert!(matches!(unhex::<3>("00ab7é"), Err(TextError::Hex(_))));
        assert_eq!(unhex::<3>("00ab"), Err(TextError::Length { want: 3, got: 2 }));
        assert_eq!(unhex::<1>("abc"), Err(TextError::Length { want: 1, got: 2 }));
    }

    #[test]
    fn base64_has_one_spelling() {
        // [H-6] RFC 4648, section 10, and what a lax decoder would take for "f" and "fo".
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(b64(bytes.as_bytes()), text);
            assert_eq!(unb64(text), Ok(bytes.as_bytes().to_vec()));
        }
        for lax in ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Zm-v", "Zg==Zg==", "="] {
            assert!(matches!(unb64(lax), Err(TextError::Base64(_))), "{lax:?}");
        }
    }

    #[test]
    fn base64_of_a_given_length() {
        // [H-6]
        let text = b64(&[7; 32]);
        assert_eq!(unb64_array::<32>(&text), Ok([7; 32]));
        assert_eq!(unb64_array::<31>(&text), Err(TextError::Length { want: 31, got: 32 }));
        assert_eq!(unb64_array::<33>(&text), Err(TextError::Length { want: 33, got: 32 }));
        assert_eq!(unb64_array::<32>(&b64(&[7; 31])), Err(TextError::Length { want: 32, got: 31 }));
        assert_eq!(unb64_array::<100>(&b64(&[9; 100])), Ok([9; 100]));
        let spare = format!("{}d=", &text[..42]); // the last digit before the padding has two spare bits
        assert_eq!(spare.len(), 44);
        assert!(matches!(unb64_array::<32>(&spare), Err(TextError::Base64(_))));
    }

    #[test]
    fn decimals_have_one_spelling() {
        // [H-7]
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["", "00", "007", "+7", "-1", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "٣"] {
            assert!(matches!(decimal(wrong), Err(TextError::Decimal(_))), "{wrong:?}");
        }
    }

    #[test]
    fn an_error_shows_little_and_no_control_character() {
        let shown = format!("{}", Quote::of(&("\u{1b}[2J".to_string() + &"x".repeat(100))));
        assert!(shown.starts_with("`\\u{1b}[2J") && shown.ends_with("…`"), "{shown}");
        assert!(shown.len() < 100);
        assert_eq!(format!("{}", Quote::of("log PRIVATE+KEY+name+00000000+secret")), "`PRIVATE+KEY+…`");
    }
}
