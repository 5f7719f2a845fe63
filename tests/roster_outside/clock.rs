//! The clock that the other tests move.

use crate::outside::clerk::Office;

/// A day passes in the running daemon, and what happens behind it is of the day after. A letter is read with gpg.
#[test]
fn time_moves_in_a_running_daemon() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    office.days_later(40);
    let install = &office.scene.install;
    install.ok(&["member", "suspend", "distrib-announce", &office.scene.people.dora.address]);
    let rows = install.json(&["journal", "ls", "--list", "distrib-announce"]);
    let at = |n: usize| rows[n]["at"].as_str().unwrap()[..10].to_owned();
    let (first, last) = (at(0), at(rows.as_array().unwrap().len() - 1));
    let days = |day: &str| day.parse::<jiff::civil::Date>().unwrap();
    assert_eq!(days(&last).since(days(&first)).unwrap().get_days(), 40);
}
