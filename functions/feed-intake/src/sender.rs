//! Whether a file may come from where it came from.

use ims_runtime::Settings;
use ims_runtime::auth::{Origin, Senders, SendersError, is_principal};
use ims_runtime::settings::optional;

/// Who may send what, and whose word about a mailbox is taken.
#[derive(Debug, Clone)]
pub struct Rules {
    senders: Senders,
    /// The principal that puts what comes by MESH.
    adapter: Option<String>,
    is_sandbox: bool,
}

impl Rules {
    /// From `IMS_SENDERS` and `IMS_MESH_PRINCIPAL`; without the first nobody is registered.
    ///
    /// # Errors
    /// Where the senders could be misread.
    pub fn from_env(settings: &Settings) -> Result<Self, SendersError> {
        let senders = Senders::parse(&optional("IMS_SENDERS").unwrap_or_else(|| "[]".to_owned()))?;
        Ok(Self { senders, adapter: optional("IMS_MESH_PRINCIPAL"), is_sandbox: settings.is_sandbox() })
    }

    /// Whether what this principal puts may say which mailbox it came from. In a sandbox all have the same keys.
    #[must_use]
    pub fn trusts(&self, principal: &str) -> bool {
        self.is_sandbox || self.adapter.as_ref().is_some_and(|held| is_principal(held, principal))
    }

    /// Whether a file with an ODS code in its name, of a feed, may come from a principal, or from a mailbox that a trusted
    /// principal tells of. In a sandbox a principal that is not registered may send everything.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn judge(&self, principal: &str, mailbox: Option<&str>, ods_code: &str, feed: &str) -> Result<(), String> {
        let origin = match mailbox {
            Some(mailbox) if self.trusts(principal) => Origin::Mailbox(mailbox),
            _ => Origin::Principal(principal),
        };
        match (self.senders.of(origin), origin) {
            (Some(sender), _) => sender.may_send(ods_code, feed),
            (None, Origin::Principal(_)) if self.is_sandbox => Ok(()),
            (None, Origin::Mailbox(mailbox)) => Err(format!("the mailbox '{mailbox}' is not registered as a sender")),
            (None, Origin::Principal(_)) => Err("whoever put it there is not registered as a sender".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(is_sandbox: bool) -> Rules {
        let senders = r#"[{"sender": "MAVIS", "principals": ["AWS:AROAMAVIS"], "mailboxes": ["X26ABC2"], "ods_codes": ["V0V8L"],
            "feeds": ["vaccinations"]}]"#;
        let senders = Senders::parse(senders).unwrap();
        Rules { senders, adapter: Some("AWS:AROAMESH".to_owned()), is_sandbox }
    }

    #[test]
    fn in_every_stage_but_a_sandbox_a_sender_is_registered() {
        const MESH: &str = "AWS:AROAMESH:ims-mesh-mailbox";
        let no_one = "whoever put it there is not registered as a sender";
        let other = "the ODS code 'YGA' in its name is not one of its sender's (MAVIS)";
        for (principal, mailbox, ods, feed, real, sandbox) in [
            ("AWS:AROAMAVIS:task", None, "V0V8L", "vaccinations", Ok(()), Ok(())),
            ("AWS:AROAMAVIS:task", None, "YGA", "vaccinations", Err(other), Err(other)),
            (
                "AWS:AROAMAVIS",
                None,
                "V0V8L",
                "cohorts",
                Err("its sender (MAVIS) is not registered for the feed 'cohorts'"),
                Err("its sender (MAVIS) is not registered for the feed 'cohorts'"),
            ),
            ("EXAMPLE", None, "V0V8L", "vaccinations", Err(no_one), Ok(())),
            ("", None, "X26", "demographics", Err(no_one), Ok(())),
            (MESH, Some("X26ABC2"), "V0V8L", "vaccinations", Ok(()), Ok(())),
            (MESH, Some("X26ABC2"), "YGA", "vaccinations", Err(other), Err(other)),
            (
                MESH,
                Some("X26ABC3"),
                "V0V8L",
                "vaccinations",
                Err("the mailbox 'X26ABC3' is not registered as a sender"),
                Err("the mailbox 'X26ABC3' is not registered as a sender"),
            ),
            // The adapter itself sends nothing; and a mailbox is believed of nobody else.
            (MESH, None, "V0V8L", "vaccinations", Err(no_one), Ok(())),
            ("AWS:AROAOTHER", Some("X26ABC2"), "V0V8L", "vaccinations", Err(no_one), Ok(())),
        ] {
            let named = format!("{principal} {mailbox:?} {ods} {feed}");
            let owned = |result: Result<(), &str>| result.map_err(str::to_owned);
            assert_eq!(rules(false).judge(principal, mailbox, ods, feed), owned(real), "{named}");
            assert_eq!(rules(true).judge(principal, mailbox, ods, feed), owned(sandbox), "{named}, in a sandbox");
        }
    }
}
