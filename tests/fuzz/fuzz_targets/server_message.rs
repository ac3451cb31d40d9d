//! Any bytes as a server's message: rejected, or a message that survives the wire.

#![no_main]

use gpys_proto::view::View;
use gpys_proto::wire::ServerMessage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = ServerMessage::decode(bytes) {
        let again = message.encode();
        assert!(again.len() <= bytes.len());
        assert_eq!(ServerMessage::decode(&again).as_ref(), Ok(&message));
        View::default().handle_message(&message);
    }
});
