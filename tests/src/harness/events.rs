//! Signed builds without a client process: for tests and benchmarks that need many.

use vitrine_spec::envelope::{Envelope, Submission, pae};
use vitrine_spec::event::statement_value;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::statement::Kind;

use super::forge;
use super::world::World;

/// Signs builds of one issuer, which are in no chain.
pub struct Builds {
    key: Seed,
    keyid: String,
    origin: String,
    issuer: String,
    builder: String,
}

impl Builds {
    /// Opens the issuer, with one builder of its own.
    ///
    /// # Errors
    /// The command that did not succeed.
    pub fn open(world: &World, issuer: &str) -> Result<Builds, String> {
        let builder = format!("https://{issuer}.example/farm");
        world.open(issuer, &["types.build=none", &format!("builders={builder}")])?;
        let key = forge::key(&world.path(&format!("{issuer}.key")))?;
        let (keyid, origin) = (key.vkey().keyid(), world.origin.clone());
        Ok(Builds { key, keyid, origin, issuer: issuer.to_owned(), builder })
    }

    /// The build with this number, recorded at `recorded`: another number is another event.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, number: u64, recorded: u64) -> Result<Submission, String> {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let digest = Hash::of_parts(&[self.issuer.as_bytes(), &number.to_be_bytes()]).hex();
        let source = Value::object([
            ("uri", "git:bench".into()),
            ("digest", Value::object([("gitTree", "0123456789abcdef0123456789abcdef01234567".into())])),
        ]);
        let body = Value::object([
            ("purl", "pkg:generic/bench@1.0".into()),
            ("source", source),
            ("builder_id", self.builder.as_str().into()),
            ("build_type", "https://bench.example/type".into()),
            ("invocation_id", number.to_string().into()),
            ("started", int(recorded)),
            ("finished", int(recorded)),
            ("build_site", "CH-ZH-1".into()),
            ("signing_site", "CH-ZH-1".into()),
        ]);
        let header = Value::object([
            ("origin", self.origin.as_str().into()),
            ("issuer", self.issuer.as_str().into()),
            ("epoch", Value::Int(1)),
            ("nonce", digest[..32].into()),
            ("recorded", int(recorded)),
        ]);
        let element = Value::object([
            ("name", "bench.bin".into()),
            ("digest", Value::object([("sha256", digest.as_str().into())])),
        ]);
        let payload = statement_value(Kind::Build, Value::Array(vec![element]), header, body, None).to_jcs();
        let signature = self.key.sign_ed25519(&pae(&payload)).map_err(|e| e.to_string())?;
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        envelope.add(self.keyid.clone(), signature);
        Ok(Submission { envelope, sealed: None })
    }

    /// The issuer's private key.
    #[must_use]
    pub fn key(&self) -> &Seed {
        &self.key
    }
}
