//! Any bytes as a client's datagram, at any time: rejected, or values within their ranges.

#![no_main]

use gpys_proto::time::Time;
use gpys_proto::wire::{ClientDatagram, MAX_AGE_MS, encode_ping};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, u8, &[u8])| {
    let (now, state_bits, bytes) =
        (Time::from_ms(input.0 % (1 << 48)), u32::from(input.1 % 65), input.2);
    match ClientDatagram::decode(bytes, now, state_bits) {
        Ok(ClientDatagram::Pose(sample)) => {
            let sampled = sample.pose.sampled;
            assert!(sampled <= now && now.since(sampled) <= MAX_AGE_MS);
            let again = sample.encode(state_bits);
            // Decoding corrects no values but the antimeridian and a sample's age.
            assert_eq!(again.len(), bytes.len());
            assert_eq!(again[..5], bytes[..5]);
            assert_eq!(again[17..], bytes[17..]);
            let decoded = ClientDatagram::decode(&again, now, state_bits);
            assert_eq!(decoded, Ok(ClientDatagram::Pose(sample)));
        }
        Ok(ClientDatagram::Ping(echo)) => assert_eq!(bytes, encode_ping(echo)),
        Ok(ClientDatagram::Say(seq, say)) => {
            let again = say.encode_datagram(seq);
            let decoded = ClientDatagram::decode(&again, now, state_bits);
            assert_eq!(decoded, Ok(ClientDatagram::Say(seq, say)));
        }
        Ok(ClientDatagram::Unknown) => assert!(bytes[0] > 0x52),
        Err(_) => {}
    }
});
