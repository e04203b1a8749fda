//! Dumps when the process gets a signal, as Go's `SIGQUIT`, but the program goes on.
//!
//! `GREENHUB_DUMP_SIGNAL` names the signal. It is read when the first runtime is built; if it is set, a thread is started
//! that waits for bytes from a socket, and the signal's handler writes one there. That is all that the handler does: it may
//! have interrupted anything. It runs on the alternate stack, since a greenlet's own may have no room for it, and calls
//! are restarted after it where the system does that. Whoever handled the signal before is called as well.

use std::env;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::thread;

use super::dump::Dump;
use crate::primitive::atomic::{AtomicI32, Ordering};
use crate::primitive::sync::{Arc, Mutex, OnceLock, Weak};
use crate::scheduler::Shared;

/// The signal's name or number.
const SIGNAL: &str = "GREENHUB_DUMP_SIGNAL";

/// Where the handler writes; negative before it is installed.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Who handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// The runtimes to dump, if there is a signal to do it at.
static RUNTIMES: OnceLock<Option<Mutex<Vec<Weak<Shared>>>>> = OnceLock::new();

/// The names that are understood, with or without `SIG`.
const NAMES: &[(&str, libc::c_int)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("TRAP", libc::SIGTRAP),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("SYS", libc::SIGSYS),
];

/// Signals that nobody may handle, that mean a fault, or that the detector uses.
const REFUSED: &[libc::c_int] = &[
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGURG,
];

/// The highest number that a signal has anywhere.
const MOST: libc::c_int = 64;

/// A runtime has been built: it will be dumped at the signal, if the environment names one.
pub(super) fn include(shared: &Arc<Shared>) {
    let runtimes = RUNTIMES.get_or_init(|| match install_if_wanted() {
        Ok(wanted) => wanted.then(Mutex::default),
        Err(complaint) => {
            // A closed stderr must not turn a typing error into a panic.
            let _ = writeln!(
                io::stderr(),
                "greenhub: {complaint}; no signal makes a dump"
            );
            None
        }
    });
    if let Some(runtimes) = runtimes {
        let mut runtimes = runtimes.lock();
        runtimes.retain(|runtime| runtime.strong_count() > 0);
        runtimes.push(Arc::downgrade(shared));
    }
}

fn install_if_wanted() -> Result<bool, String> {
    let Some(value) = env::var_os(SIGNAL) else {
        return Ok(false);
    };
    let text = value.to_string_lossy();
    if text.is_empty() {
        return Ok(false);
    }
    let signal = parse(&text).ok_or_else(|| {
        format!("{SIGNAL} must be the name or number of a signal that can be handled, such as QUIT, not '{text}'")
    })?;
    install(signal)
        .map_err(|error| format!("{SIGNAL}={text}: could not prepare for the signal: {error}"))?;
    Ok(true)
}

fn parse(text: &str) -> Option<libc::c_int> {
    let text = text.trim().to_ascii_uppercase();
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    let by_name = NAMES.iter().find(|(known, _)| *known == name);
    let number = match by_name {
        Some((_, number)) => *number,
        None => text.parse().ok()?,
    };
    ((1..=MOST).contains(&number) && !REFUSED.contains(&number)).then_some(number)
}

fn install(signal: libc::c_int) -> io::Result<()> {
    let (mut rings, bell) = UnixStream::pair()?;
    // The handler must not wait for the thread: if so many rings are on their way, one more is not needed.
    bell.set_nonblocking(true)?;
    thread::Builder::new()
        .name("greenhub-dump".into())
        .spawn(move || {
            let mut bytes = [0; 64];
            // Several signals at once make one dump. A signal may also have interrupted the read.
            loop {
                match rings.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(_) => write_all(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        })?;
    BELL.store(bell.as_raw_fd(), Ordering::Release);
    // The handler stays as long as the process, and so does what it writes to.
    std::mem::forget(bell);
    // SAFETY: all zeroes are a `sigaction`; and asking for the one in force changes nothing.
    let before = unsafe {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        if libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        before.assume_init()
    };
    // Before the handler can run, which reads it.
    let _ = BEFORE.set(before);
    // SAFETY: all zeroes are a `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler has the signature that `SA_SIGINFO` asks for, and calls only what is safe in one.
    if unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = errno::get();
    let byte = [0_u8];
    // SAFETY: `write` is safe in a signal handler, and the descriptor is never closed. It fails if there is no room: then
    // the thread has been told already.
    unsafe { libc::write(BELL.load(Ordering::Acquire), byte.as_ptr().cast(), 1) };
    errno::set(errno);
    let Some(before) = BEFORE.get() else { return };
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {}
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with that flag it is a function of three arguments, installed for this very signal.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without it, of one.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

/// Dumps every runtime to stderr.
fn write_all() {
    let Some(Some(runtimes)) = RUNTIMES.get() else {
        return;
    };
    let runtimes: Vec<_> = runtimes.lock().iter().filter_map(Weak::upgrade).collect();
    for shared in runtimes {
        let text = format!("greenhub: dump of {}", Dump::of(&shared));
        // In one piece; and nothing can be done about a stderr that is closed.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// The handler must leave it as it was.
mod errno {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    use libc::__errno_location as location;
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    use libc::__error as location;

    pub(super) fn get() -> libc::c_int {
        // SAFETY: it always gives the calling thread's own.
        unsafe { *location() }
    }

    pub(super) fn set(errno: libc::c_int) {
        // SAFETY: as above.
        unsafe { *location() = errno };
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_signal_has_a_name_or_a_number() {
        for text in ["QUIT", "SIGQUIT", "quit", " SigQuit ", "3"] {
            assert_eq!(parse(text), Some(libc::SIGQUIT), "{text}");
        }
        assert_eq!(parse("USR2"), Some(libc::SIGUSR2));
        assert_eq!(parse("40"), Some(40));
    }

    #[test]
    fn what_cannot_be_handled_is_refused() {
        for text in [
            "", "KILL", "9", "SIGSTOP", "SEGV", "0", "-3", "65", "QUIT!", "SIG", "SIG3x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
