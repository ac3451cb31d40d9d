//! The device at one end of a path.

use std::io;
use std::net::Ipv4Addr;

use rtnetlink::{LinkMessageBuilder, LinkUnspec, new_connection};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::isolation::{PathError, check_tun};

/// The largest packet, in bytes, as on Ethernet.
pub(super) const MTU: u16 = 1_500;
/// Length of the addresses' common prefix, in bits.
const PREFIX: u8 = 24;
/// Number of packets that may wait for the path. It takes them at once, so this covers moments in
/// which the machine is busy; the usual 500 would add loss of its own.
const WAITING: u32 = 10_000;
/// The name of the devices, each in its own namespace.
const NAME: &str = "gpys0";
/// The loopback device.
const LOOPBACK: &str = "lo";

/// Creates the device of the calling thread's network namespace, and brings up its loopback device.
///
/// It has no offloads: every packet that leaves it is one that a real link would carry, with its
/// checksum.
pub(super) fn open(address: Ipv4Addr) -> Result<SyncDevice, PathError> {
    check_tun()?;
    let failed = |cause| PathError::Device { device: NAME, cause };
    let device = DeviceBuilder::new()
        .name(NAME)
        .ipv4(address, PREFIX, None)
        .mtu(MTU)
        .with(|linux| {
            linux.offload(false).packet_information(false);
        })
        .build_sync()
        .map_err(failed)?;
    device.set_nonblocking(true).map_err(failed)?;
    let settings: [(&str, SetUp); 2] =
        [(NAME, |link| link.txqueuelen(WAITING)), (LOOPBACK, LinkMessageBuilder::up)];
    for (device, set_up) in settings {
        change(device, set_up).map_err(|cause| PathError::Device { device, cause })?;
    }
    Ok(device)
}

/// A change to a device.
type SetUp = fn(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>;

/// Changes a device of the calling thread's network namespace, over netlink, for which the rights
/// in a user namespace suffice.
fn change(device: &str, set_up: SetUp) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        let message = set_up(LinkUnspec::new_with_name(device)).build();
        handle.link().set(message).execute().await.map_err(io::Error::other)
    })
}
