//! One peer connection with two data channels, driven over a UDP socket of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

/// Maximum length of a UDP packet.
const PACKET: usize = 2_048;

/// Which channel carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Ordered and reliable: what must not be lost.
    Reliable,
    /// Unordered, never sent again: poses and frames.
    Latest,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Reliable, Self::Latest];

    fn config(self) -> ChannelConfig {
        let (label, ordered, reliability) = match self {
            Self::Reliable => ("reliable", true, Reliability::Reliable),
            Self::Latest => ("latest", false, Reliability::MaxRetransmits { retransmits: 0 }),
        };
        ChannelConfig { label: label.into(), ordered, reliability, ..ChannelConfig::default() }
    }
}

/// A peer connection and its socket.
pub struct Link {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    /// The channels by lane, once they are open.
    channels: [Option<ChannelId>; 2],
}

impl Link {
    /// A link from a free port of this address, its only candidate.
    ///
    /// # Errors
    /// If there is none.
    pub async fn new(ip: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0)).await?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::new(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        Ok(Self { rtc, socket, local, channels: [None; 2] })
    }

    /// Offers both channels.
    ///
    /// # Errors
    /// If there is nothing to offer.
    pub fn offer(&mut self) -> Result<(SdpOffer, SdpPendingOffer)> {
        let mut changes = self.rtc.sdp_api();
        for lane in Lane::ALL {
            changes.add_channel_with_config(lane.config());
        }
        changes.apply().context("nothing to offer")
    }

    /// Takes the answer to an offer.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn take_answer(&mut self, pending: SdpPendingOffer, answer: SdpAnswer) -> Result<()> {
        Ok(self.rtc.sdp_api().accept_answer(pending, answer)?)
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// If it is not acceptable.
    pub fn answer(&mut self, offer: SdpOffer) -> Result<SdpAnswer> {
        Ok(self.rtc.sdp_api().accept_offer(offer)?)
    }

    /// Drives the link until it ends, or, if `out` has ended, until it is closed in good order.
    /// What a full channel does not take is lost.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn run(
        mut self,
        mut out: UnboundedReceiver<(Lane, Bytes)>,
        mut handle: impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut packet = [0; PACKET];
        let mut closing = false;
        loop {
            let Some(due) = self.poll(&mut handle).await? else { return Ok(()) };
            let open = self.channels.iter().all(Option::is_some) && !closing;
            tokio::select! {
                received = self.socket.recv_from(&mut packet) => {
                    let (length, from) = received?;
                    // What is none of WebRTC's packets is ignored.
                    if let Ok(receive) =
                        Receive::new(Protocol::Udp, from, self.local, &packet[..length])
                    {
                        self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                    }
                }
                () = sleep_until(due.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
                message = out.recv(), if open => match message {
                    Some((lane, bytes)) => self.write(lane, &bytes)?,
                    None => {
                        closing = true;
                        self.rtc.close()?;
                    }
                },
            }
        }
    }

    /// Sends and hands over all that is ready. Returns when to go on at the latest; `None` at the
    /// end.
    async fn poll(
        &mut self,
        handle: &mut impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<Option<Instant>> {
        while self.rtc.is_alive() {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => return Ok(Some(due)),
                Output::Transmit(packet) => {
                    self.socket.send_to(&packet.contents, packet.destination).await?;
                }
                Output::Event(Event::ChannelOpen(id, label)) => {
                    let lane = Lane::ALL.iter().position(|lane| lane.config().label == label);
                    self.channels[lane.context("a channel that nobody knows")?] = Some(id);
                }
                Output::Event(Event::ChannelData(data)) => handle(data.data)?,
                Output::Event(_) => {}
            }
        }
        Ok(None)
    }

    fn write(&mut self, lane: Lane, bytes: &[u8]) -> Result<()> {
        if let Some(id) = self.channels[lane as usize]
            && let Some(mut channel) = self.rtc.channel(id)
        {
            channel.write(true, bytes)?;
        }
        Ok(())
    }
}
