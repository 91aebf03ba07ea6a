//! A name server on loopback, by UDP and TCP, that says what a test tells it to and counts what it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, PTR};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

/// What it answers: records by name; NXDOMAIN for names that are not here.
#[derive(Default)]
pub(crate) struct Zone {
    records: BTreeMap<Name, Vec<RData>>,
    codes: BTreeMap<Name, ResponseCode>,
    silent: BTreeSet<Name>,
    cut: BTreeSet<Name>,
}

/// A running server; it ends with the runtime of its test.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    open: watch::Sender<bool>,
}

struct State {
    zone: Zone,
    asked: Mutex<Asked>,
}

/// Questions in order, one sent again by the same sender counting once.
#[derive(Default)]
struct Asked {
    seen: BTreeSet<(SocketAddr, u16)>,
    questions: Vec<(String, RecordType)>,
}

impl Zone {
    /// The name of an address.
    pub(crate) fn ptr(self, ip: &str, name: &str) -> Self {
        self.with(arpa(ip), RData::PTR(PTR(fqdn(name))))
    }

    /// The address of a name.
    pub(crate) fn address(self, name: &str, ip: &str) -> Self {
        let data = match ip.parse().expect("an address") {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        self.with(fqdn(name), data)
    }

    /// Another name for a name.
    pub(crate) fn cname(self, name: &str, other: &str) -> Self {
        self.with(fqdn(name), RData::CNAME(CNAME(fqdn(other))))
    }

    /// The name of an address by way of another name, as where a part of a /24 is delegated (RFC 2317).
    pub(crate) fn delegated_ptr(self, ip: &str, by_way_of: &str, name: &str) -> Self {
        self.with(arpa(ip), RData::CNAME(CNAME(fqdn(by_way_of))))
            .with(fqdn(by_way_of), RData::PTR(PTR(fqdn(name))))
    }

    /// An error for a name.
    pub(crate) fn code(mut self, name: &str, code: ResponseCode) -> Self {
        self.codes.insert(fqdn(name), code);
        self
    }

    /// An error for the name of an address.
    pub(crate) fn ptr_code(mut self, ip: &str, code: ResponseCode) -> Self {
        self.codes.insert(arpa(ip), code);
        self
    }

    /// No answer ever for the name of an address.
    pub(crate) fn silent(mut self, ip: &str) -> Self {
        self.silent.insert(arpa(ip));
        self
    }

    /// Only ever the head of an answer for the name of an address, by TCP too.
    pub(crate) fn cut(mut self, ip: &str) -> Self {
        self.cut.insert(arpa(ip));
        self
    }

    fn with(mut self, name: Name, data: RData) -> Self {
        self.records.entry(name).or_default().push(data);
        self
    }

    fn answer(&self, name: &Name, kind: RecordType) -> Option<(ResponseCode, Vec<Record>)> {
        if self.silent.contains(name) {
            return None;
        }
        if let Some(code) = self.codes.get(name) {
            return Some((*code, Vec::new()));
        }
        let mut answers = Vec::new();
        let mut at = name.clone();
        for _ in 0..10 {
            let Some(data) = self.records.get(&at) else { break };
            let record = |data: &RData| Record::from_rdata(at.clone(), 60, data.clone());
            answers.extend(data.iter().filter(|data| data.record_type() == kind).map(record));
            match data.iter().find_map(|data| if let RData::CNAME(other) = data { Some(other) } else { None })
            {
                Some(other) => {
                    answers.push(record(&RData::CNAME(other.clone())));
                    at = other.0.clone();
                }
                None => break,
            }
        }
        let code =
            if self.records.contains_key(name) { ResponseCode::NoError } else { ResponseCode::NXDomain };
        Some((code, answers))
    }
}

impl NameServer {
    pub(crate) async fn start(zone: Zone) -> Self {
        let server = Self::held(zone).await;
        server.release();
        server
    }

    /// Starts one that answers nothing until [`NameServer::release`].
    pub(crate) async fn held(zone: Zone) -> Self {
        let (udp, tcp) = sockets().await;
        let address = tcp.local_addr().expect("bound");
        let state = Arc::new(State { zone, asked: Mutex::default() });
        let (open, opened) = watch::channel(false);
        tokio::spawn(serve_udp(Arc::new(udp), Arc::clone(&state), opened.clone()));
        tokio::spawn(serve_tcp(tcp, Arc::clone(&state), opened));
        Self { address, state, open }
    }

    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    /// The names asked for, of one kind.
    pub(crate) fn asked(&self, kind: RecordType) -> Vec<String> {
        let asked = self.state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.questions.iter().filter(|(_, asked)| *asked == kind).map(|(name, _)| name.clone()).collect()
    }
}

impl State {
    /// The answer to the bytes of a question, at most `limit` bytes long.
    fn answer(&self, question: &[u8], from: SocketAddr, limit: usize) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.seen.insert((from, question.metadata.id)) {
            asked.questions.push((query.name().to_ascii(), query.query_type()));
        }
        drop(asked);
        let name = query.name().to_lowercase();
        let (code, answers) = self.zone.answer(&name, query.query_type())?;
        let mut message = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.recursion_available = true;
        message.add_query(query);
        message.add_answers(answers);
        let bytes = message.to_vec().expect("encodes");
        let is_cut = bytes.len() > limit || self.zone.cut.contains(&name);
        Some(if is_cut { message.truncate().to_vec().expect("encodes") } else { bytes })
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, state: Arc<State>, opened: watch::Receiver<bool>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(answer) = state.answer(&buffer[..length], from, 1232) else { continue };
        let (socket, mut opened) = (Arc::clone(&socket), opened.clone());
        tokio::spawn(async move {
            drop(opened.wait_for(|open| *open).await);
            drop(socket.send_to(&answer, from).await);
        });
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<State>, mut opened: watch::Receiver<bool>) {
    while let Ok((mut stream, from)) = listener.accept().await {
        drop(opened.wait_for(|open| *open).await);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; length.into()];
                if stream.read_exact(&mut question).await.is_err() {
                    return;
                }
                let Some(answer) = state.answer(&question, from, 65_535) else { continue };
                let mut bytes = u16::try_from(answer.len()).expect("short enough").to_be_bytes().to_vec();
                bytes.extend(answer);
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// UDP and TCP on the same free port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn arpa(ip: &str) -> Name {
    Name::from(ip.parse::<IpAddr>().expect("an address"))
}

fn fqdn(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("a name").to_lowercase();
    name.set_fqdn(true);
    name
}
