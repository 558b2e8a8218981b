//! Trying again: pauses that grow and are spread, so that many nodes do not come back at the same moment.

use std::time::Duration;

use rand_core::{OsRng, RngCore};

/// The pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
    /// How often to try, at least once.
    pub attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(10), attempts: 6 }
    }
}

impl Backoff {
    /// The pause after attempt `attempt` (from 0): `first * 2^attempt`, at most `max`, of which the second half is random.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        let whole = self.first.saturating_mul(2u32.saturating_pow(attempt)).min(self.max);
        let half = whole / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_micros(OsRng.next_u64() % spread)
    }
}

/// Runs `attempt` until it succeeds, fails for good, or was tried [`Backoff::attempts`] times.
///
/// # Errors
///
/// The last error.
pub async fn retry<T, E, F>(
    backoff: Backoff,
    temporary: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut number = 0;
    loop {
        match attempt().await {
            Err(error) if temporary(&error) && number + 1 < backoff.attempts => {
                tokio::time::sleep(backoff.pause(number)).await;
                number += 1;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_are_spread_and_bounded() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2), attempts: 50 };
        for attempt in 0..50 {
            let whole = Duration::from_millis(100 * 2u64.pow(attempt.min(5))).min(Duration::from_secs(2));
            let pause = backoff.pause(attempt);
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
        }
        let distinct: std::collections::HashSet<_> = (0..20).map(|_| backoff.pause(4)).collect();
        assert!(distinct.len() > 1);
    }

    #[tokio::test]
    async fn only_temporary_errors_are_tried_again() {
        let backoff = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2), attempts: 4 };
        let mut count = 0;
        let result: Result<(), bool> = retry(
            backoff,
            |error| *error,
            || {
                count += 1;
                async { Err(true) }
            },
        )
        .await;
        assert_eq!((result, count), (Err(true), 4));
        let mut count = 0;
        let result: Result<(), bool> = retry(
            backoff,
            |error| *error,
            || {
                count += 1;
                async { Err(false) }
            },
        )
        .await;
        assert_eq!((result, count), (Err(false), 1));
        let mut count = 0;
        let result: Result<u32, bool> = retry(
            backoff,
            |error| *error,
            || {
                count += 1;
                let n = count;
                async move { if n < 3 { Err(true) } else { Ok(n) } }
            },
        )
        .await;
        assert_eq!(result, Ok(3));
    }
}
