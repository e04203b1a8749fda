//! The servers, each written as its library's own examples write it.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// What a server reads into.
const BUFFER: usize = 4096;

/// The child's life: serves, and tells its CPU time, until its input ends.
pub(crate) fn serve(peer: &str, workers: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let _runtime: Box<dyn std::any::Any> = match peer {
        "greenhub" => Box::new(greenhub(listener, workers)),
        "tokio" => Box::new(tokio(listener, workers)),
        // Its scheduler belongs to the process.
        "may" => {
            may(listener, workers);
            Box::new(())
        }
        _ => {
            eprintln!("net-echo: no peer is called {peer:?}");
            std::process::exit(2);
        }
    };
    println!("{port}");
    for _request in io::stdin().lines() {
        println!("{}", cpu_time().as_nanos());
    }
    // The servers do not end by themselves.
    std::process::exit(0);
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the clock exists");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn greenhub(listener: TcpListener, hubs: usize) -> greenhub::runtime::Runtime {
    use greenhub::net::TcpStream;
    use greenhub::net::server::Server;

    let runtime = greenhub::runtime::Runtime::builder().hubs(hubs).build();
    let runtime = runtime.expect("greenhub starts");
    let listener = greenhub::net::TcpListener::try_from(listener).expect("it listens");
    let server = Server::new(listener);
    runtime.spawn(move || {
        server.serve(|mut stream: TcpStream, _| {
            let _ = stream.set_nodelay(true);
            let mut buffer = [0; BUFFER];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
        })
    });
    runtime
}

fn tokio(listener: TcpListener, workers: usize) -> tokio::runtime::Runtime {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    let runtime = runtime.expect("tokio starts");
    listener.set_nonblocking(true).expect("tokio wants that");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("it listens");
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let mut buffer = [0; BUFFER];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    runtime
}

fn may(listener: TcpListener, workers: usize) {
    use std::os::fd::{FromRawFd, IntoRawFd};

    may::config().set_workers(workers);
    // SAFETY: the descriptor is a listening socket's, and given away.
    let listener = unsafe { may::net::TcpListener::from_raw_fd(listener.into_raw_fd()) };
    // SAFETY: neither uses a thread-local, and both fit into may's stacks.
    unsafe {
        may::coroutine::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                may::coroutine::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let mut buffer = [0; BUFFER];
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..n]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }
}
