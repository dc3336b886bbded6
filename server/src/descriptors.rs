//! Shares of the descriptors that this process may open, so that connections never take those that it needs to go on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections of members never get: a quarter of all, within these bounds.
const LEAST_RESERVE: usize = 16;
const LARGEST_RESERVE: usize = 128;
/// Descriptors that are open where nobody can say how many are.
const UNKNOWN: usize = 32;

/// The shares of the descriptors. The disk, orders and boards that are being opened have what these leave of the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections of the site.
    pub connections: usize,
    /// Connections beyond those, which are accepted to be refused, or to be asked how the server is.
    pub overflow: usize,
    /// Connections of the operator's API.
    pub admin: usize,
}

impl Shares {
    /// Of a process that may open so many, has so many open, and is to take so many connections.
    pub(crate) fn of(limit: usize, open: usize, wanted: usize) -> Self {
        let reserve = (limit / 4).clamp(LEAST_RESERVE, LARGEST_RESERVE);
        let left = limit.saturating_sub(open + reserve).max(1);
        Self { connections: wanted.min(left), overflow: reserve * 3 / 8, admin: reserve / 8 }
    }

    /// Of this process, as it is now.
    pub(crate) fn now(wanted: usize) -> Self {
        let limit = getrlimit(Resource::Nofile).current.and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX);
        let open = std::fs::read_dir("/proc/self/fd").map_or(UNKNOWN, Iterator::count);
        let shares = Self::of(limit, open, wanted);
        if shares.connections < wanted {
            tracing::warn!(
                limit,
                connections = shares.connections,
                "--max-connections is {wanted}, but the limit of open descriptors allows fewer; raise it by ulimit -n or LimitNOFILE"
            );
        }
        shares
    }
}

/// Most systems start a process with a soft limit of 1,024 descriptors and let it raise that to the hard one.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open descriptors could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_reserve_whatever_the_limit() {
        let shares = |limit, wanted| Shares::of(limit, 20, wanted);
        assert_eq!(shares(256, 10_000), Shares { connections: 172, overflow: 24, admin: 8 });
        assert_eq!(shares(10_256, 10_000), Shares { connections: 10_000, overflow: 48, admin: 16 });
        assert_eq!(shares(usize::MAX, 10_000).connections, 10_000);
        assert_eq!(shares(256, 3).connections, 3);
        assert_eq!(shares(8, 10_000), Shares { connections: 1, overflow: 6, admin: 2 });
        for limit in [64, 256, 1024, 65_536] {
            let Shares { connections, overflow, admin } = shares(limit, usize::MAX);
            assert!(20 + connections + overflow + admin + 8 <= limit, "{limit}");
        }
    }
}
