//! The signal that asks a running thread for a copy of its stack.
//!
//! It is `SIGURG`, which hardly any program uses and which does nothing by default. The handler runs on the thread's
//! alternate stack (`fiber::overflow::AltStack`). Everything below `on_signal` is async-signal-safe: no allocation, no
//! lock, no thread-local that would be initialised, and `errno` is as it was.
//!
//! # No call is interrupted
//!
//! A signal that is sent to a thread ends the call that it waits in, and some calls return `EINTR` then, whatever the handler
//! asks for (`poll`, `epoll_wait`, `nanosleep`, a socket with a time limit). So none is sent: a timer is set on the
//! thread's *processor time* ([`Alarm`]). Such a timer is looked at by the clock's tick, and only that of the thread that it
//! interrupts, so a thread that waits gets no signal. And on current Linux (`CONFIG_POSIX_CPU_TIMERS_TASK_WORK`, x86-64 since
//! 5.10) the tick leaves the rest to the thread itself, on its way back to the program's code: if it has interrupted the system's code on the way into a wait, the
//! wait is as long as it would have been, and the signal comes after it. It takes a tick, which is some milliseconds.
//!
//! # Whose signal it is
//!
//! A signal of ours is known by its code (`SI_TIMER`) and its value, which is the address of a slot. Any other one goes on to
//! whoever handled `SIGURG` before. A handler that a program installs *later* takes ours away; then no timer is set any
//! more ([`is_ours_installed`]), because its author expects no signals but its own: reports of computing greenlets have no
//! stack from then on.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use super::registers;
use super::slot::{self, Copied, PIECE, Question, Slot};
use crate::context;
use crate::primitive::atomic::Ordering;
use crate::primitive::sync::OnceLock;

const SIGNAL: libc::c_int = libc::SIGURG;

/// A handler that is told about the signal.
type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// A handler that is told the signal only.
type PlainHandler = unsafe extern "C" fn(libc::c_int);

/// Who handled the signal before: set before the handler is installed, and never changed. To read it is a plain load.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once a process: later calls do nothing.
pub(super) fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let previous = PREVIOUS.get_or_init(current);
        // SAFETY: zero is a valid value for each of its fields.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler();
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // A handler that is passed on to finds blocked what it wanted blocked.
        action.sa_mask = previous.sa_mask;
        // SAFETY: the handler does nothing that a handler may not.
        unsafe { libc::sigaction(SIGNAL, &action, ptr::null_mut()) };
    });
}

/// Nobody has put another handler in the place of ours.
fn is_ours_installed() -> bool {
    current().sa_sigaction == handler()
}

fn handler() -> libc::sighandler_t {
    let handler: Handler = on_signal;
    handler as *const () as libc::sighandler_t
}

/// What is done about the signal now.
fn current() -> libc::sigaction {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: this only asks. Should it fail, then all zeroes say the default, which is as good an answer.
    unsafe {
        libc::sigaction(SIGNAL, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    }
}

/// A timer on a thread's processor time that has it look into its mailbox. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Alarm(libc::timer_t);

impl Alarm {
    /// For the slot's thread, whose processor time `clock` tells, as soon as it has computed a little more.
    ///
    /// # Errors
    ///
    /// The system's, such as that the thread has ended; or that the handler is not installed any more.
    pub(super) fn set(slot: &'static Slot, clock: libc::clockid_t) -> io::Result<Alarm> {
        if !is_ours_installed() {
            return Err(io::Error::other("another handler of SIGURG was installed"));
        }
        // SAFETY: zero is a valid value for each of its fields.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_notify_thread_id = slot.thread.load(Ordering::Relaxed) as libc::pid_t;
        event.sigev_signo = SIGNAL;
        event.sigev_value.sival_ptr = ptr::from_ref(slot).cast_mut().cast();
        let mut timer = MaybeUninit::uninit();
        // SAFETY: the system copies the event, and there is a place for the timer. Our handler takes the signal.
        if unsafe { libc::timer_create(clock, &mut event, timer.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was filled in.
        let alarm = Alarm(unsafe { timer.assume_init() });
        // SAFETY: zero is a valid value for each of its fields.
        let mut time: libc::itimerspec = unsafe { MaybeUninit::zeroed().assume_init() };
        time.it_value.tv_nsec = 1;
        // SAFETY: the timer is there, and so is the time.
        if unsafe { libc::timer_settime(alarm.0, 0, &time, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(alarm)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is there, and not used again. A signal that is under way finds its slot.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// # Safety
///
/// For the system to call.
unsafe extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the address of this thread's `errno`.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: what the system has told us.
    match unsafe { slot_meant(info) } {
        // SAFETY: as above.
        Some(slot) => slot
            .mailbox
            .answer(|question, copied| unsafe { copy(slot, question, context, copied) }),
        // SAFETY: as above.
        None => unsafe { pass_on(signal, info, context) },
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// The slot that a signal of ours is about; `None` for any other signal.
///
/// # Safety
///
/// `info` must be what the system told the handler.
unsafe fn slot_meant(info: *const libc::siginfo_t) -> Option<&'static Slot> {
    // SAFETY: the caller says so. A timer's signal has a value.
    let value = unsafe {
        let info = &*info;
        if info.si_code != libc::SI_TIMER {
            return None;
        }
        info.si_value().sival_ptr
    };
    // The value is anybody's: it is compared, not followed.
    slot::find(value.cast())
}

/// Copies the registers and the innermost piece of the stack, if this is the thread, and the slice, that is meant.
///
/// The slice is looked at once: it is this very thread that would go on to the next.
///
/// # Safety
///
/// `context` must be what the system told the handler, and the question must stand.
unsafe fn copy(slot: &Slot, question: Question, context: *const libc::c_void, copied: &mut Copied) {
    copied.length = 0;
    // A slot may have changed hands while the signal was under way. SAFETY: gettid has no preconditions.
    let is_meant = slot.thread.load(Ordering::Relaxed) == unsafe { libc::gettid() } as u32
        // SAFETY: whoever asks keeps the word.
        && unsafe { &*question.word }.load(Ordering::Relaxed) == question.expected;
    let Some(bounds) = is_meant.then(context::running_bounds).flatten() else {
        return;
    };
    // SAFETY: the caller says so.
    copied.registers = unsafe { registers::of(context) };
    let sp = copied.registers.sp as usize;
    // On another stack: the hub's, between two slices, or one that the greenlet's code has switched to.
    if !bounds.contains(sp) {
        return;
    }
    let length = (bounds.base - sp).min(PIECE);
    let to: *mut u8 = copied.bytes.as_mut_ptr().cast();
    // SAFETY: from the stack pointer to the base all is mapped, and this thread's; the buffer is as long as a piece.
    unsafe { ptr::copy_nonoverlapping(sp as *const u8, to, length) };
    // Some of a stack was never written to as far as the compiler knows. Nor does it know what this does.
    // SAFETY: the block is empty.
    unsafe { std::arch::asm!("/* {0} */", in(reg) to, options(nostack, preserves_flags)) };
    copied.is_cut = sp + length < bounds.base;
    copied.length = length;
}

/// Does what was done about the signal before.
///
/// # Safety
///
/// The arguments must be what the system told the handler.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The default is to do nothing.
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
