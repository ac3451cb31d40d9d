//! From a value to TOML.

use std::path::Path;

use toml::Value;

#[expect(clippy::needless_pass_by_value, reason = "options are mapped with it")]
pub(super) fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

pub(super) fn path(path: &Path) -> Value {
    text(path.display())
}

pub(super) fn number(number: impl Into<i64>) -> Value {
    Value::Integer(number.into())
}

pub(super) fn list<T: ToString>(values: &[T]) -> Value {
    Value::Array(values.iter().map(|value| Value::String(value.to_string())).collect())
}

/// A text as lines of a comment, none longer than `WIDTH` if its words allow.
pub(super) fn comment(text: &str) -> String {
    const WIDTH: usize = 98;
    let mut lines = String::from("#");
    let mut length = 1;
    for word in text.split_whitespace() {
        if length > 1 && length + 1 + word.len() > WIDTH {
            lines.push_str("\n#");
            length = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        length += 1 + word.len();
    }
    lines
}
