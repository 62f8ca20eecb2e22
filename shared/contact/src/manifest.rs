//! What the print supplier is told of a sealed batch, beside the PDF: order and sizes, no names or addresses.

use ims_domain::campaign::Step;
use ims_domain::letter::LetterKind;
use ims_domain::{BatchId, MessageId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::letter::TypesetBatch;

/// Version of the manifest's shape. The first had no `kind`, `cut_off` and `text`.
pub const SCHEMA: u32 = 2;

/// The manifest of a sealed print batch. Once it is there it never changes, and exactly the letters it lists have left.
///
/// A manifest without letters, and without a PDF, closes a batch of which nothing leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintManifest {
    /// Version of this file's shape; [`SCHEMA`].
    pub schema: u32,
    /// The batch.
    pub batch: BatchId,
    /// Campaign of all its letters.
    pub campaign: String,
    /// Step of all its letters.
    pub step: Step,
    /// Format, language and postage of all its letters.
    #[serde(default)]
    pub kind: LetterKind,
    /// When it was sealed.
    pub created: Timestamp,
    /// Until when the supplier takes letters out again that the stop-list names.
    #[serde(default)]
    pub cut_off: Timestamp,
    /// Number of letters.
    pub count: u32,
    /// Number of pages of the PDF.
    pub pages: u32,
    /// SHA-256 of the PDF, or of the text, lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The PDF's key in the print bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf: Option<String>,
    /// In place of a PDF, the key of the text of which Braille or recordings are made: a line of JSON a letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Letters, in the order of the file.
    pub letters: Vec<ManifestLetter>,
}

/// One letter of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestLetter {
    /// Place in the batch, from 1; printed on the letter.
    pub sequence: u32,
    /// The message, also the reference printed on the letter.
    pub reference: MessageId,
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
    #[error("sha256: the manifest says {expected}, the file has {found}")]
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

/// What all manifests of a batch say, whatever letters they list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHeading {
    /// The batch.
    pub batch: BatchId,
    /// Campaign of all its letters.
    pub campaign: String,
    /// Step of all its letters.
    pub step: Step,
    /// Format, language and postage of all its letters.
    pub kind: LetterKind,
    /// When it is sealed.
    pub created: Timestamp,
    /// Until when the supplier takes letters out again.
    pub cut_off: Timestamp,
}

impl PrintManifest {
    /// The manifest of a batch whose letters were typeset from these messages, in this order, into the object `pdf`.
    ///
    /// # Errors
    /// When the numbers of messages and letters differ.
    pub fn seal(
        heading: BatchHeading,
        messages: &[MessageId],
        typeset: &TypesetBatch,
        pdf: &str,
    ) -> Result<Self, ManifestError> {
        if messages.len() != typeset.pages_per_letter.len() {
            return Err(ManifestError::Count { letters: typeset.pages_per_letter.len(), messages: messages.len() });
        }
        let letters = listed(messages.iter().copied().zip(typeset.pages_per_letter.iter().copied()));
        Ok(Self { sha256: Some(digest(&typeset.pdf)), pdf: Some(pdf.to_owned()), ..Self::of(heading, letters) })
    }

    /// The manifest of a batch of which the supplier makes Braille or recordings: the object `text` has these bytes.
    #[must_use]
    pub fn seal_text(heading: BatchHeading, messages: &[MessageId], bytes: &[u8], text: &str) -> Self {
        let letters = listed(messages.iter().map(|message| (*message, 0)));
        Self { sha256: Some(digest(bytes)), text: Some(text.to_owned()), ..Self::of(heading, letters) }
    }

    /// The manifest that closes a batch of which nothing leaves.
    #[must_use]
    pub fn void(heading: BatchHeading) -> Self {
        Self::of(heading, Vec::new())
    }

    fn of(heading: BatchHeading, letters: Vec<ManifestLetter>) -> Self {
        let BatchHeading { batch, campaign, step, kind, created, cut_off } = heading;
        Self {
            schema: SCHEMA,
            batch,
            campaign,
            step,
            kind,
            created,
            cut_off,
            count: total(letters.iter().map(|_| 1)),
            pages: total(letters.iter().map(|letter| letter.pages)),
            sha256: None,
            pdf: None,
            text: None,
            letters,
        }
    }

    /// The letter of a message, where it left in this batch.
    #[must_use]
    pub fn letter(&self, message: MessageId) -> Option<&ManifestLetter> {
        self.letters.iter().find(|letter| letter.reference == message)
    }

    /// Whether a message left in this batch.
    #[must_use]
    pub fn lists(&self, message: MessageId) -> bool {
        self.letter(message).is_some()
    }

    /// Checks the sums and that this is the file that was sealed.
    ///
    /// # Errors
    /// The first field that does not agree.
    pub fn verify(&self, file: &[u8]) -> Result<(), ManifestError> {
        for (field, said, counted) in [
            ("count", self.count, total(self.letters.iter().map(|_| 1))),
            ("pages", self.pages, total(self.letters.iter().map(|letter| letter.pages))),
        ] {
            if said != counted {
                return Err(ManifestError::Total { field, said, counted });
            }
        }
        let (expected, found) = (self.sha256.as_deref().unwrap_or_default(), digest(file));
        if found != expected {
            return Err(ManifestError::Digest { expected: expected.to_owned(), found });
        }
        Ok(())
    }
}

fn listed(letters: impl Iterator<Item = (MessageId, u32)>) -> Vec<ManifestLetter> {
    letters.zip(1..).map(|((reference, pages), sequence)| ManifestLetter { sequence, reference, pages }).collect()
}

fn total(counts: impl Iterator<Item = u32>) -> u32 {
    counts.fold(0, u32::saturating_add)
}

/// SHA-256, lower-case hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading(batch: BatchId) -> BatchHeading {
        BatchHeading {
            batch,
            campaign: "flu".into(),
            step: Step::Invite,
            kind: LetterKind::default(),
            created: Timestamp::UNIX_EPOCH,
            cut_off: Timestamp::UNIX_EPOCH,
        }
    }

    fn seal(batch: BatchId, messages: &[MessageId], typeset: &TypesetBatch) -> Result<PrintManifest, ManifestError> {
        PrintManifest::seal(heading(batch), messages, typeset, "batches/flu/1.pdf")
    }

    fn sealed() -> (PrintManifest, TypesetBatch) {
        let typeset = TypesetBatch { pdf: b"%PDF-".to_vec(), pages_per_letter: vec![1, 2] };
        let id = "5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11";
        let messages = [id.parse().unwrap(), id.parse().unwrap()];
        (seal(id.parse().unwrap(), &messages, &typeset).unwrap(), typeset)
    }

    #[test]
    fn a_sealed_batch_reads_back_and_fits_its_own_pdf_only() {
        let (manifest, typeset) = sealed();
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<PrintManifest>(&json).unwrap(), manifest);
        assert_eq!((manifest.count, manifest.pages), (2, 3));
        assert_eq!(manifest.letters[1].sequence, 2);
        assert_eq!(manifest.verify(&typeset.pdf), Ok(()));
        assert!(matches!(manifest.verify(b"another"), Err(ManifestError::Digest { .. })));
    }

    #[test]
    fn a_print_supplier_finds_the_fields_it_was_promised() {
        let json = serde_json::to_value(sealed().0).unwrap();
        let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "schema", "batch", "campaign", "step", "kind", "created", "cut_off", "count", "pages", "sha256", "pdf",
                "letters"
            ]
        );
        assert_eq!(json["kind"], serde_json::json!({"format": "standard", "language": "en", "postage": "second"}));
        let letter: Vec<&str> = json["letters"][0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(letter, ["sequence", "reference", "pages"]);
    }

    #[test]
    fn a_batch_of_which_nothing_leaves_has_no_pdf() {
        let void = PrintManifest::void(heading(sealed().0.batch));
        let json = serde_json::to_value(&void).unwrap();
        assert!(json.get("pdf").is_none() && json["count"] == 0);
        assert_eq!(serde_json::from_value::<PrintManifest>(json).unwrap(), void);
        assert!(void.verify(b"a pdf").is_err());
    }

    #[test]
    fn a_batch_for_braille_names_its_text_and_fits_it_alone() {
        let id: MessageId = "5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11".parse().unwrap();
        let manifest = PrintManifest::seal_text(heading(sealed().0.batch), &[id], b"{}", "batches/flu/1.jsonl");
        assert_eq!((manifest.count, manifest.pages, manifest.pdf.as_ref()), (1, 0, None));
        assert_eq!((manifest.verify(b"{}"), manifest.letter(id).unwrap().sequence), (Ok(()), 1));
    }

    #[test]
    fn a_manifest_of_the_first_shape_is_still_read() {
        let mut json = serde_json::to_value(sealed().0).unwrap();
        let fields = json.as_object_mut().unwrap();
        fields.insert("schema".into(), 1.into());
        fields.remove("kind");
        fields.remove("cut_off");
        let read: PrintManifest = serde_json::from_value(json).unwrap();
        assert_eq!((read.kind, read.cut_off), (LetterKind::default(), Timestamp::default()));
    }

    #[test]
    fn sums_that_do_not_agree_are_found() {
        let (mut manifest, typeset) = sealed();
        manifest.pages = 4;
        assert_eq!(manifest.verify(&typeset.pdf), Err(ManifestError::Total { field: "pages", said: 4, counted: 3 }));
        let messages = [manifest.letters[0].reference];
        assert!(matches!(
            seal(manifest.batch, &messages, &typeset),
            Err(ManifestError::Count { letters: 2, messages: 1 })
        ));
    }
}
