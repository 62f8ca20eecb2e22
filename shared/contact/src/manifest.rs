//! What the print supplier is told of a sealed batch, beside the PDF: order and sizes, no names or addresses.

use ims_domain::{BatchId, MessageId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::letter::TypesetBatch;

/// Version of the manifest's shape.
pub const SCHEMA: u32 = 1;

/// The manifest of a sealed print batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintManifest {
    /// Version of this file's shape; [`SCHEMA`].
    pub schema: u32,
    /// The batch.
    pub batch: BatchId,
    /// When it was sealed.
    pub created: Timestamp,
    /// Campaign of all its letters.
    pub campaign: String,
    /// Letters, in the order of the PDF.
    pub letters: Vec<ManifestLetter>,
    /// Number of letters.
    pub letter_count: u32,
    /// Number of pages of the PDF.
    pub page_count: u32,
    /// SHA-256 of the PDF, lower-case hexadecimal.
    pub pdf_sha256: String,
}

/// One letter of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestLetter {
    /// Place in the batch, from 1; printed on the letter.
    pub sequence: u32,
    /// The message, also the reference printed on the letter.
    pub message: MessageId,
    /// Pages.
    pub pages: u32,
}

/// Why a manifest and a PDF do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// As many letters as messages are needed.
    #[error("letters: the batch has {letters}, but {messages} messages were given")]
    Count {
        /// Letters in the PDF.
        letters: usize,
        /// Messages given.
        messages: usize,
    },
    /// Not the PDF that was sealed.
    #[error("pdf_sha256: the manifest says {expected}, the file has {found}")]
    Digest {
        /// The manifest's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The parts do not add up.
    #[error("{field}: the manifest says {said}, its letters give {counted}")]
    Total {
        /// Field at fault.
        field: &'static str,
        /// Its value.
        said: u32,
        /// What the letters give.
        counted: u32,
    },
}

impl PrintManifest {
    /// The manifest of a batch whose letters were typeset from these messages, in this order.
    ///
    /// # Errors
    /// When the numbers of messages and letters differ.
    pub fn seal(
        batch: BatchId,
        created: Timestamp,
        campaign: &str,
        messages: &[MessageId],
        typeset: &TypesetBatch,
    ) -> Result<Self, ManifestError> {
        if messages.len() != typeset.pages_per_letter.len() {
            return Err(ManifestError::Count { letters: typeset.pages_per_letter.len(), messages: messages.len() });
        }
        let letters: Vec<ManifestLetter> = messages
            .iter()
            .zip(&typeset.pages_per_letter)
            .zip(1..)
            .map(|((&message, &pages), sequence)| ManifestLetter { sequence, message, pages })
            .collect();
        Ok(Self {
            schema: SCHEMA,
            batch,
            created,
            campaign: campaign.to_owned(),
            letter_count: total(letters.iter().map(|_| 1)),
            page_count: total(letters.iter().map(|letter| letter.pages)),
            letters,
            pdf_sha256: digest(&typeset.pdf),
        })
    }

    /// Checks the sums and that this is the PDF that was sealed.
    ///
    /// # Errors
    /// The first field that does not agree.
    pub fn verify(&self, pdf: &[u8]) -> Result<(), ManifestError> {
        for (field, said, counted) in [
            ("letter_count", self.letter_count, total(self.letters.iter().map(|_| 1))),
            ("page_count", self.page_count, total(self.letters.iter().map(|letter| letter.pages))),
        ] {
            if said != counted {
                return Err(ManifestError::Total { field, said, counted });
            }
        }
        let found = digest(pdf);
        if found != self.pdf_sha256 {
            return Err(ManifestError::Digest { expected: self.pdf_sha256.clone(), found });
        }
        Ok(())
    }
}

fn total(counts: impl Iterator<Item = u32>) -> u32 {
    counts.fold(0, u32::saturating_add)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (PrintManifest, TypesetBatch) {
        let typeset = TypesetBatch { pdf: b"%PDF-".to_vec(), pages_per_letter: vec![1, 2] };
        let id = "5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11";
        let messages = [id.parse().unwrap(), id.parse().unwrap()];
        (PrintManifest::seal(id.parse().unwrap(), Timestamp::UNIX_EPOCH, "flu", &messages, &typeset).unwrap(), typeset)
    }

    #[test]
    fn a_sealed_batch_reads_back_and_fits_its_own_pdf_only() {
        let (manifest, typeset) = sealed();
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<PrintManifest>(&json).unwrap(), manifest);
        assert_eq!((manifest.letter_count, manifest.page_count), (2, 3));
        assert_eq!(manifest.letters[1].sequence, 2);
        assert_eq!(manifest.verify(&typeset.pdf), Ok(()));
        assert!(matches!(manifest.verify(b"another"), Err(ManifestError::Digest { .. })));
    }

    #[test]
    fn sums_that_do_not_agree_are_found() {
        let (mut manifest, typeset) = sealed();
        manifest.page_count = 4;
        assert_eq!(
            manifest.verify(&typeset.pdf),
            Err(ManifestError::Total { field: "page_count", said: 4, counted: 3 })
        );
        let messages = [manifest.letters[0].message];
        assert!(matches!(
            PrintManifest::seal(manifest.batch, manifest.created, "flu", &messages, &typeset),
            Err(ManifestError::Count { letters: 2, messages: 1 })
        ));
    }
}
