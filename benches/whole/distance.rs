//! Copies over one connection to a hop that is far away, beside one message for each round trip.
//!
//! Between the daemon and smtp-sink stands a proxy on loopback that keeps each byte for a while, in each direction. The sink
//! is stopped while the queue fills. The clock runs from the first copy that is acknowledged to the last.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::home::{self, ANNOUNCE, Crowd, address_of, list_cert};
use super::measure::{Pair, per_second};
use super::peer::Sink;
use super::{KIB, Plan, say, text};
use crate::outside::daemon::Daemon;
use crate::outside::smtp::Client;
use crate::outside::until;

/// How long a byte is on its way, each way: round trips of 20 and of 40 ms.
pub(crate) const WAYS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(20)];
/// How many copies go over the connection in each round.
const COPIES: usize = 100;

/// In messages each second, one pair for each of [`WAYS`].
pub(crate) struct Distance(pub(crate) Vec<Pair>);

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Option<Distance> {
    WAYS.iter().map(|way| far(plan, crowd, *way)).collect::<Option<Vec<Pair>>>().map(Distance)
}

fn far(plan: &Plan, crowd: &Crowd, way: Duration) -> Option<Pair> {
    let sink = Sink::start()?;
    let proxy = proxy(sink.address, way);
    // Ada reads as well.
    let copies = COPIES.min(crowd.readers.len());
    let install = home::install(crowd, copies - 1, &proxy.to_string());
    install.edit("#connections = 10", "connections = 1");
    let daemon = Daemon::start(&install);
    let list = list_cert(&install, ANNOUNCE);
    let mut pair = Pair::default();
    for round in 0..=plan.rounds.min(3) {
        say(&format!("distance: round {round}, {} ms each way", way.as_millis()));
        sink.hold();
        let raw =
            text::announcement(&crowd.ada.address, &crowd.ada.key, (&address_of(ANNOUNCE), &list), 10 * KIB);
        let before = daemon.count_lines("outcome=Delivered");
        let mut client = Client::tcp(daemon.smtp()).ehlo();
        let reply = client.mail(&crowd.ada.address, &[&address_of(ANNOUNCE)], &raw);
        assert_eq!(reply.code, 250, "{reply:?}");
        client.quit();
        until("all copies are queued", || {
            let status = install.json(&["status"]);
            let queued = ["due", "claimed"].iter().filter_map(|key| status[*key].as_u64()).sum::<u64>();
            (queued == copies as u64).then_some(())
        });
        sink.go_on();
        daemon.wait_for_lines("outcome=Delivered", before + 1);
        let start = Instant::now();
        daemon.wait_for_lines("outcome=Delivered", before + copies);
        let ours = per_second(copies - 1, start.elapsed());
        until("the queue is empty", || {
            (install.json(&["queue", "ls"]) == serde_json::json!([])).then_some(())
        });
        if round > 0 {
            pair.ours.push(ours);
            pair.bare.push(1.0 / (2.0 * way.as_secs_f64()));
        }
    }
    Some(pair)
}

/// Keeps every byte for so long, in each direction; as many bytes as come may be on their way.
fn proxy(to: SocketAddr, way: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(to) else { continue };
            for (from, to) in [(&near, &far), (&far, &near)] {
                to.set_nodelay(true).unwrap();
                pump(from.try_clone().unwrap(), to.try_clone().unwrap(), way);
            }
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream, way: Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut space = vec![0; 64 * KIB];
        while let Ok(read @ 1..) = from.read(&mut space) {
            if send.send((Instant::now() + way, space[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (at, bytes) in receive {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
