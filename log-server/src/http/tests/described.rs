//! The document at `/openapi.json` beside the routes and what they really answer.

use std::collections::BTreeSet;

use vitrine_spec::refusal::{CODES, WAIT_CODES};

use super::*;

async fn document(server: &Server) -> Value {
    let answer = server.get("/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    answer.json()
}

/// Every path, method and description of the document.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_route_and_nothing_else() {
    // [S-47] `routes!` compiles only with a description, and nothing else registers a route.
    let sources = [include_str!("../../http.rs")];
    let registered: usize = sources.iter().map(|text| text.matches("routes!(").count()).sum();
    for other in [".route(", "axum::routing", ".nest(", ".merge(", ".route_service("] {
        assert!(sources.iter().all(|text| !text.contains(other)), "a route without description: {other}");
    }
    let server = server(Setting::default()).await;
    let document = document(&server).await;
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert_eq!(document["paths"].as_object().unwrap().len(), registered, "paths in the document");
    for (path, method, operation) in operations(&document) {
        let asked = path.replace("{path}", "0/000.p/1").replace("{name}", "0").replace("{range}", "0-1");
        let asked = asked.replace("{sha256}", &"0".repeat(64));
        let asked = asked.replace("{index}", "0");
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(&asked);
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert!(!answer.text_lossy().contains("no such path"), "{method} {path} is no route");
        let status = answer.status.as_u16().to_string();
        let told = &operation["responses"][&status]["content"];
        let media = answer.header("content-type").split(';').next().unwrap();
        assert!(told.get(media).is_some(), "{method} {path} answers {status} as {media}, told is {told}");
        // Another method is refused, with the methods that are taken.
        let other = Request::delete(&asked).body(Body::empty()).unwrap();
        let refused = server.send(other).await;
        assert_eq!(refused.code(), "method", "{path}");
        assert!(refused.header("allow").contains(&method.to_uppercase()), "{path}: {}", refused.header("allow"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_told_and_is_a_problem_document() {
    // [S-47]
    let server = server(Setting::default()).await;
    let document = document(&server).await;
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 8), "{at} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at} never succeeds");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| text.len() > 5), "{at} {status}");
            let Some(content) = response["content"].as_object() else {
                assert_eq!(status, "304", "{at} has no body");
                continue;
            };
            if status.starts_with(['4', '5']) && content.get("application/json").is_none() {
                assert_eq!(content.contains_key("text/html"), operation["tags"][0] == "explore", "{at} {status}");
                let schema = &content["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
        }
        let open: BTreeSet<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let named = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let named = named.filter(|parameter| parameter["in"] == "path").filter_map(|one| one["name"].as_str());
        assert_eq!(named.collect::<BTreeSet<_>>(), open, "{at}");
    }
    let submitted = &document["paths"]["/events"]["post"]["responses"];
    for (code, status) in CODES.iter().chain(&WAIT_CODES[..1]) {
        // Of requests alone, [Q-7], [Q-8].
        let told = if *status == 416 { &document["paths"]["/sealed/{range}"]["get"]["responses"] } else { submitted };
        assert!(told.get(status.to_string()).is_some(), "{code} is {status}");
    }
}

/// Holds a value against a schema: the members that must be there are, others are named, and each fits.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return fits(document, &document["components"]["schemas"][name], value, at);
    }
    if let Some(several) = schema["oneOf"].as_array() {
        let one = several.iter().find(|one| (one["type"] == "null") == value.is_null());
        return fits(document, one.unwrap_or_else(|| panic!("{at}: {value}")), value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    assert!(kinds.contains(&json!(kind)), "{at} is {kind}, told is {}", schema["type"]);
    for (number, element) in value.as_array().into_iter().flatten().enumerate() {
        fits(document, &schema["items"], element, &format!("{at}[{number}]"));
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "{at} has no {name}");
    }
    for (name, member) in members {
        let told = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
        assert!(told.is_object(), "{at}.{name} is not told");
        fits(document, told, member, &format!("{at}.{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_have_the_shapes_that_are_told() {
    // [S-47]
    let mut server = server(Setting::default()).await;
    server.gateway(1).await;
    let mut farm = server.farm().await;
    let build = farm.build(1);
    assert_eq!(server.submit(&build).await.status, 201);
    let beat = server.operator.heartbeat();
    assert_eq!(server.submit(&beat).await.status, 201);
    let document = document(&server).await;
    let digest = Hash::of(&1u64.to_be_bytes()).hex();
    for (path, asked) in [
        ("/charter", "/charter".to_owned()),
        ("/issuers/{name}", "/issuers/farm".to_owned()),
        ("/issuers/{name}", "/issuers/gateway".to_owned()),
        ("/issuers/{name}", "/issuers/vault".to_owned()),
        ("/lookup", format!("/lookup?sha256={digest}")),
        ("/proof/inclusion", "/proof/inclusion?index=0".to_owned()),
        ("/proof/consistency", "/proof/consistency?from=1".to_owned()),
        ("/readyz", "/readyz".to_owned()),
    ] {
        let answer = server.get(&asked).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
        let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        fits(&document, schema, &answer.json(), &asked);
    }
    let post = &document["paths"]["/events"]["post"];
    let sent = &post["requestBody"]["content"]["application/json"]["schema"];
    fits(&document, sent, &build, "a submission");
    let checked = server.post("/events?check=1", "application/json", build.to_string()).await;
    fits(&document, &post["responses"]["200"]["content"]["application/json"]["schema"], &checked.json(), "check=1");
    let mut late = Actor::new("operator", 40).after(&server.charter);
    late.heartbeat();
    late.heartbeat();
    let refused = server.submit(&late.heartbeat()).await;
    assert_eq!(refused.code(), "position");
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    fits(&document, &problem, &refused.json(), "a refusal");
    fits(&document, &problem, &server.get("/nowhere").await.json(), "a path that is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_paths_is_the_document() {
    let server = server(Setting::default()).await;
    let document = document(&server).await;
    let text = server.get("/paths").await.text();
    for (path, method, operation) in operations(&document) {
        let line = format!("{:<5}{path}", method.to_uppercase());
        assert!(text.lines().any(|found| found.starts_with(&line)), "{line} is not in\n{text}");
        assert!(text.contains(operation["summary"].as_str().unwrap()), "{path}");
    }
    assert!(text.contains("/proof/inclusion?index=&size=\n"), "{text}");
}
