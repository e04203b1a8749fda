//! What a thread does: what the system tells of it without disturbing it.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use super::super::activity::Activity;

/// Asks the system about `thread` of this process.
pub(super) fn of_thread(thread: u32) -> Activity {
    let mut buffer = [0; 256];
    read_file(thread, "syscall", &mut buffer).map_or(Activity::Unknown, parse)
}

/// What `/proc/.../syscall` says: `running`; or the number, six arguments unless it is `-1`, stack pointer and next
/// instruction.
fn parse(line: &str) -> Activity {
    let mut words = line.split_ascii_whitespace();
    let first = words.next();
    if first == Some("running") {
        return Activity::Running;
    }
    let hexadecimal =
        |word: &str| u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok();
    let number: Option<i64> = first.and_then(|word| word.parse().ok());
    let pc = words.next_back().and_then(hexadecimal);
    let sp = words.next_back().and_then(hexadecimal);
    match (number, sp, pc) {
        (Some(-1), Some(sp), Some(pc)) => Activity::Waiting { sp, pc },
        (Some(number), Some(sp), Some(pc)) => Activity::InSyscall { number, sp, pc },
        _ => Activity::Unknown,
    }
}

/// How far a thread has come: its processor time, and how often it has given its processor up by waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) cpu_time: Option<Duration>,
    /// `None` where the system does not say.
    pub(super) waits: Option<u64>,
}

impl Progress {
    /// Since `before`, the thread has computed, and not waited for anything.
    pub(super) fn has_only_computed_since(&self, before: &Progress) -> bool {
        self.cpu_time > before.cpu_time && self.waits == before.waits
    }
}

/// Asks how far `thread`, whose processor time `clock` tells, has come.
pub(super) fn progress(thread: u32, clock: Option<libc::clockid_t>) -> Progress {
    let mut buffer = [0; 4096];
    let waits = read_file(thread, "status", &mut buffer).and_then(parse_waits);
    Progress {
        cpu_time: clock.and_then(cpu_time),
        waits,
    }
}

fn parse_waits(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// The clock that tells the calling thread's processor time to any thread.
pub(super) fn clock_of_this_thread() -> Option<libc::clockid_t> {
    let mut clock = 0;
    // SAFETY: the calling thread exists, and the place is there.
    let error = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
    (error == 0).then_some(clock)
}

/// What `clock` says; `None` if its thread has ended.
pub(super) fn cpu_time(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is there; a clock that is gone is an error.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return None;
    }
    Some(Duration::new(
        time.tv_sec.try_into().ok()?,
        time.tv_nsec.try_into().ok()?,
    ))
}

/// The beginning of what `/proc` says of `thread` in the file `name`.
fn read_file<'b>(thread: u32, name: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
    let mut file = File::open(format!("/proc/self/task/{thread}/{name}")).ok()?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    std::str::from_utf8(&buffer[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        assert_eq!(parse("running\n"), Activity::Running);
        let sleeping = "230 0x0 0x0 0x7ffd3c8 0x7ffd3c8 0x0 0x1 0x7ffd378 0x7f4e3c1b\n";
        let expected = Activity::InSyscall {
            number: 230,
            sp: 0x7ff_d378,
            pc: 0x7f4e_3c1b,
        };
        assert_eq!(parse(sleeping), expected);
        let expected = Activity::Waiting {
            sp: 0x7ff_d378,
            pc: 0x7f4e_3c1b,
        };
        assert_eq!(parse("-1 0x7ffd378 0x7f4e3c1b\n"), expected);
        for nonsense in ["", "-1", "x y z", "3 0xg 0x1"] {
            assert_eq!(parse(nonsense), Activity::Unknown, "{nonsense:?}");
        }
    }

    #[test]
    fn a_thread_that_computes_is_told_from_one_that_waits() {
        // SAFETY: gettid has no preconditions.
        let me = unsafe { libc::gettid() } as u32;
        let clock = clock_of_this_thread();
        let begin = progress(me, clock);
        assert!(
            begin.cpu_time.is_some() && begin.waits.is_some(),
            "{begin:?}"
        );
        while cpu_time(clock.unwrap()) <= begin.cpu_time {}
        std::thread::sleep(Duration::from_millis(1));
        let now = progress(me, clock);
        assert!(!now.has_only_computed_since(&begin), "{begin:?} {now:?}");
        let computed = Progress {
            waits: begin.waits,
            ..now
        };
        assert!(computed.has_only_computed_since(&begin));
        assert!(!begin.has_only_computed_since(&begin));
        let asking = of_thread(me);
        assert!(
            matches!(
                asking,
                Activity::InSyscall {
                    number: libc::SYS_read,
                    ..
                }
            ),
            "{asking:?}"
        );
    }
}
