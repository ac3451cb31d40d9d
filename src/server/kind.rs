//! A room's kind as operators and tokens write it, in TOML and JSON (docs/TOKENS.md).

use serde::{Deserialize, Serialize};

use gpys_proto::kind::{Kind, KindError, Layout, Number, Plane, Space, StateField, Values};

/// A room's kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoomKind {
    /// The plane; `None` for the earth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plane: Option<PlaneKind>,
    /// The fields of the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<FieldKind>,
}

/// A plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneKind {
    /// Name of the unit.
    pub unit: String,
    /// The finest difference between two positions, in that unit.
    pub step: f64,
}

/// A field of the state: a range if it has a count, a number if it has bits, else a flag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldKind {
    /// Its name.
    pub name: String,
    /// Bits of a whole number from 0 up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// The smallest value of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The difference between a range's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// How many values a range has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl TryFrom<&RoomKind> for Kind {
    type Error = KindError;

    fn try_from(written: &RoomKind) -> Result<Self, KindError> {
        let plane = written.plane.as_ref();
        let space = plane.map_or(Space::Earth, |PlaneKind { unit, step }| {
            Space::Plane(Plane { unit: unit.clone(), step: Number(*step) })
        });
        let fields = written.state.iter().map(StateField::try_from).collect::<Result<_, _>>()?;
        let layout = Layout { fields };
        space.validate()?;
        layout.validate()?;
        Ok(Self { space, layout })
    }
}

impl TryFrom<&FieldKind> for StateField {
    type Error = KindError;

    fn try_from(written: &FieldKind) -> Result<Self, KindError> {
        let FieldKind { name, bits, min, step, count } = written;
        let values = match (*bits, *min, *step, *count) {
            (None, None, None, None) => Values::Flag,
            (Some(bits), None, None, None) => Values::Unsigned(bits),
            (None, min, step, Some(count)) => Values::Range {
                min: Number(min.unwrap_or(0.0)),
                step: Number(step.unwrap_or(1.0)),
                count,
            },
            _ => return Err(KindError::Values),
        };
        Ok(Self { name: name.clone(), values })
    }
}

impl From<&Kind> for RoomKind {
    fn from(kind: &Kind) -> Self {
        let plane = match &kind.space {
            Space::Earth => None,
            Space::Plane(Plane { unit, step }) => {
                Some(PlaneKind { unit: unit.clone(), step: step.0 })
            }
        };
        Self { plane, state: kind.layout.fields.iter().map(FieldKind::from).collect() }
    }
}

impl From<&StateField> for FieldKind {
    fn from(field: &StateField) -> Self {
        let name = field.name.clone();
        let flag = Self { name, bits: None, min: None, step: None, count: None };
        match field.values {
            Values::Flag => flag,
            Values::Unsigned(bits) => Self { bits: Some(bits), ..flag },
            Values::Range { min, step, count } => {
                Self { min: Some(min.0), step: Some(step.0), count: Some(count), ..flag }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> Result<Kind, KindError> {
        Kind::try_from(&serde_json::from_str::<RoomKind>(json).unwrap())
    }

    #[test]
    fn a_kind_is_the_same_written_and_read() {
        for json in [
            "{}",
            r#"{"plane":{"unit":"px","step":0.5}}"#,
            r#"{"state":[{"name":"tool","bits":8},{"name":"down"},{"name":"zoom","min":-1.0,"step":0.25,"count":9}]}"#,
        ] {
            let written = RoomKind::from(&kind(json).unwrap());
            assert_eq!(serde_json::to_string(&written).unwrap(), json);
        }
        let short = kind(r#"{"state":[{"name":"floor","count":12}]}"#).unwrap();
        assert_eq!(short.layout.bits(), 4);
    }

    #[test]
    fn what_is_no_kind_is_refused() {
        assert_eq!(kind(r#"{"plane":{"unit":"px","step":0}}"#), Err(KindError::Step));
        assert_eq!(kind(r#"{"state":[{"name":"a","bits":8,"count":3}]}"#), Err(KindError::Values));
        assert_eq!(kind(r#"{"state":[{"name":"a","min":1.0}]}"#), Err(KindError::Values));
        assert!(serde_json::from_str::<RoomKind>(r#"{"stat":[]}"#).is_err());
    }
}
