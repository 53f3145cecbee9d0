//! A line between a client and a server that a test can cut, silence and mend.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::Port;

const CHUNK_BYTES: usize = 64 << 10;

/// Forwards every connection to a server, both ways, as long as the line is whole.
///
/// The port stays its own while the line is cut, so that a client finds the same address again. All connections end with
/// this value.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    line: Arc<Line>,
    listening: Option<JoinHandle<()>>,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Whole,
    /// They wait, as behind a cable that was pulled.
    Silent,
    /// Their connections are gone, and no new one is made.
    Cut,
    /// The proxy ends.
    Ended,
}

#[derive(Debug, Default)]
struct Open {
    standing: Standing,
    next_id: u64,
    connections: HashMap<u64, [TcpStream; 2]>,
}

#[derive(Debug, Default)]
struct Line {
    open: Mutex<Open>,
    changed: Condvar,
}

impl Proxy {
    /// Listens on a free port of the loopback address, for the server at `target`.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let port = Port::reserve();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))
            .expect("a port that was reserved is free");
        let line = Arc::new(Line::default());
        let served = Arc::clone(&line);
        let listening = thread::spawn(move || served.listen(&listener, target));
        Self {
            port,
            line,
            listening: Some(listening),
        }
    }

    /// The port that stands for the server's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where NATS clients connect, as `nats://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// Breaks every connection and lets none come about.
    pub fn cut(&self) {
        self.line.stand(Standing::Cut);
    }

    /// Lets nothing pass in either direction, while connections seem to be there.
    pub fn silence(&self) {
        self.line.stand(Standing::Silent);
    }

    /// Makes the line whole again. What was silenced goes on where it was.
    pub fn mend(&self) {
        self.line.stand(Standing::Whole);
    }

    /// How many connections go through.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.line.open().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.stand(Standing::Ended);
        // Whoever waits for a connection wakes with one.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).ok();
        if let Some(listening) = self.listening.take() {
            listening.join().ok();
        }
    }
}

impl Line {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand(&self, standing: Standing) {
        let mut open = self.open();
        open.standing = standing;
        if matches!(standing, Standing::Cut | Standing::Ended) {
            for (_, ends) in open.connections.drain() {
                part(&ends);
            }
        }
        self.changed.notify_all();
    }

    fn listen(self: Arc<Self>, listener: &TcpListener, target: SocketAddr) {
        for client in listener.incoming() {
            let standing = self.open().standing;
            match (standing, client) {
                (Standing::Ended, _) => return,
                (Standing::Cut, _) | (_, Err(_)) => {}
                // A server that is down is told by the end of the connection.
                (Standing::Whole | Standing::Silent, Ok(client)) => {
                    if let Ok(server) = TcpStream::connect(target) {
                        self.join([client, server]);
                    }
                }
            }
        }
    }

    /// Carries bytes between two ends until one of them is gone.
    fn join(self: &Arc<Self>, ends: [TcpStream; 2]) {
        let copies = || Some([ends[0].try_clone().ok()?, ends[1].try_clone().ok()?]);
        let (Some(kept), Some([to_client, to_server])) = (copies(), copies()) else {
            return;
        };
        let id = {
            let mut open = self.open();
            if matches!(open.standing, Standing::Cut | Standing::Ended) {
                return;
            }
            open.next_id += 1;
            let id = open.next_id;
            open.connections.insert(id, kept);
            id
        };
        let [client, server] = ends;
        for (from, to) in [(client, to_server), (server, to_client)] {
            from.set_nodelay(true).ok();
            let line = Arc::clone(self);
            thread::spawn(move || line.carry(id, from, to));
        }
    }

    fn carry(&self, id: u64, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = match from.read(&mut chunk) {
                Ok(count) if count > 0 => count,
                Ok(_) | Err(_) => break,
            };
            if !self.may_pass() || to.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        self.open().connections.remove(&id);
        part(&[from, to]);
    }

    /// Waits while the line is silent; whether bytes may go on.
    fn may_pass(&self) -> bool {
        let mut open = self.open();
        while open.standing == Standing::Silent {
            open = self
                .changed
                .wait(open)
                .unwrap_or_else(PoisonError::into_inner);
        }
        open.standing == Standing::Whole
    }
}

/// Ends both connections for whoever reads or writes there.
fn part(ends: &[TcpStream; 2]) {
    for end in ends {
        // One that has ended by itself needs no end.
        end.shutdown(Shutdown::Both).ok();
    }
}

#[cfg(test)]
mod tests {
    //! What comes through when, seen with a server that sends everything back.

    use std::io::{Error, ErrorKind};
    use std::time::Duration;

    use super::*;
    use crate::wait_until_blocking;

    const DEADLINE: Duration = Duration::from_secs(10);
    /// For what must not come; longer only makes the test slower.
    const NEVER: Duration = Duration::from_millis(100);

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut back = stream.try_clone().unwrap();
                thread::spawn(move || std::io::copy(&mut &stream, &mut back));
            }
        });
        address
    }

    fn connected(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn come_back(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
        stream.write_all(text.as_bytes())?;
        read(stream, text)
    }

    fn read(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back)?;
        if back == text.as_bytes() {
            Ok(())
        } else {
            Err(Error::other(format!("{back:?}")))
        }
    }

    #[test]
    fn a_whole_line_carries_both_ways() {
        let proxy = Proxy::to(echo());
        let mut stream = connected(&proxy);
        come_back(&mut stream, "hello").unwrap();
        assert_eq!(proxy.connection_count(), 1);
        drop(stream);
        wait_until_blocking("the end to be noticed", DEADLINE, || {
            proxy.connection_count() == 0
        });
    }

    #[test]
    fn a_cut_breaks_what_is_open_and_what_is_new_until_it_is_mended() {
        let proxy = Proxy::to(echo());
        let mut stream = connected(&proxy);
        come_back(&mut stream, "hello").unwrap();
        proxy.cut();
        come_back(&mut stream, "hello").unwrap_err();
        come_back(&mut connected(&proxy), "hello").unwrap_err();
        proxy.mend();
        come_back(&mut connected(&proxy), "hello").unwrap();
    }

    #[test]
    fn silence_breaks_nothing_and_what_was_said_comes_later() {
        let proxy = Proxy::to(echo());
        let mut stream = connected(&proxy);
        come_back(&mut stream, "hello").unwrap();
        proxy.silence();
        stream.set_read_timeout(Some(NEVER)).unwrap();
        let silence = come_back(&mut stream, "again").unwrap_err().kind();
        assert!(matches!(
            silence,
            ErrorKind::WouldBlock | ErrorKind::TimedOut
        ));
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        proxy.mend();
        read(&mut stream, "again").unwrap();
    }

    #[test]
    fn the_port_is_free_after_the_end() {
        let proxy = Proxy::to(echo());
        let number = proxy.port();
        drop(proxy);
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
    }
}
