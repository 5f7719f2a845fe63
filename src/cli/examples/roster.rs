//! Examples of what is asked about organisations, their contacts, and held mail.

pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "org add",
        &[
            ("An organisation", "vouchsafe org add example-linux --title 'Example Linux'"),
            (
                "With what is known of it",
                "vouchsafe org add rebuild --kind distribution --upstream example-linux --website https://rebuild.example",
            ),
        ],
    ),
    (
        "org edit",
        &[
            (
                "Its website, and nothing else",
                "vouchsafe org edit rebuild --website https://www.rebuild.example",
            ),
            ("It is no rebuild any more", "vouchsafe org edit rebuild --upstream=''"),
        ],
    ),
    (
        "org ls",
        &[
            ("All organisations", "vouchsafe org ls"),
            ("The register, fit for a web page", "vouchsafe org ls --public --json"),
            ("Whose criteria need somebody, for a timer", "vouchsafe org ls --overdue"),
        ],
    ),
    ("org show", &[("One, with its contacts and criteria", "vouchsafe org show example-linux")]),
    (
        "org assess",
        &[
            (
                "A criterion that is met, with the ground",
                "vouchsafe org assess example-linux --list distrib-announce fix-track-record met \
                 --evidence https://linux.example/advisories",
            ),
            (
                "One that is not, to be looked at again soon",
                "vouchsafe org assess example-linux --list distrib-announce contribute-back unmet --review 2027-01-31",
            ),
        ],
    ),
    (
        "member alias add",
        &[(
            "A further address of the same role",
            "vouchsafe member alias add distrib-announce psirt@linux.example --alias security@linux.example",
        )],
    ),
    (
        "member alias remove",
        &[(
            "It is none any more",
            "vouchsafe member alias remove distrib-announce psirt@linux.example --alias security@linux.example",
        )],
    ),
    (
        "member cert add",
        &[(
            "The key that will be the next one: both sign for a while",
            "vouchsafe member cert add distrib-announce psirt@linux.example --cert next.asc",
        )],
    ),
    (
        "member cert remove",
        &[(
            "A colleague's key that is not used any more",
            "vouchsafe member cert remove distrib-announce psirt@linux.example \
             --fingerprint 0123456789ABCDEF0123456789ABCDEF01234567",
        )],
    ),
    (
        "member delivery off",
        &[(
            "No copies for a while; it may still post",
            "vouchsafe member delivery off distrib-announce psirt@linux.example --reason moving",
        )],
    ),
    (
        "member delivery on",
        &[("Copies again", "vouchsafe member delivery on distrib-announce psirt@linux.example")],
    ),
    ("hold ls", &[("What waits for a decision", "vouchsafe hold ls")]),
    ("hold show", &[("One, with what to do about it", "vouchsafe hold show agm4vvc2abcdefghijklmnopqa")]),
    (
        "hold release",
        &[("Once its author has confirmed it", "vouchsafe hold release agm4vvc2abcdefghijklmnopqa")],
    ),
    (
        "hold drop",
        &[
            ("Unwanted mail", "vouchsafe hold drop agm4vvc2abcdefghijklmnopqa"),
            ("And what its key signs besides", "vouchsafe hold drop --ignore agm4vvc2abcdefghijklmnopqa"),
        ],
    ),
    ("hold ignore ls", &[("The keys that no team wants to hear of", "vouchsafe hold ignore ls")]),
    (
        "hold ignore remove",
        &[(
            "To hold what it signs again",
            "vouchsafe hold ignore remove distrib-announce 0123456789ABCDEF0123456789ABCDEF01234567",
        )],
    ),
];
