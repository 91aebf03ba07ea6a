//! Ports: is one free, and which one is.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Checks that each named loopback port can be listened on, before anything is started.
///
/// # Errors
/// Lists all ports that are taken or given twice, each with the option that chooses another.
pub fn check_free(ports: &[(&str, u16)]) -> Result<()> {
    let mut problems = Vec::new();
    for (index, (option, port)) in ports.iter().enumerate() {
        if let Some((other, _)) = ports[..index].iter().find(|(_, earlier)| earlier == port) {
            problems.push(format!("port {port} is given to both {other} and {option}"));
        } else if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
            problems.push(format!("port {port} is taken ({error}): choose another with {option}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}

/// A loopback port that was free a moment ago, for a program that cannot be asked to choose one itself.
///
/// # Errors
/// When the system has no port to give.
pub fn unused() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::check_free;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn names_the_taken_port_and_its_option() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let message = check_free(&[("--api-port", taken)]).unwrap_err().to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("--api-port"), "{message}");
    }

    #[test]
    fn two_options_cannot_share_a_port() {
        let free = super::unused().unwrap();
        let message = check_free(&[("--api-port", free), ("--origin-port", free)]).unwrap_err().to_string();
        assert!(message.contains("--api-port") && message.contains("--origin-port"), "{message}");
    }
}
