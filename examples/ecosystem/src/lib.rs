//! What the examples of this crate have in common: a small HTTP/1.1 server and client written as if for threads, the
//! service that they talk about, and the handling of options, signals, limits and child processes.
//!
//! | example | shows |
//! | --- | --- |
//! | `http` | an HTTP/1.1 server in plain sequential code, on `httparse` |
//! | `hyper` | the same with `hyper` 1.x, over its runtime traits |
//! | `loadgen` | a small Locust: thousands of virtual users against that server |
//! | `tls` | `rustls` over greenhub's `TcpStream` |
//! | `websocket` | `tungstenite` over greenhub's `TcpStream`: a chat room |
//!
//! Each is run by `cargo run --release -p greenhub-ecosystem --bin NAME`.

pub mod child;
pub mod files;
pub mod http;
pub mod latencies;
pub mod listening;
pub mod noise;
pub mod options;
pub mod service;
pub mod signals;
