//! Lists as they are published, and as they should not be.

use proptest::prelude::*;

use super::parse::*;

fn nets(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[track_caller]
fn read(format: Format, text: &str) -> Vec<String> {
    let list = parse(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    list.nets.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(format: Format, text: &str) -> String {
    parse(format, text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn each_providers_own_form_is_read() {
    let aws = r#"{"syncToken": "1", "createDate": "2026-11-20-00-00-00", "prefixes": [
        {"ip_prefix": "3.5.140.0/22", "region": "ap-northeast-2", "service": "AMAZON", "network_border_group": "x"},
        {"ip_prefix": "3.5.140.0/22", "region": "ap-northeast-2", "service": "S3", "network_border_group": "x"}],
        "ipv6_prefixes": [{"ipv6_prefix": "2600:1f00::/24", "region": "GLOBAL", "service": "AMAZON"}]}"#;
    assert_eq!(read(Format::Aws, aws), nets(&["3.5.140.0/22", "2600:1f00::/24"]));
    let azure = r#"{"changeNumber": 1, "cloud": "Public", "values": [
        {"name": "ActionGroup", "id": "ActionGroup", "properties": {"region": "", "addressPrefixes": ["4.145.74.52/30"]}},
        {"name": "AzureCloud", "properties": {"addressPrefixes": ["20.36.0.0/14", "2603:1000::/25"]}}]}"#;
    assert_eq!(read(Format::Azure, azure), nets(&["20.36.0.0/14", "2603:1000::/25"]));
    let no_cloud = azure.replace("AzureCloud", "Sql");
    assert_eq!(read(Format::Azure, &no_cloud), nets(&["4.145.74.52/30", "20.36.0.0/14", "2603:1000::/25"]));
    let fastly = r#"{"addresses": ["23.235.32.0/20"], "ipv6_addresses": ["2a04:4e40::/32"]}"#;
    assert_eq!(read(Format::Fastly, fastly), nets(&["23.235.32.0/20", "2a04:4e40::/32"]));
    let oracle = r#"{"last_updated_timestamp": "x", "regions": [
        {"region": "us-phoenix-1", "cidrs": [{"cidr": "129.146.0.0/21", "tags": ["OCI"]}]}, {"region": "y", "cidrs": []}]}"#;
    assert_eq!(read(Format::Oracle, oracle), nets(&["129.146.0.0/21"]));
    let google = r#"{"creationTime": "2026-11-20T22:00:30.000000", "prefixes": [
        {"ipv6Prefix": "2001:4860:4801:10::/64"}, {"ipv4Prefix": "66.249.64.0/27", "service": "Google Cloud"}]}"#;
    assert_eq!(read(Format::Prefixes, google), nets(&["66.249.64.0/27", "2001:4860:4801:10::/64"]));
    let geofeed = "# Linode\n45.33.0.0/17,US,US-TX,Dallas,\n\n2600:3c00::/32,US,US-TX,Dallas,75201\n\"5.101.96.0/21\",NL,NL-NH,Amsterdam,1098 XH\n";
    assert_eq!(read(Format::Csv, geofeed), nets(&["5.101.96.0/21", "45.33.0.0/17", "2600:3c00::/32"]));
    let text = "\u{feff}173.245.48.0/20\r\n# more\r\n 103.21.244.0/22  # and a comment\r\n192.0.2.1\r\n2400:cb00::/32";
    let expected = ["103.21.244.0/22", "173.245.48.0/20", "192.0.2.1/32", "2400:cb00::/32"];
    assert_eq!(read(Format::Text, text), nets(&expected));
}

#[test]
fn host_bits_duplicates_overlaps_and_mapped_addresses_are_put_right() {
    let text =
        "10.0.0.1/8\n10.0.0.0/8\n10.1.0.0/16\n::ffff:192.0.2.0/120\n::ffff:198.51.100.7\n2001:db8::1/32\n";
    let list = parse(Format::Text, text.as_bytes()).expect("a list");
    assert_eq!((list.cleared, list.duplicates), (2, 1));
    let expected = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"];
    assert_eq!(list.nets.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_no_list_is_refused_with_its_reason() {
    let page = "\n <!DOCTYPE html><html><body>Access denied</body></html>";
    let all = [
        Format::Aws,
        Format::Azure,
        Format::Csv,
        Format::Fastly,
        Format::Oracle,
        Format::Prefixes,
        Format::Text,
    ];
    for format in all {
        assert_eq!(refused(format, page), "is an HTML or XML page, not a list of ranges", "{format:?}");
        let empty = refused(format, "");
        assert!(empty == "holds no range" || empty.starts_with("is not the JSON"), "{format:?}: {empty}");
        assert!(parse(format, b"{\"error\": \"quota\"}").is_err(), "{format:?}");
        assert!(parse(format, &[0xff, 0xfe, 0x00]).is_err(), "{format:?}");
    }
    assert_eq!(refused(Format::Text, "# nothing\n\n"), "holds no range");
    assert_eq!(refused(Format::Fastly, r#"{"addresses": [], "ipv6_addresses": []}"#), "holds no range");
    assert_eq!(
        refused(Format::Text, "1.2.3.0/24\n\n1.2.3.0/33\n"),
        "entry 3, `1.2.3.0/33`, has no prefix length from 0 to 32 after its `/`; write one such as 1.2.3.0/32"
    );
    assert!(
        refused(Format::Text, "1.2.3.0/24\n010.0.0.1\n").contains("entry 2, `010.0.0.1`, has leading zeros")
    );
    assert!(refused(Format::Csv, "fe80::1%eth0,DE").contains("entry 1, `fe80::1%eth0`, has a zone"));
    assert_eq!(
        refused(Format::Prefixes, r#"{"prefixes": [{"region": "x"}]}"#),
        "entry 1, ``, is neither an address nor a range; write one such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
    );
    assert_eq!(
        refused(Format::Prefixes, r#"{"prefix": []}"#),
        "is not the JSON that was expected: missing field `prefixes` at line 1 column 14"
    );
    assert_eq!(
        refused(Format::Aws, r#"{"prefixes": [{"ip_prefix": "3.5.140.0/22"}]"#).split(':').next(),
        Some("is not the JSON that was expected")
    );
    for wide in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "2000::/3", "::ffff:0:0/96"] {
        assert!(refused(Format::Text, wide).contains("is wider than any provider's"), "{wide}");
    }
    let many: String =
        (0..=MOST as u32).map(|n| format!("{}\n", std::net::Ipv4Addr::from(0x0b00_0000 + n))).collect();
    assert_eq!(refused(Format::Text, &many), "holds more than 500000 entries");
}

fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![
        Format::Aws,
        Format::Azure,
        Format::Csv,
        Format::Fastly,
        Format::Oracle,
        Format::Prefixes,
        Format::Text,
    ])
}

proptest! {
    #[test]
    fn any_bytes_give_a_list_or_an_error(format in format(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = parse(format, &bytes) {
            prop_assert!(!list.nets.is_empty() && list.nets.iter().all(|net| net.trunc() == *net));
        }
    }

    #[test]
    fn nearly_ranges_give_a_list_or_an_error(format in format(), text in r#"([0-9a-f:./,#"{}\[\] \n]|ipv4Prefix|prefixes|addresses){0,80}"#) {
        if let Ok(list) = parse(format, text.as_bytes()) {
            prop_assert!(list.nets.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn every_range_that_is_written_is_read(addresses in prop::collection::vec((any::<u32>(), 8_u8..=32), 1..50)) {
        let nets: std::collections::BTreeSet<_> = addresses.iter().map(|(bits, length)| ipnet::Ipv4Net::new((*bits).into(), *length).expect("a range").trunc()).collect();
        let text: String = nets.iter().map(|net| format!("{net}\n")).collect();
        let list = parse(Format::Text, text.as_bytes()).expect("a list");
        prop_assert_eq!(list.nets, nets.into_iter().map(ipnet::IpNet::V4).collect::<Vec<_>>());
    }
}
