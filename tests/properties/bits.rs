use gpys::proto::wire::bits::{BitReader, BitWriter};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Field {
    Bits(u32, u32),
    Unary(u32),
    Gamma(u64),
    Rice(u32, u32),
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        (any::<u32>(), 0..=32_u32)
            .prop_map(|(v, bits)| Field::Bits((u64::from(v) & ((1 << bits) - 1)) as u32, bits)),
        (0..200_u32).prop_map(Field::Unary),
        (1..=1_u64 << 32).prop_map(Field::Gamma),
        (0..4000_u32, 0..12_u32).prop_map(|(v, k)| Field::Rice(v, k)),
    ]
}

fn write(writer: &mut BitWriter, field: &Field) {
    match *field {
        Field::Bits(value, bits) => writer.push(u64::from(value), bits),
        Field::Unary(value) => writer.unary(value),
        Field::Gamma(value) => writer.gamma(value),
        Field::Rice(value, k) => writer.rice(value, k),
    }
}

fn check(reader: &mut BitReader<'_>, field: &Field) {
    match *field {
        Field::Bits(value, bits) => assert_eq!(reader.read(bits), Some(value)),
        Field::Unary(value) => assert_eq!(reader.unary(), Some(value)),
        Field::Gamma(value) => assert_eq!(reader.gamma(), Some(value)),
        Field::Rice(value, k) => assert_eq!(reader.rice(k), Some(value)),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        first in proptest::collection::vec(field(), 0..20),
        second in proptest::collection::vec(field(), 0..20),
    ) {
        let mut arena = BitWriter::default();
        arena.push(5, 3);
        arena.align();
        let word = arena.len() / 64;
        second.iter().for_each(|field| write(&mut arena, field));
        let mut writer = BitWriter::default();
        first.iter().for_each(|field| write(&mut writer, field));
        writer.append(&arena, word, arena.len() - word * 64);
        let mut bytes = vec![9];
        writer.write_bytes(&mut bytes);
        let mut reader = BitReader::new(&bytes[1..]);
        first.iter().chain(&second).for_each(|field| check(&mut reader, field));
        prop_assert!(reader.is_at_end());
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let mut reader = BitReader::new(&bytes);
        while reader.gamma().is_some() || reader.rice(7).is_some() {}
    }
}
