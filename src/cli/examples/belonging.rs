//! Examples of who applies, decides, belongs and leaves.

pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "org form",
        &[("For somebody who wants to apply", "vouchsafe org form distrib-announce > application.txt")],
    ),
    (
        "org apply",
        &[(
            "An application that came on another way",
            "vouchsafe org apply --list distrib-announce --file application.txt --cert acme.asc",
        )],
    ),
    (
        "org applications",
        &[("What waits for a decision", "vouchsafe org applications --list distrib-announce")],
    ),
    ("org application", &[("One, with who vouched", "vouchsafe org application a-4kq7zt2m")]),
    (
        "org vouch",
        &[(
            "What a member signed with gpg --clearsign",
            "vouchsafe org vouch a-4kq7zt2m --statement voucher.asc",
        )],
    ),
    ("org withdraw", &[("By the applicant's wish", "vouchsafe org withdraw a-4kq7zt2m")]),
    (
        "org approve",
        &[
            (
                "By a statement that the voter has signed",
                "vouchsafe org approve b-7k2m4p6q --by ada@example.org --statement ada-approves.asc",
            ),
            ("By your word for them", "vouchsafe org approve b-7k2m4p6q --by ada@example.org"),
        ],
    ),
    ("org object", &[("Somebody is against it", "vouchsafe org object b-7k2m4p6q --by ada@example.org")]),
    (
        "org ballots",
        &[
            ("What the team has to decide", "vouchsafe org ballots"),
            ("One list, for a program", "vouchsafe org ballots --list distrib-announce --json"),
        ],
    ),
    ("org ballot", &[("One, with its votes", "vouchsafe org ballot b-7k2m4p6q")]),
    (
        "org removal",
        &[
            (
                "One contact",
                "vouchsafe org removal --list distrib-announce psirt@linux.example --reason idle",
            ),
            (
                "A whole organisation",
                "vouchsafe org removal --list distrib-announce --org example-linux --reason criterion",
            ),
            (
                "Once it is mended",
                "vouchsafe org removal --list distrib-announce psirt@linux.example --withdraw",
            ),
        ],
    ),
    (
        "member add",
        &[
            (
                "A distributor's contact",
                "vouchsafe member add distrib-announce psirt@linux.example --org example-linux --cert linux.asc",
            ),
            (
                "With the certificate from GnuPG",
                "gpg --export psirt@linux.example | vouchsafe member add distrib-announce psirt@linux.example \
                 --org example-linux --cert -",
            ),
        ],
    ),
    (
        "member ls",
        &[
            ("Everybody", "vouchsafe member ls"),
            ("One list, for a program", "vouchsafe member ls distrib-announce --json"),
            ("Who gets nothing, or will get nothing in a month", "vouchsafe member ls --within 30"),
        ],
    ),
    ("member show", &[("One member", "vouchsafe member show distrib-announce psirt@linux.example")]),
    (
        "member set-cert",
        &[
            (
                "A renewed certificate",
                "vouchsafe member set-cert distrib-announce psirt@linux.example --cert linux.asc",
            ),
            (
                "A revocation that came by itself",
                "vouchsafe member set-cert distrib-announce psirt@linux.example --cert revocation.asc",
            ),
        ],
    ),
    (
        "member set-format",
        &[(
            "Back to the rule, for one who cannot read what the probe said",
            "vouchsafe member set-format distrib-announce psirt@linux.example --format rule",
        )],
    ),
    (
        "member probe",
        &[(
            "Whether a contact's program reads SEIPDv2",
            "vouchsafe member probe distrib-announce psirt@linux.example",
        )],
    ),
    (
        "member accept",
        &[(
            "A statement that came signed",
            "vouchsafe member accept distrib-announce psirt@linux.example --statement accepted.asc",
        )],
    ),
    (
        "member ask-alias",
        &[("Before it is its turn", "vouchsafe member ask-alias distrib-announce psirt@linux.example")],
    ),
    (
        "member staff add",
        &[(
            "By the contact's signature",
            "vouchsafe member staff add distrib-announce psirt@linux.example --name Erin --statement erin.asc",
        )],
    ),
    (
        "member staff remove",
        &[(
            "By the id that `member show` has",
            "vouchsafe member staff remove distrib-announce psirt@linux.example --person m-abcdefgh",
        )],
    ),
    (
        "breach open",
        &[
            (
                "With a full report",
                "vouchsafe breach open distrib-announce --org linux --what what.txt --to-whom whom.txt --prevention next.txt",
            ),
            (
                "When only that is known",
                "vouchsafe breach open distrib-announce --known-since 2026-01-31T12:00:00Z",
            ),
        ],
    ),
    ("breach answer", &[("What was missing", "vouchsafe breach answer x-abcdefgh --to-whom whom.txt")]),
    ("breach ls", &[("Of all lists", "vouchsafe breach ls")]),
    ("breach show", &[("What is missing, and since when", "vouchsafe breach show x-abcdefgh")]),
    (
        "breach close",
        &[("It counts against its organisation", "vouchsafe breach close x-abcdefgh --org linux --strike")],
    ),
    (
        "member suspend",
        &[(
            "For a while, with the reason in the journal",
            "vouchsafe member suspend distrib-announce psirt@linux.example --reason 'key lost'",
        )],
    ),
    (
        "member resume",
        &[("Once it is settled", "vouchsafe member resume distrib-announce psirt@linux.example")],
    ),
    (
        "member remove",
        &[("For good", "vouchsafe member remove distrib-announce psirt@linux.example --reason 'has left'")],
    ),
    (
        "team add",
        &[(
            "A person who gets the reports",
            "vouchsafe team add security ada@example.org --name 'Ada Lovelace' --cert ada.asc",
        )],
    ),
    ("team ls", &[("All teams", "vouchsafe team ls")]),
    (
        "team show",
        &[("What somebody is there, and for how long", "vouchsafe team show security ada@example.org")],
    ),
    (
        "team term",
        &[(
            "Chosen again, on the day of the vote",
            "vouchsafe team term security ada@example.org --starts 2026-05-20",
        )],
    ),
    (
        "team appoint",
        &[(
            "By two signed approvals",
            "vouchsafe team appoint security ada@example.org --name Ada --cert ada.asc --role tsc-member --approval one.asc --approval two.asc",
        )],
    ),
    (
        "team replace",
        &[(
            "For the rest of the term",
            "vouchsafe team replace --old ada@example.org security bob@example.org --name Bob --cert bob.asc --statement chair.asc",
        )],
    ),
    (
        "team body add",
        &[(
            "Somebody whose approval counts",
            "vouchsafe team body add tsc carol@example.org --cert carol.asc",
        )],
    ),
    ("team body ls", &[("Who is of which body", "vouchsafe team body ls")]),
    ("team body remove", &[("Somebody who has left it", "vouchsafe team body remove tsc carol@example.org")]),
    ("team remove", &[("A person who leaves", "vouchsafe team remove security ada@example.org")]),
];
