//! What a wrong line is told: file, line, column, what is wrong, and what is allowed.

use std::path::Path;

use vouchsafe::config::Config;

const LIST: &str = "[list.security]\naddress = \"security@example.org\"\nkind = \"intake\"\n";

/// What loading says, with `policy` as policy.toml; the folder is taken out of it.
fn told_with(relay: &str, policy: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("relay.toml"), relay).unwrap();
    std::fs::write(dir.path().join("policy.toml"), policy).unwrap();
    let error = Config::load(&dir.path().join("relay.toml")).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

fn told(relay: &str) -> String {
    told_with(relay, "")
}

fn assert_told(told: &str, place: &str, words: &[&str]) {
    assert!(told.starts_with(&format!("{place}: ")), "{told}");
    for word in words {
        assert!(told.contains(word), "\"{word}\" is missing in: {told}");
    }
}

#[test]
fn no_file_says_how_to_get_one() {
    let error = Config::load(Path::new("/nonexistent/relay.toml")).unwrap_err().to_string();
    assert_told(&error, "/nonexistent/relay.toml", &["does not exist", "--config", "vouchsafe init"]);
}

#[test]
fn unknown_keys_and_sections_list_the_known_ones() {
    assert_told(&told("[smpt]\nlisten = []\n"), "relay.toml:1:2", &["`smpt`", "`smtp`", "`egress`"]);
    assert_told(
        &told("\n[smtp]\nlistne = []\n"),
        "relay.toml:3:1",
        &["`listne`", "`listen`", "`tls_listen`"],
    );
    assert_told(
        &told(&format!("{LIST}adress = \"x\"\n")),
        "relay.toml:4:1",
        &["`adress`", "`address`", "`policy`"],
    );
    assert_told(&told(&format!("{LIST}[process]\nallow_swop = true\n")), "relay.toml:5:1", &["`allow_swap`"]);
}

#[test]
fn wrong_values_list_the_right_ones() {
    assert_told(&told("[egress]\ntls = \"maybe\"\n"), "relay.toml:2:7", &["`maybe`", "`required`", "`none`"]);
    assert_told(&told("[store]\nkind = \"oracle\"\n"), "relay.toml:2:8", &["`oracle`", "`redb`"]);
    assert_told(
        &told("[smtp]\nlisten = [\"25\"]\n"),
        "relay.toml:2:10",
        &["\"25\"", "host:port", "unix:path"],
    );
    assert_told(&told("[keys]\nspool_rotate = \"soon\"\n"), "relay.toml:2:16", &["\"soon\"", "24h"]);
    assert_told(&told("[process]\nallow_swap = \"no\"\n"), "relay.toml:2:14", &["expected a boolean"]);
    let kind = LIST.replace("intake", "secret");
    assert_told(
        &told(&kind),
        "relay.toml:3:8",
        &["`secret`", "`intake`", "`announce`", "`discuss`", "`public`"],
    );
    let clear = format!("{LIST}clear = \"keep\"\n");
    assert_told(&told(&clear), "relay.toml:4:9", &["`keep`", "`seal`", "`refuse`"]);
    assert_told(&told("[list.Sec_1]\naddress = \"a@b.de\"\n"), "relay.toml:1:7", &["Sec_1", "a-z, 0-9"]);
    assert_told(&told("[list.a]\naddress = \"a\"\n"), "relay.toml:2:11", &["local-part@domain"]);
    assert_told(&told("[list.a]\nkind = \"intake\"\n"), "relay.toml:1:1", &["missing field `address`"]);
}

#[test]
fn text_that_is_no_toml_has_its_place() {
    assert_told(&told("[smtp\n"), "relay.toml:1:6", &[]);
    assert_told(&told("[smtp]\nlisten = 127.0.0.1:25\n"), "relay.toml:2:15", &["a text needs quotes"]);
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let clear = "[egress]\nsmarthost = \"mail.example.org:25\"\ntls = \"none\"\n";
    assert_told(&told(clear), "relay.toml:3:1", &["in the clear", "loopback"]);
    let twice = "[keys]\npassphrase_file = \"p\"\npassphrase_credential = \"c\"\n";
    assert_told(&told(twice), "relay.toml:3:1", &["both set"]);
    let path = "[keys]\npassphrase_credential = \"/run/p\"\n";
    assert_told(&told(path), "relay.toml:2:1", &["not a path"]);
    assert_told(&told("[smtp]\ntls_cert = \"c.pem\"\n"), "relay.toml:2:1", &["without tls_key"]);
    assert_told(&told("[smtp]\ntls_listen = [\"[::]:465\"]\n"), "relay.toml:2:1", &["tls_cert and tls_key"]);
    assert_told(&told("[limits]\nmax_in_memory = 1\n"), "relay.toml:1:2", &["max_message"]);
    assert_told(&told(""), "relay.toml", &["no list", "[list.security]"]);
}

#[test]
fn no_address_belongs_to_two_lists() {
    let second = |name: &str, address: &str| {
        told(&format!("{LIST}[list.{name}]\naddress = \"{address}@Example.ORG\"\nkind = \"discuss\"\n"))
    };
    for (address, clash) in [
        ("SECURITY", "SECURITY@example.org"),
        ("security-request", "security-request@example.org"),
        ("security-reporter", "security-reporter@example.org"),
        ("security-owner", "security-owner@example.org"),
        ("security-bounces+x", "security-bounces+x@example.org"),
    ] {
        assert_told(&second("other", address), "relay.toml:5:1", &[clash, "\"security\" and \"other\""]);
    }
    let postmaster = LIST.replace("security@", "postmaster@");
    assert_told(&told(&postmaster), "relay.toml:2:1", &["RFC 5321"]);
    let long = LIST.replace("security@", &format!("{}@", "a".repeat(30)));
    assert_told(&told(&long), "relay.toml:2:1", &["too long", "29 bytes"]);
}

#[test]
fn a_public_address_is_no_other_list_either() {
    let text = format!("{LIST}[list.open]\naddress = \"security@example.org\"\nkind = \"public\"\n");
    assert_told(&told(&text), "relay.toml:5:1", &["security@example.org would belong to both"]);
}

#[test]
fn keys_that_do_not_fit_the_kind_are_named() {
    let public = LIST.replace("intake", "public");
    assert_told(&told(&format!("{public}clear = \"seal\"\n")), "relay.toml:4:1", &["only an intake list"]);
    assert_told(&told(&format!("{public}individual = true\n")), "relay.toml:4:1", &["no readers"]);
    assert_told(&told(&format!("{LIST}team = \"security\"\n")), "relay.toml:4:1", &["only an announce list"]);
    assert_told(&told(&format!("{LIST}name = \"A <b>\"\n")), "relay.toml:4:1", &["display name"]);
    let announce = format!("{LIST}[list.news]\naddress = \"news@example.org\"\nkind = \"announce\"\n");
    assert_told(&told(&announce), "relay.toml:4:7", &["needs team", "(security)"]);
    assert_told(
        &told(&format!("{announce}team = \"news\"\n")),
        "relay.toml:7:1",
        &["no intake list", "security"],
    );
    assert_told(
        &told("[list.a]\naddress = \"a@b.de\"\n"),
        "relay.toml:1:7",
        &["has no kind", "intake, announce"],
    );
}

const POLICY: &str = "[policy]\nid = \"p\"\nversion = \"1\"\n[list.security]\nkind = \"intake\"\n";

fn with_policy(rest: &str) -> String {
    format!("[list.security]\naddress = \"security@example.org\"\npolicy = \"policy.toml\"\n{rest}")
}

#[test]
fn the_policy_owns_the_kind() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("relay.toml"), with_policy("kind = \"intake\"\n")).unwrap();
    std::fs::write(dir.path().join("policy.toml"), POLICY).unwrap();
    Config::load(&dir.path().join("relay.toml")).expect("saying the same twice is no contradiction");

    let other = told_with(&with_policy("kind = \"discuss\"\n"), POLICY);
    assert_told(&other, "relay.toml:4:1", &["\"discuss\"", "\"intake\"", "leave the key out"]);
    let unknown = told_with(&with_policy("").replace("list.security", "list.sec"), POLICY);
    assert_told(&unknown, "relay.toml:3:1", &["[list.sec]", "only: security"]);
    let team = format!("{POLICY}[list.news]\nkind = \"announce\"\nteam = \"security\"\n");
    let news = "[list.news]\naddress = \"news@example.org\"\npolicy = \"policy.toml\"\nteam = \"other\"\n";
    assert_told(
        &told_with(&with_policy(news), &team),
        "relay.toml:7:1",
        &["team = \"other\"", "\"security\""],
    );
}

#[test]
fn errors_in_a_policy_have_their_place_in_the_policy() {
    let told = |policy: &str| told_with(&with_policy(""), policy);
    assert_told(
        &told(&format!("{POLICY}[embargo]\nmaxdays = 3\n")),
        "policy.toml:7:1",
        &["`maxdays`", "`max_days`"],
    );
    let bounds = format!("{POLICY}[team]\nmin = 5\nmax = 4\n");
    assert_told(&told(&bounds), "policy.toml:7:1", &["min = 5", "max = 4"]);
    let criterion = format!("{POLICY}[membership]\ncriteria = [\"tall\"]\n");
    assert_told(&told(&criterion), "policy.toml:7:1", &["\"tall\"", "monitored-alias", "own = {"]);
    let posters = POLICY.replace("kind = \"intake\"", "kind = \"intake\"\nposters = [\"team\"]");
    assert_told(&told(&posters), "policy.toml:6:1", &["cannot post", "\"anyone\""]);
    let missing = told_with(&with_policy("").replace("policy.toml", "none.toml"), "");
    assert_told(&missing, "relay.toml:3:1", &["none.toml does not exist"]);
}
