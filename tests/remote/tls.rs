//! Over TLS, to a service whose certificate is believed and to one whose certificate is not.

use crate::desk::Desk;
use crate::middle::read_message;
use crate::program::PATIENCE;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// Ends TLS before the service, with a certificate for `localhost` that it puts into a file.
fn tls_before(service: SocketAddr, certificate_file: &Path) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate_file, made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            // A client that does not believe the certificate goes away: that ends this thread alone.
            std::thread::spawn(move || pass_on(stream, service, config));
        }
    });
    address
}

fn pass_on(stream: TcpStream, service: SocketAddr, config: Arc<ServerConfig>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut near = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    if near.conn.complete_io(&mut near.sock).is_err() {
        return;
    }
    let request = read_message(&mut near);
    let mut far = TcpStream::connect(service).unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.write_all(&request).unwrap();
    near.write_all(&read_message(&mut far)).unwrap();
    near.conn.send_close_notify();
    let _ = near.flush();
}

#[test]
fn https_works_with_a_certificate_that_the_machine_believes_and_with_no_other() {
    let desk = Desk::new();
    let certificate = desk.aside("certificate.pem");
    let address = tls_before(desk.server.address, &certificate);
    let ask = |url: String, believed: bool| {
        let mut command = desk.command(&["self"]);
        command.env("TOKEN_LEDGER_URL", url);
        if believed {
            command.env("SSL_CERT_FILE", &certificate);
        }
        desk.run_by(command)
    };
    ask(format!("https://localhost:{}", address.port()), true).expect(0).says("operator");
    ask(format!("https://localhost:{}", address.port()), false).expect(69);
    // Believed, but of another name.
    ask(format!("https://127.0.0.1:{}", address.port()), true).expect(69);
    // Plain HTTP behind https.
    ask(format!("https://{}", desk.server.address), true).expect(69);
    assert_eq!(desk.times_printed(&desk.operator), 0);
}
