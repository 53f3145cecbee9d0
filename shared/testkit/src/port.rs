//! Ports that no other test uses, in this process or another, for as long as they are held.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what Linux and macOS hand out to outgoing connections, so that a server that is
/// restarted finds its port still free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// One TCP port on the loopback address, reserved until it is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    ///
    /// # Panics
    ///
    /// Panics if every port is taken, or if the temporary folder cannot be written.
    #[must_use]
    pub fn reserve() -> Self {
        // Where the search starts is no more than a way to seldom meet others.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let spread = std::process::id().wrapping_mul(97);
        for _ in PORTS {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = spread.wrapping_add(step) % u32::from(PORTS.end - PORTS.start);
            let offset = u16::try_from(offset).expect("an offset below the count of ports fits");
            if let Some(port) = Self::try_reserve(PORTS.start + offset) {
                return port;
            }
        }
        panic!("no port of {PORTS:?} is free");
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("nogfso-test-ports-{user}"));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let reservation =
            File::create(folder.join(number.to_string())).expect("a file can be made for the port");
        reservation.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _reservation: reservation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_held_is_not_reserved_again() {
        let port = Port::reserve();
        assert!(Port::try_reserve(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert!(Port::try_reserve(number).is_some());
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_reserved() {
        let number = Port::reserve().number();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(Port::try_reserve(number).is_none());
    }
}
