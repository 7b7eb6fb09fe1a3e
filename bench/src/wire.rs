//! One connection to the server that is measured: a request out, its answer in, checked by count,
//! code and name.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::request::{Expected, FIRST_ID, Key, LAST_ID, Request};
use crate::scan::{self, Message};

const ROOM: usize = 256 * 1024;
/// Unbind (RFC 4511 section 4.3), as message 32767.
const UNBIND: &[u8] = b"\x30\x06\x02\x02\x7f\xff\x42\x00";

/// A kept connection.
pub(crate) struct Wire {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// Where received bytes begin and end.
    from: usize,
    to: usize,
    id: u16,
}

/// Refuses every address that others could reach.
pub(crate) fn on_loopback(address: SocketAddr) -> anyhow::Result<()> {
    ensure!(address.ip().is_loopback(), "{address} is not a loopback address: only this machine is measured");
    Ok(())
}

/// A stream to `address`, from `source` where it matters.
pub(crate) async fn connect(address: SocketAddr, source: Option<IpAddr>) -> anyhow::Result<TcpStream> {
    on_loopback(address)?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::new(connect(address, None).await?, ROOM))
    }

    /// `room` bytes are kept for reading.
    pub(crate) fn new(stream: TcpStream, room: usize) -> Self {
        Self { stream, output: Vec::new(), input: vec![0; room], from: 0, to: 0, id: FIRST_ID }
    }

    /// Sends `request`, waits for its answer and says how many entries came.
    ///
    /// # Errors
    /// When the answer is not the one that is expected.
    pub(crate) async fn ask(&mut self, request: &Request) -> anyhow::Result<usize> {
        let mut found = self.exchange(request, &request.expected).await?;
        while request.page.is_some() {
            let cookie = self.cookie()?;
            if cookie.is_empty() {
                break;
            }
            found += self.exchange(&request.next_page(cookie)?, &Expected::Count(0)).await?;
        }
        let expected = request.expected.count();
        ensure!(found == expected, "found {found} entries instead of {expected}");
        Ok(found)
    }

    /// One request and one answer.
    async fn exchange(&mut self, request: &Request, expected: &Expected) -> anyhow::Result<usize> {
        // What is left is the last message of the answer before, kept for its controls.
        (self.from, self.to) = (0, 0);
        self.id = if self.id == LAST_ID { FIRST_ID } else { self.id + 1 };
        request.write(self.id, &mut self.output);
        self.stream.write_all(&self.output).await?;
        let mut entries = 0;
        loop {
            let bytes = self.input.get(self.from..self.to).unwrap_or_default();
            let Some(message) = Message::read(bytes)? else {
                self.receive().await?;
                continue;
            };
            ensure!(message.id == self.id, "an answer to {} where {} was asked", message.id, self.id);
            if message.tag == request.last {
                ensure!(message.code()? == 0, "result code {} {}", message.code()?, message.text());
                return Ok(entries);
            }
            ensure!(message.tag == scan::ENTRY, "a message of kind {:#x}", message.tag);
            entries += 1;
            if !is_expected(message.name(), expected) {
                bail!("found {} instead of {expected:?}", String::from_utf8_lossy(message.name()));
            }
            self.from += message.length;
        }
    }

    fn cookie(&self) -> anyhow::Result<Vec<u8>> {
        let bytes = self.input.get(self.from..self.to).unwrap_or_default();
        Message::read(bytes)?.context("the last message")?.cookie()
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.input.len() {
            self.input.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if self.to == self.input.len() {
                self.input.resize(2 * self.to, 0);
            }
        }
        let read = self.stream.read(self.input.get_mut(self.to..).unwrap_or_default()).await?;
        ensure!(read > 0, "the server closed the connection");
        self.to += read;
        Ok(())
    }

    /// Ends the connection as clients do. The port is free again at once.
    pub(crate) async fn unbind(mut self) -> anyhow::Result<()> {
        self.stream.write_all(UNBIND).await?;
        // The server closes first, or soon after.
        self.stream.set_zero_linger()?;
        Ok(())
    }
}

/// Whether an entry of this name can be one of the expected: a cheap look at its first part.
fn is_expected(name: &[u8], expected: &Expected) -> bool {
    match expected {
        Expected::Count(_) => true,
        Expected::Name(whole) => name.eq_ignore_ascii_case(whole.as_bytes()),
        Expected::Keys(keys) => key(name).is_some_and(|key| keys.binary_search(&key).is_ok()),
    }
}

/// The entry of the population that is called `name`.
pub(crate) fn key(name: &[u8]) -> Option<Key> {
    let first = name.split(|byte| *byte == b',').next()?;
    let digits = |from: usize| first.get(from..).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match first {
        [b'u' | b'U', b'i' | b'I', b'd' | b'D', b'=', b'u', b's', b'e', b'r', ..] => digits(8).map(Key::Person),
        [b'c' | b'C', b'n' | b'N', b'=', b'g', b'r', b'o', b'u', b'p', ..] => digits(8).map(Key::Group),
        _ => None,
    }
}
