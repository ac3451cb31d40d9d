//! Opening the better of two links.

use std::pin::pin;
use std::time::Duration;

use crate::error::ConnectError;

/// How much earlier WebTransport is tried, like IPv6 before IPv4 (RFC 8305, section 5, which asks
/// for at least 100 ms). It needs no more round trips than WebSocket, so it wins where it works.
pub(crate) const HEAD_START: Duration = Duration::from_millis(150);

/// Waits for the first of two attempts that succeeds. The second begins after the head start, or as
/// soon as the first has failed; the loser is dropped.
///
/// # Errors
/// If both fail: with the error that calls for an action, or else with the second's, whose
/// transport passes almost any network.
pub(crate) async fn race<T>(
    first: impl Future<Output = Result<T, ConnectError>>,
    second: impl Future<Output = Result<T, ConnectError>>,
    head_start: Duration,
) -> Result<T, ConnectError> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let failed = match tokio::time::timeout(head_start, &mut first).await {
        Ok(Ok(won)) => return Ok(won),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let (one, other) = match failed {
        Some(error) => (error, second.await),
        None => tokio::select! {
            biased;
            won = &mut first => match won {
                Ok(won) => return Ok(won),
                Err(error) => (error, second.await),
            },
            won = &mut second => match won {
                Ok(won) => return Ok(won),
                Err(error) => match first.await {
                    Ok(won) => return Ok(won),
                    Err(one) => (one, Err(error)),
                },
            },
        },
    };
    other.map_err(|other| if other.is_transient() && !one.is_transient() { one } else { other })
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    fn refused() -> ConnectError {
        ConnectError::Expired { room: "stage".to_owned() }
    }

    fn lost() -> ConnectError {
        ConnectError::broken("https://localhost", "gone")
    }

    /// An attempt that takes so many milliseconds.
    async fn after<T>(ms: u64, outcome: Result<T, ConnectError>) -> Result<T, ConnectError> {
        sleep(Duration::from_millis(ms)).await;
        outcome
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_wins_within_its_head_start_and_also_later_if_it_is_sooner() {
        for ms in [100, 180] {
            let won = race(after(ms, Ok(1)), after(50, Ok(2)), HEAD_START).await;
            assert_eq!(won.unwrap(), 1, "{ms}");
        }
        let won = race(after(1_000, Ok(1)), after(50, Ok(2)), HEAD_START).await;
        assert_eq!(won.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_does_not_wait_for_a_first_that_has_failed() {
        let begun = Instant::now();
        let won = race(after(10, Err(lost())), after(20, Ok(2)), HEAD_START).await;
        assert_eq!((won.unwrap(), begun.elapsed().as_millis()), (2, 30));
        let won = race(after(160, Err(lost())), after(50, Ok(2)), HEAD_START).await;
        assert_eq!(won.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn when_both_fail_the_error_to_act_on_counts() {
        for (one, other) in [(10, 10), (160, 20), (1_000, 20)] {
            let failed =
                race::<()>(after(one, Err(refused())), after(other, Err(lost())), HEAD_START);
            assert!(matches!(failed.await, Err(ConnectError::Expired { .. })), "{one} {other}");
            let failed =
                race::<()>(after(one, Err(lost())), after(other, Err(refused())), HEAD_START);
            assert!(matches!(failed.await, Err(ConnectError::Expired { .. })), "{one} {other}");
        }
        let slow = race(after(1_000, Ok(1)), after(20, Err(lost())), HEAD_START).await;
        assert_eq!(slow.unwrap(), 1);
    }
}
