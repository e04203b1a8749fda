//! What a user does, in plain sequential code.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use greenhub::{sleep, sleep_until};
use greenhub_ecosystem::http::{Answer, Client, Payload};
use greenhub_ecosystem::noise;
use greenhub_ecosystem::service::HELLO;

use crate::tally::{Step, Tally};

/// A user echoes at most so many bytes, and fetches at most so many.
const MOST_ECHO: u64 = 4 * 1024;
const MOST_BYTES: u64 = 32 * 1024;

/// Who cannot connect, or loses the connection, waits so long before the next try.
const PAUSE: Duration = Duration::from_millis(500);

/// What all users have in common.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) users: u64,
    pub(crate) ramp: Duration,
    pub(crate) think: Duration,
    pub(crate) timeout: Duration,
    pub(crate) end: Instant,
}

/// Arrives in its turn, and goes on until the end.
pub(crate) fn user(number: u64, plan: &Plan, tally: &Tally) {
    sleep(plan.ramp.mul_f64(number as f64 / plan.users as f64));
    tally.arrived();
    let mut user = User {
        plan,
        tally,
        random: Random(number),
        client: None,
    };
    while !user.is_over() {
        if user.visit().is_err() {
            // It has been counted. The connection is of no use any more.
            user.client = None;
            sleep_until(plan.end.min(Instant::now() + PAUSE));
        }
    }
    tally.left();
}

struct User<'a> {
    plan: &'a Plan,
    tally: &'a Tally,
    random: Random,
    client: Option<Client>,
}

/// A step has failed, and been counted.
struct Failed;

impl User<'_> {
    /// The scenario.
    fn visit(&mut self) -> Result<(), Failed> {
        self.step(Step::Page, page)?;
        self.think();

        let (offset, length) = (self.random.below(251), self.random.below(MOST_ECHO) + 1);
        self.step(Step::Echo, |client| echo(client, offset, length))?;
        self.think();

        let length = self.random.below(MOST_BYTES + 1);
        self.step(Step::Bytes, |client| bytes(client, length))?;
        self.think();
        Ok(())
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.plan.end
    }

    /// Pauses for between half of the usual time and one and a half.
    fn think(&mut self) {
        let share = 0.5 + self.random.below(1001) as f64 / 1000.0;
        let until = Instant::now() + self.plan.think.mul_f64(share);
        sleep_until(until.min(self.plan.end));
    }

    /// Makes a request, which tells how many bytes it has moved; nothing once it is over.
    fn step(
        &mut self,
        step: Step,
        request: impl FnOnce(&mut Client) -> io::Result<u64>,
    ) -> Result<(), Failed> {
        if self.is_over() {
            return Ok(());
        }
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect()?,
        };
        let begun = Instant::now();
        match request(&mut client) {
            Ok(moved) => {
                self.tally.done_in(step, begun.elapsed(), moved);
                self.client = Some(client).filter(Client::is_usable);
                Ok(())
            }
            Err(error) => {
                self.tally.failed_in(step, &error.to_string());
                Err(Failed)
            }
        }
    }

    fn connect(&self) -> Result<Client, Failed> {
        let begun = Instant::now();
        match Client::connect(self.plan.address, self.plan.timeout) {
            Ok(client) => {
                self.tally.done_in(Step::Connect, begun.elapsed(), 0);
                Ok(client)
            }
            Err(error) => {
                self.tally.failed_in(Step::Connect, &error.to_string());
                Err(Failed)
            }
        }
    }
}

fn page(client: &mut Client) -> io::Result<u64> {
    let mut page = Vec::new();
    let answer = client.request("GET", "/", Payload::None, |piece| {
        page.extend_from_slice(piece);
        Ok(())
    })?;
    if page != HELLO {
        return Err(io::Error::other("the page is not what it should be"));
    }
    expect(answer, HELLO.len() as u64)
}

fn echo(client: &mut Client, offset: u64, length: u64) -> io::Result<u64> {
    let body = noise::from(offset, length);
    let mut rest = body;
    let answer = client.request("POST", "/echo", Payload::Whole(body), |piece| {
        rest = rest
            .strip_prefix(piece)
            .ok_or_else(|| io::Error::other("the echo is not what was sent"))?;
        Ok(())
    })?;
    Ok(length + expect(answer, length)?)
}

fn bytes(client: &mut Client, length: u64) -> io::Result<u64> {
    let path = format!("/bytes/{length}");
    let mut offset = 0;
    let answer = client.request("GET", &path, Payload::None, |piece| {
        noise::check(offset, piece)?;
        offset += piece.len() as u64;
        Ok(())
    })?;
    expect(answer, length)
}

fn expect(answer: Answer, length: u64) -> io::Result<u64> {
    match answer {
        Answer {
            status: 200,
            length: come,
        } if come == length => Ok(length),
        Answer {
            status: 200,
            length: come,
        } => Err(io::Error::other(format!(
            "{come} bytes instead of {length}"
        ))),
        Answer { status, .. } => Err(io::Error::other(format!("status {status}"))),
    }
}

/// Numbers that differ from user to user, and not from run to run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
