//! What a room is for: its space, and the layout of its state (docs/PROTOCOL.md, section 2).
//!
//! The server copies state bits and never reads them; what they mean is between clients.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::geo::Position;

/// Most bits of state that a peer has.
pub const MAX_STATE_BITS: u32 = 64;
/// Most fields of a layout.
pub const MAX_FIELDS: usize = 16;
/// Longest name of a field or a unit, in bytes.
pub const MAX_NAME: usize = 32;
/// The largest coordinate on a plane, in steps from the origin, on the x axis...
pub const MAX_X: i32 = 257_142_856;
/// ...and on the y axis.
pub const MAX_Y: i32 = 128_571_427;
/// Grid units in a step of a plane.
const STEP_UNITS: i32 = 7;

/// A finite number; equal to another if it has the same bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

/// Where the people of a room are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Space {
    /// On the earth (WGS 84).
    #[default]
    Earth,
    /// On a plane.
    Plane(Plane),
}

/// A plane: x to the right, y upwards, both in a unit of the room's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// Name of the unit, such as "px" or "m".
    pub unit: String,
    /// The finest difference between two positions, in that unit.
    pub step: Number,
}

/// How a room's state bits divide into fields, from the lowest bit up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The fields.
    pub fields: Vec<StateField>,
}

/// One field of a room's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateField {
    /// Its name, unique in the layout.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// The values that a field can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Values {
    /// Yes or no, in a bit.
    Flag,
    /// A whole number from 0 up, of so many bits (1 to 32).
    Unsigned(u8),
    /// `count` numbers (2 to 2^32 - 1), `step` apart, from `min` up.
    Range {
        /// The smallest number.
        min: Number,
        /// The difference between one number and the next.
        step: Number,
        /// How many numbers there are.
        count: u32,
    },
}

/// What is wrong with a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindError {
    /// A step that is not a finite number above zero.
    Step,
    /// The name of a unit or a field is empty, too long or has characters that it may not have.
    Name,
    /// Two fields have one name.
    Twice,
    /// More than [`MAX_FIELDS`] fields.
    Fields,
    /// More than [`MAX_STATE_BITS`] bits in all.
    Bits,
    /// A field of no values, or of too many.
    Values,
}

impl fmt::Display for KindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step => f.write_str("a step is a finite number above 0"),
            Self::Name => {
                write!(f, "a unit or a field has a name of 1 to {MAX_NAME} of a-z, A-Z, 0-9 and _")
            }
            Self::Twice => f.write_str("two fields of the state have the same name"),
            Self::Fields => write!(f, "the state has more than {MAX_FIELDS} fields"),
            Self::Bits => write!(f, "the state has more than {MAX_STATE_BITS} bits"),
            Self::Values => {
                f.write_str("an unsigned field has 1 to 32 bits, a range 2 values or more")
            }
        }
    }
}

impl Error for KindError {}

/// Whether `name` can be a field's or a unit's: 1 to [`MAX_NAME`] of a-z, A-Z, 0-9 and `_`.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

impl Space {
    /// Checks the unit and the step of a plane.
    ///
    /// # Errors
    /// If the step is not above zero, or the unit has no proper name.
    pub fn validate(&self) -> Result<(), KindError> {
        let Self::Plane(plane) = self else { return Ok(()) };
        plane.step.validate_step()?;
        if is_name(&plane.unit) { Ok(()) } else { Err(KindError::Name) }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earth => f.write_str("the earth"),
            Self::Plane(Plane { unit, step }) => write!(f, "a plane in steps of {} {unit}", step.0),
        }
    }
}

impl Number {
    fn validate_step(self) -> Result<(), KindError> {
        if self.0.is_finite() && self.0 > 0.0 { Ok(()) } else { Err(KindError::Step) }
    }
}

impl Plane {
    /// The grid position of a point, given in the plane's unit; a point beyond the plane's edge is
    /// taken to be on it. `None` if a coordinate is not finite.
    #[must_use]
    pub fn position(&self, x: f64, y: f64) -> Option<Position> {
        let steps = |value: f64, most: i32| {
            let steps = (value / self.step.0).round();
            steps.is_finite().then(|| steps.clamp(f64::from(-most), f64::from(most)) as i32)
        };
        let (x, y) = (steps(x, MAX_X)?, steps(y, MAX_Y)?);
        Position::new(y * STEP_UNITS - 1, x * STEP_UNITS + 2).ok()
    }

    /// The point of a grid position, in the plane's unit.
    #[must_use]
    pub fn point(&self, position: Position) -> (f64, f64) {
        let steps = |units: i32| f64::from(units) / f64::from(STEP_UNITS);
        let (x, y) = (steps(position.lng() - 2), steps(position.lat() + 1));
        (x * self.step.0, y * self.step.0)
    }
}

impl Values {
    /// Bits of a field with these values.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Flag => 1,
            Self::Unsigned(bits) => bits as u32,
            Self::Range { count, .. } => u32::BITS - count.saturating_sub(1).leading_zeros(),
        }
    }

    fn validate(self) -> Result<(), KindError> {
        match self {
            Self::Flag | Self::Unsigned(1..=32) => Ok(()),
            Self::Range { min, step, count: 2.. } => {
                step.validate_step()?;
                if min.0.is_finite() { Ok(()) } else { Err(KindError::Values) }
            }
            Self::Unsigned(_) | Self::Range { .. } => Err(KindError::Values),
        }
    }

    /// The nearest code to a value; 0 for what is no number.
    #[must_use]
    pub fn code(self, value: f64) -> u32 {
        let nearest = |value: f64, most: u32| value.round().clamp(0.0, f64::from(most)) as u32;
        match self {
            Self::Flag => u32::from(value != 0.0 && !value.is_nan()),
            Self::Unsigned(bits) => nearest(value, u32::MAX >> (32 - u32::from(bits.clamp(1, 32)))),
            Self::Range { min, step, count } => {
                nearest((value - min.0) / step.0, count.saturating_sub(1))
            }
        }
    }

    /// The value that a code stands for.
    #[must_use]
    pub fn value(self, code: u32) -> f64 {
        match self {
            Self::Flag | Self::Unsigned(_) => f64::from(code),
            Self::Range { min, step, count } => {
                min.0 + f64::from(code.min(count.saturating_sub(1))) * step.0
            }
        }
    }
}

impl Layout {
    /// Checks names, values and the sum of bits.
    ///
    /// # Errors
    /// If a field is invalid, or all of them are too much.
    pub fn validate(&self) -> Result<(), KindError> {
        if self.fields.len() > MAX_FIELDS {
            return Err(KindError::Fields);
        }
        for (index, field) in self.fields.iter().enumerate() {
            field.values.validate()?;
            if !is_name(&field.name) {
                return Err(KindError::Name);
            }
            if self.fields.iter().skip(index + 1).any(|other| other.name == field.name) {
                return Err(KindError::Twice);
            }
        }
        if self.bits() > MAX_STATE_BITS { Err(KindError::Bits) } else { Ok(()) }
    }

    /// Bits of a peer's state.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.fields.iter().map(|field| field.values.bits()).sum()
    }

    /// Packs one value a field, in their order, into state bits: the nearest ones that there are.
    #[must_use]
    pub fn pack(&self, values: &[f64]) -> u64 {
        let (mut bits, mut at) = (0, 0);
        for (field, &value) in self.fields.iter().zip(values) {
            bits |= u64::from(field.values.code(value)).checked_shl(at).unwrap_or(0);
            at += field.values.bits();
        }
        bits
    }

    /// The values in state bits, in the order of the fields.
    pub fn unpack(&self, bits: u64) -> impl Iterator<Item = f64> {
        let mut rest = bits;
        self.fields.iter().map(move |field| {
            let width = field.values.bits();
            let code = rest & ((1 << width) - 1);
            rest = rest.checked_shr(width).unwrap_or(0);
            field.values.value(code as u32)
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fields.is_empty() {
            return f.write_str("no state");
        }
        write!(f, "{} bits of state", self.bits())?;
        for (index, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if index == 0 { ":" } else { "," }, field.name)?;
        }
        Ok(())
    }
}

/// What a room is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// Where its people are.
    pub space: Space,
    /// The layout of their state.
    pub layout: Layout,
}

/// What a client takes a room to be; `None` for whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The space.
    pub space: Option<Space>,
    /// The layout of the state.
    pub layout: Option<Layout>,
}

/// A room is of another kind than a client takes it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The room is in this space, not in that one.
    Space(Space, Space),
    /// The room has this layout, not that one.
    Layout(Layout, Layout),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(room, claim) => write!(f, "this room is on {room}, not on {claim}"),
            Self::Layout(room, claim) if room.to_string() == claim.to_string() => {
                write!(f, "this room's state ({room}) has other ranges than yours")
            }
            Self::Layout(room, claim) => write!(f, "this room has {room}; yours has {claim}"),
        }
    }
}

impl Error for Mismatch {}

impl Claim {
    /// Checks a claim against a room's kind.
    ///
    /// # Errors
    /// If they differ.
    pub fn matches(&self, kind: &Kind) -> Result<(), Mismatch> {
        if let Some(space) = self.space.as_ref().filter(|space| **space != kind.space) {
            return Err(Mismatch::Space(kind.space.clone(), space.clone()));
        }
        if let Some(layout) = self.layout.as_ref().filter(|layout| **layout != kind.layout) {
            return Err(Mismatch::Layout(kind.layout.clone(), layout.clone()));
        }
        Ok(())
    }

    /// The kind of a room that this claim begins.
    #[must_use]
    pub fn kind(self) -> Kind {
        Kind { space: self.space.unwrap_or_default(), layout: self.layout.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(step: f64) -> Plane {
        Plane { unit: "px".into(), step: Number(step) }
    }

    fn range(min: f64, step: f64, count: u32) -> Values {
        Values::Range { min: Number(min), step: Number(step), count }
    }

    fn layout(fields: &[(&str, Values)]) -> Layout {
        let fields = fields.iter().map(|&(name, values)| StateField { name: name.into(), values });
        Layout { fields: fields.collect() }
    }

    #[test]
    fn points_are_exact_to_the_step_and_stay_on_the_plane() {
        for step in [0.01, 0.5, 1.0, 3.0] {
            let plane = plane(step);
            for (x, y) in [(0.0, 0.0), (1.0, -1.0), (1234.0, 77.0), (-9e5, 6e5)] {
                let (left, top) = plane.point(plane.position(x, y).unwrap());
                assert!((left - x).abs() <= step * 0.501 && (top - y).abs() <= step * 0.501);
                assert_eq!(plane.position(left, top), plane.position(x, y));
            }
        }
        let edge = plane(1.0).position(1e300, -1e300).unwrap();
        assert_eq!(plane(1.0).point(edge), (f64::from(MAX_X), f64::from(-MAX_Y)));
        assert_eq!(plane(1.0).position(f64::NAN, 0.0), None);
    }

    #[test]
    fn points_of_a_plane_are_in_the_middle_of_the_grid_s_finest_steps() {
        let cell = |position| crate::geo::Cell::at(0, position);
        for x in [-MAX_X, -1000, -1, 0, 1, 7, MAX_X] {
            let position = plane(1.0).position(f64::from(x), f64::from(-x / 3)).unwrap();
            let (east, north) = cell(position).steps(position);
            assert_eq!(cell(position).position(east, north), position);
        }
    }

    #[test]
    fn state_survives_packing_to_the_nearest_value() {
        let layout = layout(&[
            ("tool", Values::Unsigned(8)),
            ("down", Values::Flag),
            ("zoom", range(-1.0, 0.25, 9)),
            ("id", Values::Unsigned(32)),
        ]);
        assert_eq!((layout.validate(), layout.bits()), (Ok(()), 8 + 1 + 4 + 32));
        let bits = layout.pack(&[300.0, 1.0, 0.3, 4_000_000_000.0]);
        assert!(layout.unpack(bits).eq([255.0, 1.0, 0.25, 4_000_000_000.0]));
        assert!(layout.unpack(u64::MAX).eq([255.0, 1.0, 1.0, f64::from(u32::MAX)]));
        assert_eq!(layout.pack(&[f64::NAN, f64::NAN, f64::NAN, -1.0]), 0);
        let full = self::layout(&[("a", Values::Unsigned(32)), ("b", Values::Unsigned(32))]);
        assert!(full.unpack(full.pack(&[1.0, 2.0])).eq([1.0, 2.0]));
    }

    #[test]
    fn rejects_what_is_no_kind() {
        let of = |values| layout(&[("a", values)]).validate();
        assert_eq!(of(Values::Unsigned(33)), Err(KindError::Values));
        assert_eq!(of(Values::Unsigned(0)), Err(KindError::Values));
        assert_eq!(of(range(0.0, 1.0, 1)), Err(KindError::Values));
        assert_eq!(of(range(f64::NAN, 1.0, 2)), Err(KindError::Values));
        assert_eq!(of(range(0.0, -1.0, 2)), Err(KindError::Step));
        assert_eq!(layout(&[("a b", Values::Flag)]).validate(), Err(KindError::Name));
        let twice = [("a", Values::Flag), ("b", Values::Flag), ("a", Values::Flag)];
        assert_eq!(layout(&twice).validate(), Err(KindError::Twice));
        let names: Vec<String> = (0..17).map(|n| format!("f{n}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), Values::Flag)).collect();
        assert_eq!(layout(&many).validate(), Err(KindError::Fields));
        let wide: Vec<_> = many[..3].iter().map(|(n, _)| (*n, Values::Unsigned(32))).collect();
        assert_eq!(layout(&wide).validate(), Err(KindError::Bits));
        for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Space::Plane(plane(step)).validate(), Err(KindError::Step));
        }
        let nameless = Plane { unit: String::new(), step: Number(1.0) };
        assert_eq!(Space::Plane(nameless).validate(), Err(KindError::Name));
    }

    #[test]
    fn a_mismatch_says_what_the_room_is() {
        let room = Claim { space: Some(Space::Plane(plane(0.5))), layout: None }.kind();
        assert_eq!(Claim::default().matches(&room), Ok(()));
        let earth = Claim { space: Some(Space::Earth), layout: None };
        let told = earth.matches(&room).unwrap_err().to_string();
        assert_eq!(told, "this room is on a plane in steps of 0.5 px, not on the earth");
        let state = Claim { layout: Some(layout(&[("tool", Values::Flag)])), space: None };
        let told = state.matches(&room).unwrap_err().to_string();
        assert_eq!(told, "this room has no state; yours has 1 bits of state: tool");
    }
}
