//! Switching the detector on from outside.

use std::env::{self, VarError};
use std::io::{self, Write};
use std::time::Duration;

use super::config::BlockingDetector;
use crate::primitive::sync::OnceLock;

/// How long a greenlet may run without a break; the detector is on if this is set.
const MAX_BLOCKING_TIME: &str = "GREENHUB_MAX_BLOCKING_TIME";

/// Spawn sites that hogged a hub go to the compute lane.
const ISOLATE: &str = "GREENHUB_ISOLATE";

/// What the environment asks for. Read once a process, so that a bad value is complained of once.
pub(crate) fn from_environment() -> Option<BlockingDetector> {
    static WANTED: OnceLock<Option<BlockingDetector>> = OnceLock::new();
    WANTED
        .get_or_init(|| {
            read(&|name| match env::var(name) {
                Ok(value) => Ok(Some(value)),
                Err(VarError::NotPresent) => Ok(None),
                Err(VarError::NotUnicode(value)) => Err(value.to_string_lossy().into_owned()),
            })
            .unwrap_or_else(|complaint| {
                // A closed stderr must not turn a typing error into a panic.
                let _ = writeln!(
                    io::stderr(),
                    "greenhub: {complaint}; the blocking detector is off"
                );
                None
            })
        })
        .clone()
}

/// Reads a variable: `Err` with what is not text.
type Read<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

fn read(variable: Read<'_>) -> Result<Option<BlockingDetector>, String> {
    let limit = match variable(MAX_BLOCKING_TIME) {
        Ok(None) => None,
        Ok(Some(text)) => match parse(text.trim()) {
            Some(limit) => Some(limit),
            None => return Err(not_a_time(&text)),
        },
        Err(text) => return Err(not_a_time(&text)),
    };
    let isolate = match variable(ISOLATE).as_ref().map(Option::as_deref) {
        Ok(None | Some("" | "0")) => false,
        Ok(Some("1")) => true,
        Ok(Some(text)) => return Err(format!("{ISOLATE} must be 1 or 0, not '{text}'")),
        Err(text) => return Err(format!("{ISOLATE} must be 1 or 0, not '{text}'")),
    };
    let detector = BlockingDetector::new();
    let detector = match limit {
        Some(Duration::ZERO) => return Ok(None),
        Some(limit) => detector.max_blocking_time(limit),
        None if isolate => detector,
        None => return Ok(None),
    };
    Ok(Some(if isolate {
        detector.isolate()
    } else {
        detector
    }))
}

fn not_a_time(text: &str) -> String {
    format!("{MAX_BLOCKING_TIME} must be a time such as 100ms, 1.5s or 250us, not '{text}'")
}

/// A time such as `100ms`, `1.5s` or `250us`; a bare number counts milliseconds, and zero is off.
fn parse(text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit.trim() {
        "s" => 1.0,
        "ms" | "" => 1e-3,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_per_unit).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ISOLATE, MAX_BLOCKING_TIME, parse, read};
    use crate::detector::config::BlockingDetector;

    #[test]
    fn times_have_units() {
        let cases = [
            ("100ms", 100_000),
            ("1s", 1_000_000),
            ("1.5s", 1_500_000),
            ("250us", 250),
            ("250\u{b5}s", 250),
            ("20", 20_000),
            ("20 ms", 20_000),
            (".5s", 500_000),
            ("0", 0),
        ];
        for (text, micros) in cases {
            assert_eq!(parse(text), Some(Duration::from_micros(micros)), "{text}");
        }
        let bad = [
            "",
            "ms",
            "fast",
            "-1s",
            "1h",
            "1e3ms",
            "1..5s",
            "100 m s",
            "99999999999999999999s",
            "NaN",
        ];
        for text in bad {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    fn asked(
        time: Option<&str>,
        isolate: Option<&str>,
    ) -> Result<Option<BlockingDetector>, String> {
        read(&|name| {
            let value = match name {
                MAX_BLOCKING_TIME => time,
                ISOLATE => isolate,
                _ => panic!("{name} is nobody's variable"),
            };
            Ok(value.map(String::from))
        })
    }

    #[test]
    fn the_variables_switch_the_detector_on() {
        assert!(asked(None, None).unwrap().is_none());
        assert!(asked(None, Some("0")).unwrap().is_none());
        assert!(asked(Some("0"), Some("1")).unwrap().is_none());
        let detector = asked(Some("20ms"), None).unwrap().unwrap();
        assert_eq!(
            (detector.limit, detector.isolate),
            (Duration::from_millis(20), false)
        );
        let detector = asked(None, Some("1")).unwrap().unwrap();
        assert_eq!(
            (detector.limit, detector.isolate),
            (Duration::from_millis(100), true)
        );
    }

    #[test]
    fn a_bad_value_is_named() {
        let complaint = asked(Some("soon"), None).unwrap_err();
        assert!(complaint.contains("'soon'") && complaint.contains("100ms"));
        let complaint = asked(Some("1s"), Some("yes")).unwrap_err();
        assert!(complaint.contains("GREENHUB_ISOLATE") && complaint.contains("'yes'"));
    }
}
