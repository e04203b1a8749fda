//! A peer in a process of its own, and the conversation with it.
//!
//! The parent writes a line `ITERATIONS SPIN` for each sample that it wants and reads a line with the nanoseconds that
//! it took. Between two samples the child's main thread waits for its standard input, and its workers ought to be
//! idle; [`Contestant::cpu_time`] tells. The end of its input ends the child.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::panic;
use std::process::{self, Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::peer::Peer;
use crate::scenario::{Sample, Scenario};

/// How long a sample may take before the child counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who a child is to be, and for what.
pub(crate) struct Order {
    pub(crate) peer: &'static Peer,
    pub(crate) workers: usize,
    pub(crate) scenario: &'static Scenario,
}

impl Order {
    /// The command-line word that an order follows. Not in the help: only this program says it.
    pub(crate) const COMMAND: &'static str = "--serve";
}

/// The child's life: starts the runtime, takes the samples that it is asked for, drops the runtime.
pub(crate) fn serve(order: &Order) -> ExitCode {
    // A failure anywhere is one line and the end, however many tasks would follow it with theirs.
    panic::set_hook(Box::new(|panic| {
        eprintln!("\n{panic}");
        process::exit(101);
    }));
    let running = (order.peer.start)(order.workers);
    for line in io::stdin().lines() {
        let line = line.expect("the parent writes text");
        let (iterations, spin) = line.split_once(' ').expect("two numbers a line");
        let elapsed = running.take(Sample {
            body: order.scenario.body,
            iterations: iterations.parse().expect("a number of iterations"),
            spin: spin.parse().expect("a number of steps"),
        });
        println!("{}", elapsed.as_nanos());
    }
    ExitCode::SUCCESS
}

/// The parent's end of a child.
pub(crate) struct Contestant {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Contestant {
    pub(crate) fn start(order: &Order) -> io::Result<Contestant> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([Order::COMMAND, order.peer.name])
            .arg(order.workers.to_string())
            .arg(order.scenario.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (sender, answers) = mpsc::channel();
        // The standard library cannot read with a time limit; this thread ends with the child's output.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Contestant {
            child,
            requests,
            answers,
        })
    }

    /// Has the child take a sample. The error says how it failed.
    pub(crate) fn take(&mut self, iterations: u64, spin: u64) -> Result<Duration, String> {
        // A child that is gone is told by its missing answer.
        let _ = writeln!(self.requests, "{iterations} {spin}");
        match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => match answer.parse() {
                Ok(nanos) => Ok(Duration::from_nanos(nanos)),
                Err(_) => Err(format!("answered {answer:?}")),
            },
            Err(RecvTimeoutError::Timeout) => Err(format!("no answer in {PATIENCE:?}")),
            Err(RecvTimeoutError::Disconnected) => match self.child.wait() {
                Ok(status) => Err(format!("died: {status}")),
                Err(error) => Err(format!("died: {error}")),
            },
        }
    }

    /// The CPU time that the child has used so far, where the system tells (Linux; to 10 ms).
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The program's name, in parentheses, may hold anything; user and system time are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut times = fields.split(' ').skip(11);
        let user: u32 = times.next()?.parse().ok()?;
        let system: u32 = times.next()?.parse().ok()?;
        Some(TICK * (user + system))
    }
}

impl Drop for Contestant {
    /// Killed, not asked: it may be the one that hangs.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
