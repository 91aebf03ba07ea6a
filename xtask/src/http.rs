//! Blocking HTTP/1.1 on loopback, for readiness, Envoy's admin pages and requests without a body; saves the chores
//! an HTTP client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks `http://127.0.0.1:{port}{path}`; returns the status and the body.
///
/// # Errors
/// When nothing listens, the answer takes over five seconds, or is no HTTP.
pub fn get(port: u16, path: &str, bearer: Option<&str>) -> Result<(u16, String)> {
    ask("GET", port, path, bearer)
}

/// The same with any method, without a body.
///
/// # Errors
/// As [`get`].
pub fn ask(method: &str, port: u16, path: &str, bearer: Option<&str>) -> Result<(u16, String)> {
    let (status, _, body) = exchange(method, port, path, bearer)?;
    Ok((status, body))
}

/// Whether Envoy passed this request to the sample site without judging it; asked on a connection of its own. For a
/// path whose route has the class `ignore` that tells whether the worker that took the connection has the policy yet.
///
/// # Errors
/// As [`get`].
pub fn is_ignored(port: u16, path: &str) -> Result<bool> {
    let (status, head, _) = exchange("GET", port, path, None)?;
    Ok(status == 200 && !head.contains("\r\nx-echo-sallyport:"))
}

/// Status, head in lower case, body.
fn exchange(method: &str, port: u16, path: &str, bearer: Option<&str>) -> Result<(u16, String, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let authorization = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let connection = "Connection: close\r\n";
    let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    write!(stream, "{method} {path} HTTP/1.1\r\n{host}{connection}{length}{authorization}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("no HTTP answer")?;
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
    let body = match head.contains("\r\ntransfer-encoding: chunked\r\n") {
        true => joined(body).context("broken chunks")?,
        false => body.to_vec(),
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok((status, head, body))
}

/// The chunks of a body put together; `None` when one of them is cut off.
fn joined(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let line = body.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = std::str::from_utf8(&body[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(all);
        }
        let chunk = body.get(line + 2..)?;
        all.extend_from_slice(chunk.get(..size)?);
        body = chunk.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn chunks_are_put_together_and_cut_ones_refused() {
        assert_eq!(joined(b"4\r\nsall\r\n5;x=y\r\nyport\r\n0\r\n\r\n").unwrap(), b"sallyport");
        assert_eq!(joined(b"0\r\n\r\n").unwrap(), b"");
        for cut in ["", "4\r\nsal", "zz\r\n", "4\r\nsall"] {
            assert!(joined(cut.as_bytes()).is_none(), "{cut}");
        }
    }
}
