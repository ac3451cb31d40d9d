//! What holds whatever the settings.

use proptest::prelude::*;

use super::*;

fn settings() -> impl Strategy<Value = PathSettings> {
    let share = || prop_oneof![Just(0.0), 0.0..1.0_f64];
    let bursts = proptest::option::of(
        (0.0..1.0_f64, 1.0..50.0_f64).prop_map(|(share, length)| Bursts { share, length }),
    );
    let queue = prop_oneof![
        (1_500..100_000_u64).prop_map(Queue::Bytes),
        (1_500..100_000_u64).prop_map(|us| Queue::Time(Duration::from_micros(us * 100))),
        Just(Queue::FqCodel),
    ];
    let rate = proptest::option::of(
        (100_000..1_000_000_000_u64, queue)
            .prop_map(|(bits_per_second, queue)| rate(bits_per_second, queue).unwrap()),
    );
    let times = (0..100_000_u64, 0..20_000_u64);
    (times, share(), bursts, share(), share(), rate).prop_map(
        |((delay, jitter), loss, bursts, reorder, duplicate, rate)| PathSettings {
            delay: Duration::from_micros(delay),
            jitter: Duration::from_micros(jitter),
            loss,
            bursts,
            reorder,
            duplicate,
            rate,
            ..PathSettings::default()
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_settings(
        settings in settings(),
        later in settings(),
        seed: u64,
        steps in proptest::collection::vec((0..3_000_u64, 20..1_501_usize), 1..300),
    ) {
        let run = || {
            let mut direction = Direction::new(settings, seed);
            let (mut now, mut arrivals) = (Duration::ZERO, Vec::new());
            for (i, &(gap, len)) in steps.iter().enumerate() {
                if i == steps.len() / 2 {
                    direction.set(later);
                }
                now += Duration::from_micros(gap);
                drain(&mut direction, now, &mut arrivals);
                direction.handle_packet(packet(i as u64, len), now);
                assert_sum(&direction);
                let fixed = |rate: &Bandwidth| rate.queue != Queue::FqCodel && i < steps.len() / 2;
                if let Some(rate) = direction.settings.rate.filter(fixed) {
                    // The queue's own rounding up is one byte.
                    let waiting = direction.waiting(rate, now);
                    assert!(waiting <= rate.queue_len().max(1_501) + 1, "{waiting}");
                }
            }
            drain(&mut direction, Duration::MAX, &mut arrivals);
            assert_eq!(direction.under_way.len(), 0);
            (arrivals, *direction.counters())
        };
        let (arrivals, counters) = run();
        prop_assert_eq!(run(), (arrivals.clone(), counters));
        prop_assert!(arrivals.is_sorted_by_key(|(at, _)| *at));
        if settings.reorder == 0.0 && later.reorder == 0.0 {
            prop_assert!(arrivals.is_sorted_by_key(|(_, packet)| number(packet)));
            prop_assert_eq!(counters.reordered, 0);
        }
        // Nothing comes out before its time.
        let mut now = Duration::ZERO;
        let least = settings.delay.min(later.delay);
        let sent: Vec<_> = steps
            .iter()
            .map(|&(gap, _)| {
                now += Duration::from_micros(gap);
                now
            })
            .collect();
        prop_assert!(arrivals.iter().all(|(at, p)| *at >= sent[number(p) as usize] + least));
    }
}
