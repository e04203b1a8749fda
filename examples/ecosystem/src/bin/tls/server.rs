//! The server, and its certificate.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use greenhub::net::TcpStream;
use greenhub::net::server::{self, Served, ServerHandle};
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

/// How long a stop waits for answers that are on their way.
const GRACE: Duration = Duration::from_secs(5);

/// How long a client may do nothing.
const STALL: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    serving: JoinHandle<io::Result<Served>>,
    handle: ServerHandle,
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
        let server = server::Server::new(listener);
        let handle = server.handle();
        let serving = spawn({
            let (config, service) = (Arc::new(config), Service::default());
            let handle = handle.clone();
            move || {
                server.serve(move |stream, _peer| {
                    // What goes wrong on a connection is its client's business.
                    let _ = converse(stream, Arc::clone(&config), &service, &handle);
                })
            }
        });
        Ok(Server {
            address,
            certificate,
            serving,
            handle,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For clients, who trust it and nothing else.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// Finishes what is on its way, and ends.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.handle.stop(GRACE);
        let served = self.serving.join();
        let served = served.map_err(|error| format!("the server: {error}"))?;
        let served = served.map_err(|error| format!("the server: {error}"))?;
        match served.killed() {
            0 => Ok(()),
            killed => Err(format!("{killed} connections had to be killed")),
        }
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

fn converse(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    service: &Service,
    handle: &ServerHandle,
) -> io::Result<()> {
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    timeout(HANDSHAKE, || stream.conn.complete_io(&mut stream.sock))
        .map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
    let served = http::serve(&mut stream, &Limits::default(), handle, &|exchange| {
        service.answer(exchange)
    });
    // So that the client knows that nothing has been cut off.
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock)?;
    served.map(drop)
}
