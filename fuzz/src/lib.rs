//! What the fuzz targets share.
//!
//! | module | what |
//! |---|---|
//! | [`input`] | a fuzzer's bytes as choices |
//! | [`world`] | a small network: keys, configuration, a recorded round, honest operators that react to what they see |
//! | [`seeds`] | where the committed inputs come from |

pub mod input;
pub mod seeds;
pub mod world;
