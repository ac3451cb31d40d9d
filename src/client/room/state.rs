//! State as a struct: its fields are those of the room's layout.

use gpys_proto::kind::{Layout, Values};

/// A struct that is a peer's state. [`state!`](crate::state) declares one.
pub trait State: Sized {
    /// How the fields lie in the state bits.
    fn layout() -> Layout;

    /// The state bits: of each field, the nearest value that there is.
    fn pack(&self) -> u64;

    /// The state in these bits.
    fn unpack(bits: u64) -> Self;
}

/// A type that a field of a [`State`] can have.
pub trait Field: Copy {
    /// The values of a field of this type for which no range is declared.
    const VALUES: Values;

    /// The value as a number.
    fn number(self) -> f64;

    /// The value that is this number.
    fn from_number(number: f64) -> Self;
}

impl Field for bool {
    const VALUES: Values = Values::Flag;

    fn number(self) -> f64 {
        f64::from(self)
    }

    fn from_number(number: f64) -> Self {
        number != 0.0
    }
}

macro_rules! numbers {
    ($($type:ty: $bits:literal),*) => {$(
        impl Field for $type {
            const VALUES: Values = Values::Unsigned($bits);

            fn number(self) -> f64 {
                f64::from(self)
            }

            fn from_number(number: f64) -> Self {
                number as $type
            }
        }
    )*};
}

numbers!(u8: 8, u16: 16, u32: 32, f32: 32, f64: 32);

/// Declares a struct that is a peer's [`State`](crate::State), at most 64 bits in all.
///
/// A `bool` takes a bit, a `u8` 8, a `u16` 16, a `u32` 32. A range in parentheses takes as many bits
/// as its values need; a float without one is a whole number of 32 bits.
///
/// ```
/// use gpys_client::{State as _, state};
///
/// state! {
///     /// What a cursor does.
///     #[derive(Clone, Copy, Debug, PartialEq)]
///     pub struct Cursor {
///         /// The tool in the hand.
///         pub tool: u8,
///         pub down: bool,
///         pub pressure: f64 (0.0 to 1.0 by 0.01),
///     }
/// }
///
/// assert_eq!(Cursor::layout().bits(), 8 + 1 + 7);
/// let cursor = Cursor { tool: 3, down: true, pressure: 0.5 };
/// assert_eq!(Cursor::unpack(cursor.pack()), cursor);
/// ```
#[macro_export]
macro_rules! state {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[$field_about:meta])*
                $field_vis:vis $field:ident: $type:ident $(($min:literal to $max:literal by $step:literal))?
            ),* $(,)?
        }
    ) => {
        $(#[$about])*
        $vis struct $name {
            $($(#[$field_about])* $field_vis $field: $type,)*
        }

        impl $crate::State for $name {
            fn layout() -> $crate::proto::kind::Layout {
                let fields = vec![$($crate::proto::kind::StateField {
                    name: stringify!($field).to_owned(),
                    values: $crate::state_values!($type $(, $min, $max, $step)?),
                }),*];
                $crate::proto::kind::Layout { fields }
            }

            fn pack(&self) -> u64 {
                Self::layout().pack(&[$($crate::Field::number(self.$field)),*])
            }

            fn unpack(bits: u64) -> Self {
                let layout = Self::layout();
                let mut values = layout.unpack(bits);
                Self { $($field: $crate::Field::from_number(values.next().unwrap_or(0.0)),)* }
            }
        }
    };
}

/// The values of a field of [`state!`].
#[doc(hidden)]
#[macro_export]
macro_rules! state_values {
    ($type:ident) => {
        <$type as $crate::Field>::VALUES
    };
    ($type:ident, $min:literal, $max:literal, $step:literal) => {
        $crate::range(f64::from($min), f64::from($max), f64::from($step))
    };
}

/// Numbers `step` apart, from `min` up to `max`.
#[doc(hidden)]
#[must_use]
pub fn range(min: f64, max: f64, step: f64) -> Values {
    use gpys_proto::kind::Number;
    let count = ((max - min) / step).round() + 1.0;
    Values::Range { min: Number(min), step: Number(step), count: count.max(2.0) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    state! {
        #[derive(Clone, Copy, Debug, PartialEq)]
        struct Robot {
            stuck: bool,
            tool: u8,
            charge: f64 (0.0 to 100.0 by 0.5),
            lift: u16 (10 to 20 by 2),
        }
    }

    #[test]
    fn a_struct_is_the_layout_it_declares() {
        let layout = Robot::layout();
        assert_eq!(layout.validate(), Ok(()));
        assert_eq!(layout.bits(), 1 + 8 + 8 + 3);
        let names: Vec<_> = layout.fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["stuck", "tool", "charge", "lift"]);
    }

    #[test]
    fn values_survive_and_others_become_the_nearest() {
        let robot = Robot { stuck: true, tool: 255, charge: 99.5, lift: 16 };
        assert_eq!(Robot::unpack(robot.pack()), robot);
        let off = Robot { charge: 1e9, lift: 3, ..robot };
        assert_eq!(Robot::unpack(off.pack()), Robot { charge: 100.0, lift: 10, ..robot });
    }
}
