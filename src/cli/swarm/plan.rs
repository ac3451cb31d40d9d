//! Where the peers of a swarm walk.

use std::sync::Arc;

use crate::cli::swarm::args::Args;
use crate::cli::swarm::gpx::Track;
use crate::cli::swarm::walk::{Walker, Way};
use gpys_proto::geo::Position;

/// Where the peers walk.
#[derive(Debug)]
pub(super) enum Plan {
    /// Along recorded tracks, each a list of ways.
    Follow(Vec<Vec<Arc<Way>>>),
    /// Around a place.
    Stroll {
        /// The place.
        centre: Position,
    },
}

impl Plan {
    pub(super) fn follow(tracks: Vec<Track>) -> Self {
        let shared = |track: Track| track.ways.into_iter().map(Arc::new).collect();
        Self::Follow(tracks.into_iter().map(shared).collect())
    }

    /// The walker with this index. Followers of a track go one behind the other, so that a swarm on
    /// a long track is a group and not a thin line of peers that never see each other; those beyond
    /// the end of a segment are on the next one.
    pub(super) fn walker(&self, args: &Args, index: usize) -> Walker {
        let mut rng = fastrand::Rng::with_seed(args.seed.wrapping_add(index as u64));
        match self {
            Self::Stroll { centre } => Walker::around(*centre, args.radius, args.speed, &mut rng),
            Self::Follow(tracks) => {
                let ways = &tracks[index % tracks.len()];
                let all: f64 = ways.iter().map(|way| way.round()).sum();
                let place = (index / tracks.len()) as f64 + 0.6 * rng.f64();
                let mut ahead = (place * args.spacing).rem_euclid(all);
                let way = ways.iter().find(|way| {
                    let here = ahead < way.round();
                    ahead -= if here { 0.0 } else { way.round() };
                    here
                });
                let path = Arc::clone(way.unwrap_or(&ways[0]));
                Walker::on_path(path, ahead, args.speed, &mut rng)
            }
        }
    }
}
