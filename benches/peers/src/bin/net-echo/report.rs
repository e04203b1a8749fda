//! What the measurements say.

use std::fmt::Write;
use std::time::Duration;

/// One server in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Requests a second.
    rate: f64,
    /// Microseconds of the server's CPU time, a request.
    cpu: f64,
    /// Microseconds that half, 99 and 99.9 % of the requests took at the most.
    p50: f64,
    p99: f64,
    p999: f64,
}

/// What a column shows.
type Figure = fn(&Sample) -> f64;

impl Sample {
    pub(crate) fn new(mut latencies: Vec<u32>, measured: Duration, cpu: Duration) -> Sample {
        latencies.sort_unstable();
        let at = |share: f64| match latencies.len() {
            0 => f64::NAN,
            len => f64::from(latencies[((len - 1) as f64 * share) as usize]) / 1e3,
        };
        let count = latencies.len() as f64;
        Sample {
            rate: count / measured.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / count,
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        }
    }
}

/// All servers at so many connections.
pub(crate) struct Comparison {
    connections: usize,
    names: Vec<String>,
    /// By server, by round.
    samples: Vec<Vec<Sample>>,
}

impl Comparison {
    pub(crate) fn new(connections: usize, names: Vec<String>) -> Comparison {
        Comparison {
            connections,
            samples: vec![Vec::new(); names.len()],
            names,
        }
    }

    pub(crate) fn add(&mut self, who: usize, sample: Sample) {
        self.samples[who].push(sample);
    }

    /// A Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "| {:>4} connections | requests/s | CPU us/request | p50 us |  p99 us | p99.9 us | requests, ratio | CPU, ratio | p99, ratio |\n\
             | ---------------- | ---------: | -------------: | -----: | ------: | -------: | --------------: | ---------: | ---------: |\n",
            self.connections
        );
        for (who, name) in self.names.iter().enumerate() {
            let of = |figure: Figure| median(self.samples[who].iter().map(figure).collect());
            let ratio = |figure: Figure| self.ratio(who, figure);
            writeln!(
                text,
                "| {name:<16} | {:>10.0} | {:>14.2} | {:>6.0} | {:>7.0} | {:>8.0} | {:>15.2} | {:>10.2} | {:>10.2} |",
                of(|sample| sample.rate),
                of(|sample| sample.cpu),
                of(|sample| sample.p50),
                of(|sample| sample.p99),
                of(|sample| sample.p999),
                ratio(|sample| sample.rate),
                ratio(|sample| sample.cpu),
                ratio(|sample| sample.p99),
            )
            .expect("a String takes all");
        }
        text
    }

    /// greenhub's figure in that of another.
    fn ratio(&self, who: usize, figure: Figure) -> f64 {
        let Some(own) = self.names.iter().position(|name| name == "greenhub") else {
            return f64::NAN;
        };
        let pairs = self.samples[own].iter().zip(&self.samples[who]);
        median(
            pairs
                .map(|(own, other)| figure(own) / figure(other))
                .collect(),
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len => (values[len / 2] + values[(len - 1) / 2]) / 2.0,
    }
}
