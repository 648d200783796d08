//! Parameters and results of kernels as people and JSON write them.
//!
//! JSON has no NaN and no infinities, so those are the strings `"nan"`, `"inf"` and `"-inf"`, which Python's `float` reads.

use arena_core::protocol::Value;
use serde_json::json;

/// A parameter as it stands on the command line: `key=value`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Assignment {
    pub(crate) key: String,
    pub(crate) value: Value,
}

/// Reads `bins=64`, `scale=0.5`, `flag=true`, `z=1+2j`, `edges=0,0.5,1`.
pub(crate) fn parse_assignment(text: &str) -> Result<Assignment, String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("expected KEY=VALUE, for example bins=64")?;
    Ok(Assignment {
        key: key.to_owned(),
        value: parse_value(value).ok_or_else(|| {
            format!("expected a number, a complex number, true, false, or numbers with commas between them: {value:?}")
        })?,
    })
}

fn parse_value(text: &str) -> Option<Value> {
    if text.contains(',') {
        return parse_list(text);
    }
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => parse_number(text).or_else(|| parse_complex(text)),
    }
}

fn parse_number(text: &str) -> Option<Value> {
    text.parse()
        .map(Value::Int)
        .or_else(|_| text.parse().map(Value::Uint))
        .or_else(|_| text.parse().map(Value::Float))
        .ok()
}

fn parse_list(text: &str) -> Option<Value> {
    let items: Vec<&str> = text.split_terminator(',').collect();
    let ints: Result<Vec<i64>, _> = items.iter().map(|item| item.parse()).collect();
    ints.map(Value::Ints).ok().or_else(|| {
        let floats: Result<Vec<f64>, _> = items.iter().map(|item| item.parse()).collect();
        floats.map(Value::Floats).ok()
    })
}

/// Python's form: `1+2j`, `-0.5j`.
fn parse_complex(text: &str) -> Option<Value> {
    let body = text.strip_suffix('j')?;
    // The sign of an exponent splits no number.
    let split = body
        .char_indices()
        .rev()
        .find(|&(at, c)| at > 0 && matches!(c, '+' | '-') && !body[..at].ends_with(['e', 'E']))
        .map_or(0, |(at, _)| at);
    let (re, im) = body.split_at(split);
    let re = if re.is_empty() { 0.0 } else { re.parse().ok()? };
    Some(Value::Complex {
        re,
        im: im.parse().ok()?,
    })
}

/// A value as plain JSON.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Float(value) => float_json(*value),
        Value::Complex { re, im } => json!({ "re": float_json(*re), "im": float_json(*im) }),
        Value::Ints(values) => json!(values),
        Value::Floats(values) => values.iter().map(|value| float_json(*value)).collect(),
        Value::Record(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), to_json(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn float_json(value: f64) -> serde_json::Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!(float_text(value))
    }
}

/// A value for people: the shortest digits that lead back to the same number.
pub(crate) fn to_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => float_text(*value),
        Value::Complex { re, im } => {
            let sign = if im.is_sign_negative() { "" } else { "+" };
            format!("{}{sign}{}j", float_text(*re), float_text(*im))
        }
        Value::Ints(values) => list_text(values, i64::to_string),
        Value::Floats(values) => list_text(values, |value| float_text(*value)),
        Value::Record(fields) => {
            let lines: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", to_text(value)))
                .collect();
            lines.join("\n")
        }
    }
}

fn list_text<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = values.iter().map(text).collect();
    items.join(" ")
}

fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    // Debug takes an exponent where digits alone would be long.
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value {
        parse_assignment(&format!("k={text}")).unwrap().value
    }

    #[test]
    fn parameters_are_read() {
        assert_eq!(value("-7"), Value::Int(-7));
        assert_eq!(value("18446744073709551615"), Value::Uint(u64::MAX));
        assert_eq!(value("0.5"), Value::Float(0.5));
        assert_eq!(value("-inf"), Value::Float(f64::NEG_INFINITY));
        assert_eq!(value("true"), Value::Bool(true));
        assert_eq!(value("1,2"), Value::Ints(vec![1, 2]));
        assert_eq!(value("1,"), Value::Ints(vec![1]));
        assert_eq!(value("0,0.5"), Value::Floats(vec![0.0, 0.5]));
        assert_eq!(
            value("1e-3-2e+1j"),
            Value::Complex {
                re: 1e-3,
                im: -20.0
            }
        );
        assert_eq!(value("-2j"), Value::Complex { re: 0.0, im: -2.0 });
        for bad in ["k", "=1", "k=", "k=x", "k=1,,2", "k=j", "k=1+j+2j", "k=,"] {
            assert!(parse_assignment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_json_lacks_becomes_text() {
        assert_eq!(to_json(&Value::Float(f64::NAN)), json!("nan"));
        assert_eq!(
            to_json(&Value::Floats(vec![1.0, f64::INFINITY, f64::NEG_INFINITY])),
            json!([1.0, "inf", "-inf"])
        );
        let record = Value::Record([("a".to_owned(), Value::Int(1))].into());
        assert_eq!(to_json(&record), json!({ "a": 1 }));
    }

    #[test]
    fn complex_numbers_are_shown_as_python_shows_them() {
        assert_eq!(to_text(&Value::Complex { re: 1.0, im: -2.5 }), "1.0-2.5j");
        assert_eq!(
            to_text(&Value::Complex {
                re: 0.0,
                im: f64::NAN
            }),
            "0.0+nanj"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            let _ = parse_assignment(&text);
        }

        #[test]
        fn numbers_are_shown_with_all_their_digits(number: f64) {
            if let Value::Float(read) = value(&to_text(&Value::Float(number))) {
                prop_assert!(read == number || number.is_nan());
            }
        }
    }
}
