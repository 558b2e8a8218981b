//! Tests of the store as its users see it; some look at the files beside it.

mod commit;
mod copies;
mod crash;
mod damage;
mod files;
mod open;
mod reader;
