//! Files with attestations: npm's documents and sigstore bundles, one or one a line (74-slsa.md, M-1 to M-3).
//!
//! Takes them apart and verifies nothing. Not here: what is signed (`provenance`), by whom (`certificate`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vitrine_spec::json::{self, Value};

use super::{list, text};
use crate::exit::Failure;
use crate::limits::PROVENANCE_BYTES_MAX;

/// Both alphabets, with padding or without, spare bits zero [M-2].
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Where a bundle has its signer's certificate, the one with the key first.
const CERTIFICATES: [&str; 2] =
    ["verificationMaterial.certificate", "verificationMaterial.x509CertificateChain.certificates"];

/// One attestation: what was signed, the signature, and the certificate where the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which of its file, from 1.
    pub number: usize,
    /// What the payload is.
    pub payload_type: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The signature over both.
    pub sig: Vec<u8>,
    /// The certificate of the key, DER; none where the file only names a key.
    pub certificate: Option<Vec<u8>>,
}

/// The attestations of a file [M-1].
///
/// # Errors
/// It is too long, no strict JSON, or none of the three forms.
pub fn read(bytes: &[u8]) -> Result<Vec<Bundle>, Failure> {
    if bytes.len() as u64 > PROVENANCE_BYTES_MAX {
        return Err(Failure::refused("slsa.size", "the file with the provenance is longer than it can be")
            .side("limit", format!("{PROVENANCE_BYTES_MAX} bytes"))
            .side("the file", "is longer")
            .now("give a file that holds the attestations of this artifact alone"));
    }
    let mut bundles = Vec::new();
    for document in documents(bytes)? {
        let attestations = list(&document, "attestations");
        if attestations.is_empty() {
            bundles.push(bundle(bundles.len() + 1, &document)?);
        }
        for attestation in attestations {
            let number = bundles.len() + 1;
            let held = attestation.get("bundle").ok_or_else(|| form(number, "an attestation", "no `bundle`"))?;
            bundles.push(bundle(number, held)?);
        }
    }
    Ok(bundles)
}

/// The file as one JSON document, else each of its lines as one.
fn documents(bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let whole = match json::parse(bytes) {
        Ok(document) => return Ok(vec![document]),
        Err(error) => error,
    };
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    let broken = |what: &str, error: json::JsonError| {
        Failure::refused("slsa.json", "the file with the provenance is not strict JSON, nor is each of its lines")
            .side("where", what)
            .side("reason", error)
    };
    if lines.len() < 2 {
        return Err(broken("the whole file", whole));
    }
    let parsed = lines.iter().enumerate().map(|(at, line)| {
        json::parse(line).map_err(|error| broken(&format!("line {} of those that are not blank", at + 1), error))
    });
    parsed.collect()
}

fn bundle(number: usize, value: &Value) -> Result<Bundle, Failure> {
    let member = |path: &str| {
        text(value, path).ok_or_else(|| form(number, &format!("a text at `{path}`"), "nothing of that kind"))
    };
    let bytes = |path: &str, encoded: &str| {
        decode(encoded).map_err(|why| {
            Failure::refused("slsa.base64", "a member of the file with the provenance is not base64")
                .side("attestation", number)
                .side("member", path)
                .side("reason", why)
        })
    };
    let [signature] = list(value, "dsseEnvelope.signatures") else {
        let found = format!("{} signatures", list(value, "dsseEnvelope.signatures").len());
        return Err(form(number, "exactly one signature in `dsseEnvelope.signatures`", &found)); // [M-3]
    };
    let sig = text(signature, "sig").ok_or_else(|| form(number, "a signature with `sig`", "one without"))?;
    Ok(Bundle {
        number,
        payload_type: member("dsseEnvelope.payloadType")?.to_owned(),
        payload: bytes("dsseEnvelope.payload", member("dsseEnvelope.payload")?)?,
        sig: bytes("sig", sig)?,
        certificate: certificate(number, value)?.map(|text| bytes("rawBytes", text)).transpose()?,
    })
}

/// The certificate with the key: of a chain the first.
fn certificate(number: usize, value: &Value) -> Result<Option<&str>, Failure> {
    let [alone, chain] = CERTIFICATES;
    let one = text(value, &format!("{alone}.rawBytes"));
    let first = list(value, chain).first().and_then(|first| text(first, "rawBytes"));
    match (one, first) {
        (Some(_), Some(_)) => Err(form(number, "one certificate or one chain", "both")),
        (one, first) => Ok(one.or(first)),
    }
}

/// Base64 as the envelopes' and protobuf's rules have it [M-2].
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).map_err(|error| error.to_string())
}

fn form(number: usize, wanted: &str, found: &str) -> Failure {
    Failure::refused("slsa.bundle", "this is neither npm's attestations nor a sigstore bundle")
        .side("attestation", number)
        .side("wanted", wanted)
        .side("found", found)
        .now("give the file that the registry or the build service serves beside the artifact")
}
