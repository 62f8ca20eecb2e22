//! SNOMED CT identifiers: 6 to 18 digits, a partition in the two before the last, and a Verhoeff check digit.

/// The dihedral group D5.
const PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];

/// The permutation applied to a digit, by its place from the right modulo 8.
const PERMUTATION: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/// Whether a text is the identifier of a SNOMED CT concept (partition 00, or 10 in an extension).
pub(crate) fn is_concept_id(text: &str) -> bool {
    let digits = text.as_bytes();
    if !(6..=18).contains(&digits.len()) || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let check = digits.iter().rev().zip(PERMUTATION.iter().cycle()).fold(0u8, |check, (digit, permutation)| {
        PRODUCT[usize::from(check)][usize::from(permutation[usize::from(digit - b'0')])]
    });
    check == 0 && matches!(&digits[digits.len() - 3..digits.len() - 1], b"00" | b"10")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concept_ids_are_checked() {
        for code in ["1324681000000101", "39114911000001105", "368208006", "822851000000102", "840539006", "6142004"] {
            assert!(is_concept_id(code), "{code}");
        }
        // Wrong check digit, wrong partition (a description), too short, leading zero, letters, too long, none.
        for code in ["368208007", "900000000000000111", "12345", "0368208006", "36820800x", "1111111111111111111", ""] {
            assert!(!is_concept_id(code), "{code}");
        }
    }
}
