//! The same samples in other encodings.

use anyhow::Result;
use gpys::proto::geo::Position;
use gpys::proto::pose::{Orientation, angle_between};
use gpys::proto::wire::PeerId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::track::{Truth, quaternion};

/// Another encoding of the same samples.
pub struct Peer {
    pub name: &'static str,
    pub bytes: u64,
    pub worst_cm: f64,
    pub worst_degree: f64,
}

/// The samples of one frame, as each encoding represents them.
#[derive(Default)]
pub struct Others {
    pub peers: Vec<Peer>,
    pub samples: u64,
}

/// A pose as a typical program would define it, without counting bits.
#[derive(Serialize, Deserialize)]
struct Plain {
    uuid: [u8; 16],
    lat: f64,
    lng: f64,
    alpha: f32,
    beta: f32,
    gamma: f32,
}

/// A pose of the same integers as in our frames.
#[derive(Serialize, Deserialize)]
struct Quantised {
    id: u32,
    lat: i32,
    lng: i32,
    orientation: u32,
    age: u8,
}

fn rounded(value: f64, digits: i32) -> f64 {
    (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits)
}

/// The original's list, `[lat, lng, uuid, alpha, beta, gamma]` for every person.
type Row = (f64, f64, Uuid, f64, f64, f64);

impl Others {
    fn add(&mut self, name: &'static str, bytes: usize, errors: impl Iterator<Item = (f64, f64)>) {
        let at = match self.peers.iter().position(|peer| peer.name == name) {
            Some(at) => at,
            None => {
                self.peers.push(Peer { name, bytes: 0, worst_cm: 0.0, worst_degree: 0.0 });
                self.peers.len() - 1
            }
        };
        let peer = &mut self.peers[at];
        peer.bytes += bytes as u64;
        for (cm, degree) in errors {
            peer.worst_cm = peer.worst_cm.max(cm);
            peer.worst_degree = peer.worst_degree.max(degree);
        }
    }

    /// Encodes and decodes the samples of one frame.
    pub fn measure(&mut self, samples: &[(PeerId, Truth)]) -> Result<()> {
        self.samples += samples.len() as u64;
        self.lists(samples)?;
        let plain: Vec<Plain> = samples.iter().map(|(id, truth)| plain(*id, truth)).collect();
        let errors = |back: Vec<Plain>| {
            let angles = |p: &Plain| [p.alpha, p.beta, p.gamma].map(f64::from);
            let error = |(p, (_, truth)): (Plain, &(PeerId, Truth))| {
                let turned = angle_between(quaternion(angles(&p)), truth.quaternion());
                (truth.away(p.lat, p.lng), turned)
            };
            back.into_iter().zip(samples).map(error).collect::<Vec<_>>()
        };
        let packed = rmp_serde::to_vec(&plain)?;
        let found = errors(rmp_serde::from_slice(&packed)?);
        self.add("MessagePack, doubles, 16-byte uuid, floats", packed.len(), found.into_iter());
        let config = bincode::config::standard();
        let packed = bincode::serde::encode_to_vec(&plain, config)?;
        let found = errors(bincode::serde::decode_from_slice(&packed, config)?.0);
        self.add("bincode, doubles, 16-byte uuid, floats", packed.len(), found.into_iter());
        let ours: Result<Vec<Quantised>> = samples.iter().map(quantised).collect();
        let ours = ours?;
        let errors = |back: Vec<Quantised>| -> Result<Vec<(f64, f64)>> {
            let error = |(q, (_, truth)): (Quantised, &(PeerId, Truth))| {
                let (lat, lng) = Position::new(q.lat, q.lng)?.degrees();
                let turned = Orientation::from_code(q.orientation)?.quaternion();
                Ok((truth.away(lat, lng), angle_between(turned, truth.quaternion())))
            };
            back.into_iter().zip(samples).map(error).collect()
        };
        let packed = rmp_serde::to_vec(&ours)?;
        let found = errors(rmp_serde::from_slice(&packed)?)?;
        self.add("MessagePack of our integers", packed.len(), found.into_iter());
        let packed = bincode::serde::encode_to_vec(&ours, config)?;
        let found = errors(bincode::serde::decode_from_slice(&packed, config)?.0)?;
        self.add("bincode of our integers", packed.len(), found.into_iter());
        Ok(())
    }

    fn lists(&mut self, samples: &[(PeerId, Truth)]) -> Result<()> {
        let errors = |back: Vec<Row>| {
            let error = |((lat, lng, _, a, b, c), (_, truth)): (Row, &(PeerId, Truth))| {
                (truth.away(lat, lng), angle_between(quaternion([a, b, c]), truth.quaternion()))
            };
            back.into_iter().zip(samples).map(error).collect::<Vec<_>>()
        };
        for (name, place, angle) in [
            (JSON, 7, 15),
            ("JSON list, every double in full", 15, 15),
            ("JSON list, 1e-7 degree and angles to 0.1 degree", 7, 1),
        ] {
            let row = |(id, truth): &(PeerId, Truth)| -> Row {
                let [alpha, beta, gamma] =
                    truth.angles.map(|value| if angle > 9 { value } else { rounded(value, angle) });
                let at = |value| if place > 9 { value } else { rounded(value, place) };
                (at(truth.lat), at(truth.lng), identity(*id), alpha, beta, gamma)
            };
            let list: Vec<Row> = samples.iter().map(row).collect();
            let text = serde_json::to_string(&list)?;
            let found = errors(serde_json::from_str(&text)?);
            self.add(name, text.len(), found.into_iter());
        }
        Ok(())
    }
}

/// The list that the bar is measured against.
pub const JSON: &str = "JSON list, 1e-7 degree and angles in full";

pub fn identity(id: PeerId) -> Uuid {
    Uuid::from_u128(0x9f3c_1d2a_4b5e_4a77_8c0d_0000_0000_0000 | u128::from(id.0))
}

fn plain(id: PeerId, truth: &Truth) -> Plain {
    let [alpha, beta, gamma] = truth.angles.map(|angle| angle as f32);
    let Truth { lat, lng, .. } = *truth;
    Plain { uuid: *identity(id).as_bytes(), lat, lng, alpha, beta, gamma }
}

fn quantised(&(id, truth): &(PeerId, Truth)) -> Result<Quantised> {
    let pose = truth.pose()?;
    Ok(Quantised {
        id: id.0,
        lat: pose.position.lat(),
        lng: pose.position.lng(),
        orientation: pose.orientation.map_or(u32::MAX, Orientation::code),
        age: 10,
    })
}
