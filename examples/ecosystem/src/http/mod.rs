//! HTTP/1.1 in plain sequential code: a greenlet a connection, which reads a request, answers it, and reads the next.
//!
//! `server.rs` and `client.rs` know of sockets; the rest works on anything that reads and writes, so that it serves HTTPS as
//! well. Only the syntax of heads is left to `httparse`.
//!
//! | file | what it does |
//! | --- | --- |
//! | `buffer.rs` | bytes that have come and are not used yet |
//! | `head.rs` | a request's head, and what it says about the body |
//! | `chunks.rs` | the chunked transfer coding, decoded |
//! | `body.rs` | a body, whatever its coding |
//! | `status.rs` | status codes; the refusal of a request |
//! | `attendance.rs` | whether a connection shall go on |
//! | `exchange.rs` | a request and its answer, as handlers see them |
//! | `connection.rs` | the requests of one connection, one after another |
//! | `server.rs` | connections, on `greenhub::net::server` |
//! | `client.rs` | a client that keeps its connection |

mod attendance;
mod body;
mod buffer;
mod chunks;
mod client;
mod connection;
mod exchange;
mod head;
mod server;
mod status;

pub use attendance::Attendance;
pub use client::{Answer, Client, Payload};
pub use connection::{Ending, Limits, serve};
pub use exchange::Exchange;
pub use head::{Framing, Head, Method};
pub use server::{Server, Summary};
pub use status::{Failure, Refusal};
