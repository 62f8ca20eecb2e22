//! What is withheld of people whose whereabouts may be disclosed to nobody.

use serde_json::{Value, json};

use crate::uri;

/// Postcode that stands in for a restricted person's: no fixed abode, nowhere in particular.
const POSTCODE: &str = "ZZ99 3CZ";
/// Organisation that stands in for the one that vaccinated: it says nothing of where.
const ORGANISATION: &str = "N2N9I";

/// Takes out of an Immunization what tells where a restricted person lives or was vaccinated: the address becomes a
/// postcode of nowhere, the organisation one of the service's own, the place the country.
pub fn withhold_whereabouts(resource: &mut Value) {
    let patients = resource.get_mut("contained").and_then(Value::as_array_mut).into_iter().flatten();
    for patient in patients.filter(|part| part["resourceType"] == "Patient") {
        if patient.get("address").is_some() {
            patient["address"] = json!([{"postalCode": POSTCODE}]);
        }
    }
    let performers = resource.get_mut("performer").and_then(Value::as_array_mut).into_iter().flatten();
    for actor in performers.filter_map(|performer| performer.get_mut("actor")) {
        if actor["type"] == "Organization" || actor.get("identifier").is_some() {
            *actor = json!({
                "type": "Organization",
                "identifier": {"system": uri::ODS_ORGANIZATION, "value": ORGANISATION},
            });
        }
    }
    if resource.get("location").is_some() {
        resource["location"] = json!({"identifier": {"system": uri::COUNTRY, "value": "GB"}});
    }
}
