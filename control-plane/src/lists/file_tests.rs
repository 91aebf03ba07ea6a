//! Files as they are published, exported and copied out of configurations, and as they should not be.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn values(text: &str) -> Vec<(usize, String)> {
    let values = read(text.as_bytes(), ListAction::Deny, None).unwrap_or_else(|faults| panic!("{faults:?}"));
    values.into_iter().map(|FileValue { line, value }| (line, value)).collect()
}

#[track_caller]
fn holds(text: &str, expected: &[(usize, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(line, value)| (*line, (*value).to_owned())).collect();
    assert_eq!(values(text), expected, "{text}");
}

#[test]
fn spamhaus_drop_is_read() {
    let drop = "; Spamhaus DROP List 2026/11/28 - (c) 2026 The Spamhaus Project SLU\n\
        ; https://www.spamhaus.org/drop/drop.txt\n1.10.16.0/20 ; SBL256894\n1.19.0.0/16 ; SBL434604\n\
        2a0e:8f02:f017::/48 ; SBL1\n";
    holds(drop, &[(3, "1.10.16.0/20"), (4, "1.19.0.0/16"), (5, "2a0e:8f02:f017::/48")]);
    let json = "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n\
        {\"cidr\":\"2a0e:8f02:f017::/48\",\"sblid\":\"SBL1\",\"rir\":\"ripencc\"}\r\n\
        {\"type\":\"metadata\",\"timestamp\":1795000000,\"size\":96,\"records\":2,\"copyright\":\"(c) # 2026\"}\n";
    holds(json, &[(1, "1.10.16.0/20"), (2, "2a0e:8f02:f017::/48")]);
}

#[test]
fn tables_with_the_address_first_are_read_with_their_headings() {
    let csv = "ip,reason,seen\n203.0.113.7,\"scans; probes # 7\",2026-11-01\n\"203.0.113.0/24\",\"x\"\n";
    holds(csv, &[(2, "203.0.113.7"), (3, "203.0.113.0/24")]);
    holds("\"IP Address\";\"Grund\"\n203.0.113.7;Spam\n", &[(2, "203.0.113.7")]);
    holds("Network\tWhy\n203.0.113.0/24\tscans\n", &[(2, "203.0.113.0/24")]);
    holds("203.0.113.0-203.0.113.255,x\n", &[(1, "203.0.113.0/24")]);
}

#[test]
fn ranges_from_first_to_last_become_what_they_are_made_up_of() {
    holds("203.0.113.0-203.0.113.255", &[(1, "203.0.113.0/24")]);
    let parts = [(1, "203.0.113.5"), (1, "203.0.113.6/31"), (1, "203.0.113.8")];
    holds("203.0.113.5 - 203.0.113.8 # four", &parts);
    holds("203.0.113.5-203.0.113.5", &[(1, "203.0.113.5")]);
    holds("::ffff:203.0.113.0-203.0.113.255", &[(1, "203.0.113.0/24")]);
    holds("2001:db8::-2001:db8::ffff", &[(1, "2001:db8::/112")]);
    holds("0.0.0.0-255.255.255.255", &[(1, "0.0.0.0/0")]);
    holds("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[(1, "::/0")]);
}

#[test]
fn lines_of_servers_configurations_are_read() {
    let server = "deny 203.0.113.7;\n  deny  203.0.113.0/24 ; # scans\nDeny from 198.51.100.0/24\nDENY 2001:db8::/32\n";
    let expected = [(1, "203.0.113.7"), (2, "203.0.113.0/24"), (3, "198.51.100.0/24"), (4, "2001:db8::/32")];
    holds(server, &expected);
}

#[test]
fn comments_byte_order_marks_and_any_ends_of_lines_are_passed_over() {
    let text = "\u{feff}# a feed\r\n\r\n203.0.113.7 # one\r\n  ; more\r\n\t198.51.100.0/24\t\r\n/private/* # a path\r\n/a#b";
    let expected = [(3, "203.0.113.7"), (5, "198.51.100.0/24"), (6, "/private/*"), (7, "/a#b")];
    holds(text, &expected);
    holds("\u{feff}203.0.113.7", &[(1, "203.0.113.7")]);
    holds("::ffff:203.0.113.0/120", &[(1, "203.0.113.0/24")]);
    let latin = read(b"# caf\xe9\n203.0.113.7", ListAction::Deny, None).expect("read");
    assert_eq!(latin, [FileValue { line: 2, value: "203.0.113.7".to_owned() }]);
    holds("", &[]);
}

#[test]
fn of_other_kinds_the_line_is_the_value() {
    let text = "# agents\nMozilla/5.0 (Windows NT 10.0; Win64), x-y #1\n203.0.113.7\ndeny x;\nC#bot\n";
    let read = read(text.as_bytes(), ListAction::Deny, Some(ListKind::UserAgent)).expect("read");
    let values: Vec<_> = read.iter().map(|value| value.value.as_str()).collect();
    assert_eq!(values, ["Mozilla/5.0 (Windows NT 10.0; Win64), x-y", "203.0.113.7", "deny x;", "C#bot"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for (line, told) in [
        ("BadBot", "say the --kind"),
        ("example.com", "neither an address nor a range"),
        ("deny all;", "neither an address nor a range"),
        ("deny unix:;", "neither an address nor a range"),
        ("allow 203.0.113.7;", "is of an allow list and would come on the deny list"),
        ("deny 203.0.113.7; deny 203.0.113.8;", "goes on behind its `;`"),
        ("deny 203.0.113.7 203.0.113.8;", "neither an address nor a range"),
        ("reason,203.0.113.7", "has two addresses"),
        ("203.0.113.7,203.0.113.9,x", "has two addresses; write first-last"),
        ("203.0.113.7;203.0.113.9", "has two addresses"),
        ("203.0.113.7 203.0.113.9", "neither an address nor a range"),
        ("203.0.113.7 x", "neither an address nor a range"),
        ("203.0.113.7/24", "write 203.0.113.0/24 for the range"),
        ("010.0.0.1", "write 10.0.0.1"),
        ("fe80::1%eth0", "write fe80::1"),
        ("203.0.113.9-203.0.113.7", "ends before it begins; write 203.0.113.7-203.0.113.9"),
        ("203.0.113.9-2001:db8::", "from IPv4 to IPv6"),
        ("203.0.113.0/24-203.0.114.0", "a range on a side"),
        ("203.0.113.0-255", "neither an address nor a range"),
        ("203.0.113.0-010.0.0.1", "a side of its `-` that has leading zeros"),
        ("ip,reason", "neither an address nor a range"),
        ("<!DOCTYPE html>", "neither an address nor a range"),
        (r#"{"cidr":"1.10.16.1/20","sblid":"SBL256894"}"#, "write 1.10.16.0/20 for the range"),
        (r#"{"cidr":"example.com"}"#, "neither an address nor a range"),
        (r#"{"cidr":7}"#, "is no object of JSON"),
        (r#"{"cidr":"1.10.16.0/20""#, "is no object of JSON"),
        (r#"{"cidr":"1.10.16.0/20"}, {"cidr":"1.19.0.0/16"}"#, "is no object of JSON"),
        (r#"{"asn":213371,"rir":"ripencc"}"#, "has no `cidr`"),
        (r#"{"type":"other"}"#, "has no `cidr`"),
    ] {
        let text = format!("198.51.100.1\n\n{line}\n198.51.100.2\n");
        let faults = read(text.as_bytes(), ListAction::Deny, None).expect_err(line);
        assert!(faults.len() == 1 && faults[0].starts_with("3: `"), "{line}: {faults:?}");
        // The fault of two addresses stands first where both are.
        let told = if line.starts_with("reason") { "has two addresses" } else { told };
        assert!(faults[0].contains(told), "{line}: {faults:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_and_faults_are_bounded() {
    let fault = |bytes: &[u8]| read(bytes, ListAction::Deny, None).expect_err("refused");
    assert_eq!(fault(b"\xff\xfe1\x00"), ["1: is UTF-16; save it as UTF-8"]);
    assert!(fault(b"203.0.113.7\ncaf\xe9\n")[0].starts_with("2: `caf"));
    let faults = fault("x\n".repeat(150).as_bytes());
    assert_eq!((faults.len(), faults[100].as_str()), (101, "50 more lines cannot be read"));
    let wide = "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n".repeat(500);
    assert!(fault(wide.as_bytes())[0].contains("comes to more than 50000 entries"));
}

proptest! {
    #[test]
    fn any_bytes_give_values_or_faults(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, ListAction::Deny, None);
    }

    #[test]
    fn nearly_feeds_give_only_addresses_and_paths(text in "([0-9a-f:./,;# \t\n-]|deny |203\\.0\\.113\\.){0,60}") {
        for FileValue { value, .. } in read(text.as_bytes(), ListAction::Deny, None).unwrap_or_default() {
            prop_assert!(value.starts_with('/') || read_range(&value).is_ok(), "{}", value);
        }
    }

    #[test]
    fn first_and_last_hold_what_lies_between_them(ends in any::<(u32, u32)>(), asked in any::<u32>()) {
        let (first, last) = (ends.0.min(ends.1), ends.0.max(ends.1));
        let address = |bits: u32| std::net::Ipv4Addr::from(bits);
        let text = format!("{}-{}", address(first), address(last));
        let nets = nets(&text, ListAction::Deny).expect("ranges");
        let holds = |bits: u32| nets.iter().filter(|net| net.contains(&std::net::IpAddr::V4(address(bits)))).count();
        for bits in [first, last, asked, first.wrapping_sub(1), last.wrapping_add(1)] {
            prop_assert_eq!(holds(bits), usize::from((first..=last).contains(&bits)));
        }
    }
}
