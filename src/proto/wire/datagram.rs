//! The datagram lane, except frames: poses (docs/PROTOCOL.md, section 4), pings and pongs (6).

use crate::geo::Position;
use crate::pose::{Accuracy, Orientation, Pose};
use crate::time::{Stamp, Time};
use crate::wire::codes::DecodeError;

/// First byte of a pose.
pub const POSE_TAG: u8 = 0x50;
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
/// Length of a pose, in bytes.
pub const POSE_LEN: usize = 22;
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
}

impl Sample {
    /// Encodes the sample for the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; POSE_LEN] {
        let mut bytes = [POSE_TAG; POSE_LEN];
        let Pose { position, orientation, accuracy, sampled } = self.pose;
        let fields = [
            self.seq.to_le_bytes(),
            sampled.stamp().0.to_le_bytes(),
            position.lat().to_le_bytes(),
            position.lng().to_le_bytes(),
        ];
        let tail = orientation.map_or(NO_ORIENTATION, Orientation::code).to_le_bytes();
        let all = fields.into_iter().flatten().chain([accuracy.code()]).chain(tail);
        for (byte, value) in bytes.iter_mut().skip(1).zip(all) {
            *byte = value;
        }
        bytes
    }
}

/// A message of the datagram lane from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDatagram {
    /// A pose.
    Pose(Sample),
    /// A ping; its pong carries the same number.
    Ping(u32),
    /// A kind that this version does not know; ignored.
    Unknown,
}

impl ClientDatagram {
    /// Decodes a datagram that arrived at `now`.
    ///
    /// # Errors
    /// If its length is wrong or a value is off its range. A sample's time that is too old, or ahead
    /// of `now`, is clamped instead: clocks step, and that is not the client's fault.
    pub fn decode(bytes: &[u8], now: Time) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&POSE_TAG, rest)) => decode_pose(rest, now).map(Self::Pose),
            Some((&PING_TAG, rest)) => {
                let echo = rest.try_into().map_err(|_| DecodeError::Malformed)?;
                Ok(Self::Ping(u32::from_le_bytes(echo)))
            }
            Some((&tag, _)) if tag > PONG_TAG => Ok(Self::Unknown),
            _ => Err(DecodeError::Malformed),
        }
    }
}

fn decode_pose(mut rest: &[u8], now: Time) -> Result<Sample, DecodeError> {
    let mut word = || -> Result<[u8; 4], DecodeError> {
        let (word, tail) = rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        rest = tail;
        Ok(*word)
    };
    let seq = u32::from_le_bytes(word()?);
    let time = Stamp(u32::from_le_bytes(word()?));
    let lat = i32::from_le_bytes(word()?);
    let lng = i32::from_le_bytes(word()?);
    let (&accuracy, orientation) = rest.split_first().ok_or(DecodeError::Malformed)?;
    let orientation = orientation.try_into().map_err(|_| DecodeError::Malformed)?;
    let orientation = match u32::from_le_bytes(orientation) {
        NO_ORIENTATION => None,
        code => Some(Orientation::from_code(code)?),
    };
    let pose = Pose {
        position: Position::new(lat, lng)?,
        orientation,
        accuracy: Accuracy::from_code(accuracy)?,
        sampled: now.nearest(time).clamp(now - MAX_AGE_MS, now),
    };
    Ok(Sample { seq, pose })
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
        Sample { seq: 300, pose }
    }

    #[test]
    fn a_pose_survives_the_wire() {
        let bytes = sample().encode();
        let decoded = ClientDatagram::decode(&bytes, Time::from_ms(70_010));
        assert_eq!(decoded, Ok(ClientDatagram::Pose(sample())));
    }

    #[test]
    fn rejects_a_pose_off_its_range() {
        let check = |at: usize, value: [u8; 4], error| {
            let mut bytes = sample().encode();
            bytes[at..at + 4].copy_from_slice(&value);
            assert_eq!(ClientDatagram::decode(&bytes, Time::from_ms(70_010)), Err(error));
        };
        check(9, 900_000_001_i32.to_le_bytes(), DecodeError::Geo(GeoError::Latitude));
        check(13, i32::MIN.to_le_bytes(), DecodeError::Geo(GeoError::Longitude));
        check(18, 133_544_992_u32.to_le_bytes(), DecodeError::Pose(PoseError::Orientation));
        let short = &sample().encode()[..21];
        assert_eq!(ClientDatagram::decode(short, Time::from_ms(0)), Err(DecodeError::Malformed));
    }

    #[test]
    fn an_old_sample_is_taken_as_a_minute_old() {
        let Ok(ClientDatagram::Pose(old)) =
            ClientDatagram::decode(&sample().encode(), Time::from_ms(1_000_000))
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
                let bytes = Sample { pose, ..sample() }.encode();
                let decoded = ClientDatagram::decode(&bytes, Time::from_ms(now));
                let Ok(ClientDatagram::Pose(taken)) = decoded else { panic!("{decoded:?}") };
                assert_eq!(taken.pose.sampled, Time::from_ms(now));
            }
        }
    }

    #[test]
    fn pings_and_pongs_match() {
        assert_eq!(
            ClientDatagram::decode(&encode_ping(77), Time::from_ms(0)),
            Ok(ClientDatagram::Ping(77))
        );
        assert_eq!(decode_pong(&encode_pong(77, Time::from_ms(9))), Ok((77, Stamp(9))));
        assert_eq!(
            ClientDatagram::decode(&[0x60, 1], Time::from_ms(0)),
            Ok(ClientDatagram::Unknown)
        );
        assert_eq!(ClientDatagram::decode(&[], Time::from_ms(0)), Err(DecodeError::Malformed));
        assert_eq!(
            ClientDatagram::decode(&[FRAME_TAG], Time::from_ms(0)),
            Err(DecodeError::Malformed)
        );
    }
}
