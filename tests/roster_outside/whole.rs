//! The whole story of a membership, once by KubeEdge's policy and once by another one that stands here: an application,
//! incomplete first; vouchers; a vote; acceptance; the first delivery; a question that nobody answers; suspension; removal,
//! with a copy in the queue. Whoever acts does so by a mail that gpg signed.

use crate::outside::clerk::{Letter, Office};
use crate::outside::gpg::Person;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{crlf, entity, pgp_mime};
use crate::outside::sink::Rule;
use crate::outside::until;

const LIST: &str = "distrib-announce";
const TEAM: &str = "security";

const KUBEEDGE: &str = include_str!("../../config/policies/kubeedge.toml");

/// Three criteria, one of its own; three who decide; two who vouch; other periods.
const ANOTHER: &str = r#"
[policy]
id = "another"
version = "7"

[list.security]
kind = "intake"

[list.distrib-announce]
kind = "announce"
team = "security"
posters = ["team"]

[membership]
criteria = ["accept-embargo", "vouched", "ships-updates"]
own = { ships-updates = "Updates reach users within a month: since when?" }
vouchers_required = 2
approval_quorum = 3
removal_quorum = 3
ballot_closes = "20d"
alias_probe_every = "30d"
alias_probe_answer = "3d"
alias_probe_misses = 3
cure_period = "5d"

[terms]
text = "another-terms.md"
"#;

const TERMS: &str = "What you hear here you keep to yourself until the day that it names.\n";

/// What the script needs to know of a policy: it reads it from the file, as the relay does.
struct Rules(toml::Table);

impl Rules {
    fn of(policy: &str) -> Self {
        Self(policy.parse().unwrap())
    }

    fn membership(&self, key: &str) -> &toml::Value {
        &self.0["membership"][key]
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(self.0["membership"].get(key).and_then(toml::Value::as_integer).unwrap_or(1)).unwrap()
    }

    fn days(&self, key: &str) -> i64 {
        self.membership(key).as_str().unwrap().strip_suffix('d').unwrap().parse().unwrap()
    }

    fn criteria(&self) -> Vec<String> {
        let all = self.membership("criteria").as_array().unwrap();
        all.iter().map(|criterion| criterion.as_str().unwrap().to_owned()).collect()
    }
}

/// The office, the whole team, and Vera, who wants to belong.
struct Story {
    office: Office,
    rules: Rules,
    cara: Person,
    vera: Person,
}

impl Story {
    fn set(policy: &str, files: &[(&str, &str)]) -> Option<Self> {
        let office = Office::by_policy(files)?;
        let [cara, vera] = ["cara@team.example", "security@vera.example"].map(Person::new);
        office.scene.install.team(&cara.address, &cara.cert());
        for list in [TEAM, LIST] {
            let cert = office.scene.install.ok(&["key", "export", list]);
            [&cara, &vera].iter().for_each(|person| person.import(cert.as_bytes()));
        }
        Some(Self { office, rules: Rules::of(policy), cara, vera })
    }

    fn team(&self) -> [&Person; 3] {
        let people = &self.office.scene.people;
        [&people.ada, &people.bob, &self.cara]
    }

    fn install(&self) -> &crate::outside::install::Install {
        &self.office.scene.install
    }

    /// The first letter to somebody that is like this.
    fn letter(&self, to: &Person, what: &str, right: impl Fn(&Letter) -> bool) -> Letter {
        until(&format!("a letter to {}: {what}", to.address), || {
            self.office.all(to, LIST).into_iter().find(|letter| right(letter))
        })
    }

    fn standing(&self) -> String {
        let ran = self.install().run(&["member", "show", LIST, &self.vera.address, "--json"]);
        let row: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_default();
        row["standing"].as_str().unwrap_or("none").to_owned()
    }

    fn wait_for_standing(&self, standing: &str) {
        until(&format!("Vera being {standing}"), || (self.standing() == standing).then_some(()));
    }

    /// The form as the relay prints it, filled in; without the lines of `missing`.
    fn form(&self, missing: &[&str]) -> String {
        let empty = self.install().ok(&["org", "form", LIST]);
        let answer = |line: &str| -> Option<String> {
            let (key, given) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
            let lower = key.to_lowercase();
            if missing.contains(&lower.as_str()) {
                return Some(String::new());
            }
            let value = match lower.as_str() {
                _ if !given.trim().is_empty() => given.trim(),
                "organisation" => "vera",
                "title" => "Vera Systems",
                "kind" => "distribution",
                "website" => "https://vera.example/",
                "upstream" => "none",
                "contact" => &self.vera.address,
                "accept-embargo" => "yes",
                _ => "see https://vera.example/about",
            };
            Some(format!("{key}: {value}\n"))
        };
        empty.lines().filter_map(answer).collect()
    }

    /// A mail of Vera's with the form and her certificate.
    fn apply(&self, form: &str) {
        let entity = [
            b"Content-Type: multipart/mixed; boundary=form; protected-headers=\"v1\"\r\nFrom: ".as_slice(),
            self.vera.address.as_bytes(),
            b"\r\nSubject: We apply\r\n\r\n--form\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
            &crlf(form.as_bytes()),
            b"\r\n--form\r\nContent-Type: application/pgp-keys; name=vera.asc\r\n\r\n",
            &crlf(&self.vera.cert()),
            b"\r\n--form--\r\n",
        ]
        .concat();
        let mail = self.office.request(&self.vera, LIST, &entity);
        self.office.scene.taken(&self.vera.address, &format!("{LIST}-request@lists.example"), &mail);
    }

    /// Announces something by Ada, at the time that the daemon's clock shows.
    fn announce(&self, text: &str) {
        let ada = &self.office.scene.people.ada;
        let faked = self.office.wall.as_ref().unwrap().for_gpg();
        let to = self.office.list_key(LIST);
        let args = [&faked, "--armor", "-u", &ada.fingerprint, "-r", &to, "--sign", "--encrypt"];
        let entity = entity(&ada.address, "An announcement", text);
        self.office.scene.taken(
            &ada.address,
            ANNOUNCE,
            &pgp_mime(&ada.address, ANNOUNCE, &ada.ok(&args, &entity)),
        );
    }

    /// How many copies of Vera's hold this text.
    fn has_read(&self, text: &str) -> usize {
        let copies = self.office.scene.sink.taken_for(&self.vera.address);
        let faked = self.office.wall.as_ref().unwrap().for_gpg();
        let opened = copies.iter().map(|copy| {
            self.vera.run(&[&faked, "--decrypt"], &crate::outside::copy::armored_part(&copy.data)).stdout
        });
        opened.filter(|plain| crate::outside::copy::contains(plain, text.as_bytes())).count()
    }

    fn first_vote(&self, about: &str, quorum: usize) {
        for voter in self.team().into_iter().take(quorum) {
            let wanted = self.letter(voter, about, |letter| {
                letter.subject.contains("vote") && letter.subject.contains(about) && letter.tokens.len() == 2
            });
            self.office.answer(voter, LIST, &wanted.tokens[0]);
            self.letter(voter, "the vote is counted", |letter| letter.text.contains("counted: approve"));
        }
    }
}

#[test]
fn a_membership_by_kubeedges_policy() {
    story(KUBEEDGE, &[]);
}

#[test]
fn a_membership_by_another_policy() {
    let files = [("policies/kubeedge.toml", ANOTHER), ("policies/another-terms.md", TERMS)];
    story(ANOTHER, &files);
}

fn story(policy: &str, files: &[(&str, &str)]) {
    let Some(mut story) = Story::set(policy, files) else { return };
    is_admitted(&story);
    story.announce("For members of today.");
    until("the first delivery", || (story.has_read("For members of today.") == 1).then_some(()));
    assert_eq!(story.has_read("Before Vera came."), 0, "nothing of the past");
    is_suspended(&mut story);
    is_removed(&mut story);
    assert_eq!(story.install().run(&["journal", "verify"]).code, 0);
}

/// An application, incomplete and complete; vouchers; the vote; acceptance.
fn is_admitted(story: &Story) {
    let (office, people) = (&story.office, story.office.scene.people.clone());
    story.announce("Before Vera came.");
    let last = story.rules.criteria().last().unwrap().clone();
    story.apply(&story.form(&[&last]));
    let returned = story.letter(&story.vera, "what is missing", |letter| {
        letter.subject.contains("not complete")
            && letter.text.to_lowercase().contains(&format!("{last}: is missing"))
    });
    assert_eq!(returned.text.matches(": is missing").count(), 1, "exactly that: {}", returned.text);
    assert_eq!(story.standing(), "none");

    story.apply(&story.form(&[]));
    let confirm = story.letter(&story.vera, "the address is to be confirmed", |letter| {
        letter.subject.contains("confirm your")
    });
    office.answer(&story.vera, LIST, &confirm.tokens[0]);
    story.wait_for_standing("applied");
    for voucher in [&people.dora, &people.emil].into_iter().take(story.rules.count("vouchers_required")) {
        let wanted = story.letter(voucher, "a voucher is wanted", |letter| {
            letter.subject.contains("Do you vouch for Vera Systems")
        });
        assert_eq!(story.standing(), "applied");
        office.answer(voucher, LIST, &wanted.tokens[0]);
        story.letter(voucher, "the voucher counts", |letter| letter.subject.contains("voucher counts"));
    }
    story.wait_for_standing("vouched");
    story.first_vote("Vera Systems", story.rules.count("approval_quorum"));
    // Admitted, and nothing is delivered before the terms are accepted.
    let terms =
        story.letter(&story.vera, "the terms", |letter| letter.subject.contains("Please accept the terms"));
    story.announce("Before Vera accepted.");
    office.scene.events("relayed", 1);
    office.answer(&story.vera, LIST, &terms.tokens[0]);
    story.wait_for_standing("active");
    assert_eq!(story.has_read("Before Vera accepted."), 0);
}

/// Questions that nobody answers, with a copy in the queue.
fn is_suspended(story: &mut Story) {
    let (misses, every, answer) = (
        story.rules.count("alias_probe_misses"),
        story.rules.days("alias_probe_every"),
        story.rules.days("alias_probe_answer"),
    );
    let asked = |story: &Story, n: usize| {
        until(&format!("question {n}"), || {
            let all = story.office.all(&story.vera, LIST);
            (all.iter()
                .filter(|letter| letter.subject.contains("Please answer: is this address read"))
                .count()
                >= n)
                .then_some(())
        });
    };
    let vera = story.vera.address.clone();
    until("the day of the first question being set", || {
        let row = story.install().json(&["member", "show", LIST, &vera]);
        row["alias_probe"].as_str().filter(|probe| probe.contains("asked next")).map(drop)
    });
    story.office.days_later(every + 1);
    asked(story, 1);
    for n in 2..=misses {
        story.office.days_later(answer + 1);
        asked(story, n);
    }
    story.office.scene.sink.rule(&story.vera.address, Rule::Refuse("451 4.3.0 later"));
    story.announce("Queued for Vera.");
    story.office.scene.queue("a copy that waits", |rows| !rows.is_empty());
    story.office.days_later(answer + 1);
    story.wait_for_standing("suspended");
    assert!(!story.office.scene.events("withdrawn", 1).is_empty());
    story.office.scene.sink.obey(&story.vera.address);
}

/// The team votes, and a copy that waits is withdrawn.
fn is_removed(story: &mut Story) {
    let (vera, quorum) = (story.vera.address.clone(), story.rules.count("removal_quorum"));
    story.install().ok(&["member", "resume", LIST, &vera, "--reason", "she called"]);
    story.wait_for_standing("active");
    story.office.scene.sink.rule(&vera, Rule::Refuse("451 4.3.0 later"));
    story.announce("The last one for Vera.");
    story
        .office
        .scene
        .queue("a copy that waits", |rows| rows.iter().any(|row| row["recipient"] == vera.as_str()));
    story.install().ok(&["org", "removal", "--list", LIST, &vera, "--reason", "criterion"]);
    story.office.days_later(story.rules.days("cure_period") + 1);
    let withdrawn = story.install().events("withdrawn").len();
    story.first_vote("remove", quorum);
    story.wait_for_standing("none");
    assert!(story.office.scene.events("withdrawn", withdrawn + 1).len() > withdrawn);
    story.office.scene.sink.obey(&vera);
    let farewell = until("a farewell", || {
        // Deferred once, it would wait for minutes.
        story.install().ok(&["queue", "retry", "--all"]);
        story.office.all(&story.vera, LIST).into_iter().find(|letter| letter.subject.contains("no longer"))
    });
    assert!(!farewell.text.contains("The last one"), "it quotes nothing");
    story.announce("Without Vera.");
    let people = story.office.scene.people.clone();
    until("another one's copy", || story.office.scene.sink.taken_for(&people.ada.address).last().cloned());
    assert_eq!(story.has_read("The last one for Vera.") + story.has_read("Without Vera."), 0);
}
