//! What one direction of a path does to packets.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::trace::Trace;

/// What one direction of a path does to packets. The default does nothing.
///
/// Shares are of packets, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathSettings {
    /// The delay of every packet.
    pub delay: Duration,
    /// The mean, and so the standard deviation, of an additional delay. It is exponentially
    /// distributed (never negative, with a long tail, as on a mobile network that grants and
    /// repeats transmissions). It is drawn per [`crate::model::SLOT`] of time rather than per
    /// packet, so that busy and quiet senders meet the same delays. Packets wait for those before
    /// them: jitter alone does not reorder.
    pub jitter: Duration,
    /// The share lost, each packet independently.
    pub loss: f64,
    /// Loss in bursts, in addition to `loss`.
    pub bursts: Option<Bursts>,
    /// The share held back for [`crate::model::HELD_BACK`], so that packets arriving within that
    /// time overtake it.
    pub reorder: f64,
    /// The share that arrives twice.
    pub duplicate: f64,
    /// The bottleneck, if there is one. It comes before everything above: even a lost packet has
    /// taken its time there.
    pub rate: Option<Bandwidth>,
    /// Whether new packets are blocked. Those in flight arrive.
    pub blocked: bool,
    /// Whether new UDP packets are blocked.
    pub udp_blocked: bool,
}

/// Loss in bursts: a packet is lost while the path is in its bad state (Gilbert, "Capacity of a
/// burst-noise channel", 1960; the Gilbert-Elliott model with no loss in the good state and
/// nothing but loss in the bad one).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// The share of packets lost in the long run.
    pub share: f64,
    /// The mean number of packets lost in a row: at least 1, and at least
    /// `share / (1 - share)`, below which that share cannot be reached.
    pub length: f64,
}

impl Bursts {
    /// The probability that a packet meets the bad state after one that met the good state.
    ///
    /// A chain that enters with p and leaves with r is in the bad state for p / (p + r) of the
    /// packets and stays for 1 / r of them, so p = r · share / (1 - share).
    #[must_use]
    pub fn enter(&self) -> f64 {
        if self.share >= 1.0 { 1.0 } else { self.leave() * self.share / (1.0 - self.share) }
    }

    /// The probability that a packet meets the good state after one that met the bad state.
    #[must_use]
    pub fn leave(&self) -> f64 {
        if self.share >= 1.0 {
            return 0.0;
        }
        1.0 / self.length.max(1.0).max(self.share / (1.0 - self.share))
    }
}

/// A bottleneck: packets leave one after another, each taking the time of its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bits a second, of whole IP packets; with a trace, its mean.
    pub bits_per_second: NonZeroU64,
    /// When packets may leave, if not at a steady rate.
    pub trace: Option<Trace>,
    /// The queue.
    pub queue: Queue,
}

/// The queue in front of a bottleneck. With a size, which includes the departing packet, a packet
/// that finds no room is dropped; one packet may always leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Bytes of IP packets.
    Bytes(u64),
    /// As many bytes as the bottleneck sends in this time.
    Time(Duration),
    /// Fair queues, each kept short (FQ-CoDel, RFC 8290).
    FqCodel,
}

impl Bandwidth {
    /// A bottleneck that follows a trace.
    #[must_use]
    pub fn traced(trace: Trace, queue: Queue) -> Self {
        let bits_per_second = NonZeroU64::new(trace.bits_per_second()).unwrap_or(NonZeroU64::MIN);
        Self { bits_per_second, trace: Some(trace), queue }
    }

    /// The size of the queue, in bytes; FQ-CoDel has none.
    #[must_use]
    pub fn queue_len(&self) -> u64 {
        match self.queue {
            Queue::Bytes(bytes) => bytes,
            Queue::Time(time) => self.bytes_in(time),
            Queue::FqCodel => u64::MAX,
        }
    }

    /// How long a packet of this many bytes takes to leave, on average.
    pub(super) fn time_of(&self, len: u64) -> Duration {
        Duration::from_secs_f64(len as f64 * 8.0 / self.bits_per_second.get() as f64)
    }

    /// Number of bytes that leave within `time`, rounded up.
    pub(super) fn bytes_in(&self, time: Duration) -> u64 {
        let bits = time.as_nanos().saturating_mul(u128::from(self.bits_per_second.get()));
        u64::try_from(bits.div_ceil(8_000_000_000)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for PathSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delay {}", humantime::format_duration(self.delay))?;
        if !self.jitter.is_zero() {
            write!(f, ", jitter {}", humantime::format_duration(self.jitter))?;
        }
        for (share, what) in
            [(self.loss, "lost"), (self.reorder, "held back"), (self.duplicate, "duplicated")]
        {
            if share > 0.0 {
                write!(f, ", {} % {what}", percent(share))?;
            }
        }
        if let Some(Bursts { share, length }) = self.bursts {
            write!(f, ", {} % lost in bursts of {length} packets", percent(share))?;
        }
        if let Some(rate) = self.rate {
            let kbit = rate.bits_per_second.get() as f64 / 1e3;
            match rate.trace {
                Some(_) => write!(f, ", a trace of {kbit} kbit/s on average")?,
                None => write!(f, ", {kbit} kbit/s")?,
            }
            match rate.queue {
                Queue::FqCodel => write!(f, " behind FQ-CoDel")?,
                _ => write!(f, " behind a queue of {} bytes", rate.queue_len())?,
            }
        }
        if self.blocked {
            write!(f, ", blocked")?;
        }
        if self.udp_blocked {
            write!(f, ", no UDP")?;
        }
        Ok(())
    }
}

/// A share as a percentage, without the noise of its last binary digits.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}
