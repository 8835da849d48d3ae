//! Sealed records, values, openings and wraps: what opens does so byte for byte, what does not says at which step.
//!
//! The files are made by the oracle in `tests/interop/python`, which shares no code with `spec`. Not here: whether a log
//! takes their leaves (`leaves`).

use serde_json::Value;
use vitrine_spec::commitment::{self, RecordKey};
use vitrine_spec::envelope::{Envelope, pae};
use vitrine_spec::event::Event;
use vitrine_spec::fields::{FIELDS, Field, Values};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::json;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::opening::Opening;
use vitrine_spec::sealing::{self, Context};
use vitrine_spec::text as spec_text;
use vitrine_spec::wrap::{self, ReaderSeed, WindowKey, WrapFor};

use super::input::{Input, Outcome, array, member, number, text, unb64, unhex, word};
use super::reason::Reason;
use super::report::{Report, Want};

/// A member that is `N` bytes in hexadecimal.
pub(super) fn octets<const N: usize>(value: &Value, name: &str) -> Outcome<[u8; N]> {
    let bytes = unhex(word(value, name)?)?;
    bytes.try_into().map_err(|_| format!("member {name:?} has not {N} bytes"))
}

fn base64(value: &Value, name: &str) -> Outcome<Vec<u8>> {
    unb64(word(value, name)?)
}

/// A value of a file as `spec` reads it.
fn value(value: &Value) -> Outcome<json::Value> {
    json::parse(value.to_string().as_bytes()).map_err(|error| format!("{value}: {error}"))
}

fn values(value_of_file: &Value) -> Outcome<[json::Value; FIELDS]> {
    let values = value_of_file.as_array().ok_or("the values are no array")?;
    let values: Vec<json::Value> = values.iter().map(value).collect::<Outcome<_>>()?;
    values.try_into().map_err(|_| format!("there are not {FIELDS} values"))
}

fn event(case: &Value) -> Outcome<Event> {
    let envelope = Envelope::parse_leaf(&base64(case, "leaf")?).map_err(|refusal| refusal.to_string())?;
    Event::read(envelope).map_err(|refusal| refusal.to_string())
}

/// `sealed/records.json`: every value on the way from 24 values to a leaf, its record and an opening to.
pub(super) fn records(input: &Input, report: &mut Report) -> Outcome {
    for case in array(&input.json()?, "cases")? {
        let id = word(case, "name")?;
        let (key, window) = (RecordKey::new(octets(case, "K")?), WindowKey::new(octets(case, "W")?));
        let values = Values::new(values(member(case, "values")?)?).map_err(|error| error.to_string())?;
        let mut same = |what: &str, got: &str, name: &str| {
            report.same(id, what, &got, &word(case, name)?);
            Outcome::Ok(())
        };
        same("check", &window.check().hex(), "check")?;
        let commitments = commitment::commitments(&key, values.all());
        let commit = commitment::commit(&commitments);
        same("commit", &commit.hex(), "commit")?;
        let header = word(case, "header")?;
        same("SHA-256 of the header", &Hash::of(header.as_bytes()).hex(), "header_sha256")?;
        let plain_length = number(case, "plain_length")?;
        let mut plain = sealing::pad(&values).to_vec();
        let is_least = plain.len() as u64 == plain_length;
        // Also larger ones open: what we make is the smallest.
        plain.resize(usize::try_from(plain_length).map_err(|error| error.to_string())?, 0);
        same("the text that is sealed", &Hash::of(&plain).hex(), "plain_sha256")?;
        same("its JSON", &String::from_utf8_lossy(&values.to_value().to_jcs()), "plain_jcs")?;
        let record = sealing::seal(&key, &window, &Context::new(&commit, header.as_bytes()), &plain);
        let (slot, cipher) = record.split_at_checked(48).ok_or("a record without a slot")?;
        same("the slot", &spec_text::hex(slot), "slot")?;
        same("the ciphertext", &Hash::of(cipher).hex(), "cipher_sha256")?;
        same("the record", &spec_text::b64(&record), "record")?;
        same("its SHA-256", &Hash::of(&record).hex(), "record_sha256")?;
        for (number, field) in Field::ALL.into_iter().enumerate() {
            let of_file =
                |name| array(case, name)?.get(number).and_then(Value::as_str).ok_or("less than 24".to_owned());
            report.same(id, field.name(), &spec_text::hex(&key.salt(field)).as_str(), &of_file("salts")?);
            let found = commitments.get(number).map(Hash::hex).ok_or("less than 24")?;
            report.same(id, field.name(), &found.as_str(), &of_file("commitments")?);
        }
        report.holds(id, "the least padding", is_least || id.contains("steps"));
        leaf(report, id, case, &record)?;
        opened(report, id, case, &key, &window, &values)?;
        for wrapped in array(case, "wraps")? {
            wrap_of(report, id, case, wrapped, &window)?;
        }
        report.case::<String>(id, Want::Ok, Ok(()));
    }
    Ok(())
}

/// The leaf as it was signed: payload, identity, signature, hash.
fn leaf(report: &mut Report, id: &str, case: &Value, record: &[u8]) -> Outcome {
    let event = event(case)?;
    report.same(id, "the payload", &String::from_utf8_lossy(event.payload()).as_ref(), &word(case, "payload")?);
    report.same(id, "the event_id", &event.id.hex().as_str(), &word(case, "event_id")?);
    let (name, _) = word(case, "keyid")?.split_once('+').ok_or("a keyid without +")?;
    let seed = Seed::new(name, KeyKind::Ed25519, octets(case, "issuer_seed")?).map_err(|error| error.to_string())?;
    let mut envelope = Envelope { payload: event.payload().to_vec(), signatures: Vec::new() };
    let sig = seed.sign_ed25519(&pae(&envelope.payload)).map_err(|error| error.to_string())?;
    envelope.add(seed.vkey().keyid(), sig);
    report.same(id, "the leaf", &envelope.leaf(), &base64(case, "leaf")?);
    report.same(id, "the leaf hash", &leaf_hash(&event.leaf()).hex().as_str(), &word(case, "leaf_hash")?);
    let sealed = event.statement.sealed.ok_or("the leaf has no record")?;
    let record = (Hash::of(record), record.len() as u64);
    report.same(id, "the record of the leaf", &(sealed.sha256, sealed.size), &record);
    Ok(())
}

/// The record opens to K and the values, and the opening shows what it should and verifies.
fn opened(
    report: &mut Report,
    id: &str,
    case: &Value,
    key: &RecordKey,
    window: &WindowKey,
    values: &Values,
) -> Outcome {
    let event = event(case)?;
    let opened = sealing::open(window, &event, &base64(case, "record")?).map_err(|error| error.to_string())?;
    report.same(id, "K", opened.key.bytes(), key.bytes());
    report.holds(id, "the values", opened.values == *values);
    let shown = array(case, "shown")?.iter().map(|number| {
        let number = usize::try_from(number.as_u64()?).ok()?;
        Field::ALL.get(number).copied()
    });
    let shown: Vec<Field> = shown.collect::<Option<_>>().ok_or("a field that there is not")?;
    let opening = Opening::make(event.id, &opened.key, &opened.values, &shown);
    let printed = opening.print();
    report.same(id, "the opening", &printed.as_slice(), &word(case, "opening")?.as_bytes());
    report.same(id, "its SHA-256", &Hash::of(&printed).hex().as_str(), &word(case, "opening_sha256")?);
    report.holds(id, "the opening is read back", Opening::parse(&printed).as_ref() == Ok(&opening));
    report.same(id, "the opening verifies", &opening.verify(&event), &Ok(()));
    let names: Vec<Field> = opening.shown().into_iter().map(|(field, _)| field).collect();
    report.same(id, "what is shown", &names, &shown);
    Ok(())
}

/// A wrap is made again from its randomness, and opens.
fn wrap_of(report: &mut Report, id: &str, case: &Value, wrapped: &Value, window: &WindowKey) -> Outcome {
    let header: Value = serde_json::from_str(word(case, "header")?).map_err(|error| error.to_string())?;
    let epoch = u32::try_from(number(&header, "epoch")?).map_err(|error| error.to_string())?;
    let target = WrapFor {
        origin: word(&header, "origin")?,
        issuer: word(&header, "issuer")?,
        epoch,
        seq: number(wrapped, "seq")?,
        reader: word(wrapped, "reader")?,
    };
    let seed = ReaderSeed::new(octets(wrapped, "seed")?);
    let public = seed.public();
    report.same(id, "the public key", &Hash::of(&public).hex().as_str(), &word(wrapped, "public_sha256")?);
    report.same(id, "its key id", &spec_text::hex(&seed.key_id()).as_str(), &word(wrapped, "key_id")?);
    report.same(id, "its text", &wrap::reader_text(target.reader, &public).as_str(), &word(wrapped, "text")?);
    report.same(id, "the info", &spec_text::hex(&target.info()).as_str(), &word(wrapped, "info")?);
    let given = base64(wrapped, "wrap")?;
    let made = wrap::wrap(window, &public, &target, &octets(wrapped, "randomness")?);
    report.same(id, "the wrap", &made.as_ref(), &Ok(&given));
    let found = wrap::unwrap(&seed, &target, &given, &window.check()).map(|window| *window.bytes());
    report.same(id, "W", &found, &Ok(*window.bytes()));
    Ok(())
}

/// `sealed/unopenable.json`: the first step that fails, and the incident that it is.
pub(super) fn unopenable(input: &Input, report: &mut Report) -> Outcome {
    for case in array(&input.json()?, "cases")? {
        let (id, expect) = (word(case, "name")?, word(case, "expect")?);
        let wanted = match expect {
            "not-sealed" => "open:NotSealed".to_owned(),
            "erased" => "open:Erased".to_owned(),
            "mismatch" => "open:Mismatch".to_owned(),
            "slot" => "open:Slot".to_owned(),
            "cipher" => "open:Cipher".to_owned(),
            "padding" => "open:Padding".to_owned(),
            "values" => "open:Values".to_owned(),
            "commitment" => "open:Commitment".to_owned(),
            other => format!("field:{}", other.strip_prefix("value ").ok_or_else(|| format!("expects {other:?}"))?),
        };
        let window = WindowKey::new(octets(case, "W")?);
        let got = sealing::open(&window, &event(case)?, &base64(case, "record")?).map(drop);
        if let Err(error) = &got {
            let blame = case.get("blame").and_then(Value::as_str);
            report.same(id, "the incident", &error.incident(), &blame);
        }
        report.case(id, Want::RefusedFor(&[&wanted]), got);
    }
    Ok(())
}

/// `sealed/values.json`: what the table of fields takes, field by field, and whole records to.
pub(super) fn table(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "fields")? {
        let (id, name) = (word(case, "name")?, word(case, "field")?);
        let field = Field::of(name).ok_or_else(|| format!("{name} is no field"))?;
        let wanted = format!("field:{name}");
        judge(report, id, case, &wanted, field.check(&value(member(case, "value")?)?))?;
    }
    for case in array(&file, "records")? {
        let wanted = case.get("field").and_then(Value::as_str).map_or_else(String::new, |name| format!("field:{name}"));
        let got = Values::new(values(member(case, "values")?)?).map(drop);
        judge(report, word(case, "name")?, case, &wanted, got)?;
    }
    Ok(())
}

/// A case that expects `ok`, or `fail` for a reason.
fn judge<R: Reason>(report: &mut Report, id: &str, case: &Value, wanted: &str, got: Result<(), R>) -> Outcome {
    match word(case, "expect")? {
        "ok" => report.case(id, Want::Ok, got),
        "fail" => report.case(id, Want::RefusedFor(&[wanted]), got),
        other => return Err(format!("{id} expects {other:?}")),
    }
    Ok(())
}

/// `sealed/openings.json`: openings against a leaf.
pub(super) fn openings(input: &Input, report: &mut Report) -> Outcome {
    for case in array(&input.json()?, "cases")? {
        let (id, event) = (word(case, "name")?, event(case)?);
        let got = Opening::parse(&text(case, "opening")?).and_then(|opening| opening.verify(&event));
        let wanted: &[&str] = match word(case, "expect")? {
            "ok" => {
                report.case(id, Want::Ok, got);
                continue;
            }
            "form" => &["opening:Json", "opening:Shape", "opening:Nothing"],
            "canonical" => &["opening:Spelling"],
            "event" => &["opening:Event"],
            "commitment" => &["opening:Commitment"],
            "not-sealed" => &["opening:NotSealed"],
            other => return Err(format!("{id} expects {other:?}")),
        };
        report.case(id, Want::RefusedFor(wanted), got);
    }
    Ok(())
}

/// `sealed/wraps.json`: wraps that open or not to, public keys and the texts of keys.
pub(super) fn wraps(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "name")?;
        let epoch = u32::try_from(number(case, "epoch")?).map_err(|error| error.to_string())?;
        let target = WrapFor {
            origin: word(case, "origin")?,
            issuer: word(case, "issuer")?,
            epoch,
            seq: number(case, "seq")?,
            reader: word(case, "reader")?,
        };
        let seed = ReaderSeed::new(octets(case, "seed")?);
        let check = Hash::from_hex(word(case, "check")?).map_err(|error| error.to_string())?;
        let got = wrap::unwrap(&seed, &target, &base64(case, "wrap")?, &check).map(drop);
        let wanted = match word(case, "expect")? {
            "ok" => {
                report.case(id, Want::Ok, got);
                continue;
            }
            "open" => "wrap:Open",
            "check" => "wrap:Check",
            "length" => "wrap:Length",
            other => return Err(format!("{id} expects {other:?}")),
        };
        report.case(id, Want::RefusedFor(&[wanted]), got);
    }
    let target = WrapFor { origin: "example.com/access", issuer: "gateway", epoch: 1, seq: 2, reader: "supervisor" };
    for case in array(&file, "publics")? {
        let made = wrap::wrap(&WindowKey::new([7; 32]), &base64(case, "public")?, &target, &[9; 64]).map(drop);
        judge(report, &format!("public {}", word(case, "name")?), case, "wrap:Key", made)?;
    }
    let public = base64(&file, "public")?;
    for case in array(&file, "texts")? {
        let (id, line) = (format!("text {}", word(case, "name")?), word(case, "text")?);
        let got = wrap::parse_reader_text(line);
        if let Ok((name, key)) = &got {
            report.holds(&id, "it is the key", *key == public && wrap::reader_text(name, key) == line);
        }
        judge(report, &id, case, "reader-text", got.map(drop).map_err(|_| "reader-text".to_owned()))?;
    }
    for case in array(&file, "seeds")? {
        let (id, line) = (format!("seed {}", word(case, "name")?), word(case, "text")?);
        let got = ReaderSeed::parse(line);
        if let Some(seed) = &got {
            report.holds(&id, "it is the key", seed.public() == public && *seed.private_text() == *line);
        }
        judge(report, &id, case, "seed-text", got.map(drop).ok_or_else(|| "seed-text".to_owned()))?;
    }
    Ok(())
}
