//! The server, and its certificate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use greenhub::net::{TcpListener, TcpStream};
use greenhub::{JoinHandle, spawn, timeout};
use greenhub_ecosystem::http::{self, Limits};
use greenhub_ecosystem::listening;
use greenhub_ecosystem::service::Service;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may do nothing.
const STALL: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(address: SocketAddr) -> Result<Server, String> {
        let (certificate, key) = self_signed()?;
        let config = config(certificate.clone(), key)?;
        let listener = listening::on(address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("cannot listen: {error}"))?;
        let accepting = spawn(move || accept(&listener, &Arc::new(config)));
        Ok(Server {
            address,
            certificate,
            accepting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For clients, who trust it and nothing else.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// Accepts no more. Connections go on.
    pub(crate) fn stop(self) {
        self.accepting.kill();
        let _killed = self.accepting.join();
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), String> {
    let made = rcgen::generate_simple_self_signed([NAME.to_string()])
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| format!("cannot use the key: {error}"))?;
    Ok((made.cert.der().clone(), key))
}

fn config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, String> {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(|error| format!("cannot use the certificate: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer =
        Ticketer::new().map_err(|error| format!("cannot resume sessions: {error}"))?;
    Ok(config)
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) {
    let service = Arc::new(Service::default());
    for stream in listener.incoming().flatten() {
        let (config, service) = (Arc::clone(config), Arc::clone(&service));
        // What goes wrong on a connection is its client's business.
        spawn(move || drop(converse(stream, config, &service)));
    }
}

fn converse(stream: TcpStream, config: Arc<ServerConfig>, service: &Service) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    timeout(HANDSHAKE, || stream.conn.complete_io(&mut stream.sock))
        .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
    let served = http::serve(&mut stream, &Limits::default(), &(), &|exchange| {
        service.answer(exchange)
    });
    // So that the client knows that nothing has been cut off.
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock)?;
    served.map(drop)
}
