//! The traits that every socket has, each in the same words.

/// std's traits of descriptors, and the conversions from and to std's type, for a type with a field `socket` and a function
/// `from_socket`.
macro_rules! descriptor_traits {
    ($Ours:ident, $Std:ty) => {
        impl std::fmt::Debug for $Ours {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.socket, f)
            }
        }

        impl std::os::fd::AsFd for $Ours {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket.lend().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $Ours {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket.lend().as_raw_fd()
            }
        }

        impl std::os::fd::IntoRawFd for $Ours {
            /// As the conversion to `OwnedFd`.
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                std::os::fd::OwnedFd::from(self).into_raw_fd()
            }
        }

        impl std::os::fd::FromRawFd for $Ours {
            /// As the conversion from `OwnedFd`.
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $Ours {
                // SAFETY: the caller gives a descriptor that is open and theirs.
                unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }.into()
            }
        }

        impl From<std::os::fd::OwnedFd> for $Ours {
            /// Takes any descriptor, as std does, with its timeouts; calls wait, whatever mode it is in. On Linux the mode
            /// stays as it is, for whoever has a duplicate, but a listener is non-blocking underneath while it is one of
            /// these. What is not a socket of this type fails at its first use.
            fn from(fd: std::os::fd::OwnedFd) -> $Ours {
                $Ours::from_socket($crate::net::socket::Socket::adopt_any(fd))
            }
        }

        impl From<$Ours> for std::os::fd::OwnedFd {
            /// Gives the descriptor back in the mode that `set_nonblocking` said, else in the one in which it came, else in
            /// blocking mode. (A listener's stays non-blocking while clones are left, and is in that mode after.)
            fn from(ours: $Ours) -> std::os::fd::OwnedFd {
                // As in the other direction, a failure shows at the next use.
                let (socket, _) = ours.socket.release();
                socket.into()
            }
        }

        impl TryFrom<$Std> for $Ours {
            type Error = std::io::Error;

            /// Keeps the timeouts. Calls wait, whatever mode the socket is in. On Linux the mode stays as it is, so that
            /// clones of std's go on as before; but a listener is non-blocking underneath while it is one of these, and
            /// its std clones fail with `WouldBlock` instead of waiting.
            fn try_from(socket: $Std) -> std::io::Result<$Ours> {
                $crate::net::socket::Socket::adopt(socket).map($Ours::from_socket)
            }
        }

        impl TryFrom<$Ours> for $Std {
            type Error = std::io::Error;

            /// Keeps the timeouts. Gives the socket back in the mode that `set_nonblocking` said, else in the one in which
            /// it came, else in blocking mode. (A listener stays non-blocking while clones are left, and is in that mode
            /// after.)
            fn try_from(ours: $Ours) -> std::io::Result<$Std> {
                let (socket, result) = ours.socket.release();
                result.map(|()| socket)
            }
        }
    };
}

/// The methods that every socket has, for a type as above.
macro_rules! socket_methods {
    ($Ours:ident) => {
        impl $Ours {
            /// Another handle to the same socket. It shares everything with this one: the timeouts, non-blocking mode, and
            /// what arrives.
            ///
            /// # Errors
            ///
            /// The system's, as when there is no descriptor left.
            pub fn try_clone(&self) -> std::io::Result<$Ours> {
                self.socket.try_clone().map($Ours::from_socket)
            }

            /// The socket's pending error, which this clears.
            ///
            /// # Errors
            ///
            /// The system's, when it does not tell.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.socket.take_error()
            }

            /// With `true`, calls that would wait fail with `WouldBlock` instead, on every clone too.
            ///
            /// # Errors
            ///
            /// None; std's signature.
            pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
                self.socket.modes().set_nonblocking(nonblocking);
                Ok(())
            }
        }
    };
}

/// The methods of every socket that reads and writes, for a type as above.
macro_rules! timeout_methods {
    ($Ours:ident) => {
        impl $Ours {
            /// How long a read may wait before it fails with `WouldBlock`, as std's does on Unix; `None` for ever. Holds for
            /// every clone, from the next read on.
            ///
            /// # Errors
            ///
            /// `InvalidInput` for a timeout of zero.
            pub fn set_read_timeout(
                &self,
                timeout: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.socket.set_read_timeout(timeout)
            }

            /// How long a write may wait before it fails with `WouldBlock`, as std's does on Unix; `None` for ever. Holds for
            /// every clone, from the next write on.
            ///
            /// # Errors
            ///
            /// `InvalidInput` for a timeout of zero.
            pub fn set_write_timeout(
                &self,
                timeout: Option<std::time::Duration>,
            ) -> std::io::Result<()> {
                self.socket.set_write_timeout(timeout)
            }

            /// How long a read may wait.
            ///
            /// # Errors
            ///
            /// None; std's signature.
            pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.socket.modes().read_timeout())
            }

            /// How long a write may wait.
            ///
            /// # Errors
            ///
            /// None; std's signature.
            pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
                Ok(self.socket.modes().write_timeout())
            }
        }
    };
}

/// `Read` and `Write` for a stream with a field `socket`, owned and shared.
macro_rules! stream_traits {
    ($Stream:ident) => {
        impl std::io::Read for &$Stream {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.socket.receive(buffer)
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                self.socket.receive_vectored(buffers)
            }
        }

        impl std::io::Write for &$Stream {
            #[track_caller]
            fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
                self.socket.send(buffer)
            }

            #[track_caller]
            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                self.socket.send_vectored(buffers)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        impl std::io::Read for $Stream {
            #[track_caller]
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.socket.receive(buffer)
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                self.socket.receive_vectored(buffers)
            }
        }

        impl std::io::Write for $Stream {
            #[track_caller]
            fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
                self.socket.send(buffer)
            }

            #[track_caller]
            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                self.socket.send_vectored(buffers)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(super) use {descriptor_traits, socket_methods, stream_traits, timeout_methods};
