//! Common parts of HTTP responses: content codings, conditional requests, ranges, and the rate at
//! which bodies are sent.

mod coding;
mod flow;
mod range;
mod validators;

pub(crate) use self::coding::{Coding, choose};
pub(crate) use self::flow::{Flow, PIECE, pace};
pub(crate) use self::range::{Part, requested_part};
pub(crate) use self::validators::{Validators, Verdict};
