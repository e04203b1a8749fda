//! What a thread that has not moved on is doing: computing, or waiting in a system call.

use std::thread;
use std::time::{Duration, Instant};

use super::capture::{Activity, Target};
use super::cause::Cause;

/// A thread that has had less of a processor than this share does not compute.
const IDLE_SHARE: f64 = 0.03;

/// One that has had more than this share computes, even if it is found in a system call: it makes many short ones.
const BUSY_SHARE: f64 = 0.5;

/// A thread that neither computes nor waits is looked at so often, with a pause in between.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_micros(300);

/// Some processor time, and when it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    at: Instant,
    cpu: Duration,
}

impl Sample {
    /// The thread's, now.
    pub(crate) fn of(target: &Target) -> Option<Sample> {
        let cpu = target.cpu_time()?;
        Some(Sample {
            at: Instant::now(),
            cpu,
        })
    }

    /// Which share of the time since `before` the thread has had a processor for.
    fn share_since(&self, before: &Sample) -> Option<f64> {
        let passed = self.at.saturating_duration_since(before.at);
        let used = self.cpu.saturating_sub(before.cpu);
        (!passed.is_zero()).then(|| used.as_secs_f64() / passed.as_secs_f64())
    }
}

/// Why the thread has not moved on since `before`.
pub(crate) fn diagnose(target: &Target, before: Option<Sample>) -> Cause {
    let mut cause = Cause::Unknown;
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(PAUSE);
        }
        let activity = target.activity();
        let share = before.and_then(|before| Sample::of(target)?.share_since(&before));
        cause = judge(activity, share);
        if cause != Cause::Unknown {
            break;
        }
    }
    cause
}

/// One look's verdict.
fn judge(activity: Activity, share: Option<f64>) -> Cause {
    match (activity, share) {
        (Activity::InSyscall { .. }, Some(share)) if share >= BUSY_SHARE => Cause::Cpu,
        (Activity::InSyscall { number, .. }, _) => Cause::syscall(number),
        (Activity::Running | Activity::Unknown, Some(share)) if share >= IDLE_SHARE => Cause::Cpu,
        (Activity::Running, None) => Cause::Cpu,
        (Activity::Running | Activity::Waiting { .. } | Activity::Unknown, _) => Cause::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, Cause, judge};

    #[test]
    fn the_share_of_the_processor_decides_between_computing_and_waiting() {
        let futex = Activity::InSyscall {
            number: 202,
            sp: 1,
            pc: 2,
        };
        assert_eq!(judge(Activity::Running, Some(0.9)), Cause::Cpu);
        assert_eq!(judge(Activity::Running, None), Cause::Cpu);
        assert_eq!(judge(Activity::Unknown, Some(0.9)), Cause::Cpu);
        assert_eq!(judge(futex, Some(0.0)), Cause::syscall(202));
        assert_eq!(judge(futex, None), Cause::syscall(202));
        // It writes a byte at a time, without a pause.
        assert_eq!(judge(futex, Some(0.8)), Cause::Cpu);
        // It was runnable, and nobody let it run.
        assert_eq!(judge(Activity::Running, Some(0.0)), Cause::Unknown);
        let fault = Activity::Waiting { sp: 1, pc: 2 };
        assert_eq!(judge(fault, Some(0.0)), Cause::Unknown);
    }
}
