//! The datagram lane, except frames: poses (docs/PROTOCOL.md, section 4), pings and pongs (6).

use crate::geo::Position;
use crate::motion::Motion;
use crate::pose::{Accuracy, Extra, Orientation, Pose};
use crate::time::{Stamp, Time};
use crate::wire::codes::DecodeError;
use crate::wire::say::{SAY_TAG, Say};

/// First byte of a pose.
pub const POSE_TAG: u8 = 0x50;
/// First byte of a pose with motion.
pub const MOVING_TAG: u8 = 0x54;
/// First byte of a ping.
pub const PING_TAG: u8 = 0x51;
/// First byte of a pong.
pub const PONG_TAG: u8 = 0x52;
/// What a client sends while it hears nothing: more than a third of a packet of 1,200 bytes, so
/// that a server may answer to a new address (docs/PROTOCOL.md, section 6).
pub const PADDING: [u8; 500] = {
    let mut bytes = [0; 500];
    bytes[0] = 0x53;
    bytes
};
/// Length of a pose without motion and state, in bytes.
pub const POSE_LEN: usize = 22;
/// Length of motion in a pose, in bytes.
const MOTION_LEN: usize = 2;
/// Length of a pong, in bytes.
pub const PONG_LEN: usize = 9;
/// The orientation code of a device without an orientation sensor.
const NO_ORIENTATION: u32 = u32::MAX;
/// Samples older than this, in ms, are taken as this old.
pub const MAX_AGE_MS: u64 = 60_000;

/// A sample of a pose as a client numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of the sample on its link.
    pub seq: u32,
    /// The sample.
    pub pose: Pose,
    /// Motion and state.
    pub extra: Extra,
}

impl Sample {
    /// A sample without motion and state.
    #[must_use]
    pub fn new(seq: u32, pose: Pose) -> Self {
        Self { seq, pose, extra: Extra::default() }
    }

    /// Encodes the sample for the wire, in a room with so many bits of state.
    #[must_use]
    pub fn encode(&self, state_bits: u32) -> Vec<u8> {
        let Self { seq, pose: Pose { position, orientation, accuracy, sampled }, extra } = *self;
        let state_len = state_len(state_bits);
        let mut bytes = Vec::with_capacity(POSE_LEN + MOTION_LEN + state_len);
        bytes.push(if extra.motion.is_some() { MOVING_TAG } else { POSE_TAG });
        bytes.extend_from_slice(&seq.to_le_bytes());
        bytes.extend_from_slice(&sampled.stamp().0.to_le_bytes());
        bytes.extend_from_slice(&position.lat().to_le_bytes());
        bytes.extend_from_slice(&position.lng().to_le_bytes());
        bytes.push(accuracy.code());
        let orientation = orientation.map_or(NO_ORIENTATION, Orientation::code);
        bytes.extend_from_slice(&orientation.to_le_bytes());
        bytes
            .extend(extra.motion.map(|motion| [motion.speed, motion.course]).into_iter().flatten());
        bytes.extend(extra.state.to_le_bytes().into_iter().take(state_len));
        bytes
    }
}

/// Bytes of so many bits of state in a pose.
const fn state_len(state_bits: u32) -> usize {
    state_bits.div_ceil(8) as usize
}

/// A message of the datagram lane from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientDatagram {
    /// A pose.
    Pose(Sample),
    /// A ping; its pong carries the same number.
    Ping(u32),
    /// A message to others, of which only the newest on its topic counts, with its number.
    Say(u32, Say),
    /// A kind that this version does not know; ignored.
    Unknown,
}

impl ClientDatagram {
    /// Decodes a datagram that arrived at `now` in a room with so many bits of state.
    ///
    /// # Errors
    /// If its length is wrong or a value is off its range. A sample's time that is too old, or ahead
    /// of `now`, is clamped instead: clocks step, and that is not the client's fault.
    pub fn decode(bytes: &[u8], now: Time, state_bits: u32) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&tag @ (POSE_TAG | MOVING_TAG), rest)) => {
                decode_pose(rest, tag == MOVING_TAG, state_bits, now).map(Self::Pose)
            }
            Some((&SAY_TAG, rest)) => {
                Say::decode_datagram(rest).map(|(seq, say)| Self::Say(seq, say))
            }
            Some((&PING_TAG, rest)) => {
                let echo = rest.try_into().map_err(|_| DecodeError::Malformed)?;
                Ok(Self::Ping(u32::from_le_bytes(echo)))
            }
            Some((&tag, _)) if tag > PONG_TAG => Ok(Self::Unknown),
            _ => Err(DecodeError::Malformed),
        }
    }
}

fn decode_pose(
    mut rest: &[u8],
    moving: bool,
    state_bits: u32,
    now: Time,
) -> Result<Sample, DecodeError> {
    // The length first: bytes that are no pose end the link, whatever values they hold.
    let least = POSE_LEN - 1 + if moving { MOTION_LEN } else { 0 };
    if !(least..=least + size_of::<u64>()).contains(&rest.len()) {
        return Err(DecodeError::Malformed);
    }
    let seq = u32::from_le_bytes(take(&mut rest)?);
    let time = Stamp(u32::from_le_bytes(take(&mut rest)?));
    let lat = i32::from_le_bytes(take(&mut rest)?);
    let lng = i32::from_le_bytes(take(&mut rest)?);
    let [accuracy] = take(&mut rest)?;
    let orientation = match u32::from_le_bytes(take(&mut rest)?) {
        NO_ORIENTATION => None,
        code => Some(Orientation::from_code(code)?),
    };
    let motion =
        if moving { Some(Motion::from_bits(u16::from_le_bytes(take(&mut rest)?))) } else { None };
    let pose = Pose {
        position: Position::new(lat, lng)?,
        orientation,
        accuracy: Accuracy::from_code(accuracy)?,
        sampled: now.nearest(time).clamp(now - MAX_AGE_MS, now),
    };
    Ok(Sample { seq, pose, extra: Extra { motion, state: decode_state(rest, state_bits)? } })
}

/// Takes the next bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (bytes, tail) = rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
    *rest = tail;
    Ok(*bytes)
}

fn decode_state(bytes: &[u8], state_bits: u32) -> Result<u64, DecodeError> {
    let mut word = [0; size_of::<u64>()];
    for (to, &byte) in word.iter_mut().zip(bytes) {
        *to = byte;
    }
    let state = u64::from_le_bytes(word);
    let fits = state_bits >= u64::BITS || state >> state_bits == 0;
    if bytes.len() == state_len(state_bits) && fits {
        Ok(state)
    } else {
        Err(DecodeError::State(state_bits))
    }
}

/// Encodes a ping with this number.
#[must_use]
pub fn encode_ping(echo: u32) -> [u8; 5] {
    let [a, b, c, d] = echo.to_le_bytes();
    [PING_TAG, a, b, c, d]
}

/// Encodes the answer, at `now`, to a ping with this number.
#[must_use]
pub fn encode_pong(echo: u32, now: Time) -> [u8; PONG_LEN] {
    let ([a, b, c, d], [e, f, g, h]) = (echo.to_le_bytes(), now.stamp().0.to_le_bytes());
    [PONG_TAG, a, b, c, d, e, f, g, h]
}

/// Decodes a pong into its number and the server's clock.
///
/// # Errors
/// If the bytes are not a pong.
pub fn decode_pong(bytes: &[u8]) -> Result<(u32, Stamp), DecodeError> {
    match bytes {
        &[PONG_TAG, a, b, c, d, e, f, g, h] => {
            Ok((u32::from_le_bytes([a, b, c, d]), Stamp(u32::from_le_bytes([e, f, g, h]))))
        }
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::geo::GeoError;
    use crate::pose::PoseError;
    use crate::wire::FRAME_TAG;

    fn sample() -> Sample {
        let pose = Pose {
            position: Position::from_degrees(45.75, 14.36).unwrap(),
            orientation: Some(Orientation::from_euler(10.0, 20.0, 30.0).unwrap()),
            accuracy: Accuracy::from_metres(5.0),
            sampled: Time::from_ms(70_000),
        };
        Sample::new(300, pose)
    }

    #[test]
    fn a_pose_survives_the_wire() {
        let (motion, now) = (Motion::new(1.4, 90.0), Time::from_ms(70_010));
        for (motion, state_bits, len) in
            [(None, 0, 22), (motion, 0, 24), (None, 16, 24), (motion, 61, 32)]
        {
            let extra = Extra { motion, state: u64::MAX.checked_shr(64 - state_bits).unwrap_or(0) };
            let sample = Sample { extra, ..sample() };
            let bytes = sample.encode(state_bits);
            assert_eq!(bytes.len(), len);
            let decoded = ClientDatagram::decode(&bytes, now, state_bits);
            assert_eq!(decoded, Ok(ClientDatagram::Pose(sample)));
            let other = if state_bits == 0 { 8 } else { state_bits - 1 };
            let refused = ClientDatagram::decode(&bytes, now, other);
            assert_eq!(refused, Err(DecodeError::State(other)));
        }
    }

    #[test]
    fn rejects_a_pose_off_its_range() {
        let check = |at: usize, value: [u8; 4], error| {
            let mut bytes = sample().encode(0);
            bytes[at..at + 4].copy_from_slice(&value);
            assert_eq!(ClientDatagram::decode(&bytes, Time::from_ms(70_010), 0), Err(error));
        };
        check(9, 900_000_001_i32.to_le_bytes(), DecodeError::Geo(GeoError::Latitude));
        check(13, i32::MIN.to_le_bytes(), DecodeError::Geo(GeoError::Longitude));
        check(18, 133_544_992_u32.to_le_bytes(), DecodeError::Pose(PoseError::Orientation));
        let short = &sample().encode(0)[..21];
        assert_eq!(ClientDatagram::decode(short, Time::from_ms(0), 0), Err(DecodeError::Malformed));
    }

    #[test]
    fn an_old_sample_is_taken_as_a_minute_old() {
        let Ok(ClientDatagram::Pose(old)) =
            ClientDatagram::decode(&sample().encode(0), Time::from_ms(1_000_000), 0)
        else {
            panic!("an old pose is a pose")
        };
        assert_eq!(old.pose.sampled, Time::from_ms(940_000));
    }

    #[test]
    fn a_sample_from_the_future_is_taken_as_now() {
        for (wrapped, now) in [(0, 60_000), (1 << 32, (1 << 32) - 5_000)] {
            for ahead in [1, 5_001, 3_600_000] {
                let pose =
                    Pose { sampled: Time::from_ms(wrapped + 70_000 + ahead), ..sample().pose };
                let bytes = Sample { pose, ..sample() }.encode(0);
                let decoded = ClientDatagram::decode(&bytes, Time::from_ms(now), 0);
                let Ok(ClientDatagram::Pose(taken)) = decoded else { panic!("{decoded:?}") };
                assert_eq!(taken.pose.sampled, Time::from_ms(now));
            }
        }
    }

    #[test]
    fn pings_and_pongs_match() {
        assert_eq!(
            ClientDatagram::decode(&encode_ping(77), Time::from_ms(0), 0),
            Ok(ClientDatagram::Ping(77))
        );
        assert_eq!(decode_pong(&encode_pong(77, Time::from_ms(9))), Ok((77, Stamp(9))));
        assert_eq!(
            ClientDatagram::decode(&[0x60, 1], Time::from_ms(0), 0),
            Ok(ClientDatagram::Unknown)
        );
        assert_eq!(ClientDatagram::decode(&[], Time::from_ms(0), 0), Err(DecodeError::Malformed));
        assert_eq!(
            ClientDatagram::decode(&[FRAME_TAG], Time::from_ms(0), 0),
            Err(DecodeError::Malformed)
        );
    }
}
