//! Routes from a name server on loopback.

use std::collections::BTreeSet;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// A zone file in short: name, type and data; `!` for a broken name.
const ZONE: &[(&str, &str)] = &[
    ("plain.example.", "MX 20 second.example."),
    ("plain.example.", "MX 10 first.example."),
    ("first.example.", "A 192.0.2.1"),
    ("first.example.", "AAAA 2001:db8::1"),
    ("second.example.", "A 192.0.2.2"),
    ("equal.example.", "MX 10 first.example."),
    ("equal.example.", "MX 10 second.example."),
    ("equal.example.", "MX 10 third.example."),
    ("third.example.", "A 192.0.2.3"),
    ("null.example.", "MX 0 ."),
    ("implicit.example.", "A 192.0.2.9"),
    ("empty.example.", "TXT nothing"),
    ("alias.example.", "CNAME plain.example."),
    ("alias.example.", "MX 10 first.example."),
    ("ours.example.", "MX 5 first.example."),
    ("ours.example.", "MX 10 relay.example."),
    ("ours.example.", "MX 20 second.example."),
    ("loop.example.", "MX 10 relay.example."),
    ("dangling.example.", "MX 10 nowhere.example."),
    ("half.example.", "MX 10 nowhere.example."),
    ("half.example.", "MX 20 second.example."),
    ("broken.example.", "!"),
    ("brokenhost.example.", "MX 10 broken.example."),
    ("wide.example.", "A 192.0.2.11"),
    ("wide.example.", "A 192.0.2.12"),
    ("wide.example.", "A 192.0.2.13"),
    ("wide.example.", "A 192.0.2.14"),
    ("wide.example.", "A 192.0.2.15"),
    ("wide.example.", "A 192.0.2.16"),
];

fn record(name: &str, text: &str) -> Record {
    let mut words = text.split(' ');
    let (kind, data) = (words.next().unwrap(), words.next().unwrap_or_default());
    let host = |text: &str| Name::from_ascii(text).unwrap();
    let rdata = match kind {
        "A" => RData::A(A(data.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(data.parse().unwrap())),
        "CNAME" => RData::CNAME(CNAME(host(data))),
        _ => RData::MX(MX::new(data.parse().unwrap(), host(words.next().unwrap()))),
    };
    Record::from_rdata(host(name), 60, rdata)
}

fn answer(asked: &Message) -> Message {
    let query = asked.queries[0].clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let of_name: Vec<&str> = ZONE.iter().filter(|(owner, _)| *owner == name).map(|(_, data)| *data).collect();
    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
    reply.metadata.response_code = match of_name.as_slice() {
        [] => ResponseCode::NXDomain,
        ["!"] => ResponseCode::ServFail,
        _ => ResponseCode::NoError,
    };
    let wanted = match query.query_type() {
        RecordType::A => "A ",
        RecordType::AAAA => "AAAA ",
        RecordType::MX => "MX ",
        _ => "?",
    };
    for data in of_name.iter().filter(|data| data.starts_with(wanted) || data.starts_with("CNAME ")) {
        let owner =
            if of_name[0].starts_with("CNAME ") && data.starts_with("MX") { "plain.example." } else { &name };
        reply.add_answer(record(owner, data));
    }
    reply.add_query(query);
    reply
}

async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..len]).unwrap();
            socket.send_to(&answer(&asked).to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

async fn route_with(settings: &Settings, domain: &str) -> Result<Route, NoRoute> {
    let dns = DnsSettings { resolver: Some(name_server().await) };
    let router = Router::new(settings, &dns).unwrap();
    router.route(&domain.parse().unwrap(), &Pin::default(), &Entropy::seeded(3)).await
}

async fn hosts(domain: &str) -> Result<Vec<String>, NoRoute> {
    let route = route_with(&Settings::default(), domain).await?;
    assert_eq!(route.destination, domain);
    Ok(route.candidates.into_iter().map(|host| host.name).collect())
}

#[tokio::test]
async fn the_most_preferred_exchanger_comes_first() {
    let route = route_with(&Settings::default(), "plain.example").await.unwrap();
    let names: Vec<&str> = route.candidates.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["first.example", "second.example"]);
    let at = |address: &str| Endpoint::Tcp(address.parse().unwrap());
    let first: BTreeSet<String> = route.candidates[0].endpoints.iter().map(|e| format!("{e:?}")).collect();
    let both = [at("192.0.2.1:25"), at("[2001:db8::1]:25")].iter().map(|e| format!("{e:?}")).collect();
    assert_eq!(first, both, "both families");
    assert_eq!(hosts("alias.example").await.unwrap(), ["first.example"], "through an alias");
}

#[tokio::test]
async fn equal_exchangers_share_the_load() {
    let dns = DnsSettings { resolver: Some(name_server().await) };
    let router = Router::new(&Settings::default(), &dns).unwrap();
    let entropy = Entropy::seeded(5);
    let mut first = BTreeSet::new();
    for _ in 0..30 {
        let route = router.route(&"equal.example".parse().unwrap(), &Pin::default(), &entropy).await.unwrap();
        assert_eq!(route.candidates.len(), 3);
        first.insert(route.candidates[0].name.clone());
    }
    assert_eq!(first.len(), 3, "{first:?}");
}

#[tokio::test]
async fn a_domain_without_exchangers_is_its_own() {
    assert_eq!(hosts("implicit.example").await.unwrap(), ["implicit.example"]);
    let route = route_with(&Settings::default(), "wide.example").await.unwrap();
    assert_eq!(route.candidates[0].endpoints.len(), ADDRESSES, "no end of addresses to try");
}

#[tokio::test]
async fn who_takes_no_mail_fails_for_good() {
    for (domain, code) in [
        ("null.example", "5.1.10"),
        ("gone.example", "5.1.2"),
        ("empty.example", "5.1.2"),
        ("loop.example", "5.4.6"),
    ] {
        let settings = Settings { helo: Some("relay.example".to_owned()), ..Settings::default() };
        let Err(NoRoute::Never(why)) = route_with(&settings, domain).await else { panic!("{domain}") };
        assert!(why.starts_with(code), "{domain}: {why}");
    }
}

#[tokio::test]
async fn a_name_service_that_fails_is_asked_again_later() {
    for domain in ["broken.example", "brokenhost.example", "dangling.example"] {
        assert!(matches!(hosts(domain).await, Err(NoRoute::NotNow(_))), "{domain}");
    }
    assert_eq!(hosts("half.example").await.unwrap(), ["second.example"], "one good exchanger is enough");
}

#[tokio::test]
async fn we_hand_mail_only_to_those_before_us() {
    let settings = Settings { helo: Some("Relay.Example".to_owned()), ..Settings::default() };
    let route = route_with(&settings, "ours.example").await.unwrap();
    assert_eq!(route.candidates.len(), 1);
    assert_eq!(route.candidates[0].name, "first.example");
}

#[tokio::test]
async fn an_address_literal_is_its_own_host() {
    for (domain, at) in [("[192.0.2.7]", "192.0.2.7:25"), ("[IPv6:2001:db8::7]", "[2001:db8::7]:25")] {
        let route = route_with(&Settings::default(), domain).await.unwrap();
        assert_eq!(route.candidates[0].endpoints, [Endpoint::Tcp(at.parse().unwrap())]);
    }
}

#[tokio::test]
async fn a_smarthost_takes_everything() {
    let smarthost = |text: &str| Settings {
        smarthost: Some(text.parse().unwrap()),
        server_name: Some("hop.example".to_owned()),
        ..Settings::default()
    };
    for (text, at) in [("first.example:587", "192.0.2.1:587"), ("192.0.2.5:25", "192.0.2.5:25")] {
        let route = route_with(&smarthost(text), "null.example").await.unwrap();
        assert_eq!((route.destination.as_str(), route.tls), (text, TlsMode::Required));
        assert!(route.candidates[0].endpoints.contains(&Endpoint::Tcp(at.parse().unwrap())), "{route:?}");
    }
    let route = route_with(&smarthost("unix:/run/mail.sock"), "null.example").await.unwrap();
    assert_eq!(route.candidates[0].endpoints, [Endpoint::Unix("/run/mail.sock".into())]);
    let gone = route_with(&smarthost("gone.example:25"), "plain.example").await;
    assert!(
        matches!(gone, Err(NoRoute::NotNow(_))),
        "a smarthost that is not found is no fault of the recipient"
    );
}

#[test]
fn a_smarthost_by_address_needs_no_name_service() {
    let settings = Settings { smarthost: Some("127.0.0.1:25".parse().unwrap()), ..Settings::default() };
    assert!(Router::new(&settings, &DnsSettings::default()).unwrap().resolver.is_none());
}

#[tokio::test]
async fn of_the_exchangers_those_are_asked_that_the_policy_names() {
    let dns = DnsSettings { resolver: Some(name_server().await) };
    let router = Router::new(&Settings::default(), &dns).unwrap();
    let entropy = Entropy::seeded(7);
    let hosts = async |domain: &str, patterns: &[&str]| {
        let route = router.route(&domain.parse().unwrap(), &Pin::to(patterns), &entropy).await?;
        Ok::<_, NoRoute>(route.candidates.into_iter().map(|host| host.name).collect::<Vec<_>>())
    };
    assert_eq!(hosts("plain.example", &["second.example"]).await.unwrap(), ["second.example"]);
    assert_eq!(hosts("plain.example", &["*.example"]).await.unwrap().len(), 2);
    assert_eq!(hosts("implicit.example", &["implicit.example"]).await.unwrap(), ["implicit.example"]);
    for (domain, found) in
        [("plain.example", "first.example, second.example"), ("implicit.example", "implicit.example")]
    {
        let Err(NoRoute::NotNow(why)) = hosts(domain, &["*.example.net"]).await else { panic!("{domain}") };
        assert!(why.contains("policy of") && why.ends_with(&format!("({found})")), "{why}");
    }
    assert!(
        matches!(hosts("null.example", &["*.example"]).await, Err(NoRoute::Never(_))),
        "it takes no mail anyway"
    );
}

#[tokio::test]
async fn an_override_has_a_way_of_its_own() {
    let settings: Settings = toml::from_str(
        "smarthost = \"first.example:587\"\n\
         [domain.\"plain.example\"]\n\
         [domain.\"partner.example\"]\nsmarthost = \"second.example:465\"\ntls = \"implicit\"",
    )
    .unwrap();
    let route = |domain: &'static str| route_with(&settings, domain);
    assert_eq!(route("other.example").await.unwrap().destination, "first.example:587");
    assert_eq!(route("plain.example").await.unwrap().candidates.len(), 2, "by MX");
    let partner = route("partner.example").await.unwrap();
    assert_eq!(partner.destination, "second.example:465 for partner.example");
    assert_eq!((partner.candidates[0].name.as_str(), partner.tls), ("second.example", TlsMode::Implicit));
}

#[test]
fn each_way_has_its_own_number_of_connections() {
    let settings: Settings = toml::from_str(
        "smarthost = \"127.0.0.1:25\"\ntls = \"none\"\nconnections = 7\n\
         [domain.\"plain.example\"]\nconnections = 2\n\
         [domain.\".example.net\"]\nsmarthost = \"192.0.2.1:25\"\nconnections = 3",
    )
    .unwrap();
    let router =
        Router::new(&settings, &DnsSettings { resolver: Some("127.0.0.1:53".parse().unwrap()) }).unwrap();
    for (domain, connections) in [("other.example", 7), ("plain.example", 2), ("a.example.net", 3)] {
        let destination = router.destination(&domain.parse().unwrap());
        assert_eq!(router.connections(&destination), connections, "{destination}");
    }
}
