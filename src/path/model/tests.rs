//! Whether a direction does what its settings say.

use std::num::NonZeroU64;

use crate::model::*;
use crate::trace::Trace;

mod properties;

const MS: Duration = Duration::from_millis(1);

/// What came out, and when.
type Arrivals = Vec<(Duration, Vec<u8>)>;

/// A packet with a number in it.
fn packet(number: u64, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len.max(8)];
    packet[..8].copy_from_slice(&number.to_be_bytes());
    packet
}

fn number(packet: &[u8]) -> u64 {
    u64::from_be_bytes(packet[..8].try_into().unwrap())
}

/// Takes everything that comes out by `now`, each packet at its own time.
fn drain(direction: &mut Direction, now: Duration, arrivals: &mut Arrivals) {
    while let Some(at) = direction.poll_timeout().filter(|&at| at <= now) {
        let early = at.checked_sub(Duration::from_nanos(1));
        assert!(early.is_none_or(|early| direction.poll_packet(early).is_none()));
        let arrival = direction.poll_packet(at).map(|packet| (at, packet));
        assert!(arrival.is_some() || direction.shaper.is_some());
        arrivals.extend(arrival);
    }
    assert!(direction.poll_packet(now).is_none());
}

/// Sends `count` packets of `len` bytes, one every `gap`.
fn send(direction: &mut Direction, count: u64, len: usize, gap: Duration) -> Arrivals {
    let mut arrivals = Vec::new();
    for i in 0..count {
        let now = gap * i as u32;
        drain(direction, now, &mut arrivals);
        direction.handle_packet(packet(i, len), now);
    }
    drain(direction, Duration::MAX, &mut arrivals);
    assert_sum(direction);
    assert_eq!(direction.under_way.len(), 0);
    arrivals
}

/// Every packet is accounted for once.
fn assert_sum(direction: &Direction) {
    let c = direction.counters();
    let fates = c.delivered + c.lost + c.lost_in_bursts + c.overflowed + c.blocked;
    let queued = |shaper: &Shaper| shaper.queues.len() + usize::from(shaper.leaving.is_some());
    let queued = direction.shaper.as_deref().map_or(0, queued);
    let under_way = direction.under_way.len() + queued;
    assert_eq!(c.packets + c.duplicated, fates + under_way as u64, "{c:?}");
}

/// The lengths of the gaps in what came out.
fn gaps(arrivals: &Arrivals, count: u64) -> Vec<u64> {
    let numbers = arrivals.iter().map(|(_, packet)| number(packet)).chain([count]);
    let mut gaps = Vec::new();
    let mut next = 0;
    for number in numbers {
        if number > next {
            gaps.push(number - next);
        }
        next = number + 1;
    }
    gaps
}

fn rate(bits_per_second: u64, queue: Queue) -> Option<Bandwidth> {
    let bits_per_second = NonZeroU64::new(bits_per_second).unwrap();
    Some(Bandwidth { bits_per_second, trace: None, queue })
}

#[test]
fn a_direction_without_settings_only_carries() {
    let mut direction = Direction::new(PathSettings::default(), 1);
    let arrivals = send(&mut direction, 100, 1_500, MS);
    for (i, (at, bytes)) in arrivals.iter().enumerate() {
        assert_eq!((*at, bytes), (MS * i as u32, &packet(i as u64, 1_500)));
    }
    let counters = direction.counters();
    assert_eq!((counters.delivered, counters.delivered_bytes), (100, 150_000));
    assert_eq!((counters.packets, counters.bytes), (100, 150_000));
}

#[test]
fn the_delay_is_exact() {
    let delay = Duration::from_nanos(25_123_457);
    let mut direction = Direction::new(PathSettings { delay, ..PathSettings::default() }, 1);
    let arrivals = send(&mut direction, 50, 100, MS);
    assert!(arrivals.iter().enumerate().all(|(i, &(at, _))| at == MS * i as u32 + delay));
    assert_eq!(arrivals.len(), 50);
}

#[test]
fn random_loss_has_its_share_and_no_memory() {
    for loss in [0.01, 0.1, 0.5] {
        let mut direction = Direction::new(PathSettings { loss, ..PathSettings::default() }, 7);
        let count = 200_000;
        let arrivals = send(&mut direction, count, 8, MS);
        let lost = direction.counters().lost as f64;
        // Five standard deviations of a binomial distribution.
        let bound = 5.0 * (count as f64 * loss * (1.0 - loss)).sqrt();
        assert!((lost - count as f64 * loss).abs() < bound, "{loss}: {lost}");
        let gaps = gaps(&arrivals, count);
        let mean = lost / gaps.len() as f64;
        assert!((mean * (1.0 - loss) - 1.0).abs() < 0.05, "{loss}: bursts of {mean}");
    }
}

#[test]
fn bursts_have_their_share_and_length() {
    for (share, length) in [(0.02, 8.0), (0.1, 3.0), (0.3, 1.0), (0.5, 20.0), (0.75, 1.0)] {
        let bursts = Some(Bursts { share, length });
        let mut direction = Direction::new(PathSettings { bursts, ..PathSettings::default() }, 3);
        let count = 1_000_000;
        let arrivals = send(&mut direction, count, 8, MS);
        let lost = direction.counters().lost_in_bursts as f64;
        let gaps = gaps(&arrivals, count);
        let mean = lost / gaps.len() as f64;
        // Of a share above a half, bursts of one packet cannot be.
        let length = f64::max(length, share / (1.0 - share));
        assert!((lost / count as f64 / share - 1.0).abs() < 0.05, "{share} {length}: {lost}");
        assert!((mean / length - 1.0).abs() < 0.05, "{share} {length}: {mean}");
        // The lengths are geometric: this share of them is 1.
        let ones = gaps.iter().filter(|&&gap| gap == 1).count() as f64 / gaps.len() as f64;
        assert!((ones - 1.0 / length).abs() < 0.02, "{share} {length}: {ones}");
    }
}

#[test]
fn everything_can_be_lost_or_blocked() {
    let all = Bursts { share: 1.0, length: 1.0 };
    for settings in [
        PathSettings { loss: 1.0, ..PathSettings::default() },
        PathSettings { bursts: Some(all), ..PathSettings::default() },
        PathSettings { blocked: true, ..PathSettings::default() },
    ] {
        let mut direction = Direction::new(settings, 1);
        assert!(send(&mut direction, 1_000, 8, MS).is_empty(), "{settings}");
    }
}

#[test]
fn what_is_under_way_outlives_a_block() {
    let settings = PathSettings { delay: MS * 10, ..PathSettings::default() };
    let mut direction = Direction::new(settings, 1);
    direction.handle_packet(packet(1, 8), Duration::ZERO);
    direction.set(PathSettings { blocked: true, ..settings });
    direction.handle_packet(packet(2, 8), MS);
    direction.set(settings);
    direction.handle_packet(packet(3, 8), MS * 2);
    let mut arrivals = Vec::new();
    drain(&mut direction, MS * 20, &mut arrivals);
    let numbers: Vec<_> = arrivals.iter().map(|(at, packet)| (*at, number(packet))).collect();
    assert_eq!(numbers, [(MS * 10, 1), (MS * 12, 3)]);
    assert_eq!(direction.counters().blocked, 1);
}

#[test]
fn only_udp_is_blocked_where_udp_is() {
    let settings = PathSettings { udp_blocked: true, ..PathSettings::default() };
    let mut direction = Direction::new(settings, 1);
    for protocol in [1, 6, 17] {
        let mut packet = vec![0; 28];
        (packet[0], packet[9]) = (0x45, protocol);
        direction.handle_packet(packet, Duration::ZERO);
    }
    let mut arrivals = Vec::new();
    drain(&mut direction, Duration::ZERO, &mut arrivals);
    let protocols: Vec<_> = arrivals.iter().map(|(_, packet)| packet[9]).collect();
    assert_eq!(protocols, [1, 6]);
}

#[test]
fn the_rate_is_exact_over_a_second() {
    // 7 Mbit/s and 1,111 bytes: no packet takes a whole number of nanoseconds.
    for (bits_per_second, len) in [(2_000_000, 1_500), (7_000_000, 1_111), (1_000_003, 40)] {
        let settings = PathSettings {
            rate: rate(bits_per_second, Queue::Bytes(u64::MAX)),
            ..PathSettings::default()
        };
        let mut direction = Direction::new(settings, 1);
        let count = bits_per_second / 8 / len + 10;
        let arrivals = send(&mut direction, count, len as usize, Duration::ZERO);
        for (i, &(at, _)) in arrivals.iter().enumerate() {
            let bits = u128::from(len) * 8 * (i as u128 + 1);
            assert_eq!(at.as_nanos(), bits * 1_000_000_000 / u128::from(bits_per_second));
        }
        let second = Duration::from_secs(1);
        let bytes = arrivals.iter().filter(|(at, _)| *at <= second).count() as u64 * len;
        assert!(bytes <= bits_per_second / 8 && bytes + len > bits_per_second / 8, "{bytes}");
    }
}

#[test]
fn a_full_queue_drops_what_comes_and_delays_what_stays() {
    // 1,000 bytes take 4 ms; 100 ms of queue are 25,000 bytes.
    let settings =
        PathSettings { rate: rate(2_000_000, Queue::Time(MS * 100)), ..PathSettings::default() };
    let mut direction = Direction::new(settings, 1);
    // Twice as much as leaves.
    let arrivals = send(&mut direction, 1_000, 1_000, MS * 2);
    let counters = *direction.counters();
    // In 2 s, 500 leave, and some 25 wait.
    assert!((474..=477).contains(&counters.overflowed), "{counters:?}");
    assert!(counters.longest_wait > MS * 92 && counters.longest_wait <= MS * 96, "{counters:?}");
    for (at, packet) in &arrivals {
        assert!(*at <= MS * 2 * number(packet) as u32 + MS * 100);
    }
    // In bytes it is the same.
    let same = PathSettings { rate: rate(2_000_000, Queue::Bytes(25_000)), ..settings };
    assert_eq!(send(&mut Direction::new(same, 1), 1_000, 1_000, MS * 2), arrivals);
}

#[test]
fn fair_queues_have_the_rate_and_keep_the_delay_short() {
    let delay = MS * 25;
    let of =
        |queue| PathSettings { delay, rate: rate(2_000_000, queue), ..PathSettings::default() };
    // Half as much again as the rate, for 20 s.
    let run = |queue| {
        let mut direction = Direction::new(of(queue), 1);
        let arrivals = send(&mut direction, 5_000, 1_000, MS * 8 / 3);
        (arrivals, *direction.counters())
    };
    let (fair, counters) = run(Queue::FqCodel);
    let (tail, _) = run(Queue::Time(MS * 500));
    let late =
        |(at, packet): &(Duration, Vec<u8>)| *at - MS * 8 / 3 * number(packet) as u32 - delay;
    // 4 ms a packet, without a gap.
    assert!(fair.windows(2).all(|pair| pair[1].0 - pair[0].0 == MS * 4));
    assert!(counters.overflowed > 1_000, "{counters:?}");
    let worst = |arrivals: &Arrivals| arrivals.iter().skip(3_000).map(late).max().unwrap();
    // Nobody answers to the drops here, so the queue stays above its target.
    assert!(worst(&fair) < MS * 200, "{:?}", worst(&fair));
    assert!(worst(&tail) > MS * 480, "{:?}", worst(&tail));
}

#[test]
fn packets_keep_their_order_when_fair_queues_make_way_for_another_bottleneck() {
    let fair = PathSettings { rate: rate(100_000, Queue::FqCodel), ..PathSettings::default() };
    for (rate, ms) in [(None, 0), (rate(8_000_000, Queue::Bytes(10_000)), 1)] {
        let mut direction = Direction::new(fair, 1);
        (0..3).for_each(|i| direction.handle_packet(packet(i, 1_000), Duration::ZERO));
        direction.set(PathSettings { rate, ..PathSettings::default() });
        direction.handle_packet(packet(3, 1_000), MS);
        assert_sum(&direction);
        let mut arrivals = Vec::new();
        drain(&mut direction, Duration::MAX, &mut arrivals);
        let arrivals = arrivals.iter().map(|(at, packet)| (number(packet), *at));
        let expected = (0..4).map(|i| (i, MS * (1 + ms * (i as u32 + 1))));
        assert_eq!(arrivals.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_trace_says_when_packets_leave() {
    let trace = Trace::parse("10\n10\n30\n40\n").unwrap();
    for queue in [Queue::Bytes(4_500), Queue::FqCodel] {
        let rate = Some(Bandwidth::traced(trace, queue));
        let mut direction = Direction::new(PathSettings { rate, ..PathSettings::default() }, 1);
        let arrivals = send(&mut direction, 6, 1_500, Duration::ZERO);
        let times: Vec<_> = arrivals.iter().map(|(at, _)| at.as_millis()).collect();
        // Of 4,500 bytes, three packets.
        let expected: &[u128] =
            if queue == Queue::FqCodel { &[10, 10, 30, 40, 50, 50] } else { &[10, 10, 30] };
        assert_eq!(times, expected, "{queue:?}");
        let later = PathSettings { rate, ..PathSettings::default() };
        direction.set(later);
        direction.handle_packet(packet(9, 1_500), MS * 51);
        assert_eq!(direction.poll_timeout(), Some(MS * 70), "what was not used is gone");
    }
}

#[test]
fn an_idle_bottleneck_takes_any_packet() {
    let settings = PathSettings { rate: rate(8_000, Queue::Bytes(0)), ..PathSettings::default() };
    let mut direction = Direction::new(settings, 1);
    assert_eq!(send(&mut direction, 3, 1_500, Duration::from_millis(1_500)).len(), 3);
}

#[test]
fn jitter_has_its_mean_and_deviation_and_keeps_the_order() {
    let (delay, jitter) = (MS * 25, MS * 5);
    let mut direction =
        Direction::new(PathSettings { delay, jitter, ..PathSettings::default() }, 9);
    // So far apart that no packet waits for the one before it.
    let gap = MS * 200;
    let count = 20_000;
    let arrivals = send(&mut direction, count, 8, gap);
    let extra: Vec<_> = arrivals
        .iter()
        .map(|(at, packet)| (*at - gap * number(packet) as u32 - delay).as_secs_f64() * 1e3)
        .collect();
    let mean = extra.iter().sum::<f64>() / extra.len() as f64;
    let variance = extra.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / extra.len() as f64;
    assert!((mean - 5.0).abs() < 0.2 && (variance.sqrt() - 5.0).abs() < 0.3, "{mean} {variance}");
    // Close together, they wait for each other.
    let mut direction =
        Direction::new(PathSettings { delay, jitter, ..PathSettings::default() }, 9);
    let arrivals = send(&mut direction, count, 8, MS / 10);
    assert!(arrivals.iter().map(|(_, packet)| number(packet)).eq(0..count));
    assert_eq!(direction.counters().reordered, 0);
}

#[test]
fn jitter_does_not_depend_on_who_else_sends() {
    let settings = PathSettings { jitter: MS * 5, ..PathSettings::default() };
    let sparse = send(&mut Direction::new(settings, 4), 100, 8, MS * 100);
    let dense = send(&mut Direction::new(settings, 4), 10_000, 8, MS);
    let late =
        sparse.iter().filter(|(at, packet)| dense[number(packet) as usize * 100].0 != *at).count();
    // Only those differ that wait for a slot before theirs.
    assert!(late < 50, "{late}");
    assert!(sparse.iter().all(|(at, packet)| dense[number(packet) as usize * 100].0 >= *at));
}

#[test]
fn reordering_and_duplication_have_their_shares() {
    let settings =
        PathSettings { delay: MS * 25, reorder: 0.01, duplicate: 0.002, ..PathSettings::default() };
    let mut direction = Direction::new(settings, 5);
    let count = 100_000;
    let arrivals = send(&mut direction, count, 8, MS);
    let counters = direction.counters();
    assert!((850..=1_150).contains(&counters.reordered), "{counters:?}");
    assert!((140..=260).contains(&counters.duplicated), "{counters:?}");
    assert_eq!(arrivals.len() as u64, count + counters.duplicated);
    for (at, packet) in arrivals {
        let late = at - MS * number(&packet) as u32 - MS * 25;
        assert!(late.is_zero() || late == HELD_BACK, "{late:?}");
    }
}

#[test]
fn the_packets_lost_at_one_per_cent_are_lost_at_two_whatever_the_rest() {
    let lost = |settings: PathSettings| {
        let arrivals = send(&mut Direction::new(settings, 6), 20_000, 8, MS * 10);
        let mut missing: std::collections::BTreeSet<_> = (0..20_000).collect();
        for (_, packet) in arrivals {
            missing.remove(&number(&packet));
        }
        missing
    };
    let few = lost(PathSettings { loss: 0.01, ..PathSettings::default() });
    let more = lost(PathSettings {
        delay: MS * 25,
        jitter: MS * 3,
        loss: 0.02,
        reorder: 0.1,
        duplicate: 0.1,
        ..PathSettings::default()
    });
    assert!(few.len() > 100 && few.is_subset(&more) && few.len() < more.len());
}

#[test]
fn a_direction_can_start_its_draws_again() {
    let jitter = MS * 5;
    let bursts = Some(Bursts { share: 0.2, length: 3.0 });
    let settings = PathSettings { jitter, loss: 0.3, bursts, ..PathSettings::default() };
    let fates = |direction: &mut Direction| {
        let before = *direction.counters();
        (0..1_000).for_each(|i| direction.handle_packet(packet(i, 8), Duration::ZERO));
        let after = *direction.counters();
        [after.lost - before.lost, after.lost_in_bursts - before.lost_in_bursts]
    };
    let mut direction = Direction::new(settings, 1);
    let (first, second) = (fates(&mut direction), fates(&mut direction));
    direction.reseed(1);
    assert_eq!(fates(&mut direction), first);
    assert_ne!(first, second);
}
