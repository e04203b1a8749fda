//! The clients, and what they check.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::net::TcpStream;
use greenhub::{join_all, spawn};
use greenhub_ecosystem::http::{Answer, Client, Payload};
use greenhub_ecosystem::noise;
use greenhub_ecosystem::service::HELLO;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, RootCertStore,
    StreamOwned,
};

use crate::Options;
use crate::server::{NAME, Server, self_signed};

const TIMEOUT: Duration = Duration::from_secs(30);

const MEGABYTE: u64 = 1024 * 1024;

/// An echo goes in pieces, each read before the next is sent: a client that sends without end while the server echoes,
/// and reads nothing, stops both.
const PIECE: u64 = 32 * 1024;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Starts a server and visits it in all ways.
pub(crate) fn visit(options: &Options) -> Result<(), String> {
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = server.address();
    println!("listening on https://{address}");
    let trusting = trusting(server.certificate())?;

    let (clients, handshakes) = (options.clients, options.handshakes);
    for (name, resume) in [("full handshakes", false), ("resumed handshakes", true)] {
        let begun = Instant::now();
        let resumed: u64 = all(clients, &trusting, resume, move |config| {
            shake_hands(address, &config, handshakes)
        })
        .map_err(|error| format!("{name}: {error}"))?;
        // A client has nothing to resume at first.
        let expected = if resume {
            clients * (handshakes - 1)
        } else {
            0
        };
        if resumed != expected {
            return Err(format!("{resumed} handshakes were resumed, not {expected}"));
        }
        let (count, time) = (clients * handshakes, begun.elapsed());
        let rate = count as f64 / time.as_secs_f64();
        println!("{name:<20} {count} in {time:.0?}, {rate:.0} a second");
    }

    let length = options.megabytes * MEGABYTE;
    for (name, directions, work) in [
        ("fetched", 1, fetch as fn(_, &_, _) -> _),
        ("echoed", 2, echo as fn(_, &_, _) -> _),
    ] {
        let begun = Instant::now();
        let bytes = all(clients, &trusting, false, move |config| {
            work(address, &config, length)
        })
        .map_err(|error| format!("{name}: {error}"))?;
        let time = begun.elapsed();
        let rate = (bytes * directions / MEGABYTE) as f64 / time.as_secs_f64();
        println!(
            "{name:<20} {} MiB on {clients} connections in {time:.0?}, {rate:.0} MiB a second",
            bytes / MEGABYTE
        );
    }

    refused(address, &trusting)?;
    println!(
        "{:<20} a wrong name, and a stranger's certificate",
        "refused"
    );
    server.stop()
}

/// Trusts this certificate alone.
fn trusting(certificate: CertificateDer<'static>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate)
        .map_err(|error| format!("cannot trust the certificate: {error}"))?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Lets all clients do `work` at once, each with sessions of its own to `resume`, and adds up what they tell.
fn all<W>(clients: u64, config: &ClientConfig, resume: bool, work: W) -> io::Result<u64>
where
    W: Fn(Arc<ClientConfig>) -> io::Result<u64> + Clone + Send + 'static,
{
    let clients = (0..clients).map(|_| {
        let mut config = config.clone();
        config.resumption = match resume {
            true => Resumption::in_memory_sessions(8),
            false => Resumption::disabled(),
        };
        let work = work.clone();
        spawn(move || work(Arc::new(config)))
    });
    let clients: Vec<_> = clients.collect();
    let told = join_all(clients).into_iter();
    told.map(|told| told.map_err(io::Error::other)?).sum()
}

/// Connects again and again, each time for one request. Returns how many sessions were resumed.
fn shake_hands(address: SocketAddr, config: &Arc<ClientConfig>, count: u64) -> io::Result<u64> {
    let mut resumed = 0;
    for _ in 0..count {
        let mut client = connect(address, config, NAME)?;
        let answer = client.request("GET", "/", Payload::None, |_| Ok(()))?;
        expect(answer, HELLO.len() as u64)?;
        let stream = client.into_inner();
        resumed += u64::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
        close(stream)?;
    }
    Ok(resumed)
}

fn fetch(address: SocketAddr, config: &Arc<ClientConfig>, length: u64) -> io::Result<u64> {
    let mut client = connect(address, config, NAME)?;
    let path = format!("/bytes/{length}");
    let mut offset = 0;
    let answer = client.request("GET", &path, Payload::None, |piece| {
        noise::check(offset, piece)?;
        offset += piece.len() as u64;
        Ok(())
    })?;
    expect(answer, length)?;
    close(client.into_inner())?;
    Ok(length)
}

fn echo(address: SocketAddr, config: &Arc<ClientConfig>, length: u64) -> io::Result<u64> {
    let mut client = connect(address, config, NAME)?;
    let body: Vec<u8> = (0..PIECE).map(|at| noise::from(at, 1)[0]).collect();
    let mut sent = 0;
    while sent < length {
        let mut offset = 0;
        let answer = client.request("POST", "/echo", Payload::Whole(&body), |piece| {
            noise::check(offset, piece)?;
            offset += piece.len() as u64;
            Ok(())
        })?;
        expect(answer, PIECE)?;
        sent += PIECE;
    }
    close(client.into_inner())?;
    Ok(sent)
}

fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &'static str,
) -> io::Result<Client<Stream>> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let server = ServerName::try_from(name).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(config), server).map_err(io::Error::other)?;
    Ok(Client::over(
        StreamOwned::new(connection, stream),
        name.to_string(),
    ))
}

/// Says goodbye, and waits until the server has.
fn close(mut stream: Stream) -> io::Result<()> {
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock)?;
    match io::copy(&mut stream, &mut io::sink())? {
        0 => Ok(()),
        more => Err(io::Error::other(format!("{more} bytes too many"))),
    }
}

/// Who trusts a certificate trusts neither another name nor another certificate.
fn refused(address: SocketAddr, trusting_it: &ClientConfig) -> Result<(), String> {
    let (stranger, _key) = self_signed()?;
    let trusting_another = trusting(stranger)?;
    for (config, name) in [(trusting_it, "other.example"), (&trusting_another, NAME)] {
        let config = Arc::new(config.clone());
        let asked = connect(address, &config, name)
            .and_then(|mut client| client.request("GET", "/", Payload::None, |_| Ok(())));
        let why = asked.err().and_then(|error| error.downcast::<Error>().ok());
        match why {
            Some(Error::InvalidCertificate(
                CertificateError::NotValidForNameContext { .. }
                | CertificateError::UnknownIssuer
                | CertificateError::BadSignature,
            )) => {}
            other => return Err(format!("a client should have refused: {other:?}")),
        }
    }
    Ok(())
}

fn expect(answer: Answer, length: u64) -> io::Result<()> {
    let status = 200;
    if answer == (Answer { status, length }) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "an unexpected answer: {answer:?}"
        )))
    }
}
