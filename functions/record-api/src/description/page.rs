//! The description as a page: made on the server, without scripts or anything from elsewhere.

use maud::{DOCTYPE, Markup, html};
use serde_json::{Map, Value};

use super::document;

const STYLE: &str = include_str!("page.css");
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// The page. `base` is the API's URL as the reader knows it.
pub(crate) fn page(base: &str) -> String {
    let document = document(base);
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let operations = operations(&document);
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let tags = document["tags"].as_array().cloned().unwrap_or_default();
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "API – " (text("/info/title")) }
                link rel="icon" href="data:,";
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to main content" }
                header { p { (text("/info/title")) } }
                main id="main" {
                    h1 { "API description" }
                    p { (ticked(text("/info/description"))) }
                    dl {
                        dt { "Base URL" } dd { code { (base) } }
                        dt { "Version" } dd { (text("/info/version")) }
                        dt { "For programs" } dd { a href=(format!("{base}/openapi.json")) { "openapi.json" } " (OpenAPI 3.1)" }
                        @for (name, scheme) in document.pointer("/components/securitySchemes").and_then(Value::as_object).into_iter().flatten() {
                            dt { "Access: " (name) } dd { (ticked(scheme["description"].as_str().unwrap_or_default())) }
                        }
                    }
                    nav aria-label="Contents" {
                        h2 { "Contents" }
                        ul {
                            @for (method, path, operation) in &operations {
                                li { a href=(format!("#{}", id(operation))) { code { (method) " " (path) } } " " (summary(operation)) }
                            }
                            li { a href="#schemas" { "Bodies" } }
                        }
                    }
                    @for tag in &tags {
                        section {
                            h2 { (tag["name"].as_str().unwrap_or_default()) }
                            p { (tag["description"].as_str().unwrap_or_default()) }
                            @for (method, path, operation) in operations.iter().filter(|(.., operation)| operation["tags"][0] == tag["name"]) {
                                (described(method, path, operation))
                            }
                        }
                    }
                    section id="schemas" {
                        h2 { "Bodies" }
                        @for (name, schema) in &schemas { (body(name, schema)) }
                    }
                }
            }
        }
    }
    .into_string()
}

/// Method, path and what is said of each operation, in the order of the paths.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| Some((method.to_uppercase(), path.as_str(), item.get(*method)?)))
        })
        .collect()
}

fn id(operation: &Value) -> &str {
    operation["operationId"].as_str().unwrap_or_default()
}

fn summary(operation: &Value) -> &str {
    operation["summary"].as_str().unwrap_or_default()
}

/// Text in which what stands between backticks is code.
fn ticked(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn described(method: &str, path: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
    html! {
        article id=(id(operation)) {
            h3 { (summary(operation)) }
            p class="call" { code { b { (method) } " " (path) } }
            p { (ticked(operation["description"].as_str().unwrap_or_default())) }
            @if operation["security"].as_array().is_some_and(|all| all.iter().any(|one| one.as_object().is_some_and(|one| !one.is_empty()))) {
                p { "Needs a bearer token." }
            } @else {
                p { "Open to anyone." }
            }
            @if !parameters.is_empty() {
                (table("Parameters", &["Name", "In", "Needed", "Form", "Meaning"], html! {
                    @for parameter in parameters {
                        tr {
                            th scope="row" { code { (parameter["name"].as_str().unwrap_or_default()) } }
                            td { (parameter["in"].as_str().unwrap_or_default()) }
                            td { (if parameter["required"] == true { "yes" } else { "no" }) }
                            td { (form(&parameter["schema"])) }
                            td { (ticked(parameter["description"].as_str().unwrap_or_default())) }
                        }
                    }
                }))
            }
            @for (media_type, content) in content.into_iter().flatten() {
                h4 { "Body" }
                p { (form(&content["schema"])) " as " code { (media_type) } }
                details {
                    summary { "Example" }
                    pre tabindex="0" { (serde_json::to_string_pretty(&content["example"]).unwrap_or_default()) }
                }
            }
            (table("Answers", &["Status", "Meaning", "Body", "Headers"], html! {
                @for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    tr {
                        th scope="row" { (status) }
                        td { (ticked(answer["description"].as_str().unwrap_or_default())) }
                        td {
                            @for (media_type, content) in answer["content"].as_object().into_iter().flatten() {
                                (form(&content["schema"])) " as " code { (media_type) }
                            }
                            @if answer["content"].is_null() { "none" }
                        }
                        td { (answer["headers"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()) }
                    }
                }
            }))
        }
    }
}

/// A table that can be scrolled to where it is wider than the page.
fn table(caption: &str, columns: &[&str], rows: Markup) -> Markup {
    html! {
        div class="wide" role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// A schema in a few words; one with a name by a link.
fn form(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return html! { a href=(format!("#schema-{name}")) { (name) } };
    }
    let among = ["oneOf", "allOf"].iter().find_map(|key| schema[*key].as_array());
    if let Some(among) = among {
        return html! { @for (place, one) in among.iter().enumerate() { @if place > 0 { ", " } (form(one)) } };
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    html! {
        @if schema["type"] == "array" { "list of " (form(&schema["items"])) } @else { (kind) }
        @if let Some(values) = schema["enum"].as_array() {
            ": " @for (place, value) in values.iter().filter_map(Value::as_str).enumerate() { @if place > 0 { ", " } code { (value) } }
        }
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
        @for (key, words) in [("pattern", "like"), ("minLength", "at least"), ("maxLength", "at most"), ("minItems", "at least"), ("maxItems", "at most"), ("minimum", "from"), ("maximum", "to")] {
            @match &schema[key] {
                Value::Null => {}
                Value::String(text) => { ", " (words) " " code { (text) } }
                value => { ", " (words) " " (value) }
            }
        }
    }
}

fn body(name: &str, schema: &Value) -> Markup {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let needed = |field: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
    html! {
        article id=(format!("schema-{name}")) {
            h3 { (name) }
            p { (ticked(schema["description"].as_str().unwrap_or_default())) }
            @if properties.is_empty() {
                p { (form(schema)) }
            } @else {
                (table("Members", &["Name", "Needed", "Form", "Meaning"], html! {
                    @for (field, schema) in properties {
                        tr {
                            th scope="row" { code { (field) } }
                            td { (if needed(field) { "yes" } else { "no" }) }
                            td { (form(schema)) }
                            td { (ticked(schema["description"].as_str().unwrap_or_default())) }
                        }
                    }
                }))
            }
        }
    }
}
