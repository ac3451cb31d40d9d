//! Limits on who is admitted, how fast, and how much each client may send or be sent.

pub(crate) mod allowance;
pub(crate) mod amplification;
pub(crate) mod forwarded;
pub(crate) mod gate;
pub(crate) mod names;
pub(crate) mod origin;
