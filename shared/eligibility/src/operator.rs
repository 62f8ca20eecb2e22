//! Operators and comparators: parsed once per campaign, applied to every person.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Span;
use jiff::civil::Date;

use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

/// Days an offset in days may reach; about the years ±9998 of the calendar.
const MAX_DAYS: i64 = 3_650_000;

/// An operator of the rule language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`, `!=`, `>`, `>=`, `<`, `<=`: as numbers if both sides are whole numbers, else as text.
    Compare(Relation),
    /// `contains` and the like.
    Text(TextTest, Negated),
    /// `in`, `MemberOf` and their negations: comma lists that share an element.
    OneOf(Negated),
    /// `is_null`, `is_empty` and their negations.
    Empty(Negated),
    /// `between`, `not_between`: whole numbers, both bounds included.
    Between(Negated),
    /// `is_true`, `is_false`.
    Truth(bool),
    /// `D<=` … `Y>`: a date against today plus so many days, weeks or years.
    Date(Unit, Relation),
}

/// An order relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Relation {
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

/// A test of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// Whether an operator is the negation of its positive form.
pub type Negated = bool;

/// The unit of a date operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Days,
    Weeks,
    Years,
}

const OPERATORS: [(&str, Operator); 35] = [
    ("=", Operator::Compare(Equal)),
    ("!=", Operator::Compare(NotEqual)),
    (">", Operator::Compare(Greater)),
    (">=", Operator::Compare(GreaterOrEqual)),
    ("<", Operator::Compare(Less)),
    ("<=", Operator::Compare(LessOrEqual)),
    ("contains", Operator::Text(TextTest::Contains, false)),
    ("not_contains", Operator::Text(TextTest::Contains, true)),
    ("starts_with", Operator::Text(TextTest::StartsWith, false)),
    ("not_starts_with", Operator::Text(TextTest::StartsWith, true)),
    ("ends_with", Operator::Text(TextTest::EndsWith, false)),
    ("in", Operator::OneOf(false)),
    ("not_in", Operator::OneOf(true)),
    ("MemberOf", Operator::OneOf(false)),
    ("NotMemberOf", Operator::OneOf(true)),
    ("is_null", Operator::Empty(false)),
    ("is_not_null", Operator::Empty(true)),
    ("between", Operator::Between(false)),
    ("not_between", Operator::Between(true)),
    ("is_empty", Operator::Empty(false)),
    ("is_not_empty", Operator::Empty(true)),
    ("is_true", Operator::Truth(true)),
    ("is_false", Operator::Truth(false)),
    ("D<=", Operator::Date(Unit::Days, LessOrEqual)),
    ("D<", Operator::Date(Unit::Days, Less)),
    ("D>=", Operator::Date(Unit::Days, GreaterOrEqual)),
    ("D>", Operator::Date(Unit::Days, Greater)),
    ("W<=", Operator::Date(Unit::Weeks, LessOrEqual)),
    ("W<", Operator::Date(Unit::Weeks, Less)),
    ("W>=", Operator::Date(Unit::Weeks, GreaterOrEqual)),
    ("W>", Operator::Date(Unit::Weeks, Greater)),
    ("Y<=", Operator::Date(Unit::Years, LessOrEqual)),
    ("Y<", Operator::Date(Unit::Years, Less)),
    ("Y>=", Operator::Date(Unit::Years, GreaterOrEqual)),
    ("Y>", Operator::Date(Unit::Years, Greater)),
];

impl Operator {
    /// The operator written so; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        OPERATORS.iter().find(|(name, _)| *name == text).map(|(_, operator)| *operator)
    }

    /// Every operator as written, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OPERATORS.iter().map(|(name, _)| *name)
    }
}

/// A date written `YYYYMMDD`; `None` if the text is not one.
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes: &[u8; 8] = text.as_bytes().try_into().ok()?;
    let mut number = 0i32;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i32::from(byte - b'0');
    }
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A whole number as the language understands it: `-?\d+`.
fn parse_whole(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A comparator split into its value and its suffixes.
struct Comparator<'a> {
    value: &'a str,
    nvl: Option<&'a str>,
    offset: Option<&'a str>,
}

impl<'a> Comparator<'a> {
    fn split(text: &'a str) -> Result<Self, String> {
        let mut parts = Self { value: text, nvl: None, offset: None };
        while let Some(body) = parts.value.strip_suffix("]]") {
            let Some(at) = body.rfind("[[") else { break };
            let suffix = &body[at + 2..];
            let (slot, argument) = if let Some(default) = suffix.strip_prefix("NVL:") {
                (&mut parts.nvl, default)
            } else if let Some(date) = suffix.strip_prefix("OFFSET:") {
                (&mut parts.offset, date)
            } else {
                return Err(format!("{text:?} ends in [[{suffix}]], which is neither [[NVL:…]] nor [[OFFSET:…]]"));
            };
            if argument.is_empty() || slot.is_some() {
                return Err(format!("{text:?} has an empty or repeated suffix [[{suffix}]]"));
            }
            *slot = Some(argument);
            parts.value = &body[..at];
            if parts.value.is_empty() {
                return Err(format!("{text:?} has no value before its suffix"));
            }
        }
        Ok(parts)
    }
}

/// An operator with its comparator, ready to be applied.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare { relation: Relation, value: String, number: Option<i128>, nvl: Option<String> },
    Text { test: TextTest, negated: bool, value: String, nvl: Option<String> },
    OneOf { negated: bool, values: Vec<String>, nvl: Option<String> },
    Empty { negated: bool },
    Between { negated: bool, low: i128, high: i128, nvl: Option<i128> },
    Truth(bool),
    Date { relation: Relation, bound: Bound, nvl: Option<Date> },
}

/// The day that a date is compared with: so many units after a day of its own, or after today.
#[derive(Debug)]
pub(crate) struct Bound {
    span: Span,
    is_back: bool,
    from: Option<Date>,
    /// Today and the bound for it, as last worked out: people are asked about by the million on one day, and adding a
    /// span takes longer than all the rest of a test. Zero where it was not yet.
    kept: AtomicU64,
}

impl Clone for Bound {
    fn clone(&self) -> Self {
        Self { kept: AtomicU64::new(0), ..*self }
    }
}

impl Bound {
    /// The bound on a day, as a number that orders as days do.
    fn on(&self, today: Date) -> i32 {
        let day = ordered(today);
        let kept = self.kept.load(Ordering::Relaxed);
        if (kept >> 32) as u32 == day as u32 {
            return kept as u32 as i32;
        }
        let edge = if self.is_back { Date::MIN } else { Date::MAX };
        // Adding years to 29 February lands on 28 February of a common year.
        let bound = ordered(self.from.unwrap_or(today).checked_add(self.span).unwrap_or(edge));
        self.kept.store(u64::from(day as u32) << 32 | u64::from(bound as u32), Ordering::Relaxed);
        bound
    }
}

/// A date as a number that orders as dates do, and is never 0.
fn ordered(date: Date) -> i32 {
    i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
}

impl Test {
    /// Parses the comparator for the operator; the error says what is wrong with which value.
    pub(crate) fn parse(operator: Operator, comparator: &str) -> Result<Self, String> {
        let parts = match operator {
            // These take no comparator; whatever stands there is ignored.
            Operator::Empty(negated) => return Ok(Self::Empty { negated }),
            Operator::Truth(value) => return Ok(Self::Truth(value)),
            _ => Comparator::split(comparator)?,
        };
        if parts.offset.is_some() && !matches!(operator, Operator::Date(..)) {
            return Err(format!("{comparator:?}: [[OFFSET:…]] works only with D, W and Y operators"));
        }
        let value = parts.value;
        let nvl = parts.nvl.map(str::to_owned);
        match operator {
            Operator::Compare(relation) => {
                Ok(Self::Compare { relation, value: value.to_owned(), number: parse_whole(value), nvl })
            }
            Operator::Text(test, negated) => Ok(Self::Text { test, negated, value: value.to_owned(), nvl }),
            Operator::OneOf(negated) => {
                let values: Vec<String> =
                    value.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect();
                if values.is_empty() {
                    return Err(format!("{comparator:?} lists no value"));
                }
                Ok(Self::OneOf { negated, values, nvl })
            }
            Operator::Between(negated) => {
                let bounds =
                    value.split_once(',').and_then(|(a, b)| Some((parse_whole(a.trim())?, parse_whole(b.trim())?)));
                let (a, b) = bounds.ok_or_else(|| format!("{comparator:?} is not two whole numbers \"low,high\""))?;
                let nvl = match parts.nvl {
                    None => None,
                    Some(n) => {
                        Some(parse_whole(n.trim()).ok_or_else(|| format!("{n:?} in [[NVL]] is not a whole number"))?)
                    }
                };
                Ok(Self::Between { negated, low: a.min(b), high: a.max(b), nvl })
            }
            Operator::Date(unit, relation) => Self::parse_date_test(unit, relation, comparator, &parts),
            Operator::Empty(_) | Operator::Truth(_) => Err(format!("{comparator:?} is not needed")),
        }
    }

    fn parse_date_test(unit: Unit, relation: Relation, text: &str, parts: &Comparator<'_>) -> Result<Self, String> {
        let amount: i64 = parts.value.trim().parse().map_err(|_| format!("{text:?} is not a whole number of units"))?;
        let out_of_range = |_| format!("{text:?} reaches beyond the calendar");
        if amount.abs() > MAX_DAYS {
            return Err(format!("{text:?} reaches beyond the calendar"));
        }
        let span = match unit {
            Unit::Days => Span::new().try_days(amount),
            Unit::Weeks => Span::new().try_weeks(amount),
            Unit::Years => Span::new().try_years(amount),
        }
        .map_err(out_of_range)?;
        let date = |name: &str, value: Option<&str>| match value {
            None => Ok(None),
            Some(v) => parse_date(v).map(Some).ok_or_else(|| format!("{v:?} in [[{name}]] is not a date YYYYMMDD")),
        };
        let (from, nvl) = (date("OFFSET", parts.offset)?, date("NVL", parts.nvl)?);
        Ok(Self::Date { relation, bound: Bound { span, is_back: amount < 0, from, kept: AtomicU64::new(0) }, nvl })
    }

    /// Whether what passes can change from day to day.
    pub(crate) fn depends_on_today(&self) -> bool {
        matches!(self, Self::Date { bound: Bound { from: None, .. }, .. })
    }

    /// Whether, as days go by, what passes changes at most once: all earlier days pass and no later ones, or the reverse.
    pub(crate) fn is_threshold(&self) -> bool {
        match self {
            Self::Date { .. } => true,
            // Days written YYYYMMDD are in the order of the numbers that they are.
            Self::Compare { relation, number: Some(_), .. } => !matches!(relation, Equal | NotEqual),
            _ => false,
        }
    }

    /// Whether the person's value passes. A missing value (`None`) takes the comparator's NVL.
    ///
    /// A value that cannot be read as the operator needs (a date, a whole number) does not pass.
    pub(crate) fn matches(&self, item: Option<&str>, today: Date) -> bool {
        match self {
            Self::Compare { relation, value, number, nvl } => match item.or(nvl.as_deref()) {
                // Nothing is different from anything, and stands in no other relation.
                None => *relation == NotEqual,
                Some("") => matches!(relation, Equal | NotEqual) && relation.holds("", value.as_str()),
                Some(item) => match (number, parse_whole(item)) {
                    (Some(right), Some(left)) => relation.holds(&left, right),
                    _ => relation.holds(item, value.as_str()),
                },
            },
            Self::Text { test, negated, value, nvl } => {
                let passes = item.or(nvl.as_deref()).filter(|i| !i.is_empty()).is_some_and(|item| match test {
                    TextTest::Contains => item.contains(value.as_str()),
                    TextTest::StartsWith => item.starts_with(value.as_str()),
                    TextTest::EndsWith => item.ends_with(value.as_str()),
                });
                passes != *negated
            }
            Self::OneOf { negated, values, nvl } => {
                let found = item.or(nvl.as_deref()).is_some_and(|item| shares(item, values));
                found != *negated
            }
            Self::Empty { negated } => item.is_none_or(str::is_empty) != *negated,
            Self::Between { negated, low, high, nvl } => {
                let number = match item {
                    None => *nvl,
                    Some(item) => parse_whole(item.trim()),
                };
                number.is_some_and(|n| (*low <= n && n <= *high) != *negated)
            }
            Self::Truth(wanted) => item.is_some_and(|i| i.eq_ignore_ascii_case(if *wanted { "true" } else { "false" })),
            Self::Date { relation, bound, nvl } => {
                let date = match item {
                    None => *nvl,
                    Some(item) => parse_date(item),
                };
                date.is_some_and(|date| relation.holds(&ordered(date), &bound.on(today)))
            }
        }
    }
}

fn shares(item: &str, values: &[String]) -> bool {
    item.split(',').any(|part| values.iter().any(|value| value == part.trim()))
}
