use gpys::proto::time::Time;
use gpys::proto::wire::{ClientDatagram, ClientMessage, POSE_LEN, POSE_TAG, ServerMessage};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_decode_to_a_message_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = ClientMessage::decode(&bytes) {
            prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
        }
        if let Ok(message) = ServerMessage::decode(&bytes) {
            prop_assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_pose_or_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), POSE_LEN)) {
        bytes[0] = POSE_TAG;
        let now = Time::from_ms(1 << 33);
        if let Ok(ClientDatagram::Pose(sample)) = ClientDatagram::decode(&bytes, now, 0) {
            let again = ClientDatagram::decode(&sample.encode(0), now, 0);
            prop_assert_eq!(again, Ok(ClientDatagram::Pose(sample)));
        }
    }
}
