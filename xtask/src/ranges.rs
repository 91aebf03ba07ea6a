//! `cargo xtask ranges`: makes control-plane/data/ranges.txt, the ranges of clouds, hosters, proxies and anonymizers that
//! ship, from who announces which addresses and from control-plane/data/providers.txt. NOTICE says whose data it is.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use sha2::{Digest, Sha512};
use xtask::workspace::{self, root, target_dir};

/// The npm package: ranges of addresses with the number of the autonomous system that announces them.
const PACKAGE: &str = "@ip-location-db/asn@2.3.2026061719";

/// SHA-512 of its archive, base64, as the registry states it for this version.
const INTEGRITY: &str =
    "PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==";

const HEAD: &str = "\
# Made by `cargo xtask ranges` from providers.txt and npm PACKAGE, which is by RouteViews, the NRO
# and DB-IP under CC BY 4.0, changed: ranges of these networks only, joined, written short. See NOTICE.
# `= name kind`, then its ranges: trailing zeros are left out, and the length where it is that of what is left:
# 1.2.3 is 1.2.3.0/24, 10/7 is 10.0.0.0/7, 2a01:4f8 is 2a01:4f8::/32.
";

/// Makes the file anew.
pub(crate) fn run() -> Result<()> {
    let folder = target_dir().join("ranges");
    fs::create_dir_all(&folder)?;
    let archive = fetch(&folder)?;
    workspace::run(
        Command::new("tar").current_dir(&folder).arg("--extract").arg("--gzip").arg("--file").arg(&archive),
    )?;
    let data = root().join("control-plane/data");
    let providers = fs::read_to_string(data.join("providers.txt")).context("providers.txt")?;
    let providers = read_providers(&providers)?;
    let mut nets: BTreeMap<usize, (Vec<Ipv4Net>, Vec<Ipv6Net>)> = BTreeMap::new();
    let by_number: HashMap<u32, usize> =
        providers.iter().enumerate().flat_map(|(at, p)| p.numbers.iter().map(move |n| (*n, at))).collect();
    for file in ["asn-ipv4.csv", "asn-ipv6.csv"] {
        let lines = BufReader::new(fs::File::open(folder.join("package").join(file)).context(file)?);
        for line in lines.lines() {
            let line = line?;
            let mut fields = line.splitn(4, ',');
            let mut field = || fields.next().with_context(|| format!("{file}: `{line}` has no three fields"));
            let (first, last, number) = (field()?, field()?, field()?);
            let Some(at) = by_number.get(&number.parse().with_context(|| line.clone())?) else { continue };
            let (v4, v6) = nets.entry(*at).or_default();
            match (first.parse()?, last.parse()?) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.extend(Ipv4Subnets::new(first, last, 0)),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.extend(Ipv6Subnets::new(first, last, 0)),
                _ => bail!("{file}: `{line}` goes from IPv4 to IPv6"),
            }
        }
    }
    let mut text = HEAD.replace("PACKAGE", PACKAGE);
    let mut count = 0;
    for (at, (v4, v6)) in nets {
        let Provider { name, kind, .. } = &providers[at];
        // Writing into a String cannot fail.
        let _ = writeln!(text, "= {name} {kind}");
        for net in Ipv4Net::aggregate(&v4)
            .into_iter()
            .map(IpNet::V4)
            .chain(Ipv6Net::aggregate(&v6).into_iter().map(IpNet::V6))
        {
            text.push_str(&short(net));
            text.push('\n');
            count += 1;
        }
    }
    let path = data.join("ranges.txt");
    fs::write(&path, &text)?;
    eprintln!(
        "xtask: {count} ranges of {} providers, {} bytes: {}",
        providers.len(),
        text.len(),
        path.display()
    );
    Ok(())
}

/// Downloads the package and checks that it is the one that is meant.
fn fetch(folder: &Path) -> Result<std::path::PathBuf> {
    let file = folder.join("ip-location-db-asn-2.3.2026061719.tgz");
    if !file.is_file() {
        workspace::run(Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(folder))
            .context("npm fetches the package; it comes with Node")?;
    }
    let bytes = fs::read(&file).with_context(|| format!("npm left no {}", file.display()))?;
    let hash = STANDARD.encode(Sha512::digest(&bytes));
    if hash != INTEGRITY {
        fs::remove_file(&file)?;
        bail!("{PACKAGE} has the hash {hash}, not {INTEGRITY}; nothing was made of it");
    }
    Ok(file)
}

/// Whose ranges are taken.
#[derive(Debug, PartialEq)]
struct Provider {
    name: String,
    kind: String,
    /// Of autonomous systems.
    numbers: Vec<u32>,
}

fn read_providers(text: &str) -> Result<Vec<Provider>> {
    let mut providers: Vec<Provider> = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let kind = words.next().with_context(|| format!("`{line}` names no kind"))?;
        let numbers =
            words.map(str::parse).collect::<Result<Vec<u32>, _>>().with_context(|| line.to_owned())?;
        ensure!(!numbers.is_empty(), "`{line}` names no autonomous system");
        let known =
            providers.iter().find(|p| p.name == name || p.numbers.iter().any(|n| numbers.contains(n)));
        ensure!(known.is_none(), "`{line}` names what {known:?} has named already");
        providers.push(Provider { name: name.to_owned(), kind: kind.to_owned(), numbers });
    }
    Ok(providers)
}

/// A range in as few characters as tell it.
fn short(net: IpNet) -> String {
    let length = net.prefix_len();
    let (text, full) = match net.network() {
        IpAddr::V4(v4) => short_v4(v4, length),
        IpAddr::V6(v6) => short_v6(v6, length),
    };
    if full == length { text } else { format!("{text}/{length}") }
}

/// The parts that the prefix reaches into, and how many bits they have.
fn short_v4(address: Ipv4Addr, length: u8) -> (String, u8) {
    let kept = length.div_ceil(8).max(1);
    let parts: Vec<String> = address.octets().iter().take(kept.into()).map(u8::to_string).collect();
    (parts.join("."), kept * 8)
}

/// The same; a single part keeps a colon, so that it is told from IPv4.
fn short_v6(address: Ipv6Addr, length: u8) -> (String, u8) {
    let kept = length.div_ceil(16).max(1);
    let parts: Vec<String> =
        address.segments().iter().take(kept.into()).map(|part| format!("{part:x}")).collect();
    let text = parts.join(":");
    (if kept == 1 { text + ":" } else { text }, kept * 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_short() {
        for (net, expected) in [
            ("1.2.3.0/24", "1.2.3"),
            ("10.0.0.0/8", "10"),
            ("10.0.0.0/7", "10/7"),
            ("0.0.0.0/0", "0/0"),
            ("1.2.3.4/32", "1.2.3.4"),
            ("1.2.3.128/25", "1.2.3.128/25"),
            ("2a01:4f8::/32", "2a01:4f8"),
            ("2a01:4f8::/29", "2a01:4f8/29"),
            ("2000::/16", "2000:"),
            ("2606:4700:1::/48", "2606:4700:1"),
            ("2606:4700:0:1::/64", "2606:4700:0:1"),
        ] {
            assert_eq!(short(net.parse().expect("a range")), expected, "{net}");
        }
    }

    #[test]
    fn providers_are_read_and_none_twice() {
        let read = read_providers("# some\naws cloud 16509 14618 # more\n").expect("providers");
        let aws = Provider { name: "aws".into(), kind: "cloud".into(), numbers: vec![16509, 14618] };
        assert_eq!(read, [aws]);
        for bad in ["aws", "aws cloud", "aws cloud x", "a cloud 1\na hosting 2", "a cloud 1\nb cloud 1"] {
            assert!(read_providers(bad).is_err(), "{bad}");
        }
    }
}
