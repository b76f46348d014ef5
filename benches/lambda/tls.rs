//! TLS in front of a loopback server, with certificates like those of AWS: RSA, and an issuer between root and server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::function::scratch;

/// A TLS server that hands on what it decrypts.
pub struct Terminator {
    address: SocketAddr,
    folder: PathBuf,
    task: JoinHandle<()>,
}

impl Terminator {
    /// Makes certificates for 127.0.0.1 and hands everything on to this address.
    pub async fn start(to: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let folder = scratch(&format!("tls.{}", address.port()));
        let acceptor = TlsAcceptor::from(Arc::new(certified(&folder)?));
        let task = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let (acceptor, to) = (acceptor.clone(), to.clone());
                tokio::spawn(async move {
                    let mut outbound = TcpStream::connect(to).await?;
                    let mut inbound = acceptor.accept(inbound).await?;
                    tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await
                });
            }
        });
        Ok(Self { address, folder, task })
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn ca_bundle(&self) -> PathBuf {
        self.folder.join("root.pem")
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.task.abort();
        // What is left of it does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A root, an issuer and a server's certificate, made by `openssl`.
const CERTIFICATES: &str = "
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 2 -subj /CN=root
openssl req -newkey rsa:2048 -nodes -keyout issuer.key -out issuer.csr -subj /CN=issuer
printf 'basicConstraints=critical,CA:true' >issuer.ext
openssl x509 -req -in issuer.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile issuer.ext -out issuer.pem
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server
printf 'subjectAltName=IP:127.0.0.1' >server.ext
openssl x509 -req -in server.csr -CA issuer.pem -CAkey issuer.key -CAcreateserial -days 2 -extfile server.ext -out server.pem
";

fn certified(folder: &PathBuf) -> io::Result<ServerConfig> {
    std::fs::create_dir_all(folder)?;
    let mut shell = Command::new("sh");
    let shell = shell.arg("-ec").arg(CERTIFICATES).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    if !shell.status()?.success() {
        return Err(io::Error::other("openssl could not make the certificates"));
    }
    let certificate = |name| CertificateDer::from_pem_file(folder.join(name)).map_err(io::Error::other);
    let chain = vec![certificate("server.pem")?, certificate("issuer.pem")?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    // What DynamoDB and EKS speak.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
