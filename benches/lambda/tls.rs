//! TLS in front of a loopback server, with certificates like those of AWS: RSA keys, and an
//! intermediate issuer between root and server.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::paths::scratch;

/// A TLS server that forwards the decrypted bytes.
pub struct Terminator {
    address: SocketAddr,
    folder: PathBuf,
    task: JoinHandle<()>,
}

impl Terminator {
    /// Makes certificates for 127.0.0.1 and forwards every connection to `upstream`.
    pub async fn start(upstream: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let folder = scratch(&format!("tls.{}", address.port()));
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&folder)?));
        let task = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                tokio::spawn(async move {
                    let mut outbound = TcpStream::connect(upstream).await?;
                    let mut inbound = acceptor.accept(inbound).await?;
                    tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await
                });
            }
        });
        Ok(Self {
            address,
            folder,
            task,
        })
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
        // A temporary folder that cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes a root, an issuer and a server certificate.
const MAKE_CERTIFICATES: &str = "
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 2 -subj /CN=root
openssl req -newkey rsa:2048 -nodes -keyout issuer.key -out issuer.csr -subj /CN=issuer
printf 'basicConstraints=critical,CA:true' >issuer.ext
openssl x509 -req -in issuer.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 \\
    -extfile issuer.ext -out issuer.pem
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server
printf 'subjectAltName=IP:127.0.0.1' >server.ext
openssl x509 -req -in server.csr -CA issuer.pem -CAkey issuer.key -CAcreateserial -days 2 \\
    -extfile server.ext -out server.pem
";

/// Makes certificates in the folder, and the configuration of a server that presents them.
fn server_config(folder: &Path) -> io::Result<ServerConfig> {
    std::fs::create_dir_all(folder)?;
    let mut shell = Command::new("sh");
    let shell = shell
        .arg("-ec")
        .arg(MAKE_CERTIFICATES)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !shell.status()?.success() {
        return Err(io::Error::other("openssl could not make the certificates"));
    }
    let certificate =
        |name| CertificateDer::from_pem_file(folder.join(name)).map_err(io::Error::other);
    let chain = vec![certificate("server.pem")?, certificate("issuer.pem")?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    // DynamoDB and EKS offer only this protocol.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
