//! The command line: what can be typed, and what comes of it.
//!
//! [`parse`] reads the arguments. `demo`, `init`, `serve`, `check`, `ingest`, `routes`, `completions` and `man` are the
//! program's own; every other command is an
//! [`Admin`] command, which [`run`] turns into requests on the admin socket: there is no second way into the store.
//! Nothing here prints mail content, subjects or case titles, because nothing that it is told contains any.

mod args;
mod examples;
mod failure;
mod input;
mod manual;
mod names;
mod nouns;
mod progress;
mod reason;
mod roster;
mod run;
mod show;
mod text;

pub use args::{Admin, Args, Command, Ingest, Init, Preset, RecipientField, exit_code, parse, parse_from};
pub use failure::Failure;
pub use input::Terminal;
pub use manual::{Shell, completions, write_pages};
pub use names::{ListAndFile, OneList, SomeList, Who};
pub use nouns::{
    Breach, Hold, Ignore, Journal, Key, List, Member, Org, Queue, Roster, Source, Staff, Store, Team, Told,
};
pub use run::{run, run_with};
