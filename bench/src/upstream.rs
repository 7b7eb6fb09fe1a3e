//! The service behind both proxies: answers everything with the same page, as cheaply as can be.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves a page of `length` bytes on a free port of this machine, which is printed.
pub(crate) fn run(length: usize) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
        let answer: Arc<[u8]> = [head.into_bytes(), vec![b'x'; length]].concat().into();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, Arc::clone(&answer)));
        }
    })
}

/// Until the other end leaves. Requests have no body and come one at a time.
async fn serve(mut stream: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    let mut asked = Vec::with_capacity(4096);
    while stream.read_buf(&mut asked).await? > 0 {
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            stream.write_all(&answer).await?;
        }
    }
    Ok(())
}
