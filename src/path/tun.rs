//! The device at one end of a path.

use std::io;
use std::net::Ipv4Addr;

use rtnetlink::{LinkMessageBuilder, LinkUnspec, new_connection};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::isolation::{PathError, check_tun};

/// The largest packet, in bytes, as on Ethernet.
pub(super) const MTU: u16 = 1_500;
/// How long the addresses' common prefix is, in bits.
const PREFIX: u8 = 24;
/// How many packets may wait until the path takes them. It takes them at once, so this is room
/// for a moment in which the machine is busy; the usual 500 would be a loss that nobody asked for.
const WAITING: u32 = 10_000;
/// What the devices are called, each in its own namespace.
const NAME: &str = "gpys0";
/// The loopback device.
const LOOPBACK: &str = "lo";

/// Makes the device of the calling thread's network namespace, and brings up its loopback device.
///
/// It has no offloads: every packet that comes out of it is one that a real link would carry,
/// with its checksum.
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

/// What is to change about a device.
type SetUp = fn(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>;

/// Changes a device of the calling thread's network namespace, over netlink: there, the rights in
/// a user namespace are enough for everything.
fn change(device: &str, set_up: SetUp) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        let message = set_up(LinkUnspec::new_with_name(device)).build();
        handle.link().set(message).execute().await.map_err(io::Error::other)
    })
}
