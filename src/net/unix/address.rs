//! Between std's addresses and the system's.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use socket2::SockAddr;

/// std's form of an address that the system gave.
pub(super) fn from_system(address: &SockAddr) -> io::Result<SocketAddr> {
    if let Some(path) = address.as_pathname() {
        return SocketAddr::from_pathname(path);
    }
    match address.as_abstract_namespace() {
        Some(name) => named(name),
        None => unnamed(),
    }
}

/// std's form of no address.
pub(super) fn unnamed() -> io::Result<SocketAddr> {
    SocketAddr::from_pathname("")
}

/// The system's form of an address.
pub(super) fn to_system(address: &SocketAddr) -> io::Result<SockAddr> {
    match (address.as_pathname(), name(address)) {
        (Some(path), _) => SockAddr::unix(path),
        (None, Some(name)) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat())),
        (None, None) => SockAddr::unix(""),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn named(name: &[u8]) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn name(address: &SocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn named(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn name(_address: &SocketAddr) -> Option<&[u8]> {
    None
}
