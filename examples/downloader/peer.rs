//! The other side: a photo server in a process of its own, on plain OS threads, so that the downloader has a real peer.
//!
//! It is this same program, started with `--serve`. It prints its address and serves until its standard input ends, which
//! happens when its parent goes, however that goes.
//!
//! | path | answer |
//! | --- | --- |
//! | `/users/N/photos?most=M` | the paths of a user's photos, one a line |
//! | `/photos/N` | a photo |
//! | `/odd/...` | the same photo, served in an unusual or a faulty way; see [`odd`] |

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::album::{self, Album};
use crate::places;

/// How long a client may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that may wait to be accepted: thousands of greenlets may connect in one moment.
const BACKLOG: i32 = 4096;

/// Thousands of these threads may live at once.
const STACK: usize = 128 * 1024;

/// The running server, as its parent sees it.
pub(crate) struct Peer {
    process: Child,
    address: String,
}

impl Peer {
    pub(crate) fn start() -> Result<Peer, String> {
        Self::try_start().map_err(|error| format!("cannot start the photo server: {error}"))
    }

    fn try_start() -> io::Result<Peer> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let process = command.spawn()?;
        let mut peer = Peer {
            process,
            address: String::new(),
        };
        let stdout = peer.process.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut peer.address)?;
        match peer.address.pop() {
            Some('\n') => Ok(peer),
            _ => Err(io::Error::other("it says no address")),
        }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn site(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // the sign to end
        let _ = self.process.wait();
    }
}

/// The server itself.
pub(crate) fn serve() -> Result<(), String> {
    places::open_files_limit();
    let listener = listen().map_err(|error| format!("cannot listen: {error}"))?;
    let address = listener
        .local_addr()
        .map_err(|error| format!("cannot listen: {error}"))?;
    let album = Arc::new(Album::new());
    thread::spawn(move || accept(&listener, &album));

    println!("{address}");
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    Ok(()) // the threads end with the process
}

fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn accept(listener: &TcpListener, album: &Arc<Album>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => start(Arc::new(stream), album),
            // Out of files, most likely: some will be closed soon.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Serves `stream` on a thread of its own. While the system has no more threads to give, the client waits.
fn start(stream: Arc<TcpStream>, album: &Arc<Album>) {
    loop {
        let (stream, album) = (stream.clone(), album.clone());
        let thread = thread::Builder::new().stack_size(STACK);
        // A client that goes away early is no concern of the server's.
        if thread
            .spawn(move || drop(converse(&stream, &album)))
            .is_ok()
        {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// One request and its answer.
fn converse(stream: &TcpStream, album: &Album) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1024, stream.take(16 * 1024));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::from("a header");
    while !line.trim_end().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    answer(stream, album, request.split(' ').nth(1).unwrap_or_default())?;
    // Everything is sent; closing now loses nothing, because the request has been read to its end.
    Ok(())
}

fn answer(stream: &TcpStream, album: &Album, path: &str) -> io::Result<()> {
    let parts: Vec<&str> = path.split(['/', '?']).skip(1).collect();
    match parts[..] {
        ["photos", number] => match number.parse() {
            Ok(number) => photo(stream, album, number),
            Err(_) => not_found(stream),
        },
        ["users", user, "photos", query] => {
            let most = query
                .strip_prefix("most=")
                .and_then(|most| most.parse().ok());
            match (user.parse(), most) {
                (Ok(user), Some(most)) if most > 0 => listing(stream, user, most),
                _ => not_found(stream),
            }
        }
        ["odd", how] => odd(stream, &album.photo(0).bytes, &album.photo(0).sha256, how),
        _ => not_found(stream),
    }
}

fn photo(mut stream: &TcpStream, album: &Album, number: u64) -> io::Result<()> {
    let (photo, latency) = (album.photo(number), album::latency(number));
    thread::sleep(latency);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: image/noise\r\nContent-Length: {}\r\nPhoto-Sha256: {}\r\nLatency-Ms: {}\r\n\
         Connection: close\r\n\r\n",
        photo.bytes.len(),
        photo.sha256,
        latency.as_millis(),
    )?;
    stream.write_all(&photo.bytes)
}

fn listing(mut stream: &TcpStream, user: u64, most: u64) -> io::Result<()> {
    let photos: String = album::photos_of(user, most)
        .map(|photo| format!("/photos/{photo}\n"))
        .collect();
    let latency = album::latency(user);
    thread::sleep(latency);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nLatency-Ms: {}\r\n\
         Connection: close\r\n\r\n{photos}",
        photos.len(),
        latency.as_millis(),
    )
}

fn not_found(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// What the open network has in store for a downloader. The first two are sound, all others are faults.
fn odd(mut stream: &TcpStream, photo: &[u8], sha256: &str, how: &str) -> io::Result<()> {
    let digest = format!("Photo-Sha256: {sha256}\r\n");
    let length = photo.len();
    match how {
        "chunked" | "short-chunk" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n{digest}Transfer-Encoding: chunked\r\n\r\n"
            )?;
            for chunk in photo.chunks(3000) {
                write!(stream, "{:x};note=ignored\r\n", chunk.len())?;
                if how == "short-chunk" {
                    return stream.write_all(&chunk[..1000]);
                }
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\nTrailer: ignored\r\n\r\n")
        }
        "until-close" => {
            write!(stream, "HTTP/1.0 200 OK\r\n{digest}\r\n")?;
            stream.write_all(photo)
        }
        "short" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n{digest}Content-Length: {length}\r\n\r\n"
            )?;
            stream.write_all(&photo[..length / 2])
        }
        "digest" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n{digest}Content-Length: {length}\r\n\r\nX"
            )?;
            stream.write_all(&photo[1..])
        }
        "long-header" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nLong: {}\r\n\r\n",
                "long ".repeat(10_000)
            )
        }
        "garbage" => stream.write_all(b"220 mail.example.com ready\r\n"),
        "nothing" => Ok(()),
        "silent" => {
            thread::sleep(PATIENCE);
            Ok(())
        }
        _ => not_found(stream),
    }
}
