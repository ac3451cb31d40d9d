//! The client's streams that last as long as the connection: its control stream (RFC 9114, section
//! 6.2.1) and QPACK's two (RFC 9204, section 4.2).

use std::borrow::Cow;

use wtransport_proto::error::ErrorCode;
use wtransport_proto::frame::Frame;
use wtransport_proto::settings::{SettingId, Settings};

use crate::webtransport::h3::fault::Fault;
use crate::webtransport::h3::items::{
    Handling, Items, MAX_PAYLOAD, MAX_PUSH_ID, WEBTRANSPORT, varint,
};

/// Frame types (RFC 9114, section 7.2).
const CANCEL_PUSH: u64 = 0x03;
const SETTINGS: u64 = 0x04;
const GOAWAY: u64 = 0x07;
/// Longest encoding of an integer, in bytes.
const MAX_INTEGER: u64 = 8;

/// Errors of QPACK's streams (RFC 9204, section 6).
const ENCODER_STREAM_ERROR: u32 = 0x201;
const DECODER_STREAM_ERROR: u32 = 0x202;
/// The only valid encoder instruction: set the table's capacity to zero (RFC 9204, section 4.3.1).
const NO_CAPACITY: u8 = 0x20;

/// The client's control stream.
#[derive(Debug, Default)]
pub(super) struct Control {
    frames: Items,
    has_settings: bool,
    /// The highest push id that the client allows; the server never pushes.
    max_push_id: Option<u64>,
    /// The push id in the client's last GOAWAY.
    goaway: Option<u64>,
}

impl Control {
    /// Whether the client's settings have arrived.
    pub(super) const fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// Reads bytes of the stream; returns how many frames they complete.
    ///
    /// # Errors
    /// If they break HTTP/3's rules.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<u32, ErrorCode> {
        let mut count = 0;
        loop {
            let has_settings = self.has_settings;
            let handling = |kind, length| frame_handling(has_settings, kind, length);
            let Some(frame) = self.frames.take(&mut bytes, handling)? else { return Ok(count) };
            count += 1;
            match frame.kind {
                SETTINGS => {
                    check_settings(frame.payload)?;
                    self.has_settings = true;
                }
                MAX_PUSH_ID => {
                    let id = sole_integer(&frame.payload)?;
                    if self.max_push_id.replace(id).is_some_and(|before| id < before) {
                        return Err(ErrorCode::Id);
                    }
                }
                GOAWAY => {
                    let id = sole_integer(&frame.payload)?;
                    if self.goaway.replace(id).is_some_and(|before| id > before) {
                        return Err(ErrorCode::Id);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Decides how to handle a frame on a control stream.
fn frame_handling(has_settings: bool, kind: u64, length: u64) -> Result<Handling, ErrorCode> {
    match kind {
        SETTINGS if has_settings => Err(ErrorCode::FrameUnexpected),
        SETTINGS if length > MAX_PAYLOAD => Err(ErrorCode::ExcessiveLoad),
        SETTINGS => Ok(Handling::Keep),
        _ if !has_settings => Err(ErrorCode::MissingSettings),
        // The server has promised no push.
        CANCEL_PUSH => Err(ErrorCode::Id),
        GOAWAY | MAX_PUSH_ID if length > MAX_INTEGER => Err(ErrorCode::Frame),
        GOAWAY | MAX_PUSH_ID => Ok(Handling::Keep),
        // The other types below 0x0A belong to requests or to HTTP/2.
        0..0x0A | WEBTRANSPORT => Err(ErrorCode::FrameUnexpected),
        _ => Ok(Handling::Skip),
    }
}

/// Decodes a payload that is exactly one integer.
fn sole_integer(payload: &[u8]) -> Result<u64, ErrorCode> {
    let (value, length) = varint(payload).ok_or(ErrorCode::Frame)?;
    if length == payload.len() { Ok(value) } else { Err(ErrorCode::Frame) }
}

fn check_settings(payload: Vec<u8>) -> Result<(), ErrorCode> {
    let settings = Settings::with_frame(&Frame::new_settings(Cow::Owned(payload)))?;
    // Zero or one (RFC 8441, section 3; RFC 9297, section 2.1.1).
    let is_good = |id| settings.get(id).is_none_or(|value| value.into_inner() <= 1);
    let all = [SettingId::EnableConnectProtocol, SettingId::H3Datagram];
    if all.into_iter().all(is_good) { Ok(()) } else { Err(ErrorCode::Settings) }
}

/// A QPACK stream. There is no dynamic table, so hardly any instruction is valid.
#[derive(Debug)]
pub(super) enum Qpack {
    /// Instructions that change the dynamic table.
    Encoder,
    /// Acknowledgements of the server's instructions; `true` inside an integer.
    Decoder(bool),
}

impl Qpack {
    /// Reads bytes of the stream.
    ///
    /// # Errors
    /// If an instruction refers to the dynamic table, which does not exist.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Encoder => {
                let is_good = bytes.iter().all(|&byte| byte == NO_CAPACITY);
                if is_good { Ok(()) } else { Err(Fault::Qpack(ENCODER_STREAM_ERROR)) }
            }
            Self::Decoder(within) => {
                for &byte in bytes {
                    *within = match byte {
                        _ if *within => byte & 0x80 != 0,
                        // Stream Cancellation, which is always valid.
                        0x40..0x7F => false,
                        0x7F => true,
                        _ => return Err(Fault::Qpack(DECODER_STREAM_ERROR)),
                    };
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u8; 4] = [4, 2, 0x33, 1];

    fn control(rest: &[u8]) -> Result<u32, ErrorCode> {
        Control::default().take(&[&HEAD, rest].concat())
    }

    #[test]
    fn control_streams_begin_with_settings() {
        let mut control = Control::default();
        assert_eq!(control.take(&HEAD[..3]), Ok(0));
        assert!(!control.has_settings());
        assert_eq!(control.take(&HEAD[3..]), Ok(1));
        assert!(control.has_settings());
        assert_eq!(control.take(&HEAD), Err(ErrorCode::FrameUnexpected));
        assert_eq!(Control::default().take(&[7, 1, 0]), Err(ErrorCode::MissingSettings));
        assert_eq!(Control::default().take(&[0x21, 0]), Err(ErrorCode::MissingSettings));
    }

    #[test]
    fn counts_every_frame_even_empty_ones() {
        assert_eq!(control(&[0x21, 0].repeat(100)), Ok(101));
    }

    #[test]
    fn rejects_frames_of_requests_and_of_http_2() {
        for kind in [0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x09] {
            assert_eq!(control(&[kind, 0]), Err(ErrorCode::FrameUnexpected), "{kind}");
        }
        assert_eq!(control(&[0x40, 0x41, 0]), Err(ErrorCode::FrameUnexpected));
    }

    #[test]
    fn push_ids_only_grow_and_goaway_ids_only_shrink() {
        assert_eq!(control(&[0x0D, 1, 5, 0x0D, 1, 5, 0x0D, 1, 6]), Ok(4));
        assert_eq!(control(&[0x0D, 1, 5, 0x0D, 1, 4]), Err(ErrorCode::Id));
        assert_eq!(control(&[7, 1, 5, 7, 1, 5, 7, 1, 4]), Ok(4));
        assert_eq!(control(&[7, 1, 5, 7, 1, 6]), Err(ErrorCode::Id));
        assert_eq!(control(&[3, 1, 0]), Err(ErrorCode::Id), "no push was promised");
        for wrong in [[7, 0, 0].as_slice(), &[7, 2, 1, 1], &[0x0D, 1, 0x40], &[7, 9]] {
            assert_eq!(control(wrong), Err(ErrorCode::Frame), "{wrong:?}");
        }
    }

    #[test]
    fn rejects_invalid_settings() {
        let settings = |payload: &[u8]| {
            Control::default().take(&[&[4, payload.len() as u8], payload].concat())
        };
        assert_eq!(settings(&[]), Ok(1));
        assert_eq!(settings(&[0x08, 1, 0x33, 0, 0x21, 9, 0x06, 0x50, 0]), Ok(1));
        for wrong in [[0x33, 2], [0x08, 2], [0x02, 0], [0x03, 0], [0x04, 0], [0x05, 0], [0x00, 0]] {
            assert_eq!(settings(&wrong), Err(ErrorCode::Settings), "{wrong:?}");
        }
        assert_eq!(settings(&[0x33, 1, 0x33, 1]), Err(ErrorCode::Settings), "twice");
        assert_eq!(settings(&[0x33]), Err(ErrorCode::Frame), "half a setting");
    }

    #[test]
    fn rejects_instructions_for_a_dynamic_table() {
        let encoder = |bytes: &[u8]| Qpack::Encoder.take(bytes);
        assert_eq!(encoder(&[0x20, 0x20]), Ok(()));
        for wrong in [0x21, 0x3F, 0x00, 0x40, 0x80, 0xC0] {
            assert_eq!(encoder(&[wrong]), Err(Fault::Qpack(0x201)), "{wrong}");
        }
        let decoder = |bytes: &[u8]| Qpack::Decoder(false).take(bytes);
        assert_eq!(decoder(&[0x40, 0x7E, 0x7F, 0xFF, 0x80, 0x00, 0x44]), Ok(()));
        for wrong in [0x00, 0x01, 0x3F, 0x80, 0xFF] {
            assert_eq!(decoder(&[wrong]), Err(Fault::Qpack(0x202)), "{wrong}");
        }
    }
}
