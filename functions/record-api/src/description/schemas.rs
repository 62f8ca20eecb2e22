//! Bodies as types. Requests are checked by `ims_fhir`, whose rules go beyond what a type can say; these types say what
//! is to be sent and what comes back.

use record_ingest::feed::{BOOKINGS, DEMOGRAPHICS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

use super::named;

/// All types of bodies, by name.
pub(super) fn all() -> Vec<(String, RefOr<Schema>)> {
    let mut all = named::<Immunization>();
    all.extend(named::<StoredImmunization>());
    all.extend(named::<Bundle>());
    all.extend(named::<OperationOutcome>());
    all.extend(named::<Health>());
    all.extend(named::<TokenForm>());
    all.extend(named::<Token>());
    all.extend(named::<TokenError>());
    all
}

/// A vaccination. Other members than these are refused, here and in the contained Patient and Practitioner.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Immunization {
    resource_type: ImmunizationType,
    /// In an update the record's id, as in the path; in a creation absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[A-Za-z0-9\-.]{1,64}$", nullable = false)]
    id: Option<String>,
    /// Exactly one Patient and at most one Practitioner.
    #[schema(min_items = 1, max_items = 2)]
    contained: Vec<Contained>,
    /// The vaccination procedure.
    #[schema(min_items = 1, max_items = 1)]
    extension: Vec<VaccinationProcedure>,
    /// The supplier's own identifier, by which the record is found and of which there is one record only.
    #[schema(min_items = 1, max_items = 1)]
    identifier: Vec<Identifier>,
    status: Status,
    /// The product, in SNOMED CT; or a code of v3-NullFlavor that says why there is none. What comes without is taken all
    /// the same.
    vaccine_code: CodeableConcept,
    /// The contained Patient.
    patient: Reference,
    /// When: a date, or a date and time with the offset +00:00 or +01:00. Not in the future.
    #[schema(pattern = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?\+0[01]:?00)?$")]
    occurrence_date_time: String,
    /// When it was recorded: a date, or a date and time with its offset. Not in the future.
    #[schema(pattern = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2}))?$")]
    recorded: String,
    /// Whether whoever recorded it saw it given.
    primary_source: bool,
    /// Maker of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    manufacturer: Option<Display>,
    /// Where, by code.
    location: Location,
    /// Batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    lot_number: Option<String>,
    /// Until when the product may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date", nullable = false)]
    expiration_date: Option<String>,
    /// Where on the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    site: Option<CodeableConcept>,
    /// By which way into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    route: Option<CodeableConcept>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dose_quantity: Option<Quantity>,
    /// Exactly one organisation; and the contained Practitioner where there is one.
    #[schema(min_items = 1)]
    performer: Vec<Performer>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, nullable = false)]
    reason_code: Option<Vec<CodeableConcept>>,
    /// Against what, and which dose of the course.
    #[schema(min_items = 1, max_items = 1)]
    protocol_applied: Vec<Protocol>,
}

/// Kind of resource.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) enum ImmunizationType {
    Immunization,
}

/// Nothing but what was given is recorded.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Completed,
}

/// A resource within the resource.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "resourceType")]
pub(super) enum Contained {
    /// Who was vaccinated.
    Patient(Patient),
    /// Who vaccinated.
    Practitioner(Practitioner),
}

/// Who was vaccinated.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patient {
    /// What `patient.reference` names, after `#`.
    #[schema(min_length = 1)]
    id: String,
    /// The NHS number, where it is known: system `https://fhir.nhs.uk/Id/nhs-number`, ten digits with their check digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, nullable = false)]
    identifier: Option<Vec<PatientIdentifier>>,
    /// Names; the one in use on the day counts.
    #[schema(min_items = 1)]
    name: Vec<PatientName>,
    gender: AdministrativeGender,
    /// Date of birth, not in the future.
    #[schema(format = "date")]
    birth_date: String,
    /// Addresses, one of them with a postcode.
    #[schema(min_items = 1)]
    address: Vec<Address>,
}

/// Sex.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AdministrativeGender {
    Male,
    Female,
    Other,
    Unknown,
}

/// A number of the patient.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct PatientIdentifier {
    /// Whose numbers they are.
    #[schema(min_length = 1)]
    system: String,
    /// The number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    value: Option<String>,
}

/// A patient's name.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct PatientName {
    /// What the name is used for (FHIR NameUse).
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    used_as: Option<String>,
    /// Family name.
    #[schema(min_length = 1, max_length = 35)]
    family: String,
    /// Given names, each of at most 180 characters.
    #[schema(min_items = 1, max_items = 5)]
    given: Vec<String>,
}

/// An address.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    /// Postcode; `ZZ99 3VZ` and the like where it is not known.
    #[schema(min_length = 1)]
    postal_code: String,
}

/// Who vaccinated.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Practitioner {
    /// What `performer.actor.reference` names, after `#`.
    #[schema(min_length = 1)]
    id: String,
    /// Names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, nullable = false)]
    name: Option<Vec<PractitionerName>>,
}

/// A practitioner's name.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct PractitionerName {
    /// Family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    family: Option<String>,
    /// Given names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, nullable = false)]
    given: Option<Vec<String>>,
}

/// The vaccination procedure, as UK Core extends the resource.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VaccinationProcedure {
    /// Always `https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure`.
    #[schema(pattern = r"^https://fhir\.hl7\.org\.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure$")]
    url: String,
    /// The procedure in SNOMED CT.
    value_codeable_concept: CodeableConcept,
}

/// An identifier.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Identifier {
    /// What the identifier is used for (FHIR IdentifierUse).
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    used_as: Option<String>,
    /// Whose identifiers they are, as a URI.
    #[schema(min_length = 1)]
    system: String,
    /// The identifier.
    #[schema(min_length = 1)]
    value: String,
}

/// A concept, as code systems name it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct CodeableConcept {
    /// Its codes; the first of SNOMED CT (`http://snomed.info/sct`) counts.
    #[schema(min_items = 1)]
    coding: Vec<Coding>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
}

/// A code.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Coding {
    /// The code system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    system: Option<String>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    code: Option<String>,
    /// The code in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    display: Option<String>,
}

/// A reference to a contained resource.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Reference {
    /// `#` and its id.
    #[schema(pattern = "^#.+$")]
    reference: String,
}

/// Something by its name.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Display {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    display: Option<String>,
}

/// A place.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Location {
    /// Its code, usually an ODS code.
    identifier: Identifier,
}

/// A quantity.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Quantity {
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<f64>,
    /// Unit in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    unit: Option<String>,
    /// The code system of the unit; needed with `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    system: Option<String>,
    /// Code of the unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    code: Option<String>,
}

/// Who took part.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Performer {
    /// The contained Practitioner, or an organisation.
    actor: Actor,
}

/// The contained Practitioner by `reference`, or an organisation by `type` and `identifier`.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Actor {
    /// `#` and the Practitioner's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^#.+$", nullable = false)]
    reference: Option<String>,
    /// `Organization`, for the one organisation.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<String>,
    /// The organisation's code, usually an ODS code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    identifier: Option<Identifier>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    display: Option<String>,
}

/// A dose of a course.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    /// The diseases vaccinated against; together they name the vaccine type.
    #[schema(min_items = 1)]
    target_disease: Vec<CodeableConcept>,
    /// Which dose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9, nullable = false)]
    dose_number_positive_int: Option<u8>,
    /// Why it is not known which dose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, nullable = false)]
    dose_number_string: Option<String>,
}

/// A vaccination as it is held: what was sent last, with id and version. Of restricted people address, organisation and
/// place are withheld.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredImmunization {
    resource_type: ImmunizationType,
    /// The record's id.
    #[schema(format = "uuid")]
    id: String,
    meta: Meta,
    /// As sent.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 2)]
    contained: Vec<serde_json::Value>,
    /// As sent.
    #[schema(min_items = 1, max_items = 1)]
    identifier: Vec<Identifier>,
    status: Status,
    /// As sent.
    occurrence_date_time: String,
    /// As sent.
    recorded: String,
    /// As sent.
    primary_source: bool,
}

/// About the record.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    /// The version, an integer, as in `E-Tag`.
    #[schema(pattern = "^[1-9][0-9]*$")]
    version_id: String,
}

/// What a search found.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    resource_type: BundleType,
    #[serde(rename = "type")]
    kind: BundleKind,
    /// The search as it was made.
    #[schema(min_items = 1, max_items = 1)]
    link: Vec<Link>,
    /// The records found, the patient, and what was not understood or not permitted.
    entry: Vec<Entry>,
    /// How many records were found.
    total: u32,
}

/// Kind of resource.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) enum BundleType {
    Bundle,
}

/// Kind of bundle.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BundleKind {
    Searchset,
}

/// An address of a search.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Link {
    /// Always `self`.
    relation: String,
    /// The address.
    url: String,
}

/// A part of a bundle.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// Where the resource is, or a UUID of its own.
    full_url: String,
    resource: FoundResource,
    search: SearchMode,
}

/// An Immunization (with `_elements` no more of it than was asked for), a Patient with the NHS number alone, or an
/// OperationOutcome.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundResource {
    resource_type: FoundType,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    meta: Option<serde_json::Value>,
}

/// Kind of resource.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) enum FoundType {
    Immunization,
    Patient,
    OperationOutcome,
}

/// What a part of a bundle is there for.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct SearchMode {
    mode: Mode,
}

/// `match` is a record found, `include` the patient, `outcome` a warning.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Match,
    Include,
    Outcome,
}

/// Why something was not done.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationOutcome {
    resource_type: OutcomeType,
    /// The answer's own.
    id: String,
    /// What is wrong.
    #[schema(min_items = 1, max_items = 1)]
    issue: Vec<Issue>,
}

/// Kind of resource.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) enum OutcomeType {
    OperationOutcome,
}

/// What is wrong.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Issue {
    severity: Severity,
    /// `invariant`, `invalid`, `forbidden`, `not-found`, `duplicate`, `exception`, `expired`, `too-long`, `throttled`.
    code: String,
    details: Details,
    /// In words, with the field and its value.
    diagnostics: String,
}

/// How bad.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Error,
    Warning,
}

/// The national code of what is wrong.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Details {
    /// One code of `https://fhir.nhs.uk/Codesystem/http-error-codes`.
    #[schema(min_items = 1, max_items = 1)]
    coding: Vec<DetailCode>,
}

/// A national code.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct DetailCode {
    /// Always `https://fhir.nhs.uk/Codesystem/http-error-codes`.
    system: String,
    /// The code.
    code: String,
}

/// That the API is up.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Health {
    /// `pass`.
    status: String,
    /// What was looked at.
    #[schema(value_type = Object)]
    checks: serde_json::Value,
}

/// What an application asks for a token with.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct TokenForm {
    /// Always `client_credentials`.
    #[schema(pattern = "^client_credentials$")]
    grant_type: String,
    /// Always `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    #[schema(pattern = "^urn:ietf:params:oauth:client-assertion-type:jwt-bearer$")]
    client_assertion_type: String,
    /// The assertion.
    #[schema(pattern = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
    client_assertion: String,
}

/// A token.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Token {
    /// What to send as `Authorization: Bearer …`.
    access_token: String,
    /// Seconds for which it is good.
    expires_in: u32,
    /// Always `Bearer`.
    token_type: String,
}

/// Why there is no token (RFC 6749 §5.2).
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct TokenError {
    /// `invalid_request`, `invalid_client`, `unsupported_grant_type`, `temporarily_unavailable` or `server_error`.
    error: String,
    /// In words.
    error_description: String,
}

/// An appointment, with the columns of the bookings extract as members.
pub(super) fn booking() -> Schema {
    let needed = [
        ("NHS_NUMBER", r"^\d{10}$"),
        ("APPOINTMENT_DATE_TIME", r"^\d{8}T\d{6}$"),
        ("APPOINTMENT_STATUS", "^(BOOKED|CANCELLED|ATTENDED|DNA)$"),
        ("BOOKING_REFERENCE_NUMBER", "^.{1,100}$"),
        ("SERVICE", "^(FLU|COVID)$"),
        ("CREATED_DATE_TIME", r"^\d{8}T\d{6}$"),
    ];
    let text = "An appointment, with the columns of the bookings extract as members. Dates and times are UTC, \
        `YYYYMMDDThhmmss`; the later of CREATED and CANCELLED date-time orders the changes of a reference. BATCH_SIZE, \
        LATITUDE, LONGITUDE and SELF_REFERRAL may be numbers or booleans, and what is not there may be null.";
    row(text, &BOOKINGS, &needed)
}

/// What the demographics service says of a person, with the columns of its feed as members.
pub(super) fn demographics() -> Schema {
    let needed =
        [("NHS_NUMBER", r"^\d{10}$"), ("RECORD_TYPE", "^(ADD|AMENDED|DEL)$"), ("CHANGE_TIME_STAMP", r"^\d{8}T\d{6}$")];
    let text = "What the demographics service says of a person, with the columns of its feed as members: all of it, since \
        what is left out is no longer so. Dates are `YYYYMMDD`, the time stamp is UTC, `YYYYMMDDThhmmss`. \
        SERIAL_CHANGE_NUMBER, 1 or more, orders what is said of a person, here and in files. Numbers and booleans may be \
        written as such, and what is not there may be null.";
    row(text, &DEMOGRAPHICS, &needed)
}

/// A feed's row as an object: all members are texts, numbers, booleans or null, those that are needed texts of a pattern.
fn row(text: &str, columns: &[&str], needed: &[(&str, &str)]) -> Schema {
    let mut object = ObjectBuilder::new()
        .description(Some(text))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for name in columns.iter().copied() {
        let pattern = needed.iter().find(|(needed, _)| *needed == name).map(|(_, pattern)| *pattern);
        let loose = SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]);
        let value = ObjectBuilder::new().schema_type(if pattern.is_some() { Type::String.into() } else { loose });
        object = object.property(name, value.pattern(pattern));
        if pattern.is_some() || name == "SERIAL_CHANGE_NUMBER" {
            object = object.required(name);
        }
    }
    object.into()
}

/// What became of a demographics event.
pub(super) fn demographics_taken() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let list = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String).enum_values(Some([
        "dead",
        "removed",
        "superseded",
        "invalidated",
        "restricted",
    ])));
    ObjectBuilder::new()
        .description(Some("What became of a demographics event, and the states that it says the person is in."))
        .property("result", text.enum_values(Some(["applied", "already_known"])))
        .property("SERIAL_CHANGE_NUMBER", ObjectBuilder::new().schema_type(Type::Integer))
        .property("states", list)
        .required("result")
        .required("SERIAL_CHANGE_NUMBER")
        .required("states")
        .into()
}

/// A demographics event that is taken on and after 1 October 2025.
pub(super) fn demographics_example() -> Value {
    json!({
        "NHS_NUMBER": "9990001022", "RECORD_TYPE": "AMENDED", "CHANGE_TIME_STAMP": "20251001T090000",
        "SERIAL_CHANGE_NUMBER": 900, "GIVEN_NAME": "Alder", "FAMILY_NAME": "Marrow", "DATE_OF_BIRTH": "19510228",
        "GENDER": "2", "DATE_OF_DEATH": "20251001", "DEATH_STATUS": "1",
    })
}

/// A booking that is taken on and after 1 October 2025.
pub(super) fn booking_example() -> Value {
    json!({
        "NHS_NUMBER": "9990001022", "APPOINTMENT_DATE_TIME": "20251020T090000", "APPOINTMENT_STATUS": "BOOKED",
        "BOOKING_REFERENCE_NUMBER": "example-0001", "SERVICE": "FLU", "CREATED_DATE_TIME": "20251001T090000",
        "ODS_CODE": "RJ1",
    })
}
