//! Motion and state of samples: a function of their numbers, so that any frame can be checked.

use gpys::proto::kind::{Kind, Layout, Space, StateField, Values};
use gpys::proto::motion::Motion;
use gpys::proto::pose::Extra;

/// A room with so many bits of state.
pub fn kind(state_bits: u32) -> Kind {
    let field = |(index, bits): (usize, u32)| StateField {
        name: format!("f{index}"),
        values: Values::Unsigned(bits as u8),
    };
    let parts = [state_bits.min(32), state_bits.saturating_sub(32)];
    let fields = parts.into_iter().filter(|&bits| bits > 0).enumerate().map(field).collect();
    Kind { space: Space::Earth, layout: Layout { fields } }
}

/// Motion and state of the sample with this number; every other one has motion, but for times in
/// which all or none have.
pub fn of(sample: u32, state_bits: u32) -> Extra {
    let mixed = u64::from(sample).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let moves = match sample / 64 % 3 {
        0 => sample.is_multiple_of(2),
        phase => phase == 1,
    };
    let motion = moves.then(|| Motion::from_bits((mixed >> 40) as u16));
    Extra { motion, state: mixed & u64::MAX.checked_shr(64 - state_bits).unwrap_or(0) }
}

/// Checks what a frame or a view tells of a sample with this number. Motion may be left out, and
/// must be if the person is approximate.
pub fn is_right(told: Extra, sample: u32, state_bits: u32, approximate: bool) -> bool {
    let truth = of(sample, state_bits);
    let motion = told.motion.is_none_or(|_| told.motion == truth.motion && !approximate);
    motion && told.state == truth.state
}
