//! Any bytes as a client's message: rejected, or a message that survives the wire.

#![no_main]

use gpys_proto::text;
use gpys_proto::wire::{ClientMessage, MAX_CLIENT_MESSAGE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match ClientMessage::decode(bytes) {
        Ok(message) => {
            assert!(bytes.len() <= MAX_CLIENT_MESSAGE);
            let again = message.encode();
            // The bytes differ only where a number is not in its shortest form.
            assert!(again.len() <= bytes.len());
            if let ClientMessage::Hello(hello) = &message {
                let (settled, refused) = hello.clone().settle();
                assert!(settled.name.len() <= text::MAX_NAME && refused.len() <= 2);
                assert_eq!(settled.clone().settle(), (settled, Vec::new()));
            }
            assert_eq!(ClientMessage::decode(&again), Ok(message));
        }
        Err(error) => assert!(error.outcome().err().is_none_or(|code| !code.retryable())),
    }
});
