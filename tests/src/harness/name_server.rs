//! A name server on loopback for reverse DNS: it gives addresses names, names addresses, or never answers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Record types (RFC 1035, 3.2.2).
const A: u16 = 1;
const PTR: u16 = 12;
/// Length of a message's header.
const HEADER: usize = 12;

/// A server that ends when dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
    _silent: Option<UdpSocket>,
}

/// What it says.
#[derive(Debug, Default)]
pub struct Names {
    names: BTreeMap<Ipv4Addr, &'static str>,
    addresses: BTreeMap<&'static str, Ipv4Addr>,
}

impl Names {
    /// The address bears this name, and the name leads to that address.
    #[must_use]
    pub fn with(mut self, address: &str, name: &'static str, leads_to: &str) -> Self {
        self.names.insert(address.parse().expect("an address"), name);
        self.addresses.insert(name, leads_to.parse().expect("an address"));
        self
    }

    /// The data of the record that is asked for.
    fn find(&self, name: &str, kind: u16) -> Option<Vec<u8>> {
        if kind == A {
            return self.addresses.get(name).map(|address| address.octets().to_vec());
        }
        let [d, c, b, a] =
            name.strip_suffix(".in-addr.arpa")?.split('.').collect::<Vec<_>>().try_into().ok()?;
        let address = format!("{a}.{b}.{c}.{d}").parse().ok()?;
        let name = self.names.get(&address).filter(|_| kind == PTR)?;
        let mut data = Vec::new();
        for label in name.split('.') {
            data.push(u8::try_from(label.len()).ok()?);
            data.extend(label.as_bytes());
        }
        data.push(0);
        Some(data)
    }

    /// The answer to a question; `None` where it is none.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (mut labels, mut at) = (Vec::new(), HEADER);
        loop {
            let length = usize::from(*question.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(std::str::from_utf8(question.get(at..at + length)?).ok()?.to_ascii_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
        let data = self.find(&labels.join("."), kind);
        // An answer, recursion available; NXDOMAIN (3) where there is nothing; one question, its answer.
        let (code, answers) = if data.is_some() { (0x80, 1) } else { (0x83, 0) };
        let mut answer = question.get(..2)?.to_vec();
        answer.extend([0x81, code, 0, 1, 0, answers, 0, 0, 0, 0]);
        answer.extend(question.get(HEADER..at + 4)?);
        if let Some(data) = data {
            // The question's name, its type, class IN, 60 s.
            answer.extend([0xc0, 0x0c]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

impl NameServer {
    /// One that knows these names.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn start(names: Names) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let task = tokio::spawn(async move {
            let mut question = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = question.get(..length).and_then(|question| names.answer(question)) {
                    drop(socket.send_to(&answer, from).await);
                }
            }
        });
        Self { address, task: Some(task), _silent: None }
    }

    /// One that takes every question and answers none.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn silent() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { address, task: None, _silent: Some(socket) }
    }

    /// Where it listens, as a configuration names it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
