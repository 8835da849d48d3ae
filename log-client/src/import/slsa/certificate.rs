//! Who signed: the certificate that lies beside a signature (74-slsa.md, M-3, M-9 and M-10).
//!
//! Its key, the name it gives the signer, and what it says of the run. Not here: who issued it and whether it was in force; so
//! whoever made the file could have made the certificate too.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use vitrine_spec::envelope::pae_of;
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::bundle::Bundle;
use crate::exit::Failure;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// Extensions of Fulcio's certificates, each a UTF8String: the repository, its revision, the run.
const REPOSITORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.12");
const REVISION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.13");
const RUN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.21");

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    point: Vec<u8>,
    /// Everything that its subject is called; of a workflow one URI.
    names: Vec<String>,
    signer: Option<String>,
    /// Its first second.
    pub not_before: u64,
    /// The repository that was built.
    pub repository: Option<String>,
    /// Its revision, hex.
    pub revision: Option<String>,
    /// The run.
    pub run: Option<String>,
}

impl Certificate {
    /// Reads a certificate whose key is one of ECDSA P-256.
    ///
    /// # Errors
    /// It is none, or has a key of another kind.
    pub fn read(number: usize, der: &[u8]) -> Result<Certificate, Failure> {
        let wrong = |wanted: &str, found: String| {
            Failure::refused("slsa.certificate", "the certificate beside a signature cannot be used")
                .side("attestation", number)
                .side("wanted", wanted)
                .side("found", found)
        };
        let read = X509::from_der(der).map_err(|error| wrong("an X.509 certificate in DER", error.to_string()))?;
        let tbs = read.tbs_certificate();
        let key = tbs.subject_public_key_info();
        let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        let point = key.subject_public_key.as_bytes().unwrap_or_default().to_vec();
        if key.algorithm.oid != EC_PUBLIC_KEY || curve != Some(P256) {
            let curve = curve.map(|curve| format!(" on {curve}")).unwrap_or_default();
            return Err(wrong("a key of ECDSA P-256", format!("one of {}{curve}", key.algorithm.oid)));
        }
        let names = tbs
            .get_extension::<SubjectAltName>()
            .map_err(|error| wrong("one subject alternative name", error.to_string()))?
            .map(|(_, names)| names.0)
            .unwrap_or_default();
        let signer = match names.as_slice() {
            [GeneralName::UniformResourceIdentifier(uri)] => Some(uri.to_string()),
            _ => None,
        };
        let stated = |oid: ObjectIdentifier| {
            let mut found = tbs.extensions().into_iter().flatten().filter(|extension| extension.extn_id == oid);
            let value = found.next()?.extn_value.as_bytes();
            Utf8StringRef::from_der(value).ok().map(|text| text.as_str().to_owned())
        };
        Ok(Certificate {
            point,
            names: names.iter().map(shown).collect(),
            signer,
            not_before: tbs.validity().not_before.to_unix_duration().as_secs(),
            repository: stated(REPOSITORY),
            revision: stated(REVISION),
            run: stated(RUN),
        })
    }

    /// Verifies the signature of a bundle: ECDSA P-256 with SHA-256, DER, over its pre-authentication encoding [M-3].
    ///
    /// # Errors
    /// It does not hold.
    pub fn verify(&self, bundle: &Bundle) -> Result<(), Failure> {
        let message = pae_of(&bundle.payload_type, &bundle.payload);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(&message, &bundle.sig).map_err(|_| {
            Failure::refused("slsa.signature", "a signature does not hold under the key of the certificate beside it")
                .side("attestation", bundle.number)
                .side("certificate", self.names.join(", "))
                .side("signed bytes", format!("{} of {}", bundle.payload.len(), bundle.payload_type))
                .now("get the file again from where the artifact is; nothing of it was read")
        })
    }

    /// The workflow that signed.
    ///
    /// # Errors
    /// The certificate names none, or more than that.
    pub fn signer(&self) -> Result<&str, Failure> {
        self.signer.as_deref().ok_or_else(|| {
            let found = if self.names.is_empty() { "no name".to_owned() } else { self.names.join(", ") };
            Failure::refused("slsa.signer", "the certificate does not say which workflow signed")
                .side("wanted", "one subject alternative name, a URI")
                .side("found", found)
        })
    }
}

fn shown(name: &GeneralName) -> String {
    match name {
        GeneralName::UniformResourceIdentifier(text) | GeneralName::Rfc822Name(text) | GeneralName::DnsName(text) => {
            text.to_string()
        }
        _ => "a name that is no text".to_owned(),
    }
}
