//! Texts of policies and requests that are not plain: numbers, dates, base64 and IP ranges. A text
//! in no documented form is `None`.

use std::net::IpAddr;

use crate::timestamp::Timestamp;

/// Beyond this, 64-bit floating-point numbers are not exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Parses an integer or a decimal.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.len() <= 15;
    let number: f64 = is_decimal.then(|| text.parse().ok())??;
    (number.abs() <= EXACT_MAX).then_some(number)
}

/// Parses a date with its time and zone, or the seconds since 1970. A date alone is `None`: the
/// documentation does not say at which moment of the day it begins.
pub(super) fn moment(text: &str) -> Option<i64> {
    if (9..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(1_000);
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_millis)
}

/// Decodes base64 with padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let is_padded = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2;
    if !is_padded || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::new();
    for chunk in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            bits = bits << 6 | sextet(*digit)?;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Returns whether the range, an address with an optional prefix length, has the address. `None`
/// also for a range that begins within itself, and for an IPv6 range without a length: the default
/// of `/32` is documented, but makes sense for IPv4 only.
pub(super) fn is_in_range(address: IpAddr, range: &str) -> Option<bool> {
    let (start, len) = match range.split_once('/') {
        Some((start, len)) if len.bytes().all(|b| b.is_ascii_digit()) => {
            (start.parse().ok()?, Some(len.parse::<u32>().ok()?))
        }
        Some(_) => return None,
        None => (range.parse().ok()?, None),
    };
    let (start_bits, address_bits, width) = match (start, address) {
        (IpAddr::V4(start), IpAddr::V4(address)) => (
            u128::from(start.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(start), IpAddr::V6(address)) => (start.to_bits(), address.to_bits(), 128),
        _ => return Some(false),
    };
    let len = len.unwrap_or(32);
    let host_bits = width - Some(len).filter(|len| *len <= width)?;
    let network = |bits: u128| bits.checked_shr(host_bits).unwrap_or(0);
    if network(start_bits) != network(address_bits) {
        return Some(false);
    }
    let is_start = network(start_bits).checked_shl(host_bits).unwrap_or(0) == start_bits;
    let is_clear = is_start && (range.contains('/') || width == 32);
    (is_clear || start_bits == address_bits).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_integer_or_a_decimal() {
        for (text, expected) in [
            ("10", Some(10.0)),
            ("-0.5", Some(-0.5)),
            ("1.", Some(1.0)),
            ("", None),
            (".5", None),
            ("1e3", None),
            ("inf", None),
            ("1.2.3", None),
            ("９", None),
            ("9999999999999999", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_moment_has_a_time_and_a_zone_or_is_in_seconds() {
        for (text, expected) in [
            ("2020-01-01T00:00:01Z", Some(1_577_836_801_000)),
            ("2020-01-01T01:00:01+01:00", Some(1_577_836_801_000)),
            ("1577836801", Some(1_577_836_801_000)),
            ("2020-01-01", None),
            ("2020", None),
            ("", None),
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
    }

    #[test]
    fn base64_is_decoded_with_its_padding() {
        for (text, expected) in [
            ("QmluYXJ5VmFsdWVJbkJhc2U2NA==", Some("BinaryValueInBase64")),
            ("YQ==", Some("a")),
            ("YWI=", Some("ab")),
            ("YWJj", Some("abc")),
            ("", Some("")),
            ("YQ", None),
            ("Y===", None),
            ("Y*==", None),
        ] {
            let decoded = base64(text);
            assert_eq!(decoded.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn a_range_has_the_addresses_of_its_prefix() {
        for (address, range, expected) in [
            ("203.0.113.9", "203.0.113.0/24", Some(true)),
            ("203.0.114.9", "203.0.113.0/24", Some(false)),
            ("203.0.113.9", "203.0.113.9", Some(true)),
            ("203.0.113.8", "203.0.113.9", Some(false)),
            ("203.0.113.9", "0.0.0.0/0", Some(true)),
            ("203.0.113.8", "203.0.113.9/24", None),
            ("203.0.113.8", "203.0.113.0/33", None),
            ("203.0.113.8", "203.0.113.0/+8", None),
            ("203.0.113.8", "203.0.113.*", None),
            (
                "2001:db8:1234:5678::1",
                "2001:DB8:1234:5678::/64",
                Some(true),
            ),
            ("2001:db8::1", "2001:db8:1234:5678::/64", Some(false)),
            ("2001:db8::1", "::/0", Some(true)),
            ("2001:db8::1", "2001:db8::1", Some(true)),
            ("2001:db8::2", "2001:db8::1", None),
            ("2001:db9::2", "2001:db8::1", Some(false)),
            ("203.0.113.8", "::/0", Some(false)),
        ] {
            let found = is_in_range(address.parse().unwrap(), range);
            assert_eq!(found, expected, "{address} in {range}");
        }
    }
}
