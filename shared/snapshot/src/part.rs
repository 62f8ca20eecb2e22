//! A part of the people dataset as columns: of each column the distinct values, and for each person a code that says which.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Int64Array, ListArray, StringViewArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use ims_domain::PersonId;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::reader::ChunkReader;
use rustc_hash::FxBuildHasher;

use crate::column::{Access, SnapshotError, rows_of};
use crate::{Column, PersonRow, Row};

/// People in a record batch.
const BATCH: usize = 65_536;

/// A span of days that is worth one code a day: some 179 years.
const DAYS_IN_A_ROW: i64 = 65_535;

/// States that take a person off the list.
const OFF_LIST: [&str; 4] = ["dead", "removed", "superseded", "invalidated"];

/// Which columns of the people dataset are to be read, besides the states that take a person off the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    pub(crate) columns: BTreeSet<String>,
    /// Ids and lots, to list people.
    pub(crate) people: bool,
}

impl Needed {
    /// These and those.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.columns.extend(other.columns);
        self.people |= other.people;
        self
    }

    /// Names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let people: &[&str] = if self.people { &["person_id", "lot"] } else { &[] };
        self.columns.iter().map(String::as_str).chain(OFF_LIST).chain(people.iter().copied())
    }
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Day(Option<i32>),
    Text(Box<str>),
    Number(i64),
    Texts(Box<[Box<str>]>),
    Days(Box<[i32]>),
    /// Of two columns.
    Pair(Box<(Value, Value)>),
}

/// The distinct values of a column, by code.
#[derive(Debug)]
pub(crate) enum Values {
    /// Code 0: no day; code *k*: the day *k* − 1 days after the first.
    DaysFrom(i32, u32),
    /// As listed.
    Listed(Vec<Value>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::DaysFrom(_, count) => *count as usize,
            Self::Listed(values) => values.len(),
        }
    }

    fn get(&self, code: usize) -> Value {
        match self {
            // Codes are fewer than the days of a column that is kept so.
            Self::DaysFrom(first, _) => Value::Day(code.checked_sub(1).map(|past| first + past as i32)),
            Self::Listed(values) => values[code].clone(),
        }
    }
}

/// A code for each person, as narrow as their number allows.
#[derive(Debug)]
pub(crate) enum Codes {
    /// Everybody has code 0.
    Same,
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    Words(Vec<u32>),
}

impl Codes {
    fn narrow(codes: Vec<u32>, distinct: usize) -> Self {
        // Codes are below `distinct`, so nothing is cut off.
        match distinct {
            0 | 1 => Self::Same,
            2..=0x100 => Self::Bytes(codes.into_iter().map(|code| code as u8).collect()),
            0x101..=0x1_0000 => Self::Shorts(codes.into_iter().map(|code| code as u16).collect()),
            _ => Self::Words(codes),
        }
    }

    pub(crate) fn get(&self, person: usize) -> usize {
        match self {
            Self::Same => 0,
            Self::Bytes(codes) => usize::from(codes[person]),
            Self::Shorts(codes) => usize::from(codes[person]),
            Self::Words(codes) => codes[person] as usize,
        }
    }

    /// Which of so many codes somebody has.
    pub(crate) fn had(&self, distinct: usize) -> Vec<bool> {
        let mut had = vec![false; distinct];
        match self {
            Self::Same => had.iter_mut().take(1).for_each(|had| *had = true),
            Self::Bytes(codes) => codes.iter().for_each(|code| had[usize::from(*code)] = true),
            Self::Shorts(codes) => codes.iter().for_each(|code| had[usize::from(*code)] = true),
            Self::Words(codes) => codes.iter().for_each(|code| had[*code as usize] = true),
        }
        had
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Same => 0,
            Self::Bytes(codes) => codes.len(),
            Self::Shorts(codes) => codes.len() * 2,
            Self::Words(codes) => codes.len() * 4,
        }
    }
}

/// A column of a part.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) values: Values,
    pub(crate) codes: Codes,
}

/// A part of the people dataset: the columns that were needed.
#[derive(Debug, Default)]
pub struct Part {
    people: usize,
    /// One bit a person.
    off_list: Vec<u64>,
    columns: HashMap<String, Held>,
    lots: Vec<u64>,
    ids: Ids,
}

/// Ids of people, in the order of the part.
#[derive(Debug)]
enum Ids {
    /// As text, batch by batch; only those that are asked for are read.
    Texts(Vec<StringViewArray>),
    Packed(Vec<PersonId>),
}

impl Default for Ids {
    fn default() -> Self {
        Self::Texts(Vec::new())
    }
}

impl Part {
    /// Reads the columns that are needed of a part in Parquet; columns that an earlier version of the dataset lacks have
    /// their default, as in [`crate::read_parquet`].
    ///
    /// # Errors
    /// Where it is not Parquet, or a column has another type.
    pub fn read<R: ChunkReader + 'static>(part: R, needed: &Needed) -> Result<Self, SnapshotError> {
        let parquet = |source| SnapshotError::Parquet { dataset: PersonRow::DATASET, source };
        let plain = ArrowReaderMetadata::load(&part, ArrowReaderOptions::new()).map_err(parquet)?;
        let fields: Vec<FieldRef> = plain.schema().fields().iter().map(with_dictionaries).collect();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        let metadata = ArrowReaderMetadata::try_new(plain.metadata().clone(), options).map_err(parquet)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(part, metadata).with_batch_size(BATCH);
        let mask = ProjectionMask::columns(builder.parquet_schema(), needed.names());
        let reader = builder.with_projection(mask).build().map_err(parquet)?;
        let mut building = Building::new(needed);
        for batch in reader {
            let batch = batch.map_err(|source| SnapshotError::Arrow { dataset: PersonRow::DATASET, source })?;
            building.add(&batch)?;
        }
        Ok(building.finish())
    }

    /// People in it, those off the list included.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people
    }

    /// Whether somebody is dead, removed, superseded or invalidated.
    #[must_use]
    pub fn is_off_list(&self, person: usize) -> bool {
        self.off_list[person / 64] >> (person % 64) & 1 == 1
    }

    /// A person's tie-breaker; 0 unless people were needed.
    #[must_use]
    pub fn lot(&self, person: usize) -> u64 {
        self.lots.get(person).copied().unwrap_or(0)
    }

    /// A person's id; `None` unless people were needed.
    ///
    /// # Errors
    /// Where it is not an id.
    pub fn id(&self, person: usize) -> Result<Option<PersonId>, SnapshotError> {
        let batches = match &self.ids {
            Ids::Packed(ids) => return Ok(ids.get(person).copied()),
            Ids::Texts(batches) => batches,
        };
        let mut place = person;
        for ids in batches {
            if place < ids.len() {
                return read_id(ids.value(place)).map(Some);
            }
            place -= ids.len();
        }
        Ok(None)
    }

    /// A person's id, where people were needed.
    pub(crate) fn known_id(&self, person: usize) -> Result<PersonId, SnapshotError> {
        self.id(person)?.ok_or_else(|| wrong("person_id", "among the columns read"))
    }

    /// The part with its ids in as little memory as they need, to be kept.
    ///
    /// # Errors
    /// Where a person has no valid id.
    pub fn packed(mut self) -> Result<Self, SnapshotError> {
        if let Ids::Texts(batches) = &self.ids {
            let ids = batches.iter().flat_map(|batch| batch.iter().map(|id| read_id(id.unwrap_or_default())));
            self.ids = Ids::Packed(ids.collect::<Result<_, _>>()?);
        }
        self.lots.shrink_to_fit();
        Ok(self)
    }

    /// Bytes that its columns take in memory; ids only where they are packed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.values().map(|held| held.codes.bytes() + held.values.len() * 16).sum();
        let ids = match &self.ids {
            Ids::Texts(_) => 0,
            Ids::Packed(ids) => ids.len() * 16,
        };
        columns + self.off_list.len() * 8 + self.lots.len() * 8 + ids
    }

    /// Two columns as one: the distinct pairs of their values. `None` where one of them was not needed.
    pub(crate) fn pair(&self, one: &str, other: &str) -> Option<Held> {
        let (one, other) = (self.column(one)?, self.column(other)?);
        let mut places: FxHashMap<(usize, usize), u32> = FxHashMap::default();
        let (mut values, mut codes) = (Vec::new(), Vec::with_capacity(self.people));
        for person in 0..self.people {
            let place = (one.codes.get(person), other.codes.get(person));
            codes.push(*places.entry(place).or_insert_with(|| {
                values.push(Value::Pair(Box::new((one.values.get(place.0), other.values.get(place.1)))));
                values.len() as u32 - 1
            }));
        }
        let codes = Codes::narrow(codes, values.len());
        Some(Held { values: Values::Listed(values), codes })
    }

    /// A column; those that were not needed are not there.
    pub(crate) fn column(&self, name: &str) -> Option<&Held> {
        self.columns.get(name)
    }
}

fn read_id(text: &str) -> Result<PersonId, SnapshotError> {
    text.parse().map_err(|_| wrong("person_id", "an id"))
}

fn wrong(column: &str, expected: &str) -> SnapshotError {
    SnapshotError::Column { dataset: PersonRow::DATASET, column: column.to_owned(), expected: expected.to_owned() }
}

/// The field with its texts left in dictionaries, as they are stored; ids stay where they are decompressed.
fn with_dictionaries(field: &FieldRef) -> FieldRef {
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let data_type = match field.data_type() {
        DataType::Utf8 if field.name() == "person_id" => DataType::Utf8View,
        DataType::Utf8 => dictionary(),
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            DataType::List(Arc::new(Field::clone(item).with_data_type(dictionary())))
        }
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

type FxHashMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// Distinct lists of small numbers.
struct Lists<T> {
    codes: FxHashMap<Box<[T]>, u32>,
    listed: Vec<Box<[T]>>,
    last: u32,
}

impl<T: Copy + Eq + std::hash::Hash> Lists<T> {
    /// With the empty list as code 0.
    fn new() -> Self {
        let mut lists = Self { codes: FxHashMap::default(), listed: Vec::new(), last: 0 };
        lists.code(&[]);
        lists
    }

    fn code(&mut self, list: &[T]) -> u32 {
        // Most lists are empty, and neighbours are often alike.
        if list.is_empty() && !self.listed.is_empty() {
            return 0;
        }
        if self.listed.get(self.last as usize).is_some_and(|last| **last == *list) {
            return self.last;
        }
        self.last = match self.codes.get(list) {
            Some(code) => *code,
            None => {
                let code = self.listed.len() as u32;
                self.codes.insert(list.into(), code);
                self.listed.push(list.into());
                code
            }
        };
        self.last
    }
}

/// Distinct texts; a batch's dictionary is looked up once.
struct Texts {
    codes: HashMap<Box<str>, u32>,
    listed: Vec<Box<str>>,
}

impl Texts {
    /// With the empty text as code 0.
    fn new() -> Self {
        let mut texts = Self { codes: HashMap::new(), listed: Vec::new() };
        texts.code("");
        texts
    }

    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let code = self.listed.len() as u32;
        self.codes.insert(text.into(), code);
        self.listed.push(text.into());
        code
    }

    /// The codes of a dictionary's keys; a null value is the empty text.
    fn codes_of(&mut self, dictionary: &ArrayRef) -> Option<Vec<u32>> {
        let values = dictionary.as_string_opt::<i32>()?;
        Some(values.iter().map(|text| self.code(text.unwrap_or_default())).collect())
    }
}

/// What a column is made of while batches are added.
enum Distinct {
    Day(Vec<i32>),
    Text(Texts),
    Number(Lists<i64>),
    Texts(Texts, Lists<u32>),
    Days(Lists<i32>),
}

/// No day, among days.
const NO_DAY: i32 = i32::MIN;

struct Gathering {
    name: String,
    distinct: Distinct,
    codes: Vec<u32>,
}

struct Building {
    part: Part,
    needs_people: bool,
    columns: Vec<Gathering>,
}

impl Building {
    fn new(needed: &Needed) -> Self {
        let columns = PersonRow::columns().into_iter().filter(|column| needed.columns.contains(&column.name));
        let gathering = |column: Column<PersonRow>| Gathering {
            name: column.name,
            distinct: match column.access {
                Access::Day(..) => Distinct::Day(Vec::new()),
                Access::Text(..) => Distinct::Text(Texts::new()),
                Access::Number(..) | Access::Flag(..) => {
                    let mut numbers = Lists::new();
                    numbers.code(&[0]);
                    Distinct::Number(numbers)
                }
                Access::Texts(..) => Distinct::Texts(Texts::new(), Lists::new()),
                Access::Days(..) => Distinct::Days(Lists::new()),
            },
            codes: Vec::new(),
        };
        Self { part: Part::default(), needs_people: needed.people, columns: columns.map(gathering).collect() }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), SnapshotError> {
        let before = self.part.people;
        let people = before + batch.num_rows();
        self.part.people = people;
        self.part.off_list.resize(people.div_ceil(64), 0);
        for state in OFF_LIST {
            let Some(array) = batch.column_by_name(state) else { continue };
            let array = array.as_boolean_opt().ok_or_else(|| wrong(state, "Boolean"))?;
            for row in array.values().set_indices() {
                if array.is_valid(row) {
                    let person = before + row;
                    self.part.off_list[person / 64] |= 1 << (person % 64);
                }
            }
        }
        for gathering in &mut self.columns {
            match batch.column_by_name(&gathering.name) {
                None => gathering.add_default(batch.num_rows()),
                Some(array) => gathering
                    .add(array)
                    .ok_or_else(|| wrong(&gathering.name, &format!("as expected, but {}", array.data_type())))?,
            }
        }
        if self.needs_people {
            match batch.column_by_name("lot") {
                None => self.part.lots.resize(people, 0),
                Some(array) => {
                    let array = array.as_any().downcast_ref::<Int64Array>().ok_or_else(|| wrong("lot", "Int64"))?;
                    self.part.lots.extend(array.iter().map(|lot| lot.map_or(0, |lot| u64::try_from(lot).unwrap_or(0))));
                }
            }
            let ids = batch.column_by_name("person_id").and_then(|array| array.as_any().downcast_ref());
            let ids = StringViewArray::clone(ids.ok_or_else(|| wrong("person_id", "text"))?);
            if let Ids::Texts(batches) = &mut self.part.ids {
                batches.push(ids);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Part {
        for gathering in self.columns {
            let name = gathering.name.clone();
            self.part.columns.insert(name, gathering.finish());
        }
        self.part
    }
}

impl Gathering {
    fn add_default(&mut self, people: usize) {
        match &mut self.distinct {
            Distinct::Day(days) => days.resize(days.len() + people, NO_DAY),
            Distinct::Number(numbers) => {
                let zero = numbers.code(&[0]);
                self.codes.resize(self.codes.len() + people, zero);
            }
            _ => self.codes.resize(self.codes.len() + people, 0),
        }
    }

    fn add(&mut self, array: &ArrayRef) -> Option<()> {
        let any = array.as_any();
        match &mut self.distinct {
            Distinct::Day(days) => {
                let array = any.downcast_ref::<Date32Array>()?;
                if array.null_count() == 0 {
                    days.extend_from_slice(array.values());
                } else {
                    days.extend(array.iter().map(|day| day.unwrap_or(NO_DAY)));
                }
            }
            Distinct::Text(texts) => {
                let array = any.downcast_ref::<DictionaryArray<Int32Type>>()?;
                let known = texts.codes_of(array.values())?;
                let code = |key: Option<i32>| key.map_or(0, |key| known[key as usize]);
                self.codes.extend(array.keys().iter().map(code));
            }
            Distinct::Number(numbers) => match any.downcast_ref::<BooleanArray>() {
                Some(array) => {
                    let code = |flag: Option<bool>| numbers.code(&[i64::from(flag.unwrap_or(false))]);
                    self.codes.extend(array.iter().map(code));
                }
                None => {
                    let array = any.downcast_ref::<Int64Array>()?;
                    self.codes.extend(array.iter().map(|number| numbers.code(&[number.unwrap_or(0).max(0)])));
                }
            },
            Distinct::Texts(texts, lists) => {
                let array = any.downcast_ref::<ListArray>()?;
                let items = array.values().as_any().downcast_ref::<DictionaryArray<Int32Type>>()?;
                let known = texts.codes_of(items.values())?;
                let keys = items.keys();
                let mut list: Vec<u32> = Vec::new();
                for bounds in array.value_offsets().windows(2) {
                    list.clear();
                    let items = bounds[0] as usize..bounds[1] as usize;
                    list.extend(items.filter(|at| keys.is_valid(*at)).map(|at| known[keys.value(at) as usize]));
                    self.codes.push(lists.code(&list));
                }
            }
            Distinct::Days(lists) => {
                let array = any.downcast_ref::<ListArray>()?;
                let items = array.values().as_any().downcast_ref::<Date32Array>()?;
                let mut list: Vec<i32> = Vec::new();
                for bounds in array.value_offsets().windows(2) {
                    list.clear();
                    let items_of = bounds[0] as usize..bounds[1] as usize;
                    list.extend(items_of.filter(|at| items.is_valid(*at)).map(|at| items.value(at)));
                    self.codes.push(lists.code(&list));
                }
            }
        }
        Some(())
    }

    fn finish(self) -> Held {
        let codes = self.codes;
        let (values, codes) = match self.distinct {
            Distinct::Day(days) => return finish_days(&days),
            Distinct::Text(texts) => (texts.listed.into_iter().map(Value::Text).collect(), codes),
            Distinct::Number(numbers) => {
                let number = |list: Box<[i64]>| Value::Number(list.first().copied().unwrap_or(0));
                (numbers.listed.into_iter().map(number).collect(), codes)
            }
            Distinct::Texts(texts, lists) => {
                let text = |code: &u32| texts.listed[*code as usize].clone();
                let list = |list: Box<[u32]>| Value::Texts(list.iter().map(text).collect());
                (lists.listed.into_iter().map(list).collect::<Vec<_>>(), codes)
            }
            Distinct::Days(lists) => (lists.listed.into_iter().map(Value::Days).collect(), codes),
        };
        let distinct = values.len();
        Held { values: Values::Listed(values), codes: Codes::narrow(codes, distinct) }
    }
}

fn finish_days(days: &[i32]) -> Held {
    let known = days.iter().copied().filter(|day| *day != NO_DAY);
    let first = known.clone().min().unwrap_or(0);
    let span = known.max().map_or(0, |last| i64::from(last) - i64::from(first) + 1);
    if span <= DAYS_IN_A_ROW {
        let code = |day: &i32| if *day == NO_DAY { 0 } else { (day - first + 1) as u32 };
        let distinct = span as usize + 1;
        let codes = Codes::narrow(days.iter().map(code).collect(), distinct);
        return Held { values: Values::DaysFrom(first, distinct as u32), codes };
    }
    let mut found: FxHashMap<i32, u32> = FxHashMap::default();
    let mut listed = Vec::new();
    let mut code = |day: &i32| {
        *found.entry(*day).or_insert_with(|| {
            listed.push(Value::Day((*day != NO_DAY).then_some(*day)));
            (listed.len() - 1) as u32
        })
    };
    let codes: Vec<u32> = days.iter().map(&mut code).collect();
    let codes = Codes::narrow(codes, listed.len());
    Held { values: Values::Listed(listed), codes }
}

/// Reads whole rows of a part in Parquet by their places, in the order of the part: to explain some people, not all.
///
/// # Errors
/// Where it is not Parquet, or a column has another type.
pub fn rows_at<R: ChunkReader + 'static>(part: R, places: &[usize]) -> Result<Vec<PersonRow>, SnapshotError> {
    let parquet = |source| SnapshotError::Parquet { dataset: PersonRow::DATASET, source };
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let builder = ParquetRecordBatchReaderBuilder::try_new(part).map_err(parquet)?;
    let people = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let ranges = places.into_iter().filter(|place| *place < people).map(|place| place..place + 1);
    let selection = RowSelection::from_consecutive_ranges(ranges, people);
    let reader = builder.with_row_selection(selection).build().map_err(parquet)?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|source| SnapshotError::Arrow { dataset: PersonRow::DATASET, source })?;
        rows.append(&mut rows_of(&batch)?);
    }
    Ok(rows)
}

/// Ids and versions of the people of a part in Parquet, in the order of the part.
///
/// # Errors
/// Where it is not Parquet, or a column has another type.
pub fn read_versions(part: Vec<u8>) -> Result<Vec<(String, u64)>, SnapshotError> {
    let parquet = |source| SnapshotError::Parquet { dataset: PersonRow::DATASET, source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(part)).map_err(parquet)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["person_id", "version"]);
    let reader = builder.with_projection(mask).build().map_err(parquet)?;
    let mut versions = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|source| SnapshotError::Arrow { dataset: PersonRow::DATASET, source })?;
        let rows: Vec<PersonRow> = rows_of(&batch)?;
        versions.extend(rows.into_iter().map(|row| (row.person_id, row.version)));
    }
    Ok(versions)
}
