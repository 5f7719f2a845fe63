//! What README.md and docs/operate.md show is what happens: every `console` block is carried out, in order, against one
//! real installation.
//!
//! `$ vouchsafe …` runs the program, `… &` in the background, `… > FILE` into a file; `$ export NAME=VALUE` sets a
//! variable. The lines below a command are its output: ids, fingerprints, times and large numbers may differ, `…` alone
//! on a line stands for any lines, within a line for any words. An id that was shown is replaced by the real one in later
//! commands.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    missing_docs
)]

#[path = "docs/relay.rs"]
mod relay;
#[path = "docs/script.rs"]
mod script;

use std::path::Path;

use relay::Relay;
use script::{Step, matches, steps};

fn page(name: &str) -> Vec<Step> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let steps = steps(&text);
    assert!(steps.len() > 5, "{name} shows only {} commands", steps.len());
    steps
}

fn play(relay: &mut Relay, page: &str, steps: &[Step]) {
    for step in steps {
        let command = relay.real(&step.command);
        let output =
            relay.run(&command).unwrap_or_else(|why| panic!("{page}:{}: {}\n{why}", step.line, step.command));
        if step.output.is_empty() {
            continue;
        }
        match matches(&step.output, &output.lines().map(str::to_owned).collect::<Vec<_>>()) {
            Some(names) => relay.learn(names),
            None => panic!(
                "{page}:{}: {}\nshown:\n{}\n\nreal:\n{output}",
                step.line,
                step.command,
                step.output.join("\n")
            ),
        }
    }
}

#[test]
fn the_examples_of_the_documents_do_what_they_show() {
    let Some(mut relay) = Relay::new() else { return };
    play(&mut relay, "README.md", &page("README.md"));
    // What the second document finds: a copy whose next hop does not answer, and two held mails.
    relay.send("security@lists.example.org", "Subject: hello\r\n\r\nA report.\r\n");
    relay.wait_for("1 deferred");
    let unsigned = relay.encrypt("distrib-announce.asc", "Not signed either.\n");
    relay.send("distrib-announce@lists.example.org", &format!("Subject: ...\r\n\r\n{unsigned}"));
    relay.wait_for("held              1");
    let unsigned = relay.encrypt("distrib-announce.asc", "Not signed.\n");
    relay.send("distrib-announce@lists.example.org", &format!("Subject: ...\r\n\r\n{unsigned}"));
    relay.wait_for("held              2");
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operate.md")).unwrap();
    let list = text.split("```toml\n").find(|block| block.starts_with("[list.")).unwrap();
    relay.add(list.split("```").next().unwrap());
    play(&mut relay, "docs/operate.md", &page("docs/operate.md"));
}
