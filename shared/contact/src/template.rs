//! Message templates: versioned data, checked before they are published, rendered strictly.
//!
//! A message may reach the wrong hands. So the set of fields is closed and says nothing of why a person is invited:
//! no condition, no cohort, no occupation, no NHS number.

use ims_domain::VaccineType;
use ims_domain::campaign::Step;
use ims_domain::contact::Channel;
use ims_domain::letter::{Format, Language};
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::letter::Picture;
use crate::sms;

/// Longest letter NHS Notify accepts, in characters.
pub const LONGEST_LETTER: usize = 15_000;
/// Longest `greeting_name`, in characters: FHIR names are longer only by mistake, and texts are sized by it.
pub const LONGEST_NAME: usize = 70;
/// Longest `booking_link` and `booking_phone`, in characters.
pub const LONGEST_BOOKING: usize = 60;

/// Words that would tell a reader why the person was chosen. Lower case, matched anywhere in the text.
const TELLING: &[&str] = &[
    "at risk",
    "high risk",
    "pregnan",
    "asthma",
    "diabet",
    "immunosup",
    "weakened immune",
    "shield",
    "vulnerable",
    "cancer",
    "chemo",
    "kidney",
    "liver",
    "obes",
    "learning disab",
    "mental",
    "hiv",
    "care home",
    "carer",
    "cohort",
    "prison",
    "homeless",
    "health condition",
    "nhs number",
];

/// Every file of `templates/`, by name.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// All that a message may say of a person. There is no other field.
#[derive(Clone)]
pub struct Fields {
    /// The name after "Dear", at most [`LONGEST_NAME`] characters.
    pub greeting_name: String,
    /// Whether the letter is addressed to the parent or guardian of the person named.
    pub to_parent: bool,
    /// The vaccine in plain words, as in "your flu vaccination".
    pub programme: String,
    /// Which dose of the course, from 1.
    pub dose: u8,
    /// Doses in the course.
    pub doses: u8,
    /// Where to book, without `https://`.
    pub booking_link: String,
    /// Number to call to book, as it is printed.
    pub booking_phone: String,
}

impl Fields {
    /// Names of the fields.
    pub const NAMES: [&'static str; 7] =
        ["greeting_name", "to_parent", "programme", "dose", "doses", "booking_link", "booking_phone"];

    fn values(&self) -> Value {
        let values: [Value; 7] = [
            self.greeting_name.as_str().into(),
            self.to_parent.into(),
            self.programme.as_str().into(),
            self.dose.into(),
            self.doses.into(),
            self.booking_link.as_str().into(),
            self.booking_phone.as_str().into(),
        ];
        Value::from_pairs(Self::NAMES.into_iter().zip(values))
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("programme", &self.programme).field("dose", &self.dose).finish_non_exhaustive()
    }
}

/// Plain words for a programme, as in "your flu vaccination".
#[must_use]
pub fn plain_words(programme: VaccineType) -> &'static str {
    match programme.code() {
        "FLU" => "flu",
        "COVID" => "COVID-19",
        code => code,
    }
}

/// A message template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Version of this file's shape; 1.
    pub schema: u32,
    /// Name, unique together with the version.
    pub name: String,
    /// Version of the wording, from 1. A published version never changes.
    pub version: u32,
    /// Programme.
    pub programme: VaccineType,
    /// Step.
    pub step: Step,
    /// Channel.
    pub channel: Channel,
    /// Language of the wording.
    #[serde(default)]
    pub language: Language,
    /// `standard`, of which large print, Braille and recordings are made, too; or `easy_read`, a wording of its own.
    #[serde(default)]
    pub format: Format,
    /// Whether somebody who may has read the wording and found it fit to be sent.
    #[serde(default)]
    pub reviewed: bool,
    /// The provider's template that carries the text: on GOV.UK Notify, one whose whole content is `((body))`.
    pub provider_template: Uuid,
    /// Heading of a letter; absent in a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// Paragraphs, minijinja.
    pub body: Vec<String>,
    /// The picture beside each paragraph of an easy-read letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Option<Picture>>,
}

/// A rendered message.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Heading of a letter.
    pub heading: Option<String>,
    /// Paragraphs.
    pub paragraphs: Vec<String>,
    /// The picture beside each paragraph; empty where there are none.
    pub pictures: Vec<Option<Picture>>,
}

impl Rendered {
    /// The whole text of an SMS: paragraphs with an empty line between them.
    #[must_use]
    pub fn text(&self) -> String {
        self.paragraphs.join("\n\n")
    }
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rendered({} paragraphs)", self.paragraphs.len())
    }
}

/// Why a template cannot be used. Names the template and the place; never the values of fields.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Not the JSON of a template.
    #[error("{file}: {message}")]
    File {
        /// File name.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// Does not pass its publish-time check.
    #[error("template {name} version {version}, {place}: {message}")]
    Problem {
        /// Template.
        name: String,
        /// Version.
        version: u32,
        /// `heading`, `body[2]`, `body`, ….
        place: String,
        /// What is wrong there.
        message: String,
    },
}

impl Template {
    /// The publish-time check: every problem found; none means that it can be published.
    ///
    /// Looks for unknown fields, words that tell why a person was chosen, a heading where there should be none, and
    /// texts that can come out too long with the longest values that fields can have.
    #[must_use]
    pub fn check(&self) -> Vec<TemplateError> {
        let mut found = Vec::new();
        let mut problem = |place: &str, message: String| found.push(self.problem(place, message));
        if self.schema != 1 {
            problem("schema", format!("{} is not a known version; expected 1", self.schema));
        }
        if self.version == 0 {
            problem("version", "counts from 1".into());
        }
        match (self.channel, &self.heading) {
            (Channel::Letter, None) => problem("heading", "a letter needs one".into()),
            (Channel::Sms, Some(_)) => problem("heading", "a text has none".into()),
            _ => {}
        }
        if !matches!(self.format, Format::Standard | Format::EasyRead) {
            problem("format", format!("'{}' has no wording of its own", self.format.name()));
        }
        match (self.format, self.channel, self.pictures.len()) {
            (_, _, 0) => {}
            (Format::EasyRead, Channel::Letter, pictures) if pictures == self.body.len() => {}
            (Format::EasyRead, Channel::Letter, pictures) => {
                problem("pictures", format!("{pictures} for {} paragraphs", self.body.len()));
            }
            _ => problem("pictures", "are for easy-read letters alone".into()),
        }
        if self.step == Step::Call {
            problem("step", "a call has no message".into());
        }
        if self.body.is_empty() {
            problem("body", "is empty".into());
        }
        for (place, source) in self.sources() {
            let env = environment();
            match env.template_from_str(source) {
                Err(error) => problem(&place, describe(&error)),
                Ok(template) => {
                    let mut unknown: Vec<String> = template
                        .undeclared_variables(false)
                        .into_iter()
                        .filter(|name| !Fields::NAMES.contains(&name.as_str()))
                        .collect();
                    unknown.sort();
                    for name in unknown {
                        problem(&place, format!("unknown field '{name}'"));
                    }
                }
            }
            let lower = source.to_lowercase();
            for word in TELLING.iter().filter(|word| lower.contains(**word)) {
                problem(&place, format!("'{word}' may tell why the person is invited"));
            }
        }
        if found.is_empty() {
            found.extend(self.check_lengths());
        }
        found
    }

    fn check_lengths(&self) -> Option<TemplateError> {
        let limit = match self.channel {
            Channel::Sms => sms::LONGEST_TEXT,
            Channel::Letter => LONGEST_LETTER,
        };
        for to_parent in [false, true] {
            for (dose, doses) in [(1, 1), (1, 2), (2, 2), (9, 9)] {
                let longest = Fields {
                    greeting_name: "W".repeat(LONGEST_NAME),
                    to_parent,
                    programme: plain_words(self.programme).to_owned(),
                    dose,
                    doses,
                    booking_link: "w".repeat(LONGEST_BOOKING),
                    booking_phone: "0".repeat(LONGEST_BOOKING),
                };
                match self.render(&longest) {
                    Err(error) => return Some(error),
                    Ok(rendered) => {
                        let length = rendered.text().chars().count();
                        if length > limit {
                            return Some(
                                self.problem("body", format!("can be {length} characters long; at most {limit}")),
                            );
                        }
                    }
                }
            }
        }
        None
    }

    /// The text for a person.
    ///
    /// # Errors
    /// When a name or booking field is empty or longer than allowed, or the template uses a field that there is not.
    pub fn render(&self, fields: &Fields) -> Result<Rendered, TemplateError> {
        for (name, value, longest) in [
            ("greeting_name", &fields.greeting_name, LONGEST_NAME),
            ("booking_link", &fields.booking_link, LONGEST_BOOKING),
            ("booking_phone", &fields.booking_phone, LONGEST_BOOKING),
        ] {
            let length = value.chars().count();
            if value.trim().is_empty() || length > longest {
                return Err(self.problem(name, format!("has {length} characters; expected 1 to {longest}")));
            }
        }
        let (env, context) = (environment(), fields.values());
        let one = |place: &str, source: &str| {
            env.render_str(source, context.clone()).map_err(|error| self.problem(place, describe(&error)))
        };
        let heading = self.heading.as_deref().map(|source| one("heading", source)).transpose()?;
        let mut paragraphs = Vec::with_capacity(self.body.len());
        let mut pictures = Vec::with_capacity(self.pictures.len());
        for (index, source) in self.body.iter().enumerate() {
            let text = one(&format!("body[{index}]"), source)?;
            if !text.trim().is_empty() {
                paragraphs.push(text);
                pictures.extend(self.pictures.get(index));
            }
        }
        Ok(Rendered { heading, paragraphs, pictures })
    }

    fn sources(&self) -> impl Iterator<Item = (String, &str)> {
        let heading = self.heading.iter().map(|text| ("heading".to_owned(), text.as_str()));
        heading.chain(self.body.iter().enumerate().map(|(index, text)| (format!("body[{index}]"), text.as_str())))
    }

    fn problem(&self, place: &str, message: String) -> TemplateError {
        TemplateError::Problem { name: self.name.clone(), version: self.version, place: place.to_owned(), message }
    }
}

/// Strict: a field that there is not is an error, never an empty word in somebody's letter. No escaping: it is no HTML.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env
}

fn describe(error: &minijinja::Error) -> String {
    match error.line() {
        Some(line) => format!("{} (line {line})", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The published templates.
#[derive(Debug, Clone)]
pub struct TemplateSet {
    templates: Vec<Template>,
}

impl TemplateSet {
    /// The templates that are built in, from `templates/*.json`.
    ///
    /// # Errors
    /// The first file that is no template or fails [`Template::check`].
    pub fn embedded() -> Result<Self, TemplateError> {
        Self::from_files(EMBEDDED.iter().copied())
    }

    /// Reads and checks templates.
    ///
    /// # Errors
    /// The first file that is no template, fails [`Template::check`], or repeats a name and version.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, TemplateError> {
        let mut templates: Vec<Template> = Vec::new();
        for (file, json) in files {
            let template: Template = serde_json::from_str(json)
                .map_err(|error| TemplateError::File { file: file.to_owned(), message: error.to_string() })?;
            if let Some(problem) = template.check().into_iter().next() {
                return Err(problem);
            }
            if templates.iter().any(|other| other.name == template.name && other.version == template.version) {
                return Err(template.problem("version", "is there twice".into()));
            }
            templates.push(template);
        }
        Ok(Self { templates })
    }

    /// The latest version in English for a programme, step and channel.
    #[must_use]
    pub fn find(&self, programme: VaccineType, step: Step, channel: Channel) -> Option<&Template> {
        self.latest(programme, step, channel, Language::English, Format::Standard, true)
    }

    /// The wording of a letter in the language and format wished: in that language as far as there is one, and as easy to
    /// read as there is one. Wordings that nobody has reviewed are left out, unless `unreviewed` are wanted, too.
    #[must_use]
    pub fn letter(
        &self,
        programme: VaccineType,
        step: Step,
        language: Language,
        format: Format,
        unreviewed: bool,
    ) -> Option<&Template> {
        let wording = if format == Format::EasyRead { Format::EasyRead } else { Format::Standard };
        let places = [
            (language, wording),
            (language, Format::Standard),
            (Language::English, wording),
            (Language::English, Format::Standard),
        ];
        places
            .into_iter()
            .find_map(|(language, format)| self.latest(programme, step, Channel::Letter, language, format, unreviewed))
    }

    /// The wording of a text in the language wished, else in English. Wordings that nobody has reviewed are left out,
    /// unless `unreviewed` are wanted, too.
    #[must_use]
    pub fn text(&self, programme: VaccineType, step: Step, language: Language, unreviewed: bool) -> Option<&Template> {
        let places = [language, Language::English].into_iter();
        places
            .filter_map(|language| self.latest(programme, step, Channel::Sms, language, Format::Standard, unreviewed))
            .next()
    }

    fn latest(
        &self,
        programme: VaccineType,
        step: Step,
        channel: Channel,
        language: Language,
        format: Format,
        unreviewed: bool,
    ) -> Option<&Template> {
        let of = |template: &&Template| {
            (template.programme, template.step, template.channel) == (programme, step, channel)
                && (template.language, template.format) == (language, format)
                && (unreviewed || template.reviewed)
        };
        self.templates.iter().filter(of).max_by_key(|template| template.version)
    }

    /// One version by name, to explain or repeat a message that went out.
    #[must_use]
    pub fn version(&self, name: &str, version: u32) -> Option<&Template> {
        self.templates.iter().find(|template| template.name == name && template.version == version)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Template] {
        &self.templates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields {
            greeting_name: "Amina Khan".into(),
            to_parent: false,
            programme: "flu".into(),
            dose: 1,
            doses: 1,
            booking_link: "nhs.uk/book-flu".into(),
            booking_phone: "119".into(),
        }
    }

    fn sms(body: &str) -> Template {
        Template {
            schema: 1,
            name: "t".into(),
            version: 1,
            programme: "FLU".parse().unwrap(),
            step: Step::Invite,
            channel: Channel::Sms,
            language: Language::English,
            format: Format::Standard,
            reviewed: false,
            provider_template: Uuid::nil(),
            heading: None,
            body: vec![body.into()],
            pictures: Vec::new(),
        }
    }

    #[test]
    fn every_programme_step_and_channel_has_a_template_that_says_who_and_how_to_book() {
        let set = TemplateSet::embedded().unwrap();
        let programmes: std::collections::BTreeSet<&str> =
            set.all().iter().map(|template| template.programme.code()).collect();
        assert_eq!(programmes.into_iter().collect::<Vec<_>>(), ["COVID", "FLU", "MMR"]);
        for programme in ["FLU", "COVID", "MMR"] {
            for step in [Step::Invite, Step::Reminder] {
                for channel in [Channel::Sms, Channel::Letter] {
                    let programme: VaccineType = programme.parse().unwrap();
                    let template = set.find(programme, step, channel).unwrap();
                    assert_eq!(template.check(), []);
                    let rendered =
                        template.render(&Fields { programme: plain_words(programme).into(), ..fields() }).unwrap();
                    let text = rendered.text();
                    for part in ["Amina Khan", "nhs.uk/book-flu", "119", plain_words(programme)] {
                        assert!(text.contains(part), "{}: no '{part}' in {text}", template.name);
                    }
                    if channel == Channel::Sms {
                        let size = sms::segments(&text);
                        assert_eq!(size.encoding, sms::Encoding::Gsm7, "{text}");
                        assert!(size.parts <= 2, "{}: {} parts", template.name, size.parts);
                    }
                }
            }
        }
    }

    #[test]
    fn a_childs_letter_is_to_the_parent_or_guardian() {
        let set = TemplateSet::embedded().unwrap();
        let letter = set.find("FLU".parse().unwrap(), Step::Invite, Channel::Letter).unwrap();
        let text = letter.render(&Fields { to_parent: true, ..fields() }).unwrap().text();
        assert!(text.starts_with("Dear parent or guardian of Amina Khan"), "{text}");
        assert!(!text.contains("your flu vaccination"), "{text}");
    }

    #[test]
    fn no_childs_letter_speaks_of_the_parents_own_vaccination() {
        let set = TemplateSet::embedded().unwrap();
        let in_english =
            |template: &&Template| template.channel == Channel::Letter && template.language == Language::English;
        for letter in set.all().iter().filter(in_english) {
            let words = plain_words(letter.programme);
            let fields = Fields { to_parent: true, programme: words.into(), dose: 2, doses: 2, ..fields() };
            let text = letter.render(&fields).unwrap();
            let heading = text.heading.clone().unwrap();
            assert!(heading.contains(&format!("your child's {words} vaccination")), "{heading}");
            for own in [format!("your {words}"), "you have already".to_owned()] {
                assert!(!text.text().contains(&own), "{}: '{own}'", letter.name);
            }
        }
    }

    #[test]
    fn a_letter_comes_in_the_language_and_format_wished_as_far_as_there_is_a_reviewed_wording() {
        let set = TemplateSet::embedded().unwrap();
        for programme in ["FLU", "COVID", "MMR"] {
            for step in [Step::Invite, Step::Reminder] {
                for (language, format, found) in [
                    (Language::Welsh, Format::LargePrint, (Language::Welsh, Format::Standard)),
                    (Language::Arabic, Format::Standard, (Language::Arabic, Format::Standard)),
                    (Language::English, Format::EasyRead, (Language::English, Format::EasyRead)),
                    (Language::Arabic, Format::EasyRead, (Language::Arabic, Format::Standard)),
                    (Language::English, Format::Braille, (Language::English, Format::Standard)),
                ] {
                    let wording = set.letter(programme.parse().unwrap(), step, language, format, true).unwrap();
                    assert_eq!((wording.language, wording.format), found, "{programme} {step:?}");
                }
            }
        }
        let english = Template { channel: Channel::Letter, reviewed: true, heading: Some("h".into()), ..sms("en") };
        let welsh = Template { name: "w".into(), language: Language::Welsh, reviewed: false, ..english.clone() };
        let (programme, step) = (english.programme, english.step);
        let set = TemplateSet { templates: vec![english.clone(), welsh.clone()] };
        let find = |unreviewed| set.letter(programme, step, Language::Welsh, Format::Standard, unreviewed);
        assert_eq!((find(false), find(true)), (Some(&english), Some(&welsh)));
    }

    #[test]
    fn a_text_comes_in_the_language_wished_and_is_sized_by_its_alphabet() {
        let set = TemplateSet::embedded().unwrap();
        for programme in ["FLU", "COVID", "MMR"] {
            for step in [Step::Invite, Step::Reminder] {
                for (language, encoding) in [
                    (Language::English, sms::Encoding::Gsm7),
                    (Language::Welsh, sms::Encoding::Gsm7),
                    (Language::Arabic, sms::Encoding::Ucs2),
                ] {
                    let template = set.text(programme.parse().unwrap(), step, language, true).unwrap();
                    assert_eq!((template.language, template.check()), (language, vec![]), "{programme} {step:?}");
                    let text = template.render(&fields()).unwrap().text();
                    assert!(
                        text.contains("Amina Khan") && text.contains("nhs.uk/book-flu") && text.contains("119"),
                        "{text}"
                    );
                    let size = sms::segments(&text);
                    assert!(size.encoding == encoding && size.parts <= 4, "{}: {size:?}", template.name);
                }
            }
        }
        assert_eq!(
            set.text("FLU".parse().unwrap(), Step::Invite, Language::Welsh, false),
            None,
            "none is reviewed yet"
        );
    }

    #[test]
    fn only_a_further_dose_is_called_by_its_number() {
        let set = TemplateSet::embedded().unwrap();
        let letter = set.find("COVID".parse().unwrap(), Step::Invite, Channel::Letter).unwrap();
        let text = |dose, doses| {
            letter.render(&Fields { dose, doses, programme: "COVID-19".into(), ..fields() }).unwrap().text()
        };
        assert!(!text(1, 1).contains("dose 1"));
        assert!(text(2, 2).contains("dose 2"));
    }

    #[test]
    fn check_finds_what_must_not_be_published() {
        for (body, message) in [
            ("Hi {{ greeting_name }}, {{ cohort }}", "unknown field 'cohort'"),
            ("{% if dose %}", "syntax error (line 1)"),
            ("{{ greeting_name }}, because of your asthma", "'asthma' may tell why the person is invited"),
            ("As you are At Risk", "'at risk' may tell why the person is invited"),
        ] {
            let problems: Vec<String> = sms(body).check().iter().map(ToString::to_string).collect();
            assert!(problems.iter().any(|problem| problem.ends_with(message)), "{body}: {problems:?}");
        }
        let long = sms(&("a".repeat(900) + "{{ greeting_name }}"));
        assert_eq!(long.check()[0].to_string(), "template t version 1, body: can be 970 characters long; at most 918");
        assert_eq!(sms("Dear {{ greeting_name }}").check(), []);
    }

    #[test]
    fn rendering_never_leaves_a_gap_where_a_word_should_be() {
        assert!(sms("Dear {{ name }}").render(&fields()).is_err());
        let error =
            sms("Dear {{ greeting_name }}").render(&Fields { greeting_name: " ".into(), ..fields() }).unwrap_err();
        assert_eq!(error.to_string(), "template t version 1, greeting_name: has 1 characters; expected 1 to 70");
    }

    #[test]
    fn the_newest_version_is_used_and_the_older_stays_readable() {
        let first = sms("one");
        let second = Template { version: 2, body: vec!["two".into()], ..first.clone() };
        let files: Vec<(String, String)> = [&first, &second]
            .iter()
            .map(|template| ("f".to_owned(), serde_json::to_string(template).unwrap()))
            .collect();
        let set = TemplateSet::from_files(files.iter().map(|(name, json)| (name.as_str(), json.as_str()))).unwrap();
        assert_eq!(set.find(first.programme, Step::Invite, Channel::Sms), Some(&second));
        assert_eq!(set.version("t", 1), Some(&first));
        let twice = files.iter().chain(&files).map(|(name, json)| (name.as_str(), json.as_str()));
        assert!(TemplateSet::from_files(twice).is_err());
    }
}
