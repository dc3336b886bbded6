//! TLS: as a client with the roots and certificates that the flags say, and as a server with one of its own.

use std::path::Path;
use std::sync::Arc;

use futures_rustls::client::TlsStream as ClientStream;
use futures_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use futures_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use futures_rustls::rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use futures_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, KeyLogFile, RootCertStore, ServerConfig, SignatureScheme,
};
use futures_rustls::server::TlsStream as ServerStream;
use futures_rustls::{TlsAcceptor, TlsConnector};
use wsinspect::handshake::target::Target;

use crate::failure::Failure;
use crate::flags::reach::{Identity, Reach};
use crate::io::halves::Duplex;

/// The protocol after TLS (RFC 7301): the upgrade is one of HTTP/1.1.
const HTTP: &[u8] = b"http/1.1";

type Stream = Box<dyn Duplex>;

/// Shakes hands with a server.
pub(crate) async fn client(reach: &Reach, target: &Target, stream: Stream) -> Result<ClientStream<Stream>, Failure> {
    let name = reach.sni.as_deref().filter(|name| *name != "off").unwrap_or(&target.host);
    let failed = |words: String| Failure::Tls(format!("{name}: {words}"));
    let server = ServerName::try_from(name.to_owned()).map_err(|error| failed(error.to_string()))?;
    let config = client_config(reach)?;
    TlsConnector::from(Arc::new(config)).connect(server, stream).await.map_err(|error| failed(explained(&error)))
}

/// The words for a server that answers something else.
const NO_TLS: &str = "it does not speak TLS; is it ws:// rather than wss://?";

/// Explains an error of TLS, and what helps.
fn explained(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => {
            format!("its certificate is not trusted ({why}); --cacert FILE trusts another one, --insecure any")
        }
        Some(Error::InvalidMessage(_)) => NO_TLS.into(),
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => format!("it ends the handshake: {NO_TLS}"),
        None => error.to_string(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn client_config(reach: &Reach) -> Result<ClientConfig, Failure> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Tls(error.to_string()))?;
    let builder = if reach.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider())))
    } else {
        builder.with_root_certificates(roots(reach.cacert.as_deref())?)
    };
    let mut config = match (&reach.cert, &reach.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| Failure::Input(format!("{}: {error}", cert.display())))?,
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.enable_sni = reach.sni.as_deref() != Some("off");
    // Only where SSLKEYLOGFILE says so.
    config.key_log = Arc::new(KeyLogFile::new());
    Ok(config)
}

/// Returns the trusted roots: those of the file, or else of the system.
fn roots(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in certificates(path)? {
                let failed = |error| Failure::Input(format!("{}: {error}", path.display()));
                roots.add(certificate).map_err(failed)?;
            }
        }
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if roots.is_empty() {
        return Err(Failure::Tls("this system trusts nobody: it has no certificates; --cacert FILE does".into()));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed = |error: &dyn ToString| Failure::Input(format!("{}: {}", path.display(), error.to_string()));
    let all = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    if all.is_empty() { Err(failed(&"it has no certificate in it (PEM)")) } else { Ok(all) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))
}

/// Returns the TLS side of a server; `None` if it is plain.
pub(crate) fn acceptor(identity: &Identity) -> Result<Option<TlsAcceptor>, Failure> {
    let (Some(cert), Some(key)) = (&identity.tls_cert, &identity.tls_key) else { return Ok(None) };
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Tls(error.to_string()))?.with_no_client_auth();
    let config = builder.with_single_cert(certificates(cert)?, private_key(key)?);
    let mut config = config.map_err(|error| Failure::Input(format!("{}: {error}", cert.display())))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Shakes hands with a client.
pub(crate) async fn server(acceptor: &TlsAcceptor, stream: Stream) -> std::io::Result<ServerStream<Stream>> {
    acceptor.accept(stream).await
}

/// Trusts whoever answers: `--insecure`.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
