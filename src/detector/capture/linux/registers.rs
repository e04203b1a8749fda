//! The registers of an interrupted thread, as the system gives them to a signal handler.

use super::snapshot::Registers;

/// Reads them.
///
/// # Safety
///
/// `context` must be what the system passed to a signal handler.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn of(context: *const libc::c_void) -> Registers {
    // SAFETY: that is its type, says the caller.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    Registers {
        pc: registers[libc::REG_RIP as usize] as u64,
        sp: registers[libc::REG_RSP as usize] as u64,
        fp: Some(registers[libc::REG_RBP as usize] as u64),
        lr: None,
    }
}

/// Reads them.
///
/// # Safety
///
/// `context` must be what the system passed to a signal handler.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn of(context: *const libc::c_void) -> Registers {
    // SAFETY: that is its type, says the caller.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    Registers {
        pc: machine.pc,
        sp: machine.sp,
        fp: Some(machine.regs[29]),
        lr: Some(machine.regs[30]),
    }
}
