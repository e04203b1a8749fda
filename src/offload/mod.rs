//! Calls that block, on OS threads of their own: [`offload()`].
//!
//! | file | what |
//! | --- | --- |
//! | `call` | the public function: what becomes of a panic, of a kill, of a call within a call |
//! | `outcome` | where what a call returns meets whoever waits for it. Modelled with loom |
//! | `pool` | the threads: how many, and for how long |
//!
//! The pool is our own, 100 lines over a mutex and a condition variable. The crate that was to be it, `blocking`, failed on three
//! counts. As of 1.7.0 its threads never end, and each wakes up twice a second for ever (1.6.2 was right). Where no thread
//! can be started, a call waits for ever, and nobody is told; and after such a failure its limit stays where it was at that
//! moment. And it cannot say that it is full, so calls within calls may wait for each other. It would also bring eight crates of async
//! machinery, for a handover that the wait queue does already.

mod call;
mod outcome;
mod pool;

pub use call::offload;
pub(crate) use call::{detach, try_offload};
