//! A wire tap: passes a TCP connection on and keeps what went over it, both ways.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running tap.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Listens on a free port and passes everything on to `to`.
    pub(crate) fn on(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { return };
                for (from, into) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    let keep = Arc::clone(&keep);
                    std::thread::spawn(move || pass_on(from, into, &keep));
                }
            }
        });
        Self { address, kept }
    }

    /// Every byte so far.
    pub(crate) fn kept(&self) -> Vec<u8> {
        self.kept.lock().unwrap().clone()
    }
}

fn pass_on(mut from: TcpStream, mut into: TcpStream, keep: &Mutex<Vec<u8>>) {
    let mut piece = [0; 65536];
    while let Ok(read) = from.read(&mut piece) {
        if read == 0 {
            break;
        }
        keep.lock().unwrap().extend_from_slice(&piece[..read]);
        if into.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Write);
}
