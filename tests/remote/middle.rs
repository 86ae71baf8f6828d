//! Something between the command line and the service that loses answers, as networks do.

use crate::program::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Both ways are passed on.
    Passed,
    /// The request is passed on, its answer is not.
    AnswerLost,
    /// This is answered, and nothing is passed on.
    Answered(&'static str),
}

/// Listens on the loopback; connections beyond the fates are passed.
pub struct Middle {
    pub address: SocketAddr,
    /// Heads of the requests that came, as they came.
    pub heads: Receiver<String>,
}

impl Middle {
    pub fn before(service: SocketAddr, fates: Vec<Fate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heads) = mpsc::channel();
        std::thread::spawn(move || {
            let mut fates = fates.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                let (head, fate) = (sender.clone(), fates.next().unwrap_or(Fate::Passed));
                std::thread::spawn(move || {
                    let _ = head.send(serve(stream, service, fate));
                });
            }
        });
        Self { address, heads }
    }
}

fn serve(mut near: TcpStream, service: SocketAddr, fate: Fate) -> String {
    let request = read_message(&mut near);
    let head = String::from_utf8_lossy(&request).split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let answer = match fate {
        Fate::Answered(answer) => answer.as_bytes().to_vec(),
        _ => {
            let mut far = TcpStream::connect(service).unwrap();
            far.set_read_timeout(Some(PATIENCE)).unwrap();
            far.write_all(&request).unwrap();
            read_message(&mut far)
        }
    };
    if !matches!(fate, Fate::AnswerLost) {
        near.write_all(&answer).unwrap();
    }
    head
}

/// A head and as much of a body as it announces.
pub fn read_message(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    [bytes, body].concat()
}
