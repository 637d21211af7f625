//! What a TOML file says, apart from how it is written.

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table, TableLike, Value as Written};

/// The document as a tree; none if it is not TOML. A value that JSON has not is its text.
pub fn tree(content: &[u8]) -> Option<Value> {
    let document: DocumentMut = std::str::from_utf8(content).ok()?.parse().ok()?;
    Some(table(document.as_table()))
}

fn table(table: &dyn TableLike) -> Value {
    let members = table.iter().map(|(key, item)| (key.to_owned(), self::item(item)));
    Value::Object(members.collect::<Map<String, Value>>())
}

fn item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(written) => value(written),
        Item::Table(own) => table(own),
        Item::ArrayOfTables(tables) => tables.iter().map(|own: &Table| table(own)).collect(),
    }
}

fn value(written: &Written) -> Value {
    match written {
        Written::String(text) => Value::String(text.value().clone()),
        Written::Integer(number) => (*number.value()).into(),
        Written::Boolean(truth) => (*truth.value()).into(),
        Written::Float(number) => Value::String(format!("{:?}", number.value())),
        Written::Datetime(time) => Value::String(time.value().to_string()),
        Written::Array(values) => values.iter().map(value).collect(),
        Written::InlineTable(own) => table(own),
    }
}

/// Puts a text at the end of a path of tables.
pub fn set(tree: &mut Value, path: &[&str], text: &str) {
    let at = path.iter().fold(tree, |at, key| {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let object = at.as_object_mut().expect("a table");
        object.entry(*key).or_insert(Value::Null)
    });
    *at = Value::String(text.to_owned());
}
