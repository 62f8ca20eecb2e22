//! What the rows of a file may do.

/// A change to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new record, or a deleted one again.
    Create,
    /// Another version of a record.
    Update,
    /// A record's end.
    Delete,
}

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations(u8);

impl Operations {
    /// Every operation.
    pub const ALL: Self = Self(0b111);

    /// From permission letters: `C`, `U` and `D` in any case; others (`R`, `S`) are not changes and count for nothing.
    #[must_use]
    pub fn from_letters(letters: &str) -> Self {
        Self(letters.bytes().fold(0, |set, letter| {
            set | match letter.to_ascii_uppercase() {
                b'C' => Operation::Create.bit(),
                b'U' => Operation::Update.bit(),
                b'D' => Operation::Delete.bit(),
                _ => 0,
            }
        }))
    }

    /// Whether it holds an operation.
    #[must_use]
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & operation.bit() != 0
    }

    /// Whether it holds none; a file of such a supplier is not processed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Operation {
    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_changes_count() {
        let some = Operations::from_letters("cRs");
        assert!(some.contains(Operation::Create) && !some.contains(Operation::Delete));
        assert_eq!(Operations::from_letters("CRUDS"), Operations::ALL);
        assert!(Operations::from_letters("RS").is_empty());
    }
}
