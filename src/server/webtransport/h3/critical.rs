//! The client's streams that last as long as the connection: its control stream (RFC 9114, section
//! 6.2.1) and those of QPACK (RFC 9204, section 4.2).

use std::borrow::Cow;

use wtransport_proto::error::ErrorCode;
use wtransport_proto::frame::Frame;
use wtransport_proto::settings::{SettingId, Settings};

use crate::webtransport::h3::fault::Fault;
use crate::webtransport::h3::items::{Items, MAX_PAYLOAD, MAX_PUSH_ID, Rest, WEBTRANSPORT, varint};

/// Types of frames (RFC 9114, section 7.2).
const CANCEL_PUSH: u64 = 0x03;
const SETTINGS: u64 = 0x04;
const GOAWAY: u64 = 0x07;
/// Longest number of a push, in bytes.
const MAX_INTEGER: u64 = 8;

/// Errors of QPACK's streams (RFC 9204, section 6).
const ENCODER_STREAM_ERROR: u32 = 0x201;
const DECODER_STREAM_ERROR: u32 = 0x202;
/// The one instruction for a table without room: that it is to have none (RFC 9204, section
/// 4.3.1).
const NO_CAPACITY: u8 = 0x20;

/// The control stream.
#[derive(Debug, Default)]
pub(super) struct Control {
    frames: Items,
    has_settings: bool,
    /// The most pushes that the client allowed so far; there are none.
    pushes: Option<u64>,
    /// The first push that it will not take any more.
    last: Option<u64>,
}

impl Control {
    /// Whether the client's settings have come.
    pub(super) const fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// Takes bytes; tells how many frames these end.
    ///
    /// # Errors
    /// If they break the rules.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<u32, ErrorCode> {
        let mut count = 0;
        loop {
            let has_settings = self.has_settings;
            let rest = |kind, length| on_control(has_settings, kind, length);
            let Some(frame) = self.frames.take(&mut bytes, rest)? else { return Ok(count) };
            count += 1;
            match frame.kind {
                SETTINGS => {
                    check_settings(frame.payload)?;
                    self.has_settings = true;
                }
                MAX_PUSH_ID => {
                    let most = whole(&frame.payload)?;
                    if self.pushes.replace(most).is_some_and(|before| most < before) {
                        return Err(ErrorCode::Id);
                    }
                }
                GOAWAY => {
                    let last = whole(&frame.payload)?;
                    if self.last.replace(last).is_some_and(|before| last > before) {
                        return Err(ErrorCode::Id);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What is to be done with a frame on a control stream.
fn on_control(has_settings: bool, kind: u64, length: u64) -> Result<Rest, ErrorCode> {
    match kind {
        SETTINGS if has_settings => Err(ErrorCode::FrameUnexpected),
        SETTINGS if length > MAX_PAYLOAD => Err(ErrorCode::ExcessiveLoad),
        SETTINGS => Ok(Rest::Keep),
        _ if !has_settings => Err(ErrorCode::MissingSettings),
        // Nothing has been promised.
        CANCEL_PUSH => Err(ErrorCode::Id),
        GOAWAY | MAX_PUSH_ID if length > MAX_INTEGER => Err(ErrorCode::Frame),
        GOAWAY | MAX_PUSH_ID => Ok(Rest::Keep),
        // The other types below 0x0A are a request's, or were HTTP/2's.
        0..0x0A | WEBTRANSPORT => Err(ErrorCode::FrameUnexpected),
        _ => Ok(Rest::Skip),
    }
}

/// The one integer that a payload is.
fn whole(payload: &[u8]) -> Result<u64, ErrorCode> {
    let (value, length) = varint(payload).ok_or(ErrorCode::Frame)?;
    if length == payload.len() { Ok(value) } else { Err(ErrorCode::Frame) }
}

fn check_settings(payload: Vec<u8>) -> Result<(), ErrorCode> {
    let settings = Settings::with_frame(&Frame::new_settings(Cow::Owned(payload)))?;
    // Yes or no (RFC 8441, section 3; RFC 9297, section 2.1.1).
    let is_good = |id| settings.get(id).is_none_or(|value| value.into_inner() <= 1);
    let all = [SettingId::EnableConnectProtocol, SettingId::H3Datagram];
    if all.into_iter().all(is_good) { Ok(()) } else { Err(ErrorCode::Settings) }
}

/// A stream of QPACK. There is no dynamic table, so nearly nothing can be said about it.
#[derive(Debug)]
pub(super) enum Qpack {
    /// What the client puts into the table.
    Encoder,
    /// What it made of the server's table; `true` within an integer.
    Decoder(bool),
}

impl Qpack {
    /// Takes bytes.
    ///
    /// # Errors
    /// If they are about a table that there is not.
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
                        // A stream is not read any more, which may always be said.
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
    fn a_control_stream_begins_with_settings() {
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
    fn each_frame_counts_the_empty_ones_as_well() {
        assert_eq!(control(&[0x21, 0].repeat(100)), Ok(101));
    }

    #[test]
    fn frames_of_requests_and_of_http_2_do_not_belong_there() {
        for kind in [0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x09] {
            assert_eq!(control(&[kind, 0]), Err(ErrorCode::FrameUnexpected), "{kind}");
        }
        assert_eq!(control(&[0x40, 0x41, 0]), Err(ErrorCode::FrameUnexpected));
    }

    #[test]
    fn pushes_and_farewells_go_one_way() {
        assert_eq!(control(&[0x0D, 1, 5, 0x0D, 1, 5, 0x0D, 1, 6]), Ok(4));
        assert_eq!(control(&[0x0D, 1, 5, 0x0D, 1, 4]), Err(ErrorCode::Id));
        assert_eq!(control(&[7, 1, 5, 7, 1, 5, 7, 1, 4]), Ok(4));
        assert_eq!(control(&[7, 1, 5, 7, 1, 6]), Err(ErrorCode::Id));
        assert_eq!(control(&[3, 1, 0]), Err(ErrorCode::Id), "nothing was promised");
        for wrong in [[7, 0, 0].as_slice(), &[7, 2, 1, 1], &[0x0D, 1, 0x40], &[7, 9]] {
            assert_eq!(control(wrong), Err(ErrorCode::Frame), "{wrong:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
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
    fn nothing_is_said_about_a_table_that_there_is_not() {
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
