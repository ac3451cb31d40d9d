//! A seeded, lossy link in virtual time.

use std::collections::BTreeMap;

use fastrand::Rng;
use gpys::proto::time::Time;

/// How bad a link is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Share of datagrams lost, one by one.
    pub loss: f64,
    /// Chance, at each datagram, that a burst of losses begins.
    pub burst: f64,
    /// Chance, at each datagram of a burst, that it ends.
    pub burst_end: f64,
    /// Share of datagrams delivered twice.
    pub duplicate: f64,
    /// Least delay, in ms.
    pub delay: u64,
    /// Most random delay added to each datagram, in ms, so that they overtake one another.
    pub jitter: u64,
}

impl Weather {
    /// Draws some weather, from fair to foul.
    pub fn any(rng: &mut Rng) -> Self {
        let foul = rng.f64();
        Self {
            loss: foul * 0.4 * rng.f64(),
            burst: foul * 0.05 * rng.f64(),
            burst_end: 0.05 + 0.3 * rng.f64(),
            duplicate: foul * 0.2 * rng.f64(),
            delay: rng.u64(0..80),
            jitter: (foul * 120.0) as u64,
        }
    }

    /// Returns the same delays without losses.
    pub const fn calm(self) -> Self {
        Self { loss: 0.0, burst: 0.0, duplicate: 0.0, ..self }
    }
}

/// One direction of a link: a datagram lane and a reliable lane.
#[derive(Debug)]
pub struct Lane<T> {
    weather: Weather,
    in_burst: bool,
    flying: BTreeMap<(Time, u64), T>,
    count: u64,
    last_reliable: Time,
}

impl<T: Clone> Lane<T> {
    pub fn new(weather: Weather) -> Self {
        Self {
            weather,
            in_burst: false,
            flying: BTreeMap::new(),
            count: 0,
            last_reliable: Time::from_ms(0),
        }
    }

    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.in_burst = false;
    }

    /// Sends a datagram, which may be lost, delayed, overtaken or doubled. Returns how often it will
    /// arrive.
    pub fn datagram(&mut self, rng: &mut Rng, now: Time, item: T) -> u32 {
        let Weather { loss, burst, burst_end, duplicate, .. } = self.weather;
        self.in_burst = if self.in_burst { rng.f64() >= burst_end } else { rng.f64() < burst };
        if self.in_burst || rng.f64() < loss {
            return 0;
        }
        let copies = if rng.f64() < duplicate { 2 } else { 1 };
        for _ in 0..copies {
            let at = now + self.weather.delay + rng.u64(0..=self.weather.jitter);
            self.fly(at, item.clone());
        }
        copies
    }

    /// Sends a reliable message, which may be late but stays in order.
    pub fn reliable(&mut self, rng: &mut Rng, now: Time, item: T) {
        let at = now + self.weather.delay + rng.u64(0..=self.weather.jitter * 2);
        self.last_reliable = self.last_reliable.max(at);
        self.fly(self.last_reliable, item);
    }

    fn fly(&mut self, at: Time, item: T) {
        self.count += 1;
        self.flying.insert((at, self.count), item);
    }

    /// Returns when the next item arrives.
    pub fn next(&self) -> Option<Time> {
        self.flying.keys().next().map(|&(at, _)| at)
    }

    /// Takes the next item that has arrived by `now`.
    pub fn arrive(&mut self, now: Time) -> Option<T> {
        let first = self.flying.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Loses everything under way.
    pub fn cut(&mut self) {
        self.flying.clear();
    }
}
