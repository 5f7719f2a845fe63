//! A name service on loopback that says what the test wants, over UDP and TCP (RFC 1035).

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// One record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    A(Ipv4Addr),
    Mx(u16, String),
    Txt(String),
    Cname(String),
    /// Any other type by its number, with its data as it travels.
    Raw(u16, Vec<u8>),
}

impl Data {
    fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Cname(_) => 5,
            Self::Mx(..) => 15,
            Self::Txt(_) => 16,
            Self::Raw(kind, _) => *kind,
        }
    }

    fn wire(&self) -> Vec<u8> {
        match self {
            Self::A(ip) => ip.octets().to_vec(),
            Self::Cname(name) => name_wire(name),
            Self::Mx(preference, host) => [preference.to_be_bytes().to_vec(), name_wire(host)].concat(),
            // RFC 1035 §3.3.14: strings of at most 255 bytes.
            Self::Txt(text) => {
                let strings = text.as_bytes().chunks(255);
                strings.flat_map(|s| [&[u8::try_from(s.len()).unwrap()], s].concat()).collect()
            }
            Self::Raw(_, bytes) => bytes.clone(),
        }
    }
}

/// What is said of a name.
#[derive(Clone, Debug)]
enum Said {
    Records(Vec<Data>),
    /// A response code without records, such as 2 for SERVFAIL.
    Failure(u8),
    /// Nothing at all.
    Silence,
}

type Zone = Arc<Mutex<HashMap<String, Said>>>;

/// A running name service; names that it does not know do not exist.
pub struct Dns {
    zone: Zone,
    address: SocketAddr,
}

impl Dns {
    /// Starts one on a free port of this machine.
    pub fn start() -> Self {
        // The same number for both protocols; the next try has another one.
        let (udp, tcp) = (0..100)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
                let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
                Some((udp, tcp))
            })
            .expect("a port that is free in both protocols");
        let address = udp.local_addr().unwrap();
        let zone = Zone::default();
        let by_udp = Arc::clone(&zone);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                if let Some(answer) = answer(&by_udp, &buffer[..length]) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let by_tcp = Arc::clone(&zone);
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().map_while(Result::ok) {
                let zone = Arc::clone(&by_tcp);
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                        if stream.read_exact(&mut query).is_err() {
                            return;
                        }
                        let Some(answer) = answer(&zone, &query) else { return };
                        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                        let _ = stream.write_all(&[length.as_slice(), &answer].concat());
                    }
                });
            }
        });
        Self { zone, address }
    }

    /// Where it is, as `[dns] resolver` has it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a record to a name.
    pub fn add(&self, name: &str, data: Data) {
        let mut zone = self.zone.lock().unwrap();
        let said = zone.entry(key(name)).or_insert_with(|| Said::Records(Vec::new()));
        match said {
            Said::Records(records) => records.push(data),
            other => *other = Said::Records(vec![data]),
        }
    }

    /// Says this of a name and nothing else.
    pub fn set(&self, name: &str, records: Vec<Data>) {
        self.zone.lock().unwrap().insert(key(name), Said::Records(records));
    }

    /// The same for one TXT record.
    pub fn txt(&self, name: &str, text: &str) {
        self.set(name, vec![Data::Txt(text.to_owned())]);
    }

    /// Forgets a name: it does not exist any more.
    pub fn remove(&self, name: &str) {
        self.zone.lock().unwrap().remove(&key(name));
    }

    /// Answers questions for a name with this response code.
    pub fn fail(&self, name: &str, code: u8) {
        self.zone.lock().unwrap().insert(key(name), Said::Failure(code));
    }

    /// Does not answer questions for a name.
    pub fn hush(&self, name: &str) {
        self.zone.lock().unwrap().insert(key(name), Said::Silence);
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn name_wire(name: &str) -> Vec<u8> {
    let labels = name.trim_end_matches('.').split('.').filter(|label| !label.is_empty());
    let mut wire: Vec<u8> =
        labels.flat_map(|l| [&[u8::try_from(l.len()).unwrap()], l.as_bytes()].concat()).collect();
    wire.push(0);
    wire
}

/// The answer to a query with one question; none for what is no query, or shall have none.
fn answer(zone: &Zone, query: &[u8]) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?));
        name.push('.');
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    let said = zone.lock().unwrap().get(&key(&name)).cloned();
    let (code, records) = match said {
        None => (3, Vec::new()), // NXDOMAIN
        Some(Said::Failure(code)) => (code, Vec::new()),
        Some(Said::Silence) => return None,
        Some(Said::Records(records)) => {
            (0, records.into_iter().filter(|r| r.kind() == kind || r.kind() == 5).collect())
        }
    };
    // An answer, authoritative; recursion was wished for and is there.
    let mut out = [&query[..2], &[0x85, 0x80 | code, 0, 1]].concat();
    out.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    out.extend([0; 4]);
    out.extend(question);
    for record in records {
        let data = record.wire();
        // A pointer to the question's name, the type, IN, no time to live.
        out.extend([0xc0, 12]);
        out.extend(record.kind().to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
