//! Tables whose entries name each other by index, and the hash that the room uses.

/// No slot, no node.
pub(crate) const NONE: u32 = u32::MAX;

/// A person's index into the tables of a room; reused after they leave.
pub(crate) type Slot = u32;

/// Appends to a table that grows by a quarter, not by doubling: a room of many people then wastes
/// an eighth of its memory on average, and still moves each entry only a few times.
pub(crate) fn push<T>(table: &mut Vec<T>, value: T) {
    if table.len() == table.capacity() {
        table.reserve_exact(table.len() / 4 + 8);
    }
    table.push(value);
}

/// A bijection that spreads every input bit over the output (the finaliser of `SplitMix64`,
/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
pub(crate) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
