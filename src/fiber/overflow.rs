//! Says whose stack has overflowed.
//!
//! A stack that runs over touches its guard, and the thread gets a `SIGSEGV` (a `SIGBUS` on some systems). The
//! handler here runs on the thread's [`AltStack`], asks what the thread is running, and if the address that
//! faulted lies in that stack's guard, it names the greenlet and aborts, as std does for threads. There is no
//! recovery: it would have to skip destructors and leave locks held.
//!
//! Every other fault is none of its business and goes to whoever handled the signal before: std's handler, which
//! does the same for threads' stacks, or the user's.
//!
//! Everything below `on_fault` is async-signal-safe: it allocates nothing, takes no lock, and writes with `write`.

use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr;

use crate::primitive::sync::OnceLock;

use super::stack::{KIB, StackBounds};

pub(crate) use super::alt_stack::AltStack;

/// What a thread runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// Where its stack lies.
    pub(crate) bounds: StackBounds,
    /// The greenlet's name, if it has one. Static to us, as the process ends before the greenlet does.
    pub(crate) name: Option<&'static str>,
    /// Where it was spawned.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its number, which stands for a name if it has none.
    pub(crate) id: u64,
}

/// The signals that a touched guard raises.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// What a handler needs to know: set before the handlers are installed, and never changed.
struct Installed {
    /// Tells what the calling thread runs.
    running: fn() -> Option<Running>,
    /// Who handled each of [`SIGNALS`] before.
    previous: [libc::sigaction; SIGNALS.len()],
}

/// Set once a process. To read it is a plain load.
static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Installs the handlers, once a process: later calls do nothing.
///
/// `running` tells what the calling thread runs, if anything. It is asked from within the signal handler, on whatever
/// thread has faulted, so it must be async-signal-safe, and know what to say on threads that are not hubs.
pub(crate) fn install(running: fn() -> Option<Running>) {
    static HANDLERS: OnceLock<()> = OnceLock::new();
    HANDLERS.get_or_init(|| {
        INSTALLED.get_or_init(|| Installed {
            running,
            previous: SIGNALS.map(action_of),
        });
        SIGNALS.into_iter().for_each(install_handler);
    });
}

/// What is done about `signal` now.
fn action_of(signal: libc::c_int) -> libc::sigaction {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: this only asks. Should it fail, then all zeroes say the default, which is as good an answer.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    }
}

/// Makes `on_fault` the handler of `signal`.
fn install_handler(signal: libc::c_int) {
    let handler: Handler = on_fault;
    // SAFETY: zero is a valid value for each of its fields.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the mask is ours to fill, and the handler does nothing that a handler may not.
    unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut());
    }
}

/// A handler that is told about the fault.
type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// A handler that is told the signal only.
type PlainHandler = unsafe extern "C" fn(libc::c_int);

/// Names the greenlet if it was its guard that was touched; otherwise passes the fault on.
///
/// # Safety
///
/// For the system to call.
unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(installed) = INSTALLED.get() else {
        return;
    };
    // SAFETY: the system hands over a valid `info`, and both signals carry an address.
    let address = unsafe { (*info).si_addr() } as usize;
    match (installed.running)() {
        Some(running) if running.bounds.is_guard(address) => {
            report(&running);
            // SAFETY: abort has no preconditions, and may be called by a handler.
            unsafe { libc::abort() }
        }
        _ => {
            let index = usize::from(signal != SIGNALS[0]);
            // SAFETY: what the system has handed to us, handed on.
            unsafe { pass_on(&installed.previous[index], signal, info, context) }
        }
    }
}

/// Does what `previous` says about a fault.
///
/// # Safety
///
/// `previous` must be what `signal` had before, and the others what the system told the handler.
unsafe fn pass_on(
    previous: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: passed on.
        unsafe { fall_back_to_default(signal, info) };
    } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the flag says that the handler is of this type, and it is given what the system would give it.
        unsafe {
            std::mem::transmute::<libc::sighandler_t, Handler>(handler)(signal, info, context)
        };
    } else {
        // SAFETY: without the flag it is of this type.
        unsafe { std::mem::transmute::<libc::sighandler_t, PlainHandler>(handler)(signal) };
    }
}

/// Lets the signal have its default effect, which is to end the process: as soon as the handler returns, the
/// instruction faults again. A signal that somebody has sent would not come again by itself, so it is raised.
///
/// A fault cannot be ignored, whatever was asked for: the instruction would fault for ever.
///
/// # Safety
///
/// `info` must be what the system told the handler.
unsafe fn fall_back_to_default(signal: libc::c_int, info: *const libc::siginfo_t) {
    // SAFETY: zero is a valid value for each field, and says the default.
    let action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the default is a valid action; raise may be called by a handler, and `info` is valid.
    unsafe {
        libc::sigaction(signal, &action, ptr::null_mut());
        if (*info).si_code <= 0 {
            libc::raise(signal);
        }
    }
}

/// Writes whose stack has overflowed, and what to do about it.
#[cold]
#[inline(never)]
fn report(running: &Running) {
    let mut text = Text::new();
    text.push("\ngreenlet ");
    match running.name {
        Some(name) => text.push("'").push(name).push("'"),
        None => text.push("#").push_number(running.id),
    };
    text.push(" (spawned at ").push(running.spawned_at.file());
    text.push(":").push_number(running.spawned_at.line().into());
    text.push(") has overflowed its stack of ")
        .push_number((running.bounds.size / KIB) as u64);
    text.push(" KiB\nhint: if it does not recurse for ever, give it a larger one with `Builder::stack_size`\n");
    text.write_to_stderr();
}

/// A text of limited length, put together without allocating.
struct Text {
    bytes: [u8; 1024],
    length: usize,
}

impl Text {
    /// An empty one.
    fn new() -> Text {
        Text {
            bytes: [0; 1024],
            length: 0,
        }
    }

    /// Appends as much of `part` as there is room for; a single part gets a third of the room at most, so that one
    /// long name or path does not push out the rest.
    fn push(&mut self, part: &str) -> &mut Text {
        let free = &mut self.bytes[self.length..];
        let length = part.len().min(free.len()).min(340);
        free[..length].copy_from_slice(&part.as_bytes()[..length]);
        self.length += length;
        self
    }

    /// Appends `number` in decimal.
    fn push_number(&mut self, mut number: u64) -> &mut Text {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(std::str::from_utf8(&digits[first..]).unwrap_or_default())
    }

    /// Writes it, in one piece unless the system takes less.
    fn write_to_stderr(&self) {
        let mut rest = &self.bytes[..self.length];
        while !rest.is_empty() {
            // SAFETY: the bytes are there, and write may be called by a handler.
            let written =
                unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(written) {
                Ok(written) => rest = &rest[written..],
                Err(_)
                    if std::io::Error::last_os_error().kind()
                        == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::StackCache;
    use super::super::child;
    use super::super::coroutine::{Fiber, Suspender};
    use super::super::guard::Guards;
    use super::super::pool::StackPool;
    use super::super::stack::StackSize;
    use super::*;
    use crate::primitive::sync::{Arc, Mutex};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Output;

    /// What the test's thread runs. A lock is no good in a handler, but nobody else takes it here.
    static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

    fn running() -> Option<Running> {
        *RUNNING.lock()
    }

    fn deeper(depth: u64) -> u64 {
        let mut frame = [0_u8; 300];
        std::hint::black_box(&mut frame);
        if std::hint::black_box(depth) == u64::MAX {
            return depth;
        }
        deeper(depth + 1) + u64::from(frame[0])
    }

    unsafe fn recurse(_: *const (), _: &Suspender) {
        deeper(0);
    }

    unsafe fn fault(_: *const (), _: &Suspender) {
        // SAFETY: it faults, which is what the test is about.
        unsafe { std::hint::black_box(64 as *mut u8).write_volatile(1) };
    }

    /// Runs `entry` on a fiber that is known as `name`, and comes back if it does.
    fn run(guards: Guards, name: Option<&'static str>, entry: unsafe fn(*const (), &Suspender)) {
        let _alt_stack = AltStack::install().unwrap();
        install(running);
        install(|| None);
        let mut cache = StackCache::new(Arc::new(StackPool::new(StackSize::DEFAULT, guards)));
        let stack = cache.take(StackSize::DEFAULT).unwrap();
        // SAFETY: the entries use neither their argument nor anything else.
        let mut fiber = unsafe { Fiber::new(stack, entry, ptr::null()) };
        *RUNNING.lock() = Some(Running {
            bounds: fiber.bounds(),
            name,
            spawned_at: Location::caller(),
            id: 17,
        });
        // SAFETY: as above.
        unsafe { fiber.resume() };
        cache.put(fiber.into_stack());
    }

    fn assert_names(output: &Output, name: &str) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
        let first = text
            .lines()
            .find(|line| line.starts_with("greenlet "))
            .unwrap_or_default();
        assert!(
            first.starts_with(&format!("greenlet {name} (spawned at ")),
            "{text}"
        );
        assert!(
            first.contains("overflow.rs:")
                && first.ends_with(") has overflowed its stack of 256 KiB"),
            "{text}"
        );
        assert!(
            text.contains("\nhint: ") && text.contains("`Builder::stack_size`"),
            "{text}"
        );
    }

    #[test]
    fn an_overflow_names_the_greenlet() {
        let test = "fiber::overflow::tests::an_overflow_names_the_greenlet";
        assert_names(
            &child::run(test, || run(Guards::Probe, Some("deep"), recurse)),
            "'deep'",
        );
    }

    #[test]
    fn an_overflow_onto_a_protected_guard_names_the_greenlet() {
        let test = "fiber::overflow::tests::an_overflow_onto_a_protected_guard_names_the_greenlet";
        assert_names(
            &child::run(test, || run(Guards::Protection, None, recurse)),
            "#17",
        );
    }

    #[test]
    fn other_faults_end_the_process_as_ever() {
        let test = "fiber::overflow::tests::other_faults_end_the_process_as_ever";
        let output = child::run(test, || run(Guards::Probe, None, fault));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
    }

    #[test]
    fn a_thread_that_overflows_is_left_to_std() {
        let test = "fiber::overflow::tests::a_thread_that_overflows_is_left_to_std";
        let output = child::run(test, || {
            install(running);
            let thread = std::thread::Builder::new().name("victim".into());
            let _ = thread.spawn(|| deeper(0)).unwrap().join();
        });
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            text.contains("'victim'") && text.contains("has overflowed its stack"),
            "{text}"
        );
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    }

    extern "C" fn told_all(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        // SAFETY: the system's, or what is meant to look like it; and exiting is what the test is about.
        unsafe {
            let valid =
                signal == libc::SIGSEGV && (*info).si_addr() as usize == 64 && !context.is_null();
            libc::_exit(if valid { 42 } else { 1 });
        }
    }

    extern "C" fn told_the_signal(signal: libc::c_int) {
        // SAFETY: exiting is what the test is about.
        unsafe { libc::_exit(if signal == libc::SIGSEGV { 43 } else { 1 }) };
    }

    /// Handles `SIGSEGV` as a user's program might have before.
    fn handle(handler: libc::sighandler_t, flags: libc::c_int) {
        // SAFETY: zero is a valid value for each field, and the tests' handlers are valid ones.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            assert_eq!(libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()), 0);
        }
    }

    #[test]
    fn other_faults_reach_the_former_handler() {
        let output = child::run(
            "fiber::overflow::tests::other_faults_reach_the_former_handler",
            || {
                handle(
                    told_all as *const () as libc::sighandler_t,
                    libc::SA_SIGINFO | libc::SA_ONSTACK,
                );
                run(Guards::Probe, None, fault);
            },
        );
        assert_eq!(output.status.code(), Some(42), "{output:?}");
    }

    #[test]
    fn other_faults_reach_a_former_plain_handler() {
        let output = child::run(
            "fiber::overflow::tests::other_faults_reach_a_former_plain_handler",
            || {
                handle(
                    told_the_signal as *const () as libc::sighandler_t,
                    libc::SA_ONSTACK,
                );
                run(Guards::Probe, None, fault);
            },
        );
        assert_eq!(output.status.code(), Some(43), "{output:?}");
    }

    #[test]
    fn a_fault_is_not_ignored() {
        let output = child::run("fiber::overflow::tests::a_fault_is_not_ignored", || {
            handle(libc::SIG_IGN, 0);
            run(Guards::Probe, None, fault);
        });
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
    }

    #[test]
    fn a_signal_that_was_sent_has_its_default_effect() {
        let output = child::run(
            "fiber::overflow::tests::a_signal_that_was_sent_has_its_default_effect",
            || {
                handle(libc::SIG_DFL, 0);
                install(running);
                // SAFETY: raise has no preconditions.
                unsafe { libc::raise(libc::SIGSEGV) };
            },
        );
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
    }

    #[test]
    fn long_parts_leave_room_for_the_others() {
        let mut text = Text::new();
        text.push(&"x".repeat(2000))
            .push(&"y".repeat(2000))
            .push(" end ")
            .push_number(u64::MAX);
        let text = std::str::from_utf8(&text.bytes[..text.length]).unwrap();
        assert!(text.ends_with("y end 18446744073709551615"));
    }
}
