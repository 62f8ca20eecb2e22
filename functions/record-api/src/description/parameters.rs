//! Parameters: of the path, of searches, and headers.

use ims_domain::{ImmunisationId, VaccineType};
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

/// What a header of a request repeats in its answer.
const IDS: [(&str, &str); 2] = [
    ("X-Request-ID", "Repeated in the answer. Where it is a UUID, the audit trail names the request by it."),
    ("X-Correlation-ID", "Repeated in the answer."),
];

/// The headers that every request may carry.
pub(super) fn ids() -> impl Iterator<Item = Parameter> {
    IDS.into_iter().map(|(name, text)| {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,100}$"));
        let example = Some(json!("60e0b220-4136-4ca5-ae46-1d97ef59d068"));
        parameter(name, ParameterIn::Header, false, text).schema(Some(schema)).example(example).build()
    })
}

/// The version that an update is made over.
pub(super) fn version() -> Parameter {
    let text = "The version that was read last. Where the record has another, it has changed since and the update is \
        refused; a deleted record is reinstated whatever the version.";
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{0,8}$"));
    parameter("E-Tag", ParameterIn::Header, true, text).schema(Some(schema)).example(Some(json!("1"))).build()
}

/// The id of the record that the examples make.
pub(super) fn example_id() -> String {
    ImmunisationId::of("https://supplier.example/vaccinations", "example-2025-0001").to_string()
}

/// The record's id in the path.
pub(super) fn id() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[A-Za-z0-9\-.]{1,64}$"));
    let example = Some(json!(example_id()));
    parameter("id", ParameterIn::Path, true, "The record's id, as `Location` gave it.")
        .schema(Some(schema))
        .example(example)
        .build()
}

fn parameter(name: &str, place: ParameterIn, required: bool, text: &str) -> ParameterBuilder {
    let required = if required { Required::True } else { Required::False };
    ParameterBuilder::new().name(name).parameter_in(place).required(required).description(Some(text))
}

/// What is said of a search parameter.
pub(super) struct Wording {
    /// What it is for.
    pub(super) text: &'static str,
    /// Form of a value, or of each value where several are allowed.
    schema: Object,
    /// Whether several values may stand between commas.
    several: bool,
    /// A value that finds something.
    example: Value,
}

/// What is said of a search parameter; `None` where nothing is.
pub(super) fn wording(name: &str) -> Option<Wording> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let matching = |pattern: &str| text().pattern(Some(pattern)).build();
    let one_of = |values: Vec<&str>| text().enum_values(Some(values)).build();
    let day = || text().format(Some(utoipa::openapi::SchemaFormat::Custom("date".to_owned()))).build();
    let (text, schema, several, example) = match name {
        "patient.identifier" => (
            "Whose records: `https://fhir.nhs.uk/Id/nhs-number|` and the NHS number. Needed unless `identifier` is given.",
            matching(r"^https://fhir\.nhs\.uk/Id/nhs-number\|\d{10}$"),
            false,
            json!("https://fhir.nhs.uk/Id/nhs-number|9990001022"),
        ),
        "-immunization.target" => (
            "Vaccine types. This or `target-disease` is needed with `patient.identifier`.",
            one_of(VaccineType::all().map(VaccineType::code).collect()),
            true,
            json!(["FLU", "COVID"]),
        ),
        "target-disease" => (
            "Diseases vaccinated against: `http://snomed.info/sct|` and the SNOMED CT code. Not beside \
             `-immunization.target` or `identifier`.",
            matching(r"^http://snomed\.info/sct\|\d{6,18}$"),
            true,
            json!(["http://snomed.info/sct|6142004"]),
        ),
        "-date.from" => ("The first day of vaccination, included.", day(), false, json!("2025-09-01")),
        "-date.to" => ("The last day of vaccination, included.", day(), false, json!("2026-03-31")),
        "_include" => (
            "Only `Immunization:patient`. The patient is always included.",
            one_of(vec!["Immunization:patient"]),
            false,
            json!("Immunization:patient"),
        ),
        "identifier" => (
            "The record with this identifier of the supplier's: its system, `|`, its value. Not beside the parameters of a \
             search by patient.",
            matching(r"^[^| ,]+\|[^| ,]+$"),
            false,
            json!("https://supplier.example/vaccinations|example-2025-0001"),
        ),
        "_elements" => (
            "Of the record no more than these members; only with `identifier`.",
            one_of(vec!["id", "meta"]),
            true,
            json!(["id", "meta"]),
        ),
        _ => return None,
    };
    Some(Wording { text, schema, several, example })
}

/// The parameters of a search in a query.
pub(super) fn query(names: &[&str]) -> Vec<Parameter> {
    let of = |name: &&str| {
        let Wording { text, schema, several, .. } = wording(name)?;
        let made = parameter(name, ParameterIn::Query, false, text);
        let made = if several {
            let list = ArrayBuilder::new().items(schema).min_items(Some(1));
            made.schema(Some(list)).style(Some(ParameterStyle::Form)).explode(Some(false))
        } else {
            made.schema(Some(schema))
        };
        Some(made.build())
    };
    names.iter().filter_map(of).collect()
}

/// The parameters of a search as a form.
pub(super) fn form(names: &[&str]) -> RefOr<Schema> {
    let text = "The parameters of a search; several values of one stand between commas.";
    let mut form = ObjectBuilder::new()
        .description(Some(text))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for (name, Wording { text, schema, several, .. }) in names.iter().filter_map(|name| Some((*name, wording(name)?))) {
        let object = if several { ObjectBuilder::new().schema_type(Type::String) } else { schema.into() };
        form = form.property(name, object.description(Some(text)));
    }
    form.into()
}

/// A form that finds a person's vaccinations against influenza.
pub(super) fn form_example() -> Value {
    let value = |name: &str| {
        let example = wording(name).map(|wording| wording.example).unwrap_or_default();
        example.as_array().map_or(example.clone(), |all| all.first().cloned().unwrap_or_default())
    };
    let names = ["patient.identifier", "-immunization.target", "-date.from"];
    Value::Object(names.into_iter().map(|name| (name.to_owned(), value(name))).collect())
}
