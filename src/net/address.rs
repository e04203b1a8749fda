//! Addresses, and names that stand for them.

use std::io;
use std::iter::Cloned;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{option, slice, vec};

use crate::offload::try_offload;
use crate::wait;

/// What can be connected to or bound: [`std::net::ToSocketAddrs`] for greenlets.
///
/// It has std's shape, and the types that implement std's. Numeric addresses, in whatever type, are parsed on the spot. Names
/// go to the system's resolver, on an OS thread of [`offload`](crate::offload()): other greenlets run meanwhile.
///
/// ```
/// use greenhub::net::ToSocketAddrs;
///
/// # fn main() -> std::io::Result<()> {
/// greenhub::run(|| {
///     let mut addresses = "127.0.0.1:80".to_socket_addrs()?;
///     assert_eq!(addresses.next(), Some(([127, 0, 0, 1], 80).into()));
///     for address in ("localhost", 80).to_socket_addrs()? {
///         assert!(address.ip().is_loopback());
///     }
///     Ok(())
/// })
/// # }
/// ```
///
/// It is a trait of its own because std's resolves in the middle of a call that must not block a hub. A type that implements
/// std's gets this one by the same few lines.
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they are to be tried.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses that this stands for.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what is no address and no name with a port; the resolver's, for names.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

/// What `f` makes of the first address that it takes. The last error is returned if it takes none.
#[track_caller]
pub(super) fn first_of<A: ToSocketAddrs, T>(
    address: A,
    mut f: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in address.to_socket_addrs()? {
        match f(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| invalid("could not resolve to any addresses")))
}

/// One address, known already.
macro_rules! known {
    ($($Type:ty),*) => {$(
        impl ToSocketAddrs for $Type {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                Ok(Some(SocketAddr::from(*self)).into_iter())
            }
        }
    )*};
}

known!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, port)].into_iter()),
            Err(_) => resolve(host, port),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (&*self.0, self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address].into_iter());
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Err(invalid("invalid socket address"));
        };
        let Ok(port) = port.parse() else {
            return Err(invalid("invalid port value"));
        };
        (host, port).to_socket_addrs()
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

/// Asks the system's resolver, which blocks: elsewhere, if the caller is a greenlet.
#[track_caller]
fn resolve(host: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    if wait::in_greenlet() {
        let host = host.to_owned();
        try_offload(move || ask(&host, port))?
    } else {
        ask(host, port)
    }
}

fn ask(host: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    net::ToSocketAddrs::to_socket_addrs(&(host, port))
}

/// An error that std has these words for.
fn invalid(words: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}
