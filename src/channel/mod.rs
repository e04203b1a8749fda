//! Channels between greenlets and OS threads, with crossbeam-channel's interface.
