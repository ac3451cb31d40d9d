//! How much a viewer's path loses, and whether copies pay.

use crate::world::rate::Feedback;

/// Packets lost that make copies pay, in thousandths.
const HIGH: u32 = 10;
/// Packets lost below which copies end, in thousandths.
const LOW: u32 = 5;
/// Each report moves the known loss by one in this many of the difference: by half in 3 s.
const SMOOTH_DIVISOR: u32 = 8;
/// Packets lost that a path is taken for, at most, in thousandths: more is an outage, and it must
/// not count for long.
const MOST: u32 = 250;

/// The share of packets lost, smoothed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// In thousandths of thousandths.
    share: u32,
    high: bool,
}

impl Loss {
    /// Whether it is so high that slow samples are worth sending twice.
    pub(crate) const fn is_high(self) -> bool {
        self.high
    }

    /// Takes what a link learned of its path.
    pub(crate) fn note(&mut self, Feedback { sent, lost, .. }: Feedback) {
        if sent == 0 {
            return;
        }
        let lost = u32::try_from(lost * 1000 / sent).unwrap_or(MOST).min(MOST) * 1000;
        self.share = (self.share * (SMOOTH_DIVISOR - 1) + lost) / SMOOTH_DIVISOR;
        self.high = self.share >= if self.high { LOW } else { HIGH } * 1000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_two_percent_is_high_and_a_clean_path_is_not() {
        let feel = |loss: &mut Loss, lost, reports| {
            (0..reports)
                .for_each(|_| loss.note(Feedback { sent: 50, lost, ..Feedback::default() }));
            loss.is_high()
        };
        let mut loss = Loss::default();
        assert!(!feel(&mut loss, 0, 100));
        assert!(!feel(&mut loss, 1, 1), "one packet");
        assert!(feel(&mut loss, 1, 30));
        assert!(feel(&mut loss, 0, 2), "a moment without loss");
        assert!(!feel(&mut loss, 0, 20));
        assert!(feel(&mut loss, 50, 2), "an outage");
        assert!(!feel(&mut loss, 0, 60));
        loss.note(Feedback::default());
    }
}
