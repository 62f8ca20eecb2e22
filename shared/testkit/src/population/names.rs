//! Names and streets for made-up people; each list mixes plain names with ones that break careless code (apostrophes,
//! hyphens, spaces, letters outside ASCII).

use super::england::EthnicGroup;

pub(crate) const STREETS: [&str; 32] = [
    "High Street",
    "Station Road",
    "Church Lane",
    "Victoria Road",
    "Green Lane",
    "Manor Road",
    "Park Avenue",
    "Queens Road",
    "New Road",
    "Grange Road",
    "Kings Road",
    "Windsor Road",
    "Mill Lane",
    "Alexandra Road",
    "York Road",
    "St John's Road",
    "Main Street",
    "Broadway",
    "Springfield Road",
    "The Avenue",
    "West Street",
    "Albert Road",
    "School Lane",
    "Orchard Close",
    "Chester Road",
    "Bridge Street",
    "The Crescent",
    "Lime Grove",
    "Heath Road",
    "Nelson Street",
    "Cromwell Road",
    "Meadow Way",
];

pub(crate) const CARE_HOMES: [&str; 6] = [
    "The Limes Care Home",
    "Beech House Nursing Home",
    "St Anne's Lodge",
    "Fairview Care Home",
    "The Willows",
    "Rose Court",
];

const WHITE_FEMALE: [&str; 20] = [
    "Margaret",
    "Susan",
    "Olivia",
    "Emma",
    "Jean",
    "Patricia",
    "Amelia",
    "Sarah",
    "Zoë",
    "Siân",
    "Anne-Marie",
    "Dorothy",
    "Katarzyna",
    "Charlotte",
    "Linda",
    "Niamh",
    "Gemma",
    "Maureen",
    "Chloe",
    "Elizabeth",
];
const WHITE_MALE: [&str; 20] = [
    "David",
    "John",
    "Oliver",
    "Michael",
    "Peter",
    "Jack",
    "Alan",
    "Thomas",
    "Seán",
    "Piotr",
    "Jean-Paul",
    "Ronald",
    "Harry",
    "Stephen",
    "Kenneth",
    "George",
    "Liam",
    "Brian",
    "Christopher",
    "Robert",
];
const ASIAN_FEMALE: [&str; 10] =
    ["Aisha", "Priya", "Fatima", "Mei", "Sunita", "Zainab", "Nusrat", "Anjali", "Rukhsana", "Xin Yi"];
const ASIAN_MALE: [&str; 10] =
    ["Mohammed", "Arjun", "Imran", "Wei", "Harpreet", "Rahul", "Tariq", "Jaswinder", "Abdul", "Kiran"];
const BLACK_FEMALE: [&str; 8] = ["Abena", "Grace", "Chiamaka", "Folashade", "Marcia", "Esther", "Zuri", "Joy"];
const BLACK_MALE: [&str; 8] = ["Kwame", "Emmanuel", "Chidi", "Winston", "Samuel", "Yaw", "Tunde", "Marlon"];
const OTHER_FEMALE: [&str; 8] = ["Maya", "Leila", "Sofia", "Noor", "Jasmine", "Thi", "Mariam", "Gabriela"];
const OTHER_MALE: [&str; 8] = ["Adam", "Omar", "Leon", "Rafael", "Yusuf", "Karim", "Noah", "José"];

const WHITE_FAMILY: [&str; 28] = [
    "Smith",
    "Jones",
    "Taylor",
    "Brown",
    "Williams",
    "Wilson",
    "Johnson",
    "Davies",
    "Robinson",
    "Wright",
    "Thompson",
    "Evans",
    "Walker",
    "White",
    "O'Neill",
    "Roberts",
    "Green",
    "Hall",
    "Wood",
    "Jackson",
    "Clarke",
    "Smith-Barnes",
    "Kowalski",
    "D'Arcy",
    "van Dijk",
    "Hughes",
    "Turner",
    "Ó Briain",
];
const ASIAN_FAMILY: [&str; 12] =
    ["Khan", "Patel", "Hussain", "Singh", "Begum", "Ahmed", "Kaur", "Ali", "Chen", "Wong", "Choudhury", "Shah"];
const BLACK_FAMILY: [&str; 10] =
    ["Mensah", "Campbell", "Okafor", "Adeyemi", "Williams", "Osei", "Brown", "Ndlovu", "Boateng", "Clarke"];
const OTHER_FAMILY: [&str; 10] =
    ["Ali", "Garcia", "Nguyen", "Hassan", "Silva", "Rahimi", "Fernández", "Yılmaz", "Lewis", "Haddad"];

pub(crate) fn given_names(group: EthnicGroup, male: bool) -> &'static [&'static str] {
    match (group, male) {
        (EthnicGroup::White, true) => &WHITE_MALE,
        (EthnicGroup::White, false) => &WHITE_FEMALE,
        (EthnicGroup::Asian, true) => &ASIAN_MALE,
        (EthnicGroup::Asian, false) => &ASIAN_FEMALE,
        (EthnicGroup::Black, true) => &BLACK_MALE,
        (EthnicGroup::Black, false) => &BLACK_FEMALE,
        (_, true) => &OTHER_MALE,
        (_, false) => &OTHER_FEMALE,
    }
}

pub(crate) fn family_names(group: EthnicGroup) -> &'static [&'static str] {
    match group {
        EthnicGroup::White => &WHITE_FAMILY,
        EthnicGroup::Asian => &ASIAN_FAMILY,
        EthnicGroup::Black => &BLACK_FAMILY,
        _ => &OTHER_FAMILY,
    }
}

/// Languages other than English asked for, by group (ISO 639-1).
pub(crate) fn languages(group: EthnicGroup) -> &'static [&'static str] {
    match group {
        EthnicGroup::White => &["pl", "ro", "pt", "lt"],
        EthnicGroup::Asian => &["ur", "pa", "bn", "gu", "zh"],
        EthnicGroup::Black => &["so", "fr", "am"],
        _ => &["ar", "fa", "ku", "vi", "es"],
    }
}
