//! What answers over HTTP have in common: which coding, whether anything is new, which part of a
//! file, and how fast they go out.

mod coding;
mod flow;
mod range;
mod validators;

pub(crate) use self::coding::{Coding, choose};
pub(crate) use self::flow::{Flow, PIECE, pace};
pub(crate) use self::range::{Part, part};
pub(crate) use self::validators::{Validators, Verdict};
