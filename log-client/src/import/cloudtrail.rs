//! AWS CloudTrail: files of `{"Records": [...]}` (docs/import.md; events.md 3.4).
//!
//! It fills 9 of the 24 fields: time, operation and its name, actor and session, the cloud's region, outcome, identifier, digest.
//! Not here: files (`lines`), enrichment (`found`).

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use vitrine_spec::fields::print_instant;
use vitrine_spec::words::is_site;

use super::found::{Found, Refused};
use super::mapping::{Mapping, Slot};

/// The file, with each record in the bytes that it has there.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "digestStartTime")]
    digest: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_time: Option<String>,
    event_source: Option<String>,
    event_name: Option<String>,
    aws_region: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
    read_only: Option<bool>,
    #[serde(rename = "eventID")]
    event_id: Option<String>,
    #[serde(default)]
    user_identity: Identity,
    request_parameters: Option<Json>,
    response_elements: Option<Json>,
    #[serde(default)]
    resources: Option<Vec<Resource>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    arn: Option<String>,
    user_name: Option<String>,
    principal_id: Option<String>,
    access_key_id: Option<String>,
    invoked_by: Option<String>,
    session_context: Option<SessionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext {
    session_issuer: Option<Issuer>,
}

#[derive(Deserialize)]
struct Issuer {
    arn: Option<String>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "ARN")]
    arn: Option<String>,
}

/// The records of a file, each in its bytes.
pub fn records(bytes: &[u8]) -> Result<Vec<&[u8]>, Refused> {
    let file: File<'_> = serde_json::from_slice(bytes).map_err(|_| Refused::fault("not a file of CloudTrail"))?;
    match (file.records, file.digest) {
        (Some(records), _) => Ok(records.into_iter().map(|record| record.get().as_bytes()).collect()),
        (None, Some(_)) => Err(Refused::no_access("a digest file of CloudTrail, which holds no records")),
        (None, None) => Err(Refused::fault("not a file of CloudTrail")),
    }
}

/// What one record says.
pub fn record(bytes: &[u8], mapping: &Mapping) -> Result<Found, Refused> {
    let record: Record = serde_json::from_slice(bytes).map_err(|_| Refused::fault("not a record of CloudTrail"))?;
    let mut found = Found::new();
    let time = record.event_time.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let time = time.and_then(|time| print_instant(time.as_millisecond()));
    found.say(Slot::OccurredAt, time.ok_or_else(|| Refused::fault("no time that can be read"))?);

    let name = record.event_name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refused::fault("no eventName"))?;
    let source = record.event_source.as_deref().unwrap_or_default();
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    found.say(Slot::Op, op(name, record.read_only));
    found.say(Slot::NativeOp, format!("aws:{service}:{name}"));

    let identity = &record.user_identity;
    let by_service = identity.invoked_by.as_deref().map(|by| format!("service:{by}"));
    let actor = identity.arn.clone().or(by_service).or_else(|| identity.principal_id.clone());
    found.say(Slot::Actor, actor.unwrap_or_default());
    // A user's name, or the name of the session that a role was taken for.
    let last = identity.arn.as_deref().and_then(|arn| arn.rsplit('/').next()).map(str::to_owned);
    found.also_actor = identity.user_name.iter().cloned().chain(last.clone()).collect();
    found.say(Slot::Session, identity.access_key_id.as_deref().unwrap_or_default());
    found.say(Slot::Tool, last.unwrap_or_default());
    let issuer = identity.session_context.as_ref().and_then(|context| context.session_issuer.as_ref());
    found.say(Slot::Role, issuer.and_then(|issuer| issuer.arn.as_deref()).unwrap_or_default());

    if let Some(region) = record.aws_region.as_deref() {
        let capitals = region.to_ascii_uppercase();
        let site = mapping.sites.get(region).cloned().or_else(|| is_site(&capitals).then_some(capitals));
        found.say(Slot::StorageSite, site.unwrap_or_default());
    }
    found.objects = objects(&record, source);
    let (result, native) = outcome(&record);
    found.say(Slot::Result, result);
    found.say(Slot::NativeResult, native.unwrap_or_default());
    found.say(Slot::NativeId, record.event_id.as_deref().unwrap_or_default());
    Ok(found)
}

/// The resources that the record names, else the bucket, else the service as a whole.
fn objects(record: &Record, source: &str) -> Vec<Vec<String>> {
    let named: Vec<Vec<String>> =
        record.resources.iter().flatten().filter_map(|resource| Some(vec![resource.arn.clone()?])).collect();
    if !named.is_empty() {
        return named;
    }
    let bucket =
        record.request_parameters.as_ref().and_then(|request| request.get("bucketName")).and_then(Json::as_str);
    let bucket = bucket.map(|bucket| format!("arn:aws:s3:::{bucket}"));
    vec![bucket.into_iter().chain([source.to_owned()]).collect()]
}

/// What an operation does, by `readOnly` and the first word of its name.
fn op(name: &str, read_only: Option<bool>) -> &'static str {
    let verb: String =
        name.char_indices().take_while(|(at, c)| *at == 0 || !c.is_uppercase()).map(|(_, c)| c).collect();
    let reads = ["Get", "List", "Describe", "Head", "Lookup", "Search", "Batch", "Select", "Query", "Scan", "Decrypt"];
    if read_only.unwrap_or_else(|| reads.contains(&verb.as_str())) {
        return "read";
    }
    match verb.as_str() {
        "Delete" | "Terminate" | "Remove" | "Release" | "Deregister" => "delete",
        // `EndSecretVersionDelete`: the cloud's own deletion, days after it was asked for.
        _ if name.ends_with("Delete") => "delete",
        "Create" | "Put" | "Run" | "Copy" | "Import" | "Upload" | "Restore" | "Allocate" => "store",
        _ => "alter",
    }
}

/// How it ended, with the code or message that says so.
fn outcome(record: &Record) -> (&'static str, Option<&str>) {
    // A sign-in to the console has no error code.
    let login = record.response_elements.as_ref().and_then(|response| response.get("ConsoleLogin"));
    let Some(code) = record.error_code.as_deref() else {
        return match login.and_then(Json::as_str) {
            Some("Failure") => ("refused", record.error_message.as_deref()),
            Some(_) | None => ("success", None),
        };
    };
    let words = ["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"];
    (if words.iter().any(|word| code.contains(word)) { "refused" } else { "error" }, Some(code))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(more: Json) -> Found {
        let mut event = json!({"eventTime": "2023-07-10T12:00:24Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "awsRegion": "us-east-1", "eventID": "e-1", "readOnly": true});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        record(event.to_string().as_bytes(), &Mapping::default()).unwrap()
    }

    #[test]
    fn a_record_of_a_user_and_one_of_a_role() {
        let user = found(
            json!({"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/anna", "userName": "anna", "accessKeyId": "AK"},
            "resources": [{"ARN": "arn:aws:s3:::b"}]}),
        );
        assert_eq!(user.get(Slot::OccurredAt), Some("2023-07-10T12:00:24.000Z"));
        assert_eq!(
            (user.get(Slot::NativeOp), user.get(Slot::StorageSite)),
            (Some("aws:s3:GetObject"), Some("US-EAST-1"))
        );
        assert_eq!((user.get(Slot::Actor), user.get(Slot::Session)), (Some("arn:aws:iam::1:user/anna"), Some("AK")));
        assert_eq!(user.also_actor, ["anna", "anna"]);
        assert_eq!(user.objects, [["arn:aws:s3:::b"]]);
        let role = found(json!({"userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/R/CS-7",
            "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/R"}}}, "requestParameters": {"bucketName": "b"}}));
        assert_eq!((role.get(Slot::Role), role.get(Slot::Tool)), (Some("arn:aws:iam::1:role/R"), Some("CS-7")));
        assert_eq!(role.objects, [["arn:aws:s3:::b", "s3.amazonaws.com"]]);
        let service = found(json!({"userIdentity": {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}}));
        assert_eq!(service.get(Slot::Actor), Some("service:ec2.amazonaws.com"));
    }

    #[test]
    fn a_region_that_is_no_site_is_one_by_the_mapping_only() {
        let event =
            json!({"eventTime": "2023-07-10T12:00:24Z", "eventName": "GetObject", "awsRegion": "ap-southeast-1"})
                .to_string();
        assert_eq!(record(event.as_bytes(), &Mapping::default()).unwrap().get(Slot::StorageSite), None);
        let mut mapping = Mapping::default();
        mapping.sites.insert("ap-southeast-1".to_owned(), "SG-SG-1".to_owned());
        assert_eq!(record(event.as_bytes(), &mapping).unwrap().get(Slot::StorageSite), Some("SG-SG-1"));
    }

    #[test]
    fn operations_and_outcomes() {
        for (name, read_only, want) in [
            ("PutObject", Some(false), "store"),
            ("PutObject", Some(true), "read"),
            ("GetObject", None, "read"),
            ("TerminateInstances", Some(false), "delete"),
            ("StopLogging", Some(false), "alter"),
            ("EndSecretVersionDelete", Some(false), "delete"),
            ("decrypt", None, "alter"),
            ("Z", None, "alter"),
        ] {
            assert_eq!(op(name, read_only), want, "{name}");
        }
        let result = |more: Json| {
            let found = found(more);
            (found.get(Slot::Result).map(str::to_owned), found.get(Slot::NativeResult).map(str::to_owned))
        };
        let pair = |a: &str, b: Option<&str>| (Some(a.to_owned()), b.map(str::to_owned));
        assert_eq!(result(json!({})), pair("success", None));
        assert_eq!(result(json!({"errorCode": "AccessDenied"})), pair("refused", Some("AccessDenied")));
        let code = "Client.UnauthorizedOperation";
        assert_eq!(result(json!({"errorCode": code})), pair("refused", Some(code)));
        assert_eq!(result(json!({"errorCode": "Throttling"})), pair("error", Some("Throttling")));
        let login = json!({"responseElements": {"ConsoleLogin": "Failure"}, "errorMessage": "Failed authentication"});
        assert_eq!(result(login), pair("refused", Some("Failed authentication")));
    }

    #[test]
    fn what_is_no_record_is_said_and_no_panic() {
        assert_eq!(records(br#"{"Records":[{"a":1}, 2 ]}"#).unwrap(), [&b"{\"a\":1}"[..], b"2"]);
        assert!(!records(br#"{"digestStartTime":"x"}"#).unwrap_err().fault);
        for bytes in [&b""[..], b"{}", b"[]", b"{\"Records\":3}", b"{\"Records\":[}"] {
            assert!(records(bytes).unwrap_err().fault);
        }
        for bytes in [&b"2"[..], b"{}", br#"{"eventTime":"x"}"#, br#"{"eventTime":"2023-07-10T12:00:24Z"}"#] {
            assert!(record(bytes, &Mapping::default()).unwrap_err().fault);
        }
    }
}
